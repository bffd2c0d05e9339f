//! The few raw fields that tell whether a known fault is at work. Read anew from the bytes, since
//! neither reader shows them, and only as far as the second reader goes: no meta_bg.

use crate::error::Result;
use crate::source::{SharedSource, Source, read_vec};

/// Where the superblock starts.
const SUPERBLOCK: u64 = 1024;

/// `i_extra_isize` in an inode, which only those over 128 bytes have.
const EXTRA_ISIZE: u64 = 0x80;

/// `EXT4_FEATURE_INCOMPAT_64BIT` and `EXT4_FEATURE_RO_COMPAT_METADATA_CSUM`.
const SIXTY_FOUR_BIT: u32 = 0x80;
const METADATA_CSUM: u32 = 0x400;

/// A volume's bytes, and what of its superblock is needed.
pub(super) struct Raw {
    source: SharedSource,
    superblock: Vec<u8>,
}

impl Raw {
    /// The volume in `source`; without a readable superblock every question has no answer.
    pub(super) fn new(source: SharedSource) -> Self {
        let superblock = read_vec(&*source, SUPERBLOCK, 1024).unwrap_or_default();
        Self { source, superblock }
    }

    /// `s_inode_size`; 128 in revision 0.
    pub(super) fn inode_size(&self) -> Option<u64> {
        match self.word(0x4c)? {
            0 => Some(128),
            _ => self.half(0x58).map(u64::from),
        }
    }

    /// Whether metadata carries checksums.
    pub(super) fn checks_metadata(&self) -> bool {
        self.word(0x64).is_some_and(|it| it & METADATA_CSUM != 0)
    }

    /// `i_extra_isize` of inode `number`: how many bytes behind the first 128 mean anything.
    pub(super) fn extra_isize(&self, number: u64) -> Option<u16> {
        let index = number.checked_sub(1)?;
        let per_group = u64::from(self.word(0x28)?);
        let group = index.checked_div(per_group)?;
        let within = index.checked_rem(per_group)?;
        let size = self.inode_size().filter(|size| *size > 128)?;
        let table = self.inode_table(group)?.checked_mul(self.block_size()?)?;
        let offset = table.checked_add(within.checked_mul(size)?)?;
        let bytes = read_vec(&*self.source, offset.checked_add(EXTRA_ISIZE)?, 2).ok()?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The first block of the inode table of `group`.
    fn inode_table(&self, group: u64) -> Option<u64> {
        let wide = self.word(0x60)? & SIXTY_FOUR_BIT != 0;
        let size = if wide {
            u64::from(self.half(0xfe)?)
        } else {
            32
        };
        let first = u64::from(self.word(0x14)?).checked_add(1)?;
        let offset = first.checked_mul(self.block_size()?)?;
        let offset = offset.checked_add(group.checked_mul(size)?)?;
        let low = word_at(&*self.source, offset.checked_add(0x8)?).ok()?;
        let high = match wide && size >= 64 {
            true => word_at(&*self.source, offset.checked_add(0x28)?).ok()?,
            false => 0,
        };
        Some(u64::from(low) | u64::from(high) << 32)
    }

    fn block_size(&self) -> Option<u64> {
        1024_u64.checked_shl(self.word(0x18)?)
    }

    fn word(&self, offset: usize) -> Option<u32> {
        let bytes = self.superblock.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    fn half(&self, offset: usize) -> Option<u16> {
        let bytes = self.superblock.get(offset..offset.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }
}

fn word_at(source: &dyn Source, offset: u64) -> Result<u32> {
    let mut bytes = [0; 4];
    source.read_exact_at(&mut bytes, offset)?;
    Ok(u32::from_le_bytes(bytes))
}
