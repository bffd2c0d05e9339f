//! A directory: a list of entries, in a place of its own or in a chain of clusters.
//!
//! The list ends at the first entry that was never used, as section «DIR_Name\[0\]» has it. The kernel
//! reads on to the end of the last cluster, and shows what no other system does.

use std::borrow::Cow;
use std::ops::Range;

use super::boot_sector::{Root, SLOT};
use super::core::Core;
use super::entry::{DirectoryEntry, Use};
use super::long_name::{LongName, MOST_PARTS};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::index::Listing;
use crate::filesystem::names::usable;
use crate::filesystem::pieces::{left_in_sector, piece};
use crate::filesystem::{Inode, Request};
use crate::number::{to_u64, to_usize};

/// Bytes that are read at a time.
const PIECE: usize = 16 << 10;

/// Steps that a piece takes from a request's budget at most: one for each entry.
pub(super) const MOST_STEPS: u64 = 512;

/// The handle of the root, as the kernel numbers it. Entries are in sectors behind the first one, so
/// that no other handle is below 16.
pub(super) const ROOT: Inode = Inode(1);

/// A directory, on behalf of a request.
#[derive(Clone, Copy)]
pub(super) struct Directory<'a> {
    pub(super) core: &'a Core,
    pub(super) request: &'a Request,
    /// Its handle.
    pub(super) inode: Inode,
    /// Where its entries are.
    pub(super) place: Root,
}

/// A file's entry, with all that leads to its name.
pub(super) struct Found {
    /// The number of its short entry in the directory.
    pub(super) slot: u64,
    /// Where that is on the volume, in units of 32 bytes: the handle.
    pub(super) inode: Inode,
    /// The short entry.
    pub(super) entry: DirectoryEntry,
    /// The long name, if it has a good one.
    pub(super) long: Option<Vec<u8>>,
}

impl<'a> Directory<'a> {
    /// The root.
    pub(super) fn root(core: &'a Core, request: &'a Request) -> Self {
        Self {
            core,
            request,
            inode: ROOT,
            place: core.geometry.root,
        }
    }

    /// The directory in the chain that begins with `cluster`.
    pub(super) fn of(core: &'a Core, request: &'a Request, inode: Inode, cluster: u32) -> Self {
        Self {
            core,
            request,
            inode,
            place: Root::Cluster(cluster),
        }
    }

    /// The byte that its first entry lies at.
    pub(super) fn start(&self) -> u64 {
        match self.place {
            Root::Fixed { offset, .. } => offset,
            // A cluster that is none was refused before its entries were read.
            Root::Cluster(cluster) => self.core.geometry.cluster_offset(cluster).unwrap_or(0),
        }
    }

    /// Bytes that it takes; as much as can be told of a broken chain.
    pub(super) fn size(&self) -> u64 {
        match self.place {
            Root::Fixed { entries, .. } => entries.saturating_mul(SLOT),
            Root::Cluster(cluster) => {
                let mut size = 0_u64;
                while let Ok(Some((_, len))) = self.core.place(self.request, cluster, size) {
                    size = size.saturating_add(to_u64(len));
                }
                size
            }
        }
    }

    /// Gives `each` the files whose short entries are number `slot` or behind it, until it returns
    /// false.
    ///
    /// # Errors
    /// What makes the rest unreadable, after what lies before it was given.
    pub(super) fn files(&self, slot: u64, each: &mut dyn FnMut(Found) -> bool) -> Result<()> {
        self.files_in(before(slot)..u64::MAX, &mut |found| {
            found.slot < slot || each(found)
        })
    }

    fn files_in(&self, slots: Range<u64>, each: &mut dyn FnMut(Found) -> bool) -> Result<()> {
        let mut long = LongName::new();
        self.entries(slots, &mut |slot, inode, bytes| {
            let Some(entry) = DirectoryEntry::new(bytes) else {
                return false;
            };
            match entry.purpose() {
                Use::Last => return false,
                Use::LongName => long.add(bytes),
                Use::Free | Use::Label => long.clear(),
                Use::Dot => {
                    self.check_dot(slot, inode);
                    long.clear();
                }
                Use::File => {
                    let found = Found {
                        slot,
                        inode,
                        entry,
                        long: long.name(entry.checksum()),
                    };
                    long.clear();
                    return each(found);
                }
            }
            true
        })
    }

    /// Tells of an entry called `.` or `..` that is none of the first two of a directory: nobody is
    /// shown what it leads to.
    fn check_dot(&self, slot: u64, inode: Inode) {
        if slot > 1 || self.place == self.core.geometry.root {
            let error = Error::corrupt(format!("entry {slot} of a directory is called . or .."));
            let error = error.at(inode.0.saturating_mul(SLOT));
            let notices = &self.core.notices;
            notices.add(format!("vfat: {error}: left out"));
        }
    }

    /// Gives `each` the entries of those numbers: number, place, bytes.
    pub(super) fn entries(
        &self,
        slots: Range<u64>,
        each: &mut dyn FnMut(u64, Inode, &[u8]) -> bool,
    ) -> Result<()> {
        let mut slot = slots.start;
        while slot < slots.end
            && let Some((offset, len)) = self.piece(slot)?
        {
            let wanted = slots.end.saturating_sub(slot).saturating_mul(SLOT);
            let len = len.min(to_usize(wanted));
            let bytes = piece(len, left_in_sector(offset), |len| {
                self.core.read(offset, len)
            })?;
            let (entries, _) = bytes.as_chunks::<32>();
            self.request.spend(to_u64(entries.len()))?;
            for (entry, place) in entries.iter().zip(offset / SLOT..) {
                if !each(slot, Inode(place), entry) {
                    return Ok(());
                }
                slot = slot.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Where the entries from number `slot` on are, and how many bytes of them are in one piece.
    fn piece(&self, slot: u64) -> Result<Option<(u64, usize)>> {
        let skip = slot.saturating_mul(SLOT);
        let (offset, len) = match self.place {
            Root::Fixed { offset, entries } => {
                let left = entries.saturating_sub(slot).saturating_mul(SLOT);
                (offset.saturating_add(skip), to_usize(left))
            }
            Root::Cluster(cluster) => match self.core.place(self.request, cluster, skip)? {
                Some(piece) => piece,
                None => return Ok(None),
            },
        };
        Ok((len > 0).then_some((offset, len.min(PIECE))))
    }

    /// The file whose short entry is number `slot`.
    ///
    /// # Errors
    /// `NotFound` where it is none; what makes the directory unreadable.
    pub(super) fn file(&self, slot: u64) -> Result<Found> {
        let mut start = before(slot);
        loop {
            let mut file = None;
            let result = self.files_in(start..slot.saturating_add(1), &mut |found| {
                if found.slot == slot {
                    file = Some(found);
                }
                true
            });
            match (file, result) {
                (Some(file), _) => return Ok(file),
                // Something before it cannot be read, or ends the list there.
                (None, Err(_)) if start < slot => start = slot,
                (None, Err(error)) => return Err(error),
                (None, Ok(())) => return Err(Error::not_found(format!("entry {slot} is no file"))),
            }
        }
    }

    /// `file` under the name that is shown, which may have a number.
    pub(super) fn shown<'name>(&self, file: &Found, name: &'name [u8]) -> Result<Cow<'name, [u8]>> {
        self.core.names.shown(self, name, file.slot)
    }

    /// The file called `name`, by its long or its short name.
    ///
    /// # Errors
    /// What makes the directory unreadable.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Found>> {
        let slot = match self.core.names.find(self, name)? {
            Some(slot) => Some(slot),
            None => self.core.aliases.find(&Aliases(*self), name)?,
        };
        slot.map(|slot| self.file(slot)).transpose()
    }
}

impl Found {
    /// The name that is shown, but for a number.
    pub(super) fn name(&self, core: &Core) -> Vec<u8> {
        let name = match &self.long {
            Some(name) => name.clone(),
            None => self.entry.short_name(&core.code_page).into_bytes(),
        };
        usable(Cow::Owned(name)).into_owned()
    }

    /// The short name, where it is not what is shown.
    fn alias(&self, core: &Core) -> Option<Vec<u8>> {
        self.long.as_ref()?;
        let name = self.entry.short_name(&core.code_page).into_bytes();
        (!name.is_empty()).then(|| usable(Cow::Owned(name)).into_owned())
    }
}

impl Listing for Directory<'_> {
    fn number(&self) -> u64 {
        self.inode.0
    }

    fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()> {
        self.files(0, &mut |file| each(&file.name(self.core), file.slot))
    }

    fn name_at(&self, position: u64) -> Result<Vec<u8>> {
        let file = self
            .file(position)
            .context(|| format!("entry {position}"))?;
        Ok(file.name(self.core))
    }

    fn request(&self) -> &Request {
        self.request
    }

    fn fold<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        fold(name)
    }
}

/// A directory's short names of files that are shown under a long one.
struct Aliases<'a>(Directory<'a>);

impl Listing for Aliases<'_> {
    fn number(&self) -> u64 {
        self.0.inode.0
    }

    fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()> {
        let core = self.0.core;
        self.0.files(0, &mut |file| match file.alias(core) {
            Some(alias) => each(&alias, file.slot),
            None => true,
        })
    }

    fn name_at(&self, position: u64) -> Result<Vec<u8>> {
        let file = self.0.file(position)?;
        Ok(file.alias(self.0.core).unwrap_or_default())
    }

    fn request(&self) -> &Request {
        self.0.request
    }

    fn fold<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        fold(name)
    }
}

/// Where the parts of a long name that leads to entry number `slot` begin at the earliest: another
/// file's may come before them.
fn before(slot: u64) -> u64 {
    slot.saturating_sub(MOST_PARTS.into())
}

/// What names that mean the same file have in common: letters of either case, and dots at the end,
/// which nobody counts unless there is nothing else.
fn fold(name: &[u8]) -> Cow<'_, [u8]> {
    let end = name.iter().rposition(|byte| *byte != b'.');
    let name = end.map_or(name, |last| name.get(..=last).unwrap_or(name));
    match str::from_utf8(name) {
        Ok(text) if !text.is_ascii() => {
            let upper = |character: char| {
                let mut upper = character.to_uppercase();
                let first = upper.next().unwrap_or(character);
                if upper.len() > 0 { character } else { first }
            };
            Cow::Owned(text.chars().map(upper).collect::<String>().into_bytes())
        }
        _ if name.iter().any(u8::is_ascii_lowercase) => Cow::Owned(name.to_ascii_uppercase()),
        _ => Cow::Borrowed(name),
    }
}
