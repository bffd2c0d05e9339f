//! The on-disk structures of ext2, ext3 and ext4, byte for byte, under the names that the kernel's
//! documentation (Documentation/filesystems/ext4) gives their fields. Fields that nobody here reads
//! are gathered under names with a leading underscore.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct ext4_super_block`: 1024 bytes at byte 1024, and its backups.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSuperblock {
    pub(super) s_inodes_count: U32,
    pub(super) s_blocks_count_lo: U32,
    pub(super) s_r_blocks_count_lo: U32,
    pub(super) s_free_blocks_count_lo: U32,
    pub(super) s_free_inodes_count: U32,
    pub(super) s_first_data_block: U32,
    pub(super) s_log_block_size: U32,
    pub(super) s_log_cluster_size: U32,
    pub(super) s_blocks_per_group: U32,
    pub(super) s_clusters_per_group: U32,
    pub(super) s_inodes_per_group: U32,
    _s_mtime: U32,
    _s_wtime: U32,
    _s_mnt_count: [U16; 2],
    pub(super) s_magic: U16,
    pub(super) s_state: U16,
    pub(super) s_errors: U16,
    _s_minor_rev_level: U16,
    _s_lastcheck: U32,
    _s_checkinterval: U32,
    pub(super) s_creator_os: U32,
    pub(super) s_rev_level: U32,
    _s_def_resuid: U16,
    _s_def_resgid: U16,
    pub(super) s_first_ino: U32,
    pub(super) s_inode_size: U16,
    pub(super) s_block_group_nr: U16,
    pub(super) s_feature_compat: U32,
    pub(super) s_feature_incompat: U32,
    pub(super) s_feature_ro_compat: U32,
    pub(super) s_uuid: [u8; 16],
    pub(super) s_volume_name: [u8; 16],
    pub(super) s_last_mounted: [u8; 64],
    _s_algorithm_usage_bitmap: U32,
    _s_prealloc: [u8; 2],
    pub(super) s_reserved_gdt_blocks: U16,
    pub(super) s_journal_uuid: [u8; 16],
    pub(super) s_journal_inum: U32,
    _s_journal_dev: U32,
    pub(super) s_last_orphan: U32,
    pub(super) s_hash_seed: [U32; 4],
    pub(super) s_def_hash_version: u8,
    pub(super) s_jnl_backup_type: u8,
    pub(super) s_desc_size: U16,
    _s_default_mount_opts: U32,
    pub(super) s_first_meta_bg: U32,
    _s_mkfs_time: U32,
    pub(super) s_jnl_blocks: [U32; 17],
    pub(super) s_blocks_count_hi: U32,
    pub(super) s_r_blocks_count_hi: U32,
    pub(super) s_free_blocks_count_hi: U32,
    _s_extra_isizes: [U16; 2],
    pub(super) s_flags: U32,
    _s_raid_stride: U16,
    _s_mmp_interval: U16,
    pub(super) s_mmp_block: U64,
    _s_raid_stripe_width: U32,
    _s_log_groups_per_flex: u8,
    pub(super) s_checksum_type: u8,
    _s_encryption_level: u8,
    _s_reserved_pad: u8,
    _s_kbytes_written: U64,
    _s_snapshot: [U32; 5],
    _s_errors: [u8; 108],
    _s_mount_opts: [u8; 64],
    pub(super) s_usr_quota_inum: U32,
    pub(super) s_grp_quota_inum: U32,
    pub(super) s_overhead_clusters: U32,
    pub(super) s_backup_bgs: [U32; 2],
    _s_encrypt_algos: [u8; 4],
    _s_encrypt_pw_salt: [u8; 16],
    _s_lpf_ino: U32,
    pub(super) s_prj_quota_inum: U32,
    pub(super) s_checksum_seed: U32,
    _s_wtime_hi: u8,
    _s_mtime_hi: u8,
    _s_mkfs_time_hi: u8,
    _s_times_hi: [u8; 5],
    pub(super) s_encoding: U16,
    _s_encoding_flags: U16,
    pub(super) s_orphan_file_inum: U32,
    _s_reserved: [U32; 94],
    pub(super) s_checksum: U32,
}

const _: () = assert!(size_of::<RawSuperblock>() == 1024);

/// `struct ext4_group_desc`, as far as every file system has it: 32 bytes.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawGroup {
    pub(super) bg_block_bitmap_lo: U32,
    pub(super) bg_inode_bitmap_lo: U32,
    pub(super) bg_inode_table_lo: U32,
    pub(super) bg_free_blocks_count_lo: U16,
    pub(super) bg_free_inodes_count_lo: U16,
    _bg_used_dirs_count_lo: U16,
    pub(super) bg_flags: U16,
    _bg_exclude_bitmap_lo: U32,
    pub(super) bg_block_bitmap_csum_lo: U16,
    pub(super) bg_inode_bitmap_csum_lo: U16,
    pub(super) bg_itable_unused_lo: U16,
    _bg_checksum: U16,
}

const _: () = assert!(size_of::<RawGroup>() == 32);

/// The second half of `struct ext4_group_desc`, there with the feature 64bit.
#[derive(Clone, Copy, Default, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawGroupHigh {
    pub(super) bg_block_bitmap_hi: U32,
    pub(super) bg_inode_bitmap_hi: U32,
    pub(super) bg_inode_table_hi: U32,
    pub(super) bg_free_blocks_count_hi: U16,
    pub(super) bg_free_inodes_count_hi: U16,
    _bg_used_dirs_count_hi: U16,
    pub(super) bg_itable_unused_hi: U16,
    _bg_exclude_bitmap_hi: U32,
    pub(super) bg_block_bitmap_csum_hi: U16,
    pub(super) bg_inode_bitmap_csum_hi: U16,
    _bg_reserved: U32,
}

const _: () = assert!(size_of::<RawGroupHigh>() == 32);

/// `struct ext4_inode`, the 128 bytes that every inode has.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawInode {
    pub(super) i_mode: U16,
    pub(super) i_uid: U16,
    pub(super) i_size_lo: U32,
    pub(super) i_atime: U32,
    pub(super) i_ctime: U32,
    pub(super) i_mtime: U32,
    pub(super) i_dtime: U32,
    pub(super) i_gid: U16,
    pub(super) i_links_count: U16,
    pub(super) i_blocks_lo: U32,
    pub(super) i_flags: U32,
    _osd1: U32,
    pub(super) i_block: [u8; 60],
    pub(super) i_generation: U32,
    pub(super) i_file_acl_lo: U32,
    pub(super) i_size_high: U32,
    _i_obso_faddr: U32,
    pub(super) l_i_blocks_high: U16,
    pub(super) l_i_file_acl_high: U16,
    pub(super) l_i_uid_high: U16,
    pub(super) l_i_gid_high: U16,
    pub(super) l_i_checksum_lo: U16,
    _l_i_reserved: U16,
}

const _: () = assert!(size_of::<RawInode>() == 128);

/// The fields of `struct ext4_inode` behind its first 128 bytes; how many of these bytes are in
/// use is `i_extra_isize`.
#[derive(Clone, Copy, Default, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawInodeExtra {
    pub(super) i_extra_isize: U16,
    pub(super) i_checksum_hi: U16,
    pub(super) i_ctime_extra: U32,
    pub(super) i_mtime_extra: U32,
    pub(super) i_atime_extra: U32,
    pub(super) i_crtime: U32,
    pub(super) i_crtime_extra: U32,
    _i_version_hi: U32,
    _i_projid: U32,
}

const _: () = assert!(size_of::<RawInodeExtra>() == 32);

/// `struct ext4_extent_header`: starts every node of an extent tree.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtentHeader {
    pub(super) eh_magic: U16,
    pub(super) eh_entries: U16,
    pub(super) eh_max: U16,
    pub(super) eh_depth: U16,
    _eh_generation: U32,
}

/// `struct ext4_extent`: an entry of a leaf.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtent {
    pub(super) ee_block: U32,
    pub(super) ee_len: U16,
    pub(super) ee_start_hi: U16,
    pub(super) ee_start_lo: U32,
}

/// `struct ext4_extent_idx`: an entry of a node above the leaves.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtentIndex {
    pub(super) ei_block: U32,
    pub(super) ei_leaf_lo: U32,
    pub(super) ei_leaf_hi: U16,
    _ei_unused: U16,
}

const _: () = assert!(size_of::<RawExtent>() == 12 && size_of::<RawExtentIndex>() == 12);

/// `struct ext4_dir_entry_2`, in front of its name.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDirEntry {
    pub(super) inode: U32,
    pub(super) rec_len: U16,
    pub(super) name_len: u8,
    pub(super) file_type: u8,
}

const _: () = assert!(size_of::<RawDirEntry>() == 8);

/// `struct dx_root_info`: behind `.` and `..` in the first block of a directory with a hash tree.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawHashRoot {
    _reserved_zero: U32,
    pub(super) hash_version: u8,
    pub(super) info_length: u8,
    pub(super) indirect_levels: u8,
    pub(super) unused_flags: u8,
}

/// `struct dx_entry`. The hash of the first in a node is not there: `limit` and `count` are.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawHashEntry {
    pub(super) hash: U32,
    pub(super) block: U32,
}

const _: () = assert!(size_of::<RawHashRoot>() == 8 && size_of::<RawHashEntry>() == 8);
