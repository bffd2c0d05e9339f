//! VDI: those that grow and those of fixed size.

use std::ops::Range;
use std::path::Path;

use crate::bytes::little;
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools;

const PREHEADER: &[(&str, u64)] = &[("signature", 4), ("version", 4), ("header_size", 4)];

/// The header of version 1.1, from byte 72 on.
const HEADER: &[(&str, u64)] = &[
    ("header_size", 4),
    ("image_type", 4),
    ("image_flags", 4),
    ("", 256),
    ("offset_blocks", 4),
    ("offset_data", 4),
    ("cylinders", 4),
    ("heads", 4),
    ("sectors", 4),
    ("sector_size", 4),
    ("unused", 4),
    ("disk_size", 8),
    ("block_size", 4),
    ("block_extra", 4),
    ("blocks_in_image", 4),
    ("blocks_allocated", 4),
    ("uuid_image", 8),
    ("", 8),
    ("uuid_snapshot", 8),
    ("", 8),
    ("uuid_link", 8),
    ("", 8),
    ("uuid_parent", 8),
    ("", 8),
];

pub struct Vdi;

impl Family for Vdi {
    fn name(&self) -> &'static str {
        "vdi"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let one = |name: &str, options: &str| {
            let image = tools::converted(&format!("vdi: {name}"), "vdi", options)?;
            Some(Seed::alone(name, image))
        };
        let seeds = [one("growing.vdi", ""), one("fixed.vdi", "-o static=on")];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let structure = |name: &str, start: u64, row: &[(&str, u64)]| Structure {
            name: name.to_owned(),
            file: 0,
            range: start..start + row.iter().map(|(_, width)| width).sum::<u64>(),
            parent: Some(72),
            fields: Field::row(start, Order::Little, row),
        };
        let map = little(&seed.files[0].1, 72 + 268, 4);
        let row = [
            ("block", 4),
            ("next block", 4),
            ("third block", 4),
            ("fourth block", 4),
        ];
        vec![
            structure("preheader", 64, PREHEADER),
            structure("header", 72, HEADER),
            structure("block map", map, &row),
        ]
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}
