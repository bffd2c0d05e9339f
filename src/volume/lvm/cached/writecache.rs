//! dm-writecache: a superblock, an entry for each block that says what it is of, and the blocks. Of
//! several about one place the one with the highest count is the last that was written.

use std::mem::offset_of;
use std::num::NonZeroU64;

use zerocopy::FromBytes;

use super::super::layout::SECTOR;
use super::super::overlay::{Overlay, Pairs};
use super::layout::{
    MEMORY_SUPERBLOCK, MEMORY_SUPERBLOCK_MAGIC, MEMORY_SUPERBLOCK_VERSION, WcMemoryEntry,
    WcMemorySuperblock,
};
use crate::error::{Error, Result, ResultExt};
use crate::format::Room;
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, read_vec};

/// Bytes of entries that are read at a time.
const PIECE: u64 = 64 << 10;

/// How many blocks are looked at: those of 128 GiB in blocks of 4 KiB.
const MOST_BLOCKS: u64 = 32 << 20;

/// The volume of `size` bytes with what is in the write cache `store`, which is member 0. Where
/// that is is kept in what is left of `room`.
///
/// # Errors
/// `Corrupt` for a superblock that makes no sense, with the field's byte of the store.
pub(in super::super) fn open(store: SharedSource, size: u64, room: &Room) -> Result<Overlay> {
    let bytes = read_vec(&*store, 0, to_usize(MEMORY_SUPERBLOCK))?;
    let parsed = WcMemorySuperblock::read_from_prefix(&bytes);
    let (superblock, _) = parsed.map_err(|_| Error::corrupt("cut off"))?;
    let magic = superblock.magic.get();
    let at = |error: Error, field| error.at(to_u64(field)).context("write cache");
    if magic != MEMORY_SUPERBLOCK_MAGIC {
        let error = Error::corrupt(format!("magic is {magic:#x}"));
        return Err(at(error, offset_of!(WcMemorySuperblock, magic)));
    }
    let version = superblock.version.get();
    if version != MEMORY_SUPERBLOCK_VERSION {
        let error = Error::unsupported(format!("version {version}"));
        return Err(at(error, offset_of!(WcMemorySuperblock, version)));
    }
    let block = u64::from(superblock.block_size.get());
    let blocks = superblock.n_blocks.get();
    let chunk = NonZeroU64::new(block).filter(|it| it.is_power_of_two() && it.get() >= SECTOR);
    let chunk = chunk.ok_or_else(|| {
        let error = Error::corrupt(format!("block_size is {block}"));
        at(error, offset_of!(WcMemorySuperblock, block_size))
    })?;
    if blocks > MOST_BLOCKS || blocks > store.size() / chunk {
        let error = Error::corrupt(format!("n_blocks is {blocks}"));
        return Err(at(error, offset_of!(WcMemorySuperblock, n_blocks)));
    }
    let count = superblock.seq_count.get();
    Ok(Overlay::new(size, chunk, room, move |pairs| {
        entries(&store, blocks, count, chunk, pairs).context(|| "write cache")
    }))
}

/// The entries, each younger by as much as its count is higher: at the end `committed` is the next.
fn entries(
    store: &SharedSource,
    blocks: u64,
    committed: u64,
    chunk: NonZeroU64,
    pairs: &mut Pairs,
) -> Result<()> {
    let sectors = NonZeroU64::new(chunk.get() / SECTOR).unwrap_or(NonZeroU64::MIN);
    let entries = blocks.saturating_mul(16);
    let end = MEMORY_SUPERBLOCK.saturating_add(entries);
    let mut place = end.div_ceil(chunk.get());
    let mut at = MEMORY_SUPERBLOCK;
    while at < end {
        let bytes = read_vec(&**store, at, to_usize(PIECE.min(end.saturating_sub(at))))?;
        for entry in bytes.chunks_exact(16) {
            if let Ok((entry, _)) = WcMemoryEntry::read_from_prefix(entry) {
                let (sector, seq) = (entry.original_sector.get(), entry.seq_count.get());
                // What was not committed before the end does not count.
                if sector != u64::MAX && seq < committed {
                    // Only the last commits have an older block beside the newer.
                    let age = u32::try_from(committed.saturating_sub(seq)).unwrap_or(u32::MAX);
                    pairs.push_aged(sector / sectors, place, age)?;
                }
            }
            place = place.saturating_add(1);
        }
        at = at.saturating_add(PIECE);
    }
    Ok(())
}
