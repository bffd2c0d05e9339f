//! ext2, ext3 and ext4, to the kernel's documentation (Documentation/filesystems/ext4).
//!
//! All methods take `&self`, keep no state, and read through the source, which is cached; the
//! handle of an inode is its number.

mod ahead;
mod backup;
mod block_map;
mod casefold;
mod checksum;
mod content;
mod core;
mod describe;
mod directory;
mod encryption;
mod features;
mod geometry;
mod group;
mod inline_data;
mod inode;
mod journal;
mod layout;
mod link;
mod orphan;
mod recent;
mod superblock;
mod tables;
mod time;
mod usage;
mod verify;
mod xattr;

use std::sync::OnceLock;

use self::core::Core;
use self::inode::InodeRecord;
use super::{Attributes, Entry, FileSystem, FileType, Inode, Open, Opened, Request, Usage};
use crate::error::{Error, Kind, Result};
use crate::format::{Context, Format};
use crate::number::to_u64;
use crate::source::{Extent, SharedSource};

/// ext2, ext3 and ext4.
pub(super) const FORMAT: Format<Open> = Format {
    name: "ext4",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let source = if context.options.no_replay {
        source.clone()
    } else {
        journal::recover(source, context)?
    };
    let core = Core::open(source, context)?;
    check_root(&core)?;
    Ok(Opened {
        filesystem: Box::new(Ext4::new(core)),
        extra: Vec::new(),
    })
}

/// Refuses a file system whose root cannot be read: none of its files could be reached.
fn check_root(core: &Core) -> Result<()> {
    let root = core.inode(&Request::new(0), inode::ROOT)?;
    if root.kind != FileType::Directory {
        let error = Error::corrupt("the root is no directory").at(root.offset);
        return Err(error.context(format!("inode {}", inode::ROOT)));
    }
    Ok(())
}

/// An open ext2, ext3 or ext4.
struct Ext4 {
    core: Core,
    /// Computed when it is first asked for: it reads all group descriptors.
    usage: OnceLock<Usage>,
    absence: xattr::Absence,
}

impl Ext4 {
    fn new(core: Core) -> Self {
        Self {
            core,
            usage: OnceLock::new(),
            absence: xattr::Absence::new(),
        }
    }

    fn inode(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        let number = u32::try_from(inode.0);
        let number =
            number.map_err(|_| Error::invalid(format!("inode {} is over 2^32", inode.0)))?;
        self.core.inode(request, number)
    }

    fn directory(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        let inode = self.inode(request, inode)?;
        match inode.kind {
            FileType::Directory => Ok(inode),
            _ => Err(Error::new(
                Kind::NotADirectory,
                format!("inode {} is no directory", inode.number),
            )),
        }
    }

    fn file(&self, request: &Request, inode: Inode) -> Result<InodeRecord> {
        let inode = self.inode(request, inode)?;
        let number = inode.number;
        match inode.kind {
            FileType::Regular if inode.has(inode::ENCRYPT) => {
                let error = Error::locked("the file is encrypted, and its key is not in the image");
                Err(error.context(format!("inode {number}")))
            }
            FileType::Regular => Ok(inode),
            FileType::Directory => Err(Error::new(
                Kind::IsADirectory,
                format!("inode {number} is a directory"),
            )),
            _ => Err(Error::invalid(format!("inode {number} is no regular file"))),
        }
    }
}

impl FileSystem for Ext4 {
    fn root(&self) -> Inode {
        Inode(inode::ROOT.into())
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let dir = self.directory(request, dir)?;
        let found = directory::lookup(&self.core, request, &dir, name)?;
        Ok(found.map(|number| Inode(number.into())))
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        let inode = self.inode(request, inode)?;
        let size = match inode.kind {
            // The length of what readlink(2) gives, as for the kernel.
            FileType::Symlink if inode.has(inode::ENCRYPT) => {
                let target = link::target(&self.core, request, &inode);
                target.map_or(inode.size, |target| to_u64(target.len()))
            }
            _ => inode.size,
        };
        let mut blocks = inode.sectors(&self.core);
        if inode.is_inline() && inode.kind == FileType::Regular {
            // The kernel lets no file with content look as if it were all hole.
            blocks = blocks.saturating_add(size.div_ceil(512));
        }
        Ok(Attributes {
            ino: inode.number.into(),
            kind: inode.kind,
            mode: inode.raw.i_mode.get() & 0o7777,
            uid: inode.uid(),
            gid: inode.gid(),
            size,
            blocks,
            block_size: 1_u32.wrapping_shl(self.core.superblock.block_bits), // at most 2^16
            nlink: inode.raw.i_links_count.get().into(),
            rdev: inode.device(),
            atime: inode.atime(),
            mtime: inode.mtime(),
            ctime: inode.ctime(),
            crtime: inode.crtime(),
            flags: inode.visible_flags(),
            generation: inode.raw.i_generation.get(),
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

    fn ahead(&self, request: &Request, inode: Inode) {
        if let Ok(inode) = self.inode(request, inode) {
            ahead::contents(&self.core, request, &inode);
        }
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let file = self.file(request, file)?;
        content::extent_at(&self.core, request, &file, offset)
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        let link = self.inode(request, link)?;
        if link.kind != FileType::Symlink {
            return Err(Error::invalid(format!(
                "inode {} is no symbolic link",
                link.number
            )));
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

    fn has_no_xattrs(&self, request: &Request) -> bool {
        self.absence.look(&self.core, request)
    }

    fn usage(&self) -> Usage {
        *self.usage.get_or_init(|| usage::usage(&self.core))
    }

    fn verify(&self, request: &Request, each: &mut dyn FnMut(Error)) {
        verify::verify(&self.core, request, each);
    }

    fn replayed(&self) -> Option<SharedSource> {
        Some(self.core.source.clone())
    }
}
