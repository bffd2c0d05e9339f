//! Extended attributes on disk, little-endian, under the names of the kernel's `fs/ext4/xattr.h`
//! and `fs/ext4/acl.h`.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `h_magic` before the attributes of an inode or of a block.
pub(super) const MAGIC: u32 = 0xea02_0000;

/// `e_name_index`: what stands before the name.
pub(super) mod name_index {
    pub(crate) const USER: u8 = 1;
    pub(crate) const POSIX_ACL_ACCESS: u8 = 2;
    pub(crate) const POSIX_ACL_DEFAULT: u8 = 3;
    pub(crate) const TRUSTED: u8 = 4;
    pub(crate) const SECURITY: u8 = 6;
    pub(crate) const SYSTEM: u8 = 7;
    pub(crate) const HURD: u8 = 10;
}

/// `struct ext4_xattr_header`, at the start of an attribute block. In an inode there is only the
/// magic number.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BlockHeader {
    pub(super) h_magic: U32,
    pub(super) h_refcount: U32,
    pub(super) h_blocks: U32,
    pub(super) h_hash: U32,
    pub(super) h_checksum: U32,
    pub(super) h_reserved: [U32; 3],
}

/// `struct ext4_xattr_entry`; the name follows, filled up to a multiple of 4 bytes.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawEntry {
    pub(super) e_name_len: u8,
    pub(super) e_name_index: u8,
    pub(super) e_value_offs: U16,
    pub(super) e_value_inum: U32,
    pub(super) e_value_size: U32,
    pub(super) e_hash: U32,
}

/// `ext4_acl_entry_short`; named users and groups have an `e_id` behind it.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawAclEntry {
    pub(super) e_tag: U16,
    pub(super) e_perm: U16,
}
