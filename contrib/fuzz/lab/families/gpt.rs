//! GUID partition tables: both headers, both arrays, and the protective MBR.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

const SECTOR: u64 = 512;

/// A header, UEFI 2.10 table 5.5.
const HEADER: &[(&str, u64)] = &[
    ("Signature", 8),
    ("Revision", 4),
    ("HeaderSize", 4),
    ("HeaderCRC32", 4),
    ("Reserved", 4),
    ("MyLBA", 8),
    ("AlternateLBA", 8),
    ("FirstUsableLBA", 8),
    ("LastUsableLBA", 8),
    ("", 16),
    ("PartitionEntryLBA", 8),
    ("NumberOfPartitionEntries", 4),
    ("SizeOfPartitionEntry", 4),
    ("PartitionEntryArrayCRC32", 4),
];

const ENTRY: &[(&str, u64)] = &[
    ("TypeLow", 8),
    ("TypeHigh", 8),
    ("UniqueLow", 8),
    ("UniqueHigh", 8),
    ("StartingLBA", 8),
    ("EndingLBA", 8),
    ("Attributes", 8),
    ("Name0", 2),
    ("Name1", 2),
];

pub struct Gpt;

impl Family for Gpt {
    fn name(&self) -> &'static str {
        "gpt"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        made().into_iter().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        let last = bytes.len() as u64 / SECTOR - 1;
        let mut structures = vec![protective()];
        for (name, at, other) in [("primary", 1, last), ("backup", last, 1)] {
            let base = at * SECTOR;
            structures.push(Structure {
                name: format!("header {name}"),
                file: 0,
                range: base..base + 92,
                parent: Some(other * SECTOR),
                fields: Field::row(base, Order::Little, HEADER),
            });
            let array = little(bytes, base + 72, 8) * SECTOR;
            for entry in 0..4 {
                let start = array + entry * 128;
                structures.push(Structure {
                    name: format!("{name} entry {entry}"),
                    file: 0,
                    range: start..start + 128,
                    parent: Some(base),
                    fields: Field::row(start, Order::Little, ENTRY),
                });
            }
        }
        structures
    }

    fn seal(&self, files: &mut [Vec<u8>], _: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        let last = (bytes.len() as u64 / SECTOR).saturating_sub(1);
        for base in [SECTOR, last * SECTOR] {
            let (size, array) = (little(bytes, base + 12, 4), little(bytes, base + 72, 8));
            let entries = little(bytes, base + 80, 4).saturating_mul(little(bytes, base + 84, 4));
            let is_touched = |at: u64| touched.1.contains(&at);
            let covered = array
                .checked_mul(SECTOR)
                .and_then(|start| slice(bytes, start, entries));
            if let Some(covered) = covered.filter(|_| !is_touched(base + 88)) {
                let sum = crc32fast::hash(covered);
                put(bytes, base + 88, &sum.to_le_bytes());
            }
            if !is_touched(base + 16) && (92..=4096).contains(&size) {
                put(bytes, base + 16, &[0; 4]);
                if let Some(sum) = slice(bytes, base, size).map(crc32fast::hash) {
                    put(bytes, base + 16, &sum.to_le_bytes());
                }
            }
        }
    }
}

/// The MBR in front, with its one entry.
fn protective() -> Structure {
    let row = [
        ("BootIndicator", 1),
        ("", 3),
        ("OSType", 1),
        ("", 3),
        ("StartingLBA", 4),
        ("SizeInLBA", 4),
    ];
    let mut fields = Field::row(446, Order::Little, &row);
    fields.push(Field::new("Signature", 510, 2, Order::Little));
    Structure {
        name: "protective MBR".to_owned(),
        file: 0,
        range: 446..512,
        parent: None,
        fields,
    }
}

/// Two partitions with a file system each, and one without.
fn made() -> Option<Seed> {
    let what = "gpt";
    let inner = tools::inner(what, 384 << 10)?;
    let workshop = Workshop::new(what)?;
    workshop.zeros("disk", 1 << 20)?;
    let script = "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\nfirst-lba: 34\n\
        start=64, size=768, type=L, name=\"first\", uuid=11111111-2222-3333-4444-555555555556\n\
        start=832, size=768, type=L, name=\"second\", uuid=11111111-2222-3333-4444-555555555557\n\
        start=1600, size=100, type=U, uuid=11111111-2222-3333-4444-555555555558\n";
    workshop.run_with(
        "sfdisk -q --no-reread --no-tell-kernel disk",
        script.as_bytes(),
    )?;
    let mut disk = workshop.read("disk")?;
    for start in [64, 832] {
        disk[start * 512..][..inner.len()].copy_from_slice(&inner);
    }
    Some(Seed::alone("disk.img", disk))
}
