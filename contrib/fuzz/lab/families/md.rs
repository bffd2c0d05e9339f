//! MD: superblocks of every version, of one member and of three.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{little, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools;

/// Members as the tests make them, who use more of it.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../../../tests/volume/md/made.rs"]
mod made;

#[path = "../../../../tests/volume/rows.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod rows;

const MAGIC: u64 = 0xa92b_4efc;

/// Version 1, linux/raid/md_p.h.
const NEW: &[(&str, u64)] = &[
    ("magic", 4),
    ("major_version", 4),
    ("feature_map", 4),
    ("pad0", 4),
    ("set_uuid", 8),
    ("", 8),
    ("set_name", 8),
    ("", 24),
    ("ctime", 8),
    ("level", 4),
    ("layout", 4),
    ("size", 8),
    ("chunksize", 4),
    ("raid_disks", 4),
    ("bitmap_offset", 4),
    ("new_level", 4),
    ("reshape_position", 8),
    ("delta_disks", 4),
    ("new_layout", 4),
    ("new_chunk", 4),
    ("new_offset", 4),
    ("data_offset", 8),
    ("data_size", 8),
    ("super_offset", 8),
    ("recovery_offset", 8),
    ("dev_number", 4),
    ("cnt_corrected_read", 4),
    ("device_uuid", 8),
    ("", 8),
    ("devflags", 1),
    ("bblog_shift", 1),
    ("bblog_size", 2),
    ("bblog_offset", 4),
    ("utime", 8),
    ("events", 8),
    ("resync_offset", 8),
    ("sb_csum", 4),
    ("max_dev", 4),
    ("", 32),
    ("role 0", 2),
    ("role 1", 2),
    ("role 2", 2),
    ("role 3", 2),
];

pub struct Md;

impl Family for Md {
    fn name(&self) -> &'static str {
        "md"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let Some(inner) = tools::inner("md", 256 << 10) else {
            return Vec::new();
        };
        let mirror = |version| made::Array::new(version, 1, 0, 0, 1).member(0, &inner);
        let mut seeds: Vec<Seed> = ["0.90", "0.swap", "1.0", "1.1", "1.2"]
            .into_iter()
            .map(|version| Seed::alone(&format!("mirror-{version}.img"), mirror(version)))
            .collect();
        let several = [
            ("raid0", 0, 0, "01 10", 2),
            ("raid5", 5, 2, "01P 1P0 P01", 3),
            ("raid6", 6, 2, "01PQ 1PQ0 PQ01 Q01P", 4),
        ];
        for (name, level, layout, rows, disks) in several {
            let array = made::Array::new("1.2", level, layout, 4096, disks);
            // RAID 0 lies in rows that are all alike.
            let rows = if level == 0 { "01" } else { rows };
            let mut data = inner.clone();
            data.resize(inner.len().next_multiple_of(4096 * 4 * disks), 0);
            let members = rows::spread(rows, false, 4096, &data);
            let members = members.iter().enumerate();
            let file = |(number, data): (usize, &Vec<u8>)| {
                let plus = if number > 0 { "+" } else { "" };
                (
                    format!("{plus}{name}-{number}.img"),
                    array.member(number, data),
                )
            };
            seeds.push(Seed {
                name: name.to_owned(),
                files: members.map(file).collect(),
                key: None,
            });
        }
        seeds
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let files = seed.files.iter().enumerate();
        files
            .filter_map(|(file, (_, bytes))| superblock(file, bytes))
            .collect()
    }

    fn seal(&self, files: &mut [Vec<u8>], all: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        for structure in all.iter().filter(|it| it.file == touched.0) {
            let start = structure.range.start;
            match structure.name.as_str() {
                "superblock 1" if !touched.1.contains(&(start + 216)) => {
                    let roles = little(bytes, start + 220, 4).min(1000);
                    put(bytes, start + 216, &[0; 4]);
                    let sum = sum(slice(bytes, start, 256 + roles * 2).unwrap_or_default());
                    put(bytes, start + 216, &sum.to_le_bytes());
                }
                "superblock 0" if !touched.1.contains(&(start + 152)) => {
                    put(bytes, start + 152, &[0; 4]);
                    let sum = sum(slice(bytes, start, 4096).unwrap_or_default());
                    put(bytes, start + 152, &sum.to_le_bytes());
                }
                _ => {}
            }
        }
    }
}

/// The superblock of a member, wherever it is.
fn superblock(file: usize, bytes: &[u8]) -> Option<Structure> {
    let places = (0..bytes.len() as u64).step_by(4096);
    let mut places = places.filter(|at| little(bytes, *at, 4) == MAGIC || is_swapped(bytes, *at));
    let start = places.next()?;
    let (is_new, is_swapped) = (little(bytes, start + 4, 4) == 1, is_swapped(bytes, start));
    let order = if is_swapped {
        Order::Big
    } else {
        Order::Little
    };
    let words = (0..256).map(|word| Field::new(format!("word {word}"), start + word * 4, 4, order));
    let kind = match (is_new, is_swapped) {
        (true, _) => "superblock 1",
        (false, false) => "superblock 0",
        // Nobody puts the sum of these right: it is of words in the other order.
        (false, true) => "superblock swapped",
    };
    Some(Structure {
        name: kind.to_owned(),
        file,
        range: start..start + 4096,
        parent: None,
        fields: match is_new {
            true => Field::row(start, Order::Little, NEW),
            false => words.collect(),
        },
    })
}

fn is_swapped(bytes: &[u8], at: u64) -> bool {
    crate::bytes::big(bytes, at, 4) == MAGIC
}

/// The sum of words, with what is carried.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes
        .chunks(4)
        .map(|word| little(word, 0, word.len() as u64));
    let sum: u64 = words.sum();
    (sum as u32).wrapping_add((sum >> 32) as u32)
}
