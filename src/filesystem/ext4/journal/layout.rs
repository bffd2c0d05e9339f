//! The journal's on-disk structures, all big-endian, under the names of the kernel's
//! `include/linux/jbd2.h` and `Documentation/filesystems/ext4/journal.rst`.

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `h_magic` of every block that belongs to the journal itself.
pub(super) const MAGIC: u32 = 0xc03b_3998;

/// `h_blocktype`.
pub(super) mod block_type {
    pub(crate) const DESCRIPTOR: u32 = 1;
    pub(crate) const COMMIT: u32 = 2;
    pub(crate) const SUPERBLOCK_V1: u32 = 3;
    pub(crate) const SUPERBLOCK_V2: u32 = 4;
    pub(crate) const REVOKE: u32 = 5;
}

/// `t_flags` of a tag.
pub(super) mod tag_flag {
    /// The first four bytes of the copy were the magic number and are zeros in the log.
    pub(crate) const ESCAPE: u16 = 1;
    /// No UUID follows this tag.
    pub(crate) const SAME_UUID: u16 = 2;
    /// The last tag of its descriptor block.
    pub(crate) const LAST_TAG: u16 = 8;
}

/// `journal_header_t`: how every block of the journal's own begins.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct JournalHeader {
    pub(super) h_magic: U32,
    pub(super) h_blocktype: U32,
    pub(super) h_sequence: U32,
}

/// `journal_superblock_t`, the first 1024 bytes of the journal. Version 1 ends before
/// `s_feature_compat`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct JournalSuperblock {
    pub(super) s_header: JournalHeader,
    pub(super) s_blocksize: U32,
    pub(super) s_maxlen: U32,
    pub(super) s_first: U32,
    pub(super) s_sequence: U32,
    pub(super) s_start: U32,
    pub(super) s_errno: U32,
    pub(super) s_feature_compat: U32,
    pub(super) s_feature_incompat: U32,
    pub(super) s_feature_ro_compat: U32,
    pub(super) s_uuid: [u8; 16],
    pub(super) s_nr_users: U32,
    pub(super) s_dynsuper: U32,
    pub(super) s_max_transaction: U32,
    pub(super) s_max_trans_data: U32,
    pub(super) s_checksum_type: u8,
    pub(super) s_padding2: [u8; 3],
    pub(super) s_num_fc_blks: U32,
    pub(super) s_head: U32,
    pub(super) s_padding: [U32; 40],
    pub(super) s_checksum: U32,
    pub(super) s_users: [[u8; 16]; 48],
}

const _: () = assert!(size_of::<JournalSuperblock>() == 1024);

/// `journal_block_tag_t`. On disk it is cut: without the 64-bit feature `t_blocknr_high` is
/// missing, and checksum version 2 adds two unused bytes behind it.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BlockTag {
    pub(super) t_blocknr: U32,
    pub(super) t_checksum: U16,
    pub(super) t_flags: U16,
    pub(super) t_blocknr_high: U32,
}

/// `journal_block_tag3_t`, with checksum version 3.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BlockTag3 {
    pub(super) t_blocknr: U32,
    pub(super) t_flags_high: U16,
    pub(super) t_flags: U16,
    pub(super) t_blocknr_high: U32,
    pub(super) t_checksum: U32,
}

/// `struct commit_header`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct CommitHeader {
    pub(super) h_header: JournalHeader,
    pub(super) h_chksum_type: u8,
    pub(super) h_chksum_size: u8,
    pub(super) h_padding: [u8; 2],
    pub(super) h_chksum: [U32; 8],
    pub(super) h_commit_sec: U64,
    pub(super) h_commit_nsec: U32,
}

/// `jbd2_journal_revoke_header_t`; `r_count` is in bytes and counts this header.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RevokeHeader {
    pub(super) r_header: JournalHeader,
    pub(super) r_count: U32,
}
