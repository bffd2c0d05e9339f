//! The checksums of directory blocks: in a fake entry at the end of a block of entries, or behind
//! the last index entry there is room for in a node of a hash tree.

use crate::error::{Error, Result};
use crate::filesystem::ext4::checksum::crc32c;
use crate::filesystem::ext4::core::Core;
use crate::filesystem::ext4::inode::{INDEX, InodeRecord};
use crate::number::to_u64;

/// `struct ext4_dir_entry_tail` up to its checksum: no inode, 12 bytes long, no name, type 0xde.
const TAIL: [u8; 8] = [0, 0, 0, 0, 12, 0, 0, 0xde];

/// Bytes of the tail.
const TAIL_SIZE: usize = 12;

/// Verifies block `logical` of the directory `dir`.
///
/// # Errors
/// `Corrupt` where the sum is wrong or missing.
pub(super) fn verify(core: &Core, dir: &InodeRecord, logical: u64, block: &[u8]) -> Result<()> {
    if !core.superblock.has_checksums() {
        return Ok(());
    }
    let matches = match index_entries(dir, logical, block) {
        Some(at) => index_matches(dir, block, at),
        None => entries_match(dir, block),
    };
    match matches {
        Some(true) => Ok(()),
        Some(false) => core.bad_checksum(Error::corrupt("bad checksum")),
        None => core.bad_checksum(Error::corrupt("no room was left for the checksum")),
    }
}

/// Where the limit and count of a node of the hash tree are; `None` for a block of entries.
pub(super) fn index_entries(dir: &InodeRecord, logical: u64, block: &[u8]) -> Option<usize> {
    if !dir.has(INDEX) {
        return None;
    }
    if logical == 0 {
        return Some(32); // behind `.`, `..` and the 8 bytes of dx_root_info
    }
    let length = block.get(4..6).and_then(|bytes| bytes.first_chunk::<2>())?;
    let length = u64::from(u16::from_le_bytes(*length));
    // The one unused entry of a node takes the whole block: 64 KiB are written as 0 or 65535.
    let whole =
        length == to_u64(block.len()) || block.len() == 0x1_0000 && matches!(length, 0 | 0xffff);
    (whole && block.starts_with(&[0; 4])).then_some(8)
}

fn entries_match(dir: &InodeRecord, block: &[u8]) -> Option<bool> {
    let (entries, tail) = block.split_at_checked(block.len().checked_sub(TAIL_SIZE)?)?;
    let stored = tail.strip_prefix(&TAIL)?.first_chunk::<4>()?;
    Some(crc32c(dir.seed, entries) == u32::from_le_bytes(*stored))
}

/// The sum covers the block up to the last entry in use, and the tail up to the sum's own place,
/// which counts as zeros.
fn index_matches(dir: &InodeRecord, block: &[u8], at: usize) -> Option<bool> {
    let half = |at: usize| {
        let bytes = block.get(at..)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_le_bytes(*bytes)))
    };
    let (limit, count) = (half(at)?, half(at.checked_add(2)?)?);
    let end = |entries: usize| at.checked_add(entries.checked_mul(8)?);
    if count > limit {
        return None;
    }
    let tail = block.get(end(limit)?..)?.first_chunk::<8>()?;
    let (reserved, stored) = tail.split_at(4);
    let sum = crc32c(dir.seed, block.get(..end(count)?)?);
    let sum = crc32c(crc32c(sum, reserved), &[0; 4]);
    Some(stored == sum.to_le_bytes())
}
