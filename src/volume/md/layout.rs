//! On-disk structures of Linux MD (include/uapi/linux/raid/md_p.h), under the kernel's names.

use zerocopy::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `MD_SB_MAGIC`.
pub(super) const MD_SB_MAGIC: u32 = 0xa92b_4efc;

/// Bytes of a superblock with all that may belong to it: `MD_SB_BYTES`, and of version 1 as much as
/// the kernel reads.
pub(super) const MD_SB_BYTES: usize = 4096;

/// Bytes of a sector, which all of version 1 counts in.
pub(super) const SECTOR: u64 = 512;

/// `struct mdp_superblock_1`, before `dev_roles`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MdpSuperblock1 {
    pub(super) magic: U32,
    pub(super) major_version: U32,
    pub(super) feature_map: U32,
    _pad0: U32,
    pub(super) set_uuid: [u8; 16],
    pub(super) set_name: [u8; 32],
    pub(super) ctime: U64,
    pub(super) level: I32,
    pub(super) layout: U32,
    pub(super) size: U64,
    pub(super) chunksize: U32,
    pub(super) raid_disks: U32,
    _bitmap_offset: U32,
    pub(super) new_level: I32,
    pub(super) reshape_position: U64,
    pub(super) delta_disks: I32,
    _new_layout: U32,
    _new_chunk: U32,
    _new_offset: U32,
    pub(super) data_offset: U64,
    pub(super) data_size: U64,
    pub(super) super_offset: U64,
    /// Of a journal it is `journal_tail`.
    pub(super) recovery_offset: U64,
    pub(super) dev_number: U32,
    _cnt_corrected_read: U32,
    pub(super) device_uuid: [u8; 16],
    _devflags: u8,
    pub(super) bblog_shift: u8,
    pub(super) bblog_size: U16,
    pub(super) bblog_offset: I32,
    _utime: U64,
    pub(super) events: U64,
    pub(super) resync_offset: U64,
    pub(super) sb_csum: U32,
    pub(super) max_dev: U32,
    _pad3: [u8; 32],
}

/// Bits of `feature_map`.
pub(super) const MD_FEATURE_RECOVERY_OFFSET: u32 = 2;
pub(super) const MD_FEATURE_RESHAPE_ACTIVE: u32 = 4;
pub(super) const MD_FEATURE_BAD_BLOCKS: u32 = 8;
pub(super) const MD_FEATURE_REPLACEMENT: u32 = 16;
pub(super) const MD_FEATURE_JOURNAL: u32 = 512;
pub(super) const MD_FEATURE_RAID0_LAYOUT: u32 = 4096;

/// The names of the bits of `feature_map`, from the first on.
pub(super) const MD_FEATURES: [&str; 13] = [
    "bitmap",
    "recovery-offset",
    "reshape-active",
    "bad-blocks",
    "replacement",
    "reshape-backwards",
    "new-offset",
    "recovery-bitmap",
    "clustered",
    "journal",
    "ppl",
    "multiple-ppls",
    "raid0-layout",
];

/// Values of `dev_roles`; those below `MD_DISK_ROLE_MAX` are places in the array.
pub(super) const MD_DISK_ROLE_FAULTY: u16 = 0xfffe;
pub(super) const MD_DISK_ROLE_JOURNAL: u16 = 0xfffd;
pub(super) const MD_DISK_ROLE_MAX: u16 = 0xff00;

/// `mdp_super_t`, version 0.90. Its words are in the byte order of the machine that wrote it; here
/// they have been turned round where that was the other one.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MdpSuper {
    pub(super) md_magic: U32,
    pub(super) major_version: U32,
    pub(super) minor_version: U32,
    _patch_version: U32,
    _gvalid_words: U32,
    pub(super) set_uuid0: U32,
    pub(super) ctime: U32,
    pub(super) level: I32,
    pub(super) size: U32,
    _nr_disks: U32,
    pub(super) raid_disks: U32,
    pub(super) md_minor: U32,
    _not_persistent: U32,
    pub(super) set_uuid1: U32,
    pub(super) set_uuid2: U32,
    pub(super) set_uuid3: U32,
    _gstate_creserved: [U32; 16],
    _utime: U32,
    pub(super) state: U32,
    _active_disks: U32,
    _working_disks: U32,
    _failed_disks: U32,
    _spare_disks: U32,
    pub(super) sb_csum: U32,
    /// `events_lo` and `events_hi` where the machine's byte order is little-endian, and the other
    /// way round where it is big-endian.
    pub(super) events: [U32; 2],
    _cp_events: [U32; 2],
    _recovery_cp: U32,
    /// 64 bits, of which only matters whether all are set.
    pub(super) reshape_position: [U32; 2],
    pub(super) new_level: I32,
    pub(super) delta_disks: I32,
    _new_layout: U32,
    _new_chunk: U32,
    _gstate_sreserved: [U32; 14],
    pub(super) layout: U32,
    pub(super) chunk_size: U32,
    _root_pv: U32,
    _root_block: U32,
    _pstate_reserved: [U32; 60],
    pub(super) disks: [MdpDisk; 27],
    pub(super) this_disk: MdpDisk,
}

/// `mdp_disk_t`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MdpDisk {
    pub(super) number: U32,
    _major: U32,
    _minor: U32,
    pub(super) raid_disk: U32,
    pub(super) state: U32,
    _reserved: [U32; 27],
}

/// Bits of `state` of an array.
pub(super) const MD_SB_CLEAN: u32 = 1;

/// Bits of `state` of a disk.
pub(super) const MD_DISK_FAULTY: u32 = 1;
pub(super) const MD_DISK_SYNC: u32 = 4;
pub(super) const MD_DISK_REMOVED: u32 = 8;

/// `struct r5l_meta_block`, with which each record of a journal begins
/// (include/uapi/linux/raid/md_p.h).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct R5lMetaBlock {
    pub(super) magic: U32,
    _checksum: U32,
    pub(super) version: u8,
    _zero_padding: [u8; 3],
    pub(super) meta_size: U32,
    pub(super) seq: U64,
    pub(super) position: U64,
}

/// `R5LOG_MAGIC`.
pub(super) const R5LOG_MAGIC: u32 = 0x6433_c509;

const _: () = assert!(size_of::<MdpSuperblock1>() == 256);
const _: () = assert!(size_of::<MdpSuper>() == MD_SB_BYTES);
const _: () = assert!(size_of::<R5lMetaBlock>() == 32);
