//! Files in chunks: behind the inode a number of 4 bytes, or an index of 8, says for each chunk
//! where its blocks begin.

use zerocopy::FromBytes;

use super::content::{Piece, Place};
use super::core::Core;
use super::inode::{Chunks, InodeRecord};
use super::layout::RawChunk;
use crate::error::{Error, Result};
use crate::number::to_u64;

/// The chunk that holds byte `at` of `inode`, from that byte on.
///
/// # Errors
/// `Corrupt` for an index that cannot be; what makes it unreadable.
pub(super) fn piece_at(core: &Core, inode: &InodeRecord, chunks: Chunks, at: u64) -> Result<Piece> {
    let number = at >> chunks.bits;
    let start = number << chunks.bits; // at, less its low bits
    let skip = at.saturating_sub(start);
    let (device, block) = match chunks.indexes {
        true => index(core, inode, number)?,
        false => (0, plain(core, inode, number)?),
    };
    let block = block & chunks.hole;
    let place = if block == chunks.hole {
        Place::Hole
    } else {
        let offset = core.superblock.block_offset(block)?.checked_add(skip);
        let past = || Error::corrupt(format!("chunk {number}: block {block} is on no device"));
        Place::Data {
            device,
            offset: offset.ok_or_else(past)?,
        }
    };
    let size = 1_u64 << chunks.bits; // at most 2^47
    Ok(Piece {
        place,
        len: size.saturating_sub(skip),
    })
}

/// Device and first block of chunk `number`.
fn index(core: &Core, inode: &InodeRecord, number: u64) -> Result<(u16, u64)> {
    let mut bytes = [0; size_of::<RawChunk>()];
    entry(core, inode, number, &mut bytes)?;
    let raw = RawChunk::read_from_bytes(&bytes);
    let raw = raw.map_err(|_| Error::corrupt(format!("chunk {number} has no index")))?;
    let high = u64::from(raw.startblk_hi.get()) << 32;
    Ok((raw.device_id.get(), high | u64::from(raw.startblk_lo.get())))
}

/// First block of chunk `number`.
fn plain(core: &Core, inode: &InodeRecord, number: u64) -> Result<u64> {
    let mut bytes = [0; 4];
    entry(core, inode, number, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes).into())
}

/// The entry of chunk `number` in the table behind the inode, which is aligned to its own size.
fn entry(core: &Core, inode: &InodeRecord, number: u64, bytes: &mut [u8]) -> Result<()> {
    let size = to_u64(bytes.len());
    let table = inode.end().next_multiple_of(size);
    let place = number
        .checked_mul(size)
        .and_then(|at| at.checked_add(table));
    let past = || Error::corrupt(format!("chunk {number} is past the end"));
    core.read_metadata(inode.in_metabox(), bytes, place.ok_or_else(past)?)
}
