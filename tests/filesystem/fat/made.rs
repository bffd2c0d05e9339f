//! Volumes of every shape that mkfs.fat makes: files, fields and free space.

use std::path::Path;

use imgmount::error::printable;
use imgmount::filesystem::Timestamp;

use super::volume::{Opened, Row, Volume};
use crate::support::command::Run;
use crate::support::images::{Scratch, sha256, sha256_of};
use crate::support::library;
use crate::support::record::Record;

/// Every size of sectors and clusters, one and more FATs, odd roots and reserved sectors; and what
/// it is to be: the options, KiB, and the type by the number of clusters.
const SHAPES: &[(&str, u64, &str)] = &[
    ("", 360, "FAT12"),
    ("", 1440, "FAT12"),
    ("-F 12 -s 1", 2000, "FAT12"),
    ("-F 12 -s 4 -f 1 -r 64 -R 3", 4000, "FAT12"),
    ("-F 12 -S 1024 -s 2 -r 32", 3000, "FAT12"),
    ("-F 12 -S 4096 -s 1 -r 1024 -a", 9000, "FAT12"),
    ("-F 16 -s 1", 8000, "FAT16"),
    ("-F 16 -s 128 -f 4 -r 512", 400_000, "FAT16"),
    ("-F 16 -S 2048 -s 1 -r 128 -R 9", 20_000, "FAT16"),
    ("-F 16 -S 4096 -s 2 -h 63 -D 128 -M 0xf9", 50_000, "FAT16"),
    ("-F 16 -A -n ATARI", 20_000, "FAT16"),
    ("-F 32 -s 1", 40_000, "FAT32"),
    ("-F 32 -s 8 -f 1 -R 40 -b 12", 300_000, "FAT32"),
    ("-F 32 -S 4096 -s 1 -a", 300_000, "FAT32"),
    ("-F 32 -S 1024 -s 4 -f 3", 300_000, "FAT32"),
    ("-F 32 --mbr=y", 40_000, "FAT32"),
    ("-F 16 --mbr=n -i DEADBEEF", 20_000, "FAT16"),
];

/// A tree with names and sizes of every kind.
pub fn tree(scratch: &Scratch) -> std::path::PathBuf {
    let root = scratch.folder("tree");
    for folder in ["Docs", "Docs/deep", "Docs/deep/deeper", "EMPTY"] {
        std::fs::create_dir(root.join(folder)).unwrap();
    }
    let bytes = |len: usize| {
        (0..len)
            .map(|index| (index * 7 / 3) as u8)
            .collect::<Vec<u8>>()
    };
    let files = [
        ("README.TXT", 100),
        ("lower.txt", 512),
        ("Mixed Case.Text", 1),
        ("nothing.at.all", 0),
        (
            "Docs/a name that needs quite a few of the entries for long names, since it goes on and on.html",
            513,
        ),
        ("Docs/Größe & Straße.txt", 4096),
        ("Docs/日本語のファイル", 3),
        ("Docs/exactly13char", 2),
        ("Docs/exactly_twenty_six_chars_x", 2),
        ("Docs/trailing space .x", 5),
        ("Docs/deep/deeper/BIG.BIN", 70_001),
    ];
    for (name, len) in files {
        std::fs::write(root.join(name), bytes(len)).unwrap();
    }
    for index in 0..40 {
        let name = format!("Docs/deep/file number {index}");
        std::fs::write(root.join(name), bytes(index)).unwrap();
    }
    let touch = Run::new("find").arg(&root).words("-exec touch -d");
    touch.arg("2021-03-04 05:06:08").words("{} +").run();
    root
}

#[test]
fn every_shape_is_read_as_others_read_it() {
    need!(tool "mkfs.fat", tool "mcopy", tool "7z");
    let scratch = Scratch::new();
    let tree = tree(&scratch);
    for (line, kib, kind) in SHAPES {
        println!("mkfs.fat {line} {kib}");
        let volume = Volume::made(line, *kib);
        volume.fill(&tree);
        let opened = volume.open();
        assert_eq!(opened.fact("type"), *kind, "{line}");
        assert_eq!(opened.image.notices.all(), [""; 0], "{line}");
        same_files(&opened, &tree);
        // 7-Zip knows no volume without 0x55AA.
        if !line.contains("-A") {
            same_fields(&opened, &volume);
        }
    }
}

/// Names and contents are those of the host's copy.
fn same_files(opened: &Opened, tree: &Path) {
    let found = library::walk(&*opened.filesystem);
    let list = Run::new("find").words(". -mindepth 1 -printf %y%P\\0");
    let list = list.within(tree).env("LC_ALL", "C.UTF-8").stdout();
    let mut expected = 1;
    for line in list
        .split(|byte| *byte == 0)
        .filter(|line| !line.is_empty())
    {
        let (kind, path) = line.split_first().unwrap();
        let record = found.get(path);
        let record = record.unwrap_or_else(|| panic!("no {}", printable(path)));
        assert_eq!(record.kind, char::from(*kind), "{}", printable(path));
        if record.kind == 'f' {
            let text = String::from_utf8(path.to_vec()).unwrap();
            let read = sha256_of(&opened.read(&text));
            assert_eq!(read, sha256(&tree.join(&text)), "{text}");
        }
        expected += 1;
    }
    assert_eq!(found.len(), expected);
}

/// Every field that 7-Zip shows is the same.
fn same_fields(opened: &Opened, volume: &Volume) {
    let (head, rows) = volume.by_7zip();
    let found = library::walk(&*opened.filesystem);
    for (path, row) in &rows {
        let record = &found[path.as_bytes()];
        same_row(path, row, record, opened);
    }
    assert_eq!(rows.len() + 1, found.len());
    let usage = opened.filesystem.usage();
    let free = usage.free * u64::from(usage.block_size);
    assert_eq!(free.to_string(), head["Free Space"]);
    assert_eq!(usage.block_size.to_string(), head["Cluster Size"]);
    assert_eq!(opened.fact("sector size"), head["Sector Size"]);
    let number = opened.description().uuid.as_ref().unwrap().replace('-', "");
    let number = u32::from_str_radix(&number, 16).unwrap();
    assert_eq!(number.to_string(), head["ID"]);
    let used = (usage.blocks - usage.free) * u64::from(usage.block_size);
    if opened.fact("type") != "FAT32" {
        assert_eq!(opened.description().allocated, Some(used));
    }
}

fn same_row(path: &str, row: &Row, record: &Record, opened: &Opened) {
    assert_eq!(record.kind == 'd', row["Folder"] == "+", "{path}");
    let time = |(seconds, nanoseconds): (i64, u32)| (seconds, nanoseconds / 10_000_000);
    let said = |key: &str| moment(&row[key]);
    assert_eq!(time(record.mtime), said("Modified"), "{path}");
    assert_eq!(record.ctime, record.mtime, "{path}");
    assert_eq!(time(record.crtime.unwrap()), said("Created"), "{path}");
    assert_eq!(time(record.atime), said("Accessed"), "{path}");
    if record.kind == 'f' {
        assert_eq!(record.size.to_string(), row["Size"], "{path}");
        assert_eq!(
            (record.blocks * 512).to_string(),
            row["Packed Size"],
            "{path}"
        );
    }
    let inode = library::find(&*opened.filesystem, path.as_bytes());
    let request = library::request();
    let value = opened
        .filesystem
        .xattr(&request, inode, b"system.fat_attrib");
    let value = value.unwrap().unwrap();
    let bits = u32::from_le_bytes(value.try_into().unwrap());
    assert_eq!(letters(bits), row["Attributes"], "{path}");
}

/// Seconds and hundredths of what 7-Zip prints.
fn moment(text: &str) -> (i64, u32) {
    let (whole, hundredths) = text.split_once('.').unwrap_or((text, "0"));
    let date = Run::new("date").args(["-u", "-d", whole, "+%s"]).text();
    (date.trim().parse().unwrap(), hundredths.parse().unwrap())
}

/// DIR_Attr as 7-Zip writes it.
fn letters(bits: u32) -> String {
    let letters = [
        (0x01, 'R'),
        (0x02, 'H'),
        (0x04, 'S'),
        (0x10, 'D'),
        (0x20, 'A'),
    ];
    let set = letters.iter().filter(|(bit, _)| bits & bit != 0);
    set.map(|(_, letter)| *letter).collect()
}

#[test]
fn moments_are_read_as_they_are_printed() {
    let expected = Timestamp {
        seconds: 1_614_834_368,
        nanoseconds: 0,
    };
    assert_eq!(moment("2021-03-04 05:06:08.07"), (expected.seconds, 7));
}
