//! Disk → partitions: the registry of partition tables.

use crate::error::Result;
use crate::format::{Context, Format, Volume};
use crate::source::SharedSource;

/// How a partition table opens: the disk in, its partitions out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Vec<Volume>>;

/// Every partition table, in probe order.
pub const FORMATS: &[Format<Open>] = &[];
