//! The numbers of statfs(2), as the kernel's driver computes them.

use super::Udf;
use super::allocation;
use super::icb::FileEntry;
use super::layout::{RawShort, RawSpaceBitmap};
use super::tag::{self, kind};
use super::volume::{Address, Volume};
use crate::error::{Error, Result};
use crate::filesystem::{Request, Usage};
use crate::number::to_u64;

/// Bytes of a bitmap counted at a time.
const CHUNK: u64 = 64 << 10;

/// As much as the CRC of a descriptor can cover, with its tag.
const MOST_CHECKED: u64 = 16 + 0xffff;

/// The longest name: of 255 bytes on disk the first says how wide the others are.
const NAME_MAX: u32 = 254;

/// The usage, of the partition that the root is found by.
pub(super) fn usage(udf: &Udf) -> Usage {
    let Ok(partition) = udf.volume.partition(udf.file_set.partition) else {
        return Usage::default();
    };
    let free = free(udf).min(partition.length);
    Usage {
        block_size: u32::try_from(udf.volume.disk().block_size()).unwrap_or(u32::MAX),
        blocks: partition.length,
        free,
        available: free,
        files: udf.files().saturating_add(free),
        files_free: free,
        name_max: NAME_MAX,
    }
}

/// Free blocks: as the integrity descriptor says, else as the bitmaps do, else the lists.
fn free(udf: &Udf) -> u64 {
    let reference = udf.file_set.partition;
    let stated = udf.integrity.as_ref().and_then(|last| last.free(reference));
    match stated {
        Some(free @ 1..) => free.into(),
        _ => counted(&udf.volume, reference),
    }
}

fn counted(volume: &Volume, reference: u16) -> u64 {
    let Ok(partition) = volume.partition(reference) else {
        return 0;
    };
    let raw = &partition.descriptor;
    let request = Request::new(0);
    let at = |extent: &RawShort| {
        (extent.extent_length.get() > 0).then_some(Address {
            partition: reference,
            block: extent.extent_position.get(),
        })
    };
    let bitmaps = [&raw.unallocated_space_bitmap, &raw.freed_space_bitmap];
    let count = |at| bitmap(volume, &request, at).unwrap_or(0);
    let free: u64 = bitmaps.into_iter().filter_map(at).map(count).sum();
    if free > 0 {
        return free;
    }
    let tables = [&raw.unallocated_space_table, &raw.freed_space_table];
    let count = |at| table(volume, &request, at).unwrap_or(0);
    tables.into_iter().filter_map(at).map(count).sum()
}

/// The bits that are set in the space bitmap at `at`.
///
/// # Errors
/// `Corrupt` where there is no bitmap.
pub(super) fn bitmap(volume: &Volume, request: &Request, at: Address) -> Result<u64> {
    let partition = at.partition;
    let place = volume.place(request, at)?;
    let held = place.blocks.saturating_mul(volume.disk().block_size());
    // The CRC may cover nothing, the descriptor, or as much of the bitmap as it can.
    let head = volume
        .disk()
        .read_at(place.offset, held.min(MOST_CHECKED))?;
    if volume.disk().checked(&head, at.block, place.offset)? != kind::SPACE_BITMAP {
        return Err(Error::corrupt("no space bitmap").at(place.offset));
    }
    let raw: RawSpaceBitmap = tag::view(&head, "space bitmap")?;
    let mut at = to_u64(size_of::<RawSpaceBitmap>());
    // A bit for each block of the partition, whatever number of bytes is stated.
    let needed = volume.partition(partition)?.length.div_ceil(8);
    let bytes = needed.min(raw.number_of_bytes.get().into());
    let end = at.saturating_add(bytes).min(held);
    let mut free: u64 = 0;
    while at < end {
        request.spend(1)?;
        let length = CHUNK.min(end.saturating_sub(at));
        let bytes = volume
            .disk()
            .read_at(place.offset.saturating_add(at), length)?;
        let bits = bytes.iter().map(|byte| u64::from(byte.count_ones()));
        free = bits.fold(free, u64::saturating_add);
        at = at.saturating_add(length);
    }
    Ok(free.min(raw.number_of_bits.get().into()))
}

/// The blocks listed in the unallocated space entry at `at`.
fn table(volume: &Volume, request: &Request, at: Address) -> Result<u64> {
    let list = FileEntry::read(volume, request, at)?;
    let bytes = allocation::total(volume, request, &list)?;
    Ok(bytes.wrapping_shr(volume.disk().block_bits))
}
