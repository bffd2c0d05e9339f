//! The tags of a descriptor block: which block of the volume each log block behind it is a copy
//! of.

use zerocopy::FromBytes;

use super::super::checksum::{crc32c, crc32c_around};
use super::layout::{BlockTag, BlockTag3, JournalHeader, tag_flag};
use super::superblock::{Checksums, Superblock};

/// Bytes of `struct jbd2_journal_block_tail`, the CRC-32C at the end of a block.
const TAIL: usize = 4;

/// One tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The block of the volume.
    pub(super) block: u64,
    /// The copy's first four bytes were the journal's magic number, and are zeros in the log.
    pub(super) escaped: bool,
    /// As stored: 16 bits in version 2, 32 in version 3, 0 in the others.
    checksum: u32,
}

/// The tags of `descriptor`, a whole block, in order: as many as the next log blocks are copies.
pub(super) fn tags(descriptor: &[u8], superblock: &Superblock) -> Vec<Tag> {
    let end = descriptor
        .len()
        .saturating_sub(if superblock.has_block_checksums() {
            TAIL
        } else {
            0
        });
    let mut rest = descriptor
        .get(size_of::<JournalHeader>()..end)
        .unwrap_or(&[]);
    let mut tags = Vec::new();
    while let Some((tag, flags)) = parse(rest, superblock) {
        tags.push(tag);
        if flags & tag_flag::LAST_TAG != 0 {
            break;
        }
        let uuid = if flags & tag_flag::SAME_UUID == 0 {
            16
        } else {
            0
        };
        let skip = tag_size(superblock).saturating_add(uuid);
        rest = rest.get(skip..).unwrap_or(&[]);
    }
    tags
}

/// The size of a tag on disk, its UUID not counted.
fn tag_size(superblock: &Superblock) -> usize {
    match (superblock.checksums, superblock.wide_numbers) {
        (Checksums::V3, _) => 16,
        (Checksums::V2, true) => 14,
        (Checksums::V2, false) => 10,
        (_, true) => 12,
        (_, false) => 8,
    }
}

fn parse(bytes: &[u8], superblock: &Superblock) -> Option<(Tag, u16)> {
    let bytes = bytes.get(..tag_size(superblock))?;
    let (low, high, flags, checksum) = if superblock.checksums == Checksums::V3 {
        let (raw, _) = BlockTag3::read_from_prefix(bytes).ok()?;
        let checksum = raw.t_checksum.get();
        (
            raw.t_blocknr,
            raw.t_blocknr_high,
            raw.t_flags.get(),
            checksum,
        )
    } else {
        // Without the 64-bit feature the last field is not there; it is not used either.
        let mut whole = [0; size_of::<BlockTag>()];
        let count = bytes.len().min(whole.len());
        whole.get_mut(..count)?.copy_from_slice(bytes.get(..count)?);
        let raw = BlockTag::read_from_bytes(&whole).ok()?;
        let checksum = u32::from(raw.t_checksum.get());
        (
            raw.t_blocknr,
            raw.t_blocknr_high,
            raw.t_flags.get(),
            checksum,
        )
    };
    let high = if superblock.wide_numbers {
        high.get()
    } else {
        0
    };
    let tag = Tag {
        block: u64::from(high) << 32 | u64::from(low.get()),
        escaped: flags & tag_flag::ESCAPE != 0,
        checksum,
    };
    Some((tag, flags))
}

impl Tag {
    /// Whether `copy`, the log block as it lies there, is what transaction `sequence` wrote. True
    /// where tags carry no checksum.
    pub(super) fn verify(&self, copy: &[u8], sequence: u32, superblock: &Superblock) -> bool {
        if !superblock.has_block_checksums() {
            return true;
        }
        let computed = crc32c(crc32c(superblock.seed, &sequence.to_be_bytes()), copy);
        match superblock.checksums {
            Checksums::V2 => computed & 0xffff == self.checksum,
            _ => computed == self.checksum,
        }
    }
}

/// Whether the CRC-32C at the end of a descriptor or revoke block is right. True where such blocks
/// carry none.
pub(super) fn verify_tail(block: &[u8], superblock: &Superblock) -> bool {
    if !superblock.has_block_checksums() {
        return true;
    }
    let hole = block.len().saturating_sub(TAIL);
    let stored = block.get(hole..).unwrap_or(&[]);
    crc32c_around(superblock.seed, block, hole).to_be_bytes() == *stored
}
