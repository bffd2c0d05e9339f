//! LDM: private headers, tables of contents, and the database, of one disk and of three.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};

/// Disks as the tests make them, who use more of it.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../../../tests/volume/ldm/made.rs"]
mod made;

const SECTOR: u64 = 512;

const PRIVHEAD: &[(&str, u64)] = &[
    ("magic", 8),
    ("checksum", 4),
    ("version major", 2),
    ("version minor", 2),
    ("time", 8),
    ("sequence", 8),
    ("copy 1", 8),
    ("copy 2", 8),
    ("disk id", 8),
    ("", 184),
    ("group name", 8),
    ("", 23),
    ("sector size", 4),
    ("flags", 8),
    ("public start", 8),
    ("public size", 8),
    ("private start", 8),
    ("private size", 8),
    ("contents 1", 8),
    ("contents 2", 8),
];

const CONTENTS: &[(&str, u64)] = &[
    ("magic", 8),
    ("checksum", 4),
    ("sequence", 8),
    ("", 16),
    ("name 1", 8),
    ("", 2),
    ("start 1", 8),
    ("size 1", 8),
    ("flags 1", 8),
    ("name 2", 8),
    ("", 2),
    ("start 2", 8),
    ("size 2", 8),
];

const DATABASE: &[(&str, u64)] = &[
    ("magic", 4),
    ("last block", 4),
    ("block size", 4),
    ("header size", 4),
    ("status", 2),
    ("major", 2),
    ("minor", 2),
    ("group name", 8),
    ("", 23),
    ("group id", 8),
    ("", 56),
    ("committed", 8),
    ("pending", 8),
    ("volumes", 4),
    ("components", 4),
    ("extents", 4),
    ("disks", 4),
];

/// A block of the database: its head, and what follows byte by byte, since numbers lie behind their
/// lengths there.
const RECORD: &[(&str, u64)] = &[
    ("magic", 4),
    ("sequence", 4),
    ("group", 4),
    ("fragment", 2),
    ("fragments", 2),
    ("status", 2),
    ("flags", 1),
    ("kind", 1),
    ("size", 4),
    ("byte 0", 1),
    ("byte 1", 1),
    ("byte 2", 1),
    ("byte 3", 1),
    ("word 4", 2),
    ("word 6", 4),
    ("byte 10", 1),
    ("byte 11", 1),
    ("word 12", 8),
    ("word 20", 8),
    ("word 28", 8),
    ("word 36", 8),
    ("word 44", 8),
    ("word 52", 4),
    ("word 56", 4),
    ("word 60", 8),
];

pub struct Ldm;

impl Family for Ldm {
    fn name(&self) -> &'static str {
        "ldm"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let alone = made::Group::alone().disk(1);
        let disks = made::Group::three().disks();
        let disks = disks.into_iter().enumerate();
        let file = |(number, bytes): (usize, Vec<u8>)| {
            let plus = if number > 0 { "+" } else { "" };
            (format!("{plus}three-{number}.img"), bytes)
        };
        let three = Seed {
            name: "three".to_owned(),
            files: disks.map(file).collect(),
            key: None,
        };
        vec![Seed::alone("alone.img", alone), three]
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let mut found = Vec::new();
        for (file, (_, bytes)) in seed.files.iter().enumerate() {
            of_disk(file, bytes, &mut found);
        }
        found
    }

    fn seal(&self, files: &mut [Vec<u8>], all: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        let has_sum =
            |it: &&Structure| it.name.starts_with("header") || it.name.starts_with("contents");
        for structure in all.iter().filter(|it| it.file == touched.0).filter(has_sum) {
            let start = structure.range.start;
            if !touched.1.contains(&(start + 8)) {
                put(bytes, start + 8, &[0; 4]);
                let block = slice(bytes, start, SECTOR).unwrap_or_default();
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                put(bytes, start + 8, &sum.to_be_bytes());
            }
        }
    }
}

fn of_disk(file: usize, bytes: &[u8], found: &mut Vec<Structure>) {
    let private = made::private();
    let mut add = |name: String, start: u64, len: u64, row: &[(&str, u64)]| {
        found.push(Structure {
            name,
            file,
            range: start..start + len,
            parent: Some(private * SECTOR),
            fields: Field::row(start, Order::Big, row),
        });
    };
    let copies = made::HEADERS.map(|sector| private + sector);
    for (number, sector) in [6, copies[0], copies[1]].into_iter().enumerate() {
        add(
            format!("header {number}"),
            sector * SECTOR,
            SECTOR,
            PRIVHEAD,
        );
    }
    for (number, sector) in made::CONTENTS.into_iter().enumerate() {
        add(
            format!("contents {number}"),
            (private + sector) * SECTOR,
            SECTOR,
            CONTENTS,
        );
    }
    let database = (private + made::CONFIG) * SECTOR;
    add("database".to_owned(), database, SECTOR, DATABASE);
    for block in 4..100 {
        let start = database + block * 128;
        if slice(bytes, start, 4) == Some(b"VBLK") && crate::bytes::big(bytes, start + 8, 4) > 0 {
            add(format!("record {block}"), start, 128, RECORD);
        }
    }
}
