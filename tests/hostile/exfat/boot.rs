//! F10: the boot region, the up-case table and the bitmap.

use std::slice;
use std::sync::Arc;

use allocation_counter::measure;
use imgmount::filesystem::FORMATS;
use imgmount::source::{Memory, SharedSource};

use super::*;
use crate::partition::disk;

#[test]
fn f10_boot_checksum() {
    let whole = volume(|_| {});
    others_are_whole(&walk(&whole));
    let sector = 512;
    // The word over and over, up to the last: a wrong one is found wherever it is.
    for at in [11 * sector, 12 * sector - 1, 5 * sector] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let walked = walk_broken(&bytes);
        others_are_whole(&walked);
        // The word that is wrong: the first one where what is summed is.
        let place = at.max(11 * sector) & !3;
        let notice = format!(" at byte {place:#x}");
        let end = "the backup boot region is used";
        notices(&walked, &["boot checksum", &notice, end]);
        bytes[12 * sector + at] ^= 1;
        refused(&bytes, Kind::Corrupt, "boot checksum", place);
        let options = Options {
            ignore_checksums: true,
            ..Options::default()
        };
        let walked = walk_with(&bytes, &options);
        others_are_whole(&walked);
        notices(&walked, &["boot checksum", &notice]);
    }
    // Flags and the percentage in use change without a new sum.
    let mut bytes = whole;
    bytes[106] = 2;
    bytes[112] = 50;
    let walked = walk_broken(&bytes);
    others_are_whole(&walked);
    notices(&walked, &["VolumeDirty"]);
}

/// A main boot sector that is damaged but for its name is replaced by its copy.
#[test]
fn f10_boot_sector_of_which_the_copy_is_good() {
    for (at, len) in [(64, 400), (108, 1), (96, 4), (0, 3)] {
        let mut bytes = volume(|_| {});
        bytes[at..at + len].fill(0xff);
        let walked = walk_broken(&bytes);
        others_are_whole(&walked);
        let words = ["main boot region: ", "the backup boot region is used"];
        notices(&walked, &words);
    }
}

#[test]
fn f10_boot_sector_fields() {
    let heap = u32::from_le_bytes(booted(&[])[88..92].try_into().unwrap());
    let past = (heap + CLUSTERS * 8 + 1).to_le_bytes();
    let cases: &[(usize, &[u8], &str)] = &[
        (11, &[1], "MustBeZero"),
        (63, &[1], "MustBeZero"),
        (72, &[0; 8], "ClusterCount 64 is past the end of the volume"),
        (72, &[0xff; 8], "VolumeLength 18446744073709551615"),
        (80, &[0; 4], "FatOffset 0 is below 24"),
        (80, &[23, 0, 0, 0], "FatOffset 23 is below 24"),
        (80, &past, "past ClusterHeapOffset"),
        (80, &[0xff; 4], "FatOffset 4294967295"),
        (84, &[0; 4], "FatLength 0 is too small"),
        (84, &[0xff; 4], "FatLength 4294967295"),
        (88, &past, "ClusterCount 64 is past the end"),
        (88, &[0xff; 4], "ClusterCount 64 is past the end"),
        (92, &[0; 4], "ClusterCount 0"),
        (92, &[0xff; 4], "ClusterCount 4294967295"),
        (92, &[0xf5, 0xff, 0xff, 0xff], "FatLength 1 is too small"),
        (96, &[0; 4], "FirstClusterOfRootDirectory 0"),
        (96, &[1, 0, 0, 0], "FirstClusterOfRootDirectory 1"),
        (96, &[66, 0, 0, 0], "FirstClusterOfRootDirectory 66"),
        (96, &[0xff; 4], "FirstClusterOfRootDirectory 4294967295"),
        (104, &[0, 2], "FileSystemRevision 2.00"),
        (108, &[0], "BytesPerSectorShift 0"),
        (108, &[8], "BytesPerSectorShift 8"),
        (108, &[13], "BytesPerSectorShift 13"),
        (108, &[255], "BytesPerSectorShift 255"),
        (109, &[17], "SectorsPerClusterShift 17 is over 16"),
        (109, &[255], "SectorsPerClusterShift 255 is over 16"),
        (110, &[0], "NumberOfFats 0"),
        (110, &[3], "NumberOfFats 3"),
        (510, &[0, 0], "BootSignature"),
    ];
    for (at, bytes, words) in cases {
        let kind = match at {
            104 => Kind::Unsupported,
            _ => Kind::Corrupt,
        };
        refused(&booted(&[(*at, bytes)]), kind, words, 0);
    }
}

#[test]
fn f10_cluster_of_32_mebibytes_in_a_small_volume() {
    let changes: [(usize, &[u8]); 2] = [(109, &[16]), (92, &[1, 0, 0, 0])];
    let words = "ClusterCount 1 is past the end";
    refused(&booted(&changes), Kind::Corrupt, words, 0);
}

/// The place of the entry of `kind` in the root directory of `bytes`.
pub fn root_entry(bytes: &[u8], kind: u8) -> usize {
    let root = place(bytes, word(bytes, 96));
    let mut entries = (root..root + CLUSTER).step_by(32);
    entries.find(|at| bytes[*at] == kind).unwrap()
}

#[test]
fn f10_upcase_table() {
    let whole = volume(|_| {});
    let at = root_entry(&whole, 0x82);
    let reasons: [(usize, &[u8], &str); 7] = [
        (
            24,
            &(1_u64 << 63).to_le_bytes(),
            "DataLength 9223372036854775808",
        ),
        (24, &[0xff; 8], "DataLength 18446744073709551615"),
        (24, &[0; 8], "TableChecksum"),
        (4, &[0xff; 4], "TableChecksum"),
        (20, &[0; 4], "first cluster 0"),
        (20, &[0xff; 4], "first cluster 4294967295"),
        (0, &[0x02], "there is none"),
    ];
    for (offset, new, reason) in reasons {
        let mut bytes = whole.clone();
        bytes[at + offset..][..new.len()].copy_from_slice(new);
        let walked = walk_broken(&bytes);
        others_are_whole(&walked);
        let blamed = match offset {
            0 => place(&bytes, word(&bytes, 96)),
            _ => at,
        };
        let end = format!(" at byte {blamed:#x}: the recommended one is used");
        notices(&walked, &["up-case table: ", reason, &end]);
    }
}

/// The usual volume has a table of its own, of 128 KiB; a table of partitions may name it thousands
/// of times.
#[test]
fn f10_upcase_tables_of_many_volumes_have_a_bound_together() {
    let context = disk::context(Options::default());
    let source: SharedSource = Arc::new(Memory(volume(|_| {})));
    let exfat = FORMATS.iter().find(|it| it.name == "exfat").unwrap();
    let open = || (exfat.open)(slice::from_ref(&source), &context).unwrap();
    let mut volumes = Vec::new();
    let measured = measure(|| volumes.extend((0..800).map(|_| open())));
    assert!(measured.bytes_max < 80 << 20, "{}", measured.bytes_max);
    let notice = "exfat: up-case table: tables of over 50331648 bytes together: \
        the recommended one is used";
    assert_eq!(context.notices.all(), [notice]);
    // Those that are closed give back what they took.
    drop(volumes);
    assert!(context.room.take(48 << 20).is_ok());
}

#[test]
fn f10_allocation_bitmap() {
    let whole = volume(|_| {});
    let at = root_entry(&whole, 0x81);
    let root = place(&whole, word(&whole, 96));
    for (offset, new, words, blamed) in [
        (0, 0x01_u8, "no allocation bitmap", root),
        (24, 7, "allocation bitmap: DataLength 7 is below 8", at),
        (
            20,
            0,
            "allocation bitmap: cluster 0 from FirstCluster 0",
            at,
        ),
        (
            20,
            0xff,
            "allocation bitmap: cluster 0 from FirstCluster 255",
            at,
        ),
    ] {
        let mut bytes = whole.clone();
        bytes[at + offset] = new;
        let walked = walk_broken(&bytes);
        others_are_whole(&walked);
        notices(&walked, &[words, &format!(" at byte {blamed:#x}")]);
    }
    // One that is too long is as good as it has to be.
    let mut bytes = whole;
    bytes[at + 31] = 0xff;
    others_are_whole(&walk_broken(&bytes));
}
