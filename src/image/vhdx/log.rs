//! The log: a ring of entries, each a change of metadata that is to be made whole or not at all.
//! [MS-VHDX] 2.3.
//!
//! The active sequence is the one to replay: entries with rising sequence numbers, each of which is
//! whole by its checksum, the last of which points back to one of them as its tail. What was being
//! written when the machine stopped is no valid entry, and ends it.

use super::layout::{
    self, DATA_SIGNATURE, Guid, LOG_SECTOR, LOG_SIGNATURE, LogDataSector, LogDescriptor,
    LogEntryHeader, SECTOR_SIGNATURE, ZERO_SIGNATURE,
};
use super::region::Region;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the largest log that is looked through. They are of 1 MiB.
const MOST_LOG: u64 = 256 << 20;
/// Descriptors that are kept at most: those of 4 GiB of metadata.
const MOST_DESCRIPTORS: usize = 1 << 20;
/// How often the log may be read over. Entries that are not whole are read again, sector by sector
/// further on; a log that is made of nothing else would take forever.
const MOST_PASSES: u64 = 16;
/// Bytes that are read of it at most, however often: a whole log is read three times.
const MOST_READ: u64 = 1 << 30;
/// Bytes that are read in one go.
const PIECE: u64 = 64 << 10;

/// A valid entry.
pub(super) struct Entry {
    /// Where it is in the log.
    pub(super) position: u64,
    pub(super) header: LogEntryHeader,
    pub(super) descriptors: Vec<LogDescriptor>,
}

impl Entry {
    /// Bytes of the header and the descriptors, whole sectors.
    pub(super) fn head(&self) -> u64 {
        head(&self.header)
    }

    fn len(&self) -> u64 {
        u64::from(self.header.EntryLength.get())
    }

    fn number(&self) -> u64 {
        self.header.SequenceNumber.get()
    }
}

/// Bytes of the header and the descriptors, whole sectors.
fn head(header: &LogEntryHeader) -> u64 {
    let descriptors = u64::from(header.DescriptorCount.get());
    let bytes = descriptors.saturating_mul(32).saturating_add(64);
    bytes.div_ceil(LOG_SECTOR).saturating_mul(LOG_SECTOR)
}

/// The ring.
pub(super) struct Log<'a> {
    source: &'a dyn Source,
    region: Region,
    guid: Guid,
    /// Bytes that may still be read.
    budget: u64,
    /// Descriptors that may still be kept.
    room: usize,
}

impl<'a> Log<'a> {
    /// The log in `region` of `source`, of which the entries with `guid` count.
    ///
    /// # Errors
    /// `Corrupt` where it leaves the file; `Unsupported` where it is too large.
    pub(super) fn new(source: &'a dyn Source, region: Region, guid: Guid) -> Result<Self> {
        let Region { offset, len } = region;
        let end = offset.checked_add(len);
        if len == 0 || end.is_none_or(|end| end > source.size()) {
            let text = format!("LogOffset {offset:#x}, LogLength {len:#x}: no log is there");
            return Err(Error::corrupt(text));
        }
        if len > MOST_LOG {
            let text = format!("LogLength {len} of a log to be replayed is over {MOST_LOG}");
            return Err(Error::unsupported(text));
        }
        let whole = len.saturating_sub(len % LOG_SECTOR);
        Ok(Self {
            source,
            region: Region { offset, len: whole },
            guid,
            budget: whole.saturating_mul(MOST_PASSES).min(MOST_READ),
            room: MOST_DESCRIPTORS,
        })
    }

    /// The entries of the active sequence, from its tail on; none where there is no valid one.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`]; `Corrupt` for a log that is made to take long.
    pub(super) fn active(&mut self) -> Result<Vec<Entry>> {
        let mut active: Vec<Entry> = Vec::new();
        let mut position = 0;
        while position < self.region.len {
            let found = self.sequence(position)?;
            let len: u64 = found.iter().map(Entry::len).sum();
            position = position.saturating_add(len.max(LOG_SECTOR));
            let from_tail = from_tail(found);
            let number = |entries: &[Entry]| entries.last().map(Entry::number);
            if number(&from_tail) > number(&active) {
                self.room = self.room.saturating_add(count(&active));
                active = from_tail;
            } else {
                self.room = self.room.saturating_add(count(&from_tail));
            }
        }
        Ok(active)
    }

    /// The valid entries that follow one another from `start` on.
    fn sequence(&mut self, start: u64) -> Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        let mut taken = 0_u64;
        while taken < self.region.len {
            let position = start.saturating_add(taken);
            let position = position.checked_rem(self.region.len).unwrap_or(0);
            let Some(entry) = self.entry(position)? else {
                break;
            };
            let expected = found.last().map(|last| last.number().wrapping_add(1));
            taken = taken.saturating_add(entry.len());
            if expected.is_some_and(|it| it != entry.number()) || taken > self.region.len {
                break;
            }
            self.room = self.room.saturating_sub(entry.descriptors.len());
            found.push(entry);
        }
        Ok(found)
    }

    /// The entry at `position`, if it is valid.
    fn entry(&mut self, position: u64) -> Result<Option<Entry>> {
        let first = self.read(position, LOG_SECTOR)?;
        let header: LogEntryHeader = layout::first(&first, "log entry")?;
        if !self.is_plausible(&header) {
            return Ok(None);
        }
        self.spend(u64::from(header.EntryLength.get()))?;
        let count = u64::from(header.DescriptorCount.get());
        if to_usize(count) > self.room {
            let text = format!("more than {MOST_DESCRIPTORS} descriptors in the log");
            return Err(Error::unsupported(text).at(self.place(position)));
        }
        let bytes = self.read(position, head(&header))?;
        let descriptors = layout::list(&bytes, size_of::<LogEntryHeader>(), count);
        let entry = Entry {
            position,
            header,
            descriptors,
        };
        Ok((check_descriptors(&entry) && self.is_whole(&entry)?).then_some(entry))
    }

    fn is_plausible(&self, header: &LogEntryHeader) -> bool {
        let len = u64::from(header.EntryLength.get());
        let tail = u64::from(header.Tail.get());
        header.Signature == LOG_SIGNATURE
            && header.LogGuid == self.guid
            && header.SequenceNumber.get() > 0
            && len % LOG_SECTOR == 0
            && len <= self.region.len
            && tail % LOG_SECTOR == 0
            && tail < self.region.len
            && head(header) <= len
    }

    /// Whether the checksum is right and every data sector is of this entry.
    fn is_whole(&self, entry: &Entry) -> Result<bool> {
        let data = entry.head();
        let sectors = entry.descriptors.iter();
        let sectors = sectors.filter(|it| it.Signature == DATA_SIGNATURE).count();
        let data_end = data.saturating_add(to_u64(sectors).saturating_mul(LOG_SECTOR));
        let (mut crc, mut done) = (0, 0_u64);
        while done < entry.len() {
            let len = entry.len().saturating_sub(done).min(PIECE);
            let mut bytes = self.read(entry.position.saturating_add(done), len)?;
            if done == 0
                && let Some(field) = bytes.get_mut(4..8)
            {
                field.fill(0);
            }
            crc = crc32c::crc32c_append(crc, &bytes);
            for sector in bytes.chunks_exact(to_usize(LOG_SECTOR)) {
                let is_data = (data..data_end).contains(&done);
                if is_data && !is_sector_of(sector, entry.number()) {
                    return Ok(false);
                }
                done = done.saturating_add(LOG_SECTOR);
            }
        }
        Ok(crc == entry.header.Checksum.get())
    }

    /// `len` bytes at `position`, which may be over the end: behind the last is the first.
    fn read(&self, position: u64, len: u64) -> Result<Vec<u8>> {
        let position = position.checked_rem(self.region.len).unwrap_or(0);
        let there = self.region.len.saturating_sub(position).min(len);
        let at = self.region.offset.saturating_add(position);
        let mut bytes = read_vec(self.source, at, to_usize(there))?;
        let rest = len.saturating_sub(there).min(self.region.len);
        bytes.extend(read_vec(self.source, self.region.offset, to_usize(rest))?);
        Ok(bytes)
    }

    /// Where in the file byte `position` of the log is, which may be over the end.
    pub(super) fn place(&self, position: u64) -> u64 {
        let position = position.checked_rem(self.region.len).unwrap_or(0);
        self.region.offset.saturating_add(position)
    }

    fn spend(&mut self, bytes: u64) -> Result<()> {
        let left = self.budget.checked_sub(bytes);
        let endless = || {
            let error = Error::corrupt("the log's entries overlap again and again");
            error.at(self.region.offset)
        };
        self.budget = left.ok_or_else(endless)?;
        Ok(())
    }
}

/// The entries from the one on that the last says is the tail; none where it is not among them.
fn from_tail(mut entries: Vec<Entry>) -> Vec<Entry> {
    let tail = entries.last().map(|last| u64::from(last.header.Tail.get()));
    let start = entries
        .iter()
        .position(|entry| Some(entry.position) == tail);
    match start {
        Some(start) => entries.split_off(start),
        None => Vec::new(),
    }
}

fn count(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.descriptors.len()).sum()
}

fn check_descriptors(entry: &Entry) -> bool {
    let is_valid = |it: &LogDescriptor| {
        let zeros = u64::from_le_bytes(it.LeadingBytes);
        let is_known = match it.Signature {
            DATA_SIGNATURE => true,
            ZERO_SIGNATURE => zeros.is_multiple_of(LOG_SECTOR),
            _ => false,
        };
        let offset = it.FileOffset.get();
        is_known && it.SequenceNumber.get() == entry.number() && offset.is_multiple_of(LOG_SECTOR)
    };
    let data = entry.descriptors.iter();
    let data = data.filter(|it| it.Signature == DATA_SIGNATURE).count();
    let bytes = to_u64(data).saturating_mul(LOG_SECTOR);
    entry.descriptors.iter().all(is_valid) && entry.head().saturating_add(bytes) <= entry.len()
}

fn is_sector_of(bytes: &[u8], number: u64) -> bool {
    let Ok(sector) = layout::first::<LogDataSector>(bytes, "data sector") else {
        return false;
    };
    let high = u64::from(sector.SequenceHigh.get()) << 32;
    let own = high | u64::from(sector.SequenceLow.get());
    sector.DataSignature == SECTOR_SIGNATURE && own == number
}
