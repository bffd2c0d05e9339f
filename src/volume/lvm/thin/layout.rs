//! The on-disk structures of drivers/md/dm-thin-metadata.c, under its names.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `THIN_SUPERBLOCK_MAGIC`.
pub(super) const THIN_SUPERBLOCK_MAGIC: u64 = 27_022_010;

/// `SUPERBLOCK_CSUM_XOR`.
pub(super) const SUPERBLOCK_CSUM_XOR: u32 = 160_774;

/// `THIN_METADATA_NEEDS_CHECK_FLAG`.
pub(super) const THIN_METADATA_NEEDS_CHECK_FLAG: u32 = 1;

/// `struct thin_disk_superblock`, block 0 of a pool's metadata.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct ThinDiskSuperblock {
    _csum: U32,
    pub(super) flags: U32,
    _blocknr: U64,
    _uuid: [u8; 16],
    pub(super) magic: U64,
    pub(super) version: U32,
    _time: U32,
    pub(super) trans_id: U64,
    _held_root: U64,
    pub(super) data_space_map_root: DiskSmRoot,
    _data_space_map_rest: [u8; 96],
    pub(super) metadata_space_map_root: DiskSmRoot,
    _metadata_space_map_rest: [u8; 96],
    pub(super) data_mapping_root: U64,
    pub(super) device_details_root: U64,
    pub(super) data_block_size: U32,
    pub(super) metadata_block_size: U32,
    _metadata_nr_blocks: U64,
    _compat_flags: U32,
    _compat_ro_flags: U32,
    pub(super) incompat_flags: U32,
}

/// `struct disk_sm_root` (persistent-data/dm-space-map-common.h), in `SPACE_MAP_ROOT_SIZE` bytes.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct DiskSmRoot {
    pub(super) nr_blocks: U64,
    pub(super) nr_allocated: U64,
    _bitmap_root: U64,
    _ref_count_root: U64,
}

/// `struct disk_device_details` has so many bytes and begins with `mapped_blocks`.
pub(super) const DISK_DEVICE_DETAILS: usize = 24;
