//! The Index of a stream (4): what every block takes, packed and unpacked.

use super::vli;
use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};
use crate::source::Source;

/// Bytes that a chunk of LZMA2 unpacks to at most, and that it takes packed at least.
const MOST_OF_CHUNK: u64 = 1 << 21;
const LEAST_OF_CHUNK: u64 = 11;

/// One Record (4.3).
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// Unpadded Size: bytes of the block without its padding.
    pub(super) unpadded: u64,
    /// Uncompressed Size.
    pub(super) uncompressed: u64,
}

impl Record {
    /// Bytes of the block in the file.
    pub(super) fn padded(self) -> u64 {
        self.unpadded.saturating_add(3) & !3
    }

    /// Whether a block of this size can unpack to so much.
    fn is_possible(self) -> bool {
        let chunks = self.unpadded / LEAST_OF_CHUNK;
        (5..1 << 62).contains(&self.unpadded)
            && self.uncompressed <= chunks.saturating_mul(MOST_OF_CHUNK)
    }
}

/// Bytes of all blocks in the file.
pub(super) fn padded(records: &[Record]) -> Option<u64> {
    let mut sizes = records.iter().map(|record| record.padded());
    sizes.try_fold(0_u64, u64::checked_add)
}

/// The records of the index from byte `at` to `end`, `room` at most.
///
/// # Errors
/// `Corrupt` for what is no index; `Unsupported` for more records than `room`.
pub(super) fn read(source: &dyn Source, at: u64, end: u64, room: usize) -> Result<Vec<Record>> {
    let mut bytes = Bytes::new(source, at, end);
    if bytes.next()? != 0 {
        return Err(Error::corrupt("the index indicator is not 0").at(at));
    }
    let count = vli::read(|| bytes.next())?;
    // A record takes two bytes at least, so this holds before anything is allocated.
    if count > end.saturating_sub(at) / 2 {
        let text = format!("number of records {count} is more than the index has room for");
        return Err(Error::corrupt(text).at(at));
    }
    if count > to_u64(room) {
        let text = format!("number of records {count} is over {room}");
        return Err(Error::unsupported(text).at(at));
    }
    let mut records = Vec::new();
    let short = |_| Error::new(Kind::Io, "no memory for the index");
    records.try_reserve_exact(to_usize(count)).map_err(short)?;
    for _ in 0..count {
        let record = Record {
            unpadded: vli::read(|| bytes.next())?,
            uncompressed: vli::read(|| bytes.next())?,
        };
        if !record.is_possible() {
            let Record {
                unpadded,
                uncompressed,
            } = record;
            let text = format!("a block of {unpadded} bytes unpacks to {uncompressed}");
            return Err(Error::corrupt(text).at(bytes.at()));
        }
        records.push(record);
    }
    bytes.finish()?;
    Ok(records)
}

/// The bytes of an index one by one, with their CRC32.
struct Bytes<'a> {
    source: &'a dyn Source,
    start: u64,
    /// Where the CRC32 stands.
    end: u64,
    buf: Vec<u8>,
    /// Where `buf` lies in the file.
    buf_at: u64,
    taken: usize,
    crc: crc32fast::Hasher,
}

impl<'a> Bytes<'a> {
    fn new(source: &'a dyn Source, start: u64, footer: u64) -> Self {
        Self {
            source,
            start,
            end: footer.saturating_sub(4),
            buf: Vec::new(),
            buf_at: start,
            taken: 0,
            crc: crc32fast::Hasher::new(),
        }
    }

    fn at(&self) -> u64 {
        self.buf_at.saturating_add(to_u64(self.taken))
    }

    fn next(&mut self) -> Result<u8> {
        if self.taken == self.buf.len() {
            self.read_on()?;
        }
        let byte = self.buf.get(self.taken).copied();
        self.taken = self.taken.saturating_add(1);
        byte.ok_or_else(|| Error::corrupt("the index is cut off").at(self.end))
    }

    fn read_on(&mut self) -> Result<()> {
        self.buf_at = self.at();
        let left = self.end.saturating_sub(self.buf_at);
        self.buf.resize(to_usize(left.min(64 << 10)), 0);
        self.source.read_exact_at(&mut self.buf, self.buf_at)?;
        self.taken = 0;
        self.crc.update(&self.buf);
        Ok(())
    }

    /// Index Padding and CRC32 (4.4, 4.5).
    fn finish(mut self) -> Result<()> {
        let behind = self.at();
        while self.at() < self.end {
            let is_short = self.at().saturating_sub(behind) < 3;
            if self.next()? != 0 || !is_short {
                let text = "the index does not end where its footer says";
                return Err(Error::corrupt(text).at(behind));
            }
        }
        let mut stored = [0; 4];
        self.source.read_exact_at(&mut stored, self.end)?;
        match self.crc.finalize() == u32::from_le_bytes(stored) {
            true => Ok(()),
            false => Err(Error::corrupt("the index's CRC32 is wrong").at(self.start)),
        }
    }
}
