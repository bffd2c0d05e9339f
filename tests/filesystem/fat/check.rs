//! What `check` finds besides what a walk over the files does.

use super::made::tree;
use super::table::Table;
use super::volume::Volume;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// What is wrong with `volume`, once each.
fn findings(volume: &Volume) -> Vec<String> {
    let mut found = Vec::new();
    let filesystem = volume.open().filesystem;
    let each = &mut |error: imgmount::error::Error| found.push(error.to_string());
    filesystem.verify(&library::request(), each);
    found
}

/// Each shape, filled.
fn filled() -> impl Iterator<Item = Volume> {
    let shapes = [
        ("-F 12 -s 1", 1900),
        ("-F 16 -s 4", 20_000),
        ("-F 32 -s 1", 40_000),
    ];
    let scratch = Scratch::new();
    let tree = tree(&scratch);
    shapes.into_iter().map(move |(line, kib)| {
        let _ = &scratch;
        let volume = Volume::made(line, kib);
        volume.fill(&tree);
        volume
    })
}

/// fsck.fat has to see that something is wrong, or nothing.
fn fsck_finds(volume: &Volume) -> bool {
    let fsck = Run::new("fsck.fat").arg("-n").arg(&volume.image).output();
    !fsck.status.success()
}

#[test]
fn nothing_is_wrong_with_what_tools_make() {
    need!(tool "mkfs.fat", tool "mcopy", tool "fsck.fat");
    for volume in filled() {
        assert!(!fsck_finds(&volume));
        assert_eq!(findings(&volume), [""; 0]);
    }
}

#[test]
fn a_copy_of_the_fat_that_differs_is_found_once() {
    need!(tool "mkfs.fat", tool "mcopy", tool "fsck.fat");
    for volume in filled() {
        let mut place = 0;
        volume.edit(|bytes| {
            let table = Table::of(bytes);
            place = table.fat + table.fat_size;
            bytes[place + 5] ^= 0x10;
            bytes[place + 600] ^= 1;
        });
        assert!(fsck_finds(&volume));
        let expected =
            format!("copy 1 of the FAT is not the first: 2 pieces of 512 bytes at byte {place:#x}");
        assert_eq!(findings(&volume), [expected]);
    }
}

#[test]
fn lost_clusters_are_counted() {
    need!(tool "mkfs.fat", tool "mcopy", tool "fsck.fat");
    for volume in filled() {
        let mut first = 0;
        volume.edit(|bytes| {
            let table = Table::of(bytes);
            first = table.clusters - 9;
            table.set(bytes, first, first + 1);
            table.set(bytes, first + 1, 0x0fff_ffff);
            table.set(bytes, first + 4, 0x0fff_fff7); // a bad one is none
        });
        assert!(fsck_finds(&volume));
        let found = findings(&volume);
        let expected = format!("2 clusters are in use and no file's, the first is {first}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&expected), "{found:?}");
    }
}

#[test]
fn cross_linked_files_and_directories_are_named() {
    need!(tool "mkfs.fat", tool "mcopy", tool "fsck.fat");
    for volume in filled() {
        let (mut shared, mut place) = (0, 0);
        volume.edit(|bytes| {
            let table = Table::of(bytes);
            shared = table.first_cluster(bytes, b"BIG     BIN");
            place = table.entry_place(shared);
            // The one cluster of lower.txt is free then, and its name leads to the other's.
            let own = table.first_cluster(bytes, b"LOWER   TXT");
            table.set(bytes, own, 0);
            table.set_first_cluster(bytes, b"LOWER   TXT", shared);
        });
        assert!(fsck_finds(&volume));
        // The smaller of the two may come first, whose chain is too long then.
        let mut found = findings(&volume);
        found.retain(|line| !line.contains("in its chain, and 1 in use"));
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = format!("cluster {shared} is another file's too at byte {place:#x}");
        assert!(found[0].ends_with(&expected), "{found:?}");
        assert!(found[0].contains("lower.txt") || found[0].contains("BIG.BIN"));
    }
}

#[test]
fn chains_that_are_longer_than_their_files_are_named() {
    need!(tool "mkfs.fat", tool "mcopy", tool "fsck.fat");
    for volume in filled() {
        let mut clusters = 0;
        volume.edit(|bytes| {
            let table = Table::of(bytes);
            let at = table.entry(bytes, b"BIG     BIN");
            clusters = table
                .chain(bytes, table.first_cluster(bytes, b"BIG     BIN"))
                .len();
            bytes[at + 28..at + 32].copy_from_slice(&1_u32.to_le_bytes());
        });
        assert!(fsck_finds(&volume));
        let expected = format!(
            "/Docs/deep/deeper/BIG.BIN: {clusters} clusters are in its chain, and 1 in use"
        );
        assert_eq!(findings(&volume), [expected]);
    }
}

#[test]
fn findings_have_an_end() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = Volume::made("-F 16 -s 1", 20_000);
    let tree = volume.scratch.folder("tree");
    for number in 0..150 {
        std::fs::write(tree.join(format!("{number}.TXT")), b"x").unwrap();
    }
    volume.fill(&tree);
    volume.edit(|bytes| {
        let table = Table::of(bytes);
        let shared = table.first_cluster(bytes, b"0       TXT").to_le_bytes();
        let entries = table.root..table.root + 200 * 32;
        for entry in bytes[entries]
            .chunks_mut(32)
            .filter(|entry| entry[8] == b'T')
        {
            entry[26..28].copy_from_slice(&shared[..2]);
        }
    });
    let found = findings(&volume);
    assert_eq!(found.len(), 101);
    assert!(found[100].contains("more than 100 files"), "{}", found[100]);
}
