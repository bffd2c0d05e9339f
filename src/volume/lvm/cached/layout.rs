//! The on-disk structures of drivers/md/dm-cache-metadata.c and dm-writecache.c, under their names.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `CACHE_SUPERBLOCK_MAGIC`, which the driver writes in octal.
pub(super) const CACHE_SUPERBLOCK_MAGIC: u64 = 0o6_142_003;

/// `SUPERBLOCK_CSUM_XOR`.
pub(super) const SUPERBLOCK_CSUM_XOR: u32 = 9_031_977;

/// `CLEAN_SHUTDOWN`, a bit of the flags.
pub(super) const CLEAN_SHUTDOWN: u32 = 1;

/// `M_VALID`, a bit of a mapping.
pub(super) const M_VALID: u64 = 1;

/// `M_DIRTY`, a bit of a mapping of version 1.
pub(super) const M_DIRTY: u64 = 2;

/// `FLAGS_MASK` has so many bits; the origin's block stands above them.
pub(super) const FLAGS_BITS: u32 = 16;

/// `struct cache_disk_superblock`, block 0 of a cache's metadata.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct CacheDiskSuperblock {
    _csum: U32,
    pub(super) flags: U32,
    _blocknr: U64,
    _uuid: [u8; 16],
    pub(super) magic: U64,
    pub(super) version: U32,
    _policy_name: [u8; 16],
    _policy_hint_size: U32,
    _metadata_space_map_root: [u8; 128],
    pub(super) mapping_root: U64,
    _hint_root: U64,
    _discard_root: U64,
    _discard_block_size: U64,
    _discard_nr_blocks: U64,
    pub(super) data_block_size: U32,
    pub(super) metadata_block_size: U32,
    pub(super) cache_blocks: U32,
    _compat_flags: U32,
    _compat_ro_flags: U32,
    pub(super) incompat_flags: U32,
    _read_hits: U32,
    _read_misses: U32,
    _write_hits: U32,
    _write_misses: U32,
    _policy_version: [U32; 3],
    /// Of version 2: which blocks are dirty, a bit each.
    pub(super) dirty_root: U64,
}

/// `MEMORY_SUPERBLOCK_MAGIC`.
pub(super) const MEMORY_SUPERBLOCK_MAGIC: u32 = 0x2348_9321;

/// `MEMORY_SUPERBLOCK_VERSION`.
pub(super) const MEMORY_SUPERBLOCK_VERSION: u32 = 1;

/// `struct wc_memory_superblock` has so many bytes; its entries follow.
pub(super) const MEMORY_SUPERBLOCK: u64 = 64;

/// `struct wc_memory_superblock`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct WcMemorySuperblock {
    pub(super) magic: U32,
    pub(super) version: U32,
    pub(super) block_size: U32,
    _pad: U32,
    pub(super) n_blocks: U64,
    pub(super) seq_count: U64,
}

/// `struct wc_memory_entry`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct WcMemoryEntry {
    /// All bits set for one that is free.
    pub(super) original_sector: U64,
    pub(super) seq_count: U64,
}
