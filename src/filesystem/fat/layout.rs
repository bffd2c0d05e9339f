//! The on-disk structures of FAT, byte for byte, under the names of Microsoft's «FAT32 File System
//! Specification», 1.03 (FATGEN), whose sections are cited. Fields that nobody here reads are
//! gathered under names with a leading underscore.
#![allow(non_snake_case)]

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// «Boot Sector and BPB»: what all kinds of FAT have in common, up to the end of the sector.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawBootSector {
    pub(super) BS_jmpBoot: [u8; 3],
    pub(super) BS_OEMName: [u8; 8],
    pub(super) BPB_BytsPerSec: U16,
    pub(super) BPB_SecPerClus: u8,
    pub(super) BPB_RsvdSecCnt: U16,
    pub(super) BPB_NumFATs: u8,
    pub(super) BPB_RootEntCnt: U16,
    pub(super) BPB_TotSec16: U16,
    pub(super) BPB_Media: u8,
    pub(super) BPB_FATSz16: U16,
    _BPB_geometry: [U16; 2],
    _BPB_HiddSec: U32,
    pub(super) BPB_TotSec32: U32,
    /// [`RawExtended`] for FAT12 and FAT16, [`RawFat32`] for FAT32.
    pub(super) rest: [u8; 474],
    pub(super) signature: [u8; 2],
}

const _: () = assert!(size_of::<RawBootSector>() == 512);

/// «FAT12 and FAT16 structure starting at offset 36», and the same at offset 64 for FAT32.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtended {
    _BS_DrvNum: u8,
    /// Bit 0: the volume was not unmounted cleanly (Windows and Linux; Reserved1 in the text).
    pub(super) BS_Reserved1: u8,
    pub(super) BS_BootSig: u8,
    pub(super) BS_VolID: U32,
    pub(super) BS_VolLab: [u8; 11],
    pub(super) BS_FilSysType: [u8; 8],
}

const _: () = assert!(size_of::<RawExtended>() == 26);

/// «FAT32 structure starting at offset 36».
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFat32 {
    pub(super) BPB_FATSz32: U32,
    pub(super) BPB_ExtFlags: U16,
    _BPB_FSVer: U16,
    pub(super) BPB_RootClus: U32,
    pub(super) BPB_FSInfo: U16,
    _BPB_BkBootSec: U16,
    _BPB_Reserved: [u8; 12],
    pub(super) extended: RawExtended,
}

const _: () = assert!(size_of::<RawFat32>() == 54);

/// «FAT32 FSInfo Sector Structure».
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFsInfo {
    pub(super) FSI_LeadSig: U32,
    _FSI_Reserved1: [u8; 480],
    pub(super) FSI_StrucSig: U32,
    pub(super) FSI_Free_Count: U32,
}

const _: () = assert!(size_of::<RawFsInfo>() == 492);

/// «FAT 32 Byte Directory Entry Structure».
#[derive(Clone, Copy, Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawEntry {
    pub(super) DIR_Name: [u8; 11],
    pub(super) DIR_Attr: u8,
    /// Reserved for Windows NT: which halves of the name are lower case.
    pub(super) DIR_NTRes: u8,
    pub(super) DIR_CrtTimeTenth: u8,
    pub(super) DIR_CrtTime: U16,
    pub(super) DIR_CrtDate: U16,
    pub(super) DIR_LstAccDate: U16,
    pub(super) DIR_FstClusHI: U16,
    pub(super) DIR_WrtTime: U16,
    pub(super) DIR_WrtDate: U16,
    pub(super) DIR_FstClusLO: U16,
    pub(super) DIR_FileSize: U32,
}

const _: () = assert!(size_of::<RawEntry>() == 32);

/// «FAT Long Directory Entry Structure».
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLongEntry {
    pub(super) LDIR_Ord: u8,
    pub(super) LDIR_Name1: [U16; 5],
    _LDIR_Attr: u8,
    _LDIR_Type: u8,
    pub(super) LDIR_Chksum: u8,
    pub(super) LDIR_Name2: [U16; 6],
    _LDIR_FstClusLO: U16,
    pub(super) LDIR_Name3: [U16; 2],
}

const _: () = assert!(size_of::<RawLongEntry>() == 32);
