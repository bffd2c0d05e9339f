//! A file system whose panics are errors of the request that met them.

use std::ops::Deref;
use std::sync::Arc;

use super::{Attributes, Entry, FileSystem, Inode, Request, Usage};
use crate::error::{Error, Kind, Result, caught};
use crate::source::{Extent, SharedSource};

/// A file system for whoever asks it for many things in turn, and goes on where one of them meets a
/// bug: [`crate::error::Kind::Bug`]. The readers never stand behind it where their bugs are looked
/// for.
pub struct Guarded<P> {
    filesystem: P,
    counts: Counts,
}

/// What is called for each bug that was met.
pub type Counts = Arc<dyn Fn() + Send + Sync>;

impl<P> Guarded<P> {
    /// `filesystem`, whose bugs `counts` hears of.
    pub fn new(filesystem: P, counts: Counts) -> Self {
        Self { filesystem, counts }
    }

    /// Does `work` with the file system.
    ///
    /// # Errors
    /// Those of `work`, and the bug that it met.
    pub fn caught<T>(&self, work: impl FnOnce(&P) -> Result<T>) -> Result<T> {
        let done = caught(|| work(&self.filesystem));
        if done.as_ref().is_err_and(|error| error.kind() == Kind::Bug) {
            (self.counts)();
        }
        done
    }
}

impl<P> FileSystem for Guarded<P>
where
    P: Deref + Send + Sync,
    P::Target: FileSystem,
{
    fn root(&self) -> Inode {
        self.filesystem.root()
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        self.caught(|it| it.lookup(request, dir, name))
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        self.caught(|it| it.attributes(request, inode))
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        self.caught(|it| it.read_dir(request, dir, cursor, each))
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.caught(|it| it.read(request, file, buf, offset))
    }

    fn ahead(&self, request: &Request, inode: Inode) {
        let _ = self.caught(|it| {
            it.ahead(request, inode);
            Ok(())
        });
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        self.caught(|it| it.extent_at(request, file, offset))
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        self.caught(|it| it.read_link(request, link))
    }

    fn xattr_names(
        &self,
        request: &Request,
        inode: Inode,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        self.caught(|it| it.xattr_names(request, inode, each))
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        self.caught(|it| it.xattr(request, inode, name))
    }

    fn has_no_xattrs(&self, request: &Request) -> bool {
        self.caught(|it| Ok(it.has_no_xattrs(request)))
            .unwrap_or(false)
    }

    fn usage(&self) -> Usage {
        self.caught(|it| Ok(it.usage())).unwrap_or_default()
    }

    fn replayed(&self) -> Option<SharedSource> {
        self.caught(|it| Ok(it.replayed())).unwrap_or_default()
    }

    fn verify(&self, request: &Request, each: &mut dyn FnMut(Error)) {
        let verified = self.caught(|it| {
            it.verify(request, each);
            Ok(())
        });
        if let Err(bug) = verified {
            each(bug);
        }
    }
}
