//! Every seed with random bits flipped, cut off at every sector of its metadata, and with every one
//! of these sectors unreadable. `IMGMOUNT_HOSTILE_ROUNDS` says how many flips each seed gets.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use imgmount::error::Kind;
use imgmount::format::Options;

use super::ext::seeds::{self, Seed};
use super::walk::{BadSector, Walk, walk_source, walk_with};
use imgmount::source::{Memory, SharedSource};

/// A sequence of numbers that is the same in every run (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

fn rounds() -> usize {
    let given = std::env::var("IMGMOUNT_HOSTILE_ROUNDS").ok();
    given.map_or(60, |text| {
        text.parse().expect("IMGMOUNT_HOSTILE_ROUNDS is a number")
    })
}

/// Walks `source`; a panic says what was done to the image.
fn walk(source: SharedSource, options: &Options, what: &str) -> Walk {
    let walked = catch_unwind(AssertUnwindSafe(|| walk_source(source, options)));
    walked.unwrap_or_else(|_| panic!("{what}: the panic above"))
}

/// The bytes of `seed` with `flips` bits of its metadata flipped, and where.
fn flipped(seed: &Seed, numbers: &mut Numbers, flips: usize) -> (Vec<u8>, String) {
    let ranges = seed.image.metadata();
    let total: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    let mut bytes = seed.image.bytes.clone();
    let mut places = BTreeSet::new();
    while places.len() < flips {
        let mut index = numbers.below(total);
        let range = ranges.iter().find(|range| {
            let inside = index < range.len();
            index -= if inside { 0 } else { range.len() };
            inside
        });
        let at = range.expect("inside").start + index;
        places.insert((at, numbers.below(8)));
    }
    for (at, bit) in &places {
        bytes[*at] ^= 1 << bit;
    }
    assert!(bytes != seed.image.bytes);
    (bytes, format!("{}: bits flipped at {places:?}", seed.name))
}

/// Whatever is seen is what the seed has, or an error; nothing is silently different.
fn nothing_invented(seed: &'static Seed, walk: &Walk, spared: &[&str], what: &str) {
    for (path, node) in &walk.nodes {
        if spared.contains(&path.as_str()) {
            continue;
        }
        let Some(before) = seed.walked().nodes.get(path) else {
            panic!("{what}: {path:?} is new: {node:?}");
        };
        assert!(
            node == before || node.error().is_some(),
            "{what}: {path:?} is silently different: was {before:?}, is {node:?}"
        );
        if let Some(error) = node.error() {
            assert!(
                matches!(error.kind(), Kind::Corrupt | Kind::Io),
                "{what}: {path:?}: {error}"
            );
        }
    }
    for path in seed
        .walked()
        .nodes
        .keys()
        .filter(|path| !walk.nodes.contains_key(*path))
    {
        let parents =
            std::iter::successors(path.rsplit_once('/'), |(parent, _)| parent.rsplit_once('/'));
        let mut parents: Vec<&str> = parents.map(|(parent, _)| parent).collect();
        parents.push("");
        let explained = parents.iter().any(|parent| {
            walk.nodes
                .get(*parent)
                .is_some_and(|node| node.error().is_some())
        });
        assert!(
            explained || walk.refused.is_some(),
            "{what}: {path:?} is silently missing"
        );
    }
}

/// Metadata with checksums: a flip of one bit is noticed or without effect.
#[test]
fn one_flipped_bit_is_noticed() {
    let seeds = [
        seeds::modern(),
        seeds::large_blocks(),
        seeds::inline(),
        seeds::tall(),
        seeds::journaled(),
        seeds::orphans(),
    ];
    for (index, seed) in seeds.into_iter().enumerate() {
        let mut numbers = Numbers(index as u64);
        for _ in 0..rounds() {
            let (bytes, what) = flipped(seed, &mut numbers, 1);
            let walk = walk(Arc::new(Memory(bytes)), &Options::default(), &what);
            // What the log leaves out is old, and a notice says so.
            let spared: &[&str] = if seed.name == "journaled" {
                &["hello.txt", "plain.bin"]
            } else {
                &[]
            };
            nothing_invented(seed, &walk, spared, &what);
        }
    }
}

/// Several bits, and the checksums not looked at: it may read as anything, within bounds.
#[test]
fn flipped_bits_without_checksums() {
    let options = Options {
        ignore_checksums: true,
        ..Options::default()
    };
    for (index, seed) in seeds::all().into_iter().enumerate() {
        let mut numbers = Numbers(100 + index as u64);
        for round in 0..rounds() {
            let (bytes, what) = flipped(seed, &mut numbers, [1, 2, 8, 64][round % 4]);
            walk(Arc::new(Memory(bytes)), &options, &what);
        }
    }
}

/// Whole fields of random bytes, mended: what gets past the checksums.
#[test]
fn random_inodes_with_sound_checksums() {
    for (index, seed) in seeds::all().into_iter().enumerate() {
        let mut numbers = Numbers(200 + index as u64);
        let inodes = seed.image.inodes();
        for _ in 0..rounds() {
            let mut mutant = seed.mutant();
            let ino = inodes[numbers.below(inodes.len())];
            let at = mutant.inode_offset(ino);
            let size = mutant.inode_size();
            let mut what = format!("{}: inode {ino}:", seed.name);
            for _ in 0..=numbers.below(4) {
                let (offset, width) = (numbers.below(size / 2 - 2) * 2, 1 + numbers.below(4));
                let value = [
                    0,
                    0xffff_ffff,
                    1,
                    0x8000_0000,
                    numbers.below(1 << 32) as u64,
                ][numbers.below(5)];
                mutant.write(at + offset, width, value & ((1 << (width * 8)) - 1));
                what += &format!(" {offset:#x}+{width} = {value:#x}");
            }
            mutant.mend(super::ext::Object::Inode(ino));
            walk(Arc::new(Memory(mutant.bytes)), &Options::default(), &what);
        }
    }
}

/// The sectors that hold metadata.
fn sectors(seed: &Seed) -> BTreeSet<usize> {
    let ranges = seed.image.metadata().into_iter();
    ranges
        .flat_map(|range| range.start / 512..range.end.div_ceil(512))
        .collect()
}

#[test]
fn cut_off_at_every_sector_of_metadata() {
    for seed in seeds::all() {
        for sector in sectors(seed).into_iter().chain(0..4) {
            let what = format!("{}: cut off at sector {sector}", seed.name);
            let bytes = seed.image.bytes[..sector * 512].to_vec();
            let walk = walk(Arc::new(Memory(bytes)), &Options::default(), &what);
            assert!(walk.nodes.is_empty() && walk.refused.is_some(), "{what}");
        }
    }
}

#[test]
fn every_sector_of_metadata_unreadable() {
    for seed in seeds::all() {
        let bytes = Arc::new(seed.image.bytes.clone());
        let sectors: Vec<usize> = sectors(seed).into_iter().collect();
        // All of them where more rounds are asked for, else an even choice.
        let step = sectors.len().div_ceil(rounds() * 2).max(1);
        for sector in sectors.iter().step_by(step) {
            let what = format!("{}: sector {sector} cannot be read", seed.name);
            let source = BadSector {
                bytes: bytes.clone(),
                sector: *sector as u64,
            };
            let walk = walk(Arc::new(source), &Options::default(), &what);
            let spared: &[&str] = if seed.name == "journaled" {
                &["hello.txt", "plain.bin"]
            } else {
                &[]
            };
            nothing_invented(seed, &walk, spared, &what);
        }
    }
}

/// `walk_with` is what the other cases use; it must see the same as a walk of shared bytes.
#[test]
fn one_seed_twice() {
    let seed = seeds::modern();
    let walk = walk_with(&seed.image.bytes, &Options::default());
    nothing_invented(seed, &walk, &[], "the seed itself");
    assert_eq!(walk.nodes.len(), seed.walked().nodes.len());
}
