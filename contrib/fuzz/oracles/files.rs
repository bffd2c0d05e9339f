//! What must hold of a file system: every file that can be reached, each looked at from all sides.

use std::collections::BTreeSet;

use imgmount::error::{Error, Result};
use imgmount::filesystem::{Budget, FileSystem, FileType, Inode, Request};
use imgmount::source::Extent;

use crate::bytes::{self, Readable};
use crate::listing;

/// Files that are looked at.
const FILES: usize = 150;
/// Steps of work for one request.
const STEPS: u64 = 20_000;
/// Extended attributes of one file that are read.
const ATTRIBUTES: usize = 50;
/// Inodes that may be anything: what a kernel could ask for after its caches went wrong.
const STRANGE: [u64; 7] = [0, 1, 3, 0xffff, 0xffff_ffff, 1 << 40, u64::MAX];

/// A request with a budget of its own, a small one: real directories of this size need less.
pub fn request() -> Request {
    Request {
        budget: Budget::new(STEPS),
        ..Request::new(0)
    }
}

/// Whether `error` says that the budget is spent, which depends on how much is asked for at once.
pub fn is_work_limit(error: &Error) -> bool {
    error.to_string().contains("work limit")
}

/// What can be said of a file system's names.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Inodes are the same whether they are listed or looked up.
    pub by_number: bool,
    /// What is listed is found: there is no index and no order that an image may have wrong, as the
    /// kernel would then miss a name too.
    pub finds_all: bool,
}

/// Looks at every file of `filesystem`.
pub fn check(filesystem: &dyn FileSystem, manner: Manner) {
    let usage = filesystem.usage();
    assert!(usage.free <= usage.blocks, "{usage:?}");
    let root = filesystem.root();
    let (mut seen, mut open) = (BTreeSet::from([root]), vec![root]);
    while let Some(inode) = open.pop() {
        file(filesystem, inode);
        for (name, mut child) in listing::check(filesystem, inode, manner) {
            if !manner.by_number {
                match filesystem.lookup(&request(), inode, &name) {
                    Ok(Some(found)) => child = found,
                    _ => continue,
                }
            }
            if seen.len() < FILES && seen.insert(child) {
                open.push(child);
            }
        }
    }
    for number in STRANGE {
        file(filesystem, Inode(number));
    }
    filesystem.verify(&request(), &mut |_| {});
}

fn file(filesystem: &dyn FileSystem, inode: Inode) {
    attributes(filesystem, inode);
    extended(filesystem, inode);
    let Ok(attributes) = filesystem.attributes(&request(), inode) else {
        return;
    };
    let target = filesystem.read_link(&request(), inode);
    assert!(
        target.is_err() || attributes.kind == FileType::Symlink,
        "{attributes:?} leads to {target:?}"
    );
    let content = Content {
        filesystem,
        inode,
        size: attributes.size,
    };
    match attributes.kind {
        FileType::Regular => bytes::check(&content),
        _ => {
            let mut byte = [0];
            let read = filesystem.read(&request(), inode, &mut byte, 0);
            assert!(read.is_err(), "{attributes:?} reads as a file");
            let _ = filesystem.extent_at(&request(), inode, 0);
        }
    }
}

fn attributes(filesystem: &dyn FileSystem, inode: Inode) {
    let first = filesystem.attributes(&request(), inode);
    let again = filesystem.attributes(&request(), inode);
    assert!(first == again, "{first:?}, then {again:?}");
    if let Ok(first) = first {
        for time in [first.atime, first.mtime, first.ctime] {
            assert!(time.nanoseconds < 1_000_000_000, "{time:?}");
        }
        assert!(first.mode <= 0o7777, "{first:?}");
    }
}

fn extended(filesystem: &dyn FileSystem, inode: Inode) {
    let mut names = Vec::new();
    let _ = filesystem.xattr_names(&request(), inode, &mut |name| {
        if names.len() < ATTRIBUTES {
            names.push(name.to_vec());
        }
    });
    for name in names {
        let value = filesystem.xattr(&request(), inode, &name);
        assert!(value != Ok(None), "{name:?} is listed and not there");
    }
}

/// The content of a file.
struct Content<'a> {
    filesystem: &'a dyn FileSystem,
    inode: Inode,
    size: u64,
}

impl Readable for Content<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let wanted = buf.len();
        let count = self.filesystem.read(&request(), self.inode, buf, offset)?;
        assert!(count == wanted, "{count} bytes of {wanted} at {offset}");
        Ok(())
    }

    fn extent(&self, offset: u64) -> Result<Extent> {
        self.filesystem.extent_at(&request(), self.inode, offset)
    }

    // A map that is damaged may lead somewhere from the start of a file and nowhere from within it,
    // and a budget may do for less than all.
    fn fails_alike(&self) -> bool {
        false
    }
}
