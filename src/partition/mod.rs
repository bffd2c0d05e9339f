//! Disk → partitions: the registry of partition tables.

mod boot_sector;
mod gpt;
mod mbr;
mod range;

use crate::error::Result;
use crate::format::{Context, Format, Volume};
use crate::source::SharedSource;

/// How a partition table opens: the disk in, its partitions out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Vec<Volume>>;

/// Every partition table, in probe order. GPT stands before MBR: a disk with a GPT has an MBR too,
/// which protects it, or on a hybrid disk repeats some of its partitions for old firmware. The GPT
/// is the whole of it, and what the Linux kernel shows.
pub const FORMATS: &[Format<Open>] = &[gpt::FORMAT, mbr::FORMAT];
