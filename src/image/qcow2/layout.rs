//! On-disk structures of qcow2 (QEMU's `docs/interop/qcow2.txt`). All numbers are big-endian.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `Header::magic`.
pub(super) const MAGIC: [u8; 4] = *b"QFI\xfb";

/// The header that both versions have ("Header").
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) magic: [u8; 4],
    pub(super) version: U32,
    pub(super) backing_file_offset: U64,
    pub(super) backing_file_size: U32,
    pub(super) cluster_bits: U32,
    pub(super) size: U64,
    pub(super) crypt_method: U32,
    pub(super) l1_size: U32,
    pub(super) l1_table_offset: U64,
    pub(super) refcount_table_offset: U64,
    pub(super) refcount_table_clusters: U32,
    pub(super) nb_snapshots: U32,
    pub(super) snapshots_offset: U64,
}

/// What version 3 has behind it. `compression_type` counts only where `header_length` reaches it.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Version3 {
    pub(super) incompatible_features: U64,
    pub(super) compatible_features: U64,
    pub(super) autoclear_features: U64,
    pub(super) refcount_order: U32,
    pub(super) header_length: U32,
    pub(super) compression_type: u8,
    pub(super) padding: [u8; 7],
}

/// Bytes of the header of version 2.
pub(super) const VERSION_2_LENGTH: u32 = 72;

/// Bytes of the shortest header of version 3: up to `compression_type`.
pub(super) const VERSION_3_LENGTH: u32 = 104;

/// Bits of `incompatible_features`.
pub(super) const DIRTY: u64 = 1;
pub(super) const CORRUPT: u64 = 1 << 1;
pub(super) const EXTERNAL_DATA_FILE: u64 = 1 << 2;
pub(super) const COMPRESSION_TYPE: u64 = 1 << 3;
pub(super) const EXTENDED_L2: u64 = 1 << 4;

/// Those that are read here.
pub(super) const KNOWN_INCOMPATIBLE: u64 =
    DIRTY | CORRUPT | EXTERNAL_DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;

/// Bit of `compatible_features`.
pub(super) const LAZY_REFCOUNTS: u64 = 1;

/// Bits of `autoclear_features`.
pub(super) const BITMAPS: u64 = 1;
pub(super) const RAW_EXTERNAL: u64 = 1 << 1;

/// The start of a header extension ("Header extensions").
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Extension {
    pub(super) kind: U32,
    pub(super) length: U32,
}

/// Values of `Extension::kind`.
pub(super) const END: u32 = 0;
pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
pub(super) const FEATURE_NAMES: u32 = 0x6803_f857;
pub(super) const DATA_FILE_NAME: u32 = 0x4441_5441;
pub(super) const CRYPTO_HEADER: u32 = 0x0537_be77;

/// Values of `Header::crypt_method`.
pub(super) const CRYPT_AES: u32 = 1;
pub(super) const CRYPT_LUKS: u32 = 2;

/// Where the LUKS header is ("Full disk encryption header pointer").
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct CryptoHeader {
    pub(super) offset: U64,
    pub(super) length: U64,
}

/// An entry of the feature name table ("Feature name table").
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct FeatureName {
    /// 0: incompatible.
    pub(super) kind: u8,
    pub(super) bit: u8,
    pub(super) name: [u8; 46],
}

/// An entry of the snapshot table ("Snapshots"), before its extra data, id and name.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Snapshot {
    pub(super) l1_table_offset: U64,
    pub(super) l1_size: U32,
    pub(super) id_str_size: U16,
    pub(super) name_size: U16,
    pub(super) date_sec: U32,
    pub(super) date_nsec: U32,
    pub(super) vm_clock_nsec: U64,
    pub(super) vm_state_size: U32,
    pub(super) extra_data_size: U32,
}

/// Where in a table's entry the offset stands: bits 9 to 55 ("L1 table entry", "Standard cluster
/// descriptor").
pub(super) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// The cluster is in use once; with an external data file, in use at all.
pub(super) const COPIED: u64 = 1 << 63;

/// The cluster is compressed.
pub(super) const COMPRESSED: u64 = 1 << 62;

/// The cluster reads as zeros (version 3, no extended entries).
pub(super) const ZERO: u64 = 1;

/// Reserved bits of an L1 entry.
pub(super) const L1_RESERVED: u64 = !(OFFSET | COPIED);

/// Reserved bits of a standard L2 entry.
pub(super) const L2_RESERVED: u64 = !(OFFSET | COPIED | COMPRESSED | ZERO);
