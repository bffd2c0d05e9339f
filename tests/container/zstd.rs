//! Zstandard files by the zstd and pzstd commands, and seekable ones.

use std::hash::Hasher;
use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use twox_hash::XxHash64;

use super::{guest, refused_at};
use crate::hostile::expect::check;
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 9 * 1024 * 1024 + 512;

/// `raw` packed by the zstd command with `options`.
fn packed(raw: &Path, options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("packed.zst");
    let zstd = Run::new("zstd").words("-q -f").words(options);
    zstd.arg(raw).arg("-o").arg(&image).run();
    image
}

fn compare(options: &str) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 21);
    let image = packed(&raw, options, &scratch);
    super::compare(&super::disk(&image), &raw);
}

#[test]
fn levels() {
    need!(tool "zstd");
    for options in ["-1", "-3", "-12", "--fast=5 --no-check"] {
        compare(options);
    }
}

#[test]
fn the_highest_level_and_a_long_window() {
    need!(tool "zstd");
    compare("-19");
    compare("-3 --long=27");
}

#[test]
fn several_threads_and_rsyncable() {
    need!(tool "zstd");
    for options in ["-T0", "-T2 -B1048576", "--rsyncable -T2", "--adapt"] {
        compare(options);
    }
}

#[test]
fn a_pipe_has_no_content_size() {
    need!(tool "zstd", tool "sh");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 22);
    for options in ["-3", "-T0 -3", "--no-check -7"] {
        let image = scratch.join("piped.zst");
        let line = format!(
            "zstd -q {options} < '{}' > '{}'",
            raw.display(),
            image.display()
        );
        Run::new("sh").arg("-c").arg(line).run();
        super::compare(&super::disk(&image), &raw);
    }
}

#[test]
fn what_pzstd_makes() {
    need!(tool "pzstd");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 23);
    let image = scratch.join("packed.zst");
    let pzstd = Run::new("pzstd").words("-q -f -p 4 -1");
    pzstd.arg(&raw).arg("-o").arg(&image).run();
    super::compare(&super::disk(&image), &raw);
}

/// Frames of `part` bytes of `raw` each, and the seek table by its specification.
fn seekable(raw: &Path, part: usize, with_checksums: bool, scratch: &Scratch) -> Vec<u8> {
    let (mut all, mut table) = (Vec::new(), Vec::new());
    let bytes = std::fs::read(raw).unwrap();
    for content in bytes.chunks(part) {
        let piece = scratch.join("piece");
        std::fs::write(&piece, content).unwrap();
        let frame = std::fs::read(packed(&piece, "-1 --no-check", scratch)).unwrap();
        for size in [frame.len(), content.len()] {
            table.extend(u32::try_from(size).unwrap().to_le_bytes());
        }
        if with_checksums {
            let mut hasher = XxHash64::with_seed(0);
            hasher.write(content);
            table.extend(&hasher.finish().to_le_bytes()[..4]);
        }
        all.extend(frame);
    }
    let count = u32::try_from(bytes.len().div_ceil(part)).unwrap();
    table.extend(count.to_le_bytes());
    table.push(if with_checksums { 0x80 } else { 0 });
    table.extend(0x8f92_eab1_u32.to_le_bytes());
    all.extend(0x184d_2a5e_u32.to_le_bytes());
    all.extend(u32::try_from(table.len()).unwrap().to_le_bytes());
    all.extend(table);
    all
}

#[test]
fn seekable_files() {
    need!(tool "zstd");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 24);
    for (part, with_checksums) in [(1 << 20, true), (300_001, false), (4 << 20, true)] {
        let image = scratch.join("seekable.zst");
        std::fs::write(&image, seekable(&raw, part, with_checksums, &scratch)).unwrap();
        super::compare(&super::disk(&image), &raw);
    }
}

#[test]
fn frames_one_after_another() {
    need!(tool "zstd");
    let scratch = Scratch::new();
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for (seed, options) in [(1, "-1"), (2, "-19"), (3, "-3 --no-check"), (4, "--fast")] {
        let raw = guest::disk(&scratch, 1_000_000 + seed, seed);
        all.extend(std::fs::read(packed(&raw, options, &scratch)).unwrap());
        expected.extend(std::fs::read(&raw).unwrap());
        all.extend([0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);
    }
    let (image, raw) = (scratch.join("several.zst"), scratch.join("raw"));
    std::fs::write(&image, all).unwrap();
    std::fs::write(&raw, expected).unwrap();
    super::compare(&super::disk(&image), &raw);
}

/// That opening `image` is refused for a reason of `kind` whose text holds `words`, at byte `at`.
#[test]
fn o06_windows() {
    let scratch = Scratch::new();
    let image = scratch.join("window.zst");
    // Window_Descriptor: 2 GiB; and a content of 1 GiB in a single segment.
    let blocks = [0x0b, 0, 0, 0x20];
    let many = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3][..], &blocks].concat();
    let single = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40][..], &blocks].concat();
    for (bytes, size) in [(many, 2_u64 << 30), (single, 1 << 30)] {
        std::fs::write(&image, bytes).unwrap();
        let words = format!("Window_Size {size} is over the window of 134217728 bytes");
        refused_at(&image, Kind::Unsupported, 0, &words);
    }
}

#[test]
fn o06_dictionaries() {
    let scratch = Scratch::new();
    let image = scratch.join("dictionary.zst");
    // Frame_Header_Descriptor: a Dictionary_ID of one byte, which is 7.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7, 0x0b, 0, 0, 0x20];
    std::fs::write(&image, frame).unwrap();
    let words = "it was compressed with dictionary 7";
    refused_at(&image, Kind::Unsupported, 0, words);
}

#[test]
fn o06_seek_tables() {
    need!(tool "zstd");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 3 << 20, 27);
    let image = scratch.join("seekable.zst");
    let good = seekable(&raw, 1 << 20, true, &scratch);
    let try_with = |change: &dyn Fn(&mut Vec<u8>), kind: Kind, words: &str, at: usize| {
        let mut bytes = good.clone();
        change(&mut bytes);
        assert!(bytes != good, "the mutant is its seed: {words}");
        std::fs::write(&image, bytes).unwrap();
        let opened =
            imgmount::service::open::open(&image, &imgmount::service::open::Options::default());
        let error = opened.err().expect("it is refused");
        check(&error, kind, &["seek table: ", words], Some(at));
    };
    let footer = good.len() - 9;
    let count = |number: u32| {
        move |bytes: &mut Vec<u8>| bytes[footer..footer + 4].copy_from_slice(&number.to_le_bytes())
    };
    let corrupt = Kind::Corrupt;
    let words = "Number_Of_Frames 1000000000 is more than the file has room for";
    try_with(&count(1_000_000_000), corrupt, words, footer);
    let words = "Number_Of_Frames 4294967295 is more than the file has room for";
    try_with(&count(u32::MAX), corrupt, words, footer);
    let words = "Number_Of_Frames 2 does not lead to its start";
    try_with(&count(2), corrupt, words, footer);
    let words = "Seek_Table_Descriptor 0x84 has reserved bits";
    let set = |bytes: &mut Vec<u8>| bytes[footer + 4] |= 4;
    try_with(&set, Kind::Unsupported, words, footer + 4);
    // The first frame is one byte longer or shorter than it is; three entries of 12 bytes stand
    // before the footer, and 8 bytes before them.
    let entry = footer - 36;
    let words = format!("{} are before it", entry - 8);
    try_with(&|bytes| bytes[entry] ^= 1, corrupt, &words, entry);
}

#[test]
fn damage_costs_its_own_frames() {
    need!(tool "zstd");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 4 << 20, 28);
    let image = scratch.join("damaged.zst");
    let mut bytes = seekable(&raw, 1 << 20, true, &scratch);
    let table = bytes.len() - 9 - 4 * 12;
    let size = |frame: usize| {
        let entry = table + frame * 12;
        u32::from_le_bytes(bytes[entry..entry + 4].try_into().unwrap()) as usize
    };
    let second = size(0);
    let middle = second + size(1) / 2;
    bytes[middle..middle + 40].fill(0x55);
    std::fs::write(&image, bytes).unwrap();
    let disk = super::disk(&image);
    let file = std::fs::File::open(&raw).unwrap();
    super::compare_range(&disk, &file, 0, 1 << 20);
    super::compare_range(&disk, &file, 2 << 20, 2 << 20);
    let mut buf = vec![0; 1 << 20];
    let error = disk.read_exact_at(&mut buf, 1 << 20).unwrap_err();
    assert_eq!(error.kind(), imgmount::error::Kind::Corrupt, "{error}");
    super::compare_range(&disk, &file, 3 << 20, 1 << 20);
}

#[test]
fn what_is_cut_off_fails_and_what_is_before_does_not() {
    need!(tool "zstd");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 4 << 20, 29);
    let image = scratch.join("cut.zst");
    let whole = std::fs::read(packed(&raw, "-3", &scratch)).unwrap();
    std::fs::write(&image, &whole[..whole.len() * 3 / 4]).unwrap();
    let disk = super::disk(&image);
    assert_eq!(disk.size(), 4 << 20);
    let file = std::fs::File::open(&raw).unwrap();
    super::compare_range(&disk, &file, 0, 1 << 20);
    let mut buf = vec![0; 4096];
    assert!(disk.read_exact_at(&mut buf, (4 << 20) - 4096).is_err());
}
