//! The logical volume integrity sequence (ECMA-167, 3/8.8.2): whether the volume was closed, and how
//! much room it had then.

use super::disk::Disk;
use super::layout::{RawExtent, RawIntegrity, RawIntegrityUse};
use super::tag::{self, kind};
use crate::number::to_usize;

/// Descriptors at most: as many as the kernel follows.
const MOST: usize = 1000;

/// The last integrity descriptor.
pub(super) struct Integrity {
    /// The volume was closed after it was last written.
    pub(super) closed: bool,
    /// Free blocks by partition.
    free: Vec<u8>,
    /// Files and directories, if it says so.
    pub(super) counts: Option<(u32, u32)>,
    /// The byte of the disk where it is.
    pub(super) place: u64,
    /// The oldest revision of UDF by which the volume can be read, as in 0x0250.
    pub(super) read_revision: Option<u16>,
}

impl Integrity {
    /// The last descriptor of the sequence that begins with `extent`; `None` where there is none:
    /// write-once media have it in their virtual allocation table.
    pub(super) fn read(disk: &Disk<'_>, extent: RawExtent) -> Option<Self> {
        let (mut last, mut extent, mut left) = (None, extent, MOST);
        while extent.length.get() > 0 {
            let start = u64::from(extent.location.get());
            let blocks = u64::from(extent.length.get()).wrapping_shr(disk.block_bits);
            let mut next = None;
            for number in start..start.saturating_add(blocks) {
                left = left.checked_sub(1)?;
                let Some((raw, block)) = descriptor(disk, number) else {
                    break;
                };
                let found = raw.next_integrity_extent;
                next = (found.length.get() > 0).then_some(found);
                last = Some((raw, block, disk.offset(number)));
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some(found) => extent = found,
                None => break,
            }
        }
        last.map(|(raw, block, place)| Self::parse(&raw, &block, place))
    }

    fn parse(raw: &RawIntegrity, block: &[u8], place: u64) -> Self {
        let tables = block.get(size_of::<RawIntegrity>()..).unwrap_or_default();
        let size = to_usize(raw.number_of_partitions.get().into()).saturating_mul(4);
        let free = tables.get(..size).unwrap_or_default();
        let used = tables.get(size.saturating_mul(2)..).unwrap_or_default();
        let long_enough =
            to_usize(raw.length_of_implementation_use.get().into()) >= size_of::<RawIntegrityUse>();
        let used: Option<RawIntegrityUse> = tag::view(used, "implementation use").ok();
        let used = used.filter(|_| long_enough);
        Self {
            closed: raw.integrity_type.get() == 1,
            place,
            free: free.to_vec(),
            counts: used.map(|used| (used.number_of_files.get(), used.number_of_directories.get())),
            read_revision: used.map(|used| used.minimum_udf_read_revision.get()),
        }
    }

    /// Free blocks of partition `reference`; `None` where nobody counted them.
    pub(super) fn free(&self, reference: u16) -> Option<u32> {
        let (counts, _) = self.free.as_chunks::<4>();
        let count = counts.get(usize::from(reference))?;
        Some(u32::from_le_bytes(*count)).filter(|count| *count != u32::MAX)
    }
}

fn descriptor(disk: &Disk<'_>, number: u64) -> Option<(RawIntegrity, Vec<u8>)> {
    let (found, block) = disk.descriptor(number).ok()?;
    let raw = tag::view(&block, "integrity descriptor").ok()?;
    (found == kind::INTEGRITY).then_some((raw, block))
}
