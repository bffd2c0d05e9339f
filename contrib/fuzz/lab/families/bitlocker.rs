//! BitLocker: boot sectors and the metadata in three copies, with the sums and the sealed hash.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};

/// Volumes as the tests make them, who use more of it.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../../../tests/volume/bitlocker/made.rs"]
mod made;

use made::{COPIES, Made};

/// A copy of the metadata: its head, and that of the dataset.
const METADATA: &[(&str, u64)] = &[
    ("signature", 8),
    ("size", 2),
    ("version", 2),
    ("current state", 2),
    ("next state", 2),
    ("state offset", 8),
    ("state size", 4),
    ("moved sectors", 4),
    ("copy 0", 8),
    ("copy 1", 8),
    ("copy 2", 8),
    ("boot sectors", 8),
    ("dataset size", 4),
    ("dataset version", 4),
    ("dataset start", 4),
    ("dataset end", 4),
    ("dataset id", 8),
    ("", 8),
    ("next nonce", 4),
    ("method", 2),
    ("method copy", 2),
    ("time", 8),
];

const DATUM: &[(&str, u64)] = &[
    ("size", 2),
    ("role", 2),
    ("kind", 2),
    ("version", 2),
    ("word 0", 4),
    ("word 4", 4),
    ("word 8", 8),
    ("word 16", 8),
];

pub struct BitLocker;

impl Family for BitLocker {
    fn name(&self) -> &'static str {
        "bitlocker"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let seven = Made::default();
        let to_go = Made {
            to_go: true,
            ..seven.clone()
        };
        let vista = Made {
            vista: true,
            method: 0x8000,
            ..seven.clone()
        };
        let large = Made {
            sector: 4096,
            method: 0x8005,
            ..seven.clone()
        };
        let paused = Made {
            state: (2, 0x30000, 0),
            ..seven.clone()
        };
        let all = [
            ("seven.img", seven),
            ("to-go.img", to_go),
            ("vista.img", vista),
            ("large.img", large),
            ("paused.img", paused),
        ];
        let seed = |(name, made): (&str, Made)| Seed::alone(name, made.disk());
        all.into_iter().map(seed).collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        let mut found = Vec::new();
        let mut add = |name: String, start: u64, parent: u64, row: &[(&str, u64)]| {
            found.push(Structure {
                name,
                file: 0,
                range: start..start + row.iter().map(|(_, width)| width).sum::<u64>(),
                parent: Some(parent),
                fields: Field::row(start, Order::Little, row),
            });
        };
        let boot = [
            ("", 11),
            ("bytes per sector", 2),
            ("sectors per cluster", 1),
            ("", 42),
            ("place", 8),
        ];
        add("boot sector".to_owned(), 0, 0, &boot);
        let places = [
            ("id", 8),
            ("", 8),
            ("copy 0", 8),
            ("copy 1", 8),
            ("copy 2", 8),
        ];
        for at in [160, 424] {
            add(format!("places {at}"), at, 0, &places);
        }
        for (number, copy) in COPIES.into_iter().enumerate() {
            add(format!("metadata {number}"), copy, 0, METADATA);
            let end = copy + 64 + little(bytes, copy + 64, 4);
            let mut at = copy + 112;
            for datum in 0..12 {
                let len = little(bytes, at, 2);
                if len < 8 || at + len > end {
                    break;
                }
                add(format!("datum {datum}"), at, copy, DATUM);
                // What is in a protector, behind what it says of itself.
                if little(bytes, at + 4, 2) == 8 {
                    add(format!("property {datum}"), at + 36, at, DATUM);
                }
                at += len;
            }
        }
        found
    }

    /// The sum and the sealed hash behind each copy.
    fn seal(&self, files: &mut [Vec<u8>], _: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        for copy in COPIES {
            let unit = if little(bytes, copy + 10, 2) == 1 {
                1
            } else {
                16
            };
            let size = little(bytes, copy + 8, 2) * unit;
            let is_covered = touched.1.start < copy + size && copy < touched.1.end;
            let Some(covered) = slice(bytes, copy, size).filter(|it| is_covered && it.len() > 64)
            else {
                continue;
            };
            let mut sealed = covered.to_vec();
            made::seal(&mut sealed);
            put(bytes, copy + size, &sealed[size as usize..]);
        }
    }
}
