//! Group descriptors: where each group's bitmaps and inode table are.

use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

use super::checksum;
use super::core::Core;
use super::features;
use super::layout::{RawGroup, RawGroupHigh};
use super::superblock::{self, Superblock};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::Source;

/// `bg_flags`: the inode bitmap was never written, no inode of the group is in use.
pub(super) const INODE_UNINIT: u16 = 0x1;
/// `bg_flags`: the block bitmap was never written.
pub(super) const BLOCK_UNINIT: u16 = 0x2;

/// Where `bg_checksum` is in a descriptor.
const CHECKSUM_AT: usize = 30;

/// The descriptor of one group, its blocks inside the file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// The byte it lies at.
    pub(super) offset: u64,
    /// The block of the block bitmap.
    pub(super) block_bitmap: u64,
    /// The block of the inode bitmap.
    pub(super) inode_bitmap: u64,
    /// The first block of the inode table.
    pub(super) inode_table: u64,
    /// Free clusters.
    pub(super) free_clusters: u32,
    /// Free inodes.
    pub(super) free_inodes: u32,
    /// Inodes at the end of the table that were never used.
    pub(super) unused_inodes: u32,
    /// `bg_flags`.
    pub(super) flags: u16,
    /// The sum of the block bitmap: 32 bits, or the low 16.
    pub(super) block_bitmap_sum: u32,
    /// The sum of the inode bitmap.
    pub(super) inode_bitmap_sum: u32,
}

impl Group {
    /// The descriptor of group `number`, its checksum verified.
    ///
    /// # Errors
    /// `Corrupt`, naming the group, for a number past the groups, a wrong checksum, or an inode
    /// table outside the file system.
    pub(super) fn read(core: &Core, number: u32) -> Result<Self> {
        let verify = |bytes: &[u8], offset| {
            let verified = verify_checksum(core, number, bytes);
            verified.map_err(|error| {
                error
                    .at(offset)
                    .context(format!("group descriptor {number}"))
            })
        };
        Self::read_with(&*core.source, &core.superblock, number, &verify)
    }

    /// The descriptor of group `number`, its checksum not verified: to judge a superblock by.
    ///
    /// # Errors
    /// As [`Group::read`].
    pub(super) fn peek(source: &dyn Source, superblock: &Superblock, number: u32) -> Result<Self> {
        Self::read_with(source, superblock, number, &|_, _| Ok(()))
    }

    fn read_with(
        source: &dyn Source,
        superblock: &Superblock,
        number: u32,
        verify: &dyn Fn(&[u8], u64) -> Result<()>,
    ) -> Result<Self> {
        let context = |error: Error| error.context(format!("group descriptor {number}"));
        let offset = place(superblock, number).map_err(context)?;
        let mut bytes = [0; 1024];
        let size = usize::from(superblock.desc_size);
        let bytes = bytes
            .get_mut(..size)
            .ok_or_else(|| Error::corrupt("s_desc_size is over 1024"))?;
        source.read_exact_at(bytes, offset).map_err(context)?;
        verify(bytes, offset)?;
        Self::parse(superblock, bytes, offset).map_err(|error| context(error.at(offset)))
    }

    fn parse(superblock: &Superblock, bytes: &[u8], offset: u64) -> Result<Self> {
        let (low, rest) = RawGroup::read_from_prefix(bytes)
            .map_err(|_| Error::corrupt("the descriptor is cut off"))?;
        let high = RawGroupHigh::read_from_prefix(rest)
            .map_or_else(|_| RawGroupHigh::default(), |(high, _)| high);
        let block = |low: U32, high: U32| u64::from(high.get()) << 32 | u64::from(low.get());
        let word = |low: U16, high: U16| u32::from(high.get()) << 16 | u32::from(low.get());
        let group = Self {
            offset,
            block_bitmap: block(low.bg_block_bitmap_lo, high.bg_block_bitmap_hi),
            inode_bitmap: block(low.bg_inode_bitmap_lo, high.bg_inode_bitmap_hi),
            inode_table: block(low.bg_inode_table_lo, high.bg_inode_table_hi),
            free_clusters: word(low.bg_free_blocks_count_lo, high.bg_free_blocks_count_hi),
            free_inodes: word(low.bg_free_inodes_count_lo, high.bg_free_inodes_count_hi),
            unused_inodes: word(low.bg_itable_unused_lo, high.bg_itable_unused_hi),
            flags: low.bg_flags.get(),
            block_bitmap_sum: word(low.bg_block_bitmap_csum_lo, high.bg_block_bitmap_csum_hi),
            inode_bitmap_sum: word(low.bg_inode_bitmap_csum_lo, high.bg_inode_bitmap_csum_hi),
        };
        group.check_place(superblock)?;
        Ok(group)
    }

    /// How many inodes at the start of its table were ever used: all, where the descriptor has no
    /// checksum and the fields that say it no meaning.
    pub(super) fn used_inodes(&self, superblock: &Superblock) -> u32 {
        let all = superblock.inodes_per_group.get();
        if !superblock.has_checksums() && !superblock.features.has(features::GDT_CSUM) {
            return all;
        }
        match self.flags & INODE_UNINIT {
            0 => all.saturating_sub(self.unused_inodes),
            _ => 0,
        }
    }

    fn check_place(&self, superblock: &Superblock) -> Result<()> {
        let end = self.inode_table.saturating_add(table_blocks(superblock));
        if self.inode_table < superblock.first_data_block || end > superblock.blocks {
            return Err(Error::corrupt(format!(
                "bg_inode_table {} is not inside the file system of {} blocks",
                self.inode_table, superblock.blocks
            )));
        }
        Ok(())
    }
}

/// Blocks of each group's inode table.
pub(super) fn table_blocks(superblock: &Superblock) -> u64 {
    let bytes =
        u64::from(superblock.inodes_per_group.get()).saturating_mul(superblock.inode_size.into());
    bytes.div_ceil(to_u64(superblock.block_size()).max(1))
}

/// Descriptors in one block: 2 to 2048.
pub(super) fn descriptors_per_block(superblock: &Superblock) -> u32 {
    let count = superblock
        .block_size()
        .checked_div(usize::from(superblock.desc_size));
    count
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(1)
        .max(1)
}

/// Blocks of descriptors in all.
pub(super) fn descriptor_blocks(superblock: &Superblock) -> u32 {
    superblock
        .groups
        .div_ceil(descriptors_per_block(superblock))
}

/// The byte at which the descriptor of group `number` lies.
fn place(superblock: &Superblock, number: u32) -> Result<u64> {
    if number >= superblock.groups {
        return Err(Error::corrupt(format!(
            "group {number} of {}",
            superblock.groups
        )));
    }
    let per_block = descriptors_per_block(superblock);
    let (block, index) = (number.checked_div(per_block), number.checked_rem(per_block));
    let (block, index) = (block.unwrap_or(0), index.unwrap_or(0));
    let start = superblock.block_offset(descriptor_block(superblock, block, per_block))?;
    let inside = u64::from(index).saturating_mul(superblock.desc_size.into());
    Ok(start.saturating_add(inside))
}

/// The block that holds block `number` of the descriptors. Without meta_bg they lie behind the
/// superblock in one piece; with it, from block `s_first_meta_bg` of them on, each lies in the
/// first of the groups that it describes.
fn descriptor_block(superblock: &Superblock, number: u32, per_block: u32) -> u64 {
    let meta = superblock.features.has(features::META_BG);
    let behind = |start: u64| start.saturating_add(1);
    let first = superblock::PLACE.wrapping_shr(superblock.block_bits); // the superblock's block
    if !meta || number < superblock.raw.s_first_meta_bg.get() {
        return behind(first).saturating_add(number.into());
    }
    let group = number.saturating_mul(per_block);
    // With bigalloc a file system of 1 KiB blocks starts at block 0 all the same.
    let start = superblock
        .group_start(group)
        .max(if group == 0 { first } else { 0 });
    if superblock.has_backup(group) {
        behind(start)
    } else {
        start
    }
}

fn verify_checksum(core: &Core, number: u32, bytes: &[u8]) -> Result<()> {
    let superblock = &core.superblock;
    let stored = bytes
        .get(CHECKSUM_AT..)
        .and_then(|rest| rest.first_chunk::<2>());
    let stored = stored.map_or(0, |stored| u16::from_le_bytes(*stored));
    let (before, after) = (bytes.get(..CHECKSUM_AT), bytes.get(32..));
    let (before, after) = (before.unwrap_or(&[]), after.unwrap_or(&[]));
    let computed = if superblock.has_checksums() {
        let parts = [&number.to_le_bytes(), before, &[0, 0], after];
        let sum = parts
            .iter()
            .fold(superblock.seed, |sum, part| checksum::crc32c(sum, part));
        checksum::low(sum)
    } else if superblock.features.has(features::GDT_CSUM) {
        let parts = [
            &superblock.raw.s_uuid[..],
            &number.to_le_bytes(),
            before,
            after,
        ];
        parts
            .iter()
            .fold(!0, |sum, part| checksum::crc16(sum, part))
    } else {
        return Ok(());
    };
    if stored == computed {
        return Ok(());
    }
    core.bad_checksum(Error::corrupt("bad checksum"))
}
