//! The file as it is after the log was replayed. Nothing is written, and nothing copied: what an
//! entry of the log puts somewhere is read from the log.

use std::collections::BTreeMap;
use std::mem::offset_of;
use std::num::NonZeroU64;

use super::layout::{DATA_SIGNATURE, LOG_SECTOR, LogEntryHeader};
use super::log::{Entry, Log};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::SharedSource;
use crate::source::mapped::{Map, Place, Run};

/// What the log puts at a range of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Zeros,
    /// The data sector of this number.
    Sector(u64),
}

/// A data sector: where in the file it is, and what its first and last bytes are, in whose place
/// the log has its signature and sequence number.
struct Sector {
    at: u64,
    leading: [u8; 8],
    trailing: [u8; 4],
}

/// The map.
pub(super) struct Replay {
    source: SharedSource,
    size: u64,
    /// By their first byte, with the byte behind their last. They do not overlap.
    changes: BTreeMap<u64, (u64, Change)>,
    sectors: Vec<Sector>,
}

impl Replay {
    /// `source` after `entries` of `log`.
    ///
    /// # Errors
    /// `Corrupt` where the file was cut after an entry was written, or would be too large.
    pub(super) fn new(source: SharedSource, log: &Log<'_>, entries: &[Entry]) -> Result<Self> {
        let mut replay = Self {
            size: source.size(),
            source,
            changes: BTreeMap::new(),
            sectors: Vec::new(),
        };
        for entry in entries {
            replay.check_sizes(log, entry)?;
            replay.add(log, entry);
        }
        Ok(replay)
    }

    fn check_sizes(&mut self, log: &Log<'_>, entry: &Entry) -> Result<()> {
        let at = |field: usize| log.place(entry.position.saturating_add(to_u64(field)));
        let (flushed, last) = (
            entry.header.FlushedFileOffset.get(),
            entry.header.LastFileOffset.get(),
        );
        if flushed > self.source.size() {
            let text = format!(
                "FlushedFileOffset {flushed:#x} of the log is over the file's {:#x} bytes: it was cut",
                self.source.size()
            );
            return Err(Error::corrupt(text).at(at(offset_of!(LogEntryHeader, FlushedFileOffset))));
        }
        if i64::try_from(last).is_err() {
            let text = format!("LastFileOffset {last:#x} of the log is over 2^63 - 1");
            return Err(Error::corrupt(text).at(at(offset_of!(LogEntryHeader, LastFileOffset))));
        }
        self.size = self.size.max(last);
        Ok(())
    }

    fn add(&mut self, log: &Log<'_>, entry: &Entry) {
        let mut data = entry.position.saturating_add(entry.head());
        for descriptor in &entry.descriptors {
            let start = descriptor.FileOffset.get();
            if descriptor.Signature != DATA_SIGNATURE {
                let len = u64::from_le_bytes(descriptor.LeadingBytes);
                self.put(start, start.saturating_add(len), Change::Zeros);
                continue;
            }
            let number = to_u64(self.sectors.len());
            self.sectors.push(Sector {
                at: log.place(data),
                leading: descriptor.LeadingBytes,
                trailing: descriptor.TrailingBytes,
            });
            data = data.saturating_add(LOG_SECTOR);
            let end = start.saturating_add(LOG_SECTOR);
            self.put(start, end, Change::Sector(number));
            if i64::try_from(end).is_ok() {
                self.size = self.size.max(end);
            }
        }
    }

    /// Puts `change` at `start..end`, over what was there. All ends are at whole sectors, so that
    /// data sectors are never split.
    fn put(&mut self, start: u64, end: u64, change: Change) {
        if start >= end {
            return;
        }
        let before = self.changes.range(..start).next_back();
        if let Some((&first, &(last, old))) = before.filter(|(_, (last, _))| *last > start) {
            self.changes.insert(first, (start, old));
            if last > end {
                self.changes.insert(end, (last, old));
            }
        }
        while let Some((&first, &(last, old))) = self.changes.range(start..end).next() {
            self.changes.remove(&first);
            if last > end {
                self.changes.insert(end, (last, old));
            }
        }
        self.changes.insert(start, (end, change));
    }

    fn sector(&self, unit: u64) -> Result<&Sector> {
        let sector = self.sectors.get(to_usize(unit));
        sector.ok_or_else(|| Error::corrupt(format!("no data sector {unit} in the log")))
    }
}

impl Map for Replay {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let mut up_to = self.changes.range(..=offset);
        let change = up_to.next_back().filter(|(_, (end, _))| *end > offset);
        let (place, end) = match change {
            Some((_, (end, Change::Zeros))) => (Place::Zeros, *end),
            Some((start, (end, Change::Sector(unit)))) => {
                let skip = to_usize(offset.saturating_sub(*start));
                (Place::Packed { unit: *unit, skip }, *end)
            }
            None => {
                let next = self.changes.range(offset..).next();
                let next = next.map_or(u64::MAX, |(start, _)| *start);
                match self.source.size() {
                    size if offset < size => (Place::At { member: 0, offset }, next.min(size)),
                    _ => (Place::Zeros, next),
                }
            }
        };
        let len = end.saturating_sub(offset);
        Ok(Run {
            place,
            len: NonZeroU64::new(len).unwrap_or(NonZeroU64::MIN),
        })
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        self.sector(unit)?;
        Ok(to_usize(LOG_SECTOR))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let sector = self.sector(unit)?;
        self.source.read_exact_at(into, sector.at)?;
        if let Some(leading) = into.first_chunk_mut() {
            *leading = sector.leading;
        }
        if let Some(trailing) = into.last_chunk_mut() {
            *trailing = sector.trailing;
        }
        Ok(())
    }
}
