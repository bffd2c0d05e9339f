//! LVM2: labels, metadata areas and their texts, thin pools.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

/// The label and the physical volume behind it.
const LABEL: &[(&str, u64)] = &[
    ("id", 8),
    ("sector_xl", 8),
    ("crc_xl", 4),
    ("offset_xl", 4),
    ("type", 8),
    ("pv_uuid", 8),
    ("", 24),
    ("device_size_xl", 8),
    ("data offset", 8),
    ("data size", 8),
    ("data end offset", 8),
    ("data end size", 8),
    ("area offset", 8),
    ("area size", 8),
    ("second area offset", 8),
    ("second area size", 8),
];

const AREA: &[(&str, u64)] = &[
    ("checksum_xl", 4),
    ("magic", 8),
    ("", 8),
    ("version", 4),
    ("start", 8),
    ("size", 8),
    ("text offset", 8),
    ("text size", 8),
    ("text checksum", 4),
    ("text flags", 4),
    ("next offset", 8),
    ("next size", 8),
];

pub struct Lvm;

impl Family for Lvm {
    fn name(&self) -> &'static str {
        "lvm"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let collected = |name: &str| {
            let bytes = tools::collected(images, &format!("volume/lvm/{name}.xz"))?;
            Some(Seed::alone(name, bytes))
        };
        let mirror = || {
            let of = |number| {
                tools::collected(images, &format!("volume/lvm/lvm-mirror-{number}.bin.xz"))
            };
            Some(Seed {
                name: "mirror".to_owned(),
                files: vec![
                    ("one.img".to_owned(), of(1)?),
                    ("+two.img".to_owned(), of(2)?),
                ],
                key: None,
            })
        };
        let seeds = [
            own(),
            collected("lvm.bin"),
            mirror(),
            collected("lvm-thin.bin"),
        ];
        seeds.into_iter().flatten().collect()
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
        for structure in all.iter().filter(|it| it.file == touched.0) {
            let start = structure.range.start;
            let is_spared = |at: u64| !touched.1.contains(&at);
            if structure.name.starts_with("label") && is_spared(start + 16) {
                sum_of(bytes, start + 20, 492, start + 16);
            }
            if structure.name.starts_with("area") {
                let (text, len) = (little(bytes, start + 40, 8), little(bytes, start + 48, 8));
                if is_spared(start + 56) && len <= 1 << 20 {
                    sum_of(bytes, start.saturating_add(text), len, start + 56);
                }
                if is_spared(start) {
                    sum_of(bytes, start + 4, 508, start);
                }
            }
        }
    }
}

/// Puts the checksum of `len` bytes at `start` to `at`: a CRC-32 with a beginning of its own, which is
/// not inverted in the end.
fn sum_of(bytes: &mut [u8], start: u64, len: u64, at: u64) {
    if let Some(covered) = slice(bytes, start, len) {
        let mut hasher = crc32fast::Hasher::new_with_initial(!0xf597_a6cf);
        hasher.update(covered);
        put(bytes, at, &(!hasher.finalize()).to_le_bytes());
    }
}

fn of_disk(file: usize, bytes: &[u8], found: &mut Vec<Structure>) {
    let mut add = |name: String, range: Range<u64>, parent: u64, fields: Vec<Field>| {
        found.push(Structure {
            name,
            file,
            range,
            parent: Some(parent),
            fields,
        });
    };
    let mut labels = (0..4).map(|sector| sector * 512);
    let Some(label) = labels.find(|at| slice(bytes, *at, 8) == Some(b"LABELONE")) else {
        return;
    };
    add(
        format!("label {label}"),
        label..label + 512,
        0,
        Field::row(label, Order::Little, LABEL),
    );
    let area = little(bytes, label + 104, 8);
    add(
        format!("area {area}"),
        area..area + 512,
        label,
        Field::row(area, Order::Little, AREA),
    );
    let (text, len) = (
        area + little(bytes, area + 40, 8),
        little(bytes, area + 48, 8),
    );
    let is_start = |at: &u64| {
        let near = slice(bytes, at - 1, 2).unwrap_or_default();
        matches!(near, [before, here] if matches!(here, b'"' | b'{' | b'[' | b'=' | b']' | b'}')
            || here.is_ascii_digit() && !before.is_ascii_alphanumeric())
    };
    let places = (text..text + len).filter(is_start);
    let fields = places.map(|at| Field::new(format!("byte {}", at - text), at, 1, Order::Little));
    add(
        format!("text {text}"),
        text..text + len,
        area,
        fields.collect(),
    );
}

/// The group that the tests have, of LVM2's own making, with an ext4 in it.
fn own() -> Option<Seed> {
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/volume/lvm/vg0.img.gz");
    let workshop = Workshop::new("lvm: vg0.img")?;
    let image = workshop.run(&format!("gzip -dc {packed}"))?;
    Some(Seed::alone("vg0.img", image))
}
