//! The on-disk structures of LVM2, byte for byte, under the names of LVM2's own source
//! (lib/label/label.h, lib/format_text/layout.h); libvslvm's "Logical Volume Manager (LVM) format"
//! describes the same.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Bytes of a sector, whatever the disk has.
pub(super) const SECTOR: u64 = 512;

/// The label is in one of the first so many sectors.
pub(super) const LABEL_SCAN_SECTORS: u64 = 4;

/// `LABEL_ID`.
pub(super) const LABEL_ID: &[u8; 8] = b"LABELONE";

/// `LVM2_LABEL`.
pub(super) const LVM2_LABEL: &[u8; 8] = b"LVM2 001";

/// `FMTT_MAGIC`.
pub(super) const FMTT_MAGIC: &[u8; 16] = b" LVM2 x[5A%r0N*>";

/// `FMTT_VERSION`.
pub(super) const FMTT_VERSION: u32 = 1;

/// `MDA_HEADER_SIZE`: what the text, which goes round in its area, never overwrites.
pub(super) const MDA_HEADER_SIZE: u64 = 512;

/// `RAW_LOCN_IGNORED`: the area is not kept up to date.
pub(super) const RAW_LOCN_IGNORED: u32 = 1;

/// `struct label_header`, at the start of its sector.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct LabelHeader {
    pub(super) id: [u8; 8],
    pub(super) sector_xl: U64,
    pub(super) crc_xl: U32,
    /// From the start of the label to [`PvHeader`].
    pub(super) offset_xl: U32,
    pub(super) r#type: [u8; 8],
}

/// What of the label's sector the checksum does not cover: `id`, `sector_xl` and `crc_xl`.
pub(super) const LABEL_CRC_SKIP: usize = 20;

/// `struct pv_header`, before its lists of [`DiskLocn`]: data areas, then metadata areas.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct PvHeader {
    pub(super) pv_uuid: [u8; 32],
    pub(super) device_size_xl: U64,
}

/// `struct disk_locn`: one of zeros ends a list.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct DiskLocn {
    pub(super) offset: U64,
    pub(super) size: U64,
}

/// `struct mda_header`, at the start of a metadata area.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MdaHeader {
    pub(super) checksum_xl: U32,
    pub(super) magic: [u8; 16],
    pub(super) version: U32,
    pub(super) start: U64,
    pub(super) size: U64,
    /// `raw_locns`: the first is what is committed, the second what was about to be.
    pub(super) committed: RawLocn,
}

/// `struct raw_locn`: where in the area the text is.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLocn {
    pub(super) offset: U64,
    pub(super) size: U64,
    pub(super) checksum: U32,
    pub(super) flags: U32,
}
