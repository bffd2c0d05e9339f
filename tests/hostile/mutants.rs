//! Seeded mutants of the collected images of a format, by the thousand: bits flipped, bytes and
//! fields set to values at the edges, where the image has anything. Whatever comes out, nothing
//! panics and nothing hangs. `IMGMOUNT_MUTANTS` says how many each format gets.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use imgmount::error::Result;
use imgmount::format::Options;
use imgmount::source::{Extent, ExtentKind, Source, check_range, extent_to};

use super::flips::Numbers;
use super::walk::walk_source;
use crate::support::expected;
use crate::support::images::{self, Scratch};

/// Larger images take too long to walk so often.
const LARGEST: usize = 64 << 20;

/// Bytes with some of them changed.
struct Patched {
    bytes: Arc<Vec<u8>>,
    changes: BTreeMap<u64, u8>,
}

impl Source for Patched {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let start = offset as usize;
        buf.copy_from_slice(&self.bytes[start..start + buf.len()]);
        for (at, byte) in self.changes.range(offset..offset + buf.len() as u64) {
            buf[(at - offset) as usize] = *byte;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        extent_to(ExtentKind::Data, offset, self.size())
    }
}

/// An image, and the lines of 64 bytes in it that are not all zeros.
struct Seed {
    name: String,
    bytes: Arc<Vec<u8>>,
    lines: Vec<u64>,
}

impl Seed {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        let lines = bytes.chunks(64).enumerate();
        let lines = lines.filter(|(_, line)| line.iter().any(|byte| *byte != 0));
        let lines = lines.map(|(index, _)| index as u64 * 64).collect();
        let bytes = Arc::new(bytes);
        Self { name, bytes, lines }
    }

    /// This image with one to eight fields changed; the first lines, where the superblocks are,
    /// are as likely as all the others.
    fn mutant(&self, numbers: &mut Numbers) -> Patched {
        let mut changes = BTreeMap::new();
        for _ in 0..=numbers.below(8) {
            let among = [self.lines.len(), self.lines.len().min(64)][numbers.below(2)];
            let line = self.lines[numbers.below(among)];
            let at = line + numbers.below(64) as u64;
            for (index, byte) in field(numbers).into_iter().enumerate() {
                let at = at + index as u64;
                if let Some(old) = self.bytes.get(at as usize) {
                    let new = byte.unwrap_or(old ^ (1 << numbers.below(8)));
                    changes.insert(at, new);
                }
            }
        }
        let bytes = self.bytes.clone();
        Patched { bytes, changes }
    }
}

/// The new bytes of a field; `None` flips a bit of the old one.
fn field(numbers: &mut Numbers) -> Vec<Option<u8>> {
    let width = [1, 2, 4, 8][numbers.below(4)];
    let value: u64 = match numbers.below(6) {
        0 => return vec![None],
        1 => 0,
        2 => u64::MAX,
        3 => 1,
        4 => 1 << (width * 8 - 1),
        _ => numbers.below(1 << 32) as u64,
    };
    let bytes = value.to_le_bytes();
    bytes[..width].iter().map(|byte| Some(*byte)).collect()
}

/// The collected images of `folder` as far as they are small.
fn seeds(folder: &str) -> Vec<Seed> {
    let inside = format!("filesystem/{folder}/");
    let images = expected::collected(|file, _| file.starts_with(&inside));
    let seed = |image: &expected::Collected| {
        let scratch = Scratch::new();
        let bytes = std::fs::read(images::unpack(&image.file, &scratch)).unwrap();
        let is_small = bytes.len() <= LARGEST;
        is_small.then(|| Seed::new(image.file.clone(), bytes))
    };
    images.iter().filter_map(seed).collect()
}

/// How many mutants each format gets.
pub fn count() -> usize {
    let given = std::env::var("IMGMOUNT_MUTANTS").ok();
    given.map_or(2000, |text| {
        text.parse().expect("IMGMOUNT_MUTANTS is a number")
    })
}

/// Walks the mutants of `folder`; half of them as the reader `format`, which is named.
fn survive(folder: &str, format: &str) {
    need!(images, tool "zstd", tool "xz");
    let seeds = seeds(folder);
    assert!(!seeds.is_empty(), "no images in {folder}");
    let mut numbers = Numbers(2000);
    let mut opened = 0;
    for round in 0..count() {
        let seed = &seeds[round % seeds.len()];
        let mutant = seed.mutant(&mut numbers);
        let what = format!("{}, mutant {round}: {:?}", seed.name, mutant.changes);
        let options = Options {
            format: (round % 2 == 0).then(|| format.to_owned()),
            ignore_checksums: round % 3 == 0,
            ..Options::default()
        };
        let source = Arc::new(mutant);
        let walked = catch_unwind(AssertUnwindSafe(|| walk_source(source, &options)));
        let walked = walked.unwrap_or_else(|_| panic!("{what}: the panic above"));
        opened += usize::from(!walked.nodes.is_empty());
    }
    println!("{opened} of {} were opened", count());
    assert!(opened * 4 > count(), "only {opened} were opened");
}

#[test]
fn ext4() {
    survive("ext", "ext4");
}

#[test]
fn erofs() {
    survive("erofs", "erofs");
}

#[test]
fn udf() {
    survive("udf", "udf");
}

#[test]
fn fat() {
    survive("fat", "vfat");
}

#[test]
fn squashfs() {
    survive("squashfs", "squashfs");
}

#[test]
fn iso9660() {
    survive("iso9660", "iso9660");
}

#[test]
fn exfat() {
    survive("exfat", "exfat");
}
