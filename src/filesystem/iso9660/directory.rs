//! Directories: records in sectors, one behind the other, read in large pieces.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use super::core::Core;
use super::names;
use super::node::Node;
use super::record::{Record, Records, SECTOR, Section};
use super::rock_ridge::RockRidge;
use crate::error::{Error, Result};
use crate::filesystem::index::Listing;
use crate::filesystem::pieces;
use crate::filesystem::{self, DAMAGED, FileType, Inode, Request};
use crate::number::{to_u64, to_usize};
use crate::source::read_vec;

/// Bytes that are read in one piece.
const PIECE: u64 = 64 << 10;

/// Bytes in which the records of one file have to be: more than it may have.
const LONGEST: u64 = 16 << 20;

/// Bytes that cost a step of the request's budget, whatever is in them: few records are shorter. So
/// a directory of zeros as long as its size field can say ends by the budget.
const STEP: u64 = 128;

/// A directory.
pub(super) struct Directory<'a> {
    core: &'a Core,
    request: &'a Request,
    node: &'a Node,
    /// Its first byte on the disc, and how many there are.
    start: u64,
    size: u64,
}

/// What is in a directory.
struct Found {
    name: Vec<u8>,
    inode: Inode,
    kind: Option<FileType>,
    /// Where its record begins in the directory.
    offset: u64,
}

impl<'a> Directory<'a> {
    /// The directory `node`.
    ///
    /// # Errors
    /// `NotADirectory`; `Corrupt` where it lies past the end of the disc.
    pub(super) fn open(core: &'a Core, request: &'a Request, node: &'a Node) -> Result<Self> {
        node.check_directory()?;
        let first: Option<&Section> = node.sections.first();
        let start = first.map_or(Ok(0), |section| core.block_offset(section.block))?;
        let size = first.map_or(0, |section| section.size);
        Ok(Self {
            core,
            request,
            node,
            start,
            size,
        })
    }

    /// The handle of `name`.
    ///
    /// # Errors
    /// What makes the directory unreadable, where that may hide the name.
    pub(super) fn lookup(&self, name: &[u8]) -> Result<Option<Inode>> {
        match name {
            b"." => Ok(Some(self.node.inode)),
            b".." => self.above().map(Some),
            _ => match self.core.index.find(self, name)? {
                Some(offset) => Ok(self.at(offset)?.map(|found| found.inode)),
                None => Ok(None),
            },
        }
    }

    /// Gives `each` the entries from `cursor` on.
    ///
    /// # Errors
    /// As [`filesystem::FileSystem::read_dir`].
    pub(super) fn read(
        &self,
        cursor: u64,
        each: &mut dyn FnMut(filesystem::Entry<'_>) -> bool,
    ) -> Result<()> {
        let mut damage = None;
        let mut mark = cursor & DAMAGED;
        let mut failed = Ok(());
        let mut is_full = false;
        self.scan(cursor & !DAMAGED, &mut |next, found| {
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    mark = DAMAGED;
                    self.core.notices.add(format!("iso9660: {error}"));
                    damage.get_or_insert(error);
                    return true;
                }
            };
            let name = match &*found.name {
                dots @ (b"." | b"..") => Cow::Borrowed(dots),
                name => match self.core.index.shown(self, name, found.offset) {
                    Ok(name) => name,
                    Err(error) => {
                        failed = Err(error);
                        return false;
                    }
                },
            };
            is_full = !each(filesystem::Entry {
                name: &name,
                inode: found.inode,
                kind: found.kind,
                next: next | mark,
            });
            !is_full
        })?;
        failed.map_err(|error| self.context(error.at(self.start)))?;
        match (damage, mark) {
            // The cursor remembers it for the end.
            _ if is_full => Ok(()),
            (Some(error), _) => Err(error),
            (None, 0) => Ok(()),
            (None, _) => {
                Err(Error::corrupt("a directory with damage before this place").at(self.start))
            }
        }
    }

    /// The directory above.
    fn above(&self) -> Result<Inode> {
        let mut above = None;
        self.scan(0, &mut |_, found| {
            if let Ok(found) = found
                && found.name == b".."
            {
                above = Some(found.inode);
            }
            above.is_none()
        })?;
        Ok(above.unwrap_or(self.core.directory(self.core.root)))
    }

    /// The entry whose record begins at byte `offset`.
    fn at(&self, offset: u64) -> Result<Option<Found>> {
        let mut at = Ok(None);
        self.scan_piece(offset, SECTOR, &mut |_, found| {
            at = found.map(Some);
            false
        })?;
        at
    }

    /// Gives `each` what is in the directory from byte `from` on, and where that ends. Whether a
    /// record begins at `from` only those before it in its sector tell.
    fn scan(&self, from: u64, each: &mut dyn FnMut(u64, Result<Found>) -> bool) -> Result<()> {
        let mut at = from.saturating_sub(from % SECTOR);
        let each = &mut |next, found| next <= from || each(next, found);
        while at < self.size {
            let len = self.size.saturating_sub(at).min(PIECE);
            let spent = self.request.spend(len / STEP);
            spent.map_err(|error| error.at(self.start))?;
            let Some(next) = self.scan_piece(at, PIECE, each)? else {
                return Ok(());
            };
            at = next;
        }
        Ok(())
    }

    /// [`Directory::scan`] of at most `piece` bytes, and the sections of a file that reach over
    /// them; gives where to go on.
    fn scan_piece(
        &self,
        from: u64,
        piece: u64,
        each: &mut dyn FnMut(u64, Result<Found>) -> bool,
    ) -> Result<Option<u64>> {
        let first = from.saturating_sub(from % SECTOR);
        let end = first.saturating_add(piece).min(self.size);
        let (bytes, end) = pieces::piece(
            to_usize(end.saturating_sub(first)),
            to_usize(SECTOR),
            |len| {
                let end = first.saturating_add(to_u64(len));
                Ok((self.bytes(first, end)?, end))
            },
        )?;
        let position = self.start.saturating_add(first);
        let mut at = from;
        let skip = to_usize(from.saturating_sub(first));
        let high_sierra = self.core.view.high_sierra;
        let mut records = Records::new(&bytes, position, skip, high_sierra);
        // A file of several sections is given at the last of them, with the first one's place.
        let mut begun = None;
        for (next, record) in &mut records {
            self.request.spend(1)?;
            at = first.saturating_add(to_u64(next));
            let goes_on = record.as_ref().is_ok_and(Record::goes_on);
            let found = match (begun.take(), record) {
                (Some(found), Ok(_)) => Ok(found),
                (_, Ok(record)) => match self.found(&record, position, first) {
                    Some(found) => Ok(found),
                    None => continue,
                },
                (_, Err(error)) => Err(self.context(error)),
            };
            match found {
                Ok(found) if goes_on => begun = Some(found),
                found => {
                    if !each(at, found) {
                        return Ok(None);
                    }
                }
            }
        }
        if let Some(place) = records.leftover {
            self.notice_leftover(place);
        }
        match begun {
            // It goes on in the next piece: that is read from this file on, unless it is longer.
            Some(found) if found.offset > from => Ok(Some(found.offset)),
            Some(found) if end < self.size && piece < LONGEST => {
                let longer = piece.saturating_mul(8).min(LONGEST);
                self.scan_piece(found.offset, longer, each)
            }
            Some(found) => Ok(each(end, Ok(found)).then_some(end)),
            None => Ok(Some(end.max(at))),
        }
    }

    /// What `record` stands for; none where it is not shown.
    fn found(&self, record: &Record<'_>, position: u64, first: u64) -> Option<Found> {
        let offset = record
            .position
            .saturating_sub(position)
            .saturating_add(first);
        let rock_ridge = || RockRidge::of(self.core, self.request, record);
        if record.is_dot() {
            return Some(self.dot(b".", self.node.inode, offset));
        }
        if record.is_dot_dot() {
            let parent = rock_ridge().parent.map(u64::from);
            let above = self.core.directory(parent.unwrap_or(record.section.block));
            return Some(self.dot(b"..", above, offset));
        }
        if record.is_associated() && !self.core.shows_associated {
            return None;
        }
        let rock_ridge = rock_ridge();
        if rock_ridge.is_relocated {
            return None;
        }
        let plain = match record.is_directory() {
            true => FileType::Directory,
            false => FileType::Regular,
        };
        Some(Found {
            name: names::shown(self.core, record, &rock_ridge),
            inode: match record.is_directory() {
                true => self.core.directory(record.section.block),
                false => self
                    .core
                    .handle(record.position, self.start.is_multiple_of(SECTOR)),
            },
            kind: Some(rock_ridge.kind().unwrap_or(plain)),
            offset,
        })
    }

    fn dot(&self, name: &[u8], inode: Inode, offset: u64) -> Found {
        Found {
            name: name.to_vec(),
            inode,
            kind: Some(FileType::Directory),
            offset,
        }
    }

    fn bytes(&self, from: u64, to: u64) -> Result<Vec<u8>> {
        let place = self.start.saturating_add(from);
        let left = self.core.source.size().saturating_sub(place);
        let len = to.saturating_sub(from);
        if left == 0 && len > 0 {
            let error = Error::corrupt(format!(
                "a directory of {} bytes that are past the end of the image",
                self.size
            ));
            return Err(self.context(error.at(place)));
        }
        read_vec(&*self.core.source, place, to_usize(len.min(left)))
    }

    /// Says that there is more in a sector behind its records, which are over for the kernel too: what
    /// some program left there, or records behind one whose length was lost. It is said of the first
    /// directory alone: such a program leaves it in all.
    fn notice_leftover(&self, place: u64) {
        if self.core.is_leftover_said.swap(true, Ordering::Relaxed) {
            return;
        }
        let text = "behind the last record of a sector there are bytes that are not zero";
        let error = self.context(Error::corrupt(text).at(place));
        let text = format!("iso9660: {error}, and perhaps in other directories");
        self.core.notices.add(text);
    }

    fn context(&self, error: Error) -> Error {
        let number = super::core::shown_number(self.node.inode);
        error.context(format!("inode {number}"))
    }
}

impl Listing for Directory<'_> {
    fn number(&self) -> u64 {
        // Another may begin at the same place, and be longer.
        self.node.inode.0
    }

    fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()> {
        let mut damage = Ok(());
        self.scan(0, &mut |_, found| match found {
            Ok(found) if matches!(&*found.name, b"." | b"..") => true,
            Ok(found) => each(&found.name, found.offset),
            Err(error) => {
                damage = Err(error);
                true
            }
        })?;
        damage
    }

    fn name_at(&self, position: u64) -> Result<Vec<u8>> {
        Ok(self.at(position)?.map_or_else(Vec::new, |found| found.name))
    }

    fn request(&self) -> &Request {
        self.request
    }

    fn fold<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        match self.core.view.is_joliet {
            true => names::fold(name),
            false => Cow::Borrowed(name),
        }
    }
}
