//! Contents by their chains: scattered, in each width of the FAT, up to the largest file; and what
//! reading costs.

use std::os::unix::fs::FileExt;

use super::table::Table;
use super::volume::Volume;
use crate::support::command::Run;
use crate::support::counted::{self, bytes_of};
use crate::support::library;

/// A volume of the shape `line` whose file BIG has its clusters in no order, and its contents.
fn scattered(line: &str, kib: u64, len: usize) -> (Volume, Vec<u8>) {
    let volume = Volume::made(line, kib);
    let bytes: Vec<u8> = (0..len)
        .map(|index| ((index / 3) ^ (index >> 9)) as u8)
        .collect();
    let file = volume.scratch.join("BIG");
    std::fs::write(&file, &bytes).unwrap();
    volume.mtools("mcopy", [file.to_str().unwrap(), "::BIG"]);
    volume.edit(|image| {
        let table = Table::of(image);
        let first = table.first_cluster(image, b"BIG        ");
        let chain = table.chain(image, first);
        // Every second cluster from behind, the others in between; a run of four now and then.
        let mut order: Vec<u32> = chain.clone();
        order[1..].sort_by_key(|cluster| (cluster / 4).wrapping_mul(0x9e37_79b1) ^ cluster & 3);
        let data: Vec<Vec<u8>> = chain
            .iter()
            .map(|cluster| table.data(image, *cluster).to_vec())
            .collect();
        for (cluster, data) in order.iter().zip(data) {
            table.data(image, *cluster).copy_from_slice(&data);
        }
        for (cluster, next) in order.iter().zip(order.iter().skip(1)) {
            table.set(image, *cluster, *next);
        }
        table.set(image, *order.last().unwrap(), 0x0fff_ffff);
    });
    (volume, bytes)
}

#[test]
fn scattered_clusters_are_read_in_their_order() {
    need!(tool "mkfs.fat", tool "mcopy", tool "7z");
    for (line, kib, len) in [
        ("-F 12 -s 1", 2000, 700_001),
        ("-F 16 -s 1", 20_000, 9_000_000),
        ("-F 32 -s 1", 60_000, 20_000_000),
        ("-F 32 -s 8 -S 512", 300_000, 20_000_000),
    ] {
        let (volume, bytes) = scattered(line, kib, len);
        let by_7zip = Run::new("7z").words("x -so -tFAT").arg(&volume.image);
        assert!(by_7zip.arg("BIG").stdout() == bytes, "{line}: 7-Zip");
        let opened = volume.open();
        assert!(opened.read("BIG") == bytes, "{line}");
        let file = library::find(&*opened.filesystem, b"BIG");
        let mut piece = vec![0; 100_000];
        for offset in [len - 100_000, 12_345, len / 2, len - 1, 0, len / 3] {
            let request = library::request();
            let got = opened
                .filesystem
                .read(&request, file, &mut piece, offset as u64);
            let got = got.unwrap();
            assert_eq!(got, (len - offset).min(piece.len()));
            assert!(
                piece[..got] == bytes[offset..offset + got],
                "{line} at {offset}"
            );
        }
    }
}

/// FATGEN 1.03: DIR_FileSize has 32 bits, so that a file ends before 4 GiB.
#[test]
fn the_largest_file_is_read_to_its_last_byte() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = Volume::made("-F 32 -s 64", 5 << 20);
    let file = volume.scratch.join("BIG");
    std::fs::write(&file, b"start").unwrap();
    volume.mtools("mcopy", [file.to_str().unwrap(), "::BIG"]);
    let image = std::fs::File::options()
        .read(true)
        .write(true)
        .open(&volume.image)
        .unwrap();
    let mut head = vec![0; 16 << 20];
    image.read_exact_at(&mut head, 0).unwrap();
    let table = Table::of(&head);
    let entry = table.entry(&head, b"BIG        ");
    head[entry + 28..entry + 32].copy_from_slice(&[0xff; 4]);
    let first = table.first_cluster(&head, b"BIG        ");
    let clusters = (1_u64 << 32).div_ceil(32 << 10) as u32;
    for cluster in first..first + clusters - 1 {
        table.set(&mut head, cluster, cluster + 1);
    }
    table.set(&mut head, first + clusters - 1, 0x0fff_ffff);
    image.write_all_at(&head, 0).unwrap();
    let last = table.place(first) as u64 + (1 << 32) - 6;
    image.write_all_at(b"the end", last - 1).unwrap();
    let opened = volume.open();
    let attributes = opened.attributes("BIG");
    assert_eq!(
        (attributes.size, attributes.blocks),
        ((1 << 32) - 1, 8 << 20)
    );
    let file = library::find(&*opened.filesystem, b"BIG");
    let mut bytes = [0; 16];
    let got = opened
        .filesystem
        .read(&library::request(), file, &mut bytes, (1 << 32) - 8);
    assert_eq!((got, &bytes[..7]), (Ok(7), &b"\0the en"[..]));
}

/// What find(1) needs is the FAT's entries of the directories, and the directories: here they are
/// all of the volume but its boot sectors, so that everything read is one of them.
#[test]
fn a_find_reads_directories_once() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = Volume::made("-F 32 -s 8", 300_000);
    let tree = volume.scratch.folder("tree");
    for outer in 0..8 {
        for inner in 0..60 {
            let folder = tree.join(format!("outer {outer}/a long name {inner}"));
            std::fs::create_dir_all(&folder).unwrap();
            for file in 0..2 {
                std::fs::write(folder.join(format!("file number {file}")), b"").unwrap();
            }
        }
    }
    volume.fill(&tree);
    let opened = counted::Opened::new(&volume.image);
    let started = bytes_of(&opened.opening);
    assert!(started <= 512 << 10, "{started} bytes to open");
    let files = opened.find_all();
    assert_eq!(files, 1 + 8 + 8 * 60 + 8 * 60 * 2);
    let reads = opened.take();
    counted::blocks_of(&reads); // none twice
    let bytes = bytes_of(&reads);
    let directories = 1 + 8 * 2 + 8 * 60; // those with 60 names in them have two clusters
    let needed = directories * 4096 + directories * 4;
    println!("{files} files: {bytes} bytes read, {needed} needed");
    assert!(
        bytes * 10 < needed * 12,
        "{bytes} bytes read, {needed} needed"
    );
    opened.find_all();
    assert_eq!(opened.take(), [], "read again");
}

#[test]
fn a_large_directory_is_listed_and_looked_up_in_little_time() {
    need!(tool "mkfs.fat", tool "mcopy");
    let volume = Volume::made("-F 32 -s 8", 300_000);
    let tree = volume.scratch.folder("tree");
    std::fs::create_dir(tree.join("many")).unwrap();
    for number in 0..500 {
        std::fs::write(tree.join(format!("many/one of many files {number}")), b"").unwrap();
    }
    volume.fill(&tree);
    let opened = volume.open();
    let names = opened.names("many");
    assert_eq!(names.len(), 500);
    let (filesystem, request) = (&opened.filesystem, library::request());
    let folder = library::find(&**filesystem, b"many");
    for name in names.iter().cycle().take(20_000) {
        let found = filesystem
            .lookup(&request, folder, name.as_bytes())
            .unwrap();
        assert!(found.is_some(), "{name}");
    }
    // Ten million steps are a request's. A walk over the directory takes 2,000; each of these takes
    // those of its own name, twice.
    assert!(
        request.spend(9_000_000).is_ok(),
        "lookups walk the directory"
    );
}

#[test]
fn a_part_of_the_fat_that_cannot_be_read_is_taken_from_the_copy() {
    need!(tool "mkfs.fat", tool "mcopy");
    use crate::hostile::walk::{BadSector, Seen, walk_source};
    // Far from the start, which every prober of disks looks at.
    let (volume, bytes) = scattered("-F 16 -s 1 -R 400", 20_000, 1_500_000);
    let image = volume.bytes();
    let table = Table::of(&image);
    let source = BadSector {
        sector: (table.fat / 512 + 9) as u64,
        bytes: std::sync::Arc::new(image),
    };
    let walk = walk_source(
        std::sync::Arc::new(source),
        &imgmount::format::Options::default(),
    );
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    let Seen::File(_, read, error) = &walk.nodes["BIG"].content else {
        panic!("no file");
    };
    assert_eq!(*error, None);
    assert!(*read == bytes);
}

/// FATGEN 1.03, BPB_ExtFlags: bit 7 says that one FAT is active, bits 0 to 3 which. Linux reads the
/// first all the same.
#[test]
fn the_active_fat_is_the_one_that_is_read() {
    need!(tool "mkfs.fat", tool "mcopy");
    let (volume, bytes) = scattered("-F 32 -s 1", 60_000, 300_000);
    volume.edit(|image| {
        image[40] = 0x81;
        let table = Table::of(image);
        let (from, to) = (table.fat + 8, table.fat + table.fat_size);
        image[from..to].fill(0);
    });
    let opened = volume.open();
    assert!(opened.read("BIG") == bytes);
    let usage = opened.filesystem.usage();
    assert!(usage.free < usage.blocks - 500, "{usage:?}");
}

#[test]
fn what_is_not_unmounted_is_said_to_be() {
    need!(tool "mkfs.fat");
    for (line, kib, at) in [("-F 16", 20_000, 37), ("-F 32 -s 1", 40_000, 65)] {
        let volume = Volume::made(line, kib);
        assert_eq!(volume.open().image.notices.all(), [""; 0]);
        volume.edit(|image| image[at] |= 1);
        let opened = volume.open();
        assert_eq!(opened.fact("state"), "not clean");
        assert!(opened.image.notices.all()[0].contains("not unmounted cleanly"));
    }
}
