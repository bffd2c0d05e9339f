//! squashfs 4.0, to the kernel's documentation (Documentation/filesystems/squashfs.rst): read-only
//! and compressed, everything packed close.
//!
//! The handle of an inode is its place: the block of the inode table that it lies in, and the
//! offset in what that unpacks to. Nothing is kept but decoded blocks, in the one cache.

mod block_list;
mod compression;
mod content;
mod core;
mod describe;
mod directory;
mod inode;
mod layout;
mod link;
mod metadata;
mod packed;
mod superblock;
mod table;
mod xattr;

use self::core::Core;
use self::directory::PARENT;
use self::inode::{Directory, File, Form, InodeRecord};
use super::{
    Attributes, Entry, FileSystem, FileType, Inode, Open, Opened, Request, Timestamp, Usage,
};
use crate::error::{Error, Kind, Result};
use crate::format::{Context, Format};
use crate::source::{Extent, SharedSource};

/// squashfs 4.0.
pub(super) const FORMAT: Format<Open> = Format {
    name: "squashfs",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let core = Core::open(source.clone(), context)?;
    check_root(&core)?;
    Ok(Opened {
        filesystem: Box::new(Squashfs { core }),
        extra: Vec::new(),
    })
}

/// Refuses a file system whose root cannot be read: none of its files could be reached.
fn check_root(core: &Core) -> Result<()> {
    let root = Inode(core.superblock.raw.root_inode.get());
    let root = InodeRecord::read(core, &Request::new(0), root);
    let root = root.map_err(|error| error.context("root"))?;
    match root.kind {
        FileType::Directory => Ok(()),
        _ => Err(Error::corrupt("the root is no directory").at(32)),
    }
}

/// An open squashfs.
struct Squashfs {
    core: Core,
}

impl Squashfs {
    fn inode(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        InodeRecord::read(&self.core, request, Inode(inode.0 & !PARENT))
    }

    fn directory(&self, request: &Request, inode: Inode) -> Result<(InodeRecord, Directory)> {
        let inode = self.inode(request, inode)?;
        match inode.form {
            Form::Directory(directory) => Ok((inode, directory)),
            _ => Err(Error::new(
                Kind::NotADirectory,
                format!("inode {} is no directory", inode.number),
            )),
        }
    }

    fn file(&self, request: &Request, inode: Inode) -> Result<(InodeRecord, File)> {
        let inode = self.inode(request, inode)?;
        let number = inode.number;
        match inode.form {
            Form::File(file) => Ok((inode, file)),
            Form::Directory(_) => Err(Error::new(
                Kind::IsADirectory,
                format!("inode {number} is a directory"),
            )),
            _ => Err(Error::invalid(format!("inode {number} is no regular file"))),
        }
    }
}

impl FileSystem for Squashfs {
    fn root(&self) -> Inode {
        Inode(self.core.superblock.raw.root_inode.get())
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let (inode, directory) = self.directory(request, dir)?;
        directory::lookup(&self.core, request, (&inode, &directory), name)
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        let record = self.inode(request, inode)?;
        let number = match record.form {
            // Only the number is known of this parent; the rest is its child's.
            Form::Directory(directory) if inode.0 & PARENT != 0 => directory.parent,
            _ => record.number,
        };
        let time = Timestamp {
            seconds: record.mtime.into(),
            nanoseconds: 0,
        };
        Ok(Attributes {
            ino: number.into(),
            kind: record.kind,
            mode: record.mode,
            uid: record.uid,
            gid: record.gid,
            size: record.size,
            blocks: record.sectors(&self.core, request),
            // What the kernel's block layer is asked for, whatever the blocks of files are.
            block_size: 1024,
            nlink: record.nlink,
            rdev: match record.form {
                Form::Device(major, minor) => (major, minor),
                _ => (0, 0),
            },
            atime: time,
            mtime: time,
            ctime: time,
            crtime: None,
            flags: 0,
            generation: 0,
        })
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let (inode, directory) = self.directory(request, dir)?;
        directory::read(&self.core, request, (&inode, &directory), cursor, each)
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let (inode, file) = self.file(request, file)?;
        content::read(&self.core, request, (&inode, &file), buf, offset)
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let (inode, file) = self.file(request, file)?;
        content::extent_at(&self.core, request, (&inode, &file), offset)
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        let inode = self.inode(request, link)?;
        match inode.form {
            Form::Symlink(place) => link::target(&self.core, request, &inode, place),
            _ => Err(Error::invalid(format!(
                "inode {} is no symbolic link",
                inode.number
            ))),
        }
    }

    fn xattr_names(
        &self,
        request: &Request,
        inode: Inode,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let inode = self.inode(request, inode)?;
        xattr::names(&self.core, request, &inode, each)
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let inode = self.inode(request, inode)?;
        xattr::value(&self.core, request, &inode, name)
    }

    fn has_no_xattrs(&self, _: &Request) -> bool {
        self.core.tables.xattrs.is_none()
    }

    fn usage(&self) -> Usage {
        let superblock = &self.core.superblock;
        let used = superblock.raw.bytes_used.get();
        Usage {
            block_size: superblock.raw.block_size.get(),
            blocks: used.div_ceil(superblock.raw.block_size.get().max(1).into()),
            files: superblock.raw.inodes.get().into(),
            name_max: 256,
            ..Usage::default()
        }
    }
}
