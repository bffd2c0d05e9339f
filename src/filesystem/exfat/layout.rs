//! The on-disk structures of exFAT, byte for byte, under the names that Microsoft's "exFAT file
//! system specification" gives their fields. Fields that nobody here reads are gathered under names
//! with a leading underscore.
#![allow(non_snake_case)]

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Main Boot Sector (3.1): 512 bytes at the start of the volume, and a copy twelve sectors on.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawBootSector {
    _JumpBoot: [u8; 3],
    pub(super) FileSystemName: [u8; 8],
    pub(super) MustBeZero: [u8; 53],
    _PartitionOffset: U64,
    pub(super) VolumeLength: U64,
    pub(super) FatOffset: U32,
    pub(super) FatLength: U32,
    pub(super) ClusterHeapOffset: U32,
    pub(super) ClusterCount: U32,
    pub(super) FirstClusterOfRootDirectory: U32,
    pub(super) VolumeSerialNumber: U32,
    pub(super) FileSystemRevision: U16,
    pub(super) VolumeFlags: U16,
    pub(super) BytesPerSectorShift: u8,
    pub(super) SectorsPerClusterShift: u8,
    pub(super) NumberOfFats: u8,
    _DriveSelect: u8,
    pub(super) PercentInUse: u8,
    _Reserved: [u8; 7],
    _BootCode: [u8; 390],
    pub(super) BootSignature: U16,
}

const _: () = assert!(size_of::<RawBootSector>() == 512);

/// Any directory entry (6.2).
pub(super) type RawEntry = [u8; 32];

/// Allocation Bitmap directory entry (7.1).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawBitmap {
    _EntryType: u8,
    pub(super) BitmapFlags: u8,
    _Reserved: [u8; 18],
    pub(super) FirstCluster: U32,
    pub(super) DataLength: U64,
}

/// Up-case Table directory entry (7.2).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawUpcase {
    _EntryType: u8,
    _Reserved1: [u8; 3],
    pub(super) TableChecksum: U32,
    _Reserved2: [u8; 12],
    pub(super) FirstCluster: U32,
    pub(super) DataLength: U64,
}

/// Volume Label directory entry (7.3).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLabel {
    _EntryType: u8,
    pub(super) CharacterCount: u8,
    pub(super) VolumeLabel: [U16; 11],
    _Reserved: [u8; 8],
}

/// File directory entry (7.4).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFile {
    _EntryType: u8,
    pub(super) SecondaryCount: u8,
    pub(super) SetChecksum: U16,
    pub(super) FileAttributes: U16,
    _Reserved1: U16,
    pub(super) CreateTimestamp: RawTimestamp,
    pub(super) LastModifiedTimestamp: RawTimestamp,
    pub(super) LastAccessedTimestamp: RawTimestamp,
    pub(super) Create10msIncrement: u8,
    pub(super) LastModified10msIncrement: u8,
    pub(super) CreateUtcOffset: u8,
    pub(super) LastModifiedUtcOffset: u8,
    pub(super) LastAccessedUtcOffset: u8,
    _Reserved2: [u8; 7],
}

/// Timestamp (7.4.8): the halves of its 32 bits.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawTimestamp {
    pub(super) time: U16,
    pub(super) date: U16,
}

/// Volume GUID directory entry (7.5).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawGuid {
    _EntryType: u8,
    _SecondaryCount: u8,
    _SetChecksum: U16,
    _GeneralPrimaryFlags: U16,
    pub(super) VolumeGuid: [u8; 16],
    _Reserved: [u8; 10],
}

/// Stream Extension directory entry (7.6).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawStream {
    _EntryType: u8,
    pub(super) GeneralSecondaryFlags: u8,
    _Reserved1: u8,
    pub(super) NameLength: u8,
    pub(super) NameHash: U16,
    _Reserved2: U16,
    pub(super) ValidDataLength: U64,
    _Reserved3: U32,
    pub(super) FirstCluster: U32,
    pub(super) DataLength: U64,
}

/// File Name directory entry (7.7).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawName {
    _EntryType: u8,
    _GeneralSecondaryFlags: u8,
    pub(super) FileName: [U16; 15],
}

/// What every secondary entry has that may own clusters (6.4).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSecondary {
    _EntryType: u8,
    pub(super) GeneralSecondaryFlags: u8,
    _CustomDefined: [u8; 18],
    pub(super) FirstCluster: U32,
    pub(super) DataLength: U64,
}

const _: () = assert!(
    size_of::<RawBitmap>() == size_of::<RawEntry>()
        && size_of::<RawUpcase>() == size_of::<RawEntry>()
        && size_of::<RawLabel>() == size_of::<RawEntry>()
        && size_of::<RawFile>() == size_of::<RawEntry>()
        && size_of::<RawGuid>() == size_of::<RawEntry>()
        && size_of::<RawStream>() == size_of::<RawEntry>()
        && size_of::<RawName>() == size_of::<RawEntry>()
        && size_of::<RawSecondary>() == size_of::<RawEntry>()
);
