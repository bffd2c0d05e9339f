//! VHD: the footer at the end and its copy, the header of those that grow, and the block table.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{big, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

/// Hard disk footer, Virtual Hard Disk Image Format Specification 1.0.
const FOOTER: &[(&str, u64)] = &[
    ("Cookie", 8),
    ("Features", 4),
    ("FileFormatVersion", 4),
    ("DataOffset", 8),
    ("TimeStamp", 4),
    ("CreatorApplication", 4),
    ("CreatorVersion", 4),
    ("CreatorHostOS", 4),
    ("OriginalSize", 8),
    ("CurrentSize", 8),
    ("Cylinder", 2),
    ("Heads", 1),
    ("SectorsPerTrack", 1),
    ("DiskType", 4),
    ("Checksum", 4),
    ("", 16),
    ("SavedState", 1),
];

/// Dynamic disk header.
const HEADER: &[(&str, u64)] = &[
    ("Cookie", 8),
    ("DataOffset", 8),
    ("TableOffset", 8),
    ("HeaderVersion", 4),
    ("MaxTableEntries", 4),
    ("BlockSize", 4),
    ("Checksum", 4),
    ("", 16),
    ("ParentTimeStamp", 4),
    ("Reserved", 4),
    ("ParentUnicodeName", 2),
];

const LOCATOR: &[(&str, u64)] = &[
    ("PlatformCode", 4),
    ("PlatformDataSpace", 4),
    ("PlatformDataLength", 4),
    ("Reserved", 4),
    ("PlatformDataOffset", 8),
];

pub struct Vhd;

impl Family for Vhd {
    fn name(&self) -> &'static str {
        "vhd"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let seeds = [
            made("fixed.vhd", "subformat=fixed,force_size=on"),
            made("dynamic.vhd", "subformat=dynamic,force_size=on"),
            differencing(images),
        ];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let files = seed.files.iter().enumerate();
        files
            .flat_map(|(file, (_, bytes))| of_file(file, bytes))
            .collect()
    }

    fn seal(&self, files: &mut [Vec<u8>], _: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        let footer = (bytes.len() as u64).saturating_sub(512);
        for (start, len, sum) in [(0, 512, 64), (footer, 512, 64), (512, 1024, 36)] {
            let is_there = slice(bytes, start, 8)
                .is_some_and(|cookie| cookie.starts_with(b"conectix") || cookie == b"cxsparse");
            let is_covered = touched.1.start < start + len && start < touched.1.end;
            if is_there && is_covered && !touched.1.contains(&(start + sum)) {
                put(bytes, start + sum, &[0; 4]);
                let covered = slice(bytes, start, len).unwrap_or_default();
                let total: u32 = covered.iter().map(|byte| u32::from(*byte)).sum();
                put(bytes, start + sum, &(!total).to_be_bytes());
            }
        }
    }
}

fn structure(name: &str, file: usize, start: u64, len: u64, row: &[(&str, u64)]) -> Structure {
    Structure {
        name: name.to_owned(),
        file,
        range: start..start + len,
        parent: Some(0),
        fields: Field::row(start, Order::Big, row),
    }
}

fn of_file(file: usize, bytes: &[u8]) -> Vec<Structure> {
    let last = bytes.len() as u64 - 512;
    let mut structures = vec![structure("footer last", file, last, 512, FOOTER)];
    if bytes.starts_with(b"conectix") {
        structures.push(structure("footer copy", file, 0, 512, FOOTER));
        structures.push(structure("dynamic header", file, 512, 1024, HEADER));
        for locator in 0..8 {
            let (start, name) = (512 + 576 + locator * 24, format!("locator {locator}"));
            structures.push(structure(&name, file, start, 24, LOCATOR));
        }
        let (table, entries) = (big(bytes, 512 + 16, 8), big(bytes, 512 + 28, 4).min(8));
        for entry in 0..entries {
            let (start, name) = (table + entry * 4, format!("table entry {entry}"));
            structures.push(structure(&name, file, start, 4, &[("Block", 4)]));
        }
    }
    structures
}

fn made(name: &str, options: &str) -> Option<Seed> {
    let what = format!("vhd: {name}");
    let inner = tools::inner(&what, 384 << 10)?;
    let workshop = Workshop::new(&what)?;
    workshop.write("raw", &inner)?;
    let convert = format!("qemu-img convert -f raw -O vpc -o {options} raw image");
    workshop.run(&convert)?;
    Some(Seed::alone(name, workshop.read("image")?))
}

/// One that lies on another.
fn differencing(images: Option<&Path>) -> Option<Seed> {
    let of = |name: &str| {
        let path = format!("container/vhd/{name}.xz");
        Some((name.to_owned(), tools::collected(images, &path)?))
    };
    Some(Seed {
        name: "differencing.vhd".to_owned(),
        files: vec![of("fat-differential.vhd")?, of("fat-parent.vhd")?],
        key: None,
    })
}
