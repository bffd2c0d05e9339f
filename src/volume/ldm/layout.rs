//! The on-disk structures of the Logical Disk Manager, byte for byte, all big-endian. Nobody who made
//! them has described them: the field names are those of "LDM Documentation" (Linux-NTFS project) and
//! of dmdiag's output, the kernel's `block/partitions/ldm.h` and libldm have the same.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Bytes of a sector in extents, components and volumes, whatever the disk has.
pub(super) const SECTOR: u64 = 512;

/// Bytes of a private header or of a table of contents.
pub(super) const BLOCK: usize = 512;

/// `PRIVHEAD`: who a disk is, and where the database lies on it. Three copies.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct PrivateHeader {
    pub(super) signature: [u8; 8],
    /// The sum of all bytes of the block but these.
    pub(super) checksum: U32,
    pub(super) version_major: U16,
    pub(super) version_minor: U16,
    _last_update: U64,
    pub(super) update_sequence: U64,
    /// In sectors from the start of the private region, as the next.
    pub(super) primary_header: U64,
    pub(super) secondary_header: U64,
    pub(super) disk_guid: [u8; 64],
    _host_guid: [u8; 64],
    pub(super) disk_group_guid: [u8; 64],
    _disk_group_name: [u8; 31],
    _bytes_per_sector: U32,
    _flags: U32,
    _public_slice: U16,
    _private_slice: U16,
    /// In sectors of the disk, as all that follow.
    pub(super) public_region_start: U64,
    pub(super) public_region_size: U64,
    pub(super) private_region_start: U64,
    pub(super) private_region_size: U64,
    /// In sectors from the start of the private region, as the next.
    pub(super) primary_contents: U64,
    pub(super) secondary_contents: U64,
}

pub(super) const PRIVATE_HEADER: &[u8; 8] = b"PRIVHEAD";

/// `TOCBLOCK`: what the private region holds. Two copies, each beside the one before it.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Contents {
    pub(super) signature: [u8; 8],
    /// As in the private header.
    pub(super) checksum: U32,
    pub(super) update_sequence: U64,
    _reserved: [u8; 16],
    pub(super) regions: [ContentsRegion; 2],
}

pub(super) const CONTENTS: &[u8; 8] = b"TOCBLOCK";

/// One of the regions that it lists.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct ContentsRegion {
    pub(super) name: [u8; 8],
    _flags: U16,
    /// In sectors from the start of the private region.
    pub(super) start: U64,
    pub(super) size: U64,
    _more_flags: U64,
}

/// The region with the database.
pub(super) const CONFIG: &[u8; 8] = b"config\0\0";

/// `VMDB`: the header of the database.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct DatabaseHeader {
    pub(super) signature: [u8; 4],
    /// How many blocks, those that this header takes the place of among them.
    pub(super) blocks: U32,
    pub(super) block_size: U32,
    pub(super) header_size: U32,
    pub(super) update_status: U16,
    pub(super) version_major: U16,
    pub(super) version_minor: U16,
    pub(super) disk_group_name: [u8; 31],
    pub(super) disk_group_guid: [u8; 64],
    pub(super) committed: U64,
    pub(super) pending: U64,
    pub(super) committed_counts: Counts,
    _unused: [U32; 3],
    pub(super) pending_counts: Counts,
}

pub(super) const DATABASE: &[u8; 4] = b"VMDB";

/// How many records there are of each kind.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Counts {
    pub(super) volumes: U32,
    pub(super) components: U32,
    pub(super) extents: U32,
    pub(super) disks: U32,
}

/// `VBLK`: a block of the database, with a record or a part of one.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct BlockHeader {
    pub(super) signature: [u8; 4],
    pub(super) sequence: U32,
    pub(super) group: U32,
    pub(super) fragment: U16,
    /// 0 in a block that is not in use.
    pub(super) fragments: U16,
}

pub(super) const RECORD_BLOCK: &[u8; 4] = b"VBLK";

/// What a record begins with.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RecordHeader {
    pub(super) update_status: U16,
    /// Which of the optional fields are there.
    pub(super) flags: u8,
    /// The kind, and in the upper half the revision.
    pub(super) kind: u8,
    /// Bytes behind this header.
    pub(super) size: U32,
}

/// The field of `bytes` up to its first zero.
pub(super) fn until_zero(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes)
}
