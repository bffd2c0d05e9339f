//! What stands in a zstd file: RFC 8878, and "Zstandard Seekable Format" 0.1.0 for the seek table.
//! All numbers are little-endian.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The magic number of a frame (RFC 8878, 3.1.1).
pub(super) const MAGIC: u32 = 0xfd2f_b528;

/// The magic numbers of skippable frames: the low four bits are free (3.1.2).
pub(super) const SKIPPABLE: u32 = 0x184d_2a50;

/// The magic number of a skippable frame that holds a seek table.
pub(super) const SEEK_TABLE: u32 = 0x184d_2a5e;

/// The last four bytes of a seek table.
pub(super) const SEEKABLE: u32 = 0x8f92_eab1;

/// The magic number of a dictionary (5).
pub(super) const DICTIONARY: u32 = 0xec30_a437;

/// Bytes that a block unpacks to at most (3.1.1.2.4); less where the window is smaller.
pub(super) const MOST_BLOCK: usize = 128 << 10;

/// Bytes of the largest frame header: magic number, descriptor, window, dictionary, content size.
pub(super) const MOST_HEADER: u64 = 18;

/// Bytes of a block header.
pub(super) const BLOCK_HEADER: usize = 3;

/// Magic number and size of a skippable frame.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Skippable {
    pub(super) magic: U32,
    pub(super) size: U32,
}

/// What a seek table ends with.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SeekTableFooter {
    pub(super) number_of_frames: U32,
    pub(super) seek_table_descriptor: u8,
    pub(super) seekable_magic_number: U32,
}

/// Seek_Table_Descriptor: each entry has a checksum.
pub(super) const CHECKSUM_FLAG: u8 = 1 << 7;

/// Seek_Table_Descriptor: bits that have to be zero.
pub(super) const RESERVED_BITS: u8 = 0b0111_1100;

/// An entry of a seek table, without its checksum.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SeekTableEntry {
    pub(super) compressed_size: U32,
    pub(super) decompressed_size: U32,
}
