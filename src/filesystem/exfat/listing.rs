//! Names: what a directory lists, and what a lookup finds whatever its letters' case (7.7.3).

use std::borrow::Cow;

use super::core::Core;
use super::directory::Directory;
use super::file::File;
use super::handle::ROOT;
use crate::error::Result;
use crate::filesystem::index::Listing;
use crate::filesystem::{Entry, FileType, Inode, Request, names};

/// Entries that every directory has without their being on disk.
const DOTS: u64 = 2;

/// A directory as its index sees it.
struct Names<'a> {
    core: &'a Core<'a>,
    request: &'a Request,
    directory: &'a Directory,
}

impl Listing for Names<'_> {
    fn number(&self) -> u64 {
        self.directory.inode.0
    }

    fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()> {
        let each = &mut |index, file: File| each(&file.name(), index);
        self.directory.files(self.core, self.request, 0, each)
    }

    fn name_at(&self, position: u64) -> Result<Vec<u8>> {
        Ok(self.file(position)?.name())
    }

    /// The name in capitals, as UTF-16.
    fn request(&self) -> &Request {
        self.request
    }

    fn fold<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(units) = names::to_utf16(name) else {
            return Cow::Borrowed(name);
        };
        let capitals = units.into_iter().map(|unit| self.core.upcase.capital(unit));
        Cow::Owned(capitals.flat_map(u16::to_le_bytes).collect())
    }
}

impl Names<'_> {
    fn file(&self, position: u64) -> Result<File> {
        let (core, request) = (self.core, self.request);
        let handle = self.directory.handle(core, request, position)?;
        File::read(core, request, handle)
    }
}

/// The entry `name`. Dots at the end are left out where there is no such name with them, as the
/// kernel's driver leaves them out at once.
///
/// # Errors
/// What makes the directory unreadable, where that may hide the name.
pub(super) fn lookup(
    core: &Core<'_>,
    request: &Request,
    directory: &Directory,
    name: &[u8],
) -> Result<Option<Inode>> {
    let names = Names {
        core,
        request,
        directory,
    };
    let dots = name.iter().rev().take_while(|byte| **byte == b'.').count();
    let bare = name.get(..name.len().saturating_sub(dots));
    let mut found = core.index.find(&names, name)?;
    if let (None, Some(bare), true) = (found, bare, dots > 0)
        && !bare.is_empty()
    {
        found = core.index.find(&names, bare)?;
    }
    match found {
        Some(position) => Ok(Some(names.file(position)?.handle.inode())),
        None => Ok(None),
    }
}

/// Gives `each` the entries from `cursor` on: 0 and 1 are `.` and `..`, then come the numbers of
/// directory entries.
///
/// # Errors
/// As [`Directory::files`].
pub(super) fn read_dir(
    core: &Core<'_>,
    request: &Request,
    directory: &Directory,
    cursor: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> Result<()> {
    // Where the parent is, nothing on disk says; the kernel knows without being told.
    let dots = [(&b"."[..], directory.inode), (b"..", ROOT)];
    for (number, (name, inode)) in (0..DOTS).zip(dots) {
        let kind = Some(FileType::Directory);
        let next = number.saturating_add(1);
        let entry = Entry {
            name,
            inode,
            kind,
            next,
        };
        if number >= cursor && !each(entry) {
            return Ok(());
        }
    }
    let names = Names {
        core,
        request,
        directory,
    };
    let from = cursor.saturating_sub(DOTS);
    let mut failed = Ok(());
    let walked = directory.files(core, request, from, &mut |index, file| {
        let name = file.name();
        let name = match core.index.shown(&names, &name, index) {
            Ok(name) => name,
            Err(error) => {
                failed = Err(error.context(format!("inode {}", directory.inode.0)));
                return false;
            }
        };
        let behind = index.saturating_add(file.entries.into());
        each(Entry {
            name: &name,
            inode: file.handle.inode(),
            kind: Some(file.kind()),
            next: behind.saturating_add(DOTS),
        })
    });
    let walked = walked.and(failed);
    walked.map_err(|error| error.at(directory.stream.entry))
}
