//! The on-disk structures of EROFS, byte for byte, under the names that the kernel's own header
//! gives their fields (`fs/erofs/erofs_fs.h` of Linux 6.18). Fields that nobody here reads are
//! gathered under names with a leading underscore.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct erofs_super_block`: at byte 1024. The fields from `rootnid_8b` on lie in what older
/// images leave as zeros; `metabox_nid` is there only where `sb_extslots` makes room for it.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSuperblock {
    pub(super) magic: U32,
    pub(super) checksum: U32,
    pub(super) feature_compat: U32,
    pub(super) blkszbits: u8,
    pub(super) sb_extslots: u8,
    /// The root's number; with the feature `48bit` and `rootnid_8b`, the high bits of `blocks`.
    pub(super) rb: U16,
    pub(super) inos: U64,
    pub(super) epoch: U64,
    pub(super) fixed_nsec: U32,
    pub(super) blocks_lo: U32,
    pub(super) meta_blkaddr: U32,
    pub(super) xattr_blkaddr: U32,
    pub(super) uuid: [u8; 16],
    pub(super) volume_name: [u8; 16],
    pub(super) feature_incompat: U32,
    /// `available_compr_algs`, or `lz4_max_distance` without the feature `compr_cfgs`.
    pub(super) u1: U16,
    pub(super) extra_devices: U16,
    pub(super) devt_slotoff: U16,
    pub(super) dirblkbits: u8,
    pub(super) xattr_prefix_count: u8,
    pub(super) xattr_prefix_start: U32,
    pub(super) packed_nid: U64,
    _xattr_filter_reserved: u8,
    _ishare_xattr_prefix_id: u8,
    _reserved: [u8; 2],
    pub(super) build_time: U32,
    pub(super) rootnid_8b: U64,
    _reserved2: U64,
    pub(super) metabox_nid: U64,
    _reserved3: U64,
}

/// `struct erofs_deviceslot`: one of `extra_devices`, from `devt_slotoff` slots on.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDevice {
    pub(super) tag: [u8; 64],
    pub(super) blocks_lo: U32,
    pub(super) uniaddr_lo: U32,
    pub(super) blocks_hi: U16,
    pub(super) uniaddr_hi: U16,
    _reserved: [u8; 52],
}

/// `struct erofs_inode_compact`: 32 bytes.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawCompact {
    pub(super) i_format: U16,
    pub(super) i_xattr_icount: U16,
    pub(super) i_mode: U16,
    /// `nlink`, or the high bits of a block number.
    pub(super) i_nb: U16,
    pub(super) i_size: U32,
    pub(super) i_mtime: U32,
    /// Blocks, a block number, a device number, or the format of chunks.
    pub(super) i_u: U32,
    _i_ino: U32,
    pub(super) i_uid: U16,
    pub(super) i_gid: U16,
    _i_reserved: U32,
}

/// `struct erofs_inode_extended`: 64 bytes.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtended {
    pub(super) i_format: U16,
    pub(super) i_xattr_icount: U16,
    pub(super) i_mode: U16,
    pub(super) i_nb: U16,
    pub(super) i_size: U64,
    pub(super) i_u: U32,
    _i_ino: U32,
    pub(super) i_uid: U32,
    pub(super) i_gid: U32,
    pub(super) i_mtime: U64,
    pub(super) i_mtime_nsec: U32,
    pub(super) i_nlink: U32,
    _i_reserved2: [u8; 16],
}

/// `struct erofs_inode_chunk_index`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawChunk {
    pub(super) startblk_hi: U16,
    pub(super) device_id: U16,
    pub(super) startblk_lo: U32,
}

/// `struct erofs_dirent`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawEntry {
    pub(super) nid: U64,
    pub(super) nameoff: U16,
    pub(super) file_type: u8,
    _reserved: u8,
}

/// `struct erofs_xattr_ibody_header`: before the numbers of shared attributes.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawXattrHeader {
    _name_filter: U32,
    pub(super) h_shared_count: u8,
    _h_reserved2: [u8; 7],
}

/// `struct erofs_xattr_entry`: before a name and a value.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawXattr {
    pub(super) e_name_len: u8,
    pub(super) e_name_index: u8,
    pub(super) e_value_size: U16,
}

/// `struct z_erofs_map_header`: before the indexes of a compressed file. Its parts mean different
/// things by `h_advise`: see [`super::compressed`].
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawMapHeader {
    /// `h_fragmentoff`, `h_extents_lo`, or `h_idata_size` in the upper half.
    pub(super) first: U32,
    pub(super) h_advise: U16,
    /// The low half of `h_extents_hi`.
    pub(super) h_algorithmtype: u8,
    /// The high half of `h_extents_hi`.
    pub(super) h_clusterbits: u8,
}

/// `struct z_erofs_lcluster_index`: a logical cluster of a file with full indexes.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawCluster {
    pub(super) di_advise: U16,
    pub(super) di_clusterofs: U16,
    /// `blkaddr`, or `delta[0]` and `delta[1]`.
    pub(super) di_u: U32,
}

/// `struct z_erofs_extent`: all 32 bytes of it. Records may be shorter: what they lack is zero.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtent {
    pub(super) plen: U32,
    pub(super) pstart_lo: U32,
    pub(super) pstart_hi: U32,
    pub(super) lstart_lo: U32,
    pub(super) lstart_hi: U32,
    _reserved: [u8; 12],
}

const _: () = assert!(size_of::<RawSuperblock>() == 144);
const _: () = assert!(size_of::<RawDevice>() == 128);
const _: () = assert!(size_of::<RawCompact>() == 32);
const _: () = assert!(size_of::<RawExtended>() == 64);
const _: () = assert!(size_of::<RawEntry>() == 12);
const _: () = assert!(size_of::<RawXattrHeader>() == 12);
const _: () = assert!(size_of::<RawExtent>() == 32);
