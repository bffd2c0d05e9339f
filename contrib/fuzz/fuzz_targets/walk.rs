//! Looks at everything in some bytes, within bounds: what both targets do.

use std::collections::BTreeSet;
use std::sync::Arc;

use imgmount::cache::Cache;
use imgmount::filesystem::{Budget, FileSystem, Inode, Request};
use imgmount::format::{Context, Nobody, Notices, Options};
use imgmount::source::Memory;
use imgmount::stack::{Content, Node, Stack};

/// Files that one input may show, and entries of one directory.
const FILES: usize = 300;
/// Steps of work for one request.
const STEPS: u64 = 20_000;

/// Opens `bytes` and walks every file system in them.
pub fn bytes(bytes: &[u8], format: Option<&str>, ignore_checksums: bool) {
    let options = Options {
        ignore_checksums,
        format: format.map(str::to_owned),
        ..Options::default()
    };
    let context = Context {
        options,
        keys: Arc::new(Nobody),
        neighbours: Arc::new(Nobody),
        notices: Arc::new(Notices::default()),
        cache: Cache::new(1 << 20),
    };
    if let Ok(stack) = Stack::open(Arc::new(Memory(bytes.to_vec())), &context) {
        stack.disks.iter().for_each(node);
    }
}

fn node(of: &Node) {
    match &of.content {
        Content::FileSystem {
            filesystem, extra, ..
        } => {
            tree(&**filesystem);
            extra.iter().for_each(node);
        }
        Content::Table { children, .. } => children.iter().for_each(node),
        _ => {}
    }
}

fn request() -> Request {
    Request {
        budget: Budget::new(STEPS),
        ..Request::new(0)
    }
}

fn tree(filesystem: &dyn FileSystem) {
    let mut seen = BTreeSet::from([filesystem.root()]);
    let mut open = vec![filesystem.root()];
    while let Some(inode) = open.pop() {
        let mut names = Vec::new();
        let _ = filesystem.read_dir(&request(), inode, 0, &mut |entry| {
            names.push((entry.name.to_vec(), entry.inode));
            names.len() < FILES
        });
        for (name, child) in names {
            let _ = filesystem.lookup(&request(), inode, &name);
            if seen.len() < FILES && seen.insert(child) {
                open.push(child);
            }
        }
        file(filesystem, inode);
    }
}

fn file(filesystem: &dyn FileSystem, inode: Inode) {
    let size = filesystem
        .attributes(&request(), inode)
        .map_or(0, |found| found.size);
    let mut piece = [0; 4096];
    for offset in [
        0,
        4096,
        size / 2,
        size.saturating_sub(100),
        u64::from(u32::MAX) << 12,
    ] {
        let _ = filesystem.read(&request(), inode, &mut piece, offset);
        let _ = filesystem.extent_at(&request(), inode, offset);
    }
    let _ = filesystem.read_link(&request(), inode);
    let mut names = Vec::new();
    let _ = filesystem.xattr_names(&request(), inode, &mut |name| names.push(name.to_vec()));
    for name in names.iter().take(FILES) {
        let _ = filesystem.xattr(&request(), inode, name);
    }
}
