//! How much a stream unpacks to.

use crate::error::{Kind, Result};
use crate::format::Context;
use crate::number::to_u64;
use crate::source::mapped::Mapped;
use crate::source::read_vec;
use crate::source::streamed::Streamed;

use super::Size;

/// Bytes of the start that are looked at.
const HEAD: u64 = 68 << 10;

/// Bytes that are decoded to see how well the stream is compressed.
const TASTE: u64 = 64 << 20;

/// A stream that unpacks to more than so many times its size is not decoded just to know its end.
/// Disks with data in them get to 100.
const MOST_RATIO: u64 = 200;

/// A stream that can't unpack to more than this is decoded all the same.
const LITTLE: u64 = 1 << 30;

/// How far a disk may reach behind the last byte that its partition table or its file system
/// names, if that is all that is known of its size.
const MOST_BEHIND: u64 = 1 << 30;

/// What the start of a disk says of its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    /// All, where its table notes it.
    exact: Option<u64>,
    /// So many bytes at least, where anything is known.
    least: Option<u64>,
}

/// The size of `mapped`, of which the format knows `size`. It unpacks to `most` bytes at most, from
/// `packed` bytes.
pub(super) fn of(
    mapped: &Mapped<Streamed>,
    size: Size,
    most: u64,
    packed: u64,
    context: &Context,
) -> Result<u64> {
    let (end, reached) = mapped.map().reached();
    let size = match (end, size) {
        (Some(end), _) => return Ok(end),
        (None, Size::Exact(size)) => return Ok(size),
        (None, size) => size,
    };
    let head = read_vec(mapped, 0, crate::number::to_usize(HEAD.min(most)))?;
    let end = mapped.map().reached().0;
    let guess = || guess(size, most, packed.max(reached), &said(&head));
    if let Some(size) = end.or_else(guess) {
        return Ok(size);
    }
    mapped.map().decode_to(TASTE.min(most)).or_else(damaged)?;
    if most > LITTLE && is_bomb(mapped.map()) {
        let text = "how much it unpacks to is not known before all is read";
        context.notices.add(text);
        // Nothing is lost so: what lies behind the end fails to be read.
        return Ok(most & !511);
    }
    match mapped.map().find_end() {
        Ok(end) => Ok(end),
        // What lies before the damage can be read.
        Err(error) if error.kind() == Kind::Corrupt => {
            context
                .notices
                .add(format!("{error}: what lies before is there"));
            Ok(mapped.map().end_at_damage())
        }
        Err(error) => Err(error),
    }
}

/// Damage is met again by whoever reads it.
fn damaged(error: crate::error::Error) -> Result<()> {
    match error.kind() {
        Kind::Corrupt => Ok(()),
        _ => Err(error),
    }
}

/// What the size must be, as far as it can be told: the one number of the right lower 32 bits that
/// fits what the disk says of itself, or the only one that the ratio allows.
fn guess(size: Size, most: u64, least: u64, said: &Said) -> Option<u64> {
    let Size::Low(low) = size else {
        return said.exact.filter(|exact| *exact <= most);
    };
    let fits = |size: u64| size >= smallest(least) && size <= most;
    let is_own = |exact: &u64| *exact & 0xffff_ffff == u64::from(low) && fits(*exact);
    if let Some(exact) = said.exact.filter(is_own) {
        return Some(exact);
    }
    let wanted = said.least.unwrap_or(0).max(smallest(least));
    let first = next_of(low, wanted)?;
    let second = first.checked_add(1 << 32)?;
    let alone = first <= most && second > most;
    let near = said
        .least
        .is_some_and(|least| first.saturating_sub(least) <= MOST_BEHIND);
    (first <= most && said.exact.is_none() && (alone || near)).then_some(first)
}

/// Bytes that `packed` bytes unpack to at least: what cannot be compressed is stored in blocks of
/// some KiB, with five bytes each.
fn smallest(packed: u64) -> u64 {
    packed.saturating_sub(packed / 256).saturating_sub(64 << 10)
}

/// The first number from `from` on whose lower 32 bits are `low`.
fn next_of(low: u32, from: u64) -> Option<u64> {
    let high = from & !0xffff_ffff;
    let same = high | u64::from(low);
    match same >= from {
        true => Some(same),
        false => same.checked_add(1 << 32),
    }
}

/// Whether what was decoded is out of proportion, and there is more.
fn is_bomb(streamed: &Streamed) -> bool {
    let (end, reached) = streamed.reached();
    let (output, input) = streamed.last_point();
    end.is_none() && reached >= TASTE && output / MOST_RATIO > input
}

/// What the first bytes of a disk, or of a file system, say of its size.
fn said(head: &[u8]) -> Said {
    if let Some(exact) = gpt(head) {
        return Said {
            exact: Some(exact),
            least: None,
        };
    }
    let least = mbr(head)
        .or_else(|| ext(head))
        .or_else(|| btrfs(head))
        .or_else(|| ntfs(head))
        .or_else(|| xfs(head))
        .or_else(|| fat(head))
        .or_else(|| iso(head))
        .or_else(|| tar(head));
    Said { exact: None, least }
}

/// UEFI specification, section 5.3.2: AlternateLBA is the last sector of the disk.
fn gpt(head: &[u8]) -> Option<u64> {
    let at = |sector: usize| {
        let header = head.get(sector..)?;
        let is_own = header.starts_with(b"EFI PART");
        let last = le64(header, 32).filter(|_| is_own)?;
        last.checked_add(1)?.checked_mul(to_u64(sector))
    };
    at(512).or_else(|| at(4096))
}

/// The end of the last partition.
fn mbr(head: &[u8]) -> Option<u64> {
    if head.get(510..512) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let entries = head.get(446..510)?.chunks(16);
    let mut least = None;
    for entry in entries {
        if !matches!(entry.first(), Some(0 | 0x80)) {
            return None;
        }
        let end = u64::from(le32(entry, 8)?).checked_add(u64::from(le32(entry, 12)?))?;
        if entry.get(4) != Some(&0) {
            least = least.max(end.checked_mul(512));
        }
    }
    least
}

/// Linux, Documentation/filesystems/ext4: s_blocks_count, s_log_block_size.
fn ext(head: &[u8]) -> Option<u64> {
    let superblock = head.get(1024..2048)?;
    let is_own = superblock.get(0x38..0x3a) == Some(&[0x53, 0xef]);
    let is_64 = le32(superblock, 0x60)? & 0x80 != 0;
    let high = if is_64 { le32(superblock, 0x150)? } else { 0 };
    let blocks = u64::from(high) << 32 | u64::from(le32(superblock, 4)?);
    let size = 1024_u64.checked_shl(le32(superblock, 0x18)?.min(16))?;
    blocks.checked_mul(size).filter(|_| is_own)
}

/// Linux, fs/btrfs: total_bytes of the superblock.
fn btrfs(head: &[u8]) -> Option<u64> {
    let superblock = head.get(0x1_0000..)?;
    let is_own = superblock.get(0x40..0x48) == Some(b"_BHRfS_M");
    le64(superblock, 0x70).filter(|_| is_own)
}

/// The boot sector counts all sectors but the last, its own copy.
fn ntfs(head: &[u8]) -> Option<u64> {
    let is_own = head.get(3..11) == Some(b"NTFS    ");
    let sectors = le64(head, 0x28)?.checked_add(1).filter(|_| is_own)?;
    sectors.checked_mul(u64::from(le16(head, 11)?))
}

/// XFS: sb_blocksize, sb_dblocks, both big-endian.
fn xfs(head: &[u8]) -> Option<u64> {
    let is_own = head.starts_with(b"XFSB");
    let blocks = le64(head, 8)?.swap_bytes();
    let size = u64::from(le32(head, 4)?.swap_bytes());
    blocks.checked_mul(size).filter(|_| is_own)
}

/// Microsoft, FAT32 specification: BPB_TotSec16 or BPB_TotSec32.
fn fat(head: &[u8]) -> Option<u64> {
    let ends = head.get(510..512) == Some(&[0x55, 0xaa]);
    let is_own = ends && matches!(head.first(), Some(0xeb | 0xe9));
    let size = u64::from(le16(head, 11)?);
    let sectors = match le16(head, 19)? {
        0 => u64::from(le32(head, 32)?),
        sectors => u64::from(sectors),
    };
    (is_own && sectors > 0).then(|| sectors.saturating_mul(size))
}

/// ECMA-119, 8.4.8: Volume Space Size, in sectors of 2048 bytes.
fn iso(head: &[u8]) -> Option<u64> {
    let volume = head.get(32768..)?;
    let is_own = volume.starts_with(b"\x01CD001");
    let sectors = le32(volume, 80).filter(|_| is_own)?;
    u64::from(sectors).checked_mul(2048)
}

/// The first member, with its header and the two blocks at the end.
fn tar(head: &[u8]) -> Option<u64> {
    let is_own = head.get(257..262) == Some(b"ustar");
    let digits = head.get(124..135).filter(|_| is_own)?;
    let digits = std::str::from_utf8(digits).ok()?;
    let size = u64::from_str_radix(digits.trim(), 8).ok()?;
    size.checked_next_multiple_of(512)?.checked_add(3 * 512)
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}
