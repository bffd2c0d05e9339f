//! The bitmaps of blocks and inodes, and the counts in the group descriptors that go with them.

use super::super::super::checksum::{crc16, crc32c};
use super::super::super::features;
use super::super::super::group::{self, Group};
use super::{Editor, RawBytes};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Byte offsets in a group descriptor: the low half and, where descriptors have 64 bytes, the high.
const FREE_BLOCKS: (usize, usize) = (12, 44);
const FREE_INODES: (usize, usize) = (14, 46);
const USED_DIRS: (usize, usize) = (16, 48);
const FLAGS: usize = 18;
const BLOCK_BITMAP_SUM: (usize, usize) = (24, 56);
const INODE_BITMAP_SUM: (usize, usize) = (26, 58);
const UNUSED_INODES: (usize, usize) = (28, 50);
const CHECKSUM: usize = 30;

impl Editor {
    /// Marks `count` blocks from `first` on as used or free, as far as they are not already.
    pub(in crate::filesystem::ext4) fn mark_blocks(
        &self,
        first: u64,
        count: u64,
        used: bool,
    ) -> Result<()> {
        self.check_blocks(first, count)?;
        let bits = self.superblock.cluster_bits;
        let start = self.superblock.first_data_block;
        let from = first.saturating_sub(start).wrapping_shr(bits);
        let last = first
            .saturating_add(count)
            .saturating_sub(1)
            .saturating_sub(start);
        let mut at = from;
        let to = last.wrapping_shr(bits).saturating_add(1);
        let per_group = u64::from(self.superblock.clusters_per_group()).max(1);
        while at < to && count > 0 {
            let number = at.checked_div(per_group).unwrap_or(0);
            let begin = number.saturating_mul(per_group);
            let end = to.min(begin.saturating_add(per_group));
            let range = to_usize(at.saturating_sub(begin))..to_usize(end.saturating_sub(begin));
            let number = u32::try_from(number).map_err(|_| Error::corrupt("group over 2^32"))?;
            self.mark_in_group(number, range, used)?;
            at = end;
        }
        Ok(())
    }

    fn mark_in_group(&self, number: u32, range: std::ops::Range<usize>, used: bool) -> Result<()> {
        self.patched.spend(to_u64(range.len()).wrapping_shr(10))?;
        let found = self.group(number)?;
        if found.flags & group::BLOCK_UNINIT != 0 {
            return Ok(()); // the kernel makes such a bitmap up; nothing in it belongs to a file
        }
        let mut bitmap = self.patched.block(found.block_bitmap)?;
        let changed = set_bits(&mut bitmap, range, used);
        if changed == 0 {
            return Ok(());
        }
        let bytes = to_usize(u64::from(self.superblock.clusters_per_group()).div_ceil(8));
        let sum = crc32c(self.superblock.seed, bitmap.get(..bytes).unwrap_or(&bitmap));
        self.patched.set_block(found.block_bitmap, bitmap)?;
        self.change_group(number, &found, |descriptor| {
            let free = if used {
                found.free_clusters.saturating_sub(changed)
            } else {
                found.free_clusters.saturating_add(changed)
            };
            put_pair(descriptor, FREE_BLOCKS, free);
            if self.superblock.has_checksums() {
                put_pair(descriptor, BLOCK_BITMAP_SUM, sum);
            }
        })
    }

    /// Whether inode `number`, at least 1, is marked as used.
    pub(in crate::filesystem::ext4) fn is_marked(&self, number: u32) -> Result<bool> {
        let per_group = self.superblock.inodes_per_group.get();
        let index = number.saturating_sub(1);
        let found = self.group(index.checked_div(per_group).unwrap_or(0))?;
        if found.flags & group::INODE_UNINIT != 0 {
            return Ok(false);
        }
        let slot = index.checked_rem(per_group).unwrap_or(0);
        let bitmap = self.patched.block(found.inode_bitmap)?;
        Ok(bit(&bitmap, to_usize(slot.into())))
    }

    /// Marks inode `number` as used or free.
    pub(in crate::filesystem::ext4) fn mark_inode(
        &self,
        number: u32,
        used: bool,
        directory: bool,
    ) -> Result<()> {
        let per_group = self.superblock.inodes_per_group.get();
        let index = number.saturating_sub(1);
        let group = index.checked_div(per_group).unwrap_or(0);
        let slot = index.checked_rem(per_group).unwrap_or(0);
        let found = self.group(group)?;
        let mut bitmap = if found.flags & group::INODE_UNINIT != 0 {
            empty_bitmap(self.block_size(), per_group)
        } else {
            self.patched.block(found.inode_bitmap)?
        };
        let at = to_usize(slot.into());
        if set_bits(&mut bitmap, at..at.saturating_add(1), used) == 0 {
            return Ok(());
        }
        let bytes = to_usize(u64::from(per_group).div_ceil(8));
        let sum = crc32c(self.superblock.seed, bitmap.get(..bytes).unwrap_or(&bitmap));
        self.patched.set_block(found.inode_bitmap, bitmap)?;
        self.change_group(group, &found, |descriptor| {
            let step = |count: u32, up: bool| match up {
                true => count.saturating_add(1),
                false => count.saturating_sub(1),
            };
            put_pair(descriptor, FREE_INODES, step(found.free_inodes, !used));
            if directory {
                let directories = pair(descriptor, USED_DIRS);
                put_pair(descriptor, USED_DIRS, step(directories, used));
            }
            let unused = per_group.saturating_sub(slot.saturating_add(1));
            if used && found.unused_inodes > unused {
                put_pair(descriptor, UNUSED_INODES, unused);
            }
            let flags = found.flags & !group::INODE_UNINIT;
            descriptor.put(FLAGS, &flags.to_le_bytes());
            if self.superblock.has_checksums() {
                put_pair(descriptor, INODE_BITMAP_SUM, sum);
            }
        })
    }

    fn change_group(
        &self,
        number: u32,
        found: &Group,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        let size = usize::from(self.superblock.desc_size);
        let mut descriptor = self.patched.bytes(found.offset, size)?;
        change(&mut descriptor);
        descriptor.put(CHECKSUM, &[0; 2]);
        let number = number.to_le_bytes();
        if self.superblock.has_checksums() {
            let sum = crc32c(crc32c(self.superblock.seed, &number), &descriptor);
            let [low0, low1, ..] = sum.to_le_bytes();
            descriptor.put(CHECKSUM, &[low0, low1]);
        } else if self.superblock.features.has(features::GDT_CSUM) {
            let before = descriptor.get(..CHECKSUM).unwrap_or(&[]);
            let after = descriptor.get(32..).unwrap_or(&[]);
            let parts = [&self.superblock.raw.s_uuid[..], &number, before, after];
            let sum = parts.iter().fold(!0, |sum, part| crc16(sum, part));
            descriptor.put(CHECKSUM, &sum.to_le_bytes());
        }
        self.patched.set_bytes(found.offset, &descriptor)
    }

    /// Keeps the blocks of `ranges`, each a start and an end, from being taken by
    /// [`Editor::allocate`].
    pub(in crate::filesystem::ext4) fn withhold(&mut self, mut ranges: Vec<(u64, u64)>) {
        ranges.sort_unstable();
        self.withheld.clear();
        for (start, end) in ranges {
            match self.withheld.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => self.withheld.push((start, end)),
            }
        }
    }

    fn is_withheld(&self, block: u64) -> bool {
        let after = self.withheld.partition_point(|(start, _)| *start <= block);
        let before = after
            .checked_sub(1)
            .and_then(|index| self.withheld.get(index));
        before.is_some_and(|(_, end)| block < *end)
    }

    /// Takes a free block.
    pub(super) fn allocate(&self) -> Result<u64> {
        for number in 0..self.superblock.groups {
            let found = self.group(number)?;
            if found.free_clusters == 0 || found.flags & group::BLOCK_UNINIT != 0 {
                continue;
            }
            let bitmap = self.patched.block(found.block_bitmap)?;
            let clusters = to_usize(self.superblock.clusters_per_group().into());
            let start = self.superblock.group_start(number);
            let block = |index: usize| {
                start.saturating_add(to_u64(index).wrapping_shl(self.superblock.cluster_bits))
            };
            let is_free = |&index: &usize| !bit(&bitmap, index) && !self.is_withheld(block(index));
            let free = (0..clusters).find(is_free).map(block);
            if let Some(block) = free.filter(|&block| self.check_blocks(block, 1).is_ok()) {
                self.mark_blocks(block, 1, true)?;
                return Ok(block);
            }
        }
        Err(Error::corrupt("recovery needs a block, and none is free"))
    }
}

fn bit(bitmap: &[u8], index: usize) -> bool {
    let byte = bitmap.get(index.wrapping_shr(3)).copied().unwrap_or(!0);
    byte & 1_u8.wrapping_shl(u32::try_from(index & 7).unwrap_or(0)) != 0
}

/// Sets or clears the bits; gives how many were otherwise.
fn set_bits(bitmap: &mut [u8], range: std::ops::Range<usize>, to: bool) -> u32 {
    let mut changed = 0_u32;
    for index in range {
        if bit(bitmap, index) == to {
            continue;
        }
        if let Some(byte) = bitmap.get_mut(index.wrapping_shr(3)) {
            *byte ^= 1_u8.wrapping_shl(u32::try_from(index & 7).unwrap_or(0));
            changed = changed.saturating_add(1);
        }
    }
    changed
}

/// The bitmap of a group none of whose inodes was ever used: those past its end are marked.
fn empty_bitmap(len: usize, inodes: u32) -> Vec<u8> {
    let mut bitmap = vec![0; len];
    set_bits(
        &mut bitmap,
        to_usize(inodes.into())..len.saturating_mul(8),
        true,
    );
    bitmap
}

fn pair(descriptor: &[u8], (low, high): (usize, usize)) -> u32 {
    let high = if descriptor.len() >= 64 {
        descriptor.u16_at(high)
    } else {
        0
    };
    u32::from(high) << 16 | u32::from(descriptor.u16_at(low))
}

fn put_pair(descriptor: &mut [u8], (low, high): (usize, usize), value: u32) {
    let [low0, low1, high0, high1] = value.to_le_bytes();
    descriptor.put(low, &[low0, low1]);
    if descriptor.len() >= 64 {
        descriptor.put(high, &[high0, high1]);
    }
}
