//! On-disk structures of VHDX: [MS-VHDX], "Virtual Hard Disk v2 (VHDX) File Format", section 2. All
//! numbers are little-endian.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// 2.2.1, "File Type Identifier": the signature, at the start.
pub(super) const FILE_SIGNATURE: [u8; 8] = *b"vhdxfile";
/// Bytes of `Creator`, behind the signature.
pub(super) const CREATOR: usize = 512;

/// Where both headers are.
pub(super) const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
/// Bytes of a header that its checksum covers.
pub(super) const HEADER_SIZE: usize = 4 << 10;

/// 2.2.2, "Headers".
#[derive(Clone, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct Header {
    pub(super) Signature: [u8; 4],
    pub(super) Checksum: U32,
    pub(super) SequenceNumber: U64,
    pub(super) FileWriteGuid: Guid,
    pub(super) DataWriteGuid: Guid,
    pub(super) LogGuid: Guid,
    pub(super) LogVersion: U16,
    pub(super) Version: U16,
    pub(super) LogLength: U32,
    pub(super) LogOffset: U64,
}

/// `Header::Signature`.
pub(super) const HEADER_SIGNATURE: [u8; 4] = *b"head";

/// Where both region tables are.
pub(super) const REGION_TABLES: [u64; 2] = [192 << 10, 256 << 10];
/// Bytes of a region table, and of the metadata table.
pub(super) const TABLE_SIZE: usize = 64 << 10;
/// Entries of either at most.
pub(super) const MOST_ENTRIES: u64 = 2047;

/// 2.2.3.1, "Region Table Header".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct RegionTableHeader {
    pub(super) Signature: [u8; 4],
    pub(super) Checksum: U32,
    pub(super) EntryCount: U32,
    pub(super) Reserved: U32,
}

/// `RegionTableHeader::Signature`.
pub(super) const REGION_SIGNATURE: [u8; 4] = *b"regi";

/// 2.2.3.2, "Region Table Entry".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct RegionTableEntry {
    pub(super) Guid: Guid,
    pub(super) FileOffset: U64,
    pub(super) Length: U32,
    /// The first bit; the others are reserved.
    pub(super) Required: U32,
}

pub(super) const BAT_REGION: Guid = Guid::new(
    0x2dc2_7766,
    0xf623,
    0x4200,
    [0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08],
);
pub(super) const METADATA_REGION: Guid = Guid::new(
    0x8b7c_a206,
    0x4790,
    0x4b9a,
    [0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e],
);

/// 2.3.1.1, "Entry Header" of the log.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct LogEntryHeader {
    pub(super) Signature: [u8; 4],
    pub(super) Checksum: U32,
    pub(super) EntryLength: U32,
    pub(super) Tail: U32,
    pub(super) SequenceNumber: U64,
    pub(super) DescriptorCount: U32,
    pub(super) Reserved: U32,
    pub(super) LogGuid: Guid,
    pub(super) FlushedFileOffset: U64,
    pub(super) LastFileOffset: U64,
}

/// `LogEntryHeader::Signature`.
pub(super) const LOG_SIGNATURE: [u8; 4] = *b"loge";

/// 2.3.1.2 and 2.3.1.3, "Zero Descriptor" and "Data Descriptor", which differ in two fields.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct LogDescriptor {
    pub(super) Signature: [u8; 4],
    /// Of a data descriptor; reserved in the other.
    pub(super) TrailingBytes: [u8; 4],
    /// `ZeroLength` of a zero descriptor.
    pub(super) LeadingBytes: [u8; 8],
    pub(super) FileOffset: U64,
    pub(super) SequenceNumber: U64,
}

/// `LogDescriptor::Signature`.
pub(super) const ZERO_SIGNATURE: [u8; 4] = *b"zero";
/// `LogDescriptor::Signature`.
pub(super) const DATA_SIGNATURE: [u8; 4] = *b"desc";

/// 2.3.1.4, "Data Sector".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct LogDataSector {
    pub(super) DataSignature: [u8; 4],
    pub(super) SequenceHigh: U32,
    pub(super) Data: [u8; 4084],
    pub(super) SequenceLow: U32,
}

/// `LogDataSector::DataSignature`.
pub(super) const SECTOR_SIGNATURE: [u8; 4] = *b"data";

/// Bytes of a sector of the log, by which everything in it is aligned.
pub(super) const LOG_SECTOR: u64 = 4096;

const _: () = assert!(size_of::<Header>() == 80 && size_of::<LogEntryHeader>() == 64);
const _: () = assert!(size_of::<LogDescriptor>() == 32 && size_of::<LogDataSector>() == 4096);

/// 2.6.1.1, "Metadata Table Header".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct MetadataTableHeader {
    pub(super) Signature: [u8; 8],
    pub(super) Reserved: U16,
    pub(super) EntryCount: U16,
    pub(super) Reserved2: [u8; 20],
}

/// `MetadataTableHeader::Signature`.
pub(super) const METADATA_SIGNATURE: [u8; 8] = *b"metadata";

/// 2.6.1.2, "Metadata Table Entry".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct MetadataTableEntry {
    pub(super) ItemId: Guid,
    pub(super) Offset: U32,
    pub(super) Length: U32,
    pub(super) Flags: U32,
    pub(super) Reserved2: U32,
}

/// `MetadataTableEntry::Flags`: who does not know the item must not go on.
pub(super) const IS_REQUIRED: u32 = 4;

pub(super) const FILE_PARAMETERS: Guid = Guid::new(
    0xcaa1_6737,
    0xfa36,
    0x4d43,
    [0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b],
);
pub(super) const VIRTUAL_DISK_SIZE: Guid = Guid::new(
    0x2fa5_4224,
    0xcd1b,
    0x4876,
    [0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8],
);
pub(super) const VIRTUAL_DISK_ID: Guid = Guid::new(
    0xbeca_12ab,
    0xb2e6,
    0x4523,
    [0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46],
);
pub(super) const LOGICAL_SECTOR_SIZE: Guid = Guid::new(
    0x8141_bf1d,
    0xa96f,
    0x4709,
    [0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f],
);
pub(super) const PHYSICAL_SECTOR_SIZE: Guid = Guid::new(
    0xcda3_48c7,
    0x445d,
    0x4471,
    [0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56],
);
pub(super) const PARENT_LOCATOR: Guid = Guid::new(
    0xa8d3_5f2d,
    0xb30b,
    0x454d,
    [0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c],
);

/// 2.6.2.1, `FileParameters`: blocks stay where they are, a fixed disk.
pub(super) const LEAVE_BLOCK_ALLOCATED: u32 = 1;
/// 2.6.2.1, `FileParameters`: a differencing disk.
pub(super) const HAS_PARENT: u32 = 2;

/// 2.6.2.6.1, "Parent Locator Header".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct ParentLocatorHeader {
    pub(super) LocatorType: Guid,
    pub(super) Reserved: U16,
    pub(super) KeyValueCount: U16,
}

/// `ParentLocatorHeader::LocatorType`: a VHDX.
pub(super) const LOCATOR_TYPE: Guid = Guid::new(
    0xb04a_efb7,
    0xd19e,
    0x4a81,
    [0xb7, 0x89, 0x25, 0xb8, 0xe9, 0x44, 0x59, 0x13],
);

/// 2.6.2.6.2, "Parent Locator Entry".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
pub(super) struct ParentLocatorEntry {
    pub(super) KeyOffset: U32,
    pub(super) ValueOffset: U32,
    pub(super) KeyLength: U16,
    pub(super) ValueLength: U16,
}

/// A GUID as on disk: the first three fields are little-endian.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub(super) struct Guid {
    data1: U32,
    data2: U16,
    data3: U16,
    data4: [u8; 8],
}

impl Guid {
    pub(super) const NIL: Self = Self::new(0, 0, 0, [0; 8]);

    const fn new(data1: u32, data2: u16, data3: u16, data4: [u8; 8]) -> Self {
        Self {
            data1: U32::new(data1),
            data2: U16::new(data2),
            data3: U16::new(data3),
            data4,
        }
    }
}

impl std::fmt::Display for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g, h, i] = self.data4;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{a:02x}{b:02x}-{c:02x}{d:02x}{e:02x}{g:02x}{h:02x}{i:02x}",
            self.data1.get(),
            self.data2.get(),
            self.data3.get(),
        )
    }
}

/// The structure at the start of `bytes`.
///
/// # Errors
/// `Corrupt` where they are too few; `name` is what they were to be.
pub(super) fn first<T: FromBytes>(bytes: &[u8], name: &str) -> Result<T> {
    let (found, _) =
        T::read_from_prefix(bytes).map_err(|_| Error::corrupt(format!("{name} is cut")))?;
    Ok(found)
}

/// The structures that fill `bytes` from `start` on, at most `count`.
pub(super) fn list<T: FromBytes>(bytes: &[u8], start: usize, count: u64) -> Vec<T> {
    let rest = bytes.get(start..).unwrap_or(&[]);
    let chunks = rest.chunks_exact(size_of::<T>());
    let count = crate::number::to_usize(count);
    let found = chunks.take(count).map(T::read_from_bytes);
    found.filter_map(std::result::Result::ok).collect()
}

/// `len` bytes of `source` at `offset`, for `name`.
///
/// # Errors
/// `Corrupt` where the file ends before; as [`Source::read_exact_at`].
pub(super) fn read(source: &dyn Source, offset: u64, len: usize, name: &str) -> Result<Vec<u8>> {
    let end = offset.checked_add(to_u64(len));
    if end.is_none_or(|end| end > source.size()) {
        let text = format!("the file ends before its {name}");
        return Err(Error::corrupt(text).at(offset));
    }
    read_vec(source, offset, len)
}

/// Whether the CRC-32C of `bytes`, with four zeros in place of `field` at byte 4, is that field.
pub(super) fn is_intact(bytes: &[u8], field: U32) -> bool {
    let (head, rest) = bytes.split_at(bytes.len().min(4));
    let behind = rest.get(4..).unwrap_or(&[]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]);
    crc32c::crc32c_append(crc, behind) == field.get()
}
