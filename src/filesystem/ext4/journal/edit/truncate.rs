//! Files cut to their size, and files that are no more.

use super::super::super::xattr;
use super::extents::Extent;
use super::{Editor, RawBytes, field};
use crate::error::Result;
use crate::number::to_u64;

const EXTENTS: u32 = 0x8_0000;
const INLINE_DATA: u32 = 0x1000_0000;

impl Editor {
    /// Whether the contents of `inode` are in blocks: it is a file or directory, or a symbolic
    /// link too long for the inode itself.
    pub(in crate::filesystem::ext4) fn has_blocks(inode: &[u8]) -> bool {
        let inline = inode.u32_at(field::FLAGS) & INLINE_DATA != 0;
        match inode.u16_at(field::MODE) & 0xf000 {
            0x8000 | 0x4000 => !inline,
            0xa000 => !inline && Self::size(inode) >= 60,
            _ => false,
        }
    }

    /// Frees all blocks of `inode` from byte `size` on, rounded up to a block.
    pub(in crate::filesystem::ext4) fn truncate(
        &self,
        number: u32,
        inode: &mut [u8],
        size: u64,
    ) -> Result<()> {
        if !Self::has_blocks(inode) {
            return Ok(());
        }
        let from = size.div_ceil(to_u64(self.block_size()).max(1));
        let freed = if inode.u32_at(field::FLAGS) & EXTENTS == 0 {
            let freed = self.truncate_indirect(inode, from)?.blocks;
            let blocks = to_u64(freed.len());
            for block in freed {
                self.mark_blocks(block, 1, false)?;
            }
            blocks
        } else {
            self.truncate_extents(number, inode, u32::try_from(from).unwrap_or(u32::MAX))?
        };
        let left = self.block_count(inode).saturating_sub(freed);
        self.set_block_count(inode, left);
        Ok(())
    }

    /// Gives the number of blocks that `i_blocks` loses.
    fn truncate_extents(&self, number: u32, inode: &mut [u8], from: u32) -> Result<u64> {
        let mut tree = self.tree(inode)?;
        let removed = tree.remove(from, u32::MAX);
        if removed.is_empty() {
            return Ok(0);
        }
        let mut freed = 0_u64;
        let mut kept = tree.extents.last().copied();
        for extent in &removed {
            freed = freed.saturating_add(self.free_extent(extent, kept.as_ref())?);
            kept = Some(*extent);
        }
        for node in self.cut_tree(number, inode, from)? {
            self.mark_blocks(node, 1, false)?;
            freed = freed.saturating_add(1_u64.wrapping_shl(self.superblock.cluster_bits));
        }
        Ok(freed)
    }

    /// Frees `extent`, but for the cluster that it shares with the end of `before`. Gives the
    /// number of blocks in the clusters freed.
    fn free_extent(&self, extent: &Extent, before: Option<&Extent>) -> Result<u64> {
        let bits = self.superblock.cluster_bits;
        let cluster = |block: u64| block.wrapping_shr(bits);
        let last_of = |extent: &Extent| {
            let end = extent.physical.saturating_add(extent.blocks.into());
            cluster(end.saturating_sub(1))
        };
        let mut first = cluster(extent.physical);
        if before.is_some_and(|before| last_of(before) == first) {
            first = first.saturating_add(1);
        }
        let clusters = last_of(extent).saturating_add(1).saturating_sub(first);
        if clusters == 0 {
            return Ok(0);
        }
        let start = first.wrapping_shl(bits).max(extent.physical);
        let end = extent.physical.saturating_add(extent.blocks.into());
        self.mark_blocks(start, end.saturating_sub(start), false)?;
        Ok(clusters.wrapping_shl(bits))
    }

    /// Frees inode `number`, whose last link is gone, and all that it holds.
    pub(in crate::filesystem::ext4) fn delete_inode(
        &self,
        number: u32,
        inode: &mut [u8],
    ) -> Result<()> {
        self.truncate(number, inode, 0)?;
        self.drop_xattr_block(inode)?;
        let directory = inode.u16_at(field::MODE) & 0xf000 == 0x4000;
        self.mark_inode(number, false, directory)?;
        Self::set_size(inode, 0);
        inode.put(field::LINKS_COUNT, &[0; 2]);
        inode.put(field::MODE, &[0; 2]);
        self.set_inode(number, inode)
    }

    /// One inode less uses the block of extended attributes: it goes with the last.
    fn drop_xattr_block(&self, inode: &[u8]) -> Result<()> {
        let number = self.file_acl(inode);
        if number == 0 {
            return Ok(());
        }
        self.check_blocks(number, 1)?;
        let mut block = self.patched.block(number)?;
        match xattr::reference_dropped(&mut block, number, self.metadata_seed()) {
            true => self.patched.set_block(number, block),
            false => self.mark_blocks(number, 1, false),
        }
    }

    /// What metadata checksums start from, where there are any.
    fn metadata_seed(&self) -> Option<u32> {
        self.superblock
            .has_checksums()
            .then_some(self.superblock.seed)
    }
}
