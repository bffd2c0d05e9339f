//! Packed streams: gzip, xz, zstd, bzip2, lz4, in one piece and in several.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

/// Bytes at the start and at the end of each that are structures more often than data.
const EDGE: u64 = 64;

pub struct Streams;

impl Family for Streams {
    fn name(&self) -> &'static str {
        "streams"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let Some(inner) = tools::inner("streams", 256 << 10) else {
            return Vec::new();
        };
        let packed = |name: &str, line: &str| {
            let workshop = Workshop::new(&format!("streams: {name}"))?;
            Some(Seed::alone(name, workshop.run_with(line, &inner)?))
        };
        let twice = |name: &str, line: &str| {
            let workshop = Workshop::new(&format!("streams: {name}"))?;
            let (first, second) = inner.split_at(inner.len() / 2);
            let packed = [
                workshop.run_with(line, first)?,
                workshop.run_with(line, second)?,
            ];
            Some(Seed::alone(name, packed.concat()))
        };
        let seeds = [
            packed("one.img.gz", "gzip -nc"),
            twice("two.img.gz", "gzip -nc"),
            packed("one.img.xz", "xz -c"),
            packed("blocks.img.xz", "xz -c --block-size=65536 --check=sha256"),
            twice("two.img.xz", "xz -c -0 --check=crc32"),
            packed("one.img.zst", "zstd -q -c"),
            twice("two.img.zst", "zstd -q -c --check"),
            packed("one.img.bz2", "bzip2 -c"),
            packed("blocks.img.bz2", "bzip2 -c -1"),
            packed("one.img.lz4", "lz4 -q -c"),
            packed("blocks.img.lz4", "lz4 -q -c -B4 -BX --content-size"),
        ];
        seeds.into_iter().flatten().collect()
    }

    /// Bytes, words and the numbers that they may be, at both ends.
    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        let len = bytes.len() as u64;
        let edges = [
            ("start", 0),
            ("end", len.saturating_sub(EDGE)),
            ("middle", len / 2),
        ];
        let structure = |(name, start): (&str, u64)| {
            let start: u64 = start;
            let end = (start + EDGE).min(len);
            let each = |width: u8| {
                let places = (start..end).step_by(usize::from(width));
                places
                    .map(move |at| Field::new(format!("{width} at {at}"), at, width, Order::Little))
            };
            Structure {
                name: format!("{name} edge"),
                file: 0,
                range: start..end,
                parent: Some(0),
                fields: each(1).chain(each(2)).chain(each(4)).collect(),
            }
        };
        edges.into_iter().map(structure).collect()
    }

    /// The sums of xz's headers, which lie over what says how much memory is wanted.
    fn seal(&self, files: &mut [Vec<u8>], _: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        if !bytes.starts_with(b"\xfd7zXZ\0") {
            return;
        }
        let end = (bytes.len() as u64).saturating_sub(12);
        let block = (little(bytes, 12, 1) + 1) * 4;
        let index = (little(bytes, end + 4, 4) + 1) * 4;
        let sums = [
            (6, 2, 8),
            (12, block - 4, 12 + block - 4),
            (end.saturating_sub(index), index - 4, end.saturating_sub(4)),
            (end + 4, 6, end),
        ];
        for (start, len, at) in sums {
            let Some(covered) = slice(bytes, start, len) else {
                continue;
            };
            let sum = crc32fast::hash(covered);
            if !touched.1.contains(&at) {
                put(bytes, at, &sum.to_le_bytes());
            }
        }
    }
}
