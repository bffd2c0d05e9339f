//! The first walk: reads everything that the volume's own reader can give.

use std::collections::{HashMap, HashSet};

use super::{Finding, Judgement};
use crate::error::{Error, Kind, Result, printable};
use crate::filesystem::{Attributes, FileSystem, FileType, Inode, Request};
use crate::number::{to_u64, to_usize};
use crate::source::ExtentKind;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Reads every directory, inode, attribute, link and file of `filesystem`, so that every checksum
/// on the way is verified, then has it verify what no file leads to. Gives how many files there are
/// and how many bytes were read.
pub(super) fn check(
    name: &str,
    filesystem: &dyn FileSystem,
    each: &mut dyn FnMut(Finding),
    advance: &mut dyn FnMut(u64),
) -> (u64, u64) {
    let root = filesystem.root();
    let mut walk = Walk {
        name,
        filesystem,
        each,
        advance,
        waiting: vec![(Vec::new(), root)],
        seen: HashSet::from([root]),
        links: HashMap::new(),
        files: 1,
        bytes: 0,
        buf: vec![0; CHUNK],
    };
    walk.inode(&[], root);
    while let Some((path, inode)) = walk.waiting.pop() {
        walk.directory(&path, inode);
    }
    walk.link_counts();
    let (files, bytes) = (walk.files, walk.bytes);
    filesystem.verify(&request(), &mut |error| {
        each(finding(name, None, error));
    });
    (files, bytes)
}

/// A request with root's rights: nothing is hidden from a check.
pub(super) fn request() -> Request {
    Request::new(0)
}

struct Walk<'a> {
    name: &'a str,
    filesystem: &'a dyn FileSystem,
    each: &'a mut dyn FnMut(Finding),
    advance: &'a mut dyn FnMut(u64),
    /// Directories to read, and their paths.
    waiting: Vec<(Vec<u8>, Inode)>,
    /// Directories that were met: a second name for one is damage, and could make the walk endless.
    seen: HashSet<Inode>,
    /// Files with several names: their link count, and how many names were found, and one of them.
    links: HashMap<Inode, (u32, u32, Vec<u8>)>,
    files: u64,
    bytes: u64,
    buf: Vec<u8>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &[u8], dir: Inode) {
        let mut entries = Vec::new();
        let read = self.filesystem.read_dir(&request(), dir, 0, &mut |entry| {
            if !matches!(entry.name, b"." | b"..") {
                entries.push((entry.name.to_vec(), entry.inode, entry.kind));
            }
            true
        });
        self.report(path, read);
        let mut names = HashSet::new();
        for (name, inode, kind) in entries {
            let path = join(path, &name);
            if !names.insert(name.clone()) {
                self.damage(&path, Error::corrupt("two entries have this name"));
                continue;
            }
            self.files = self.files.saturating_add(1);
            let found = self.filesystem.lookup(&request(), dir, &name);
            self.report_lookup(&path, inode, found);
            self.entry(&path, inode, kind);
        }
    }

    /// The listing and the lookup go different ways, through the index of a large directory.
    fn report_lookup(&mut self, path: &[u8], inode: Inode, found: Result<Option<Inode>>) {
        match found {
            Ok(Some(found)) if found == inode => {}
            Ok(_) => self.damage(
                path,
                Error::corrupt("a lookup of this name does not find what the directory lists"),
            ),
            Err(error) => self.damage(path, error),
        }
    }

    fn entry(&mut self, path: &[u8], inode: Inode, kind: Option<FileType>) {
        let Some(attributes) = self.inode(path, inode) else {
            return;
        };
        if kind.is_some_and(|kind| kind != attributes.kind) {
            let error = Error::corrupt("the entry's type is not the inode's");
            self.damage(path, error.context(format!("inode {}", attributes.ino)));
        }
        match attributes.kind {
            FileType::Directory if self.seen.insert(inode) => {
                self.waiting.push((path.to_vec(), inode));
            }
            FileType::Directory => {
                self.damage(path, Error::corrupt("a second name for a directory"));
            }
            _ if attributes.nlink > 1 => {
                let seen = self.links.entry(inode);
                let seen = seen.or_insert_with(|| (attributes.nlink, 0, path.to_vec()));
                seen.1 = seen.1.saturating_add(1);
                if seen.1 > 1 {
                    return; // Its contents were read under the first name.
                }
            }
            _ => {}
        }
        let result = match attributes.kind {
            FileType::Regular => self.content(inode, &attributes),
            FileType::Symlink => self.filesystem.read_link(&request(), inode).map(|_| ()),
            _ => Ok(()),
        };
        self.report(path, result);
    }

    /// Attributes and extended attributes.
    fn inode(&mut self, path: &[u8], inode: Inode) -> Option<Attributes> {
        let attributes = self.filesystem.attributes(&request(), inode);
        let attributes = attributes.map_err(|error| self.damage(path, error)).ok()?;
        let mut names = Vec::new();
        let listed = self
            .filesystem
            .xattr_names(&request(), inode, &mut |name| names.push(name.to_vec()));
        self.report(path, listed);
        for name in names {
            let value = self.filesystem.xattr(&request(), inode, &name);
            self.report(path, value.map(|_| ()));
        }
        Some(attributes)
    }

    fn content(&mut self, file: Inode, attributes: &Attributes) -> Result<()> {
        let mut offset = 0_u64;
        while offset < attributes.size {
            let extent = self.filesystem.extent_at(&request(), file, offset)?;
            let left = attributes.size.saturating_sub(offset);
            let mut length = extent.len.get().min(left);
            if extent.kind == ExtentKind::Data {
                length = length.min(to_u64(self.buf.len()));
                let part = self.buf.get_mut(..to_usize(length)).unwrap_or_default();
                let count = to_u64(self.filesystem.read(&request(), file, part, offset)?);
                if count != length {
                    return Err(Error::corrupt("the file ends before its size").at(offset));
                }
                self.bytes = self.bytes.saturating_add(count);
                (self.advance)(count);
            }
            offset = offset.saturating_add(length);
        }
        Ok(())
    }

    fn link_counts(&mut self) {
        for (inode, (expected, found, path)) in std::mem::take(&mut self.links) {
            if expected != found {
                let text = format!("nlink is {expected}, and it has {found} names");
                let error = Error::corrupt(text).context(format!("inode {}", inode.0));
                self.damage(&path, error);
            }
        }
    }

    fn report(&mut self, path: &[u8], result: Result<()>) {
        match result {
            // Encrypted without the key is no damage.
            Err(error) if error.kind() != Kind::Locked => self.damage(path, error),
            _ => {}
        }
    }

    fn damage(&mut self, path: &[u8], error: Error) {
        (self.each)(finding(self.name, Some(path), error));
    }
}

fn finding(volume: &str, path: Option<&[u8]>, error: Error) -> Finding {
    Finding {
        volume: volume.to_owned(),
        judgement: Judgement::Damage,
        path: path.map(<[u8]>::to_vec),
        error: match path {
            Some(path) => error.context(shown(path)),
            None => error,
        },
        cause: None,
    }
}

/// A path in a message.
pub(super) fn shown(path: &[u8]) -> String {
    format!("/{}", printable(path))
}

/// Puts a path together.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    match dir {
        [] => name.to_vec(),
        _ => [dir, b"/", name].concat(),
    }
}
