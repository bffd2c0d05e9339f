//! What no common tool writes: volumes by our own generator in every layout of partitions, and what
//! 7z and udfinfo can read of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgmount::filesystem::FileSystem;
use imgmount::service::open::Options;

use super::tree::{self, MANY, contents, many_name};
use super::udfinfo;
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library::{self, find};
use crate::support::record::Tree;
use crate::support::udf::{Layout, METADATA_ICB, MIRROR_ICB, RESERVE};

const LAYOUTS: [Layout; 5] = [
    Layout::Physical,
    Layout::Sparable,
    Layout::Virtual15,
    Layout::Virtual20,
    Layout::Metadata,
];

fn image(layout: Layout, scratch: &Scratch) -> PathBuf {
    let (builder, places) = tree::build(layout);
    written(&builder.finish(places.root), scratch)
}

fn written(bytes: &[u8], scratch: &Scratch) -> PathBuf {
    let image = scratch.join("made.udf");
    std::fs::write(&image, bytes).unwrap();
    image
}

fn opened(image: &Path) -> Arc<dyn FileSystem> {
    library::file_system(&library::open_with(image, &Options::default()))
}

fn walked(image: &Path) -> Tree {
    library::walk(&*opened(image))
}

/// Every file of the tree, by its bytes.
fn check_contents(image: &Path, what: &str) {
    let filesystem = opened(image);
    for (path, expected) in contents() {
        let found = library::read_path(&*filesystem, path);
        assert!(found == expected, "{what}: {path} differs");
    }
}

#[test]
fn every_file_in_every_layout() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let image = image(layout, &scratch);
        check_contents(&image, &format!("{layout:?}"));
        let tree = walked(&image);
        assert_eq!(tree.len(), 17 + MANY, "{layout:?}");
    }
}

#[test]
fn attributes_to_the_last_field() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let tree = walked(&image(layout, &scratch));
        let [embedded, plain] = [&b"embedded"[..], b"plain"].map(|path| &tree[path]);
        // `date -u -d '2020-02-29 12:01:05.060708 +0200' +%s.%N`
        let at = |minute: i64| (1_582_970_405 + 60 * minute, 60_708_000);
        assert_eq!(
            (embedded.kind, embedded.mode, embedded.nlink),
            ('f', 0o644, 2)
        );
        assert_eq!((embedded.uid, embedded.gid), (1000, 100));
        assert_eq!(
            [embedded.atime, embedded.mtime, embedded.ctime],
            [at(1), at(2), at(3)]
        );
        assert_eq!(embedded.crtime, Some(at(0)));
        assert_eq!(embedded.blocks, 0);
        assert_eq!(plain.blocks, 6 * 4);
        assert_eq!(plain.mode, 0o5644);
        assert_eq!((plain.uid, plain.gid), (0, 0), "as Owner::default");
        assert_eq!(plain.crtime, Some(at(9)));
        assert_eq!(tree[&b"folder"[..]].mode, 0o755);
        assert_eq!(tree[&b"folder"[..]].nlink, 2);
        assert_eq!(
            tree[&b"link"[..]].target.as_deref(),
            Some("../folder/Θ".as_bytes())
        );
        assert_eq!(tree[&b"link"[..]].mode, 0o777);
        assert_eq!(tree[&b"link"[..]].size, 12);
        for (path, kind) in [
            ("block", 'b'),
            ("character", 'c'),
            ("pipe", 'p'),
            ("socket", 's'),
        ] {
            assert_eq!(tree[path.as_bytes()].kind, kind);
        }
        assert_eq!(tree[&b"block"[..]].rdev, (259, 70000));
        let numbers: BTreeSet<u64> = tree.values().map(|record| record.ino).collect();
        assert_eq!(
            numbers.len(),
            16,
            "hard links share a number, nothing else does"
        );
        assert_eq!(tree[&b"folder/linked"[..]].ino, embedded.ino);
    }
}

#[test]
fn the_inode_number_is_the_block_of_the_volume() {
    for layout in LAYOUTS {
        let (builder, places) = tree::build(layout);
        let block = builder.places(places.embedded)[0] / 2048;
        let scratch = Scratch::new();
        let image = written(&builder.finish(places.root), &scratch);
        assert_eq!(
            walked(&image)[&b"embedded"[..]].ino,
            block as u64,
            "{layout:?}"
        );
    }
}

#[test]
fn what_is_not_written_is_a_hole() {
    let scratch = Scratch::new();
    let tree = walked(&image(Layout::Physical, &scratch));
    let map = tree[&b"holes"[..]].map.clone().unwrap();
    // To the end of the block that the last extent ends in.
    assert_eq!(map, [(0, 2048), (8192, 12288)]);
    assert_eq!(tree[&b"holes"[..]].size, 10340 + 2048);
}

#[test]
fn a_large_directory_across_blocks_and_extents() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let filesystem = opened(&image(layout, &scratch));
        let tree = library::walk(&*filesystem);
        let names: BTreeSet<_> = (0..MANY)
            .map(|index| many_name(index).into_bytes())
            .collect();
        let found = tree[&b"many"[..]].entries.clone().unwrap();
        let found: BTreeSet<_> = found.into_keys().collect();
        let dots = [b".".to_vec(), b"..".to_vec()];
        assert_eq!(found, names.union(&dots.into()).cloned().collect());
        for name in names {
            let path = [&b"many/"[..], &name].concat();
            find(&*filesystem, &path);
        }
        let folder = find(&*filesystem, b"many");
        let request = imgmount::filesystem::Request::new(0);
        for missing in ["deleted", "hidden", "x", "000 ~2"] {
            let found = filesystem.lookup(&request, folder, missing.as_bytes());
            assert_eq!(found.unwrap(), None, "{missing}");
        }
    }
}

#[test]
fn hidden_files_where_they_are_asked_for() {
    let scratch = Scratch::new();
    let mut options = Options::default();
    options.format.show_associated = true;
    let opened = library::open_with(&image(Layout::Physical, &scratch), &options);
    let filesystem = library::file_system(&opened);
    let tree = library::walk(&*filesystem);
    assert!(tree.contains_key(&b"many/hidden"[..]));
    assert!(!tree.contains_key(&b"many/deleted"[..]));
}

#[test]
fn named_streams_are_attributes() {
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let tree = walked(&image(layout, &scratch));
        let xattrs = &tree[&b"embedded"[..]].xattrs;
        let expected = [(b"user.comment".to_vec(), b"a stream".to_vec())];
        assert_eq!(*xattrs, expected.into(), "{layout:?}");
        assert!(tree[&b"plain"[..]].xattrs.is_empty());
    }
}

#[test]
fn the_mirror_and_the_reserve_sequence_stand_in() {
    let (builder, places) = tree::build(Layout::Metadata);
    let good = builder.finish(places.root);
    let spoil = |blocks: &[u32]| {
        let mut bytes = good.clone();
        for block in blocks {
            bytes[*block as usize * 2048..][..2048].fill(0xa5);
        }
        bytes
    };
    let main = [300 + METADATA_ICB];
    let mirror = [300 + MIRROR_ICB];
    let contents_of_main: Vec<u32> = (300 + 1000..300 + 1020).collect();
    for blocks in [
        &main[..],
        &mirror,
        &contents_of_main,
        &[128, 129, 130],
        &[256],
    ] {
        let scratch = Scratch::new();
        let image = written(&spoil(blocks), &scratch);
        check_contents(&image, &format!("without {blocks:?}"));
    }
    let scratch = Scratch::new();
    let image = written(&spoil(&[128, 129, 130, RESERVE]), &scratch);
    check_contents(&image, "without the primary descriptor");
}

/// What follows the last block of a virtual partition in an image: padding, and what reads as
/// nothing.
#[test]
fn a_virtual_allocation_table_before_the_end() {
    for layout in [Layout::Virtual15, Layout::Virtual20] {
        let scratch = Scratch::new();
        let image = image(layout, &scratch);
        let mut bytes = std::fs::read(&image).unwrap();
        bytes.extend(vec![0; 150 * 2048]);
        check_contents(&written(&bytes, &scratch), "padded");
        bytes.extend(vec![0x5a; 1000]);
        check_contents(&written(&bytes, &scratch), "padded oddly");
    }
}

#[test]
fn udfinfo_reads_every_layout() {
    need!(tool "udfinfo");
    for layout in LAYOUTS {
        let scratch = Scratch::new();
        let info = udfinfo(&image(layout, &scratch));
        assert_eq!(info["label"], "Label", "{layout:?}");
        assert_eq!(info["uuid"], "0123456789abcdef", "{layout:?}");
        // Files and directories are in the table of a virtual partition, from 2.00 on.
        let counted = (info["numfiles"].as_str(), info["numdirs"].as_str());
        let expected = match layout {
            Layout::Virtual20 => ("7", "3"),
            _ => ("5", "2"),
        };
        assert_eq!(counted, expected, "{layout:?}");
    }
}

/// 7z knows neither the other layouts nor allocation extents, strategy 4096, extended descriptors,
/// holes, and what is neither file nor directory.
#[test]
fn seven_zip_reads_what_it_knows() {
    need!(tool "7z");
    let mut left_out = vec!["chain", "rewritten", "holes", "extended"];
    left_out.extend(["link", "block", "character", "pipe", "socket"]);
    let (builder, places) = tree::build_without(Layout::Physical, &left_out);
    let scratch = Scratch::new();
    let image = written(&builder.finish(places.root), &scratch);
    let out = scratch.join("out");
    let unpack = Run::new("7z")
        .words("x -y -bd")
        .arg(format!("-o{}", out.display()));
    // It warns of data behind the partition: the second anchor.
    let said = unpack.arg(&image).command().output().unwrap();
    for (path, expected) in contents() {
        if !left_out.contains(&path) {
            let found = std::fs::read(out.join(path));
            let found = found.unwrap_or_else(|error| panic!("{path}: {error}: {said:?}"));
            assert!(found == expected, "{path} differs");
        }
    }
    for index in 0..MANY {
        assert!(out.join("many").join(many_name(index)).exists(), "{index}");
    }
}
