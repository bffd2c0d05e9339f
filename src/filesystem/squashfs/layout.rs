//! The on-disk structures of squashfs 4.0, byte for byte and little-endian, under the names of
//! the kernel's fs/squashfs/squashfs_fs.h; Documentation/filesystems/squashfs.rst describes them.
//! Fields that nobody here reads have names with a leading underscore.

use zerocopy::little_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `struct squashfs_super_block`, at byte 0.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSuperblock {
    pub(super) s_magic: [u8; 4],
    pub(super) inodes: U32,
    pub(super) mkfs_time: U32,
    pub(super) block_size: U32,
    pub(super) fragments: U32,
    pub(super) compression: U16,
    pub(super) block_log: U16,
    pub(super) flags: U16,
    pub(super) no_ids: U16,
    pub(super) s_major: U16,
    pub(super) s_minor: U16,
    pub(super) root_inode: U64,
    pub(super) bytes_used: U64,
    pub(super) id_table_start: U64,
    pub(super) xattr_id_table_start: U64,
    pub(super) inode_table_start: U64,
    pub(super) directory_table_start: U64,
    pub(super) fragment_table_start: U64,
    pub(super) lookup_table_start: U64,
}

const _: () = assert!(size_of::<RawSuperblock>() == 96);

/// `struct squashfs_base_inode`: what every inode begins with.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawInode {
    pub(super) inode_type: U16,
    pub(super) mode: U16,
    pub(super) uid: U16,
    pub(super) guid: U16,
    pub(super) mtime: U32,
    pub(super) inode_number: U32,
}

const _: () = assert!(size_of::<RawInode>() == 16);

/// `struct squashfs_reg_inode`, behind the base; the block list follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFile {
    pub(super) start_block: U32,
    pub(super) fragment: U32,
    pub(super) offset: U32,
    pub(super) file_size: U32,
}

/// `struct squashfs_lreg_inode`, behind the base; the block list follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLongFile {
    pub(super) start_block: U64,
    pub(super) file_size: U64,
    pub(super) sparse: U64,
    pub(super) nlink: U32,
    pub(super) fragment: U32,
    pub(super) offset: U32,
    pub(super) xattr: U32,
}

/// `struct squashfs_dir_inode`, behind the base.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDirectory {
    pub(super) start_block: U32,
    pub(super) nlink: U32,
    pub(super) file_size: U16,
    pub(super) offset: U16,
    pub(super) parent_inode: U32,
}

/// `struct squashfs_ldir_inode`, behind the base; the index follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLongDirectory {
    pub(super) nlink: U32,
    pub(super) file_size: U32,
    pub(super) start_block: U32,
    pub(super) parent_inode: U32,
    pub(super) i_count: U16,
    pub(super) offset: U16,
    pub(super) xattr: U32,
}

/// `struct squashfs_symlink_inode`, behind the base; the target follows, and behind it the index
/// of the extended attributes where the type is a long one.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSymlink {
    pub(super) nlink: U32,
    pub(super) symlink_size: U32,
}

/// `struct squashfs_dev_inode`, behind the base; of a long one the index of the extended
/// attributes follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDevice {
    pub(super) nlink: U32,
    pub(super) rdev: U32,
}

/// `struct squashfs_dir_index`; the name follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawIndex {
    pub(super) index: U32,
    pub(super) start_block: U32,
    pub(super) size: U32,
}

/// `struct squashfs_dir_header`: what the entries behind it have in common.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawHeader {
    pub(super) count: U32,
    pub(super) start_block: U32,
    pub(super) inode_number: U32,
}

/// `struct squashfs_dir_entry`; the name follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawEntry {
    pub(super) offset: U16,
    pub(super) _inode_number: I16,
    pub(super) r#type: U16,
    pub(super) size: U16,
}

/// `struct squashfs_fragment_entry`.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFragment {
    pub(super) start_block: U64,
    pub(super) size: U32,
    _unused: U32,
}

/// `struct squashfs_xattr_id_table`, at `xattr_id_table_start`; the index follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawXattrTable {
    pub(super) xattr_table_start: U64,
    pub(super) xattr_ids: U32,
    _unused: U32,
}

/// `struct squashfs_xattr_id`: the attributes of one inode.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawXattrs {
    pub(super) xattr: U64,
    pub(super) count: U32,
    pub(super) size: U32,
}

/// `struct squashfs_xattr_entry`; the name follows.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawXattr {
    pub(super) r#type: U16,
    pub(super) size: U16,
}

/// `inode_type`; those over 7 are the long ones of the same files.
pub(super) mod inode_type {
    pub(in super::super) const DIR: u16 = 1;
    pub(in super::super) const REG: u16 = 2;
    pub(in super::super) const SYMLINK: u16 = 3;
    pub(in super::super) const BLKDEV: u16 = 4;
    pub(in super::super) const CHRDEV: u16 = 5;
    pub(in super::super) const FIFO: u16 = 6;
    pub(in super::super) const SOCKET: u16 = 7;
    pub(in super::super) const LDIR: u16 = 8;
    pub(in super::super) const LREG: u16 = 9;
    pub(in super::super) const LSYMLINK: u16 = 10;
    pub(in super::super) const LBLKDEV: u16 = 11;
    pub(in super::super) const LCHRDEV: u16 = 12;
    pub(in super::super) const LFIFO: u16 = 13;
    pub(in super::super) const LSOCKET: u16 = 14;
}

/// A table, fragment or index that is not there (`SQUASHFS_INVALID_FRAG`, `SQUASHFS_INVALID_XATTR`).
pub(super) const NONE_32: u32 = u32::MAX;
/// A table that is not there (`SQUASHFS_INVALID_BLK`).
pub(super) const NONE_64: u64 = u64::MAX;
