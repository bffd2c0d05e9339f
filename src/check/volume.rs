//! The first walk: reads everything that the volume's own reader can give.

use std::collections::{HashMap, HashSet};

use super::{Finding, Judgement};
use crate::error::{Error, Kind, Result, printable};
use crate::filesystem::{Attributes, FileSystem, FileType, Inode, Request, Trail};
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
        seen: HashSet::from([root]),
        links: HashMap::new(),
        kept: 0,
        files: 1,
        bytes: 0,
        buf: vec![0; CHUNK],
    };
    walk.inode(&[], root);
    walk.all(root);
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
    /// Directories that were met: a second name for one is damage, and could make the walk endless.
    seen: HashSet<Inode>,
    /// Files with several names: their link count, and how many names were found, and one of them.
    links: HashMap<Inode, (u32, u32, Vec<u8>)>,
    /// Bytes of those names.
    kept: usize,
    files: u64,
    bytes: u64,
    buf: Vec<u8>,
}

/// Directories by their names.
type Below = Vec<(Vec<u8>, Inode)>;

impl Walk<'_> {
    fn all(&mut self, root: Inode) {
        let mut trail = Trail::default();
        let mut frames: Vec<(usize, Below)> = vec![self.directory(&mut trail, root)];
        while let Some((mark, below)) = frames.last_mut() {
            trail.back(*mark);
            let Some((name, inode)) = below.pop() else {
                frames.pop();
                continue;
            };
            trail.push(&name);
            frames.push(self.directory(&mut trail, inode));
        }
    }

    /// Reads the directory at `trail`; gives that place, and the directories in it.
    fn directory(&mut self, trail: &mut Trail, dir: Inode) -> (usize, Below) {
        let (mark, mut below) = (trail.mark(), Below::new());
        let mut entries = Vec::new();
        let read = self.filesystem.read_dir(&request(), dir, 0, &mut |entry| {
            if !matches!(entry.name, b"." | b"..") {
                entries.push((entry.name.to_vec(), entry.inode, entry.kind));
            }
            true
        });
        self.report(trail.path(), read);
        let mut names = HashSet::new();
        for (name, inode, kind) in entries {
            trail.back(mark);
            trail.push(&name);
            if !names.insert(name.clone()) {
                self.damage(trail.path(), Error::corrupt("two entries have this name"));
                continue;
            }
            self.files = self.files.saturating_add(1);
            let found = self.filesystem.lookup(&request(), dir, &name);
            self.report_lookup(trail.path(), inode, found);
            if self.entry(trail.path(), inode, kind) {
                below.push((name, inode));
            }
        }
        (mark, below)
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

    /// Reads what a name stands for; gives whether it is a directory that was not met before.
    fn entry(&mut self, path: &[u8], inode: Inode, kind: Option<FileType>) -> bool {
        let Some(attributes) = self.inode(path, inode) else {
            return false;
        };
        if kind.is_some_and(|kind| kind != attributes.kind) {
            let error = Error::corrupt("the entry's type is not the inode's");
            self.damage(path, error.context(format!("inode {}", attributes.ino)));
        }
        match attributes.kind {
            FileType::Directory if self.seen.insert(inode) => return true,
            FileType::Directory => {
                self.damage(path, Error::corrupt("a second name for a directory"));
            }
            _ if attributes.nlink > 1 => {
                let kept = &mut self.kept;
                let seen = self.links.entry(inode);
                let seen = seen.or_insert_with(|| (attributes.nlink, 0, keep(path, kept)));
                seen.1 = seen.1.saturating_add(1);
                if seen.1 > 1 {
                    return false; // Its contents were read under the first name.
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
        false
    }

    /// Attributes and extended attributes.
    fn inode(&mut self, path: &[u8], inode: Inode) -> Option<Attributes> {
        let attributes = self.filesystem.attributes(&request(), inode);
        let attributes = attributes.map_err(|error| self.damage(path, error)).ok()?;
        if attributes.kind == FileType::Directory {
            self.filesystem.ahead(&request(), inode);
        }
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

/// A path to be remembered: all of it, unless the `kept` ones take too much memory already. A deep
/// tree has few files for their paths.
fn keep(path: &[u8], kept: &mut usize) -> Vec<u8> {
    const MOST: usize = 32 << 20;
    const SHORT: usize = 64;
    let path = match kept.saturating_add(path.len()) > MOST {
        true => path.get(..SHORT).unwrap_or(path),
        false => path,
    };
    *kept = kept.saturating_add(path.len());
    path.to_vec()
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
