//! The superblock: checked once, so that everything behind it can count on sizes that are not zero
//! and on a file system that is not larger than its device.

use std::num::NonZeroU32;

use zerocopy::FromBytes;

use super::checksum;
use super::features::{self, Features};
use super::geometry;
use super::inode::ROOT;
use super::layout::RawSuperblock;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::Source;

/// Where the superblock is, in bytes, whatever the block size.
pub(super) const PLACE: u64 = 1024;

/// `s_magic`.
pub(super) const MAGIC: u16 = 0xef53;

/// What the user can do about a wrong checksum.
pub(super) const HINT: &str = "--ignore-checksums reads it all the same";

/// `s_creator_os` of Linux, whose inodes alone have the checksums.
const LINUX: u32 = 0;

/// A checked superblock.
#[derive(Clone)]
pub(super) struct Superblock {
    /// As on disk.
    pub(super) raw: RawSuperblock,
    /// The byte it was read from.
    pub(super) offset: u64,
    /// The features.
    pub(super) features: Features,
    /// log2 of the bytes in a block: 10 to 16.
    pub(super) block_bits: u32,
    /// log2 of the blocks in a cluster: 0 without bigalloc.
    pub(super) cluster_bits: u32,
    /// Blocks in all.
    pub(super) blocks: u64,
    /// The block that the first group starts with: 1 for blocks of 1 KiB, 0 otherwise.
    pub(super) first_data_block: u64,
    /// Blocks in a group.
    pub(super) blocks_per_group: NonZeroU32,
    /// Inodes in a group.
    pub(super) inodes_per_group: NonZeroU32,
    /// Groups.
    pub(super) groups: u32,
    /// Bytes of an inode: 128 up to a block.
    pub(super) inode_size: u16,
    /// Bytes of a group descriptor: 32, or 64 to 1024.
    pub(super) desc_size: u16,
    /// What every crc32c of metadata starts from.
    pub(super) seed: u32,
}

impl Superblock {
    /// The superblock at byte `offset` of `source`. A wrong checksum goes to `mismatch`, which
    /// decides whether to go on.
    ///
    /// # Errors
    /// `Corrupt`, naming the field; `Unsupported`, naming the feature; as [`Source::read_exact_at`].
    pub(super) fn read(
        source: &dyn Source,
        offset: u64,
        mismatch: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<Self> {
        let mut bytes = [0; size_of::<RawSuperblock>()];
        if source.size() < offset.saturating_add(to_u64(bytes.len())) {
            return Err(Error::corrupt("too short for a superblock").at(offset));
        }
        source.read_exact_at(&mut bytes, offset)?;
        let mut parse = || {
            verify_checksum(&bytes, mismatch)?;
            Self::parse(&bytes, offset, source.size())
        };
        parse().map_err(|error: Error| error.at(offset).context("superblock"))
    }

    fn parse(bytes: &[u8], offset: u64, device: u64) -> Result<Self> {
        let raw = RawSuperblock::read_from_bytes(bytes)
            .map_err(|_| Error::corrupt("too short for a superblock"))?;
        check_features(&raw)?;
        let features = Features::of(&raw);
        let block_bits = geometry::block_bits(&raw)?;
        let blocks = joined(
            raw.s_blocks_count_hi.get(),
            raw.s_blocks_count_lo.get(),
            features,
        );
        geometry::check_device(blocks, block_bits, device)?;
        let cluster_bits = geometry::cluster_bits(&raw, features)?;
        let first_data_block = geometry::first_data_block(&raw, blocks, block_bits, cluster_bits)?;
        let blocks_per_group = geometry::blocks_per_group(&raw, block_bits, cluster_bits)?;
        let inode_size = geometry::inode_size(&raw, block_bits)?;
        let inodes_per_group = geometry::inodes_per_group(&raw, block_bits, inode_size)?;
        let superblock = Self {
            offset,
            features,
            block_bits,
            cluster_bits,
            blocks,
            first_data_block,
            blocks_per_group,
            inodes_per_group,
            groups: geometry::groups(blocks, first_data_block, blocks_per_group)?,
            inode_size,
            desc_size: geometry::desc_size(&raw, features)?,
            seed: seed(&raw, features),
            raw,
        };
        superblock.check_totals()?;
        Ok(superblock)
    }

    /// Bytes in a block.
    pub(super) fn block_size(&self) -> usize {
        1_usize.wrapping_shl(self.block_bits) // at most 16
    }

    /// The byte that block `number` starts at.
    ///
    /// # Errors
    /// `Corrupt` past the end of the file system.
    pub(super) fn block_offset(&self, number: u64) -> Result<u64> {
        if number >= self.blocks {
            return Err(Error::corrupt(format!(
                "block {number} is past the end: there are {}",
                self.blocks
            )));
        }
        Ok(number.wrapping_shl(self.block_bits)) // below the device's size, which was checked
    }

    /// Inodes in all.
    pub(super) fn inodes(&self) -> u32 {
        self.raw.s_inodes_count.get()
    }

    /// The first inode that is not reserved.
    pub(super) fn first_inode(&self) -> u32 {
        match self.raw.s_rev_level.get() {
            0 => 11,
            _ => self.raw.s_first_ino.get(),
        }
    }

    /// Whether a name can lead to inode `number`: it is there, and is not one of those that the
    /// file system keeps for itself.
    pub(super) fn can_be_named(&self, number: u32) -> bool {
        let raw = &self.raw;
        let own = [
            raw.s_usr_quota_inum.get(),
            raw.s_grp_quota_inum.get(),
            raw.s_prj_quota_inum.get(),
            raw.s_orphan_file_inum.get(),
        ];
        let free = (self.first_inode()..=self.inodes()).contains(&number);
        number == ROOT || free && !own.contains(&number)
    }

    /// Whether metadata carries crc32c sums.
    pub(super) fn has_checksums(&self) -> bool {
        self.features.has(features::METADATA_CSUM)
    }

    /// Whether the inodes carry theirs.
    pub(super) fn has_inode_checksums(&self) -> bool {
        self.has_checksums() && self.raw.s_creator_os.get() == LINUX
    }

    /// Clusters in a group.
    pub(super) fn clusters_per_group(&self) -> u32 {
        self.blocks_per_group.get().wrapping_shr(self.cluster_bits)
    }

    /// The block that `group` starts with.
    pub(super) fn group_start(&self, group: u32) -> u64 {
        u64::from(group)
            .saturating_mul(u64::from(self.blocks_per_group.get()))
            .saturating_add(self.first_data_block)
    }

    /// Whether `group` holds a copy of the superblock and of the group descriptors.
    pub(super) fn has_backup(&self, group: u32) -> bool {
        if group == 0 {
            return true;
        }
        if self.features.has(features::SPARSE_SUPER2) {
            return self
                .raw
                .s_backup_bgs
                .iter()
                .any(|backup| backup.get() == group);
        }
        group == 1 || !self.features.has(features::SPARSE_SUPER) || is_power_of_3_5_7(group)
    }

    /// What this reader cannot go on with, as the kernel's mount would say it.
    ///
    /// # Errors
    /// `Corrupt`, naming the field.
    fn check_totals(&self) -> Result<()> {
        let per_group = u64::from(self.inodes_per_group.get());
        let counted = u64::from(self.groups).saturating_mul(per_group);
        let claimed = self.inodes();
        if counted != u64::from(claimed) {
            return Err(Error::corrupt(format!(
                "s_inodes_count {claimed} is not {} groups of s_inodes_per_group {}",
                self.groups, self.inodes_per_group
            )));
        }
        let reserved = self.raw.s_reserved_gdt_blocks.get();
        if usize::from(reserved) > self.block_size() / 4 {
            return Err(Error::corrupt(format!(
                "s_reserved_gdt_blocks {reserved} is over a block of pointers"
            )));
        }
        Ok(())
    }
}

/// The number whose halves are `high` and `low`; only 64bit has a high half.
fn joined(high: u32, low: u32, features: Features) -> u64 {
    let high = if features.has(features::SIXTY_FOUR_BIT) {
        high
    } else {
        0
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Blocks that are kept for root.
pub(super) fn reserved_blocks(superblock: &Superblock) -> u64 {
    let raw = &superblock.raw;
    let (high, low) = (raw.s_r_blocks_count_hi.get(), raw.s_r_blocks_count_lo.get());
    joined(high, low, superblock.features)
}

/// The number of blocks that the superblock gives, unchecked.
pub(super) fn all_blocks(raw: &RawSuperblock) -> u64 {
    let (high, low) = (raw.s_blocks_count_hi.get(), raw.s_blocks_count_lo.get());
    joined(high, low, Features::of(raw))
}

/// The number of free blocks that the superblock gives; the group descriptors are the truth.
pub(super) fn free_blocks(raw: &RawSuperblock) -> u64 {
    let (high, low) = (
        raw.s_free_blocks_count_hi.get(),
        raw.s_free_blocks_count_lo.get(),
    );
    joined(high, low, Features::of(raw))
}

fn verify_checksum(bytes: &[u8], mismatch: &mut dyn FnMut(Error) -> Result<()>) -> Result<()> {
    let Ok((raw, _)) = RawSuperblock::read_from_prefix(bytes) else {
        return Ok(());
    };
    if raw.s_magic.get() != MAGIC {
        return Err(Error::corrupt(format!(
            "s_magic {:#06x} is not 0xef53",
            raw.s_magic
        )));
    }
    if !Features::of(&raw).has(features::METADATA_CSUM) {
        return Ok(());
    }
    let kind = raw.s_checksum_type;
    if kind != 1 {
        return Err(Error::unsupported(format!(
            "s_checksum_type {kind} is not 1 (crc32c)"
        )));
    }
    let summed = bytes.get(..1020).unwrap_or(bytes);
    if checksum::crc32c(checksum::START, summed) == raw.s_checksum.get() {
        return Ok(());
    }
    mismatch(Error::corrupt("bad checksum").hint(HINT))
}

fn check_features(raw: &RawSuperblock) -> Result<()> {
    let revision = raw.s_rev_level.get();
    if revision > 1 {
        return Err(Error::unsupported(format!(
            "s_rev_level {revision} is over 1"
        )));
    }
    let features = Features::of(raw);
    if features.has(features::JOURNAL_DEV) {
        return Err(Error::unsupported(
            "this is the external journal of another file system (journal_dev), without files of its own",
        ));
    }
    let unreadable = features.unreadable();
    if !unreadable.is_empty() {
        let list = unreadable.join(", ");
        return Err(Error::unsupported(format!(
            "unknown incompatible features: {list}"
        )));
    }
    if features.has(features::CASEFOLD) && raw.s_encoding.get() != 1 {
        let encoding = raw.s_encoding.get();
        return Err(Error::unsupported(format!(
            "s_encoding {encoding} is not 1 (UTF-8 12.1)"
        )));
    }
    Ok(())
}

fn seed(raw: &RawSuperblock, features: Features) -> u32 {
    if features.has(features::CSUM_SEED) {
        return raw.s_checksum_seed.get();
    }
    checksum::crc32c(checksum::START, &raw.s_uuid)
}

/// Group 0 aside, `sparse_super` keeps copies in the groups 1 and powers of 3, 5 and 7.
fn is_power_of_3_5_7(group: u32) -> bool {
    [3_u32, 5, 7].iter().any(|base| {
        let powers = std::iter::successors(Some(*base), |power| power.checked_mul(*base));
        powers
            .take_while(|power| *power <= group)
            .any(|power| power == group)
    })
}
