//! The comparison with the Linux kernel: images that mksquashfs makes of one tree with every
//! compressor and many options.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use super::tree;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;
use crate::support::library;
use crate::support::record::{Comparison, Tree};
use crate::support::walk;

/// Fields that the kernel does not show of a squashfs.
const WITHOUT: [&str; 1] = ["flags"];

/// Compares what `image` shows with the kernel's view of it; gives the number of files.
pub fn compare(image: &Path, at: &Path, title: &str) -> usize {
    let mounted = Mounted::new(image, "squashfs", "ro", at);
    let opened = library::open_with(image, &Options::default());
    let filesystem = library::file_system(&opened);
    let mut expected = walk::mounted(mounted.path());
    own_parent(&mut expected);
    let comparison = Comparison {
        expected: &expected,
        referee: "Linux",
        found: &library::walk(&*filesystem),
        without: &WITHOUT,
    };
    comparison.check(title)
}

/// The root is its own parent. mksquashfs stores a number for that which no inode has, and the
/// kernel shows it.
pub fn own_parent(tree: &mut Tree) {
    let root = tree.get_mut(&b""[..]).unwrap();
    let number = root.ino;
    let entries = root.entries.as_mut().unwrap();
    entries.insert(b"..".to_vec(), (number, 'd'));
}

#[test]
fn every_compressor_and_option_reads_as_in_the_kernel() {
    need!(root, loop, kernel "squashfs", tool "mksquashfs");
    let sets = [
        "-comp gzip",
        "-comp gzip -Xcompression-level 1 -Xwindow-size 8 -b 4K",
        "-comp gzip -Xstrategy huffman_only,fixed,run_length_encoded,filtered -b 64K",
        "-comp lzo",
        "-comp lzo -Xalgorithm lzo1x_1 -b 1M",
        "-comp lz4",
        "-comp lz4 -Xhc -b 16K",
        "-comp xz -b 32K",
        "-comp xz -Xbcj x86,arm,armthumb,powerpc,sparc",
        "-comp xz -Xdict-size 50% -b 1M",
        "-comp zstd -Xcompression-level 3",
        "-comp zstd -Xcompression-level 19 -b 1M",
        "-noI -noD -noF -noX",
        "-noI -noId",
        "-noD -no-fragments",
        "-no-fragments -b 8K",
        "-always-use-fragments",
        "-always-use-fragments -noF -b 1M",
        "-no-exports -no-duplicates -no-xattrs",
        "-no-sparse -tailends -all-root",
    ];
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    for set in sets {
        let image = packed(&root, set, &scratch);
        let files = compare(&image, &scratch.join("kernel"), set);
        assert!(files > 1700, "{set}: {files} files");
    }
}

/// What mksquashfs makes of `root` with the options `set`.
pub fn packed(root: &Path, set: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("image");
    let pack = Run::new("mksquashfs").arg(root).arg(&image);
    pack.words("-noappend -quiet -no-progress").words(set).run();
    image
}

/// Files over 4 GiB, mostly holes, whose block lists go over many metadata blocks.
#[test]
fn large_files_with_holes_read_as_in_the_kernel() {
    need!(root, loop, kernel "squashfs", tool "mksquashfs");
    let scratch = Scratch::new();
    let root = scratch.folder("tree");
    let file = |name: &str, size: u64, step: u64| {
        let file = std::fs::File::create(root.join(name)).unwrap();
        file.set_len(size).unwrap();
        for at in (0..size - 5000).step_by(step as usize) {
            let text = format!("at {at}\n").repeat(300);
            file.write_all_at(text.as_bytes(), at).unwrap();
        }
    };
    file("over-4-gib", (4 << 30) + 12_345, 321 << 20);
    file("many-blocks", 100 << 20, 777_777);
    for set in ["-comp lz4 -b 4K", "-comp gzip -b 128K -no-fragments"] {
        let image = packed(&root, set, &scratch);
        assert_eq!(compare(&image, &scratch.join("kernel"), set), 3);
    }
}
