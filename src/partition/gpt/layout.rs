//! On-disk structures of the GUID partition table: UEFI specification 2.10, section 5.3.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header, at LBA 1 and at the last LBA (table 5.5).
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct GptHeader {
    pub(super) Signature: [u8; 8],
    pub(super) Revision: U32,
    pub(super) HeaderSize: U32,
    pub(super) HeaderCRC32: U32,
    pub(super) Reserved: U32,
    pub(super) MyLBA: U64,
    pub(super) AlternateLBA: U64,
    pub(super) FirstUsableLBA: U64,
    pub(super) LastUsableLBA: U64,
    pub(super) DiskGUID: [u8; 16],
    pub(super) PartitionEntryLBA: U64,
    pub(super) NumberOfPartitionEntries: U32,
    pub(super) SizeOfPartitionEntry: U32,
    pub(super) PartitionEntryArrayCRC32: U32,
}

/// `GptHeader::Signature`.
pub(super) const SIGNATURE: [u8; 8] = *b"EFI PART";

/// One entry of the array (table 5.6). Entries may be larger; the rest is reserved.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct GptEntry {
    pub(super) PartitionTypeGUID: [u8; 16],
    pub(super) UniquePartitionGUID: [u8; 16],
    pub(super) StartingLBA: U64,
    pub(super) EndingLBA: U64,
    pub(super) Attributes: U64,
    pub(super) PartitionName: [U16; 36],
}

/// `GptEntry::Attributes`, bit 2: legacy BIOS bootable (table 5.8).
pub(super) const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;
