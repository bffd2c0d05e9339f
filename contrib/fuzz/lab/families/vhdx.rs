//! VHDX: headers, region tables, metadata, the block table, and a log that has to be replayed.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools;

/// [MS-VHDX] 2.2.2.
const HEADER: &[(&str, u64)] = &[
    ("Signature", 4),
    ("Checksum", 4),
    ("SequenceNumber", 8),
    ("FileWriteGuid", 8),
    ("", 8),
    ("DataWriteGuid", 8),
    ("", 8),
    ("LogGuid", 8),
    ("", 8),
    ("LogVersion", 2),
    ("Version", 2),
    ("LogLength", 4),
    ("LogOffset", 8),
];

const TABLE: &[(&str, u64)] = &[
    ("Signature", 4),
    ("Checksum", 4),
    ("EntryCount", 4),
    ("Reserved", 4),
];

const REGION: &[(&str, u64)] = &[
    ("Guid", 8),
    ("", 8),
    ("FileOffset", 8),
    ("Length", 4),
    ("Required", 4),
];

const METADATA: &[(&str, u64)] = &[("Signature", 8), ("Reserved", 2), ("EntryCount", 2)];

const ITEM: &[(&str, u64)] = &[
    ("ItemId", 8),
    ("", 8),
    ("Offset", 4),
    ("Length", 4),
    ("Bits", 4),
    ("Reserved", 4),
];

const LOG_ENTRY: &[(&str, u64)] = &[
    ("Signature", 4),
    ("Checksum", 4),
    ("EntryLength", 4),
    ("Tail", 4),
    ("SequenceNumber", 8),
    ("DescriptorCount", 4),
    ("Reserved", 4),
    ("LogGuid", 8),
    ("", 8),
    ("FlushedFileOffset", 8),
    ("LastFileOffset", 8),
];

const DESCRIPTOR: &[(&str, u64)] = &[
    ("Signature", 4),
    ("Trailing", 4),
    ("Leading", 8),
    ("FileOffset", 8),
    ("SequenceNumber", 8),
];

const KIB: u64 = 1 << 10;

pub struct Vhdx;

impl Family for Vhdx {
    fn name(&self) -> &'static str {
        "vhdx"
    }

    fn seeds(&self, images: Option<&Path>) -> Vec<Seed> {
        let made = |name: &str, options: &str| {
            let image = tools::converted(&format!("vhdx: {name}"), "vhdx", options)?;
            Some(Seed::alone(name, image))
        };
        let collected = |name: &str| {
            let path = format!("container/vhdx/{name}.xz");
            Some((name.to_owned(), tools::collected(images, &path)?))
        };
        let over = || {
            Some(Seed {
                name: "differencing.vhdx".to_owned(),
                files: vec![
                    collected("fat-differential.vhdx")?,
                    collected("fat-parent.vhdx")?,
                ],
                key: None,
            })
        };
        let growing = made(
            "growing.vhdx",
            "-o subformat=dynamic,block_size=1M,log_size=1M",
        );
        let dirty = growing.as_ref().and_then(with_log);
        let fixed = made("fixed.vhdx", "-o subformat=fixed,block_size=1M,log_size=1M");
        [growing, fixed, dirty, over()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let files = seed.files.iter().enumerate();
        files
            .flat_map(|(file, (_, bytes))| of_file(file, bytes))
            .collect()
    }

    fn seal(&self, files: &mut [Vec<u8>], all: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        for structure in all.iter().filter(|it| it.file == touched.0) {
            let start = structure.range.start;
            let kind = structure.name.split(' ').next().unwrap_or_default();
            let len = match kind {
                "header" => 4 * KIB,
                "regions" => 64 * KIB,
                "log" => little(bytes, start + 8, 4),
                _ => continue,
            };
            let is_covered = touched.1.start < start + len && start < touched.1.end;
            if is_covered && !touched.1.contains(&(start + 4)) {
                sum(bytes, start, len);
            }
        }
    }
}

/// The checksum of `len` bytes at `start`, which stands behind their signature.
fn sum(bytes: &mut [u8], start: u64, len: u64) {
    put(bytes, start + 4, &[0; 4]);
    if let Some(covered) = slice(bytes, start, len) {
        let sum = crc32c::crc32c(covered);
        put(bytes, start + 4, &sum.to_le_bytes());
    }
}

fn of_file(file: usize, bytes: &[u8]) -> Vec<Structure> {
    let mut found = Vec::new();
    let mut add = |name: String, start: u64, parent: u64, row: &[(&str, u64)]| {
        found.push(Structure {
            name,
            file,
            range: start..start + row.iter().map(|(_, width)| width).sum::<u64>(),
            parent: Some(parent),
            fields: Field::row(start, Order::Little, row),
        });
    };
    for (header, regions) in [(64 * KIB, 192 * KIB), (128 * KIB, 256 * KIB)] {
        add(format!("header {header}"), header, 0, HEADER);
        add(format!("regions {regions}"), regions, header, TABLE);
        for entry in 0..little(bytes, regions + 8, 4).min(4) {
            add(
                format!("region {entry}"),
                regions + 16 + entry * 32,
                regions,
                REGION,
            );
        }
    }
    for entry in 0..2 {
        let region = 192 * KIB + 16 + entry * 32;
        let start = little(bytes, region + 16, 8);
        if slice(bytes, start, 8) == Some(b"metadata") {
            add("metadata".to_owned(), start, region, METADATA);
            for item in 0..little(bytes, start + 10, 2).min(8) {
                let at = start + 32 + item * 32;
                add(format!("item {item}"), at, start, ITEM);
                let value = start + little(bytes, at + 16, 4);
                add(format!("value {item}"), value, at, &[("value", 8)]);
                add(
                    format!("half {item}"),
                    value,
                    at,
                    &[("low", 4), ("high", 4)],
                );
            }
        } else {
            for block in 0..4 {
                add(
                    format!("block {block}"),
                    start + block * 8,
                    region,
                    &[("entry", 8)],
                );
            }
        }
    }
    let log = little(bytes, 64 * KIB + 72, 8).max(little(bytes, 128 * KIB + 72, 8));
    if slice(bytes, log, 4) == Some(b"loge") {
        // What is left of an old log has no checksum to keep.
        let len = little(bytes, log + 8, 4);
        let mut sealed = slice(bytes, log, len).unwrap_or_default().to_vec();
        sum(&mut sealed, 0, len);
        let is_valid = slice(bytes, log, len) == Some(&sealed);
        let kind = if is_valid { "log" } else { "old" };
        add(format!("{kind} {log}"), log, 64 * KIB, LOG_ENTRY);
        for descriptor in 0..little(bytes, log + 24, 4).min(4) {
            add(
                format!("descriptor {descriptor}"),
                log + 64 + descriptor * 32,
                log,
                DESCRIPTOR,
            );
        }
        let data = [("Signature", 4), ("SequenceHigh", 4)];
        add("data sector".to_owned(), log + 4096, log, &data);
        add(
            "data sector end".to_owned(),
            log + 8188,
            log,
            &[("SequenceLow", 4)],
        );
    }
    found
}

/// `sound` with an entry in its log: a sector to be written over, and one to be filled with zeros.
fn with_log(sound: &Seed) -> Option<Seed> {
    let mut bytes = sound.files.first()?.1.clone();
    let newest = [64 * KIB, 128 * KIB];
    let newest = newest
        .into_iter()
        .max_by_key(|at| little(&bytes, at + 8, 8))?;
    let log = little(&bytes, newest + 72, 8);
    let guid = *b"a log of its own";
    put(&mut bytes, newest + 48, &guid);
    sum(&mut bytes, newest, 4 * KIB);
    let size = bytes.len() as u64;
    let place = size - 256 * KIB;
    let old = slice(&bytes, place, 4 * KIB)?.to_vec();
    let mut entry = vec![0; 8 * KIB as usize];
    put(&mut entry, 0, b"loge");
    let numbers = [
        (8, 8 * KIB, 4),
        (16, 7, 8),
        (24, 2, 4),
        (48, size, 8),
        (56, size, 8),
    ];
    for (at, number, width) in numbers {
        put(&mut entry, at, &u64::to_le_bytes(number)[..width]);
    }
    put(&mut entry, 32, &guid);
    // The data of a block but for its first eight and last four bytes, which the descriptor has.
    put(&mut entry, 64, b"desc");
    put(&mut entry, 68, &old[4092..]);
    put(&mut entry, 72, &old[..8]);
    put(&mut entry, 80, &place.to_le_bytes());
    put(&mut entry, 88, &7_u64.to_le_bytes());
    put(&mut entry, 96, b"zero");
    put(&mut entry, 104, &(4 * KIB).to_le_bytes());
    put(&mut entry, 112, &(size - 4 * KIB).to_le_bytes());
    put(&mut entry, 120, &7_u64.to_le_bytes());
    put(&mut entry, 4096, b"data");
    put(&mut entry, 4104, &old[8..4092]);
    put(&mut entry, 8188, &7_u32.to_le_bytes());
    sum(&mut entry, 0, 8 * KIB);
    put(&mut bytes, log, &entry);
    Some(Seed::alone("dirty.vhdx", bytes))
}
