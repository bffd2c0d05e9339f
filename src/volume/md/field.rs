//! Where in its member a field of a superblock is, for what is said of it.

use std::mem::offset_of;

use super::layout::{MdpDisk, MdpSuper, MdpSuperblock1};
use super::superblock::{Superblock, Version};
use crate::error::Error;
use crate::number::to_u64;

/// A field that can be wrong, whatever the version.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Level,
    Layout,
    Chunk,
    Disks,
    Size,
    /// What says that the array is being reshaped: a bit of `feature_map`, or version 0.91.
    Reshape,
    /// Version 0.90 has none of these: its data are what is before the superblock.
    DataOffset,
    DataSize,
    /// The list of bad blocks, which version 0.90 does not have either: where it begins, its length,
    /// and the size of a block.
    BadOffset,
    BadSize,
    BadShift,
    /// The place in the array of the member with this number.
    Role(u32),
}

impl Field {
    /// Bytes of a superblock of `version` before it.
    fn offset(self, version: Version) -> usize {
        match version {
            Version::Old { .. } => self.in_old(),
            Version::New(_) => self.in_new(),
        }
    }

    fn in_old(self) -> usize {
        match self {
            Self::Level => offset_of!(MdpSuper, level),
            Self::Layout => offset_of!(MdpSuper, layout),
            Self::Chunk => offset_of!(MdpSuper, chunk_size),
            Self::Disks => offset_of!(MdpSuper, raid_disks),
            Self::Size => offset_of!(MdpSuper, size),
            Self::Reshape => offset_of!(MdpSuper, minor_version),
            Self::DataOffset | Self::DataSize => 0,
            Self::BadOffset | Self::BadSize | Self::BadShift => 0,
            Self::Role(number) => {
                let first = offset_of!(MdpSuper, disks);
                let first = first.saturating_add(offset_of!(MdpDisk, raid_disk));
                nth(first, number, size_of::<MdpDisk>())
            }
        }
    }

    fn in_new(self) -> usize {
        match self {
            Self::Level => offset_of!(MdpSuperblock1, level),
            Self::Layout => offset_of!(MdpSuperblock1, layout),
            Self::Chunk => offset_of!(MdpSuperblock1, chunksize),
            Self::Disks => offset_of!(MdpSuperblock1, raid_disks),
            Self::Size => offset_of!(MdpSuperblock1, size),
            Self::Reshape => offset_of!(MdpSuperblock1, feature_map),
            Self::DataOffset => offset_of!(MdpSuperblock1, data_offset),
            Self::DataSize => offset_of!(MdpSuperblock1, data_size),
            Self::BadOffset => offset_of!(MdpSuperblock1, bblog_offset),
            Self::BadSize => offset_of!(MdpSuperblock1, bblog_size),
            Self::BadShift => offset_of!(MdpSuperblock1, bblog_shift),
            Self::Role(number) => nth(size_of::<MdpSuperblock1>(), number, size_of::<u16>()),
        }
    }
}

/// Where element `number` of an array from `start` is.
fn nth(start: usize, number: u32, each: usize) -> usize {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    start.saturating_add(number.saturating_mul(each))
}

impl Superblock {
    /// `error`, which is about `field`, at its byte of the member.
    pub(super) fn blame(&self, field: Field, error: Error) -> Error {
        let offset = to_u64(field.offset(self.version));
        error.at(self.place.saturating_add(offset))
    }
}
