//! What stands on disk (The .xz File Format, version 1.2.1).

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Header Magic Bytes (2.1.1.1).
pub(super) const HEADER_MAGIC: [u8; 6] = *b"\xfd7zXZ\0";
/// Footer Magic Bytes (2.1.2.4).
pub(super) const FOOTER_MAGIC: [u8; 2] = *b"YZ";
/// Bytes of a Stream Header, and of a Stream Footer.
pub(super) const EDGE: u64 = 12;

/// Stream Header (2.1.1).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct StreamHeader {
    pub(super) header_magic_bytes: [u8; 6],
    pub(super) stream_flags: [u8; 2],
    /// Of the flags alone.
    pub(super) crc32: U32,
}

/// Stream Footer (2.1.2).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct StreamFooter {
    /// Of the two fields that follow.
    pub(super) crc32: U32,
    /// Bytes of the Index, divided by 4, less 1.
    pub(super) backward_size: U32,
    pub(super) stream_flags: [u8; 2],
    pub(super) footer_magic_bytes: [u8; 2],
}

const _: () = assert!(size_of::<StreamHeader>() == 12 && size_of::<StreamFooter>() == 12);

/// Bits of Block Flags (3.1.2).
pub(super) mod block_flags {
    /// Number of filters, less 1.
    pub(in super::super) const FILTERS: u8 = 0x03;
    pub(in super::super) const RESERVED: u8 = 0x3c;
    pub(in super::super) const COMPRESSED_SIZE: u8 = 0x40;
    pub(in super::super) const UNCOMPRESSED_SIZE: u8 = 0x80;
}

/// Filter IDs (5.3).
pub(super) mod filter_id {
    pub(in super::super) const DELTA: u64 = 0x03;
    pub(in super::super) const X86: u64 = 0x04;
    pub(in super::super) const POWERPC: u64 = 0x05;
    pub(in super::super) const IA64: u64 = 0x06;
    pub(in super::super) const ARM: u64 = 0x07;
    pub(in super::super) const ARM_THUMB: u64 = 0x08;
    pub(in super::super) const SPARC: u64 = 0x09;
    pub(in super::super) const ARM64: u64 = 0x0a;
    pub(in super::super) const RISCV: u64 = 0x0b;
    pub(in super::super) const LZMA2: u64 = 0x21;
}
