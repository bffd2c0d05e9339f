//! The labels of other machines, compared with what sfdisk, parted and libblkid (partx) say.

use std::path::Path;

use imgmount::stack::Node;

use super::disk::{self, MIB};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Number, first sector and sectors.
pub type Place = (u32, u64, u64);

/// The partitions of the table `format` in `bytes`, whatever else is there.
fn forced(bytes: &[u8], format: &str) -> Vec<Place> {
    let (stack, _) = disk::open_as(bytes.to_vec(), Some(format));
    places(disk::table(&stack).1)
}

/// The format's name, and what imgmount sees.
pub fn ours(path: &Path) -> (&'static str, Vec<Place>) {
    let (stack, _) = disk::open_file(path);
    let (format, nodes) = disk::table(&stack);
    (format, places(nodes))
}

fn places(nodes: &[Node]) -> Vec<Place> {
    let place = |node: &Node| {
        let (start, len) = node.location.unwrap();
        (disk::partition(node).number, start / 512, len / 512)
    };
    let mut places: Vec<Place> = nodes.iter().map(place).collect();
    places.sort_unstable();
    places
}

pub fn partx(path: &Path) -> Vec<Place> {
    let text = Run::new("partx")
        .args(["--raw", "--noheadings", "--output", "NR,START,SECTORS"])
        .arg(path)
        .text();
    let row = |line: &str| {
        let mut words = line.split(' ').map(|word| word.parse::<u64>().unwrap());
        let mut next = || words.next().unwrap();
        (next() as u32, next(), next())
    };
    let mut rows: Vec<Place> = text.lines().map(row).collect();
    rows.sort_unstable();
    rows
}

fn parted(path: &Path) -> Vec<Place> {
    let parted = Run::new("parted").arg("-ms").arg(path);
    let text = parted.words("unit s print").text();
    let row = |line: &str| {
        let mut fields = line.split(':');
        let mut next = || fields.next()?.trim_end_matches('s').parse::<u64>().ok();
        let (number, start, end) = (next()?, next()?, next()?);
        Some((number as u32, start, end + 1 - start))
    };
    let mut rows: Vec<Place> = text.lines().skip(2).filter_map(row).collect();
    rows.sort_unstable();
    rows
}

fn sfdisk(path: &Path) -> Vec<Place> {
    let text = Run::new("sfdisk").arg("-J").arg(path).text();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let row = |entry: &serde_json::Value| {
        let node = entry["node"].as_str().unwrap();
        let digits = node.rsplit(|it: char| !it.is_ascii_digit()).next().unwrap();
        let number = |name: &str| entry[name].as_u64().unwrap();
        (digits.parse().unwrap(), number("start"), number("size"))
    };
    let partitions = json["partitiontable"]["partitions"].as_array().unwrap();
    let mut rows: Vec<Place> = partitions.iter().map(row).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn labels_that_sfdisk_writes() {
    need!(tool "sfdisk", tool "partx");
    let scratch = Scratch::new();
    for (label, script) in [
        (
            "sun",
            "1: start=0,size=32130,type=83\n2: start=32130,size=16065,type=82\n",
        ),
        (
            "sgi",
            "1: start=4096,size=8192,type=83\n2: start=12288,size=4096,type=82\n",
        ),
    ] {
        let script = format!("label: {label}\n{script}");
        let path = disk::sfdisk(&scratch, 64 * MIB, &script);
        let (format, places) = ours(&path);
        assert_eq!(format, label);
        assert!(places.len() >= 2, "{places:?}");
        assert_eq!(places, sfdisk(&path), "{label}");
        assert_eq!(places, partx(&path), "{label}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn labels_that_parted_writes() {
    need!(tool "parted", tool "partx");
    let scratch = Scratch::new();
    for label in ["mac", "bsd", "sun"] {
        let path = scratch.file(label, 64 * MIB);
        let parted = Run::new("parted").arg("-s").arg(&path);
        let mklabel = parted.args(["mklabel", label]);
        mklabel
            .words("mkpart ext2 1MiB 9MiB mkpart ext2 16MiB 40MiB")
            .run();
        let (format, places) = ours(&path);
        assert_eq!(format, label);
        let expected = self::parted(&path);
        // parted leaves out what stands for the whole disk, and the free space of a map.
        assert!(
            !expected.is_empty() && expected.iter().all(|it| places.contains(it)),
            "{label}"
        );
        let by_libblkid = partx(&path);
        assert!(
            by_libblkid
                .iter()
                .all(|it| label == "bsd" || places.contains(it)),
            "{label}"
        );
    }
}

#[test]
fn an_apple_map_in_blocks_of_2048_bytes() {
    need!(tool "xorriso", tool "partx");
    let scratch = Scratch::new();
    let folder = scratch.folder("folder");
    std::fs::write(folder.join("file"), "contents").unwrap();
    let path = scratch.join("disc.iso");
    let mut maps = Vec::new();
    for block in ["512", "2048"] {
        let xorriso = Run::new("xorriso").words("-as mkisofs -quiet -hfsplus -apm-block-size");
        xorriso.arg(block).arg("-o").arg(&path).arg(&folder).run();
        let bytes = std::fs::read(&path).unwrap();
        let places = forced(&bytes, "mac");
        assert_eq!(places, partx(&path), "{block}");
        maps.push(bytes);
    }
    // A disc that says 2048 and has the map in blocks of 512 bytes: four entries of it end where
    // one of the other kind would begin.
    let bytes = disk::changed(&maps[0], |bytes| bytes[2] = 8);
    assert_eq!(forced(&bytes, "mac"), forced(&maps[0], "mac"));
    // One with both.
    let bytes = disk::changed(&maps[1], |bytes| {
        bytes[512..2048].copy_from_slice(&maps[0][512..2048]);
    });
    assert_eq!(forced(&bytes, "mac"), forced(&maps[1], "mac"));
}

#[test]
fn p10_a_sun_label_shows_as_many_as_its_table_of_contents_counts() {
    need!(tool "sfdisk", tool "partx");
    let scratch = Scratch::new();
    let script = "label: sun\n1: start=0,size=32130,type=83\n2: start=32130,size=16065,type=82\n";
    let path = disk::sfdisk(&scratch, 64 * MIB, script);
    let good = std::fs::read(&path).unwrap();
    for (count, expected) in [(1_u16, 1), (2, 2), (0, 0), (9, 2), (u16::MAX, 2)] {
        let bytes = disk::changed(&good, |bytes| {
            let mut sum = bytes[510..512].to_vec();
            for (at, byte) in count.to_be_bytes().into_iter().enumerate() {
                sum[at] ^= bytes[140 + at] ^ byte;
                bytes[140 + at] = byte;
            }
            bytes[510..512].copy_from_slice(&sum);
        });
        std::fs::write(&path, bytes).unwrap();
        let (format, places) = ours(&path);
        assert_eq!((format, places.len()), ("sun", expected), "{count}");
        if expected > 0 {
            assert_eq!(places, partx(&path), "{count}");
        }
    }
}

#[test]
fn p10_a_map_that_counts_more_than_it_has_ends_where_it_ends() {
    need!(tool "parted");
    let scratch = Scratch::new();
    let path = scratch.file("mac", 16 * MIB);
    let parted = Run::new("parted").arg("-s").arg(&path);
    parted.words("mklabel mac mkpart ext2 1MiB 9MiB").run();
    let expected = ours(&path).1;
    let good = std::fs::read(&path).unwrap();
    for count in [u32::MAX, 65536, 200] {
        let bytes = disk::changed(&good, |bytes| {
            bytes[516..520].copy_from_slice(&count.to_be_bytes());
        });
        let (stack, notices) = disk::open(bytes);
        assert_eq!(disk::table(&stack).1.len(), expected.len(), "{count}");
        assert!(notices.iter().any(|it| it.contains("the map ends there")));
    }
    // Blocks of no bytes, and of more than the disk has, are none.
    for size in [0_u16, 1, u16::MAX] {
        let bytes = disk::changed(&good, |bytes| {
            bytes[2..4].copy_from_slice(&size.to_be_bytes());
        });
        let (stack, _) = disk::open(bytes);
        assert_eq!(disk::table(&stack).1.len(), expected.len(), "{size}");
    }
}

#[test]
fn p10_labels_with_every_bit_flipped_open_or_are_refused() {
    need!(tool "sfdisk", tool "parted");
    let scratch = Scratch::new();
    let mut images = Vec::new();
    for label in ["mac", "bsd"] {
        let path = scratch.file(label, 16 * MIB);
        let parted = Run::new("parted").arg("-s").arg(&path);
        parted
            .args(["mklabel", label])
            .words("mkpart ext2 1MiB 8MiB")
            .run();
        images.push(std::fs::read(path).unwrap());
    }
    for label in ["sun", "sgi"] {
        let script = format!("label: {label}\n");
        let path = disk::sfdisk(&scratch, 16 * MIB, &script);
        images.push(std::fs::read(&path).unwrap());
        std::fs::remove_file(path).unwrap();
    }
    for image in images {
        let head = disk::changed(&image, |bytes| bytes.truncate(128 * 1024));
        for at in 0..1536 {
            let bytes = disk::changed(&head, |bytes| bytes[at] ^= 0x81);
            let (stack, _) = disk::open(bytes);
            assert_eq!(stack.disks.len(), 1);
        }
    }
}
