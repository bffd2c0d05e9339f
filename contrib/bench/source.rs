//! Compares reads through the cache with plain `pread` of the same file. See README.md.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fs::File as Handle;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgmount::cache::Cache;
use imgmount::error::{Error, Result};
use imgmount::source::cached::Cached;
use imgmount::source::file::File;
use imgmount::source::{SharedSource, Source};

const MIB: u64 = 1 << 20;

/// How often each measurement is repeated.
const REPEATS: usize = 9;

/// Reads `buf.len()` bytes at an offset.
type ReadAt<'a> = dyn FnMut(&mut [u8], u64) -> Result<()> + 'a;

fn main() -> Result<()> {
    let size = 512 * MIB;
    let named = written(size).map_err(|error| Error::io("write the file", &error))?;
    let reopen = || named.reopen().map_err(|error| Error::io("open", &error));
    let plain = reopen()?;
    let file: SharedSource = Arc::new(File::new(reopen()?)?);
    println!("{} MiB in the page cache, cache of 64 MiB", size / MIB);
    println!("{:<28} {:>12} {:>12} {:>7}", "", "pread", "cached", "ratio");
    let sequential = |len: u64| (0..size / len).map(move |index| index * len);
    for (name, len) in [("4 KiB", 4096), ("128 KiB", 128 << 10), ("1 MiB", MIB)] {
        let offsets: Vec<u64> = sequential(len).collect();
        compare(&format!("sequential, {name}"), &plain, &file, len, &offsets)?;
    }
    let scattered: Vec<u64> = sequential(4096).map(|at| shuffle(at, size)).collect();
    let some = scattered.get(..20_000).unwrap_or(&scattered);
    compare("random, 4 KiB", &plain, &file, 4096, some)?;
    let few: Vec<u64> = (0..200_000)
        .map(|index| (index * 37 % 1000) * 32_768)
        .collect();
    compare("1000 hot blocks, 4 KiB", &plain, &file, 4096, &few)
}

/// Measures reads of `len` bytes at `offsets`, plain and through a fresh cache.
fn compare(
    name: &str,
    plain: &Handle,
    file: &SharedSource,
    len: u64,
    offsets: &[u64],
) -> Result<()> {
    let pread = |buf: &mut [u8], at: u64| {
        let result = plain.read_exact_at(buf, at);
        result.map_err(|error| Error::io("read", &error))
    };
    let plain = shortest(|| timed(len, offsets, &mut { pread }))?;
    let cached = shortest(|| {
        let cached = Cached::new(file.clone(), Cache::new(64 * MIB));
        timed(len, offsets, &mut |buf, at| cached.read_exact_at(buf, at))
    })?;
    let rate =
        |time: Duration| (len * offsets.len() as u64) as f64 / MIB as f64 / time.as_secs_f64();
    let (plain, cached) = (rate(plain), rate(cached));
    let ratio = cached / plain;
    println!("{name:<28} {plain:>7.0} MiB/s {cached:>6.0} MiB/s {ratio:>7.2}");
    Ok(())
}

fn timed(len: u64, offsets: &[u64], read: &mut ReadAt<'_>) -> Result<Duration> {
    let mut buf = vec![0; usize::try_from(len).unwrap_or(0)];
    let start = Instant::now();
    for offset in offsets {
        read(&mut buf, *offset)?;
    }
    Ok(start.elapsed())
}

/// The shortest of several times: what else runs on the machine only adds.
fn shortest(mut measure: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut shortest = measure()?;
    for _ in 1..REPEATS {
        shortest = shortest.min(measure()?);
    }
    Ok(shortest)
}

/// A temporary file of `size` bytes without holes.
fn written(size: u64) -> std::io::Result<tempfile::NamedTempFile> {
    let mut named = tempfile::NamedTempFile::new()?;
    let mut chunk = vec![0; 1 << 20];
    for number in 0..size / MIB {
        chunk.fill(number.to_le_bytes().first().copied().unwrap_or(0) | 1);
        named.write_all(&chunk)?;
    }
    Ok(named)
}

/// Another multiple of 4 KiB below `size`, a power of two: a fixed, scattered order.
fn shuffle(at: u64, size: u64) -> u64 {
    (at / 4096).wrapping_mul(0x9e37_79b1) % (size / 4096) * 4096
}
