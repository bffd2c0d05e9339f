//! Other writers and readers than mksquashfs and the kernel, and other places than byte 0.

use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use super::kernel::{compare, packed};
use super::tree;
use crate::support::command::{self, Run};
use crate::support::images::{self, Scratch};
use crate::support::kernel::Mounted;
use crate::support::library;
use crate::support::record::{Comparison, Tree};
use crate::support::through::Through;
use crate::support::walk;

/// Fields in which files that were unpacked or not yet packed are others.
const OTHERS: [&str; 12] = [
    "size",
    "blocks",
    "block size",
    "nlink",
    "atime",
    "mtime",
    "ctime",
    "crtime",
    "flags",
    "ino",
    "map",
    "entries",
];

/// The kernel reads no lzma.
#[test]
fn what_the_kernel_does_not_read_is_as_unsquashfs_unpacks_it() {
    need!(root, tool "mksquashfs", tool "unsquashfs");
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    for set in ["-comp lzma", "-comp lzma -b 1M"] {
        let image = packed(&root, set, &scratch);
        let unpacked = scratch.join("unpacked");
        let unsquashfs = Run::new("unsquashfs").words("-quiet -no-progress -d");
        unsquashfs.arg(&unpacked).arg(&image).run();
        let opened = library::open_with(&image, &Options::default());
        let comparison = Comparison {
            expected: &walk::mounted(&unpacked),
            referee: "unsquashfs",
            found: &library::walk(&*library::file_system(&opened)),
            without: &OTHERS,
        };
        comparison.check(set);
        std::fs::remove_dir_all(unpacked).unwrap();
    }
}

/// That of each filter some block is packed with it, so that none is proved by the others.
#[test]
fn each_filter_of_xz_is_used_and_undone_as_by_the_kernel() {
    need!(root, loop, kernel "squashfs", tool "mksquashfs");
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    for (filter, id) in [("x86", 4), ("powerpc", 5), ("arm", 7), ("sparc", 9)] {
        let image = packed(&root, &format!("-comp xz -Xbcj {filter}"), &scratch);
        assert!(has_filter(&image, id), "{filter} was never used");
        compare(&image, &scratch.join("kernel"), filter);
    }
}

/// Whether any block of xz has the filter `id` before LZMA2: behind the stream's header, the size
/// of the block's and two sizes that may be there.
fn has_filter(image: &Path, id: u8) -> bool {
    let bytes = std::fs::read(image).unwrap();
    let streams = bytes.windows(24).filter(|at| at.starts_with(b"\xfd7zXZ\0"));
    let mut filtered = streams.filter(|at| at[13] & 3 == 1);
    filtered.any(|at| at[14..].windows(2).any(|pair| pair == [id, 0]))
}

#[test]
fn images_of_squashfs_tools_ng_read_as_in_the_kernel() {
    need!(root, loop, kernel "squashfs", tool "gensquashfs");
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    // It packs no sockets.
    std::fs::remove_file(root.join("special/socket")).unwrap();
    for set in [
        "-c gzip -e",
        "-c zstd -b 65536",
        "-c xz -T",
        "-c lz4 -b 1048576",
    ] {
        let image = scratch.join("image");
        let pack = Run::new("gensquashfs").words("-q -f -k -x").words(set);
        pack.arg("-D").arg(&root).arg(&image).run();
        let files = compare(&image, &scratch.join("kernel"), set);
        assert!(files > 1700, "{set}: {files} files");
    }
}

#[test]
fn what_sqfstar_makes_without_an_export_table_reads_as_in_the_kernel() {
    need!(root, loop, kernel "squashfs", tool "sqfstar", tool "tar");
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    let archive = scratch.join("archive");
    let tar = Run::new("tar")
        .words("--xattrs --xattrs-include=* -cf")
        .arg(&archive);
    tar.arg("-C").arg(&root).arg(".").run();
    let image = scratch.join("image");
    let mut command = Run::new("sqfstar")
        .words("-quiet -no-progress")
        .arg(&image)
        .command();
    command.stdin(std::fs::File::open(&archive).unwrap());
    assert!(command.output().unwrap().status.success());
    compare(&image, &scratch.join("kernel"), "sqfstar");
}

/// `head` bytes that look like a program, and behind them the image.
fn behind(head: usize, image: &Path, scratch: &Scratch) -> PathBuf {
    let mut bytes = std::fs::read("/proc/self/exe").unwrap();
    bytes.resize(head, 0x90);
    bytes.extend(std::fs::read(image).unwrap());
    let whole = scratch.join("program");
    std::fs::write(&whole, bytes).unwrap();
    whole
}

#[test]
fn an_image_behind_a_program_is_found_by_its_offset() {
    need!(root, tool "mksquashfs");
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    let image = packed(&root, "-comp zstd -nopad", &scratch);
    let alone = library::open_with(&image, &Options::default());
    let expected = library::walk(&*library::file_system(&alone));
    for head in [4096, 188_392, 190_001] {
        let whole = behind(head, &image, &scratch);
        let options = Options {
            offset: head as u64,
            ..Options::default()
        };
        let opened = library::open_with(&whole, &options);
        let comparison = Comparison {
            expected: &expected,
            referee: "the image alone",
            found: &library::walk(&*library::file_system(&opened)),
            without: &[],
        };
        comparison.check(&head.to_string());
        let shown = command::imgmount()
            .words("cat --offset")
            .arg(head.to_string());
        let shown = shown.arg(&whole).arg("names/deep/level-0/../../~").stdout();
        assert_eq!(shown, b"~");
    }
}

#[test]
fn the_mount_shows_what_the_kernel_shows() {
    need!(root, loop, fuse, kernel "squashfs", tool "mksquashfs");
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    tree::make(&root);
    let image = packed(&root, "-comp zstd", &scratch);
    let before = images::sha256(&image);
    let mounted = Mounted::new(&image, "squashfs", "ro", &scratch.join("kernel"));
    let through = Through::new(&image, "", &scratch.join("found"));
    let mut expected = walk::mounted(mounted.path());
    super::kernel::own_parent(&mut expected);
    let found = walk::mounted(through.path());
    without_number_1(&mut expected, &found);
    let comparison = Comparison {
        expected: &expected,
        referee: "Linux",
        found: &found,
        without: &["flags", "crtime"],
    };
    comparison.check("the mount");
    assert_eq!(numbers(through.path()), numbers(mounted.path()));
    assert_eq!(images::sha256(&image), before);
}

/// In a mount by FUSE, 1 is the number of the root alone. mksquashfs gives it to some other file,
/// which has a number over 2^63 then.
fn without_number_1(expected: &mut Tree, found: &Tree) {
    let mut number = None;
    for (path, record) in &mut *expected {
        if record.ino == 1 {
            record.ino = found[path].ino;
            assert!(record.ino > 1 << 63);
            number = Some(record.ino);
        }
    }
    let entries = expected.values_mut().flat_map(|record| &mut record.entries);
    for (ino, _) in entries.flat_map(|entries| entries.values_mut()) {
        if *ino == 1 {
            *ino = number.unwrap();
        }
    }
}

/// What statfs(2) says, but the type and id of the file system and the mount's flags.
fn numbers(path: &Path) -> [u64; 8] {
    let stat = rustix::fs::statfs(path).unwrap();
    [
        stat.f_bsize as u64,
        stat.f_frsize as u64,
        stat.f_blocks,
        stat.f_bfree,
        stat.f_bavail,
        stat.f_files,
        stat.f_ffree,
        stat.f_namelen as u64,
    ]
}
