//! ESXi's sparse extents, which no free tool writes: COWD from "Virtual Disk Format 5.0", section
//! "ESXi Host Sparse Extents", and SEsparse as QEMU's developers describe it.

use std::path::{Path, PathBuf};

use crate::container::guest::Random;
use crate::support::images::Scratch;

/// What a grain is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Not there.
    Absent,
    /// Marked as zeros; absent in COWD, which cannot.
    Zeros,
    /// There.
    Data,
}

/// The kinds of `count` grains, in runs of all lengths.
pub fn kinds(count: usize, seed: u64) -> Vec<Grain> {
    let mut random = Random(seed);
    let mut kinds = Vec::new();
    while kinds.len() < count {
        let kind = [Grain::Absent, Grain::Zeros, Grain::Data][random.below(3) as usize];
        let most = 1 << random.below(8);
        let run = 1 + random.below(most);
        kinds.extend((0..run).map(|_| kind));
    }
    kinds.truncate(count);
    kinds
}

/// A COWD extent of `sectors` sectors in grains of `grain` sectors, each as `kinds` says. Its grains
/// lie in no order.
pub fn cowd(sectors: usize, grain: usize, kinds: &[Grain], seed: u64) -> Vec<u8> {
    const ENTRIES: usize = 4096;
    let grains = sectors.div_ceil(grain);
    let tables = grains.div_ceil(ENTRIES);
    let mut out = vec![0; 4 * 512];
    out[..4].copy_from_slice(b"COWD");
    for (at, value) in [
        (4, 1),
        (8, 3),
        (12, sectors),
        (16, grain),
        (20, 4),
        (24, tables),
    ] {
        put32(&mut out, at, value as u64);
    }
    let directory = out.len();
    out.resize(directory + (tables * 4).next_multiple_of(512), 0);
    let mut random = Random(seed);
    for table in 0..tables {
        let first = table * ENTRIES;
        let here = first..(first + ENTRIES).min(grains);
        if here.clone().all(|grain| kinds[grain] != Grain::Data) {
            continue; // No table at all.
        }
        let start = out.len();
        put32(&mut out, directory + table * 4, start as u64 / 512);
        out.resize(start + ENTRIES * 4, 0);
        for number in order(here, &mut random) {
            if kinds[number] == Grain::Data {
                let sector = out.len() as u64 / 512;
                put32(&mut out, start + (number - first) * 4, sector);
                out.extend(random.bytes(grain * 512, false));
            }
        }
    }
    let free = out.len() as u64 / 512;
    put32(&mut out, 28, free);
    out
}

/// An SEsparse extent of `sectors` sectors.
pub fn se_sparse(sectors: usize, kinds: &[Grain], seed: u64) -> Vec<u8> {
    const ENTRIES: usize = 4096;
    const GRAIN: usize = 8 * 512;
    let grains = sectors.div_ceil(8);
    let tables = grains.div_ceil(ENTRIES);
    let table_sectors = tables as u64 * 64;
    let directory_sectors = (tables as u64 * 8).div_ceil(512);
    // Header, journal header, journal, directory, tables, free bitmap, back map, grains.
    let sizes = [
        1,
        2,
        8,
        directory_sectors,
        table_sectors,
        8,
        8,
        sectors as u64,
    ];
    let mut starts = Vec::new();
    let mut at = 1;
    for size in sizes {
        starts.push(at);
        at += size;
    }
    let grains_at = starts[7] as usize * 512;
    let mut out = vec![0; grains_at];
    let header = [
        0xcafe_babe,
        0x2_0000_0001,
        sectors as u64,
        8,
        64,
        0,
        0,
        0,
        0,
        0,
    ];
    for (index, value) in header.into_iter().enumerate() {
        put64(&mut out, index * 8, value);
    }
    for (index, (start, size)) in starts.iter().zip(sizes).enumerate() {
        put64(&mut out, 80 + index * 16, *start);
        put64(&mut out, 88 + index * 16, size);
    }
    put64(&mut out, 512, 0xcafe_cafe);
    let mut random = Random(seed);
    let mut index = 0;
    for table in 0..tables {
        let first = table * ENTRIES;
        let here = first..(first + ENTRIES).min(grains);
        if here.clone().all(|grain| kinds[grain] == Grain::Absent) {
            continue;
        }
        // Tables lie in another order than the directory's.
        let place = tables - 1 - table;
        put64(
            &mut out,
            starts[3] as usize * 512 + table * 8,
            1 << 60 | place as u64,
        );
        let start = starts[4] as usize * 512 + place * ENTRIES * 8;
        for number in order(here, &mut random) {
            let entry = match kinds[number] {
                Grain::Absent => 0,
                Grain::Zeros if number % 2 == 0 => 1 << 60,
                Grain::Zeros => 2 << 60,
                Grain::Data => {
                    out.extend(random.bytes(GRAIN, false));
                    index += 1;
                    3 << 60 | ((index - 1) & 0xfff) << 48 | (index - 1) >> 12
                }
            };
            put64(&mut out, start + (number - first) * 8, entry);
        }
    }
    out
}

/// `range` in pieces, the last first; within a piece in order, so that runs can be seen.
fn order(range: std::ops::Range<usize>, random: &mut Random) -> Vec<usize> {
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let end = (at + 1 + random.below(200) as usize).min(range.end);
        pieces.push((at..end).collect());
        at = end;
    }
    pieces.into_iter().rev().flatten().collect()
}

/// Writes `extent` and a descriptor of type `kind` that names it; gives the descriptor.
pub fn described(
    scratch: &Scratch,
    name: &str,
    kind: (&str, &str),
    sectors: usize,
    extent: &[u8],
) -> PathBuf {
    let (create_type, extent_type) = kind;
    let file = format!("{name}-extent.vmdk");
    std::fs::write(scratch.join(&file), extent).unwrap();
    let line = format!("RW {sectors} {extent_type} \"{file}\"");
    descriptor(&scratch.join(&format!("{name}.vmdk")), create_type, &line)
}

/// Writes the descriptor of a disk of one or more extents at `path`, and gives it back.
pub fn descriptor(path: &Path, create_type: &str, lines: &str) -> PathBuf {
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n\
         createType=\"{create_type}\"\n\n# Extent description\n{lines}\n\n\
         # The Disk Data Base\n#DDB\nddb.adapterType = \"lsilogic\"\n"
    );
    std::fs::write(path, text).unwrap();
    path.to_owned()
}

pub fn put32(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
}

pub fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
