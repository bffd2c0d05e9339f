//! On-disk structures of Parallels' expanding images: QEMU's `docs/interop/parallels.rst`.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// At byte 0; the block allocation table follows, a word for each cluster.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) magic: [u8; 16],
    pub(super) version: U32,
    pub(super) heads: U32,
    pub(super) cylinders: U32,
    /// Sectors of a cluster.
    pub(super) tracks: U32,
    pub(super) nb_bat_entries: U32,
    pub(super) nb_sectors: U64,
    pub(super) in_use: U32,
    pub(super) data_off: U32,
    pub(super) flags: U32,
    pub(super) ext_off: U64,
}

/// `Header::magic` of the older kind, whose table counts in sectors and whose size has 32 bits.
pub(super) const MAGIC_SECTORS: [u8; 16] = *b"WithoutFreeSpace";

/// `Header::magic` of the newer kind, whose table counts in clusters.
pub(super) const MAGIC_CLUSTERS: [u8; 16] = *b"WithouFreSpacExt";

/// `Header::in_use` while a machine writes.
pub(super) const IN_USE: u32 = 0x746f_6e59;
