//! Directories: file identifier descriptors one behind the other (ECMA-167, 4/14.4), across blocks
//! and extents. They are read some 16 KiB at a time.

use std::borrow::Cow;

use super::content;
use super::icb::FileEntry;
use super::layout::RawFileIdentifier;
use super::tag::{self, Fault, kind};
use super::text;
use super::volume::{Address, Volume};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::index::{Index, Listing};
use crate::filesystem::{DAMAGED, Entry, FileType, Request, names, pieces};
use crate::number::{to_u64, to_usize};
use crate::source::ExtentKind;

/// `file_characteristics` (ECMA-167, 4/14.4.3).
mod characteristic {
    pub(super) const HIDDEN: u8 = 1;
    pub(super) const DIRECTORY: u8 = 2;
    pub(super) const DELETED: u8 = 4;
    pub(super) const PARENT: u8 = 8;
    pub(super) const METADATA: u8 = 16;
}

/// What needs no name: a parent, and what was deleted.
const UNNAMED: u8 = characteristic::PARENT | characteristic::DELETED;

/// Bytes read at a time by a walk, and for a single entry.
const CHUNK: usize = 16 << 10;
const SINGLE: usize = 512;

/// The longest descriptor: fixed fields, implementation use, name, and what rounds it up.
const LONGEST: usize = 38 + 0xffff + 0xff + 3;

/// One entry.
pub(super) struct Identifier {
    /// Byte of the directory at which it begins.
    pub(super) position: u64,
    /// Byte behind it.
    next: u64,
    characteristics: u8,
    /// Where the file's ICB is.
    pub(super) icb: Address,
    /// The name, as it is shown.
    pub(super) name: Vec<u8>,
}

impl Identifier {
    fn has(&self, bit: u8) -> bool {
        self.characteristics & bit != 0
    }

    /// Whether it belongs to the file system rather than to the user (ECMA-167, 4/14.4.3).
    pub(super) fn is_metadata(&self) -> bool {
        self.has(characteristic::METADATA)
    }

    fn file_type(&self) -> Option<FileType> {
        self.has(characteristic::DIRECTORY)
            .then_some(FileType::Directory)
    }
}

/// One directory, to be read for one request.
pub(super) struct Directory<'a> {
    /// The volume.
    pub(super) volume: &'a Volume,
    /// On whose behalf.
    pub(super) request: &'a Request,
    /// Its file entry.
    pub(super) entry: &'a FileEntry,
}

impl Directory<'_> {
    /// Gives `each` the entries from `cursor` on, as [`crate::filesystem::FileSystem::read_dir`]:
    /// `.`, then `..` where it stands. A cursor is the byte of the directory plus one.
    ///
    /// # Errors
    /// The first damage met, after all entries that can be read.
    pub(super) fn read(
        &self,
        index: &Index,
        cursor: u64,
        each: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<()> {
        let own = self.entry.icb.inode();
        let dot = Entry {
            name: b".",
            inode: own,
            kind: Some(FileType::Directory),
            next: 1,
        };
        if cursor == 0 && !each(dot) {
            return Ok(());
        }
        let (carried, position) = (cursor & DAMAGED, cursor & !DAMAGED);
        let mut failure = Ok(());
        let is_whole = self.walk(position.saturating_sub(1), &mut |found, damaged| {
            let mark = if damaged { DAMAGED } else { carried };
            let shown = match found.has(characteristic::PARENT) {
                true => Ok(Cow::Borrowed(&b".."[..])),
                false => index.shown(self, &found.name, found.position),
            };
            let name = match shown {
                Ok(name) => name,
                Err(error) => {
                    failure = Err(error);
                    return false;
                }
            };
            each(Entry {
                name: &name,
                inode: found.icb.inode(),
                kind: found.file_type(),
                next: found.next.saturating_add(1) | mark,
            })
        })?;
        failure?;
        match is_whole && carried != 0 {
            true => Err(self.damaged_before()),
            false => Ok(()),
        }
    }

    /// What is said at the end of a listing that began behind damage.
    fn damaged_before(&self) -> Error {
        let error = Error::corrupt("damage before this place: entries are missing");
        let place = format!("directory {}", self.entry.icb.text());
        error.at(self.entry.place).context(place)
    }

    /// The ICB of the entry that is shown as `name`.
    ///
    /// # Errors
    /// What makes the directory unreadable, where that may hide the name.
    pub(super) fn lookup(&self, index: &Index, name: &[u8]) -> Result<Option<Address>> {
        match index.find(self, name)? {
            Some(position) => Ok(Some(self.at(position)?.icb)),
            None => Ok(None),
        }
    }

    /// Gives `each` the files of the directory, without `..`, until it returns false.
    ///
    /// # Errors
    /// As [`Directory::read`].
    pub(super) fn files(&self, each: &mut dyn FnMut(Identifier) -> bool) -> Result<()> {
        let walked = self.walk(0, &mut |found, _| {
            found.has(characteristic::PARENT) || each(found)
        });
        walked.map(|_| ())
    }

    /// Gives `each` what is shown, from byte `position` on, and whether damage lies between; and
    /// whether that was all. What is damaged is passed over, as far as the next whole entry, and said
    /// at the end.
    fn walk(&self, position: u64, each: &mut dyn FnMut(Identifier, bool) -> bool) -> Result<bool> {
        let mut reader = Reader::new(self, position, CHUNK);
        let mut damage = None;
        while let Some(found) = reader.next()? {
            match found {
                Ok(found) if self.is_shown(&found) => {
                    if !each(found, damage.is_some()) {
                        // Who goes on behind this place is told of it without its words.
                        if let Some(error) = damage {
                            let text = format!("udf: {error}");
                            self.volume.context.notices.add(text);
                        }
                        return Ok(false);
                    }
                }
                Ok(_) => {}
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        damage.map_or(Ok(true), Err)
    }

    /// Whether the kernel would show it: nothing deleted, and nothing hidden unless asked for.
    fn is_shown(&self, found: &Identifier) -> bool {
        let hidden = found.has(characteristic::HIDDEN);
        let asked = self.volume.context.options.show_associated;
        !found.has(characteristic::DELETED) && (asked || !hidden)
    }

    /// The entry that begins with byte `position`.
    fn at(&self, position: u64) -> Result<Identifier> {
        let found = Reader::new(self, position, SINGLE).next()?;
        found.unwrap_or_else(|| Err(Error::corrupt("no entry is there")))
    }

    /// The byte of the disk where byte `position` of the directory is; that of its file entry for
    /// one that is nowhere.
    fn byte(&self, position: u64) -> u64 {
        let run = || content::place(self.volume, self.request, self.entry, position);
        run().unwrap_or(self.entry.place)
    }

    /// Up to `length` bytes from `position` on, as far as they are recorded.
    fn bytes(&self, position: u64, length: usize) -> Result<Vec<u8>> {
        let left = self.entry.size.saturating_sub(position);
        let length = to_u64(length).min(left);
        let mut end = position;
        while end < position.saturating_add(length) {
            let extent = content::piece_at(self.volume, self.request, self.entry, end)?;
            if extent.kind != ExtentKind::Data {
                break;
            }
            end = end.saturating_add(extent.len.get());
        }
        let length = length.min(end.saturating_sub(position));
        if length == 0 && left > 0 {
            return Err(Error::corrupt(format!(
                "byte {position} of it is not recorded"
            )));
        }
        let mut bytes = crate::source::zeroed(to_usize(length))?;
        content::read(self.volume, self.request, self.entry, &mut bytes, position)?;
        Ok(bytes)
    }
}

impl Listing for Directory<'_> {
    fn number(&self) -> u64 {
        self.entry.icb.inode().0
    }

    fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()> {
        self.files(&mut |found| each(&found.name, found.position))
    }

    fn name_at(&self, position: u64) -> Result<Vec<u8>> {
        Ok(self.at(position)?.name)
    }

    fn request(&self) -> &Request {
        self.request
    }
}

/// Reads entry by entry.
struct Reader<'a> {
    directory: &'a Directory<'a>,
    /// Bytes of the directory from `start` on.
    bytes: Vec<u8>,
    start: u64,
    position: u64,
    /// How many bytes are read at a time.
    chunk: usize,
}

impl<'a> Reader<'a> {
    fn new(directory: &'a Directory<'a>, position: u64, chunk: usize) -> Self {
        Self {
            directory,
            chunk,
            bytes: Vec::new(),
            start: position,
            position,
        }
    }

    /// The next entry, or what is wrong with it; `None` at the end.
    ///
    /// # Errors
    /// What makes all the rest unreadable.
    fn next(&mut self) -> Result<Option<Result<Identifier>>> {
        if self.position >= self.directory.entry.size {
            return Ok(None);
        }
        self.directory.request.spend(1)?;
        let at = self.position;
        let context = || format!("entry at byte {at} of the directory");
        let found = match self.parse(at).context(context) {
            Ok((found, end)) => {
                self.position = end;
                found.context(context)
            }
            Err(error) => {
                self.find_next()?;
                Err(error)
            }
        };
        let place = || format!("directory {}", self.directory.entry.icb.text());
        Ok(Some(found.map_err(|error| {
            error.context(place()).at(self.directory.byte(at))
        })))
    }

    /// The descriptor at `at` and where it ends; its own damage, if its length can be believed.
    fn parse(&mut self, at: u64) -> Result<(Result<Identifier>, u64)> {
        let fixed = size_of::<RawFileIdentifier>();
        let raw: RawFileIdentifier = tag::view(self.view(at, fixed)?, "file identifier")?;
        let found = raw.tag.tag_identifier.get();
        if found != kind::FILE_IDENTIFIER {
            let text = format!("tag_identifier {found} is no file identifier's");
            return Err(Error::corrupt(text));
        }
        let before = usize::from(raw.length_of_implementation_use.get()).saturating_add(fixed);
        let length = usize::from(raw.length_of_file_identifier);
        let end = before.saturating_add(length);
        let whole = end.next_multiple_of(4);
        let next = at.saturating_add(to_u64(whole));
        let disk = self.directory.volume.disk();
        // A directory can be full of headers that state 64 KiB each, of which none is whole.
        self.directory.request.spend(tag::steps(to_u64(whole)))?;
        let bytes = self.view(at, whole)?;
        let checked = tag::check_sum(&raw.tag, bytes)
            .and_then(|()| tag::check_body(&raw.tag, bytes))
            .map_err(Fault::error)
            .or_else(|error| disk.tolerate(error));
        let name = bytes.get(before..end).unwrap_or_default();
        let needs_name = raw.file_characteristics & UNNAMED == 0;
        let name = checked
            .and_then(|()| text::characters(name))
            .and_then(|name| match name.is_empty() && needs_name {
                true => Err(Error::corrupt("length_of_file_identifier leaves no name")),
                false => Ok(name),
            });
        let found = name.map(|name| Identifier {
            position: at,
            next,
            characteristics: raw.file_characteristics,
            icb: Address::new(raw.icb.extent_location),
            name: names::usable(Cow::Owned(name)).into_owned(),
        });
        Ok((found, next))
    }

    /// `length` bytes from byte `at` of the directory on.
    fn view(&mut self, at: u64, length: usize) -> Result<&[u8]> {
        let is_there = |reader: &Self| {
            let from = to_usize(at.checked_sub(reader.start)?);
            let to = from.checked_add(length)?;
            (to <= reader.bytes.len()).then_some(from..to)
        };
        let range = match is_there(self) {
            Some(range) => Some(range),
            None => {
                let read = |len| self.directory.bytes(at, len);
                self.bytes = pieces::piece(length.max(self.chunk), length, read)?;
                self.start = at;
                is_there(self)
            }
        };
        let bytes = range.and_then(|range| self.bytes.get(range));
        bytes.ok_or_else(|| Error::corrupt(format!("its {length} bytes leave the directory")))
    }

    /// Goes to the next whole descriptor, which begins at a multiple of four.
    fn find_next(&mut self) -> Result<()> {
        loop {
            self.position = self.position.saturating_add(4) & !3;
            if self.position >= self.directory.entry.size {
                return Ok(());
            }
            self.directory.request.spend(1)?;
            let left = self.directory.entry.size.saturating_sub(self.position);
            if left < to_u64(size_of::<RawFileIdentifier>()) {
                self.position = self.directory.entry.size;
                return Ok(());
            }
            let bytes = self.view(self.position, size_of::<RawFileIdentifier>())?;
            let is_one = tag::read(bytes).is_some_and(|tag| {
                tag.tag_identifier.get() == kind::FILE_IDENTIFIER
                    && tag::check_sum(&tag, bytes).is_ok()
            });
            if is_one && matches!(self.parse(self.position), Ok((Ok(_), _))) {
                return Ok(());
            }
        }
    }
}

const _: () = assert!(LONGEST < 1 << 17);
