//! I10: UDF volumes with one thing wrong, behind tags whose sums are right.

mod directories;
mod files;
mod partitions;
mod volume;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use imgmount::error::Error;
use imgmount::error::Kind::{self, Corrupt, Unsupported};
use imgmount::filesystem::Request;
use imgmount::format::Options;
use imgmount::service::open as service;

use super::expect::names;
use super::walk::{Node, Seen, Walk, walk, walk_with};
use crate::filesystem::udf::tree::{self, Places};
use crate::support::images::Scratch;
use crate::support::library;
use crate::support::udf::{
    Address, BLOCK, Builder, Entry, INTEGRITY, Layout, MAIN, METADATA_ICB, MIRROR_ICB, RESERVE,
    SPARING_TABLE, identifier, long, name, retag, short, tagged,
};

const CONTINUED: u32 = 3 << 30;

/// The tree of `layout` after `change`.
fn changed(layout: Layout, change: impl FnOnce(&mut Builder, &Places)) -> Vec<u8> {
    let (mut builder, places) = tree::build(layout);
    change(&mut builder, &places);
    builder.finish(places.root)
}

/// The tree as it should be.
fn reference() -> &'static Walk {
    static WALK: OnceLock<Walk> = OnceLock::new();
    WALK.get_or_init(|| walk(&changed(Layout::Physical, |_, _| {})))
}

/// The finished volume of `layout` after `change` to its bytes.
fn finished(layout: Layout, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = changed(layout, |_, _| {});
    change(&mut bytes);
    bytes
}

/// Changes the descriptor in sector `number`, and puts its sums right.
fn patch(bytes: &mut [u8], number: u32, change: impl FnOnce(&mut [u8])) {
    let sector = &mut bytes[number as usize * BLOCK..][..BLOCK];
    change(sector);
    retag(sector);
}

/// The same in both sequences of volume descriptors.
fn patch_both(bytes: &mut [u8], index: u32, change: impl Fn(&mut [u8])) {
    for start in [MAIN, RESERVE] {
        patch(bytes, start + index, &change);
    }
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// `bytes` is listed as udf with a reason that names `words`, and keeps its raw file.
fn refused(bytes: &[u8], kind: Kind, words: &[&str]) {
    let walk = walk(bytes);
    let (error, raw) = walk.refused.expect("it is refused");
    assert!(raw, "the raw bytes are there");
    names(&error, kind, words);
}

/// In the tree after `change` the error at `path` names `words`, and all other files are as before.
fn fails(change: impl FnOnce(&mut Builder, &Places), path: &str, words: &[&str]) {
    let walk = walk(&changed(Layout::Physical, change));
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    names(error(&walk.nodes[path]), Corrupt, words);
    rest_as_before(&walk, path);
}

fn error(node: &Node) -> &Error {
    node.error().expect("it is damaged")
}

/// Whatever is neither `hit` nor below or above it is as in the reference, but for its place.
fn rest_as_before(walk: &Walk, hit: &str) {
    let below = format!("{hit}/");
    let compared = reference().nodes.iter().filter(|(path, _)| {
        let above = path.is_empty() || below.starts_with(&format!("{path}/"));
        !above && !path.starts_with(&below)
    });
    for (path, expected) in compared {
        let found = walk
            .nodes
            .get(path)
            .unwrap_or_else(|| panic!("{path} is gone"));
        let attributes = |node: &Node| {
            let mut attributes = node.attributes.clone().unwrap();
            attributes.ino = 0;
            attributes
        };
        assert_eq!(attributes(found), attributes(expected), "{path}");
        match (&found.content, &expected.content) {
            (Seen::Directory(found, error), Seen::Directory(expected, _)) => {
                let names = |entries: &[(Vec<u8>, _)]| -> BTreeSet<Vec<u8>> {
                    entries.iter().map(|(name, _)| name.clone()).collect()
                };
                assert_eq!(names(found), names(expected), "{path}");
                assert_eq!(*error, None, "{path}");
            }
            (found, expected) => assert!(found == expected, "{path} differs"),
        }
    }
}

trait Tap: Sized {
    fn tap(self, change: impl FnOnce(&mut Self)) -> Self;
}

impl Tap for Vec<u8> {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// As [`fails`], for a file with several names.
fn fails_only(change: impl FnOnce(&mut Builder, &Places), paths: &[&str], words: &[&str]) {
    let walk = walk(&changed(Layout::Physical, change));
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    for (path, node) in &walk.nodes {
        match paths.contains(&path.as_str()) {
            true => names(error(node), Corrupt, words),
            false => assert_eq!(node.error(), None, "{path}"),
        }
    }
}
