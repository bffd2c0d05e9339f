//! Where the structures lie: superblock, group descriptors, and the inodes in use with what they
//! lead to.

use crate::bytes::{big, little};
use crate::family::{Field, Order, Structure};

use super::{inode, journal};

/// The superblock is here, whatever the size of blocks.
pub const SUPERBLOCK: u64 = 1024;

const SUPERBLOCK_FIELDS: &[(&str, u64)] = &[
    ("s_inodes_count", 4),
    ("s_blocks_count_lo", 4),
    ("s_r_blocks_count_lo", 4),
    ("s_free_blocks_count_lo", 4),
    ("s_free_inodes_count", 4),
    ("s_first_data_block", 4),
    ("s_log_block_size", 4),
    ("s_log_cluster_size", 4),
    ("s_blocks_per_group", 4),
    ("s_clusters_per_group", 4),
    ("s_inodes_per_group", 4),
    ("s_mtime", 4),
    ("s_wtime", 4),
    ("", 4), // mount counts
    ("s_magic", 2),
    ("s_state", 2),
    ("s_errors", 2),
    ("s_minor_rev_level", 2),
    ("s_lastcheck", 4),
    ("s_checkinterval", 4),
    ("s_creator_os", 4),
    ("s_rev_level", 4),
    ("s_def_resuid", 2),
    ("s_def_resgid", 2),
    ("s_first_ino", 4),
    ("s_inode_size", 2),
    ("s_block_group_nr", 2),
    ("s_feature_compat", 4),
    ("s_feature_incompat", 4),
    ("s_feature_ro_compat", 4),
    ("", 16 + 16 + 64), // UUID, volume name, last mounted on
    ("s_algorithm_usage_bitmap", 4),
    ("", 2), // preallocation
    ("s_reserved_gdt_blocks", 2),
    ("", 16), // the journal's UUID
    ("s_journal_inum", 4),
    ("s_journal_dev", 4),
    ("s_last_orphan", 4),
    ("", 16), // the seed of hashes
    ("s_def_hash_version", 1),
    ("s_jnl_backup_type", 1),
    ("s_desc_size", 2),
    ("s_default_mount_opts", 4),
    ("s_first_meta_bg", 4),
    ("s_mkfs_time", 4),
    ("", 68), // a copy of the journal's inode
    ("s_blocks_count_hi", 4),
    ("s_r_blocks_count_hi", 4),
    ("s_free_blocks_count_hi", 4),
    ("s_min_extra_isize", 2),
    ("s_want_extra_isize", 2),
    ("s_flags", 4),
    ("s_raid_stride", 2),
    ("s_mmp_interval", 2),
    ("s_mmp_block", 8),
    ("s_raid_stripe_width", 4),
    ("s_log_groups_per_flex", 1),
    ("s_checksum_type", 1),
    ("s_encryption_level", 1),
    ("", 1),
    ("s_kbytes_written", 8),
    ("", 0x24c - 0x180), // snapshots, errors, mount options, quotas
    ("s_backup_bgs[0]", 4),
    ("s_backup_bgs[1]", 4),
    ("s_encrypt_algos", 4),
    ("", 16),
    ("s_lpf_ino", 4),
    ("s_prj_quota_inum", 4),
    ("s_checksum_seed", 4),
    ("", 8),
    ("s_encoding", 2),
    ("s_encoding_flags", 2),
    ("s_orphan_file_inum", 4),
];

const GROUP_FIELDS: &[(&str, u64)] = &[
    ("bg_block_bitmap_lo", 4),
    ("bg_inode_bitmap_lo", 4),
    ("bg_inode_table_lo", 4),
    ("bg_free_blocks_count_lo", 2),
    ("bg_free_inodes_count_lo", 2),
    ("bg_used_dirs_count_lo", 2),
    ("bg_flags", 2),
    ("", 8), // of snapshots and bitmaps
    ("bg_itable_unused_lo", 2),
    ("", 2),
    ("bg_block_bitmap_hi", 4),
    ("bg_inode_bitmap_hi", 4),
    ("bg_inode_table_hi", 4),
    ("bg_free_blocks_count_hi", 2),
    ("bg_free_inodes_count_hi", 2),
    ("bg_used_dirs_count_hi", 2),
    ("bg_itable_unused_hi", 2),
];

/// An image and its geometry.
pub struct Ext<'a> {
    pub bytes: &'a [u8],
    pub block_size: u64,
    pub inode_size: u64,
}

/// All structures of the image `bytes`, each behind the one that leads to it.
pub fn all(bytes: &[u8]) -> Vec<Structure> {
    let ext = Ext::new(bytes);
    let mut structures = vec![ext.structure("superblock", SUPERBLOCK, 1024, None)];
    structures[0].fields = Field::row(SUPERBLOCK, Order::Little, SUPERBLOCK_FIELDS);
    for group in 0..ext.groups() {
        let (at, size) = (ext.group_at(group), ext.group_size());
        let name = format!("group descriptor {group}");
        let mut found = ext.structure(&name, at, size, Some(SUPERBLOCK));
        found.fields = Field::row(at, Order::Little, GROUP_FIELDS);
        found.fields.retain(|field| field.offset < at + size);
        structures.push(found);
    }
    for number in 1..=ext.field(0, 4) {
        inode::locate(&ext, number, &mut structures);
    }
    journal::locate(&ext, &mut structures);
    structures
}

impl<'a> Ext<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let inode_size = match little(bytes, SUPERBLOCK + 76, 4) {
            0 => 128,
            _ => little(bytes, SUPERBLOCK + 88, 2),
        };
        Self {
            bytes,
            block_size: 1024 << (little(bytes, SUPERBLOCK + 24, 4) & 7),
            inode_size,
        }
    }

    /// The number of `width` bytes at `at`.
    pub fn le(&self, at: u64, width: u64) -> u64 {
        little(self.bytes, at, width)
    }

    /// The same of the journal, most significant byte first.
    pub fn be(&self, at: u64, width: u64) -> u64 {
        big(self.bytes, at, width)
    }

    /// A field of the superblock.
    pub fn field(&self, at: u64, width: u64) -> u64 {
        self.le(SUPERBLOCK + at, width)
    }

    pub fn structure(&self, name: &str, at: u64, size: u64, parent: Option<u64>) -> Structure {
        Structure {
            name: name.to_owned(),
            file: 0,
            range: at..at + size,
            parent,
            fields: Vec::new(),
        }
    }

    fn groups(&self) -> u64 {
        let blocks = self.field(4, 4) - self.field(20, 4);
        blocks.div_ceil(self.field(32, 4).max(1)).min(64)
    }

    fn group_size(&self) -> u64 {
        match self.field(0x60, 4) & 0x80 {
            0 => 32,
            _ => self.field(0xfe, 2),
        }
    }

    fn group_at(&self, group: u64) -> u64 {
        (self.field(20, 4) + 1) * self.block_size + group * self.group_size()
    }

    /// The group descriptor of inode `number`, and where the inode is.
    pub fn inode_at(&self, number: u64) -> (u64, u64) {
        let per_group = self.field(40, 4).max(1);
        let descriptor = self.group_at((number - 1) / per_group);
        let table = self.le(descriptor + 8, 4) * self.block_size;
        (
            descriptor,
            table + (number - 1) % per_group * self.inode_size,
        )
    }

    /// The first byte of `block`, where it is in the image.
    pub fn block_at(&self, block: u64) -> Option<u64> {
        let at = block * self.block_size;
        (block != 0 && at + self.block_size <= self.bytes.len() as u64).then_some(at)
    }
}
