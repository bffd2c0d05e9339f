//! Partition tables of other systems: BSD, Sun, SGI and Apple.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{big, little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

/// `struct disklabel`, at the start of the second sector.
const BSD: &[(&str, u64)] = &[
    ("d_magic", 4),
    ("d_type", 2),
    ("d_subtype", 2),
    ("", 32),
    ("d_secsize", 4),
    ("d_nsectors", 4),
    ("d_ntracks", 4),
    ("d_ncylinders", 4),
    ("d_secpercyl", 4),
    ("d_secperunit", 4),
    ("", 64),
    ("d_magic2", 4),
    ("d_checksum", 2),
    ("d_npartitions", 2),
    ("d_bbsize", 4),
    ("d_sbsize", 4),
    ("p_size 0", 4),
    ("p_offset 0", 4),
    ("p_fsize 0", 4),
    ("p_fstype 0", 1),
    ("", 3),
    ("p_size 1", 4),
    ("p_offset 1", 4),
];

const SUN: &[(&str, u64)] = &[
    ("", 128),
    ("version", 4),
    ("", 8),
    ("num_partitions", 2),
    ("tag 0", 2),
    ("flag 0", 2),
    ("tag 1", 2),
    ("flag 1", 2),
    ("", 270),
    ("pcylcount", 2),
    ("sparecyl", 2),
    ("", 4),
    ("interleave", 2),
    ("ncyl", 2),
    ("nacyl", 2),
    ("ntrks", 2),
    ("nsect", 2),
    ("", 4),
    ("start_cylinder 0", 4),
    ("num_sectors 0", 4),
    ("start_cylinder 1", 4),
    ("num_sectors 1", 4),
    ("", 48),
    ("magic", 2),
    ("csum", 2),
];

const SGI: &[(&str, u64)] = &[
    ("magic", 4),
    ("root_part_num", 2),
    ("swap_part_num", 2),
    ("", 16),
    ("", 288),
    ("num_blocks 0", 4),
    ("first_block 0", 4),
    ("type 0", 4),
    ("num_blocks 1", 4),
    ("first_block 1", 4),
    ("type 1", 4),
    ("", 72),
    ("num_blocks 8", 4),
    ("first_block 8", 4),
    ("type 8", 4),
    ("", 84),
    ("csum", 4),
];

const APPLE: &[(&str, u64)] = &[
    ("signature", 2),
    ("res1", 2),
    ("map_count", 4),
    ("start_block", 4),
    ("block_count", 4),
    ("name", 8),
    ("", 24),
    ("type", 8),
    ("", 24),
    ("data_start", 4),
    ("data_count", 4),
    ("status", 4),
];

pub struct Tables;

impl Family for Tables {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let seeds = [
            by_sfdisk("sun"),
            by_sfdisk("sgi"),
            by_parted("bsd"),
            by_parted("mac"),
        ];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        match seed.name.as_str() {
            "sun.img" => vec![structure("label sun", 0, 512, Order::Big, SUN)],
            "sgi.img" => vec![structure("label sgi", 0, 512, Order::Big, SGI)],
            "bsd.img" => vec![structure(
                "label bsd",
                label(&seed.files[0].1),
                276,
                Order::Little,
                BSD,
            )],
            _ => {
                let driver = [("signature", 2), ("block size", 2), ("blocks", 4)];
                let first = structure("driver descriptor", 0, 512, Order::Big, &driver);
                let maps = (1..5).map(|block| {
                    structure(&format!("map {block}"), block * 512, 512, Order::Big, APPLE)
                });
                std::iter::once(first).chain(maps).collect()
            }
        }
    }

    fn seal(&self, files: &mut [Vec<u8>], all: &[Structure], touched: (usize, Range<u64>)) {
        let (Some(bytes), Some(first)) = (files.get_mut(touched.0), all.first()) else {
            return;
        };
        let is_spared = |at: u64| !touched.1.contains(&at);
        match first.name.as_str() {
            "label sun" if is_spared(510) => {
                let block = slice(bytes, 0, 510).unwrap_or_default();
                let sum = block
                    .chunks(2)
                    .fold(0, |sum, word| sum ^ big(word, 0, 2) as u16);
                put(bytes, 510, &sum.to_be_bytes());
            }
            "label sgi" if is_spared(504) => {
                put(bytes, 504, &[0; 4]);
                let block = slice(bytes, 0, 512).unwrap_or_default();
                let words = block.chunks(4).map(|word| big(word, 0, 4) as u32);
                let sum = words.fold(0, |sum: u32, word| sum.wrapping_sub(word));
                put(bytes, 504, &sum.to_be_bytes());
            }
            "label bsd" => {
                let start = first.range.start;
                if is_spared(start + 136) {
                    let len = 148 + little(bytes, start + 138, 2).min(22) * 16;
                    put(bytes, start + 136, &[0; 2]);
                    let covered = slice(bytes, start, len).unwrap_or_default();
                    let words = covered.chunks(2).map(|word| little(word, 0, 2) as u16);
                    let sum = words.fold(0, |sum, word| sum ^ word);
                    put(bytes, start + 136, &sum.to_le_bytes());
                }
            }
            _ => {}
        }
    }
}

fn structure(name: &str, start: u64, len: u64, order: Order, row: &[(&str, u64)]) -> Structure {
    Structure {
        name: name.to_owned(),
        file: 0,
        range: start..start + len,
        parent: Some(0),
        fields: Field::row(start, order, row),
    }
}

/// Where the label is that begins with BSD's number.
fn label(bytes: &[u8]) -> u64 {
    let mut places = (0..4096).step_by(4);
    let found = places.find(|at| little(bytes, *at, 4) == 0x8256_4557);
    found.unwrap_or(512)
}

fn by_sfdisk(name: &str) -> Option<Seed> {
    let what = format!("tables: {name}");
    let inner = tools::inner(&what, 256 << 10)?;
    let workshop = Workshop::new(&what)?;
    workshop.zeros("disk", 20 << 20)?;
    let script = format!("label: {name}\n");
    workshop.run_with(
        "sfdisk -q --no-reread --no-tell-kernel disk",
        script.as_bytes(),
    )?;
    let mut disk = workshop.read("disk")?;
    // Where the first partition is to be: the second cylinder of one track.
    disk.truncate(2 << 20);
    let start: usize = 1 << 20;
    let sectors = (inner.len() / 512) as u32;
    match name {
        "sun" => {
            put(&mut disk, 432, &64_u16.to_be_bytes());
            put(&mut disk, 436, &1_u16.to_be_bytes());
            put(&mut disk, 438, &64_u16.to_be_bytes());
            put(&mut disk, 142, &0x83_u16.to_be_bytes());
            put(&mut disk, 444, &32_u32.to_be_bytes());
            put(&mut disk, 448, &sectors.to_be_bytes());
        }
        _ => {
            put(&mut disk, 312, &sectors.to_be_bytes());
            put(&mut disk, 316, &((start / 512) as u32).to_be_bytes());
            put(&mut disk, 320, &0x83_u32.to_be_bytes());
        }
    }
    disk[start..][..inner.len()].copy_from_slice(&inner);
    let seed = Seed::alone(&format!("{name}.img"), disk);
    let structures = Tables.structures(&seed);
    let mut files = vec![seed.files[0].1.clone()];
    Tables.seal(&mut files, &structures, (0, 0..0));
    Some(Seed::alone(&seed.name, files.remove(0)))
}

fn by_parted(name: &str) -> Option<Seed> {
    let what = format!("tables: {name}");
    let inner = tools::inner(&what, 256 << 10)?;
    let workshop = Workshop::new(&what)?;
    workshop.zeros("disk", 2 << 20)?;
    workshop.run(&format!(
        "parted -s -a none disk mklabel {name} mkpart {} 2048s 2559s",
        match name {
            "mac" => "first ext2",
            _ => "ext2",
        }
    ))?;
    let mut disk = workshop.read("disk")?;
    disk[1 << 20..][..inner.len()].copy_from_slice(&inner);
    Some(Seed::alone(&format!("{name}.img"), disk))
}
