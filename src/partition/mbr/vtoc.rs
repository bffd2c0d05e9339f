//! AT&T's volume table of contents on PCs, as Solaris and UnixWare have it in their slices (the Linux
//! kernel's `block/partitions/msdos.h`), little-endian.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The table of contents of Solaris, in the second sector of its slice.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct SolarisVtoc {
    v_bootinfo: [U32; 3],
    pub(super) v_sanity: U32,
    pub(super) v_version: U32,
    v_volume: [u8; 8],
    v_sectorsz: U16,
    pub(super) v_nparts: U16,
    v_reserved: [U32; 10],
    pub(super) v_slice: [VtocSlice; 16],
}

/// UnixWare's label with its table, in sector 29 of its slice.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct UnixWareLabel {
    d_type: U32,
    pub(super) d_magic: U32,
    d_geometry: [u8; 148],
    pub(super) v_magic: U32,
    v_version: U32,
    v_name: [u8; 8],
    v_nslices: U16,
    v_unknown: U16,
    v_reserved: [u8; 40],
    pub(super) v_slice: [VtocSlice; 16],
}

/// One slice of either.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct VtocSlice {
    /// What it is for; UnixWare's `s_label`, 0 where it is not used.
    pub(super) s_tag: U16,
    s_flag: U16,
    /// First sector: Solaris counts from its slice, UnixWare from the start of the disk.
    pub(super) s_start: U32,
    /// Sectors.
    pub(super) s_size: U32,
}

/// `SolarisVtoc::v_sanity`, and `UnixWareLabel::v_magic`.
pub(super) const SANITY: u32 = 0x600d_deee;

/// `UnixWareLabel::d_magic`.
pub(super) const UNIXWARE: u32 = 0xca5e_600d;
