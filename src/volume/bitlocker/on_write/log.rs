//! The conversion log of one region. What is in it while a chunk is being moved nobody has described,
//! but that something is can be told.

use zerocopy::FromBytes;

use super::super::layout::{LOG_SIGNATURE, Log, LogRecord};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Records that are looked at; Windows makes two.
const MOST: u16 = 16;

/// Bytes before a record's own checksum.
const COVERED: usize = 28;

/// First byte and length of what was being moved, by the log at byte `at`.
///
/// # Errors
/// `Corrupt` for what is no log.
pub(super) fn moving(source: &dyn Source, at: u64) -> Result<Option<(u64, u64)>> {
    let head = read_vec(source, at, size_of::<Log>())?;
    let (log, _) =
        Log::ref_from_prefix(&head).map_err(|_| Error::corrupt("it is cut off").at(at))?;
    if &log.Signature != LOG_SIGNATURE {
        return Err(Error::corrupt("it has no signature OLRDHEVF").at(at));
    }
    let first = at.saturating_add(log.SectorSize.get().into());
    let step = u64::from(log.RecordSize.get());
    let places = (0..log.Records.get().min(MOST)).map(u64::from);
    let places = places.map(|index| first.saturating_add(index.saturating_mul(step)));
    let records = places.filter_map(|place| record(source, place));
    let last = records.max_by_key(|(sequence, ..)| *sequence);
    let last = last.ok_or_else(|| Error::corrupt("none of its records is whole").at(at))?;
    let (_, start, len) = last;
    Ok((start > 0).then_some((start, len)))
}

/// Sequence number, first byte and length of the record at byte `at`, if it is whole.
fn record(source: &dyn Source, at: u64) -> Option<(u64, u64, u64)> {
    let bytes = read_vec(source, at, size_of::<LogRecord>()).ok()?;
    let (raw, _) = LogRecord::ref_from_prefix(&bytes).ok()?;
    let is_whole = u64::from(raw.HeaderSize.get()) == to_u64(bytes.len())
        && crc32fast::hash(bytes.get(..COVERED)?) == raw.Crc32.get();
    let found = (
        raw.SequenceNumber.get(),
        raw.Offset.get(),
        raw.Length.get().into(),
    );
    is_whole.then_some(found)
}
