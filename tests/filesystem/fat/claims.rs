//! What is taken for FAT, and what is not.

use std::path::Path;

use imgmount::service::open::Options;
use imgmount::stack::Content;

use super::made::tree;
use super::volume::Volume;
use crate::support::command::Run;
use crate::support::expected;
use crate::support::images::{self, Scratch};
use crate::support::library;

/// The format of the file system on the whole of `image`.
fn format_of(image: &Path) -> Option<&'static str> {
    let opened = library::open_with(image, &Options::default());
    match &opened.stack.disks.first()?.content {
        Content::FileSystem { format, .. } | Content::Damaged { format, .. } => Some(*format),
        _ => None,
    }
}

#[test]
fn no_other_file_system_or_table_is_taken_for_it() {
    need!(images, tool "zstd", tool "xz");
    let others = |file: &str, layers: &str| {
        let folders = ["filesystem/", "partition/", "negative/", "disk/"];
        let small = !file.contains("btrfs") && !file.contains("xfs");
        small && folders.iter().any(|folder| file.starts_with(folder)) && !layers.contains("fat")
    };
    let images = expected::collected(others);
    assert!(images.len() > 100, "only {} images", images.len());
    for image in images {
        let scratch = Scratch::new();
        let path = images::unpack(&image.file, &scratch);
        let found = format_of(&path);
        assert_ne!(found, Some("vfat"), "{}: {}", image.file, image.layers);
    }
}

/// The kernel looks at the parameter block alone; we believe one whose FAT begins as it does.
#[test]
fn neither_signature_nor_name_nor_jump_is_needed() {
    need!(tool "mkfs.fat");
    for (line, name) in [("-F 12 -s 1", 54), ("-F 16", 54), ("-F 32 -s 1", 82)] {
        let kib = if line.contains("32") {
            40_000
        } else {
            2000 * 10
        };
        let kib = if line.contains("12") { 2000 } else { kib };
        let volume = Volume::made(line, kib);
        let without = |at: &[usize], len: usize| {
            volume.edit(|bytes| at.iter().for_each(|at| bytes[*at..at + len].fill(0)));
            format_of(&volume.image)
        };
        assert_eq!(without(&[510], 2), Some("vfat"), "{line}");
        assert_eq!(without(&[name], 8), Some("vfat"), "{line}");
        assert_eq!(without(&[0], 11), Some("vfat"), "{line}");
        let fat = volume.open().image.stack.disks[0].source.is_ok();
        assert!(fat);
        // And now its FAT is none either.
        let reserved = super::table::Table::of(&volume.bytes()).fat;
        assert_ne!(without(&[reserved], 4), Some("vfat"), "{line}");
    }
}

#[test]
fn boot_sectors_of_others_with_a_parameter_block_are_theirs() {
    need!(tool "mkfs.fat");
    let volume = Volume::made("-F 16", 20_000);
    let good = volume.bytes();
    for (at, text) in [
        (3, &b"NTFS    "[..]),
        (3, b"EXFAT   "),
        (3, b"-FVE-FS-"),
        (54, b"HPFS    "),
        (54, b"JFS     "),
        (
            424,
            b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01",
        ),
    ] {
        volume.edit(|bytes| {
            bytes.copy_from_slice(&good);
            bytes[at..at + text.len()].copy_from_slice(text);
        });
        assert_ne!(format_of(&volume.image), Some("vfat"), "{text:?}");
    }
}

/// A master boot record whose code happens to be a parameter block: its partitions are shown.
#[test]
fn a_partition_table_behind_a_parameter_block_stays_one() {
    need!(tool "mkfs.fat", tool "sfdisk");
    let scratch = Scratch::new();
    let disk = scratch.file("disk", 30 << 20);
    let script = scratch.join("script");
    std::fs::write(&script, "label: dos\nstart=2048, size=40000, type=e\n").unwrap();
    let mut sfdisk = Run::new("sfdisk").arg("-q").arg(&disk).command();
    let script = std::fs::File::open(script).unwrap();
    assert!(sfdisk.stdin(script).status().unwrap().success());
    let volume = Volume::made("-F 16", 20_000);
    let mut bytes = std::fs::read(&disk).unwrap();
    let inside = volume.bytes();
    bytes[2048 * 512..][..inside.len()].copy_from_slice(&inside);
    std::fs::write(&disk, &bytes).unwrap();
    let opened = library::open_with(&disk, &Options::default());
    library::volume(&opened, "p1");
    // The tools for sticks write the parameter block of the one partition into the table's sector.
    bytes[11..62].copy_from_slice(&inside[11..62]);
    std::fs::write(&disk, bytes).unwrap();
    let opened = library::open_with(&disk, &Options::default());
    library::volume(&opened, "p1");
}

/// The kernel's `dos1xfloppy`: 160 and 180, 320 and 360 KiB, media byte, entries, clusters.
const FLOPPIES: [(u64, &str, &str); 4] = [
    (160, "0xfe", "-s 1 -r 64"),
    (180, "0xfc", "-s 1 -r 64"),
    (320, "0xff", "-s 2 -r 112"),
    (360, "0xfd", "-s 2 -r 112"),
];

/// mkfs.fat makes the same floppy disk with a parameter block, which is then taken away.
#[test]
fn floppy_disks_without_a_parameter_block_are_told_by_their_size_and_fat() {
    need!(tool "mkfs.fat", tool "mcopy");
    let scratch = Scratch::new();
    let tree = tree(&scratch);
    for (kib, media, line) in FLOPPIES {
        let volume = Volume::made(&format!("-F 12 -R 1 -f 2 -M {media} {line}"), kib);
        if kib > 300 {
            volume.fill(&tree);
        }
        let before = library::walk(&*volume.open().filesystem);
        volume.edit(|bytes| {
            bytes[..512].fill(0);
            bytes[..3].copy_from_slice(&[0xeb, 0x2f, 0x90]);
        });
        let opened = volume.open();
        let after = library::walk(&*opened.filesystem);
        assert!(before == after, "{kib} KiB");
        assert_eq!(opened.description().uuid, None);
        volume.edit(|bytes| bytes[512] = 0xf9);
        assert_eq!(format_of(&volume.image), None, "{kib} KiB");
    }
}

/// FATGEN 1.03, «FAT Type Determination»: by the count of clusters, and by nothing else.
#[test]
fn f09_the_type_is_by_the_count_of_clusters() {
    need!(tool "mkfs.fat");
    // 4,084 clusters are the last of FAT12, 65,524 the last of FAT16.
    for (line, clusters, kind) in [
        ("-F 12 -s 1 -R 1 -r 16", 4084, "FAT12"),
        ("-F 16 -s 1 -R 1 -r 16", 4085, "FAT16"),
        ("-F 16 -s 1 -R 1 -r 16", 65_524, "FAT16"),
        ("-F 32 -s 1", 65_525, "FAT32"),
    ] {
        let kib = match kind {
            "FAT12" => 2040,
            "FAT16" => 33_010,
            _ => 34_000,
        };
        let volume = Volume::made(line, kib);
        volume.edit(|bytes| {
            let table = super::table::Table::of(bytes);
            let start = table.start / 512;
            let sectors = (start + clusters) as u32;
            bytes[19..21].fill(0);
            bytes[32..36].copy_from_slice(&sectors.to_le_bytes());
            let (label, other) = match kind {
                "FAT32" => (82, b"FAT12   "),
                _ => (54, b"FAT32   "),
            };
            bytes[label..label + 8].copy_from_slice(other);
            bytes.resize((start + clusters) * 512, 0);
        });
        let opened = volume.open();
        assert_eq!(opened.fact("clusters"), clusters.to_string());
        assert_eq!(opened.fact("type"), kind);
    }
}
