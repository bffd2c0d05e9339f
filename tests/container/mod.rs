//! Disk image containers, each against qemu-img or the format's own tools: every byte, at any
//! offset and size, from several threads, and the map of holes.

mod bzip2;
pub mod cd;
pub mod guest;

mod android;
mod collected;
mod flips;
mod gzip;
mod lz4;
mod ova;
mod parallels;
mod qcow;
mod qcow2;
mod qcow2_damaged;
mod qcow2_encrypted;
mod qed;
mod raw;
mod split;
mod tar;
mod vdi;
pub mod vhd;
pub mod vhdx;
mod vmdk;
mod xz;
mod zstd;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use imgmount::service::open::{Options, open};
use imgmount::source::{ExtentKind, SharedSource};

use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// The one disk in `image`, opened as a user's command opens it.
pub fn disk(image: &Path) -> SharedSource {
    disk_with(image, &Options::default())
}

/// [`disk`] with options.
pub fn disk_with(image: &Path, options: &Options) -> SharedSource {
    let opened = library::open_with(image, options);
    let [disk] = opened.stack.disks.as_slice() else {
        panic!("{} disks", opened.stack.disks.len());
    };
    disk.source
        .clone()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// That `image`, of which the field at byte `at` was changed, is refused for that: with an error of
/// `kind` that says `words` and where the field is.
pub fn refused_at(image: &Path, kind: Kind, at: u64, words: &str) {
    let error = open(image, &Options::default()).err();
    let error = error.unwrap_or_else(|| panic!("{words}: it opens"));
    let text = error.to_string();
    assert!(text.contains(words), "{words}: {text}");
    assert_eq!((error.kind(), error.offset()), (kind, Some(at)), "{text}");
}

/// Writes `bytes` at byte `offset` of the file, where others are.
pub fn patch(image: &Path, offset: u64, bytes: &[u8]) {
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).open(image).unwrap();
    let mut before = vec![0; bytes.len()];
    // What is behind the end is none of them.
    let is_there = file.read_exact_at(&mut before, offset).is_ok();
    assert!(!is_there || before != bytes, "{offset:#x}: nothing changes");
    file.write_all_at(bytes, offset).unwrap();
}

/// `image` as raw, by qemu-img with `arguments` (`-f qcow2`, `-l snapshot`) in front of its name.
pub fn converted(image: &Path, arguments: &str, scratch: &Scratch) -> PathBuf {
    let name = image.file_name().unwrap().to_str().unwrap();
    let raw = scratch.join(&format!("{name}.converted"));
    let convert = Run::new("qemu-img")
        .words("convert -O raw")
        .words(arguments);
    convert.arg(image).arg(&raw).run();
    raw
}

/// Compares `disk` with the file `expected`: whole, then at random ranges from four threads, sizes
/// from 1 byte to 1 MiB.
pub fn compare(disk: &SharedSource, expected: &Path) {
    let file = std::fs::File::open(expected).unwrap();
    let size = file.metadata().unwrap().len();
    assert_eq!(disk.size(), size, "bytes of the disk");
    let mut offset = 0;
    while offset < size {
        let len = (size - offset).min(1 << 20);
        compare_range(disk, &file, offset, len);
        offset += len;
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (disk, file) = (&disk, &file);
            scope.spawn(move || compare_random(disk, file, thread + 1, 60));
        }
    });
}

/// Compares `count` random ranges.
pub fn compare_random(disk: &SharedSource, file: &std::fs::File, seed: u64, count: usize) {
    let size = disk.size();
    if size == 0 {
        return;
    }
    let mut random = guest::Random(seed);
    for _ in 0..count {
        let offset = random.below(size);
        let most = 1 << random.below(21);
        let len = (1 + random.below(most)).min(size - offset);
        compare_range(disk, file, offset, len);
    }
}

/// Compares one range.
pub fn compare_range(disk: &SharedSource, file: &std::fs::File, offset: u64, len: u64) {
    let (mut got, mut expected) = (vec![0xa5; len as usize], vec![0; len as usize]);
    file.read_exact_at(&mut expected, offset).unwrap();
    disk.read_exact_at(&mut got, offset)
        .unwrap_or_else(|error| panic!("{len} bytes at {offset:#x}: {error}"));
    if let Some(first) = got
        .iter()
        .zip(&expected)
        .position(|(ours, theirs)| ours != theirs)
    {
        let at = offset + first as u64;
        panic!(
            "byte {at:#x} is {:#x}, not {:#x}",
            got[first], expected[first]
        );
    }
}

/// Compares the holes of `disk` with what `qemu-img map` says of `image`: data where it says data,
/// a hole where it says neither data nor anything but zeros.
pub fn compare_holes(disk: &SharedSource, image: &Path, arguments: &str) {
    let map = Run::new("qemu-img")
        .words("map --output=json")
        .words(arguments);
    let map: serde_json::Value = serde_json::from_slice(&map.arg(image).stdout()).unwrap();
    let mut offset = 0;
    for piece in map.as_array().unwrap() {
        let number = |name: &str| piece[name].as_u64().unwrap();
        assert_eq!(number("start"), offset, "qemu-img map has no gaps");
        offset += number("length");
        let end = offset.min(disk.size());
        let (data, zero) = (piece["data"] == true, piece["zero"] == true);
        let mut at = number("start");
        while at < end {
            let extent = disk.extent_at(at).unwrap();
            let is_data = extent.kind == ExtentKind::Data;
            match (data, zero) {
                (true, false) => assert!(is_data, "{at:#x} is data, not {:?}", extent.kind),
                (false, true) => assert!(!is_data, "{at:#x} is a hole, not data"),
                _ => {}
            }
            at += extent.len.get();
        }
    }
    assert!(offset >= disk.size(), "qemu-img map says all of it");
}
