//! exFAT, to Microsoft's "exFAT file system specification", as the Linux kernel's driver shows it.
//!
//! All methods take `&self`, keep no state but what is in the one cache, and read through the
//! source, which is cached. The handle of a file is the place of its directory entries on the
//! volume: see [`handle::Handle`].

mod allocation;
mod attributes;
mod bitmap;
mod boot;
mod checksum;
mod content;
mod core;
mod describe;
mod directory;
mod fat;
mod file;
mod geometry;
mod handle;
mod kind;
mod layout;
mod listing;
mod recommended;
mod set;
mod stream;
mod time;
mod upcase;
mod usage;
mod verify;
mod volume;

use std::sync::OnceLock;

use self::core::Core;
use self::directory::Directory;
use self::file::File;
use self::handle::{Handle, ROOT};
use super::{Attributes, Entry, FileSystem, FileType, Inode, Open, Opened, Request, Usage};
use crate::error::{Error, Kind, Result};
use crate::format::{Context, Format};
use crate::source::{Extent, SharedSource};

/// exFAT.
pub(super) const FORMAT: Format<Open> = Format {
    name: "exfat",
    claim: describe::claim,
    describe: describe::describe,
    open,
};

fn open(members: &[SharedSource], context: &Context) -> Result<Opened> {
    let source = members.first().ok_or_else(|| Error::invalid("no volume"))?;
    let core = Core::open(source.clone(), context)?;
    Ok(Opened {
        filesystem: Box::new(Exfat::new(core)),
        extra: Vec::new(),
    })
}

/// An open volume.
struct Exfat {
    core: Core<'static>,
    /// Counted when it is first asked for: it reads the whole allocation bitmap.
    usage: OnceLock<Usage>,
}

impl Exfat {
    fn new(core: Core<'static>) -> Self {
        let usage = OnceLock::new();
        Self { core, usage }
    }

    fn directory(&self, request: &Request, inode: Inode) -> Result<Directory> {
        Directory::open(&self.core, request, inode)
    }

    /// The file or directory with the number `inode`, which is not the root's.
    fn entry(&self, request: &Request, inode: Inode) -> Result<File> {
        File::read(&self.core, request, Handle::of(inode))?.checked(&self.core)
    }

    fn file(&self, request: &Request, inode: Inode) -> Result<File> {
        let is_directory = || {
            let text = format!("inode {} is a directory", inode.0);
            Error::new(Kind::IsADirectory, text)
        };
        if inode == ROOT {
            return Err(is_directory());
        }
        let file = self.entry(request, inode)?;
        match file.kind() {
            FileType::Directory => Err(is_directory()),
            _ => Ok(file),
        }
    }
}

impl FileSystem for Exfat {
    fn root(&self) -> Inode {
        ROOT
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let dir = self.directory(request, dir)?;
        listing::lookup(&self.core, request, &dir, name)
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        if inode == ROOT {
            return Ok(attributes::of_root(&self.core, request));
        }
        let file = self.entry(request, inode)?;
        attributes::of_file(&self.core, request, &file)
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let dir = self.directory(request, dir)?;
        listing::read_dir(&self.core, request, &dir, cursor, each)
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        let file = self.file(request, file)?;
        content::read(&self.core, request, &file, buf, offset)
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        let file = self.file(request, file)?;
        content::extent_at(&file, offset)
    }

    fn read_link(&self, _request: &Request, link: Inode) -> Result<Vec<u8>> {
        let text = format!("inode {} is no symbolic link", link.0);
        Err(Error::invalid(text))
    }

    fn xattr_names(
        &self,
        _request: &Request,
        _inode: Inode,
        _each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        Ok(())
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        if name != attributes::ATTRIBUTE {
            return Ok(None);
        }
        let bits = match inode {
            ROOT => file::DIRECTORY,
            _ => self.entry(request, inode)?.attributes,
        };
        Ok(Some(attributes::value(bits)))
    }

    fn usage(&self) -> Usage {
        *self.usage.get_or_init(|| usage::usage(&self.core))
    }

    fn verify(&self, request: &Request, each: &mut dyn FnMut(Error)) {
        verify::verify(&self.core, request, each);
    }
}
