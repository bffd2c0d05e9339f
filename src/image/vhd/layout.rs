//! On-disk structures of VHD: Microsoft, "Virtual Hard Disk Image Format Specification", version
//! 1.0 (2006). All numbers are big-endian.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 512;

/// "Hard Disk Footer Format".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Footer {
    pub(super) cookie: [u8; 8],
    pub(super) features: U32,
    pub(super) file_format_version: U32,
    pub(super) data_offset: U64,
    pub(super) time_stamp: U32,
    pub(super) creator_application: [u8; 4],
    pub(super) creator_version: U32,
    pub(super) creator_host_os: [u8; 4],
    pub(super) original_size: U64,
    pub(super) current_size: U64,
    pub(super) disk_geometry: DiskGeometry,
    pub(super) disk_type: U32,
    pub(super) checksum: U32,
    pub(super) unique_id: [u8; 16],
    pub(super) saved_state: u8,
    pub(super) reserved: [u8; 427],
}

/// `Footer::disk_geometry`.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct DiskGeometry {
    pub(super) cylinders: U16,
    pub(super) heads: u8,
    pub(super) sectors_per_track: u8,
}

/// `Footer::cookie`.
pub(super) const FOOTER_COOKIE: [u8; 8] = *b"conectix";

/// `Footer::disk_type`.
pub(super) const FIXED: u32 = 2;
/// `Footer::disk_type`.
pub(super) const DYNAMIC: u32 = 3;
/// `Footer::disk_type`.
pub(super) const DIFFERENCING: u32 = 4;

/// "Dynamic Disk Header Format".
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct DynamicHeader {
    pub(super) cookie: [u8; 8],
    pub(super) data_offset: U64,
    pub(super) table_offset: U64,
    pub(super) header_version: U32,
    pub(super) max_table_entries: U32,
    pub(super) block_size: U32,
    pub(super) checksum: U32,
    pub(super) parent_unique_id: [u8; 16],
    pub(super) parent_time_stamp: U32,
    pub(super) reserved_1: [u8; 4],
    pub(super) parent_unicode_name: [u8; 512],
    pub(super) parent_locators: [ParentLocator; 8],
    pub(super) reserved_2: [u8; 256],
}

/// `DynamicHeader::cookie`.
pub(super) const DYNAMIC_COOKIE: [u8; 8] = *b"cxsparse";

/// `DynamicHeader::parent_locators`.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct ParentLocator {
    pub(super) platform_code: [u8; 4],
    pub(super) platform_data_space: U32,
    pub(super) platform_data_length: U32,
    pub(super) reserved: [u8; 4],
    pub(super) platform_data_offset: U64,
}

/// `ParentLocator::platform_code`: a relative path of Windows, UTF-16 little-endian.
pub(super) const RELATIVE: [u8; 4] = *b"W2ru";
/// `ParentLocator::platform_code`: an absolute path of Windows, UTF-16 little-endian.
pub(super) const ABSOLUTE: [u8; 4] = *b"W2ku";

/// "Block Allocation Table": the entry of a block that is not in the file.
pub(super) const UNUSED: u32 = 0xffff_ffff;

const _: () = assert!(size_of::<Footer>() == 512 && size_of::<DynamicHeader>() == 1024);

/// "Checksum": the one's complement of the sum of all `bytes` but those of the checksum itself,
/// `field`.
pub(super) fn checksum(bytes: &[u8], field: U32) -> u32 {
    let add = |sum: u32, byte: &u8| sum.wrapping_add(u32::from(*byte));
    let sum = bytes.iter().fold(0, add);
    let own = field.as_bytes().iter().fold(0, add);
    !sum.wrapping_sub(own)
}
