//! Opens bytes with the product and looks at everything: attributes, listings page by page, every
//! name looked up, contents, holes, link targets, extended attributes. What is huge is sampled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use imgmount::cache::Cache;
use imgmount::error::{Error, Kind, Result};
use imgmount::filesystem::{Attributes, FileSystem, FileType, Inode, Request};
use imgmount::format::{Context, Options};
use imgmount::source::{Extent, ExtentKind, Memory, SharedSource, Source};
use imgmount::stack::{self, Content, Stack};

/// Contents up to this size are read whole.
const WHOLE: u64 = 2 << 20;
/// Files, extents and bytes of a listing that a walk looks at; no image here has as many.
const MOST: usize = 300_000;
/// Names of each directory that are looked up: without an index each goes through all of it.
const LOOKED_UP: usize = 1000;
/// A walk of these small images that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that was seen in one image.
pub struct Walk {
    /// Why there is no file system to walk, and whether the raw bytes can be had all the same.
    pub refused: Option<(Error, bool)>,
    /// What was seen, by path; the root is the empty path.
    pub nodes: BTreeMap<String, Node>,
    pub notices: Vec<String>,
}

/// What was seen of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What looking the name up in its directory gives.
    pub lookup: Result<Option<Inode>>,
    pub attributes: Result<Attributes>,
    pub content: Seen,
    pub xattrs: Result<Xattrs>,
}

/// What asking for each name that is listed gives.
pub type Xattrs = BTreeMap<Vec<u8>, Result<Option<Vec<u8>>>>;

/// What a file is made of; an error beside what came before it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Name, inode and type of every entry.
    Directory(Vec<(Vec<u8>, Inode)>, Option<Error>),
    /// The extents (offset, kind, length) and the bytes, of a huge file samples of them.
    File(Vec<(u64, ExtentKind, u64)>, Vec<u8>, Option<Error>),
    Link(Result<Vec<u8>>),
    /// A device, fifo or socket, or one whose attributes cannot be read.
    Nothing,
}

impl Node {
    /// The first error of any part.
    pub fn error(&self) -> Option<&Error> {
        let xattr = || {
            self.xattrs
                .as_ref()
                .ok()?
                .values()
                .find_map(|value| value.as_ref().err())
        };
        let content = match &self.content {
            Seen::Directory(_, error) | Seen::File(_, _, error) => error.as_ref(),
            Seen::Link(target) => target.as_ref().err(),
            Seen::Nothing => None,
        };
        let lookup = self.lookup.as_ref().err();
        lookup
            .or(self.attributes.as_ref().err())
            .or(content)
            .or(self.xattrs.as_ref().err())
            .or_else(xattr)
    }
}

/// Walks `bytes` with the usual options.
pub fn walk(bytes: &[u8]) -> Walk {
    walk_with(bytes, &Options::default())
}

/// Walks `bytes`, with a limit on the time it may take. A panic inside is one here.
pub fn walk_with(bytes: &[u8], options: &Options) -> Walk {
    walk_source(Arc::new(Memory(bytes.to_vec())), options)
}

/// As [`walk_with`], for bytes of any kind.
pub fn walk_source(source: SharedSource, options: &Options) -> Walk {
    let options = options.clone();
    let (send, receive) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let walked = walk_here(source, &options);
        let _ = send.send(());
        walked
    });
    // A worker that panicked drops its end, which ends the wait too.
    if receive.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the walk hangs");
    }
    worker
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn walk_here(source: SharedSource, options: &Options) -> Walk {
    let context = context(options);
    let mut walk = Walk {
        refused: None,
        nodes: BTreeMap::new(),
        notices: Vec::new(),
    };
    match Stack::open(source, &context) {
        Err(error) => walk.refused = Some((error, false)),
        Ok(stack) => walk_stack(&stack, &mut walk),
    }
    walk.notices = context.notices.all();
    walk
}

fn walk_stack(stack: &Stack, walk: &mut Walk) {
    for disk in &stack.disks {
        walk_node(disk, "", walk);
    }
    for set in &stack.sets {
        walk_content(&set.content, "", false, walk);
    }
}

/// Walks the file system in `node`, or those of its parts, whose names go in front of the paths.
fn walk_node(node: &stack::Node, prefix: &str, walk: &mut Walk) {
    let raw = node.source.as_ref().is_ok_and(reads_to_the_end);
    walk_content(&node.content, prefix, raw, walk);
}

/// The same of what is in a node whose bytes are there where `raw` says so, or of what a set holds.
fn walk_content(content: &Content, prefix: &str, raw: bool, walk: &mut Walk) {
    let mut refuse = |error: Error| walk.refused = Some((error, raw));
    match content {
        Content::FileSystem {
            filesystem, extra, ..
        } => {
            see_tree(&**filesystem, prefix, walk);
            for node in extra {
                walk_node(node, &format!("{}/", node.name), walk);
            }
        }
        Content::Table { children, .. } if children.is_empty() => {
            refuse(Error::unsupported("a table without volumes"));
        }
        Content::Table { children, .. } => {
            for node in children {
                walk_node(node, &format!("{}/", node.name), walk);
            }
        }
        Content::Damaged { error, .. } | Content::Locked { error, .. } => refuse(error.clone()),
        Content::Unknown { what, .. } => refuse(Error::unsupported(what.clone())),
        Content::Recognised { name, .. } => refuse(Error::unsupported(name.clone())),
        Content::Member { .. } => refuse(Error::unsupported("a member of a set")),
    }
}

fn reads_to_the_end(source: &SharedSource) -> bool {
    let mut byte = [0];
    source.size() > 0 && source.read_exact_at(&mut byte, source.size() - 1).is_ok()
}

/// Depth first without recursion, each directory inode once.
fn see_tree(filesystem: &dyn FileSystem, prefix: &str, walk: &mut Walk) {
    let root = filesystem.root();
    let mut seen = BTreeSet::new();
    let mut open = vec![(prefix.to_owned(), root, Ok(Some(root)))];
    while let Some((path, inode, lookup)) = open.pop() {
        assert!(walk.nodes.len() < MOST, "no end of names");
        let node = see(filesystem, inode, lookup);
        if let Seen::Directory(entries, _) = &node.content
            && seen.insert(inode)
        {
            let dots = |name: &[u8]| name == b"." || name == b"..";
            let names = entries.iter().filter(|(name, _)| !dots(name));
            for (index, (name, child)) in names.enumerate() {
                let found = match index < LOOKED_UP {
                    true => filesystem.lookup(&Request::new(0), inode, name),
                    false => Ok(Some(*child)),
                };
                open.push((below(&path, name), *child, found));
            }
        }
        walk.nodes.insert(path, node);
    }
    let usage = filesystem.usage();
    assert!(usage.free <= usage.blocks || usage.blocks == 0, "{usage:?}");
    filesystem.verify(&Request::new(0), &mut |_| {});
}

/// The path of `name` in `path`.
fn below(path: &str, name: &[u8]) -> String {
    let separator = if path.is_empty() || path.ends_with('/') {
        ""
    } else {
        "/"
    };
    format!("{path}{separator}{}", imgmount::error::printable(name))
}

fn see(filesystem: &dyn FileSystem, inode: Inode, lookup: Result<Option<Inode>>) -> Node {
    let attributes = filesystem.attributes(&Request::new(0), inode);
    if let Ok(attributes) = &attributes {
        let times = [attributes.atime, attributes.mtime, attributes.ctime];
        for time in times.into_iter().chain(attributes.crtime) {
            assert!(time.nanoseconds < 1_000_000_000, "{time:?}");
        }
    }
    let content = match attributes.as_ref().map(|attributes| attributes.kind) {
        Ok(FileType::Directory) => see_directory(filesystem, inode),
        Ok(FileType::Regular) => {
            let size = attributes.as_ref().map_or(0, |attributes| attributes.size);
            see_file(filesystem, inode, size)
        }
        Ok(FileType::Symlink) => Seen::Link(filesystem.read_link(&Request::new(0), inode)),
        _ => Seen::Nothing,
    };
    let xattrs = see_xattrs(filesystem, inode);
    Node {
        lookup,
        attributes,
        content,
        xattrs,
    }
}

/// Lists seven entries at a time, each page from the last one's cursor, as a kernel would.
fn see_directory(filesystem: &dyn FileSystem, inode: Inode) -> Seen {
    let (mut entries, mut cursor) = (Vec::new(), 0);
    loop {
        assert!(entries.len() < MOST, "no end of entries");
        let mut page = 0;
        let result = filesystem.read_dir(&Request::new(0), inode, cursor, &mut |entry| {
            assert!(entry.next < 1 << 63, "cursor {:#x}", entry.next);
            let bad = entry.name.is_empty() || entry.name.iter().any(|b| matches!(b, 0 | b'/'));
            assert!(!bad, "a name that no kernel takes: {:?}", entry.name);
            entries.push((entry.name.to_vec(), entry.inode));
            cursor = entry.next;
            page += 1;
            page < 7
        });
        match result {
            Ok(()) if page == 7 => {}
            Ok(()) => return Seen::Directory(entries, None),
            Err(error) => return Seen::Directory(entries, Some(error)),
        }
    }
}

fn see_file(filesystem: &dyn FileSystem, inode: Inode, size: u64) -> Seen {
    let mut extents = Vec::new();
    let mut bytes = Vec::new();
    let error = see_extents(filesystem, inode, size, &mut extents)
        .and_then(|()| {
            if size <= WHOLE {
                return read(filesystem, inode, 0, size, &mut bytes);
            }
            let data = extents.iter().filter(|extent| extent.1 == ExtentKind::Data);
            for (offset, _, len) in data.take(64) {
                read(filesystem, inode, *offset, (*len).min(4096), &mut bytes)?;
            }
            read(filesystem, inode, size - 4096, 4096, &mut bytes)
        })
        .err();
    Seen::File(extents, bytes, error)
}

fn see_extents(
    filesystem: &dyn FileSystem,
    inode: Inode,
    size: u64,
    extents: &mut Vec<(u64, ExtentKind, u64)>,
) -> Result<()> {
    let mut offset = 0;
    while offset < size && extents.len() < MOST / 50 {
        let extent = filesystem.extent_at(&Request::new(0), inode, offset)?;
        assert!(extent.len.get() <= size - offset, "an extent past the end");
        extents.push((offset, extent.kind, extent.len.get()));
        offset += extent.len.get();
    }
    Ok(())
}

fn read(
    filesystem: &dyn FileSystem,
    inode: Inode,
    mut offset: u64,
    len: u64,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let end = offset + len;
    while offset < end {
        let mut piece = vec![0xee; (end - offset).min(64 << 10) as usize];
        let count = filesystem.read(&Request::new(0), inode, &mut piece, offset)?;
        assert_eq!(count, piece.len(), "a short read inside the file");
        bytes.extend_from_slice(&piece);
        offset += count as u64;
    }
    Ok(())
}

fn see_xattrs(filesystem: &dyn FileSystem, inode: Inode) -> Result<Xattrs> {
    let mut names = Vec::new();
    filesystem.xattr_names(&Request::new(0), inode, &mut |name| {
        assert!(names.len() < MOST, "no end of attributes");
        names.push(name.to_vec());
    })?;
    let value = |name: &Vec<u8>| filesystem.xattr(&Request::new(0), inode, name);
    Ok(names
        .iter()
        .map(|name| (name.clone(), value(name)))
        .collect())
}

/// How many entries the directory `name` of the root has, counted as they come.
pub fn count_entries(bytes: &[u8], name: &[u8]) -> usize {
    let source = Arc::new(Memory(bytes.to_vec()));
    let context = context(&Options::default());
    let stack = Stack::open(source, &context).expect("an image");
    let Content::FileSystem { filesystem, .. } = &stack.disks[0].content else {
        panic!("no file system");
    };
    let request = Request::new(0);
    let found = filesystem.lookup(&request, filesystem.root(), name);
    let directory = found.expect("readable").expect("there");
    let mut count = 0;
    let result = filesystem.read_dir(&request, directory, 0, &mut |_| {
        count += 1;
        true
    });
    result.unwrap_or_else(|error| panic!("after {count}: {error}"));
    count
}

/// The names in the directory `name` of the root, asked for `piece` at a time, each time from the
/// last cursor on, as readdir(2) does it; and the error that ends the listing.
pub fn in_pieces(bytes: &[u8], name: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<Error>) {
    let context = context(&Options::default());
    let stack = Stack::open(Arc::new(Memory(bytes.to_vec())), &context).expect("an image");
    let Content::FileSystem { filesystem, .. } = &stack.disks[0].content else {
        panic!("no file system");
    };
    let found = filesystem.lookup(&Request::new(0), filesystem.root(), name);
    let directory = found.expect("readable").expect("there");
    let (mut names, mut cursor) = (Vec::new(), 0);
    loop {
        let before = names.len();
        let result = filesystem.read_dir(&Request::new(0), directory, cursor, &mut |entry| {
            if names.len() - before == piece {
                return false;
            }
            names.push(entry.name.to_vec());
            cursor = entry.next;
            assert!(cursor < 1 << 63 && names.len() < MOST, "no end of entries");
            true
        });
        // Like readdir(2), which keeps an error back while there are entries to give.
        if names.len() == before {
            return (names, result.err());
        }
    }
}

/// The bytes of the file `name` of the root as far as they can be read, a page at a time.
pub fn read_file(bytes: &[u8], name: &[u8]) -> (Vec<u8>, Option<Error>) {
    const PAGE: usize = 4096;
    let context = context(&Options::default());
    let stack = Stack::open(Arc::new(Memory(bytes.to_vec())), &context).expect("an image");
    let Content::FileSystem { filesystem, .. } = &stack.disks[0].content else {
        panic!("no file system");
    };
    let found = filesystem.lookup(&Request::new(0), filesystem.root(), name);
    let file = found.expect("readable").expect("there");
    let mut read = Vec::new();
    loop {
        let mut page = [0; PAGE];
        let offset = read.len() as u64;
        match filesystem.read(&Request::new(0), file, &mut page, offset) {
            Ok(0) => return (read, None),
            Ok(count) => read.extend_from_slice(&page[..count]),
            Err(error) => return (read, Some(error)),
        }
    }
}

fn context(options: &Options) -> Context {
    Context {
        options: options.clone(),
        ..Context::new(Cache::new(8 << 20))
    }
}

/// Bytes of which one sector cannot be read.
pub struct BadSector {
    pub bytes: Arc<Vec<u8>>,
    pub sector: u64,
}

impl Source for BadSector {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        imgmount::source::check_range(self, offset, buf.len())?;
        let (start, end) = (self.sector * 512, (self.sector + 1) * 512);
        if offset < end && offset + buf.len() as u64 > start {
            return Err(Error::new(Kind::Io, "bad sector").at(start));
        }
        buf.copy_from_slice(&self.bytes[offset as usize..][..buf.len()]);
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let len = imgmount::filesystem::length_to(offset, self.size())?;
        Ok(Extent {
            kind: ExtentKind::Data,
            len,
        })
    }
}
