//! On-disk structures of tar: POSIX.1-2024, `pax`, "ustar Interchange Format", and GNU tar's
//! manual, "Basic Tar Format". Numbers are octal text.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header, and what everything is padded to.
pub(super) const BLOCK: u64 = 512;

/// The header in front of each member.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) name: [u8; 100],
    pub(super) mode: [u8; 8],
    pub(super) uid: [u8; 8],
    pub(super) gid: [u8; 8],
    pub(super) size: [u8; 12],
    pub(super) mtime: [u8; 12],
    pub(super) chksum: [u8; 8],
    pub(super) typeflag: u8,
    pub(super) linkname: [u8; 100],
    /// With the version behind it: `ustar\000`, or `ustar  \0` of GNU tar.
    pub(super) magic: [u8; 8],
    pub(super) uname: [u8; 32],
    pub(super) gname: [u8; 32],
    pub(super) devmajor: [u8; 8],
    pub(super) devminor: [u8; 8],
    /// POSIX's `prefix`, or GNU's fields.
    pub(super) prefix: [u8; 155],
    pub(super) padding: [u8; 12],
}

/// `prefix` and `padding` of a GNU header.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct GnuFields {
    pub(super) atime: [u8; 12],
    pub(super) ctime: [u8; 12],
    pub(super) offset: [u8; 12],
    pub(super) longnames: [u8; 4],
    pub(super) unused: u8,
    pub(super) sparse: [Sparse; 4],
    pub(super) isextended: u8,
    pub(super) realsize: [u8; 12],
    pub(super) padding: [u8; 17],
}

/// One piece of a sparse member.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Sparse {
    pub(super) offset: [u8; 12],
    pub(super) numbytes: [u8; 12],
}

/// More pieces, behind a header whose `isextended` is set.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct SparseHeader {
    pub(super) sparse: [Sparse; 21],
    pub(super) isextended: u8,
    pub(super) padding: [u8; 7],
}

/// `magic` of POSIX, without the version, which some write otherwise, and of GNU tar.
pub(super) const USTAR: &[u8] = b"ustar\0";
pub(super) const GNU: &[u8] = b"ustar  \0";
