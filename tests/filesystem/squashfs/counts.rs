//! What reading costs: bytes of the image, and blocks decoded.

use std::path::PathBuf;
use std::sync::Arc;

use imgmount::cache::{Cache, Statistics};
use imgmount::filesystem::{FORMATS, FileSystem, FileType, Inode};
use imgmount::format::Context;
use imgmount::source::Memory;

use super::kernel::packed;
use crate::support::counted::{Opened, bytes_of, request};
use crate::support::images::Scratch;

/// Thirty thousand small files in sixty directories, two large files, and a large directory.
fn image(set: &str, scratch: &Scratch) -> PathBuf {
    let root = scratch.folder("tree");
    for folder in 0..60 {
        let folder = root.join(format!("folder-{folder}"));
        std::fs::create_dir(&folder).unwrap();
        for number in 0..500 {
            let text = format!("{number} in {}\n", folder.display());
            std::fs::write(folder.join(format!("file-{number}")), text).unwrap();
        }
    }
    let large: String = (0..400_000).map(|line| format!("line {line}\n")).collect();
    std::fs::write(root.join("large"), &large).unwrap();
    std::fs::write(root.join("larger"), large.repeat(2)).unwrap();
    packed(&root, set, scratch)
}

/// A number of the superblock, at byte `at`.
fn place(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
}

/// How many metadata blocks lie from byte `at` up to byte `end`.
fn blocks(bytes: &[u8], mut at: usize, end: usize) -> u64 {
    let mut count = 0;
    while at < end {
        let header = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        at += 2 + usize::from(header & 0x7fff);
        count += 1;
    }
    count
}

#[test]
fn find_reads_the_metadata_once() {
    need!(tool "mksquashfs");
    let scratch = Scratch::new();
    let path = image("-comp zstd", &scratch);
    let bytes = std::fs::read(&path).unwrap();
    let opened = Opened::new(&path);
    assert_eq!(opened.find_all(), 30_063);
    // What looks for other formats when an image is opened is not of this one.
    let read = bytes_of(&opened.take());
    let metadata = (place(&bytes, 40) - place(&bytes, 64)) as u64;
    println!(
        "{read} bytes for {metadata}, {} to open",
        bytes_of(&opened.opening)
    );
    assert!(read * 5 < metadata * 6, "{read} bytes for {metadata}");
    assert_eq!(opened.find_all(), 30_063);
    assert_eq!(opened.take(), [], "read twice");
}

/// A file system whose cache holds what it decodes and nothing else.
struct Bare {
    cache: Arc<Cache>,
    files: Box<dyn FileSystem>,
}

impl Bare {
    fn new(bytes: Vec<u8>) -> Self {
        let cache = Cache::new(256 << 20);
        let format = FORMATS.iter().find(|format| format.name == "squashfs");
        let context = Context::new(cache.clone());
        let opened = (format.unwrap().open)(&[Arc::new(Memory(bytes))], &context).unwrap();
        let files = opened.filesystem;
        Self { cache, files }
    }

    /// Lists everything below `folder`, with attributes.
    fn find(&self, folder: Inode) {
        let mut below = Vec::new();
        let mut each = |entry: imgmount::filesystem::Entry<'_>| {
            self.files.attributes(&request(), entry.inode).unwrap();
            let is_dot = matches!(entry.name, b"." | b"..");
            if entry.kind == Some(FileType::Directory) && !is_dot {
                below.push(entry.inode);
            }
            true
        };
        let read = self.files.read_dir(&request(), folder, 0, &mut each);
        read.unwrap();
        for folder in below {
            self.find(folder);
        }
    }

    /// The counters, once nothing is decoded ahead any more.
    fn settled(&self) -> Statistics {
        loop {
            let before = self.cache.statistics();
            std::thread::sleep(std::time::Duration::from_millis(100));
            if self.cache.statistics() == before {
                return before;
            }
        }
    }
}

#[test]
fn find_decodes_each_metadata_block_once_also_by_many_threads() {
    need!(tool "mksquashfs");
    let scratch = Scratch::new();
    let bytes = std::fs::read(image("-comp gzip", &scratch)).unwrap();
    let (inodes, directories) = (place(&bytes, 64), place(&bytes, 72));
    let fragments = place(&bytes, place(&bytes, 80));
    let tables = blocks(&bytes, inodes, directories) + blocks(&bytes, directories, fragments);
    let bare = Bare::new(bytes);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| bare.find(bare.files.root()));
        }
    });
    let decoded = bare.settled().misses;
    // Besides these, ids and the places of the parents: a block and one for each 1024 inodes.
    let most = tables + 1 + 30_063 / 1024 + 1;
    assert!((tables..=most).contains(&decoded), "{decoded} for {tables}");
}

#[test]
fn a_large_file_is_decoded_once_and_ahead_by_readers_side_by_side() {
    need!(tool "mksquashfs");
    let scratch = Scratch::new();
    let bytes = std::fs::read(image("-comp gzip -no-fragments", &scratch)).unwrap();
    let bare = Bare::new(bytes);
    let found = |name: &[u8]| bare.files.lookup(&request(), bare.files.root(), name);
    let file = found(b"larger").unwrap().unwrap();
    let size = bare.files.attributes(&request(), file).unwrap().size;
    let before = bare.settled().misses;
    let read = || {
        let mut piece = vec![0; 50_000];
        for at in (0..size).step_by(50_000) {
            let got = bare.files.read(&request(), file, &mut piece, at).unwrap();
            assert_eq!(got as u64, (size - at).min(50_000));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(read);
        }
    });
    let decoded = bare.settled().misses - before;
    assert_eq!(decoded, size.div_ceil(128 << 10));
}
