//! A file system in memory, for the tests of the verbs.
#![allow(clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use super::entries::Files;
use crate::error::{Error, Result};
use crate::filesystem::{
    Attributes, Entry, FileSystem, FileType, Inode, Request, Timestamp, Usage, length_to,
};
use crate::number::{to_u64, to_usize};
use crate::source::{Extent, ExtentKind};

/// One inode.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) attributes: Attributes,
    pub(crate) content: Vec<u8>,
    /// Ranges of the content that are holes.
    pub(crate) holes: Vec<std::ops::Range<u64>>,
    pub(crate) entries: Vec<(Vec<u8>, Inode)>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Inodes by number; 2 is the root.
pub(crate) struct Memory {
    pub(crate) nodes: BTreeMap<u64, Node>,
    /// Inodes whose content cannot be read.
    pub(crate) bad: BTreeSet<u64>,
}

/// A node of `kind` with `content`: mode 0640, dated 2001-09-09, with no owner that a test has.
pub(crate) fn node(kind: FileType, content: &[u8]) -> Node {
    let time = Timestamp {
        seconds: 1_000_000_000,
        nanoseconds: 123_456_789,
    };
    Node {
        attributes: Attributes {
            ino: 0,
            kind,
            mode: 0o640,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            size: to_u64(content.len()),
            blocks: 0,
            block_size: 4096,
            nlink: 1,
            rdev: (0, 0),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: Some(time),
            flags: 0,
            generation: 7,
        },
        content: content.to_vec(),
        holes: Vec::new(),
        entries: Vec::new(),
        xattrs: BTreeMap::new(),
    }
}

/// A regular file.
pub(crate) fn file(content: &[u8]) -> Node {
    node(FileType::Regular, content)
}

/// A symbolic link.
pub(crate) fn symlink(target: &[u8]) -> Node {
    node(FileType::Symlink, target)
}

/// An empty directory.
pub(crate) fn directory() -> Node {
    let mut made = node(FileType::Directory, b"");
    made.attributes.mode = 0o755;
    made
}

impl Default for Memory {
    fn default() -> Self {
        let mut made = Self {
            nodes: BTreeMap::new(),
            bad: BTreeSet::new(),
        };
        let mut root = directory();
        root.attributes.ino = 2;
        made.nodes.insert(2, root);
        made
    }
}

impl Memory {
    /// Adds `node` to the root under `name`.
    pub(crate) fn add(&mut self, name: &[u8], node: Node) -> Inode {
        self.add_to(Inode(2), name, node)
    }

    /// Adds `node` to `dir` under `name`.
    pub(crate) fn add_to(&mut self, dir: Inode, name: &[u8], mut node: Node) -> Inode {
        let number = to_u64(self.nodes.len()) + 10;
        node.attributes.ino = number;
        self.nodes.insert(number, node);
        self.add_entry(dir, name, Inode(number));
        Inode(number)
    }

    /// Adds an entry for an inode that is there already.
    pub(crate) fn add_entry(&mut self, dir: Inode, name: &[u8], inode: Inode) {
        let dir = self.nodes.get_mut(&dir.0).expect("the directory is there");
        dir.entries.push((name.to_vec(), inode));
    }

    /// The node of `inode`, to change it.
    pub(crate) fn node(&mut self, inode: Inode) -> &mut Node {
        self.nodes.get_mut(&inode.0).expect("the inode is there")
    }

    fn get(&self, inode: Inode) -> Result<&Node> {
        self.nodes
            .get(&inode.0)
            .ok_or_else(|| Error::corrupt(format!("inode {} is not there", inode.0)))
    }

    fn readable(&self, inode: Inode) -> Result<&Node> {
        if self.bad.contains(&inode.0) {
            return Err(Error::corrupt("bad extent").context(format!("inode {}", inode.0)));
        }
        self.get(inode)
    }
}

impl FileSystem for Memory {
    fn root(&self) -> Inode {
        Inode(2)
    }

    fn lookup(&self, _: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let dir = self.get(dir)?;
        if dir.attributes.kind != FileType::Directory {
            return Err(Error::new(
                crate::error::Kind::NotADirectory,
                "not a directory",
            ));
        }
        let found = dir.entries.iter().find(|entry| entry.0 == name);
        Ok(found.map(|entry| entry.1))
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        Ok(self.get(inode)?.attributes.clone())
    }

    fn read_dir(
        &self,
        _: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let entries = &self.readable(dir)?.entries;
        for (index, (name, inode)) in entries.iter().enumerate().skip(to_usize(cursor)) {
            let next = to_u64(index) + 1;
            if !each(Entry {
                name,
                inode: *inode,
                kind: None,
                next,
            }) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, _: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let content = &self.readable(file)?.content;
        let rest = content.get(to_usize(offset)..).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn extent_at(&self, _: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let node = self.readable(file)?;
        let size = node.attributes.size;
        let hole = node.holes.iter().find(|hole| hole.contains(&offset));
        let next = node
            .holes
            .iter()
            .map(|hole| hole.start)
            .filter(|start| *start > offset)
            .min();
        let (kind, end) = match hole {
            Some(hole) => (ExtentKind::Absent, hole.end.min(size)),
            None => (ExtentKind::Data, next.unwrap_or(size).min(size)),
        };
        let len: NonZeroU64 = length_to(offset, end)?;
        Ok(Extent { kind, len })
    }

    fn read_link(&self, _: &Request, link: Inode) -> Result<Vec<u8>> {
        Ok(self.readable(link)?.content.clone())
    }

    fn xattr_names(&self, _: &Request, inode: Inode, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.get(inode)?.xattrs.keys().for_each(|name| each(name));
        Ok(())
    }

    fn xattr(&self, _: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get(inode)?.xattrs.get(name).cloned())
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

impl Files for Memory {
    fn volume_root(&self, _: Inode) -> Inode {
        Inode(2)
    }

    fn names(&self, dir: Inode, each: &mut dyn FnMut(&[u8], Inode)) -> Result<()> {
        self.read_dir(&Request::new(0), dir, 0, &mut |entry| {
            each(entry.name, entry.inode);
            true
        })
    }
}
