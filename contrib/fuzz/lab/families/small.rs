//! Images whose structures are few: QED, Parallels, the first QCOW, Android's sparse ones, and disks
//! in parts.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{big, little};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

const QED: &[(&str, u64)] = &[
    ("magic", 4),
    ("cluster_size", 4),
    ("table_size", 4),
    ("header_size", 4),
    ("features", 8),
    ("compat_features", 8),
    ("autoclear_features", 8),
    ("l1_table_offset", 8),
    ("image_size", 8),
    ("backing_filename_offset", 4),
    ("backing_filename_size", 4),
];

const PARALLELS: &[(&str, u64)] = &[
    ("magic", 8),
    ("", 8),
    ("version", 4),
    ("heads", 4),
    ("cylinders", 4),
    ("tracks", 4),
    ("bat_entries", 4),
    ("nb_sectors", 8),
    ("inuse", 4),
    ("data_off", 4),
    ("flags", 4),
    ("ext_off", 8),
    ("bat 0", 4),
    ("bat 1", 4),
];

const QCOW: &[(&str, u64)] = &[
    ("magic", 4),
    ("version", 4),
    ("backing_file_offset", 8),
    ("backing_file_size", 4),
    ("mtime", 4),
    ("size", 8),
    ("cluster_bits", 1),
    ("l2_bits", 1),
    ("", 2),
    ("crypt_method", 4),
    ("l1_table_offset", 8),
];

const ANDROID: &[(&str, u64)] = &[
    ("magic", 4),
    ("major_version", 2),
    ("minor_version", 2),
    ("file_hdr_sz", 2),
    ("chunk_hdr_sz", 2),
    ("blk_sz", 4),
    ("total_blks", 4),
    ("total_chunks", 4),
    ("image_checksum", 4),
];

const CHUNK: &[(&str, u64)] = &[
    ("chunk_type", 2),
    ("reserved", 2),
    ("chunk_sz", 4),
    ("total_sz", 4),
    ("data", 4),
];

pub struct Small;

impl Family for Small {
    fn name(&self) -> &'static str {
        "small"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let one = |name: &str, format: &str, options: &str| {
            let image = tools::converted(&format!("small: {name}"), format, options)?;
            Some(Seed::alone(name, image))
        };
        let seeds = [
            one("disk.qed", "qed", "-o cluster_size=4k,table_size=2"),
            one("disk.hds", "parallels", "-o cluster_size=64k"),
            one("disk.qcow", "qcow", ""),
            collected(images, "container/qcow/tsk-image.qcow"),
            android(),
            parts(),
        ];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        match bytes.get(..4).unwrap_or_default() {
            b"QED\0" => {
                let table = little(bytes, 40, 8);
                let second = little(bytes, table, 8);
                vec![
                    structure("header", 0, 0, Order::Little, QED),
                    entries("L1 table", table, 0, Order::Little, 8),
                    entries("L2 table", second, table, Order::Little, 8),
                ]
            }
            b"QFI\xfb" => {
                let table = big(bytes, 40, 8);
                let second = big(bytes, table, 8);
                vec![
                    structure("header", 0, 0, Order::Big, QCOW),
                    entries("L1 table", table, 0, Order::Big, 8),
                    entries("L2 table", second, table, Order::Big, 8),
                ]
            }
            b"With" => vec![structure("header", 0, 0, Order::Little, PARALLELS)],
            b"\x3a\xff\x26\xed" => sparse(bytes),
            _ => Vec::new(),
        }
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}

fn structure(name: &str, start: u64, parent: u64, order: Order, row: &[(&str, u64)]) -> Structure {
    Structure {
        name: name.to_owned(),
        file: 0,
        range: start..start + row.iter().map(|(_, width)| width).sum::<u64>(),
        parent: Some(parent),
        fields: Field::row(start, order, row),
    }
}

/// The first entries of a table.
fn entries(name: &str, start: u64, parent: u64, order: Order, width: u64) -> Structure {
    let names: Vec<String> = (0..16).map(|entry| format!("entry {entry}")).collect();
    let row: Vec<_> = names.iter().map(|name| (name.as_str(), width)).collect();
    structure(name, start, parent, order, &row)
}

/// Each chunk's header, one behind the other.
fn sparse(bytes: &[u8]) -> Vec<Structure> {
    let mut found = vec![structure("header", 0, 0, Order::Little, ANDROID)];
    let mut at = little(bytes, 8, 2);
    for chunk in 0..little(bytes, 20, 4).min(20) {
        found.push(structure(
            &format!("chunk {chunk}"),
            at,
            0,
            Order::Little,
            CHUNK,
        ));
        at += little(bytes, at + 8, 4);
    }
    found
}

fn collected(images: Option<&Path>, path: &str) -> Option<Seed> {
    let name = path.rsplit('/').next()?;
    let bytes = tools::collected(images, &format!("{path}.xz"))?;
    Some(Seed::alone(name, bytes))
}

fn android() -> Option<Seed> {
    let workshop = Workshop::new("small: disk.simg")?;
    let mut raw = tools::inner("small: disk.simg", 256 << 10)?;
    raw.extend([0; 64 << 10]);
    raw.extend([0x5a; 64 << 10]);
    workshop.write("raw", &raw)?;
    workshop.run("img2simg raw disk.simg 4096")?;
    Some(Seed::alone("disk.simg", workshop.read("disk.simg")?))
}

/// A disk in three parts.
fn parts() -> Option<Seed> {
    let raw = tools::inner("small: disk.001", 256 << 10)?;
    let parts = raw.chunks(100 << 10).enumerate();
    let name = |number: usize| format!("disk.{:03}", number + 1);
    Some(Seed {
        name: name(0),
        files: parts
            .map(|(number, part)| (name(number), part.to_vec()))
            .collect(),
        key: None,
    })
}
