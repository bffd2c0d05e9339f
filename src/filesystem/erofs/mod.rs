//! EROFS, to the kernel's documentation (Documentation/filesystems/erofs.rst), the format's own
//! (erofs.docs.kernel.org), and `fs/erofs/erofs_fs.h` of Linux 6.18.
//!
//! All methods take `&self`, keep no state, and read through the source, which is cached; the
//! handle of an inode is its number, which is its place.

mod chunks;
mod compressed;
mod content;
mod core;
mod describe;
mod devices;
mod directory;
mod features;
mod inode;
mod layout;
mod link;
mod superblock;
mod xattr;

use self::core::Core;
use self::devices::Devices;
use self::inode::InodeRecord;
use self::superblock::Superblock;
use super::{Attributes, Entry, FileSystem, FileType, Inode, Open, Opened, Request, Usage};
use crate::error::{Error, Kind, Result};
use crate::format::{Context, Format};
use crate::source::{Extent, SharedSource};

/// EROFS.
pub(super) const FORMAT: Format<Open> = Format {
    name: "erofs",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let superblock = Superblock::read(&**source)?;
    if let Err(error) = superblock.verify(&**source) {
        if !context.options.ignore_checksums {
            return Err(error.hint(superblock::HINT));
        }
        context.notices.add(error.context("erofs").to_string());
    }
    let devices = Devices::open(source.clone(), &superblock, context)?;
    let core = Core::open(superblock, devices, context);
    check_root(&core)?;
    Ok(Opened {
        filesystem: Box::new(Erofs { core }),
        extra: Vec::new(),
    })
}

/// Refuses a file system whose root cannot be read: none of its files could be reached.
fn check_root(core: &Core) -> Result<()> {
    let root = core.inode(&Request::new(0), core.superblock.root)?;
    if root.kind != FileType::Directory {
        let error = Error::corrupt("the root is no directory").at(root.offset);
        return Err(error.context(inode::name(root.nid)));
    }
    Ok(())
}

/// An open EROFS.
struct Erofs {
    core: Core,
}

impl Erofs {
    fn inode(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        let nid = self.core.superblock.nid(inode.0);
        self.core.inode(request, nid)
    }

    fn directory(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        let inode = self.inode(request, inode)?;
        match inode.kind {
            FileType::Directory => Ok(inode),
            _ => {
                let text = format!("{} is no directory", inode::name(inode.nid));
                Err(Error::new(Kind::NotADirectory, text))
            }
        }
    }

    fn file(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        let inode = self.inode(request, inode)?;
        let name = inode::name(inode.nid);
        match inode.kind {
            FileType::Regular => Ok(inode),
            FileType::Directory => Err(Error::new(
                Kind::IsADirectory,
                format!("{name} is a directory"),
            )),
            _ => Err(Error::invalid(format!("{name} is no regular file"))),
        }
    }
}

impl FileSystem for Erofs {
    fn root(&self) -> Inode {
        self.core.handle(self.core.superblock.root)
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let dir = self.directory(request, dir)?;
        let found = directory::lookup(&self.core, request, &dir, name)?;
        Ok(found.map(|nid| self.core.handle(nid)))
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        let inode = self.inode(request, inode)?;
        Ok(Attributes {
            ino: self.core.superblock.number(inode.nid),
            kind: inode.kind,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            blocks: inode.sectors(&self.core),
            block_size: 1 << self.core.superblock.block_bits, // at most 2^16
            nlink: inode.nlink,
            rdev: inode.device(),
            atime: inode.mtime,
            mtime: inode.mtime,
            ctime: inode.mtime,
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
        let dir = self.directory(request, dir)?;
        directory::read(&self.core, request, &dir, cursor, each)
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let file = self.file(request, file)?;
        content::read(&self.core, request, &file, buf, offset)
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let file = self.file(request, file)?;
        content::extent_at(&self.core, request, &file, offset)
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        let link = self.inode(request, link)?;
        if link.kind != FileType::Symlink {
            let text = format!("{} is no symbolic link", inode::name(link.nid));
            return Err(Error::invalid(text));
        }
        link::target(&self.core, request, &link)
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

    /// As the kernel has it: nothing is free, and no number of inodes is too many.
    fn usage(&self) -> Usage {
        let superblock = &self.core.superblock;
        Usage {
            block_size: 1 << superblock.block_bits, // at most 2^16
            blocks: self.core.devices.blocks(superblock),
            free: 0,
            available: 0,
            files: u64::MAX,
            files_free: u64::MAX.saturating_sub(superblock.inodes),
            name_max: directory::NAME_MAX,
        }
    }
}
