//! Disk → partitions: the registry of partition tables.

mod boot_sector;
mod bsd;
mod gpt;
mod mac;
mod mbr;
mod range;
mod sgi;
mod sun;
mod text;

use crate::error::Result;
use crate::format::{Context, Format, Volume};
use crate::source::SharedSource;

/// How a partition table opens: the disk in, its partitions out.
pub type Open = fn(&[SharedSource], &Context) -> Result<Vec<Volume>>;

/// Every partition table, in probe order. GPT stands before MBR: a disk with a GPT has an MBR too,
/// which protects it, or on a hybrid disk repeats some of its partitions for old firmware. The GPT
/// is the whole of it, and what the Linux kernel shows. The others follow in the kernel's order, so
/// that a disk with two tables, as hybrid installation media have, shows the same partitions as
/// there. A BSD label by itself, which the kernel does not read, is last.
pub const FORMATS: &[Format<Open>] = &[
    gpt::FORMAT,
    sgi::FORMAT,
    mbr::FORMAT,
    sun::FORMAT,
    mac::FORMAT,
    bsd::FORMAT,
];
