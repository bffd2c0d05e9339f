//! Tables inside the slices of an MBR, compared with what libblkid (partx) says.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk::{self, MIB};
use super::labels::{Place, ours, partx};
use crate::support::images::{self, Scratch};

/// Where the slice of [`sliced`] begins, in sectors.
const START: u32 = 2048;

/// The numbers, one after the other, little-endian.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A label of BSD that counts `count` partitions: type, first sector and sectors of each.
pub fn bsd_label(count: u16, partitions: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut label = vec![0; 148];
    label[..4].copy_from_slice(&words(&[0x8256_4557]));
    label[40..44].copy_from_slice(&words(&[512]));
    label[132..136].copy_from_slice(&words(&[0x8256_4557]));
    label[138..140].copy_from_slice(&count.to_le_bytes());
    for (kind, start, size) in partitions {
        label.extend(words(&[*size, *start, 0]));
        label.extend([*kind, 0, 0, 0]);
    }
    let sums = label.as_chunks::<2>().0.iter();
    let sum = sums.fold(0, |sum, word| sum ^ u16::from_le_bytes(*word));
    label[136..138].copy_from_slice(&sum.to_le_bytes());
    label
}

/// Solaris's table that counts `count` slices: tag, first sector and sectors of each.
pub fn solaris_table(count: u16, slices: &[(u32, u32, u32)]) -> Vec<u8> {
    let mut table = words(&[0, 0, 0, 0x600d_deee, 1, 0, 0]);
    table.extend([0, 2]);
    table.extend(count.to_le_bytes());
    table.extend([0; 40]);
    for (tag, start, size) in slices {
        table.extend(words(&[*tag, *start, *size]));
    }
    table.resize(512, 0);
    table
}

/// Minix's table: type, first sector and sectors of each entry.
pub fn minix_table(entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut sector = vec![0; 512];
    for (slot, (kind, start, size)) in entries.iter().enumerate() {
        let at = 446 + slot * 16;
        sector[at + 4] = *kind;
        sector[at + 8..at + 16].copy_from_slice(&words(&[*start, *size]));
    }
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// UnixWare's label: tag, first sector and sectors of each slice, of which the first stands for all.
pub fn unixware_label(slices: &[(u32, u32, u32)]) -> Vec<u8> {
    let mut label = words(&[0, 0xca5e_600d]);
    label.resize(156, 0);
    label.extend(words(&[0x600d_deee, 1, 0, 0, 16]));
    label.resize(216, 0);
    for (tag, start, size) in slices {
        label.extend(words(&[0x200 << 16 | tag, *start, *size]));
    }
    label.resize(512, 0);
    label
}

/// A slice of `kind`, 16 MiB long, with `table` in sector `sector` of it, beside an extended
/// partition with a logical one.
fn sliced(scratch: &Scratch, kind: &str, sector: u32, table: &[u8]) -> PathBuf {
    let script = format!(
        "label: dos\n1: start={START},size=32768,type={kind}\n2: start=40960,size=20480,type=5\n\
         5: start=43008,size=2048,type=83\n"
    );
    let path = disk::sfdisk(scratch, 64 * MIB, &script);
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let at = u64::from(START + sector) * 512;
    file.write_all_at(table, at).unwrap();
    path
}

/// What is behind the logical partition.
fn nested(path: &Path) -> Vec<Place> {
    let places = ours(path).1.into_iter();
    places.filter(|place| place.0 > 5).collect()
}

/// But for the extended partition, which partx shows in full and the kernel two sectors long.
fn compare_with_partx(path: &Path, ours: &[Place]) {
    let mut expected = partx(path);
    expected.retain(|place| place.0 != 2);
    let ours: Vec<Place> = ours.iter().copied().filter(|place| place.0 != 2).collect();
    assert_eq!(ours, expected);
}

#[test]
fn a_bsd_label_in_a_slice_counts_on_behind_the_logical_partitions() {
    need!(tool "sfdisk", tool "partx");
    let scratch = Scratch::new();
    for base in [START, 0] {
        let partitions = [
            (7, base + 16, 4096),
            (1, base + 8192, 2048),
            (0, base, 32768),
            (7, base + 12288, 4096),
        ];
        let path = sliced(&scratch, "a5", 1, &bsd_label(8, &partitions));
        let (format, places) = ours(&path);
        assert_eq!(format, "mbr");
        let numbers: Vec<u32> = places.iter().map(|place| place.0).collect();
        assert_eq!(numbers, [1, 2, 5, 6, 7, 8], "base {base}");
        compare_with_partx(&path, &places);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn an_empty_partition_of_a_bsd_label_takes_a_number_as_in_the_kernel() {
    need!(tool "sfdisk");
    let scratch = Scratch::new();
    let partitions = [
        (7, START, 0),
        (7, START + 64, 100),
        (7, 1, 0),
        (1, START + 200, 50),
    ];
    let path = sliced(&scratch, "a6", 1, &bsd_label(4, &partitions));
    // The third is outside of the slice, and ignored.
    assert_eq!(nested(&path), [(7, 2112, 100), (8, 2248, 50)]);
}

#[test]
fn a_solaris_table_in_a_slice() {
    need!(tool "sfdisk", tool "partx");
    let scratch = Scratch::new();
    let slices = [
        (2, 4096, 8192),
        (3, 0, 0),
        (7, 12288, 512),
        (8, 16384, 1024),
    ];
    let path = sliced(&scratch, "82", 1, &solaris_table(8, &slices));
    let (_, places) = ours(&path);
    assert_eq!(places.len(), 6);
    compare_with_partx(&path, &places);
    std::fs::remove_file(path).unwrap();
    // The newer type, which libblkid takes for no table.
    let path = sliced(&scratch, "bf", 1, &solaris_table(8, &slices));
    assert_eq!(ours(&path).1, places);
}

#[test]
fn minix_subpartitions_in_a_slice() {
    need!(tool "sfdisk", tool "partx");
    let scratch = Scratch::new();
    let table = minix_table(&[(0x81, 2100, 500), (0x81, 3000, 700)]);
    let path = sliced(&scratch, "81", 0, &table);
    let (_, places) = ours(&path);
    assert_eq!(places.len(), 5);
    compare_with_partx(&path, &places);
}

#[test]
fn minix_subpartitions_are_numbered_as_the_kernel_numbers_them() {
    need!(tool "sfdisk");
    let scratch = Scratch::new();
    // An entry of another type takes no number, one of no size does.
    let entries = [
        (0x81, 2100, 500),
        (0x83, 2600, 100),
        (0x81, 2700, 0),
        (0x81, 3000, 700),
    ];
    let path = sliced(&scratch, "81", 0, &minix_table(&entries));
    assert_eq!(nested(&path), [(6, 2100, 500), (8, 3000, 700)]);
    std::fs::remove_file(path).unwrap();
    // A slice that holds a file system, whose boot code has something there: no table.
    let table = minix_table(&[(0x20, 0, 0), (0x81, 3000, 700)]);
    let path = sliced(&scratch, "81", 0, &table);
    assert_eq!(nested(&path), []);
}

#[test]
fn a_unixware_label_in_a_slice() {
    need!(tool "sfdisk");
    let scratch = Scratch::new();
    let slices = [
        (5, 2048, 32768),
        (2, 4096, 8192),
        (0, 7, 7),
        (3, 12288, 0),
        (4, 16384, 1024),
    ];
    let path = sliced(&scratch, "63", 29, &unixware_label(&slices));
    assert_eq!(nested(&path), [(6, 4096, 8192), (8, 16384, 1024)]);
}

#[test]
fn the_collected_slice_with_a_bsd_label_is_as_libblkid_reads_it() {
    need!(images, tool "partx");
    let scratch = Scratch::new();
    let path = images::unpack("partition/util-linux-dos+bsd.img.zst", &scratch);
    let (_, places) = ours(&path);
    assert!(places.len() > 2, "{places:?}");
    assert_eq!(places, partx(&path));
}
