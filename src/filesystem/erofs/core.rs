//! What everything in this reader stands on: the superblock, the devices, and the inodes that hold
//! what belongs to others.
//!
//! Two inodes are part of the format: the metabox holds inodes, compressed together, and the packed
//! inode holds fragments of files. The metabox is read by a core of its own, which knows of no
//! metabox: so what an image says of it can lead nowhere but to the devices.

use std::sync::{Arc, OnceLock};

use super::compressed::Clusters;
use super::content;
use super::devices::Devices;
use super::inode::{self, InodeRecord};
use super::superblock::{PLACE, Superblock};
use super::xattr::Prefix;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{FileType, Inode, Request};
use crate::format::Context;

/// An open file system.
pub(super) struct Core {
    pub(super) superblock: Superblock,
    pub(super) devices: Arc<Devices>,
    /// Decoded clusters.
    pub(super) clusters: Clusters,
    metabox: Option<Arc<Special>>,
    packed: OnceLock<InodeRecord>,
    prefixes: OnceLock<Vec<Prefix>>,
}

/// An inode whose content is part of the format, and what reads it.
pub(super) struct Special {
    core: Core,
    inode: OnceLock<InodeRecord>,
}

impl Core {
    /// Opens what `superblock` describes.
    pub(super) fn open(superblock: Superblock, devices: Devices, context: &Context) -> Self {
        let devices = Arc::new(devices);
        let metabox = (superblock.metabox != 0).then(|| {
            Arc::new(Special {
                core: Self::new(superblock.clone(), devices.clone(), context, None),
                inode: OnceLock::new(),
            })
        });
        Self::new(superblock, devices, context, metabox)
    }

    fn new(
        superblock: Superblock,
        devices: Arc<Devices>,
        context: &Context,
        metabox: Option<Arc<Special>>,
    ) -> Self {
        let clusters = Clusters::new(
            &superblock,
            devices.clone(),
            metabox.clone(),
            &context.cache,
        );
        Self {
            superblock,
            devices,
            clusters,
            metabox,
            packed: OnceLock::new(),
            prefixes: OnceLock::new(),
        }
    }

    /// Fills `buf` from byte `offset` of the volume or of the metabox, which is read for steps of
    /// `request`.
    ///
    /// # Errors
    /// What makes the bytes unreadable; `Corrupt` for a metabox that there is not.
    pub(super) fn read_metadata(
        &self,
        request: &Request,
        in_metabox: bool,
        buf: &mut [u8],
        offset: u64,
    ) -> Result<()> {
        match (in_metabox, &self.metabox) {
            (false, _) => self.devices.read(buf, offset),
            (true, Some(metabox)) => metabox.read(request, buf, offset),
            (true, None) => Err(Error::corrupt("there is no metabox to hold it").at(offset)),
        }
    }

    /// `len` bytes of metadata, which is bounded already.
    ///
    /// # Errors
    /// As [`Core::read_metadata`].
    pub(super) fn metadata(
        &self,
        request: &Request,
        in_metabox: bool,
        offset: u64,
        len: usize,
    ) -> Result<Vec<u8>> {
        let mut bytes = crate::source::zeroed(len)?;
        self.read_metadata(request, in_metabox, &mut bytes, offset)?;
        Ok(bytes)
    }

    /// Inode `nid`, for one step of the request's budget, and those of the metabox where it is there.
    ///
    /// # Errors
    /// As [`InodeRecord::read`].
    pub(super) fn inode(&self, request: &Request, nid: u64) -> Result<InodeRecord> {
        request.spend(1)?;
        InodeRecord::read(self, request, nid)
    }

    /// The handle of inode `nid`.
    pub(super) fn handle(&self, nid: u64) -> Inode {
        Inode(self.superblock.number(nid))
    }

    /// The packed inode.
    ///
    /// # Errors
    /// `Corrupt` where there is none, or where it cannot be read.
    pub(super) fn packed(&self, request: &Request) -> Result<&InodeRecord> {
        let read = || regular(self, request, self.superblock.packed).context(|| "packed inode");
        kept(&self.packed, read)
    }

    /// The long name prefixes of extended attributes.
    ///
    /// # Errors
    /// What makes them unreadable.
    pub(super) fn prefixes(&self, request: &Request) -> Result<&[Prefix]> {
        let prefixes = kept(&self.prefixes, || {
            super::xattr::read_prefixes(self, request)
        })?;
        Ok(prefixes)
    }
}

impl Special {
    /// Fills `buf` from byte `offset`, for steps of `request`.
    ///
    /// # Errors
    /// `Corrupt` past the end; what makes the bytes unreadable.
    pub(super) fn read(&self, request: &Request, buf: &mut [u8], offset: u64) -> Result<()> {
        let mut read = || {
            let nid = self.core.superblock.metabox;
            let inode = kept(&self.inode, || regular(&self.core, request, nid))?;
            content::read_exact(&self.core, request, inode, buf, offset)
        };
        read().context(|| "metabox")
    }
}

/// What `cell` keeps, or what `read` gives, kept from then on; an error is not.
fn kept<T>(cell: &OnceLock<T>, read: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(value) => Ok(value),
        None => {
            let value = read()?;
            Ok(cell.get_or_init(|| value))
        }
    }
}

/// Inode `nid`, which has to be a regular file.
fn regular(core: &Core, request: &Request, nid: u64) -> Result<InodeRecord> {
    if nid == 0 {
        return Err(Error::corrupt("the superblock names none").at(PLACE));
    }
    let inode = InodeRecord::read(core, request, nid)?;
    match inode.kind {
        FileType::Regular => Ok(inode),
        _ => {
            let error = Error::corrupt("it is no regular file").at(inode.offset);
            Err(error.context(inode::name(nid)))
        }
    }
}
