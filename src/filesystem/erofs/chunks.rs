//! Files in chunks: behind the inode a number of 4 bytes, or an index of 8, says for each chunk
//! where its blocks begin.

use zerocopy::FromBytes;

use super::content::{Piece, Place};
use super::core::Core;
use super::inode::{Chunks, InodeRecord};
use super::layout::RawChunk;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::to_u64;

/// The chunk that holds byte `at` of `inode`, from that byte on.
///
/// # Errors
/// `Corrupt` for an index that cannot be; what makes it unreadable.
pub(super) fn piece_at(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    chunks: Chunks,
    at: u64,
) -> Result<Piece> {
    let number = at >> chunks.bits;
    let start = number << chunks.bits; // at, less its low bits
    let skip = at.saturating_sub(start);
    let entry = entry(inode, chunks, number)?;
    let (device, block) = match chunks.indexes {
        true => index(core, request, inode, entry)?,
        false => (0, plain(core, request, inode, entry)?),
    };
    let block = block & chunks.hole;
    let place = if block == chunks.hole {
        Place::Hole
    } else {
        let offset = core.superblock.block_offset(block).ok();
        let offset = offset.and_then(|offset| offset.checked_add(skip));
        let text = || format!("chunk {number}: block {block} is on no device");
        let past = || Error::corrupt(text()).at(entry);
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

/// Device and first block of the chunk whose entry is at byte `at`.
fn index(core: &Core, request: &Request, inode: &InodeRecord, at: u64) -> Result<(u16, u64)> {
    let mut bytes = [0; size_of::<RawChunk>()];
    core.read_metadata(request, inode.in_metabox(), &mut bytes, at)?;
    let raw = RawChunk::read_from_bytes(&bytes);
    let raw = raw.map_err(|_| Error::corrupt("a chunk has no index").at(at))?;
    let high = u64::from(raw.startblk_hi.get()) << 32;
    Ok((raw.device_id.get(), high | u64::from(raw.startblk_lo.get())))
}

/// First block of the chunk whose entry is at byte `at`.
fn plain(core: &Core, request: &Request, inode: &InodeRecord, at: u64) -> Result<u64> {
    let mut bytes = [0; 4];
    core.read_metadata(request, inode.in_metabox(), &mut bytes, at)?;
    Ok(u32::from_le_bytes(bytes).into())
}

/// The byte that the entry of chunk `number` lies at, in the table behind the inode, which is
/// aligned to its own size.
fn entry(inode: &InodeRecord, chunks: Chunks, number: u64) -> Result<u64> {
    let size = match chunks.indexes {
        true => to_u64(size_of::<RawChunk>()),
        false => 4,
    };
    let table = inode.end().next_multiple_of(size);
    let place = number
        .checked_mul(size)
        .and_then(|at| at.checked_add(table));
    place.ok_or_else(|| Error::corrupt(format!("chunk {number} is past the end")).at(table))
}
