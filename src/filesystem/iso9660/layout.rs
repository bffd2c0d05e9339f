//! The on-disk structures of ECMA-119 (ISO 9660), of the System Use Sharing Protocol (IEEE P1281),
//! of Rock Ridge (IEEE P1282) and of El Torito, byte for byte. Fields that nobody here reads are
//! gathered under names with a leading underscore.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, big_endian};

/// A 16-bit number in both byte orders (ECMA-119, 7.2.3).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Both16 {
    little: U16,
    big: big_endian::U16,
}

impl Both16 {
    /// The little-endian half: broken mastering programs leave the other one out.
    pub(super) fn get(self) -> u16 {
        self.little.get()
    }

    /// Whether both halves are the same number.
    pub(super) fn agrees(self) -> bool {
        self.little.get() == self.big.get()
    }
}

/// A 32-bit number in both byte orders (ECMA-119, 7.3.3).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Both32 {
    little: U32,
    big: big_endian::U32,
}

impl Both32 {
    /// The little-endian half.
    pub(super) fn get(self) -> u32 {
        self.little.get()
    }

    /// Whether both halves are the same number.
    pub(super) fn agrees(self) -> bool {
        self.little.get() == self.big.get()
    }
}

/// What every volume descriptor begins with (8.1).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDescriptor {
    pub(super) volume_descriptor_type: u8,
    pub(super) standard_identifier: [u8; 5],
    pub(super) volume_descriptor_version: u8,
}

/// A primary, supplementary or enhanced volume descriptor (8.4, 8.5), as far as anything is in it.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawVolume {
    pub(super) head: RawDescriptor,
    _volume_flags: u8,
    pub(super) system_identifier: [u8; 32],
    pub(super) volume_identifier: [u8; 32],
    _unused: [u8; 8],
    pub(super) volume_space_size: Both32,
    pub(super) escape_sequences: [u8; 32],
    _volume_set_size: Both16,
    _volume_sequence_number: Both16,
    pub(super) logical_block_size: Both16,
    _path_table_size: Both32,
    _path_tables: [U32; 4],
    pub(super) root: RawRecord,
    _root_name: u8,
    _volume_set_identifier: [u8; 128],
    pub(super) publisher_identifier: [u8; 128],
    pub(super) data_preparer_identifier: [u8; 128],
    pub(super) application_identifier: [u8; 128],
    _file_identifiers: [[u8; 37]; 3],
    pub(super) volume_creation: [u8; 17],
    pub(super) volume_modification: [u8; 17],
    _volume_expiration: [u8; 17],
    _volume_effective: [u8; 17],
    _file_structure_version: u8,
}

const _: () = assert!(size_of::<RawVolume>() == 882);

/// The standard volume descriptor of High Sierra, the draft that ECMA-119 was made of.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawHighSierra {
    _location: Both32,
    pub(super) head: RawDescriptor,
    _reserved: u8,
    pub(super) system_identifier: [u8; 32],
    pub(super) volume_identifier: [u8; 32],
    _unused: [u8; 8],
    pub(super) volume_space_size: Both32,
    _reserved_field: [u8; 32],
    _volume_set_size: Both16,
    _volume_sequence_number: Both16,
    pub(super) logical_block_size: Both16,
    _path_table_size: Both32,
    _path_tables: [U32; 8],
    pub(super) root: RawRecord,
}

const _: () = assert!(size_of::<RawHighSierra>() == 180 + size_of::<RawRecord>());

/// A directory record (9.1) without its name.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawRecord {
    pub(super) length: u8,
    pub(super) extended_attribute_record_length: u8,
    pub(super) location_of_extent: Both32,
    pub(super) data_length: Both32,
    pub(super) recording_date: [u8; 7],
    pub(super) file_flags: u8,
    pub(super) file_unit_size: u8,
    pub(super) interleave_gap_size: u8,
    _volume_sequence_number: Both16,
    pub(super) name_length: u8,
}

const _: () = assert!(size_of::<RawRecord>() == 33);

/// What every System Use entry begins with (SUSP, 4.1).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawEntry {
    pub(super) signature: [u8; 2],
    pub(super) length: u8,
    pub(super) version: u8,
}

/// CE, where the System Use area goes on (SUSP, 5.1).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawContinuation {
    pub(super) block: Both32,
    pub(super) offset: Both32,
    pub(super) length: Both32,
}

/// PX, the POSIX attributes, without the serial number that RRIP 1.12 put behind them (4.1.1).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawPosix {
    pub(super) mode: Both32,
    pub(super) links: Both32,
    pub(super) user: Both32,
    pub(super) group: Both32,
}

/// PN, a device number (4.1.2).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDevice {
    pub(super) high: Both32,
    pub(super) low: Both32,
}

/// SF, a sparse file (4.1.7).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSparse {
    pub(super) size_high: Both32,
    pub(super) size_low: Both32,
    pub(super) table_depth: u8,
}

/// ZF or Z2, a compressed file (libisofs, doc/zisofs2_format.txt). The size is in both byte orders
/// in version 1, and a little-endian 64-bit number in version 2.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawCompressed {
    pub(super) algorithm: [u8; 2],
    pub(super) header_size_div4: u8,
    pub(super) log2_block_size: u8,
    pub(super) uncompressed_size: U64,
}

/// The boot record volume descriptor of El Torito (2.0).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawBootRecord {
    pub(super) head: RawDescriptor,
    pub(super) boot_system_identifier: [u8; 32],
    _unused: [u8; 32],
    pub(super) catalog: U32,
}

const _: () = assert!(size_of::<RawBootRecord>() == 75);

/// The first entry of a boot catalogue (2.1), or a section header (2.3), which differ in what the
/// 16-bit number is.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawBootHeader {
    pub(super) header_id: u8,
    pub(super) platform_id: u8,
    pub(super) count: U16,
    pub(super) id_string: [u8; 24],
    _checksum: U16,
    pub(super) key: [u8; 2],
}

const _: () = assert!(size_of::<RawBootHeader>() == 32);

/// An entry of a boot catalogue that stands for an image (2.2, 2.4).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawBootEntry {
    pub(super) boot_indicator: u8,
    pub(super) media_type: u8,
    _load_segment: U16,
    _system_type: u8,
    _unused: u8,
    pub(super) sector_count: U16,
    pub(super) load_rba: U32,
    _selection: [u8; 20],
}

const _: () = assert!(size_of::<RawBootEntry>() == 32);
