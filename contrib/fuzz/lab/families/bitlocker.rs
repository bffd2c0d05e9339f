//! BitLocker: boot sectors and the metadata in three copies, with the sums and the sealed hash.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};

/// Volumes as the tests make them, who use more of it.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../../../tests/volume/bitlocker/made.rs"]
mod made;

/// The same for what a volume keeps that encrypts on write.
#[allow(dead_code)]
#[path = "../../../../tests/volume/bitlocker/on_write.rs"]
mod on_write;

use made::{COPIES, Made};
use on_write::{BITMAPS, LOG_RECORDS, LOGS, OnWrite, RECORD};

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

/// What leads to the bitmaps.
const LEADS: &[(&str, u64)] = &[
    ("signature", 8),
    ("header size", 2),
    ("size", 2),
    ("sector size", 4),
    ("", 4),
    ("chunk size", 4),
    ("log size", 4),
    ("", 4),
    ("regions", 4),
    ("sum", 4),
    ("copy 0", 8),
    ("copy 1", 8),
    ("bitmap 0", 8),
    ("bitmap 1", 8),
];

const BITMAP: &[(&str, u64)] = &[
    ("signature", 8),
    ("", 2),
    ("header size", 2),
    ("size", 4),
    ("number", 4),
    ("region", 8),
    ("region size", 8),
    ("log", 8),
    ("record 0", 4),
    ("record 1", 4),
    ("record size", 4),
    ("sum", 4),
];

const BITS: &[(&str, u64)] = &[
    ("signature", 8),
    ("", 2),
    ("header size", 2),
    ("size", 4),
    ("chunks", 4),
    ("sequence", 8),
    ("flags", 4),
    ("sum", 4),
    ("bits", 8),
];

const LOG: &[(&str, u64)] = &[
    ("signature", 8),
    ("header size", 2),
    ("version", 2),
    ("records", 2),
    ("sector size", 4),
    ("volume size", 8),
    ("chunk size", 4),
    ("record size", 4),
];

const LOGGED: &[(&str, u64)] = &[
    ("header size", 2),
    ("version", 2),
    ("sequence", 8),
    ("offset", 8),
    ("length", 4),
    ("data sum", 4),
    ("sum", 4),
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
        let on_write = Made {
            on_write: Some(OnWrite {
                encrypted: [true, false, true, true],
                ..OnWrite::default()
            }),
            ..seven.clone()
        };
        let all = [
            ("on-write.img", on_write),
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
            ("on write 0", 8),
            ("on write 1", 8),
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
        if seed.name.starts_with("on-write") {
            for at in on_write::COPIES {
                add(format!("leads {at:#x}"), at, 160, LEADS);
            }
            for (at, log) in BITMAPS.into_iter().zip(LOGS) {
                add(format!("bitmap {at:#x}"), at, on_write::COPIES[0], BITMAP);
                add(format!("log {log:#x}"), log, at, LOG);
                for record in [RECORD, RECORD + 128] {
                    add(format!("record {:#x}", at + record), at + record, at, BITS);
                }
                for record in LOG_RECORDS.map(|it| it as u64) {
                    add(
                        format!("logged {:#x}", log + record),
                        log + record,
                        log,
                        LOGGED,
                    );
                }
            }
        }
        found
    }

    /// The sum and the sealed hash behind each copy, and the sums of what encrypts on write.
    fn seal(&self, files: &mut [Vec<u8>], _: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        // Where there is none, what lies there is left alone.
        let has_bitmaps = slice(bytes, on_write::COPIES[1], 7) == Some(&b"FVE-EOW"[..]);
        for (at, len, field) in sums().into_iter().filter(|_| has_bitmaps) {
            if touched.1.start >= at + len || at >= touched.1.end {
                continue;
            }
            // A record of a log covers what is before its sum, all others themselves with it as 0.
            let is_log = field + 4 == len;
            let mut covered = slice(bytes, at, len).unwrap_or_default().to_vec();
            match is_log {
                true => covered.truncate(field as usize),
                false => covered[field as usize..][..4].fill(0),
            }
            put(bytes, at + field, &crc32fast::hash(&covered).to_le_bytes());
        }
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

/// First byte and length of all that has a checksum, and where in it that is.
fn sums() -> Vec<(u64, u64, u64)> {
    let copies = on_write::COPIES.map(|at| (at, 72, 36));
    let heads = BITMAPS.map(|at| (at, RECORD, 56));
    let records = BITMAPS.map(|at| [RECORD, RECORD + 128].map(|record| (at + record, 44, 32)));
    let logs = LOGS.map(|at| LOG_RECORDS.map(|record| (at + record as u64, 32, 28)));
    let all = copies.into_iter().chain(heads);
    all.chain(records.into_iter().chain(logs).flatten())
        .collect()
}
