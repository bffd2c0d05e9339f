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
use super::one_name;
use super::walk::{BadSector, Node, Seen, Walk, walk, walk_source, walk_with};
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
    let bytes = builder.finish(places.root);
    assert!(bytes != whole(layout), "it is its seed");
    bytes
}

/// The tree of each layout, as it should be.
fn whole(layout: Layout) -> &'static [u8] {
    &seeds().iter().find(|seed| seed.0 == layout).unwrap().1
}

fn seeds() -> &'static [(Layout, Vec<u8>)] {
    static SEEDS: OnceLock<Vec<(Layout, Vec<u8>)>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let layouts = [
            Layout::Physical,
            Layout::Metadata,
            Layout::Sparable,
            Layout::Virtual15,
            Layout::Virtual20,
        ];
        let build = |layout| {
            let (builder, places) = tree::build(layout);
            (layout, builder.finish(places.root))
        };
        layouts.map(build).to_vec()
    })
}

/// The tree as it should be.
fn reference() -> &'static Walk {
    static WALK: OnceLock<Walk> = OnceLock::new();
    WALK.get_or_init(|| walk(whole(Layout::Physical)))
}

/// The finished volume of `layout` after `change` to its bytes.
fn finished(layout: Layout, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = whole(layout).to_vec();
    change(&mut bytes);
    assert!(bytes != whole(layout), "it is its seed");
    bytes
}

/// Everything in `bytes`, which are not their seed, is as it should be.
fn is_whole(bytes: &[u8]) -> Walk {
    let walk = walk(bytes);
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    assert_eq!(walk.nodes.len(), reference().nodes.len());
    assert_eq!(walk.nodes[""].error(), None);
    rest_as_before(&walk, "nothing is hit");
    walk
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
    is_of_the_change(bytes, &refusal(bytes, kind, words));
}

/// [`refused`], wherever that is.
fn refusal(bytes: &[u8], kind: Kind, words: &[&str]) -> Error {
    let walk = walk(bytes);
    let (error, raw) = walk.refused.expect("it is refused");
    assert!(raw, "the raw bytes are there");
    names(&error, kind, words);
    error
}

/// What `error` tells of is in a block in which `bytes` differ from their seed.
fn is_of_the_change(bytes: &[u8], error: &Error) {
    let differing = |(_, seed): &(Layout, Vec<u8>)| {
        let blocks = bytes.chunks(BLOCK).enumerate();
        let differ = |(number, block): &(usize, &[u8])| {
            seed.get(number * BLOCK..)
                .is_none_or(|rest| !rest.starts_with(block))
        };
        blocks
            .filter(differ)
            .map(|(number, _)| number)
            .collect::<Vec<_>>()
    };
    let blocks = seeds().iter().map(differing).min_by_key(Vec::len).unwrap();
    assert!(!blocks.is_empty(), "it is its seed: {error}");
    let offset = error
        .offset()
        .unwrap_or_else(|| panic!("no place: {error}"));
    let block = offset as usize / BLOCK;
    assert!(
        blocks.contains(&block),
        "{block} is none of {blocks:?}: {error}"
    );
}

/// In the tree after `change` the error at `path` names `words`, and all other files are as before.
fn fails(change: impl FnOnce(&mut Builder, &Places), path: &str, words: &[&str]) {
    let bytes = changed(Layout::Physical, change);
    let walk = walk(&bytes);
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    let error = error(&walk.nodes[path]);
    names(error, Corrupt, words);
    is_of_the_change(&bytes, error);
    rest_as_before(&walk, path);
}

/// The same where what is changed leads elsewhere, and that is damaged: byte `at`.
fn fails_at(
    change: impl FnOnce(&mut Builder, &Places),
    path: &str,
    words: &[&str],
    at: impl FnOnce(&Builder, &Places) -> usize,
) {
    let mut place = 0;
    let bytes = changed(Layout::Physical, |builder, places| {
        change(builder, places);
        place = at(builder, places);
    });
    let walk = walk(&bytes);
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    let error = error(&walk.nodes[path]);
    names(error, Corrupt, words);
    assert_eq!(error.offset(), Some(place as u64), "{error}");
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
    let bytes = changed(Layout::Physical, change);
    let walk = walk(&bytes);
    assert!(walk.refused.is_none(), "{:?}", walk.refused);
    for (path, node) in &walk.nodes {
        match paths.contains(&path.as_str()) {
            true => {
                names(error(node), Corrupt, words);
                is_of_the_change(&bytes, error(node));
            }
            false => assert_eq!(node.error(), None, "{path}"),
        }
    }
}
