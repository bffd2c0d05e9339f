//! A file system that costs nothing, behind imgmount's own shell: what FUSE allows on this machine.
//!
//! `null LIST < /dev/fuse`: standard input is an open `/dev/fuse` that is mounted. Each line of LIST
//! is one entry: `d`, `f` or `l`, a tab, the size of a file or the target of a link, a tab, and the
//! path below the root; a directory stands before what is in it. Names, types and sizes are those of
//! the image that is compared; all contents are the same bytes, copied from memory.
#![allow(clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::error::Error as Any;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::sync::Arc;

use imgmount::error::{Error, Result};
use imgmount::filesystem::{
    Attributes, Entry, FileSystem, FileType, Inode, Request, Timestamp, Usage,
};
use imgmount::format::Description;
use imgmount::fuse::{self, Threads};
use imgmount::source::{Extent, ExtentKind, Memory};
use imgmount::stack::{Content, Node, Stack};
use imgmount::tree::{self, Tree};

/// The root's number; that of an entry is its place in the list behind it.
const ROOT: u64 = 2;

/// More than one read of the kernel's asks for.
const CONTENTS: usize = 1 << 20;

struct Null {
    files: Vec<File>,
    contents: Vec<u8>,
}

struct File {
    kind: FileType,
    size: u64,
    target: Vec<u8>,
    /// What is in it, in the order of the list.
    entries: Vec<(Vec<u8>, u64)>,
    by_name: HashMap<Vec<u8>, u64>,
}

impl File {
    fn new(kind: FileType, size: u64, target: &str) -> Self {
        Self {
            kind,
            size,
            target: target.as_bytes().to_vec(),
            entries: Vec::new(),
            by_name: HashMap::new(),
        }
    }
}

fn main() -> std::result::Result<(), Box<dyn Any>> {
    let list = std::env::args_os().nth(1).ok_or("null LIST < /dev/fuse")?;
    let null = Null::of(&std::fs::read_to_string(list)?)?;
    let device = std::io::stdin().as_fd().try_clone_to_owned()?;
    // As many as the program itself uses.
    let cores = std::thread::available_parallelism()?.get();
    let threads = Threads {
        count: cores.clamp(2, 4),
        own_descriptors: true,
    };
    let tree = Tree::compose(Arc::new(stack(null)), &tree::Options::default())?;
    let options = fuse::Options::default();
    let events = fuse::Events {
        begins: Box::new(|| ()),
        fails: Box::new(|| ()),
        activity: None,
    };
    fuse::serve(tree, device, &options, threads, || Ok(()), events)?;
    Ok(())
}

/// What the layers below the tree would have found.
fn stack(null: Null) -> Stack {
    let disk = Node {
        name: "disk".to_owned(),
        source: Ok(Arc::new(Memory(vec![0; 512]))),
        location: None,
        partition: None,
        content: Content::FileSystem {
            format: "null",
            description: Description::default(),
            filesystem: Arc::new(null),
            extra: Vec::new(),
            beside: Vec::new(),
        },
    };
    Stack {
        layers: Vec::new(),
        digests: Vec::new(),
        disks: vec![disk],
        sets: Vec::new(),
    }
}

impl Null {
    fn of(list: &str) -> std::result::Result<Self, Box<dyn Any>> {
        let mut files = vec![File::new(FileType::Directory, 4096, "")];
        let mut directories = HashMap::from([("", 0)]);
        for line in list.lines() {
            let wrong = || format!("not an entry: {line}");
            let mut fields = line.splitn(3, '\t');
            let mut field = || fields.next().ok_or_else(wrong);
            let (kind, about, path) = (field()?, field()?, field()?);
            let file = match kind {
                "d" => File::new(FileType::Directory, 4096, ""),
                "f" => File::new(FileType::Regular, about.parse()?, ""),
                "l" => File::new(FileType::Symlink, u64::try_from(about.len())?, about),
                _ => return Err(wrong().into()),
            };
            let place = files.len();
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let parent = directories.get(parent).ok_or_else(wrong)?;
            let number = u64::try_from(place)? + ROOT;
            let parent = files.get_mut(*parent).ok_or_else(wrong)?;
            parent.entries.push((name.into(), number));
            parent.by_name.insert(name.into(), number);
            if kind == "d" {
                directories.insert(path, place);
            }
            files.push(file);
        }
        let contents = (0..=u8::MAX).cycle().take(CONTENTS).collect();
        Ok(Self { files, contents })
    }

    fn file(&self, inode: Inode) -> Result<&File> {
        let place = inode.0.checked_sub(ROOT);
        let place = place.and_then(|place| usize::try_from(place).ok());
        let found = place.and_then(|place| self.files.get(place));
        found.ok_or_else(|| Error::not_found("no such entry"))
    }
}

impl FileSystem for Null {
    fn root(&self) -> Inode {
        Inode(ROOT)
    }

    fn lookup(&self, _: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        Ok(self.file(dir)?.by_name.get(name).copied().map(Inode))
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        let file = self.file(inode)?;
        let is_directory = file.kind == FileType::Directory;
        Ok(Attributes {
            ino: inode.0,
            kind: file.kind,
            mode: if is_directory { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: file.size,
            blocks: file.size.div_ceil(512),
            block_size: 4096,
            nlink: if is_directory { 2 } else { 1 },
            rdev: (0, 0),
            atime: Timestamp::default(),
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            crtime: None,
            flags: 0,
            generation: 0,
        })
    }

    fn read_dir(
        &self,
        _: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let skipped = usize::try_from(cursor).unwrap_or(usize::MAX);
        let entries = self.file(dir)?.entries.iter().skip(skipped);
        for (next, (name, number)) in (cursor + 1..).zip(entries) {
            let entry = Entry {
                name,
                inode: Inode(*number),
                kind: Some(self.file(Inode(*number))?.kind),
                next,
            };
            if !each(entry) {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, _: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let left = self.file(file)?.size.saturating_sub(offset);
        let left = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let filled = buf.get_mut(..left).unwrap_or_default();
        for piece in filled.chunks_mut(CONTENTS) {
            piece.copy_from_slice(self.contents.get(..piece.len()).unwrap_or_default());
        }
        Ok(left)
    }

    fn extent_at(&self, _: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let left = self.file(file)?.size.saturating_sub(offset);
        let len = NonZeroU64::new(left).ok_or_else(|| Error::invalid("past the end"))?;
        let kind = ExtentKind::Data;
        Ok(Extent { kind, len })
    }

    fn read_link(&self, _: &Request, link: Inode) -> Result<Vec<u8>> {
        Ok(self.file(link)?.target.clone())
    }

    fn xattr_names(&self, _: &Request, _: Inode, _: &mut dyn FnMut(&[u8])) -> Result<()> {
        Ok(())
    }

    fn xattr(&self, _: &Request, _: Inode, _: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn has_no_xattrs(&self, _: &Request) -> bool {
        true
    }

    fn usage(&self) -> Usage {
        Usage {
            name_max: 255,
            ..Usage::default()
        }
    }
}
