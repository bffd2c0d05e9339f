//! On-disk structures of VirtualBox disk images, under the names of VirtualBox's `VDICore.h`.
//! Everything is little-endian and packed.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// At byte 0: `VDIPREHEADER`.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct PreHeader {
    pub(super) szFileInfo: [u8; 64],
    pub(super) u32Signature: U32,
    /// Major version in the upper half, minor in the lower.
    pub(super) u32Version: U32,
}

/// `PreHeader::u32Signature` as it lies on disk, and where.
pub(super) const SIGNATURE: (u64, [u8; 4]) = (64, [0x7f, 0x10, 0xda, 0xbe]);

/// Behind the pre-header in version 0.1: `VDIHEADER0`. The block map follows, and then the blocks.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Header0 {
    pub(super) u32Type: U32,
    pub(super) fFlags: U32,
    pub(super) szComment: [u8; 256],
    pub(super) LegacyGeometry: [u8; 16],
    pub(super) cbDisk: U64,
    pub(super) cbBlock: U32,
    pub(super) cBlocks: U32,
    pub(super) cBlocksAllocated: U32,
    pub(super) uuidCreate: [u8; 16],
    pub(super) uuidModify: [u8; 16],
    pub(super) uuidLinkage: [u8; 16],
}

/// Behind the pre-header in version 1.x: `VDIHEADER1`. A longer one (`VDIHEADER1PLUS`) has another
/// geometry at its end, which nothing here needs.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Header1 {
    pub(super) cbHeader: U32,
    pub(super) u32Type: U32,
    pub(super) fFlags: U32,
    pub(super) szComment: [u8; 256],
    pub(super) offBlocks: U32,
    pub(super) offData: U32,
    pub(super) LegacyGeometry: [u8; 16],
    pub(super) u32Dummy: U32,
    pub(super) cbDisk: U64,
    pub(super) cbBlock: U32,
    pub(super) cbBlockExtra: U32,
    pub(super) cBlocks: U32,
    pub(super) cBlocksAllocated: U32,
    pub(super) uuidCreate: [u8; 16],
    pub(super) uuidModify: [u8; 16],
    pub(super) uuidLinkage: [u8; 16],
    pub(super) uuidParentModify: [u8; 16],
}

/// `u32Type`: `VDIIMAGETYPE`. 3 is an undo image, which VirtualBox never wrote.
pub(super) const TYPE_NORMAL: u32 = 1;
pub(super) const TYPE_FIXED: u32 = 2;
pub(super) const TYPE_DIFF: u32 = 4;

/// Entries of the block map: never written, and known to be zeros. All else is a block's number.
pub(super) const BLOCK_FREE: u32 = 0xffff_ffff;
pub(super) const BLOCK_ZERO: u32 = 0xffff_fffe;
