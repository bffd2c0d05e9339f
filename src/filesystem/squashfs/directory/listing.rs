//! The entries of a directory as they lie: runs of up to 256, each with a header of what they have
//! in common.

use zerocopy::FromBytes;

use super::super::core::Core;
use super::super::inode::{Directory, InodeRecord, listed_type};
use super::super::layout::{RawEntry, RawHeader};
use super::super::metadata::{Place, Reader};
use crate::error::{Error, Result};
use crate::filesystem::{FileType, Inode, Request};
use crate::number::{to_u64, to_usize};

/// What a directory's size counts for `.` and `..`, which are not stored.
const DOTS: u64 = 3;
/// Entries behind one header.
const MOST_ENTRIES: u32 = 256;
/// Bytes of a name.
const MOST_NAME: usize = 256;

/// Entries that are gone over for a step: none of them is made.
const SKIPPED: u64 = 16;

const HEADER: u64 = 12;
const ENTRY: u64 = 8;

/// Entries from some place on.
pub(super) struct Listing<'a> {
    request: &'a Request,
    reader: Reader<'a>,
    /// The byte of the list that is read next, and the end of the list.
    at: u64,
    end: u64,
    /// No run is read from here on.
    stop: u64,
    run: Run,
    name: [u8; MOST_NAME],
}

/// The run that is read.
#[derive(Clone, Copy)]
struct Run {
    /// The byte of the list at which its header is.
    at: u64,
    /// Where that is.
    place: Place,
    /// The metadata block of its inodes, counted from the start of the inode table.
    start: u32,
    /// Entries of it, and how many of them were read.
    count: u32,
    read: u32,
}

/// One entry.
pub(super) struct Listed<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: Inode,
    pub(super) kind: Option<FileType>,
    /// Where it begins.
    pub(super) place: Place,
    /// Where its run begins in the list.
    pub(super) run: u64,
    /// Which of its run it is, from 0 on.
    pub(super) number: u32,
}

impl<'a> Listing<'a> {
    /// From byte `at` of the list on, where a run begins, which lies in the metadata block `block`
    /// of the directory table.
    ///
    /// # Errors
    /// As [`Core::place`].
    pub(super) fn from(
        core: &'a Core,
        request: &'a Request,
        (inode, directory): (&InodeRecord, &Directory),
        block: u32,
        at: u64,
    ) -> Result<Self> {
        let table = core.superblock.raw.directory_table_start.get();
        // All blocks of a list but its last are full.
        let offset = (u64::from(directory.offset).saturating_add(at)) % 8192;
        let reference = u64::from(block) << 16
            | if at == 0 {
                directory.offset.into()
            } else {
                offset
            };
        let place = core.place(table, reference)?;
        Ok(Self {
            request,
            reader: core.metadata.reader(request, place),
            at,
            end: inode.size.saturating_sub(DOTS),
            stop: u64::MAX,
            run: Run {
                at,
                place,
                start: 0,
                count: 0,
                read: 0,
            },
            name: [0; MOST_NAME],
        })
    }

    /// No run is read from byte `stop` of the list on.
    pub(super) fn stop_at(&mut self, stop: u64) {
        self.stop = stop;
    }

    /// The next entry.
    ///
    /// # Errors
    /// What makes the rest unreadable.
    pub(super) fn next(&mut self) -> Result<Option<Listed<'_>>> {
        if self.run.read == self.run.count {
            if self.at >= self.end.min(self.stop) {
                return Ok(None);
            }
            self.read_header()?;
        }
        if self.at >= self.end {
            let Run { at, count, .. } = self.run;
            let text = format!("the list ends before the {count} entries of its run at {at}");
            return Err(self.run.place.blame(Error::corrupt(text)));
        }
        self.request.spend(1)?;
        let raw: RawEntry = self.reader.value()?;
        let place = self.reader.began();
        let len = usize::from(raw.size.get()).saturating_add(1);
        let wrong = || place.blame(Error::corrupt(format!("a name of {len} bytes")));
        let name = self.name.get_mut(..len).ok_or_else(wrong)?;
        self.reader.read(name)?;
        let took = ENTRY.saturating_add(to_u64(len));
        self.at = self.at.saturating_add(took);
        let number = self.run.read;
        self.run.read = number.saturating_add(1);
        Ok(Some(Listed {
            name,
            inode: Inode(u64::from(self.run.start) << 16 | u64::from(raw.offset.get())),
            kind: listed_type(raw.r#type.get()).map_err(|error| place.blame(error))?,
            place,
            run: self.run.at,
            number,
        }))
    }

    /// Goes over what is before `first`, the byte at which a run begins and the number of an entry
    /// in it. Whoever lists a large directory piece by piece goes over all that he had with each
    /// piece, so that is done by the sizes of names alone.
    ///
    /// # Errors
    /// As [`Listing::next`].
    pub(super) fn skip_to(&mut self, first: (u64, u32)) -> Result<()> {
        while (self.run.at, self.run.read) < first {
            if self.run.read < self.run.count {
                let wanted = match self.run.at < first.0 {
                    true => self.run.count,
                    false => self.run.count.min(first.1),
                };
                if !self.skip_in_block(wanted)? {
                    // It goes on in the next block, or is damaged.
                    self.next()?;
                }
            } else if self.at < self.end.min(self.stop) {
                self.read_header()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Goes over the entries before number `wanted` of the run that lie whole in the block that is
    /// read, and in the list; whether there were any.
    fn skip_in_block(&mut self, wanted: u32) -> Result<bool> {
        let left = to_usize(self.end.saturating_sub(self.at));
        let here = self.reader.here()?;
        let mut rest = here.get(..left).unwrap_or(here);
        let (before, from) = (rest.len(), self.run.read);
        while self.run.read < wanted
            && let Ok((raw, behind)) = RawEntry::ref_from_prefix(rest)
            && let len = usize::from(raw.size.get()).saturating_add(1)
            && len <= MOST_NAME
            && let Some(behind) = behind.get(len..)
        {
            self.run.read = self.run.read.saturating_add(1);
            rest = behind;
        }
        let bytes = to_u64(before.saturating_sub(rest.len()));
        let entries = self.run.read.saturating_sub(from);
        self.request.spend(u64::from(entries).div_ceil(SKIPPED))?;
        self.reader.skip(bytes)?;
        self.at = self.at.saturating_add(bytes);
        Ok(entries > 0)
    }

    fn read_header(&mut self) -> Result<()> {
        let raw: RawHeader = self.reader.value()?;
        let count = raw.count.get().saturating_add(1);
        if count > MOST_ENTRIES {
            let text = format!("a header of {count} entries, which are {MOST_ENTRIES} at most");
            return Err(self.reader.began().blame(Error::corrupt(text)));
        }
        self.run = Run {
            at: self.at,
            place: self.reader.began(),
            start: raw.start_block.get(),
            count,
            read: 0,
        };
        self.at = self.at.saturating_add(HEADER);
        Ok(())
    }
}
