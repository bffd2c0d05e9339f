//! A file system in memory, whose handles and numbers are chosen freely.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgmount::error::{Error, Kind, Result};
use imgmount::filesystem::{
    Attributes, Entry, FileSystem, FileType, Inode, Request, Timestamp, Usage,
};
use imgmount::format::{Description, Partition};
use imgmount::source::{Extent, ExtentKind, Memory, SharedSource};
use imgmount::stack::{Content, Node, Stack};

/// What a handle stands for.
#[derive(Clone)]
pub enum What {
    Directory(Vec<(Vec<u8>, u64)>),
    File(Vec<u8>),
    Link(Vec<u8>),
    /// A directory of so many empty files, `0`, `1`, …, with handles from the number on.
    Many(u64, u64),
    /// A file of four bytes that nobody reads without a panic.
    Bomb,
}

/// The file system: by handle, the number that people see and what it is.
#[derive(Default)]
pub struct Synthetic {
    pub root: u64,
    pub files: BTreeMap<u64, (u64, What)>,
    pub blocks: u64,
    /// Entries that were generated for a listing.
    pub listed: AtomicU64,
}

impl Synthetic {
    pub fn new(root: u64, own: u64, entries: &[(&str, u64)]) -> Self {
        let entries = entries
            .iter()
            .map(|(name, handle)| (name.as_bytes().to_vec(), *handle));
        let mut made = Self {
            root,
            ..Self::default()
        };
        made.files
            .insert(root, (own, What::Directory(entries.collect())));
        made
    }

    pub fn with(mut self, handle: u64, own: u64, what: What) -> Self {
        self.files.insert(handle, (own, what));
        self
    }

    fn get(&self, inode: Inode) -> Result<(u64, What)> {
        for (base, count) in self.files.values().filter_map(|(_, what)| match what {
            What::Many(count, base) => Some((*base, *count)),
            _ => None,
        }) {
            if (base..base + count).contains(&inode.0) {
                return Ok((inode.0 - base + 5, What::File(Vec::new())));
            }
        }
        let found = self.files.get(&inode.0).cloned();
        found.ok_or_else(|| Error::corrupt(format!("no inode {}", inode.0)))
    }
}

impl FileSystem for Synthetic {
    fn root(&self) -> Inode {
        Inode(self.root)
    }

    fn lookup(&self, _: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        match self.get(dir)?.1 {
            What::Directory(entries) => {
                let found = entries.iter().find(|(known, _)| known == name);
                Ok(found.map(|(_, handle)| Inode(*handle)))
            }
            What::Many(count, base) => {
                let index: Option<u64> = std::str::from_utf8(name)
                    .ok()
                    .and_then(|it| it.parse().ok());
                Ok(index
                    .filter(|index| *index < count)
                    .map(|index| Inode(base + index)))
            }
            _ => Err(Error::new(Kind::NotADirectory, "not a directory")),
        }
    }

    fn attributes(&self, _: &Request, inode: Inode) -> Result<Attributes> {
        let (ino, what) = self.get(inode)?;
        let (kind, size) = match &what {
            What::Directory(_) | What::Many(..) => (FileType::Directory, 4096),
            What::File(bytes) => (FileType::Regular, bytes.len() as u64),
            What::Link(target) => (FileType::Symlink, target.len() as u64),
            What::Bomb => (FileType::Regular, 4),
        };
        Ok(Attributes {
            ino,
            kind,
            mode: 0o755,
            uid: 1000,
            gid: 1000,
            size,
            blocks: 8,
            block_size: 4096,
            nlink: 1,
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
        let mut give = |index: u64, name: &[u8], handle: u64| {
            self.listed.fetch_add(1, Ordering::Relaxed);
            let (inode, next) = (Inode(handle), index + 1);
            let kind = None;
            each(Entry {
                name,
                inode,
                kind,
                next,
            })
        };
        match self.get(dir)?.1 {
            What::Directory(entries) => {
                let dots = [(b".".to_vec(), dir.0), (b"..".to_vec(), self.root)];
                let all = dots.into_iter().chain(entries);
                for (index, (name, handle)) in (0..).zip(all).skip(cursor as usize) {
                    if !give(index, &name, handle) {
                        break;
                    }
                }
                Ok(())
            }
            What::Many(count, base) => {
                for index in cursor..count {
                    if !give(index, index.to_string().as_bytes(), base + index) {
                        break;
                    }
                }
                Ok(())
            }
            _ => Err(Error::new(Kind::NotADirectory, "not a directory")),
        }
    }

    fn read(&self, _: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let bytes = match self.get(file)?.1 {
            What::File(bytes) => bytes,
            What::Bomb => panic!("a test panics on purpose"),
            _ => return Err(Error::new(Kind::IsADirectory, "is a directory")),
        };
        let rest = bytes.get(offset as usize..).unwrap_or(&[]);
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let size = self.attributes(request, file)?.size;
        let len = imgmount::filesystem::length_to(offset, size)?;
        let kind = ExtentKind::Data;
        Ok(Extent { kind, len })
    }

    fn read_link(&self, _: &Request, link: Inode) -> Result<Vec<u8>> {
        match self.get(link)?.1 {
            What::Link(target) => Ok(target),
            _ => Err(Error::invalid("no link")),
        }
    }

    fn xattr_names(&self, _: &Request, _: Inode, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        each(b"user.a");
        Ok(())
    }

    fn xattr(&self, _: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok((name == b"user.a").then(|| inode.0.to_string().into_bytes()))
    }

    fn usage(&self) -> Usage {
        Usage {
            block_size: 1024,
            blocks: self.blocks,
            ..Usage::default()
        }
    }
}

/// A node called `name` with `content` and 4096 bytes.
pub fn node(name: &str, content: Content) -> Node {
    let source: SharedSource = Arc::new(Memory(vec![7; 4096]));
    Node {
        name: name.to_owned(),
        source: Ok(source),
        location: None,
        partition: None,
        content,
    }
}

/// `filesystem` as content, with a label and a UUID.
pub fn content(filesystem: impl FileSystem + 'static, label: &[u8], uuid: &str) -> Content {
    Content::FileSystem {
        format: "synthetic",
        description: Description {
            label: Some(label.to_vec()),
            uuid: Some(uuid.to_owned()),
            ..Description::default()
        },
        filesystem: Arc::new(filesystem),
        extra: Vec::new(),
        beside: Vec::new(),
    }
}

/// A stack of one disk with `content`.
pub fn disk(content: Content) -> Arc<Stack> {
    Arc::new(Stack {
        digests: Vec::new(),
        layers: Vec::new(),
        disks: vec![node("disk", content)],
        sets: Vec::new(),
    })
}

/// A stack of one disk with partitions, each with a name in the table.
pub fn partitions(contents: Vec<(&str, Content)>) -> Arc<Stack> {
    let with_number = |(number, (label, content)): (u32, (&str, Content))| {
        let mut made = node(&format!("p{number}"), content);
        made.partition = Some(Partition {
            number,
            label: Some(label.to_owned()),
            uuid: Some(format!("0badcafe-{number:02x}")),
            ..Partition::default()
        });
        made
    };
    disk(Content::Table {
        format: "gpt",
        description: Description::default(),
        children: (1..).zip(contents).map(with_number).collect(),
    })
}

/// 4 KiB, of which the second KiB is a hole.
pub struct Holey;

impl imgmount::source::Source for Holey {
    fn size(&self) -> u64 {
        4096
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        imgmount::source::check_range(self, offset, buf.len())?;
        for (at, byte) in (offset..).zip(buf) {
            *byte = u8::from(!(1024..2048).contains(&at));
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let (kind, end) = match offset {
            ..1024 => (ExtentKind::Data, 1024),
            1024..2048 => (ExtentKind::Zeros, 2048),
            _ => (ExtentKind::Data, 4096),
        };
        let len = NonZeroU64::new(end - offset).unwrap();
        Ok(Extent { kind, len })
    }
}
