//! Directories: entries of 32 bytes, of which those that name a file start a set of their own
//! (6.1).

use super::core::Core;
use super::file::{DIRECTORY, File};
use super::handle::{ENTRY, Handle, ROOT};
use super::kind;
use super::layout::RawEntry;
use super::set;
use super::stream::Stream;
use crate::error::{Error, Kind, Result};
use crate::filesystem::pieces::{self, left_in_sector};
use crate::filesystem::{FileType, Inode, Request};
use crate::number::to_usize;
use crate::source::read_vec;

/// Bytes that are read at a time.
const PIECE: u64 = 4096;

/// Bytes of a directory at most (7.4.9).
const MOST: u64 = 256 << 20;

/// Where the main boot sector says where the root directory begins (3.1.10).
const ROOT_FIELD: u64 = 96;

/// One directory.
pub(super) struct Directory {
    /// Its number.
    pub(super) inode: Inode,
    /// Its entries.
    pub(super) stream: Stream,
}

/// One entry where it lies.
pub(super) struct Placed {
    /// Its number in the directory.
    pub(super) index: u64,
    /// Where it is.
    pub(super) handle: Handle,
    /// Its bytes.
    pub(super) raw: RawEntry,
}

impl Directory {
    /// The root directory.
    pub(super) fn root(core: &Core<'_>) -> Self {
        Self {
            inode: ROOT,
            stream: Stream {
                first: core.geometry.root,
                length: MOST,
                contiguous: false,
                entry: ROOT_FIELD,
            },
        }
    }

    /// The directory with the number `inode`.
    ///
    /// # Errors
    /// `NotADirectory`; as [`File::read`] and [`File::checked`].
    pub(super) fn open(core: &Core<'_>, request: &Request, inode: Inode) -> Result<Self> {
        if inode == ROOT {
            return Ok(Self::root(core));
        }
        let file = File::read(core, request, Handle::of(inode))?.checked(core)?;
        Self::of(core, &file)
    }

    /// The directory that `file` is.
    ///
    /// # Errors
    /// `NotADirectory`; `Corrupt` for a second name of the root.
    pub(super) fn of(core: &Core<'_>, file: &File) -> Result<Self> {
        let context = || set::context(file.handle);
        if file.kind() != FileType::Directory {
            let text = format!("{} is no directory", context());
            return Err(Error::new(Kind::NotADirectory, text));
        }
        if file.stream.first == core.geometry.root && file.stream.length > 0 {
            let error = Error::corrupt("FirstCluster is the root directory's");
            return Err(error.at(file.handle.place).context(context()));
        }
        Ok(Self {
            inode: file.handle.inode(),
            stream: file.stream,
        })
    }

    /// Gives `each` the entries from number `from` on, deleted ones too, as long as it goes on.
    ///
    /// # Errors
    /// What makes the rest unreadable, and those of `each`.
    pub(super) fn each(
        &self,
        core: &Core<'_>,
        request: &Request,
        from: u64,
        each: &mut dyn FnMut(&Placed) -> Result<Step>,
    ) -> Result<()> {
        let walked = self.walk(core, request, from, each);
        walked.map_err(|error| error.context(format!("inode {}", self.inode.0)))
    }

    fn walk(
        &self,
        core: &Core<'_>,
        request: &Request,
        from: u64,
        each: &mut dyn FnMut(&Placed) -> Result<Step>,
    ) -> Result<()> {
        let mut index = from;
        while let Some((start, bytes)) = self.piece(core, request, index)? {
            request.spend(1)?;
            let (entries, _) = bytes.as_chunks();
            let first = index;
            while let Some(raw) = entries.get(to_usize(index.saturating_sub(first))) {
                let skip = index.saturating_sub(first).saturating_mul(ENTRY);
                let placed = Placed {
                    index,
                    handle: Handle {
                        place: start.saturating_add(skip),
                        contiguous: self.stream.contiguous,
                    },
                    raw: *raw,
                };
                if placed.kind() == kind::END {
                    return Ok(());
                }
                let more = match each(&placed)? {
                    Step::Next => 0,
                    Step::Skip(more) => more,
                    Step::Stop => return Ok(()),
                };
                index = index.saturating_add(1).saturating_add(more);
            }
        }
        Ok(())
    }

    /// Gives `each` the files from entry number `from` on, with that number, until it returns
    /// false. Sets of entries that are none are left out, with a notice.
    ///
    /// # Errors
    /// As [`Directory::each`].
    pub(super) fn files(
        &self,
        core: &Core<'_>,
        request: &Request,
        from: u64,
        each: &mut dyn FnMut(u64, File) -> bool,
    ) -> Result<()> {
        self.each(core, request, from, &mut |placed| {
            if kind::is_unknown_critical(placed.kind()) {
                let text = format!("EntryType {:#04x} is not known", placed.kind());
                self.left_out(core, Error::unsupported(text).at(placed.handle.place));
            }
            if placed.kind() != kind::FILE {
                return Ok(Step::Next);
            }
            request.spend(1)?;
            let file = match self.file(core, request, placed) {
                Ok(file) => file,
                Err(error) if error.kind() == Kind::Corrupt => {
                    self.left_out(core, error);
                    return Ok(Step::Next);
                }
                Err(error) => return Err(error),
            };
            let behind = u64::from(file.entries).saturating_sub(1);
            Ok(match each(placed.index, file) {
                true => Step::Skip(behind),
                false => Step::Stop,
            })
        })
    }

    /// Adds the directories that it holds to `count`.
    ///
    /// # Errors
    /// As [`Directory::each`].
    pub(super) fn count(&self, core: &Core<'_>, request: &Request, count: &mut u32) -> Result<()> {
        self.each(core, request, 0, &mut |placed| {
            let [kind, _, _, _, low, high, ..] = placed.raw;
            let attributes = u16::from_le_bytes([low, high]);
            if kind == kind::FILE && attributes & DIRECTORY != 0 {
                *count = count.saturating_add(1);
            }
            Ok(Step::Next)
        })
    }

    /// Where entry number `index` is.
    ///
    /// # Errors
    /// `Invalid` past the end; as [`Stream::piece_at`].
    pub(super) fn handle(&self, core: &Core<'_>, request: &Request, index: u64) -> Result<Handle> {
        let offset = index.saturating_mul(ENTRY);
        let piece = self.stream.piece_at(core, request, offset)?;
        let past = || Error::invalid(format!("no entry {index}"));
        Ok(Handle {
            place: piece.ok_or_else(past)?.start,
            contiguous: self.stream.contiguous,
        })
    }

    /// The file whose first entry is `placed`, all of whose entries are in this directory.
    fn file(&self, core: &Core<'_>, request: &Request, placed: &Placed) -> Result<File> {
        let file = File::read(core, request, placed.handle)?;
        let end = placed.index.saturating_add(file.entries.into());
        if self.stream.contiguous && end > self.stream.length / ENTRY {
            let count = file.entries.saturating_sub(1);
            let text = format!("SecondaryCount {count}: the set goes on past the directory");
            return Err(Error::corrupt(text).at(placed.handle.place));
        }
        Ok(file)
    }

    fn left_out(&self, core: &Core<'_>, error: Error) {
        let name = format!("inode {}", self.inode.0);
        core.notice(format!("{}: left out", error.context(name)));
    }

    /// Entries from number `index` on: the byte of the volume where they start, and their bytes, up
    /// to a boundary of [`PIECE`] bytes. `None` at the end of the directory.
    fn piece(
        &self,
        core: &Core<'_>,
        request: &Request,
        index: u64,
    ) -> Result<Option<(u64, Vec<u8>)>> {
        let offset = index.saturating_mul(ENTRY);
        // The length of a directory with a chain is that of its chain, as for the kernel's driver.
        let end = match self.stream.contiguous {
            true => self
                .stream
                .length
                .saturating_sub(self.stream.length % ENTRY),
            false if self.stream.length == 0 => 0,
            false => u64::MAX,
        };
        if offset >= end {
            return Ok(None);
        }
        if offset >= MOST {
            let error = Error::corrupt("a directory of over 256 MiB");
            return Err(error.at(self.stream.entry));
        }
        let Some(piece) = self.stream.piece_at(core, request, offset)? else {
            return Ok(None);
        };
        let boundary = PIECE.saturating_sub(offset % PIECE);
        let len = boundary.min(piece.len).min(end.saturating_sub(offset));
        let read = |len| read_vec(&*core.source, piece.start, len);
        let bytes = pieces::piece(to_usize(len), left_in_sector(piece.start), read)?;
        Ok(Some((piece.start, bytes)))
    }
}

impl Placed {
    /// Its `EntryType`.
    pub(super) fn kind(&self) -> u8 {
        let [kind, ..] = self.raw;
        kind
    }
}

/// Where a walk goes on behind an entry.
pub(super) enum Step {
    /// With the next entry.
    Next,
    /// With the one behind as many more.
    Skip(u64),
    /// Nowhere.
    Stop,
}
