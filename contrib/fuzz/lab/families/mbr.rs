//! MBR: primary and logical partitions, the chain of extended boot records.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

const SECTOR: u64 = 512;

const ENTRY: &[(&str, u64)] = &[
    ("status", 1),
    ("start head", 1),
    ("start sector", 1),
    ("start cylinder", 1),
    ("type", 1),
    ("end head", 1),
    ("end sector", 1),
    ("end cylinder", 1),
    ("first sector", 4),
    ("sectors", 4),
];

pub struct Mbr;

impl Family for Mbr {
    fn name(&self) -> &'static str {
        "mbr"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        made().into_iter().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        let mut found = Vec::new();
        boot_record(bytes, 0, 0, &mut found);
        let extended = (0..4).map(|entry| 446 + entry * 16);
        let mut extended = extended.filter(|at| matches!(little(bytes, at + 4, 1), 5 | 0xf));
        let Some(entry) = extended.next() else {
            return found;
        };
        let first = little(bytes, entry + 8, 4);
        let (mut at, mut parent) = (first, 0);
        // Each names the next one in its second entry, from the first one on.
        for _ in 0..8 {
            boot_record(bytes, at, parent, &mut found);
            let next = little(bytes, at * SECTOR + 446 + 16 + 8, 4);
            if next == 0 {
                break;
            }
            (parent, at) = (at, first + next);
        }
        found
    }

    fn seal(&self, _: &mut [Vec<u8>], _: &[Structure], _: (usize, Range<u64>)) {}
}

fn boot_record(bytes: &[u8], sector: u64, parent: u64, found: &mut Vec<Structure>) {
    let base = sector * SECTOR;
    if slice(bytes, base, SECTOR).is_none() {
        return;
    }
    for entry in 0..4 {
        let start = base + 446 + entry * 16;
        found.push(Structure {
            name: format!("boot record at {sector} entry {entry}"),
            file: 0,
            range: start..start + 16,
            parent: Some(parent * SECTOR),
            fields: Field::row(start, Order::Little, ENTRY),
        });
    }
    found.push(Structure {
        name: format!("boot record {sector}"),
        file: 0,
        range: base..base + SECTOR,
        parent: Some(parent * SECTOR),
        fields: vec![
            Field::new("disk signature", base + 440, 4, Order::Little),
            Field::new("boot signature", base + 510, 2, Order::Little),
        ],
    });
}

fn made() -> Option<Seed> {
    let what = "mbr";
    let inner = tools::inner(what, 256 << 10)?;
    let workshop = Workshop::new(what)?;
    workshop.zeros("disk", 2 << 20)?;
    let script = "label: dos\nlabel-id: 0x12345678\n\
        start=64, size=512, type=83, bootable\n\
        start=640, size=3200, type=5\n\
        start=704, size=512, type=83\n\
        start=1280, size=512, type=83\n\
        start=1856, size=512, type=7\n\
        start=3840, size=64, type=c\n";
    workshop.run_with(
        "sfdisk -q --no-reread --no-tell-kernel disk",
        script.as_bytes(),
    )?;
    let mut disk = workshop.read("disk")?;
    for start in [64, 704, 1280] {
        disk[start * 512..][..inner.len()].copy_from_slice(&inner);
    }
    Some(Seed::alone("disk.img", disk))
}
