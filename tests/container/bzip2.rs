//! bzip2 files by bzip2, pbzip2 and lbzip2.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::guest;
use crate::support::command::Run;
use crate::support::images::Scratch;

/// `raw` packed by `command`.
fn packed(raw: &Path, command: &str, scratch: &Scratch) -> PathBuf {
    let (tool, options) = command.split_once(' ').unwrap();
    let image = scratch.join("packed.bz2");
    let bytes = Run::new(tool).words(options).arg(raw).stdout();
    std::fs::write(&image, bytes).unwrap();
    image
}

fn compare(size: u64, command: &str) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, size, 31);
    super::compare(&super::disk(&packed(&raw, command, &scratch)), &raw);
}

#[test]
fn blocks_of_every_size() {
    need!(tool "bzip2");
    for options in ["bzip2 -c1", "bzip2 -c5", "bzip2 -c9"] {
        compare(5 * 1024 * 1024 + 512, options);
    }
}

#[test]
fn pbzip2() {
    need!(tool "pbzip2");
    compare(3 * 1024 * 1024, "pbzip2 -c -p2 -b3");
    compare(2 * 1024 * 1024 + 1, "pbzip2 -c -1 -p2 -b1");
}

#[test]
fn lbzip2() {
    need!(tool "lbzip2");
    compare(3 * 1024 * 1024, "lbzip2 -c");
}

#[test]
fn zeros_without_end() {
    need!(tool "bzip2");
    let scratch = Scratch::new();
    let raw = scratch.file("zeros.raw", (100 << 20) + 7);
    super::compare(&super::disk(&packed(&raw, "bzip2 -c", &scratch)), &raw);
}

#[test]
fn streams_one_after_another_and_what_is_none() {
    need!(tool "bzip2");
    let scratch = Scratch::new();
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for (seed, size, options) in [(1, 700_000, "-c1"), (2, 0, "-c"), (3, 1_000_000, "-c9")] {
        let raw = guest::disk(&scratch, size, seed);
        all.extend(std::fs::read(packed(&raw, &format!("bzip2 {options}"), &scratch)).unwrap());
        expected.extend(std::fs::read(&raw).unwrap());
    }
    // bzip2 itself ignores it.
    all.extend(b"what follows is no stream");
    let (image, raw) = (scratch.join("several.bz2"), scratch.join("raw"));
    std::fs::write(&image, all).unwrap();
    std::fs::write(&raw, expected).unwrap();
    super::compare(&super::disk(&image), &raw);
}

#[test]
fn what_lies_before_damage_is_there() {
    need!(tool "bzip2");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 4 << 20, 8);
    let image = packed(&raw, "bzip2 -c1", &scratch);
    let whole = std::fs::read(&image).unwrap();
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 8;
    for bytes in [&flipped[..], &whole[..middle]] {
        std::fs::write(&image, bytes).unwrap();
        let disk = super::disk(&image);
        let size = disk.size();
        assert!((1 << 20..4 << 20).contains(&size), "{size}");
        let file = std::fs::File::open(&raw).unwrap();
        let mut expected = vec![0; size as usize];
        file.read_exact_at(&mut expected, 0).unwrap();
        let mut got = vec![0; size as usize];
        disk.read_exact_at(&mut got, 0).unwrap();
        assert!(got == expected);
    }
}
