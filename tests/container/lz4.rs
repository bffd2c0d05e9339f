//! LZ4 files by the lz4 command, every kind of block and frame that it makes.

use std::path::{Path, PathBuf};

use imgmount::source::ExtentKind;

use super::guest;
use crate::support::command::Run;
use crate::support::images::Scratch;

/// `raw` packed by the lz4 command with `options`.
fn packed(raw: &Path, options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("packed.lz4");
    let lz4 = Run::new("lz4").words("-q -f").words(options);
    lz4.arg(raw).arg(&image).run();
    image
}

fn compare(options: &str, size: u64) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, size, 11);
    let image = packed(&raw, options, &scratch);
    super::compare(&super::disk(&image), &raw);
}

#[test]
fn independent_blocks_of_every_size() {
    need!(tool "lz4");
    for options in ["-1 -B4", "-9 -B5", "-B6", "-B7", "-1"] {
        compare(options, 9 * 1024 * 1024 + 512);
    }
}

#[test]
fn block_checksums_content_sizes_and_no_checksum() {
    need!(tool "lz4");
    for options in [
        "-B4 -BX",
        "-B5 --content-size",
        "--no-frame-crc -BX --content-size",
    ] {
        compare(options, 5 * 1024 * 1024 + 4096);
    }
}

#[test]
fn a_disk_of_whole_blocks() {
    need!(tool "lz4");
    for options in ["-B4", "-B4 --content-size", "-B7"] {
        compare(options, 8 << 20);
    }
}

#[test]
fn linked_blocks() {
    need!(tool "lz4");
    for options in ["-BD -B4", "-9 -BD -B5 -BX", "-BD -B7 --content-size"] {
        compare(options, 9 * 1024 * 1024 + 512);
    }
}

#[test]
fn legacy_frames() {
    need!(tool "lz4");
    compare("-l", 17 * 1024 * 1024 + 1024);
    compare("-l -9", 512);
}

#[test]
fn frames_one_after_another() {
    need!(tool "lz4");
    let scratch = Scratch::new();
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for (seed, options) in [(1, "-B4"), (2, "-l"), (3, "-B7 --content-size"), (4, "-l")] {
        let raw = guest::disk(&scratch, 1_000_000 + seed, seed);
        all.extend(std::fs::read(packed(&raw, options, &scratch)).unwrap());
        expected.extend(std::fs::read(&raw).unwrap());
        // A skippable frame.
        all.extend([0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);
    }
    let (image, raw) = (scratch.join("several.lz4"), scratch.join("raw"));
    std::fs::write(&image, all).unwrap();
    std::fs::write(&raw, expected).unwrap();
    super::compare(&super::disk(&image), &raw);
}

#[test]
fn a_block_of_zeros_is_a_hole_once_it_was_read() {
    need!(tool "lz4");
    let scratch = Scratch::new();
    let raw = scratch.file("zeros.raw", 4 << 20);
    let disk = super::disk(&packed(&raw, "-B4", &scratch));
    assert_eq!(disk.extent_at(1_500_000).unwrap().kind, ExtentKind::Data);
    super::compare(&disk, &raw);
    assert_eq!(disk.extent_at(1_500_000).unwrap().kind, ExtentKind::Zeros);
}
