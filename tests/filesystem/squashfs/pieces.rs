//! A large directory that has no index, listed piece by piece.

use std::path::{Path, PathBuf};

use imgmount::filesystem::{Budget, FileSystem, Inode, Request};
use imgmount::service::open::Options;

use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;

/// Files in it, in many metadata blocks.
const NAMES: usize = 3000;

/// An image of a directory of so many files, made with `options`.
fn packed(scratch: &Scratch, options: &str) -> PathBuf {
    let root = scratch.folder("root");
    for number in 0..NAMES {
        let name = format!("{number:0width$}", width = 8 + number % 97);
        std::fs::write(root.join(name), "").unwrap();
    }
    let image = scratch.join("image");
    let make = Run::new("mksquashfs").arg(&root).arg(&image);
    make.words("-no-progress -quiet").words(options).run();
    image
}

/// The same whose inodes are not packed, and that of the directory says that there is no index.
fn image(scratch: &Scratch) -> PathBuf {
    let image = packed(scratch, "-noI");
    let mut bytes = std::fs::read(&image).unwrap();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (reference, table) = (word(32), word(64));
    let inode = (table + (reference >> 16) + 2 + (reference & 0xffff)) as usize;
    assert_eq!(bytes[inode], 8, "an extended directory");
    let count = inode + 32..inode + 34;
    assert_ne!(bytes[count.clone()], [0, 0], "it has an index");
    bytes[count].fill(0);
    std::fs::write(&image, bytes).unwrap();
    image
}

/// At most `most` entries behind `cursor`, with `steps` of work: names and cursors.
fn piece(
    (filesystem, root): (&dyn FileSystem, Inode),
    cursor: u64,
    most: usize,
    steps: u64,
) -> Vec<(Vec<u8>, u64)> {
    let mut request = Request::new(0);
    request.budget = Budget::new(steps);
    let mut found = Vec::new();
    let listed = filesystem.read_dir(&request, root, cursor, &mut |entry| {
        found.push((entry.name.to_vec(), entry.next));
        found.len() < most
    });
    listed.unwrap();
    found
}

fn names(image: &Path) -> Vec<Vec<u8>> {
    let listed = Run::new("unsquashfs").words("-l -d").arg("").arg(image);
    let listed = listed.stdout();
    let lines = listed.split(|byte| *byte == b'\n');
    let names = lines.filter_map(|line| line.strip_prefix(b"/"));
    names
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

#[test]
fn what_was_listed_is_gone_over_by_the_sizes_of_its_names() {
    need!(tool "mksquashfs", tool "unsquashfs");
    let scratch = Scratch::new();
    let image = image(&scratch);
    let opened = library::open_with(&image, &Options::default());
    let filesystem = library::file_system(&opened);
    let of = (&*filesystem, filesystem.root());
    let all = piece(of, 0, usize::MAX, 1 << 20);
    let listed: Vec<_> = all.iter().skip(2).map(|(name, _)| name.clone()).collect();
    assert_eq!(listed, names(&image));
    // From every cursor the rest follows, whichever block it is in.
    for (index, (_, cursor)) in all.iter().enumerate() {
        let rest = piece(of, *cursor, 3, 1 << 20);
        let expected = all.iter().skip(index + 1).take(3);
        assert!(rest.iter().eq(expected), "behind entry {index}");
    }
    // A step for each entry before it would be as many as there are, and 64 go for each block.
    let last = all[NAMES - 10].1;
    let blocks = NAMES as u64 * 70 / 8192;
    assert_eq!(piece(of, last, 5, NAMES as u64 / 4 + 64 * blocks).len(), 5);
}

/// A block of metadata costs what its compressor takes to unpack it, once.
#[test]
fn what_is_unpacked_costs_by_its_compressor() {
    need!(tool "mksquashfs");
    let listed = |compressor: &str| {
        let scratch = Scratch::new();
        let image = packed(&scratch, &format!("-comp {compressor}"));
        let opened = library::open_with(&image, &Options::default());
        let filesystem = library::file_system(&opened);
        let root = filesystem.root();
        let list = |budget: Budget| {
            let mut request = Request::new(0);
            request.budget = budget;
            filesystem.read_dir(&request, root, 0, &mut |_| true)
        };
        let few = 10 * NAMES as u64;
        let first = list(Budget::new(few));
        list(Budget::default()).unwrap();
        // What is there already costs little.
        list(Budget::new(few)).unwrap();
        first
    };
    assert_eq!(listed("gzip"), Ok(()));
    let error = listed("xz").unwrap_err();
    assert!(error.message().starts_with("work limit"), "{error}");
}
