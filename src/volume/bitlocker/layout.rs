//! The on-disk structures of BitLocker, byte for byte. Microsoft has published none of them: the
//! names are those of dissect.fve, which has them from the driver's symbols, and libbde's «BitLocker
//! Drive Encryption (BDE) format specification» describes the same under names of its own.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `BOOT_SECTOR::Oem`, and `FVE_INFORMATION::Signature`.
pub(super) const SIGNATURE: &[u8; 8] = b"-FVE-FS-";

/// Where the recognition is that Windows 7 and later write, and that of To Go.
pub(super) const RECOGNITION: [usize; 2] = [160, 424];

/// `FVE_GUID_RECOGNITION::Guid`: 4967d63b-2e29-4ad8-8399-f6a339e3d001.
pub(super) const INFORMATION_GUID: [u8; 16] = [
    0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01,
];

/// The same of a volume that encrypts on write: 92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8.
pub(super) const EOW_GUID: [u8; 16] = [
    0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae, 0xd8,
];

/// `BOOT_SECTOR`, as far as the fields that matter here: the rest is NTFS's or FAT's.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct BootSector {
    pub(super) Jump: [u8; 3],
    pub(super) Oem: [u8; 8],
    pub(super) BytesPerSector: U16,
    pub(super) SectorsPerCluster: u8,
    pub(super) Unused: [u8; 42],
    /// Vista alone: where NTFS has `Mft2StartLcn`.
    pub(super) InformationLcn: U64,
}

/// `FVE_GUID_RECOGNITION`, and `FVE_EOW_GUID_RECOGNITION`, which alone has the last field.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct GuidRecognition {
    pub(super) Guid: [u8; 16],
    pub(super) InformationOffset: [U64; 3],
    pub(super) EowOffset: [U64; 2],
}

/// `FVE_EOW_INFORMATION::HeaderSignature`, and those of `FVE_EOW_BITMAP`, its records, and its log.
pub(super) const EOW_SIGNATURE: &[u8; 8] = b"FVE-EOW\0";
pub(super) const EOW_BITMAP_SIGNATURE: &[u8; 10] = b"FVE-EOWBM\0";
pub(super) const EOW_RECORD_SIGNATURE: &[u8; 10] = b"FVE-EOWBR\0";
pub(super) const LOG_SIGNATURE: &[u8; 8] = b"OLRDHEVF";

/// `FVE_EOW_INFORMATION`; behind it a [`U64`] for each bitmap, its place.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct EowInformation {
    pub(super) HeaderSignature: [u8; 8],
    pub(super) HeaderSize: U16,
    /// With the places of the bitmaps.
    pub(super) Size: U16,
    pub(super) SectorSize: U32,
    _unknown_1: U32,
    pub(super) ChunkSize: U32,
    pub(super) ConvLogSize: U32,
    _unknown_2: U32,
    pub(super) RegionCount: U32,
    /// Of all `Size` bytes, this field as zero.
    pub(super) Crc32: U32,
    pub(super) EowOffset: [U64; 2],
}

/// `FVE_EOW_BITMAP`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct EowBitmap {
    pub(super) HeaderSignature: [u8; 10],
    pub(super) HeaderSize: U16,
    /// With its records.
    pub(super) Size: U32,
    _unknown_1: U32,
    pub(super) RegionOffset: U64,
    pub(super) RegionSize: U64,
    pub(super) ConvLogOffset: U64,
    /// From the start of this on.
    pub(super) RecordOffset: [U32; 2],
    pub(super) RecordSize: U32,
    /// Of all bytes before the first record, this field as zero.
    pub(super) Crc32: U32,
}

/// `FVE_EOW_BITMAP_RECORD`; behind it a bit for each chunk of the region, set where it is encrypted.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct EowBitmapRecord {
    pub(super) HeaderSignature: [u8; 10],
    pub(super) HeaderSize: U16,
    /// With the bits.
    pub(super) Size: U32,
    /// How many bits.
    pub(super) BitmapSize: U32,
    pub(super) SequenceNumber: U64,
    pub(super) Flags: U32,
    /// Of all `Size` bytes, this field as zero.
    pub(super) Crc32: U32,
}

/// The start of a conversion log. Nobody has described it: this and [`LogRecord`] are what a volume
/// has whose checksums fit, under names of ours.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Log {
    pub(super) Signature: [u8; 8],
    pub(super) HeaderSize: U16,
    _version: U16,
    pub(super) Records: U16,
    pub(super) SectorSize: U32,
    _volume_size: U64,
    _chunk_size: U32,
    /// With its header, and the same again at its end, a sector each.
    pub(super) RecordSize: U32,
}

/// The start of each record in a conversion log, of which the first begins in its second sector.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct LogRecord {
    pub(super) HeaderSize: U16,
    _version: U16,
    pub(super) SequenceNumber: U64,
    /// The byte of the volume that the logged bytes are of; zero where nothing is logged.
    pub(super) Offset: U64,
    pub(super) Length: U32,
    _data_crc32: U32,
    /// Of the bytes before this field.
    pub(super) Crc32: U32,
}

/// `FVE_INFORMATION`, the start of each copy of the metadata.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Information {
    pub(super) Signature: [u8; 8],
    /// Bytes of header and dataset together; from version 2 on in units of 16.
    pub(super) HeaderSize: U16,
    pub(super) Version: U16,
    pub(super) CurrentState: U16,
    pub(super) NextState: U16,
    /// How far the volume is encrypted; libbde's «encrypted volume size».
    pub(super) StateOffset: U64,
    pub(super) StateSize: U32,
    pub(super) VirtualizedSectors: U32,
    pub(super) InformationOffset: [U64; 3],
    /// Version 1: `Mft2StartLcn`.
    pub(super) VirtualizedBlockOffset: U64,
}

/// `FVE_INFORMATION::Version` of Vista.
pub(super) const VERSION_VISTA: u16 = 1;

/// `FVE_INFORMATION::Version` of Windows 7 and later.
pub(super) const VERSION_SEVEN: u16 = 2;

/// `FVE_VALIDATION`, behind the dataset. From version 2 on a sealed SHA-256 of the same bytes
/// follows.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Validation {
    pub(super) Size: U16,
    pub(super) Version: U16,
    pub(super) Crc32: U32,
}

/// `FVE_DATASET`, behind the information, and at the start of a startup key file.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Dataset {
    pub(super) Size: U32,
    pub(super) Version: U32,
    pub(super) StartOffset: U32,
    pub(super) EndOffset: U32,
    pub(super) Identification: [u8; 16],
    pub(super) NonceCounter: U32,
    pub(super) FvekType: U16,
    pub(super) Unknown: U16,
    pub(super) CreationTime: U64,
}

/// `FVE_DATUM`, the head of everything in a dataset.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Datum {
    pub(super) Size: U16,
    pub(super) Role: U16,
    pub(super) Type: U16,
    pub(super) Flags: U16,
}

/// `FVE_DATUM_ROLE`: what a datum is for.
pub(super) mod role {
    pub(in super::super) const VOLUME_MASTER_KEY_INFO: u16 = 2;
    pub(in super::super) const FULL_VOLUME_ENCRYPTION_KEY: u16 = 3;
    pub(in super::super) const STARTUP_KEY: u16 = 6;
    pub(in super::super) const DESCRIPTION: u16 = 7;
}

/// `FVE_DATUM_TYPE`: what stands behind a datum's head.
pub(super) mod kind {
    pub(in super::super) const KEY: u16 = 1;
    pub(in super::super) const UNICODE: u16 = 2;
    pub(in super::super) const STRETCH_KEY: u16 = 3;
    pub(in super::super) const AES_CCM_ENCRYPTED_KEY: u16 = 5;
    pub(in super::super) const VOLUME_MASTER_KEY_INFO: u16 = 8;
    pub(in super::super) const EXTERNAL_INFO: u16 = 9;
}

/// `FVE_DATUM_VMK_INFO`; properties follow.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct VmkInfo {
    pub(super) Identifier: [u8; 16],
    pub(super) DateTime: U64,
    pub(super) Unknown: U16,
    pub(super) Priority: U16,
}

/// `FVE_DATUM_EXTERNAL_INFO`; properties follow.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct ExternalInfo {
    pub(super) Identifier: [u8; 16],
    pub(super) DateTime: U64,
}

/// `FVE_DATUM_KEY`; the key follows.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Key {
    pub(super) KeyType: U16,
    pub(super) KeyFlags: U16,
}

/// `FVE_DATUM_STRETCH_KEY`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct StretchKey {
    pub(super) KeyType: U16,
    pub(super) KeyFlags: U16,
    pub(super) Salt: [u8; 16],
}

/// `FVE_KEY_FLAG::PBKDF2`.
pub(super) const KEY_FLAG_PBKDF2: u16 = 0x40;

/// `FVE_DATUM_AESCCM_ENC`; the ciphertext follows.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct AesCcmEncrypted {
    pub(super) Nonce: [u8; 12],
    pub(super) MAC: [u8; 16],
}
