//! What reading costs, in bytes of the image, counted below the cache.

use std::path::PathBuf;

use super::sets::packed;
use super::tree::text;
use imgmount::filesystem::{FileSystem, FileType};

use crate::support::counted::{BLOCK, Opened, blocks_of, bytes_of, request};
use crate::support::images::Scratch;

/// Directories, and files in each.
const FOLDERS: usize = 60;
const FILES: usize = 50;
/// Bytes of the largest file.
const LARGE: usize = 3_000_000;

/// Files that are all in clusters of their own, packed with `options`.
fn image(options: &str, scratch: &Scratch) -> PathBuf {
    let source = scratch.folder("source");
    for folder in 0..FOLDERS {
        let folder = source.join(format!("folder-{folder}"));
        std::fs::create_dir(&folder).unwrap();
        for number in 0..FILES {
            let len = 5000 + number * 977;
            let content = text(len, (folder.as_os_str().len() + number) as u64);
            std::fs::write(folder.join(format!("file-{number}")), content).unwrap();
        }
    }
    std::fs::write(source.join("large"), text(LARGE, 8)).unwrap();
    let image = scratch.join("image");
    packed(options, &source, &image);
    image
}

/// Bytes that find(1) has to read: inodes of 32 bytes, and directories.
fn needed(opened: &Opened) -> u64 {
    let mut bytes = 0;
    let mut left = vec![opened.tree.root()];
    while let Some(folder) = left.pop() {
        bytes += opened.tree.attributes(&request(), folder).unwrap().size;
        let mut each = |entry: imgmount::filesystem::Entry<'_>| {
            if entry.name != b"." && entry.name != b".." {
                bytes += 32;
                if entry.kind == Some(FileType::Directory) {
                    left.push(entry.inode);
                }
            }
            true
        };
        opened
            .tree
            .read_dir(&request(), folder, 0, &mut each)
            .unwrap();
    }
    bytes
}

#[test]
fn find_reads_the_metadata_once_and_little_else() {
    need!(tool "mkfs.erofs");
    if let Some(reason) = super::too_old() {
        crate::support::skip::skip(module_path!(), &reason);
        return;
    }
    let scratch = Scratch::new();
    let image = image(
        "-Enoinline_data --MZ=id --all-root --ignore-mtime",
        &scratch,
    );
    let needed = needed(&Opened::new(&image));
    let opened = Opened::new(&image);
    assert_eq!(opened.find_all(), 2 + FOLDERS * (1 + FILES));
    let mut reads = opened.take();
    println!(
        "{} bytes in {} reads for {needed}",
        bytes_of(&reads),
        reads.len()
    );
    assert!(
        bytes_of(&reads) * 5 <= needed * 6,
        "more than 1.2 times {needed}: {reads:?}"
    );
    reads.extend(opened.opening.iter().cloned());
    blocks_of(&reads);
    // Again, and nothing more is read.
    opened.find_all();
    assert_eq!(opened.take(), []);
}

#[test]
fn a_compressed_file_is_read_once_in_growing_pieces() {
    need!(tool "mkfs.erofs");
    let scratch = Scratch::new();
    let opened = Opened::new(&image("-zlz4hc", &scratch));
    let file = opened.find("large");
    opened.take();
    assert!(opened.read(file) == text(LARGE, 8));
    let reads = opened.take();
    let blocks = blocks_of(&reads);
    // A third of its bytes, and what reading ahead overshoots.
    let most = LARGE as u64 * 2 / 3 / BLOCK;
    assert!(blocks <= most, "{blocks} of at most {most}: {reads:?}");
    assert!(reads.len() < 40, "{} reads: {reads:?}", reads.len());
    assert!(opened.read(file) == text(LARGE, 8));
    assert_eq!(opened.take(), [], "read twice");
}
