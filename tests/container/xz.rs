//! xz files by the xz command: every check, filter and layout of blocks that it makes.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use imgmount::source::SharedSource;

use super::guest::{self, Random};
use super::refused_at;
use crate::support::command::Run;
use crate::support::images::Scratch;

const MIB: u64 = 1 << 20;

/// `raw` packed by xz with `options`.
fn packed(raw: &Path, options: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("packed.xz");
    let bytes = Run::new("xz").words("-c").words(options).arg(raw).stdout();
    std::fs::write(&image, bytes).unwrap();
    image
}

fn compare(size: u64, options: &[&str]) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, size, 21);
    for options in options {
        let image = packed(&raw, options, &scratch);
        super::compare(&super::disk(&image), &raw);
    }
}

#[test]
fn blocks_of_every_size() {
    need!(tool "xz");
    let options = [
        "-0 -T1",
        "-0 -T2 --block-size=1MiB",
        "-1 --block-size=100000",
        "-6 -T1 --block-list=5000,700000,1,0",
    ];
    compare(3 * MIB + 512, &options);
}

#[test]
fn every_check() {
    need!(tool "xz");
    let options = ["none", "crc32", "crc64", "sha256"];
    let options = options.map(|check| format!("-0 --check={check} --block-size=600000"));
    compare(2 * MIB, &options.each_ref().map(String::as_str));
}

#[test]
fn literals_positions_and_dictionaries() {
    need!(tool "xz");
    let options = [
        "--lzma2=preset=0,lc=0,lp=4,pb=4,dict=4KiB",
        "--lzma2=preset=1,lc=4,lp=0,pb=0,dict=1536KiB",
        "--lzma2=preset=0,dict=128MiB",
    ];
    compare(2 * MIB, &options);
}

/// Bytes that look like branches of every processor.
fn branches(scratch: &Scratch, len: usize) -> PathBuf {
    let opcodes =
        b"\xe8\xe9\0\xff\xeb\x48\x4b\x40\x7f\xc0\x94\x97\x90\xb0\xf0\xf8\x10\x16\x12\x50\x28";
    let mut random = Random(4);
    let one = |random: &mut Random| match random.below(5) {
        0 => random.next() as u8,
        _ => opcodes[random.below(opcodes.len() as u64) as usize],
    };
    let bytes: Vec<u8> = (0..len).map(|_| one(&mut random)).collect();
    let path = scratch.join("branches.raw");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_filter() {
    need!(tool "xz");
    let scratch = Scratch::new();
    let raw = branches(&scratch, 300_000);
    for filter in [
        "--x86",
        "--x86=start=4096",
        "--powerpc",
        "--ia64",
        "--arm",
        "--armthumb",
        "--arm64",
        "--sparc",
        "--delta=dist=1",
        "--delta=dist=256 --x86 --arm64",
    ] {
        let image = packed(&raw, &format!("{filter} --lzma2=preset=0"), &scratch);
        super::compare(&super::disk(&image), &raw);
    }
}

#[test]
fn streams_one_after_another() {
    need!(tool "xz");
    let scratch = Scratch::new();
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for (seed, options) in [(1, "-0"), (2, "--check=none"), (3, "-0 --block-size=50000")] {
        let raw = guest::disk(&scratch, 700_000 + seed, seed);
        all.extend(std::fs::read(packed(&raw, options, &scratch)).unwrap());
        expected.extend(std::fs::read(&raw).unwrap());
        all.extend(vec![0; 4 * seed as usize]);
    }
    let (image, raw) = (scratch.join("several.xz"), scratch.join("raw"));
    std::fs::write(&image, all).unwrap();
    std::fs::write(&raw, expected).unwrap();
    super::compare(&super::disk(&image), &raw);
}

#[test]
fn what_is_packed_may_be_an_image_itself() {
    need!(tool "xz", tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 2 * MIB, 5);
    let vmdk = scratch.join("disk.vmdk");
    let convert = Run::new("qemu-img").words("convert -f raw -O vmdk");
    convert.arg(&raw).arg(&vmdk).run();
    super::compare(&super::disk(&packed(&vmdk, "-0", &scratch)), &raw);
}

/// Compares piece by piece, and gives the pieces of 64 KiB that cannot be read.
fn unreadable(disk: &SharedSource, raw: &Path) -> Vec<u64> {
    let file = std::fs::File::open(raw).unwrap();
    let mut failed = Vec::new();
    for piece in 0..disk.size() / (64 << 10) {
        let (mut got, mut expected) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        file.read_exact_at(&mut expected, piece << 16).unwrap();
        match disk.read_exact_at(&mut got, piece << 16) {
            Ok(()) => assert!(got == expected, "piece {piece} is wrong"),
            Err(_) => failed.push(piece),
        }
    }
    failed
}

#[test]
fn a_damaged_block_costs_itself() {
    need!(tool "xz");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 8 * MIB, 6);
    let image = packed(&raw, "-0 --block-size=1MiB", &scratch);
    let mut bytes = std::fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&image, bytes).unwrap();
    let failed = unreadable(&super::disk(&image), &raw);
    let blocks: std::collections::BTreeSet<_> = failed.iter().map(|piece| piece / 16).collect();
    assert_eq!(blocks.len(), 1, "{failed:?}");
}

#[test]
fn o06_window_and_a_file_that_is_cut_off() {
    need!(tool "xz");
    let scratch = Scratch::new();
    let raw = scratch.file("zeros.raw", MIB);
    let image = packed(&raw, "--lzma2=preset=0,dict=192MiB", &scratch);
    // The block header, behind the 12 bytes of the stream's.
    let words = "window: the dictionary of 192 MiB";
    refused_at(&image, Kind::Unsupported, 12, words);
    let bytes = std::fs::read(packed(&raw, "-0", &scratch)).unwrap();
    std::fs::write(&image, &bytes[..bytes.len() - 5]).unwrap();
    refused_at(
        &image,
        Kind::Corrupt,
        bytes.len() as u64 - 5,
        "it is cut off",
    );
}
