//! All volumes and raw views composed into one [`FileSystem`], whose inode numbers are the kernel's
//! node numbers.

mod compose;
mod names;
mod numbers;
mod overrides;
mod path;
mod select;
mod top;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filesystem::{Attributes, Entry, FileSystem, Inode, Request, Timestamp, Usage};
use crate::number::{to_u64, to_usize};
use crate::source::Extent;
use crate::stack::Stack;
use compose::{Volume, compose_volumes, direct_volume, volume_of};
use numbers::{Numbers, ROOT, Target};
use top::{Place, Top};

pub use overrides::Overrides;
pub use path::resolve;
pub use select::select;

/// Which names the top of the tree has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Direct where the image is one file system without a partition table; volumes otherwise.
    #[default]
    Auto,
    /// A directory and a raw file for each volume.
    Volumes,
    /// The root of the one file system is the root of the tree.
    Direct,
}

/// What the user chose about the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// The layout.
    pub layout: Layout,
    /// The one volume to show, as `-p` names it: `2`, `p2`, `LABEL=root`, `vg0/root`.
    pub volume: Option<String>,
    /// Whether the `.img` files are there.
    pub raw: bool,
    /// User and group that own what the tree adds: the raw files are readable to this user alone.
    pub owner: (u32, u32),
    /// The time of what the tree adds: the image's own.
    pub time: Timestamp,
    /// What the user has files belong to and be allowed.
    pub overrides: Overrides,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layout: Layout::Auto,
            volume: None,
            raw: true,
            owner: (0, 0),
            time: Timestamp::default(),
            overrides: Overrides::default(),
        }
    }
}

/// All volumes of a stack as one file system.
///
/// The root is node 1. Every number that [`FileSystem::lookup`] gives counts as one lookup of the
/// kernel's, as does every entry that [`Tree::read_dir_plus`] hands over; [`Tree::forget`] takes
/// them back. Most numbers need no table at all, and a caller that ends soon need not forget.
/// Entries of [`FileSystem::read_dir`] count nothing: their numbers are for showing.
pub struct Tree {
    stack: Arc<Stack>,
    volumes: Vec<Volume>,
    top: Top,
    numbers: Numbers,
    direct: bool,
    overrides: Overrides,
}

impl Tree {
    /// Composes the tree of `stack`.
    ///
    /// # Errors
    /// `NotFound` for a volume that is not there; `Unsupported` for a direct layout of what is not
    /// one file system; what is wrong with the volume where it is damaged. All list what is there.
    pub fn compose(stack: Arc<Stack>, options: &Options) -> Result<Self> {
        let direct = match &options.volume {
            Some(wanted) => Some(select(&stack, wanted)?),
            None => direct_volume(&stack, options.layout)?,
        };
        let (mut volumes, top) = match direct {
            Some(node) => (
                vec![volume_of(&stack, node)?],
                Top::new(options.owner, options.time),
            ),
            None => compose_volumes(&stack, options),
        };
        let direct = direct.is_some();
        let numbers = Numbers::new(direct);
        for (index, volume) in volumes.iter_mut().enumerate() {
            volume.learn_root();
            if !direct {
                // Counted for good: the top leads there as long as the tree is there.
                numbers.hand_out(index, volume.root, volume.root_number, |_| false);
            }
        }
        Ok(Self {
            stack,
            volumes,
            top,
            numbers,
            direct,
            overrides: options.overrides,
        })
    }

    /// Takes back `count` lookups of `inode`: what FUSE_FORGET says.
    pub fn forget(&self, inode: Inode, count: u64) {
        self.numbers.forget(inode.0, count);
    }

    /// How many numbers are kept because their bits don't tell the file.
    #[must_use]
    pub fn kept_numbers(&self) -> usize {
        self.numbers.kept_count()
    }

    /// The entries of `dir` from `cursor` on with their attributes, none where those cannot be
    /// read. An entry for which `each` returns true counts as looked up unless it is `.` or `..` or
    /// has no attributes; the one for which it returns false was not taken.
    ///
    /// # Errors
    /// As [`FileSystem::read_dir`].
    pub fn read_dir_plus(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>, Option<&Attributes>) -> bool,
    ) -> Result<()> {
        match self.locate(dir)? {
            Located::Top(index) => {
                let mut with_attributes = |entry: Entry<'_>| {
                    let attributes = self.attributes(request, entry.inode).ok();
                    each(entry, attributes.as_ref())
                };
                let number = |place| self.number_of(place);
                self.top
                    .read_dir(index, cursor, number, &mut with_attributes)
            }
            Located::File(index, volume, handle) => {
                let mut with_attributes =
                    |entry: Entry<'_>| self.plus_entry(request, (index, volume), entry, each);
                volume
                    .filesystem
                    .read_dir(request, handle, cursor, &mut with_attributes)
            }
        }
    }

    /// The numbers of statfs(2) for the volume that `inode` is in.
    #[must_use]
    pub fn usage_of(&self, inode: Inode) -> Usage {
        match self.locate(inode) {
            Ok(Located::File(_, volume, _)) => volume.filesystem.usage(),
            _ => self.top_usage(),
        }
    }

    /// The root of the volume that `inode` is in; the tree's own root outside of all volumes.
    #[must_use]
    pub fn volume_root(&self, inode: Inode) -> Inode {
        match self.locate(inode) {
            Ok(Located::File(index, _, _)) => self.number_of(Place::Volume(index)),
            _ => Inode(ROOT),
        }
    }

    /// The inode at `path`, as a mount would have it, but that absolute links inside a volume lead
    /// to that volume's own files. Follows the last name's link only if `follow`.
    ///
    /// # Errors
    /// As [`resolve`].
    pub fn resolve(&self, request: &Request, path: &[u8], follow: bool) -> Result<Inode> {
        resolve(
            self,
            &|inode| self.volume_root(inode),
            request,
            path,
            follow,
        )
    }

    fn locate(&self, inode: Inode) -> Result<Located<'_>> {
        let gone = || Error::not_found(format!("no file has the number {}", inode.0));
        match self.numbers.target(inode.0).ok_or_else(gone)? {
            Target::Top(0) if self.direct => {
                let volume = self.volumes.first().ok_or_else(gone)?;
                Ok(Located::File(0, volume, volume.root))
            }
            Target::Top(index) => Ok(Located::Top(index)),
            Target::File { volume, inode } => {
                let found = self.volumes.get(volume).ok_or_else(gone)?;
                Ok(Located::File(volume, found, inode))
            }
        }
    }

    fn number_of(&self, place: Place) -> Inode {
        Inode(match place {
            Place::Top(index) => to_u64(index).saturating_add(ROOT),
            Place::Volume(_) if self.direct => ROOT,
            Place::Volume(index) => match self.volumes.get(index) {
                Some(volume) => self.numbers.number(index, volume.root, volume.root_number),
                None => 0,
            },
        })
    }

    /// The number to show for a file, without counting it.
    fn shown_number(
        &self,
        request: &Request,
        (index, volume): (usize, &Volume),
        handle: Inode,
    ) -> u64 {
        if handle == volume.root {
            return match self.direct {
                true => volume.root_number,
                false => self.number_of(Place::Volume(index)).0,
            };
        }
        let own = match self.direct && !volume.is_plain {
            true => volume.filesystem.attributes(request, handle),
            false => return self.numbers.number(index, handle, handle.0),
        };
        let own = own.map_or(handle.0, |attributes| attributes.ino);
        self.numbers.number(index, handle, own)
    }

    /// The number of a file, counted as looked up.
    fn counted_number(
        &self,
        request: &Request,
        (index, volume): (usize, &Volume),
        handle: Inode,
        own: u64,
    ) -> u64 {
        let is_other = |other| {
            let attributes = volume.filesystem.attributes(request, other);
            attributes.is_ok_and(|attributes| attributes.ino == other.0)
        };
        self.numbers.hand_out(index, handle, own, is_other)
    }

    fn plus_entry(
        &self,
        request: &Request,
        (index, volume): (usize, &Volume),
        entry: Entry<'_>,
        each: &mut dyn FnMut(Entry<'_>, Option<&Attributes>) -> bool,
    ) -> bool {
        let handle = entry.inode;
        let attributes = volume.filesystem.attributes(request, handle);
        let attributes = attributes.map(|found| self.overrides.apply(found));
        let is_dot = matches!(entry.name, b"." | b"..");
        let (Ok(mut attributes), true) = (attributes, is_dot || handle != volume.root) else {
            let inode = Inode(self.shown_number(request, (index, volume), handle));
            return each(Entry { inode, ..entry }, None);
        };
        if is_dot {
            attributes.ino = self.shown_number(request, (index, volume), handle);
            let inode = Inode(attributes.ino);
            return each(Entry { inode, ..entry }, Some(&attributes));
        }
        attributes.ino = self.counted_number(request, (index, volume), handle, attributes.ino);
        let inode = Inode(attributes.ino);
        let taken = each(Entry { inode, ..entry }, Some(&attributes));
        if !taken {
            self.forget(inode, 1);
        }
        taken
    }

    /// The top itself, as a file system without room.
    fn top_usage(&self) -> Usage {
        const BLOCK: u32 = 4096;
        let disks = self.stack.disks.iter();
        let sizes = disks.filter_map(|disk| Some(disk.source.as_ref().ok()?.size()));
        Usage {
            block_size: BLOCK,
            blocks: sizes
                .fold(0, u64::saturating_add)
                .div_ceil(u64::from(BLOCK)),
            files: to_u64(self.top.len()),
            name_max: 255,
            ..Usage::default()
        }
    }
}

/// Where a number leads.
enum Located<'a> {
    Top(usize),
    File(usize, &'a Volume, Inode),
}

impl FileSystem for Tree {
    fn root(&self) -> Inode {
        Inode(ROOT)
    }

    fn lookup(&self, request: &Request, dir: Inode, name: &[u8]) -> Result<Option<Inode>> {
        let (index, volume, handle) = match self.locate(dir)? {
            Located::Top(index) => {
                let place = self.top.lookup(index, name)?;
                return Ok(place.map(|place| self.number_of(place)));
            }
            Located::File(index, volume, handle) => (index, volume, handle),
        };
        let Some(found) = volume.filesystem.lookup(request, handle, name)? else {
            return Ok(None);
        };
        if found == volume.root {
            // The kernel knows the root by one name; a second would be a loop.
            return Err(Error::corrupt("a hard link to the root directory").context(&*volume.name));
        }
        let own = match self.direct {
            true => volume.filesystem.attributes(request, found)?.ino,
            false => found.0,
        };
        let number = self.counted_number(request, (index, volume), found, own);
        Ok(Some(Inode(number)))
    }

    fn attributes(&self, request: &Request, inode: Inode) -> Result<Attributes> {
        match self.locate(inode)? {
            Located::Top(index) => {
                let found = self.top.attributes(index, inode.0)?;
                Ok(self.overrides.apply(found))
            }
            Located::File(_, volume, handle) => {
                let mut attributes = volume.filesystem.attributes(request, handle)?;
                if inode.0 != ROOT {
                    attributes.ino = inode.0;
                }
                Ok(self.overrides.apply(attributes))
            }
        }
    }

    fn read_dir(
        &self,
        request: &Request,
        dir: Inode,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        match self.locate(dir)? {
            Located::Top(index) => {
                let number = |place| self.number_of(place);
                self.top.read_dir(index, cursor, number, each)
            }
            Located::File(index, volume, handle) => {
                let mut renumbered = |entry: Entry<'_>| {
                    let number = self.shown_number(request, (index, volume), entry.inode);
                    let inode = Inode(number);
                    each(Entry { inode, ..entry })
                };
                volume
                    .filesystem
                    .read_dir(request, handle, cursor, &mut renumbered)
            }
        }
    }

    fn read(&self, request: &Request, file: Inode, buf: &mut [u8], offset: u64) -> Result<usize> {
        match self.locate(file)? {
            Located::Top(index) => {
                let source = self.top.raw(index)?;
                let left = source.size().saturating_sub(offset);
                let len = to_u64(buf.len()).min(left);
                let (part, _) = buf.split_at_mut(to_usize(len));
                source.read_contents_at(part, offset.min(source.size()))?;
                Ok(part.len())
            }
            Located::File(_, volume, handle) => {
                volume.filesystem.read(request, handle, buf, offset)
            }
        }
    }

    fn ahead(&self, request: &Request, inode: Inode) {
        match self.locate(inode) {
            Ok(Located::File(_, volume, handle)) => volume.filesystem.ahead(request, handle),
            Ok(Located::Top(index)) => self.top.ahead(index),
            Err(_) => {} // Whoever asks for it will hear of it.
        }
    }

    fn extent_at(&self, request: &Request, file: Inode, offset: u64) -> Result<Extent> {
        match self.locate(file)? {
            Located::Top(index) => self.top.raw(index)?.extent_at(offset),
            Located::File(_, volume, handle) => {
                volume.filesystem.extent_at(request, handle, offset)
            }
        }
    }

    fn read_link(&self, request: &Request, link: Inode) -> Result<Vec<u8>> {
        match self.locate(link)? {
            Located::Top(index) => Ok(self.top.link(index)?.to_vec()),
            Located::File(_, volume, handle) => volume.filesystem.read_link(request, handle),
        }
    }

    fn xattr_names(
        &self,
        request: &Request,
        inode: Inode,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        match self.locate(inode)? {
            Located::Top(_) => Ok(()),
            Located::File(_, volume, handle) => {
                volume.filesystem.xattr_names(request, handle, each)
            }
        }
    }

    fn xattr(&self, request: &Request, inode: Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.locate(inode)? {
            Located::Top(_) => Ok(None),
            Located::File(_, volume, handle) => volume.filesystem.xattr(request, handle, name),
        }
    }

    fn has_no_xattrs(&self, request: &Request) -> bool {
        let mut volumes = self.volumes.iter();
        volumes.all(|volume| volume.filesystem.has_no_xattrs(request))
    }

    fn usage(&self) -> Usage {
        self.usage_of(Inode(ROOT))
    }
}
