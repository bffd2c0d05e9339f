//! Looks at everything in a broken image, within bounds: what a user with eight readers would do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use imgmount::filesystem::{FileSystem, FileType, Inode};
use imgmount::tree::Tree;

use super::facts::xattrs;
use super::limits::request;

/// Files that are looked at.
const FILES: usize = 300;
/// Entries of one directory that are looked up.
const ENTRIES: usize = 300;
/// When enough was seen of an image that makes much work within the limits.
const LONG: Duration = Duration::from_secs(3);
/// What a reader asks for at once.
const PIECE: usize = 128 << 10;

/// What was met.
#[derive(Default)]
pub struct Met {
    pub errors: u64,
    pub files: u64,
    /// Bytes that files claim to have.
    pub claimed: u64,
    /// There was more than was looked at.
    pub is_more: bool,
}

/// Walks `tree`.
pub fn explore(tree: &Tree) -> Met {
    let mut met = Met::default();
    let mut seen = BTreeSet::from([tree.root()]);
    let mut left = vec![tree.root()];
    let start = Instant::now();
    while let Some(inode) = left.pop() {
        if start.elapsed() > LONG || met.files as usize >= FILES {
            met.is_more = true;
            break;
        }
        met.files += 1;
        for child in look(tree, inode, &mut met) {
            if seen.insert(child) {
                left.push(child);
            }
        }
    }
    request("usage", |_| tree.usage());
    met
}

impl Met {
    fn note<T>(&mut self, result: imgmount::error::Result<T>) -> Option<T> {
        self.errors += u64::from(result.is_err());
        // What errors print is made of the image's own words.
        result.map_err(|error| error.to_string()).ok()
    }
}

/// Looks at one file; gives what is in it.
fn look(tree: &Tree, inode: Inode, met: &mut Met) -> Vec<Inode> {
    let mut below = Vec::new();
    let attributes = request("attributes", |on| tree.attributes(on, inode));
    let Some(attributes) = met.note(attributes) else {
        return below;
    };
    match attributes.kind {
        FileType::Directory => below = list(tree, inode, met),
        FileType::Symlink => {
            let target = request("read_link", |on| tree.read_link(on, inode));
            met.note(target);
        }
        FileType::Regular => {
            met.claimed = met.claimed.saturating_add(attributes.size);
            read(tree, inode, attributes.size, met);
        }
        _ => {}
    }
    met.note(xattrs(tree, inode));
    below
}

/// Lists a directory in pages, each from the last one's cursor, and looks every name up.
fn list(tree: &Tree, directory: Inode, met: &mut Met) -> Vec<Inode> {
    let (mut names, mut cursor) = (Vec::new(), 0);
    loop {
        let before = names.len();
        let listed = request("read_dir", |on| {
            tree.read_dir(on, directory, cursor, &mut |entry| {
                assert!(entry.next < 1 << 63, "cursor {:#x}", entry.next);
                let is_bad = |byte: &u8| matches!(byte, 0 | b'/');
                let bad = entry.name.is_empty() || entry.name.iter().any(is_bad);
                assert!(!bad, "a name that no kernel takes: {:?}", entry.name);
                cursor = entry.next;
                names.push(entry.name.to_vec());
                names.len() - before < 50
            })
        });
        let is_listed = met.note(listed).is_some();
        if !is_listed || names.len() - before < 50 {
            break;
        }
        if names.len() >= ENTRIES {
            met.is_more = true;
            break;
        }
    }
    let names = names
        .iter()
        .filter(|name| !matches!(&name[..], b"." | b".."));
    let found = names.map(|name| request("lookup", |on| tree.lookup(on, directory, name)));
    let found: Vec<_> = found.collect();
    let found = found.into_iter().filter_map(|found| met.note(found));
    found.flatten().collect()
}

/// Reads the start, the end, and some places between, and asks for data and holes along the way.
fn read(tree: &Tree, file: Inode, size: u64, met: &mut Met) {
    let mut piece = vec![0; PIECE.min(size.saturating_add(1) as usize)];
    let end = size.saturating_sub(100);
    let places = [0, PIECE as u64, size / 2, end, u64::from(u32::MAX) << 12];
    for offset in places {
        let count = request("read", |on| tree.read(on, file, &mut piece, offset));
        if let Some(count) = met.note(count) {
            let left = size.saturating_sub(offset);
            assert!(count as u64 <= left, "{count} bytes where {left} are left");
        }
        if offset < size {
            let extent = request("extent_at", |on| tree.extent_at(on, file, offset));
            met.note(extent);
        }
    }
    let mut offset = 0;
    for _ in 0..50 {
        if offset >= size {
            break;
        }
        let extent = request("extent_at", |on| tree.extent_at(on, file, offset));
        let Some(extent) = met.note(extent) else {
            break;
        };
        let left = size - offset;
        assert!(extent.len.get() <= left, "an extent past the end");
        offset += extent.len.get();
    }
}
