//! What this kernel, or any, does not mount: blocks over a page, names that ignore case, verity
//! where it is not built in. debugfs is the referee.

use std::fs;
use std::path::{Path, PathBuf};

use imgmount::filesystem::FileSystem;
use imgmount::service::open::Options;

use super::workload;
use crate::support::command::Run;
use crate::support::debugfs;
use crate::support::images::Scratch;
use crate::support::library;
use crate::support::record::Comparison;

/// A test for each mke2fs line.
macro_rules! sets {
    ($($name:ident: $mke2fs:literal,)+) => {
        $(
            #[test]
            fn $name() {
                need!(root, tool "mke2fs", tool "debugfs");
                compare(stringify!($name), $mke2fs);
            }
        )+
    };
}

sets! {
    blocks_of_8k: "-t ext4 -b 8192",
    blocks_of_16k: "-t ext4 -b 16384",
    blocks_of_32k: "-t ext4 -b 32768 -I 512",
    blocks_of_64k: "-t ext4 -b 65536",
    blocks_of_64k_indirect: "-t ext2 -b 65536",
    blocks_of_8k_inline: "-t ext4 -b 8192 -O inline_data",
    blocks_of_64k_bigalloc: "-t ext4 -b 65536 -O bigalloc -C 262144",
    casefold: "-t ext4 -O casefold",
}

fn compare(name: &str, mke2fs: &str) {
    let scratch = Scratch::new();
    let source = scratch.folder("source");
    workload::portable(&source, 700);
    let mut without = debugfs::WITHOUT.to_vec();
    if mke2fs.contains("inline_data") {
        // st_blocks counts inline data as if it had blocks, and debugfs does not; and mke2fs -d
        // puts a hole of 10 MiB into the inode, which nobody can read.
        without.push("blocks");
        fs::remove_file(source.join("contents/hole-only")).unwrap();
    }
    let image = make(mke2fs, &source, &scratch);
    let expected = debugfs::tree(&image, &scratch);
    let opened = library::open_with(&image, &Options::default());
    let found = library::walk(&*library::file_system(&opened));
    let comparison = Comparison {
        expected: &expected,
        referee: "debugfs",
        found: &found,
        without: &without,
    };
    let files = comparison.check(name);
    assert!(files > 500, "{name}: only {files} files");
}

/// A file system with a copy of `source`.
fn make(mke2fs: &str, source: &Path, scratch: &Scratch) -> PathBuf {
    let image = scratch.file("image", 512 << 20);
    let run = Run::new("mke2fs").words("-q -F").words(mke2fs);
    run.arg("-d").arg(source).arg(&image).run();
    image
}

/// Names in a directory that ignores case: which of them are one name, e2fsprogs' folded hash
/// says.
#[test]
fn lookup_ignores_case_where_the_directory_does() {
    need!(root, tool "mke2fs", tool "debugfs", tool "e2fsck");
    const STORED: [&str; 8] = [
        "abc",
        "Größe",
        "STRASSE.txt",
        "Ελλάς",
        "İstanbul",
        "ﬁle",
        "e\u{301}t\u{e9}",
        "K9",
    ];
    const ASKED: [&str; 20] = [
        "ABC",
        "abc",
        "abcd",
        "GRÖSSE",
        "größe",
        "grösse",
        "grosse",
        "straße.TXT",
        "Strasse.txt",
        "ΕΛΛΆΣ",
        "ελλάσ",
        "istanbul",
        "i\u{307}stanbul",
        "FILE",
        "file",
        "\u{c9}TE\u{301}",
        "ete",
        "\u{212a}9",
        "k9",
        "\u{ff4b}9",
    ];
    let scratch = Scratch::new();
    for many in [0, 500] {
        let source = scratch.folder(&format!("source-{many}"));
        let folded = workload::folder(&source, "folded");
        let plain = workload::folder(&source, "plain");
        for folder in [&folded, &plain] {
            for name in STORED {
                fs::write(folder.join(name), name).unwrap();
            }
            for number in 0..many {
                fs::write(folder.join(format!("More-{number:0>60}")), b"").unwrap();
            }
        }
        let image = make("-t ext4 -b 1024 -O casefold", &source, &scratch);
        // EXT4_CASEFOLD_FL; then e2fsck makes the index, with folded hashes, where there is one.
        let request = "set_inode_field /folded flags 0x40080000";
        Run::new("debugfs")
            .args(["-w", "-R", request])
            .arg(&image)
            .run();
        Run::new("e2fsck").arg("-fyD").arg(&image).output();
        let opened = library::open_with(&image, &Options::default());
        let filesystem = library::file_system(&opened);
        let hashes = |names: &[&str]| {
            names
                .iter()
                .map(|name| folded_hash(&image, name))
                .collect::<Vec<_>>()
        };
        let (stored, asked) = (hashes(&STORED), hashes(&ASKED));
        assert_eq!(stored[1], asked[3], "the referee folds");
        for (name, hash) in ASKED.iter().zip(&asked) {
            let one_of = stored.iter().position(|other| other == hash);
            let expected = one_of.map(|index| STORED[index]);
            let found = read(&*filesystem, "folded", name);
            assert_eq!(found.as_deref(), expected, "{name} of {many}");
            let exact = STORED.contains(name).then_some(*name);
            assert_eq!(
                read(&*filesystem, "plain", name).as_deref(),
                exact,
                "{name}"
            );
        }
    }
}

/// The half-MD4 hash of `name`, folded, by debugfs.
fn folded_hash(image: &Path, name: &str) -> String {
    let request = format!("dx_hash -c -e utf8 -h half_md4 {name}");
    let said = Run::new("debugfs").args(["-R", &request]).arg(image).text();
    said.split_once(" is 0x").unwrap().1.trim().to_owned()
}

/// The contents of `folder/name`, where that is found.
fn read(filesystem: &dyn FileSystem, folder: &str, name: &str) -> Option<String> {
    let request = library::request();
    let root = filesystem.root();
    let folder = filesystem
        .lookup(&request, root, folder.as_bytes())
        .unwrap()
        .unwrap();
    let file = filesystem
        .lookup(&request, folder, name.as_bytes())
        .unwrap()?;
    let mut buf = [0; 100];
    let got = filesystem.read(&request, file, &mut buf, 0).unwrap();
    Some(String::from_utf8(buf[..got].to_vec()).unwrap())
}

/// A file with the verity flag ends where its size says; its hash tree behind that is no content.
#[test]
fn verity_files_read_up_to_their_size() {
    need!(root, tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let source = scratch.folder("source");
    fs::write(source.join("file"), "content ".repeat(3000)).unwrap();
    let image = make("-t ext4 -O verity", &source, &scratch);
    // EXT4_VERITY_FL besides EXT4_EXTENTS_FL, as debugfs shows it afterwards.
    let request = "set_inode_field /file flags 0x180000";
    Run::new("debugfs")
        .args(["-w", "-R", request])
        .arg(&image)
        .run();
    let stat = debugfs::ask(&image, "stat /file\n").remove(0);
    assert!(String::from_utf8_lossy(&stat).contains("Flags: 0x180000"));
    let expected = debugfs::tree(&image, &scratch);
    let opened = library::open_with(&image, &Options::default());
    let found = library::walk(&*library::file_system(&opened));
    let comparison = Comparison {
        expected: &expected,
        referee: "debugfs",
        found: &found,
        without: &debugfs::WITHOUT,
    };
    comparison.check("verity");
}
