//! What stands in an LZ4 file: "LZ4 Frame Format Description" 1.6.4, and its part on the legacy
//! format. All numbers are little-endian.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The magic number of an LZ4 frame.
pub(super) const MAGIC: u32 = 0x184d_2204;

/// The magic number of a legacy frame (`lz4 -l`, Linux kernel images).
pub(super) const LEGACY: u32 = 0x184c_2102;

/// The magic numbers of skippable frames, which zstd shares: the low four bits are free.
pub(super) const SKIPPABLE: u32 = 0x184d_2a50;

/// Bytes that every block of a legacy frame but its last unpacks to.
pub(super) const LEGACY_BLOCK: u64 = 8 << 20;

/// Bytes of the largest frame header: magic number, descriptor, content size, dictionary id, HC.
pub(super) const MOST_HEADER: u64 = 19;

/// The bit of a block size that says the block is stored as it is.
pub(super) const STORED: u32 = 1 << 31;

/// FLG: the bits that stand for the parts of a frame.
pub(super) mod flg {
    pub(in super::super) const VERSION: u8 = 0b1100_0000;
    pub(in super::super) const VERSION_1: u8 = 0b0100_0000;
    pub(in super::super) const BLOCK_INDEPENDENCE: u8 = 1 << 5;
    pub(in super::super) const BLOCK_CHECKSUM: u8 = 1 << 4;
    pub(in super::super) const CONTENT_SIZE: u8 = 1 << 3;
    pub(in super::super) const CONTENT_CHECKSUM: u8 = 1 << 2;
    pub(in super::super) const RESERVED: u8 = 1 << 1;
    pub(in super::super) const DICTIONARY_ID: u8 = 1;
}

/// Magic number and the fixed part of the frame descriptor.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FrameStart {
    pub(super) magic: U32,
    pub(super) flg: u8,
    pub(super) bd: u8,
}

/// Content size, where FLG says that it is there.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ContentSize(pub(super) U64);

/// Magic number and size of a skippable frame; the magic and the first block size of a legacy one.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Skippable {
    pub(super) magic: U32,
    pub(super) size: U32,
}
