//! exFAT, by Microsoft's specification. The images are made byte by byte, as for the tests: no
//! formatter fills them.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};

#[path = "../../../../tests/filesystem/exfat/generate.rs"]
#[allow(dead_code)]
mod generate;

use self::generate::{ARCHIVE, CHAIN, Set, Volume};

const BOOT: &[(&str, u64)] = &[
    ("JumpBoot", 1),
    ("", 2),
    ("FileSystemName", 8),
    ("MustBeZero", 1),
    ("", 52),
    ("PartitionOffset", 8),
    ("VolumeLength", 8),
    ("FatOffset", 4),
    ("FatLength", 4),
    ("ClusterHeapOffset", 4),
    ("ClusterCount", 4),
    ("FirstClusterOfRootDirectory", 4),
    ("VolumeSerialNumber", 4),
    ("FileSystemRevision", 2),
    ("VolumeFlags", 2),
    ("BytesPerSectorShift", 1),
    ("SectorsPerClusterShift", 1),
    ("NumberOfFats", 1),
    ("DriveSelect", 1),
    ("PercentInUse", 1),
    ("", 397),
    ("BootSignature", 2),
];

const BITMAP: &[(&str, u64)] = &[
    ("EntryType", 1),
    ("BitmapFlags", 1),
    ("", 18),
    ("FirstCluster", 4),
    ("DataLength", 8),
];

const UPCASE: &[(&str, u64)] = &[
    ("EntryType", 1),
    ("", 3),
    ("TableChecksum", 4),
    ("", 12),
    ("FirstCluster", 4),
    ("DataLength", 8),
];

const FILE: &[(&str, u64)] = &[
    ("EntryType", 1),
    ("SecondaryCount", 1),
    ("", 2), // the checksum
    ("FileAttributes", 2),
    ("Reserved1", 2),
    ("CreateTimestamp", 4),
    ("LastModifiedTimestamp", 4),
    ("LastAccessedTimestamp", 4),
    ("Create10msIncrement", 1),
    ("LastModified10msIncrement", 1),
    ("CreateUtcOffset", 1),
    ("LastModifiedUtcOffset", 1),
    ("LastAccessedUtcOffset", 1),
];

const STREAM: &[(&str, u64)] = &[
    ("EntryType", 1),
    ("GeneralSecondaryFlags", 1),
    ("Reserved1", 1),
    ("NameLength", 1),
    ("NameHash", 2),
    ("Reserved2", 2),
    ("ValidDataLength", 8),
    ("Reserved3", 4),
    ("FirstCluster", 4),
    ("DataLength", 8),
];

const NAME: &[(&str, u64)] = &[
    ("EntryType", 1),
    ("GeneralSecondaryFlags", 1),
    ("FileName[0]", 2),
    ("FileName[1]", 2),
    ("", 24),
    ("FileName[14]", 2),
];

pub struct Exfat;

impl Family for Exfat {
    fn name(&self) -> &'static str {
        "exfat"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let mut twice = Volume::new(12, 12, 64);
        twice.fats = 2;
        vec![
            Seed::alone("usual", filled(Volume::usual())),
            Seed::alone("small-clusters", filled(Volume::new(9, 9, 400))),
            Seed::alone("two-tables", filled(twice)),
        ]
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let image = Image::new(&seed.files[0].1);
        let backup = 12 * image.sector;
        let mut found = vec![
            structure("boot region main", 0..image.sector, None, BOOT),
            structure(
                "boot region backup",
                backup..backup + image.sector,
                Some(0),
                BOOT,
            ),
        ];
        let table: Vec<_> = (0..60).map(|_| ("entry", 4)).collect();
        for number in 0..image.le(110, 1) {
            let at = (image.le(80, 4) + number * image.le(84, 4)) * image.sector;
            let name = format!("FAT {number}");
            found.push(structure(&name, at..at + 240, Some(0), &table));
        }
        image.directory(image.le(96, 4), None, 0, &mut found);
        found
    }

    fn seal(&self, files: &mut [Vec<u8>], structures: &[Structure], touched: (usize, Range<u64>)) {
        let bytes = &mut files[0];
        for found in structures {
            let range = &found.range;
            if range.start >= touched.1.end || range.end <= touched.1.start {
                continue;
            }
            match found.name.rsplit_once(' ') {
                Some(("boot region", _)) => seal_region(bytes, range),
                Some(("entry set", _)) => seal_set(bytes, range),
                _ => {}
            }
        }
    }
}

/// Files with and without a chain, an empty one, long names, and directories in each other.
fn filled(mut volume: Volume) -> Vec<u8> {
    let leaf = volume.file("leaf", &[7; 3000]).sealed();
    let inner = volume.directory("inner", &leaf);
    let mut names = inner.sealed();
    for number in 0..8 {
        let name = format!("one of several files with a rather long name {number}");
        names.extend(volume.file(&name, &[number; 700]).sealed());
    }
    let outer = volume.directory("outer", &names);
    let scattered = volume.scatter(&[9; 9000]);
    let chained = Set::new("chained", ARCHIVE).stream(CHAIN, scattered, 9000);
    let plain = volume.file("plain", &[5; 10_000]);
    for set in [
        outer,
        chained,
        plain,
        Set::new("empty", ARCHIVE).stream(1, 0, 0),
    ] {
        volume.add(&set);
    }
    volume.finish()
}

/// The sum of a boot region whose first sector is `range`; it fills the twelfth.
fn seal_region(bytes: &mut [u8], range: &Range<u64>) {
    let sector = range.end - range.start;
    let covered = slice(bytes, range.start, 11 * sector).unwrap_or_default();
    let covered = covered.iter().enumerate();
    // `VolumeFlags` and `PercentInUse` change all the time.
    let stable = covered.filter(|(at, _)| !matches!(at, 106 | 107 | 112));
    let turn = |sum: u32, byte: &u8| sum.rotate_right(1).wrapping_add(u32::from(*byte));
    let sum = stable.fold(0, |sum, (_, byte)| turn(sum, byte));
    for at in (11 * sector..12 * sector).step_by(4) {
        put(bytes, range.start + at, &sum.to_le_bytes());
    }
}

/// The sum of the set of entries in `range`.
fn seal_set(bytes: &mut [u8], range: &Range<u64>) {
    let set = slice(bytes, range.start, range.end - range.start).unwrap_or_default();
    let covered = set
        .iter()
        .enumerate()
        .filter(|(at, _)| !matches!(at, 2 | 3));
    let turn = |sum: u16, byte: &u8| sum.rotate_right(1).wrapping_add(u16::from(*byte));
    let sum = covered.fold(0, |sum, (_, byte)| turn(sum, byte));
    put(bytes, range.start + 2, &sum.to_le_bytes());
}

fn structure(name: &str, range: Range<u64>, parent: Option<u64>, row: &[(&str, u64)]) -> Structure {
    Structure {
        name: name.to_owned(),
        file: 0,
        fields: Field::row(range.start, Order::Little, row),
        range,
        parent,
    }
}

struct Image<'a> {
    bytes: &'a [u8],
    sector: u64,
    cluster_size: u64,
}

impl<'a> Image<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let sector = 1 << little(bytes, 108, 1);
        Self {
            bytes,
            sector,
            cluster_size: sector << little(bytes, 109, 1),
        }
    }

    fn le(&self, at: u64, width: u64) -> u64 {
        little(self.bytes, at, width)
    }

    fn cluster_at(&self, cluster: u64) -> u64 {
        self.le(88, 4) * self.sector + (cluster - 2) * self.cluster_size
    }

    /// The directory that begins at `cluster`: `size` bytes in a row, or as its chain says.
    fn directory(&self, cluster: u64, size: Option<u64>, parent: u64, into: &mut Vec<Structure>) {
        let (mut slots, mut at) = (Vec::new(), cluster);
        match size {
            Some(size) => slots.extend((0..size).step_by(32).map(|it| self.cluster_at(at) + it)),
            None => {
                while (2..0xffff_fff0).contains(&at) && slots.len() < 2000 {
                    let start = self.cluster_at(at);
                    slots.extend((start..start + self.cluster_size).step_by(32));
                    at = self.le(self.le(80, 4) * self.sector + at * 4, 4);
                }
            }
        }
        for at in slots {
            match self.le(at, 1) {
                0 => return,
                0x81 => into.push(structure("bitmap", at..at + 32, Some(parent), BITMAP)),
                0x82 => into.push(structure(
                    "up-case table",
                    at..at + 32,
                    Some(parent),
                    UPCASE,
                )),
                0x85 => self.set(at, parent, into),
                _ => {}
            }
        }
    }

    /// The file whose entries begin at `at`; none of them lies in another cluster's chain.
    fn set(&self, at: u64, parent: u64, into: &mut Vec<Structure>) {
        let end = at + 32 + self.le(at + 1, 1) * 32;
        let name = format!("entry set {at}");
        let mut set = structure(&name, at..end, Some(parent), FILE);
        for entry in (at + 32..end).step_by(32) {
            let row = if entry == at + 32 { STREAM } else { NAME };
            set.fields.extend(Field::row(entry, Order::Little, row));
        }
        into.push(set);
        if self.le(at + 4, 2) & 0x10 != 0 {
            let (flags, size) = (self.le(at + 33, 1), self.le(at + 32 + 24, 8));
            let size = (flags & 2 != 0).then_some(size);
            self.directory(self.le(at + 32 + 20, 4), size, at, into);
        }
    }
}
