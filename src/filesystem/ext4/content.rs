//! The bytes of a file: by its block map, or in the inode.

use std::num::NonZeroU64;

use super::block_map::{BlockMap, BlockPlace};
use super::core::Core;
use super::inline_data;
use super::inode::InodeRecord;
use crate::error::{Error, Result};
use crate::filesystem::{Request, length_to};
use crate::number::{to_u64, to_usize};
use crate::source::{Extent, ExtentKind};

/// Reads from byte `offset` on into `buf`, up to the end of the file; gives the number of bytes.
///
/// # Errors
/// What makes a byte of the range unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = inode.size.saturating_sub(offset);
    let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let buf = buf.get_mut(..count).unwrap_or(&mut []);
    if buf.is_empty() {
        return Ok(0);
    }
    if inode.is_inline() {
        inline_data::read(inode, buf, offset)?;
    } else {
        read_blocks(core, request, inode, buf, offset)?;
    }
    Ok(count)
}

/// What lies at byte `offset`, which is inside the file. Unwritten extents are holes, as for the
/// kernel as long as nothing of the file is in its page cache.
///
/// # Errors
/// `Invalid` at or past the end; what makes the map unreadable.
pub(super) fn extent_at(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    offset: u64,
) -> Result<Extent> {
    let left = length_to(offset, inode.size)?;
    if inode.is_inline() {
        return Ok(Extent {
            kind: ExtentKind::Data,
            len: left,
        });
    }
    let bits = core.superblock.block_bits;
    let run = BlockMap::new(core, request, inode).run_at(offset.wrapping_shr(bits))?;
    let skip = offset & to_u64(core.superblock.block_size()).saturating_sub(1);
    let len = byte_count(run.blocks, bits).saturating_sub(skip);
    Ok(Extent {
        kind: match run.place {
            BlockPlace::Hole => ExtentKind::Absent,
            BlockPlace::Unwritten(_) => ExtentKind::Zeros,
            BlockPlace::At(_) => ExtentKind::Data,
        },
        len: NonZeroU64::new(len).unwrap_or(NonZeroU64::MIN).min(left),
    })
}

/// Fills all of `buf` from byte `offset` on, run by run, each with one read.
fn read_blocks(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    buf: &mut [u8],
    offset: u64,
) -> Result<()> {
    let bits = core.superblock.block_bits;
    let mut map = BlockMap::new(core, request, inode);
    let (mut rest, mut at) = (buf, offset);
    while !rest.is_empty() {
        let run = map.run_at(at.wrapping_shr(bits))?;
        let skip = at & to_u64(core.superblock.block_size()).saturating_sub(1);
        let held = byte_count(run.blocks, bits).saturating_sub(skip).max(1);
        let count = rest.len().min(to_usize(held));
        let (head, tail) = rest.split_at_mut(count);
        match run.place {
            BlockPlace::At(block) => {
                let start = core.superblock.block_offset(block)?.saturating_add(skip);
                let read = core.source.read_contents_at(head, start);
                read.map_err(|error: Error| error.context(format!("inode {}", inode.number)))?;
            }
            BlockPlace::Hole | BlockPlace::Unwritten(_) => head.fill(0),
        }
        rest = tail;
        at = at.saturating_add(to_u64(count));
    }
    Ok(())
}

/// `blocks` in bytes; as many as there can be where that is more.
fn byte_count(blocks: u64, bits: u32) -> u64 {
    blocks.saturating_mul(1_u64.wrapping_shl(bits)) // bits is at most 16
}
