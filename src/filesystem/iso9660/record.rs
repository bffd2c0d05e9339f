//! One directory record: a file's place, size and time, its name, and what others put behind it.

use zerocopy::FromBytes;

use super::date;
use super::layout::RawRecord;
use crate::error::{Error, Result};
use crate::filesystem::Timestamp;
use crate::number::{to_u64, to_usize};

/// Bytes of a sector. Records do not cross its end, whatever the logical block size is.
pub(super) const SECTOR: u64 = 2048;

/// What a sector without records is.
const ZEROS: [u8; 2048] = [0; 2048];

/// Bytes of a record before its name.
const FIXED: usize = size_of::<RawRecord>();

/// File flags (ECMA-119, 9.1.6).
const DIRECTORY: u8 = 2;
const ASSOCIATED: u8 = 4;
const NOT_FINAL: u8 = 0x80;

/// One directory record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// Its first byte on the disc.
    pub(super) position: u64,
    /// Its length.
    pub(super) length: usize,
    /// The name's bytes.
    pub(super) name: &'a [u8],
    /// The System Use field behind the name.
    pub(super) system_use: &'a [u8],
    /// When the file was recorded.
    pub(super) time: Timestamp,
    /// Where its bytes are.
    pub(super) section: Section,
    flags: u8,
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// The logical block of its first byte, behind any extended attribute record.
    pub(super) block: u64,
    /// Bytes of the file before it.
    pub(super) start: u64,
    /// Bytes.
    pub(super) size: u64,
    /// Logical blocks of an extended attribute record before it.
    pub(super) attribute_blocks: u8,
    /// Of an interleaved file, the logical blocks of data and of the gap behind them.
    pub(super) interleave: Option<(u8, u8)>,
}

impl<'a> Record<'a> {
    /// The record that `sector` begins with, whose first byte is at `position` on the disc; `None`
    /// where the sector has no more.
    ///
    /// # Errors
    /// `Corrupt` for a length that is less than the parts need, or more than the sector has.
    pub(super) fn parse(
        sector: &'a [u8],
        position: u64,
        high_sierra: bool,
    ) -> Result<Option<Self>> {
        let length = sector.first().copied().map_or(0, usize::from);
        if length == 0 {
            return Ok(None);
        }
        let wrong = |text: String| Error::corrupt(text).at(position);
        let record = sector.get(..length).ok_or_else(|| {
            let left = sector.len();
            wrong(format!(
                "a directory record of {length} bytes, {left} before the sector ends"
            ))
        })?;
        let short = || {
            wrong(format!(
                "a directory record of {length} bytes, its name not in them"
            ))
        };
        let (raw, rest) = RawRecord::read_from_prefix(record).map_err(|_| short())?;
        let (name, behind) = rest
            .split_at_checked(raw.name_length.into())
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(short)?;
        // The name and what is before it fill an even number of bytes.
        let padding = FIXED.wrapping_add(name.len()) % 2;
        Ok(Some(Self {
            position,
            length,
            name,
            system_use: behind.get(padding..).unwrap_or_default(),
            time: match high_sierra {
                true => date::high_sierra(&raw.recording_date),
                false => date::short(&raw.recording_date),
            },
            section: Section::of(&raw),
            flags: match high_sierra {
                // Its time is one byte shorter, and the flags take the place of the zone.
                true => raw.recording_date[6],
                false => raw.file_flags,
            },
        }))
    }

    /// The byte behind it.
    pub(super) fn end(&self) -> u64 {
        self.position.saturating_add(to_u64(self.length))
    }

    /// Whether it is a directory's.
    pub(super) fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    /// Whether it is an associated file, as a resource fork is.
    pub(super) fn is_associated(&self) -> bool {
        self.flags & ASSOCIATED != 0
    }

    /// Whether the next record goes on with the same file.
    pub(super) fn goes_on(&self) -> bool {
        self.flags & NOT_FINAL != 0
    }

    /// Whether it is the directory's own record.
    pub(super) fn is_dot(&self) -> bool {
        self.name == [0]
    }

    /// Whether it is that of the directory above.
    pub(super) fn is_dot_dot(&self) -> bool {
        self.name == [1]
    }
}

impl Section {
    fn of(raw: &RawRecord) -> Self {
        let attribute_blocks = raw.extended_attribute_record_length;
        let start = u64::from(raw.location_of_extent.get());
        let interleave = (raw.file_unit_size, raw.interleave_gap_size);
        Self {
            block: start.saturating_add(attribute_blocks.into()),
            start: 0,
            size: raw.data_length.get().into(),
            attribute_blocks,
            interleave: (interleave.1 != 0).then_some(interleave),
        }
    }
}

/// The records of `sectors`, which begin at `position` on the disc and at a sector of their
/// directory, from byte `from` on. What is wrong is given once, and the next sector goes on.
pub(super) struct Records<'a> {
    sectors: &'a [u8],
    position: u64,
    from: usize,
    high_sierra: bool,
    /// The first byte on the disc that is not zero behind the end of a sector's records.
    pub(super) leftover: Option<u64>,
}

impl<'a> Records<'a> {
    /// Those of `sectors`, which begin at `position`, from byte `from` on.
    pub(super) fn new(sectors: &'a [u8], position: u64, from: usize, high_sierra: bool) -> Self {
        Self {
            sectors,
            position,
            from,
            high_sierra,
            leftover: None,
        }
    }

    /// Looks at `rest`, which begins at `position` on the disc, behind the records of a sector.
    fn leave(&mut self, rest: &[u8], position: u64) {
        let zeros = ZEROS.get(..rest.len()).unwrap_or_default();
        if self.leftover.is_none() && rest != zeros {
            let first = rest.iter().position(|byte| *byte != 0);
            self.leftover = first.map(|first| position.saturating_add(to_u64(first)));
        }
    }
}

impl<'a> Iterator for Records<'a> {
    /// Where the next record begins in the sectors, and this one.
    type Item = (usize, Result<Record<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.from < self.sectors.len() {
            let next_sector = self
                .from
                .checked_next_multiple_of(to_usize(SECTOR))
                .filter(|next| *next > self.from)
                .unwrap_or_else(|| self.from.saturating_add(to_usize(SECTOR)));
            let end = next_sector.min(self.sectors.len());
            let sector = self.sectors.get(self.from..end).unwrap_or_default();
            let position = self.position.saturating_add(to_u64(self.from));
            match Record::parse(sector, position, self.high_sierra) {
                Ok(None) => {
                    self.leave(sector, position);
                    self.from = next_sector;
                }
                Ok(Some(record)) => {
                    self.from = self.from.saturating_add(record.length);
                    return Some((self.from, Ok(record)));
                }
                Err(error) => {
                    self.from = next_sector;
                    return Some((self.from, Err(error)));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record called `name` in `length` bytes.
    fn record(length: u8, name: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; length.max(33).into()];
        bytes[0] = length;
        bytes[32] = u8::try_from(name.len()).unwrap();
        bytes.truncate(33);
        bytes.extend(name);
        bytes.resize(length.max(34).into(), 0xee);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Option<Record<'_>>> {
        Record::parse(bytes, 4096, false)
    }

    #[test]
    fn the_name_and_what_is_behind_it() {
        let bytes = record(40, b"AB");
        let found = parse(&bytes).unwrap().unwrap();
        assert_eq!((found.name, found.system_use.len()), (&b"AB"[..], 4));
        let bytes = record(40, b"ABC");
        let found = parse(&bytes).unwrap().unwrap();
        assert_eq!((found.name, found.system_use.len()), (&b"ABC"[..], 4));
        let bytes = record(34, b"A");
        assert_eq!(parse(&bytes).unwrap().unwrap().system_use, b"");
        assert!(parse(&[0; 34]).unwrap().is_none());
    }

    #[test]
    fn lengths_that_cannot_be_are_named() {
        for (bytes, text) in [
            (
                record(33, b"A"),
                "a directory record of 33 bytes, its name not in them",
            ),
            (
                record(40, b""),
                "a directory record of 40 bytes, its name not in them",
            ),
            (
                record(40, b"A")[..39].to_vec(),
                "a directory record of 40 bytes, 39 before the sector ends",
            ),
        ] {
            let error = parse(&bytes).err().unwrap();
            assert_eq!((error.message(), error.offset()), (text, Some(4096)));
        }
    }

    #[test]
    fn damage_costs_the_rest_of_one_sector() {
        let mut sectors = record(40, b"A");
        sectors.extend([9; 10]);
        sectors.resize(2048, 0);
        sectors.extend(record(40, b"B"));
        let mut records = Records::new(&sectors, 0, 0, false);
        let mut name = || {
            records
                .next()
                .map(|(next, found)| (next, found.map(|it| it.name[0]).ok()))
        };
        assert_eq!(name(), Some((40, Some(b'A'))));
        assert_eq!(name(), Some((2048, None)));
        assert_eq!(name(), Some((2088, Some(b'B'))));
        assert_eq!(name(), None);
        assert_eq!(records.leftover, None);
    }
}
