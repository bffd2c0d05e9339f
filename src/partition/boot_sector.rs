//! Whether a first sector belongs to a file system: FAT, NTFS and others end it in the same
//! 0x55 0xAA as an MBR does, with code or text where an MBR has its partitions.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The BIOS parameter block's fields that every FAT has (Microsoft, FAT specification, 3.1).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
struct BiosParameterBlock {
    BS_jmpBoot: [u8; 3],
    BS_OEMName: [u8; 8],
    BPB_BytsPerSec: U16,
    BPB_SecPerClus: u8,
    BPB_RsvdSecCnt: U16,
    BPB_NumFATs: u8,
    BPB_RootEntCnt: U16,
    BPB_TotSec16: U16,
    BPB_Media: u8,
}

/// File systems and containers that say who they are where FAT has its OEM name.
const NAMES: [&[u8; 8]; 5] = [
    b"NTFS    ",
    b"EXFAT   ",
    b"-FVE-FS-",
    b"MSWIN4.1",
    b"ReFS\0\0\0\0",
];

/// Whether `sector`, the first of a disk, is the boot sector of a file system on the whole disk.
pub(super) fn is_of_file_system(sector: &[u8]) -> bool {
    let Ok((block, _)) = BiosParameterBlock::ref_from_prefix(sector) else {
        return false;
    };
    NAMES.contains(&&block.BS_OEMName) || is_fat(block)
}

/// The fields that FAT drivers check before they believe a boot sector. MBR boot code has its own
/// bytes here, or zeros.
fn is_fat(block: &BiosParameterBlock) -> bool {
    let jumps = matches!(block.BS_jmpBoot, [0xeb, _, 0x90] | [0xe9, _, _]);
    let bytes = block.BPB_BytsPerSec.get();
    let media = block.BPB_Media;
    jumps
        && matches!(bytes, 512 | 1024 | 2048 | 4096)
        && block.BPB_SecPerClus.is_power_of_two()
        && block.BPB_RsvdSecCnt.get() > 0
        && matches!(block.BPB_NumFATs, 1 | 2)
        && (media == 0xf0 || media >= 0xf8)
}
