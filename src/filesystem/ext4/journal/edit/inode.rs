//! Raw inodes by number.

use super::super::super::checksum::crc32c;
use super::super::super::features;
use super::{Editor, RawBytes};
use crate::error::{Error, Result};

/// Byte offsets of the fields of `struct ext4_inode` that recovery changes.
pub(in crate::filesystem::ext4) mod field {
    pub(in crate::filesystem::ext4) const MODE: usize = 0;
    pub(in crate::filesystem::ext4) const SIZE_LO: usize = 4;
    pub(in crate::filesystem::ext4) const DTIME: usize = 20;
    pub(in crate::filesystem::ext4) const LINKS_COUNT: usize = 26;
    pub(in crate::filesystem::ext4) const BLOCKS_LO: usize = 28;
    pub(in crate::filesystem::ext4) const FLAGS: usize = 32;
    pub(in crate::filesystem::ext4) const BLOCK: usize = 40;
    pub(in crate::filesystem::ext4) const GENERATION: usize = 100;
    pub(in crate::filesystem::ext4) const FILE_ACL_LO: usize = 104;
    pub(in crate::filesystem::ext4) const SIZE_HIGH: usize = 108;
    pub(in crate::filesystem::ext4) const BLOCKS_HIGH: usize = 116;
    pub(in crate::filesystem::ext4) const FILE_ACL_HIGH: usize = 118;
    pub(in crate::filesystem::ext4) const CHECKSUM_LO: usize = 124;
    pub(in crate::filesystem::ext4) const EXTRA_ISIZE: usize = 128;
    pub(in crate::filesystem::ext4) const CHECKSUM_HI: usize = 130;
}

/// `EXT4_HUGE_FILE_FL`: `i_blocks` counts blocks of the file system.
const HUGE_FILE: u32 = 0x4_0000;

impl Editor {
    /// The byte that inode `number` lies at.
    ///
    /// # Errors
    /// `Corrupt` for a number that no inode has; what makes its group unreadable.
    pub(in crate::filesystem::ext4) fn inode_place(&self, number: u32) -> Result<u64> {
        let per_group = self.superblock.inodes_per_group.get();
        let index = number.checked_sub(1);
        let index = index.filter(|_| number <= self.superblock.inodes());
        let index = index.ok_or_else(|| Error::corrupt(format!("there is no inode {number}")))?;
        let (group, slot) = (index.checked_div(per_group), index.checked_rem(per_group));
        let table = self.group(group.unwrap_or(0))?.inode_table;
        let skip = u64::from(slot.unwrap_or(0)).saturating_mul(self.superblock.inode_size.into());
        Ok(self.superblock.block_offset(table)?.saturating_add(skip))
    }

    /// All bytes of inode `number`, used or not, unchecked.
    pub(in crate::filesystem::ext4) fn inode(&self, number: u32) -> Result<Vec<u8>> {
        let place = self.inode_place(number)?;
        self.patched.bytes(place, self.superblock.inode_size.into())
    }

    /// Whether inode `number` is what the kernel would take for one in use: it has a type, and its
    /// checksum is right.
    pub(in crate::filesystem::ext4) fn is_usable(&self, number: u32, inode: &[u8]) -> bool {
        let stored = (
            inode.u16_at(field::CHECKSUM_LO),
            inode.u16_at(field::CHECKSUM_HI),
        );
        let mut copy = inode.to_vec();
        self.seal(number, &mut copy);
        let sealed = (
            copy.u16_at(field::CHECKSUM_LO),
            copy.u16_at(field::CHECKSUM_HI),
        );
        inode.u16_at(field::MODE) & 0xf000 != 0 && stored == sealed
    }

    /// Writes inode `number`, its checksum renewed.
    pub(in crate::filesystem::ext4) fn set_inode(
        &self,
        number: u32,
        inode: &mut [u8],
    ) -> Result<()> {
        self.seal(number, inode);
        let place = self.inode_place(number)?;
        self.patched.set_bytes(place, inode)
    }

    fn seal(&self, number: u32, inode: &mut [u8]) {
        if !self.superblock.has_inode_checksums() {
            return;
        }
        let wide = inode.len() > 128 && inode.u16_at(field::EXTRA_ISIZE) >= 4;
        inode.put(field::CHECKSUM_LO, &[0; 2]);
        if wide {
            inode.put(field::CHECKSUM_HI, &[0; 2]);
        }
        let sum = crc32c(self.inode_seed(number, inode), inode);
        let [low0, low1, high0, high1] = sum.to_le_bytes();
        inode.put(field::CHECKSUM_LO, &[low0, low1]);
        if wide {
            inode.put(field::CHECKSUM_HI, &[high0, high1]);
        }
    }

    /// What the checksums of everything that belongs to the inode start from.
    pub(in crate::filesystem::ext4) fn inode_seed(&self, number: u32, inode: &[u8]) -> u32 {
        let generation = inode.u32_at(field::GENERATION).to_le_bytes();
        crc32c(
            crc32c(self.superblock.seed, &number.to_le_bytes()),
            &generation,
        )
    }

    /// The file's size in bytes.
    pub(in crate::filesystem::ext4) fn size(inode: &[u8]) -> u64 {
        u64::from(inode.u32_at(field::SIZE_HIGH)) << 32 | u64::from(inode.u32_at(field::SIZE_LO))
    }

    pub(in crate::filesystem::ext4) fn set_size(inode: &mut [u8], size: u64) {
        let [a, b, c, d, e, f, g, h] = size.to_le_bytes();
        inode.put(field::SIZE_LO, &[a, b, c, d]);
        inode.put(field::SIZE_HIGH, &[e, f, g, h]);
    }

    /// The block of extended attributes; 0 for none. Its high bits are another's without 64bit.
    pub(in crate::filesystem::ext4) fn file_acl(&self, inode: &[u8]) -> u64 {
        if !self.superblock.features.has(features::SIXTY_FOUR_BIT) {
            return u64::from(inode.u32_at(field::FILE_ACL_LO));
        }
        u64::from(inode.u16_at(field::FILE_ACL_HIGH)) << 32
            | u64::from(inode.u32_at(field::FILE_ACL_LO))
    }

    /// `i_blocks` in blocks of the file system.
    pub(in crate::filesystem::ext4) fn block_count(&self, inode: &[u8]) -> u64 {
        let low = u64::from(inode.u32_at(field::BLOCKS_LO));
        if !self.superblock.features.has(features::HUGE_FILE) {
            return low.wrapping_shr(self.sector_shift());
        }
        let count = u64::from(inode.u16_at(field::BLOCKS_HIGH)) << 32 | low;
        if inode.u32_at(field::FLAGS) & HUGE_FILE != 0 {
            count
        } else {
            count.wrapping_shr(self.sector_shift())
        }
    }

    /// Sets `i_blocks`, in blocks of the file system, in the unit that the inode has.
    pub(in crate::filesystem::ext4) fn set_block_count(&self, inode: &mut [u8], blocks: u64) {
        let huge = inode.u32_at(field::FLAGS) & HUGE_FILE != 0;
        let count = if huge {
            blocks
        } else {
            blocks.wrapping_shl(self.sector_shift())
        };
        let [a, b, c, d, e, f, ..] = count.to_le_bytes();
        inode.put(field::BLOCKS_LO, &[a, b, c, d]);
        if self.superblock.features.has(features::HUGE_FILE) {
            inode.put(field::BLOCKS_HIGH, &[e, f]);
        }
    }

    /// log2 of the sectors of 512 bytes in a block: 1 to 7.
    fn sector_shift(&self) -> u32 {
        self.superblock.block_bits.saturating_sub(9)
    }
}
