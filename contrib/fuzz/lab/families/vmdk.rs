//! VMDK: sparse extents, packed streams, descriptors beside their extents.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

/// `SparseExtentHeader` of the Virtual Disk Format 5.0.
const HEADER: &[(&str, u64)] = &[
    ("magicNumber", 4),
    ("version", 4),
    ("flags", 4),
    ("capacity", 8),
    ("grainSize", 8),
    ("descriptorOffset", 8),
    ("descriptorSize", 8),
    ("numGTEsPerGT", 4),
    ("rgdOffset", 8),
    ("gdOffset", 8),
    ("overHead", 8),
    ("uncleanShutdown", 1),
    ("singleEndLineChar", 1),
    ("nonEndLineChar", 1),
    ("doubleEndLineChar1", 1),
    ("doubleEndLineChar2", 1),
    ("compressAlgorithm", 2),
];

const MARKER: &[(&str, u64)] = &[("val", 8), ("size", 4), ("type or data", 4)];

const SECTOR: u64 = 512;

pub struct Vmdk;

impl Family for Vmdk {
    fn name(&self) -> &'static str {
        "vmdk"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let made = |name: &str, options: &str| {
            let image = tools::converted(&format!("vmdk: {name}"), "vmdk", options)?;
            Some(Seed::alone(name, image))
        };
        let seeds = [
            made("sparse.vmdk", "-o subformat=monolithicSparse"),
            made("stream.vmdk", "-o subformat=streamOptimized"),
            of_several("flat", "monolithicFlat"),
            of_several("two", "twoGbMaxExtentSparse"),
            over_another(),
        ];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let mut found = Vec::new();
        for (file, (_, bytes)) in seed.files.iter().enumerate() {
            if bytes.starts_with(b"KDMV") {
                sparse(file, bytes, &mut found);
            } else if bytes.starts_with(b"# Disk") {
                found.push(text(file, bytes, 0..bytes.len() as u64));
            }
        }
        found
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}

fn structure(name: String, file: usize, start: u64, parent: u64, row: &[(&str, u64)]) -> Structure {
    Structure {
        name,
        file,
        range: start..start + row.iter().map(|(_, width)| width).sum::<u64>(),
        parent: Some(parent),
        fields: Field::row(start, Order::Little, row),
    }
}

fn sparse(file: usize, bytes: &[u8], found: &mut Vec<Structure>) {
    found.push(structure("header first".to_owned(), file, 0, 0, HEADER));
    let footer = bytes.len() as u64 - 2 * SECTOR;
    let mut header = 0;
    if slice(bytes, footer, 4) == Some(b"KDMV") {
        header = footer;
        found.push(structure("header last".to_owned(), file, footer, 0, HEADER));
        for (number, start) in [footer - SECTOR, footer + SECTOR].into_iter().enumerate() {
            found.push(structure(
                format!("end marker {number}"),
                file,
                start,
                0,
                MARKER,
            ));
        }
        let first = little(bytes, 64, 8) * SECTOR;
        found.push(structure(
            "grain marker 0".to_owned(),
            file,
            first,
            0,
            MARKER,
        ));
    }
    for (kind, at) in [("directory", 56), ("copy", 48)] {
        let directory = little(bytes, header + at, 8).saturating_mul(SECTOR);
        if directory == 0 || directory >= bytes.len() as u64 {
            continue;
        }
        let entry = [("table", 4)];
        found.push(structure(
            format!("{kind} 0"),
            file,
            directory,
            header,
            &entry,
        ));
        let table = little(bytes, directory, 4) * SECTOR;
        for grain in 0..8 {
            let (start, name) = (table + grain * 4, format!("{kind} grain {grain}"));
            found.push(structure(name, file, start, directory, &[("sector", 4)]));
        }
    }
    let (start, len) = (little(bytes, 28, 8) * SECTOR, little(bytes, 36, 8) * SECTOR);
    if len > 0 {
        found.push(text(file, bytes, start..start + len));
    }
}

/// A descriptor, byte by byte where its words and numbers begin.
fn text(file: usize, bytes: &[u8], range: Range<u64>) -> Structure {
    let written = slice(bytes, range.start, range.end - range.start).unwrap_or_default();
    let len = written
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(written.len());
    let is_start = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| written.get(before));
        let is_word = |byte: u8| byte.is_ascii_alphanumeric();
        is_word(written[*at]) != before.is_some_and(|byte| is_word(*byte))
    };
    let places = (0..len).filter(is_start);
    let field = |at: usize| {
        Field::new(
            format!("byte {at}"),
            range.start + at as u64,
            1,
            Order::Little,
        )
    };
    Structure {
        name: format!("descriptor {file}"),
        file,
        range: range.clone(),
        parent: Some(0),
        fields: places.map(field).collect(),
    }
}

/// A descriptor with its extents beside it.
fn of_several(name: &str, subformat: &str) -> Option<Seed> {
    let what = format!("vmdk: {name}");
    let workshop = Workshop::new(&what)?;
    workshop.write("raw", &tools::inner(&what, 256 << 10)?)?;
    let convert = "qemu-img convert -f raw -O vmdk -o subformat=";
    workshop.run(&format!("{convert}{subformat} raw {name}.vmdk"))?;
    let extent = ["-flat", "-s001"].map(|ending| format!("{name}{ending}.vmdk"));
    let extent = extent
        .into_iter()
        .find(|file| workshop.path(file).exists())?;
    let first = format!("{name}.vmdk");
    let files = vec![
        (first.clone(), workshop.read(&first)?),
        (extent.clone(), workshop.read(&extent)?),
    ];
    Some(Seed {
        name: first,
        files,
        key: None,
    })
}

fn over_another() -> Option<Seed> {
    let what = "vmdk: over.vmdk";
    let workshop = Workshop::new(what)?;
    workshop.write("base.vmdk", &tools::converted(what, "vmdk", "")?)?;
    workshop.run("qemu-img create -q -f vmdk -F vmdk -b base.vmdk over.vmdk")?;
    let file = |name: &str| Some((name.to_owned(), workshop.read(name)?));
    Some(Seed {
        name: "over.vmdk".to_owned(),
        files: vec![file("over.vmdk")?, file("base.vmdk")?],
        key: None,
    })
}
