//! Partitions → volumes: the registry of volume managers.

use crate::error::Result;
use crate::format::{Context, Format, Volume};
use crate::source::SharedSource;

/// How a volume manager opens: the members of its set in, its volumes out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Vec<Volume>>;

/// Every volume manager, in probe order.
pub const FORMATS: &[Format<Open>] = &[];
