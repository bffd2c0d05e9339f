//! A bitmap of one region: two records that are written by turns, of which the whole one with the
//! highest sequence number counts.

use std::mem::offset_of;

use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::super::layout::{
    EOW_BITMAP_SIGNATURE, EOW_RECORD_SIGNATURE, EowBitmap, EowBitmapRecord,
};
use super::checked;
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of a record, at most: Windows writes 512 for 256 MiB.
const MOST: u64 = 1 << 20;

/// What a bitmap says.
#[derive(Debug)]
pub(super) struct Bitmap {
    /// First byte of the region.
    pub(super) start: u64,
    /// The byte behind it.
    pub(super) end: u64,
    /// A bit for each chunk, the lowest of each byte first, set where it is encrypted.
    pub(super) bits: Vec<u8>,
    /// Where its log is.
    pub(super) log: u64,
}

/// What errors call the bitmap at byte `at`.
pub(super) fn called(at: u64) -> String {
    format!("bitmap at {at:#x}")
}

/// The header of the bitmap at byte `at`.
pub(super) fn head(source: &dyn Source, at: u64) -> Result<EowBitmap> {
    let raw: EowBitmap = view(source, at)?;
    if &raw.HeaderSignature != EOW_BITMAP_SIGNATURE {
        return Err(Error::corrupt("it has no signature FVE-EOWBM").at(at));
    }
    Ok(raw)
}

fn view<T: FromBytes + KnownLayout + Immutable>(source: &dyn Source, at: u64) -> Result<T> {
    let bytes = read_vec(source, at, size_of::<T>())?;
    T::read_from_bytes(&bytes).map_err(|_| Error::corrupt("it is cut off").at(at))
}

impl Bitmap {
    /// Reads the bitmap at byte `at`, whose bits stand for `chunk` bytes each.
    ///
    /// # Errors
    /// `Corrupt`, naming the field, where it or both of its records are not whole.
    pub(super) fn read(source: &dyn Source, at: u64, chunk: u64, ignore: bool) -> Result<Self> {
        let raw = head(source, at)?;
        let offsets = raw.RecordOffset.map(|it| u64::from(it.get()));
        let field = offset_of!(EowBitmap, RecordOffset);
        if offsets[0] < to_u64(size_of::<EowBitmap>()) || offsets[0] > MOST {
            let text = format!("RecordOffset is {}", offsets[0]);
            return Err(Error::corrupt(text).at(at.saturating_add(to_u64(field))));
        }
        checked(source, at, offsets[0], offset_of!(EowBitmap, Crc32), ignore)?;
        let (start, size) = (raw.RegionOffset.get(), raw.RegionSize.get());
        let end = start.checked_add(size).filter(|end| *end > start);
        let field = to_u64(offset_of!(EowBitmap, RegionOffset));
        let far = || Error::corrupt(format!("RegionOffset {start:#x} and RegionSize {size:#x}"));
        let end = end.ok_or_else(|| far().at(at.saturating_add(field)))?;
        let chunks = size.checked_sub(1).and_then(|last| last.checked_div(chunk));
        let chunks = chunks.map_or(0, |last| last.saturating_add(1));
        let read = |offset| record(source, at.saturating_add(offset), chunks, ignore);
        let bits = match offsets.map(read) {
            [Ok(one), Ok(other)] if other.0 > one.0 => other.1,
            [Ok(one), _] => one.1,
            [Err(_), Ok(other)] => other.1,
            [Err(error), Err(_)] => return Err(error),
        };
        let log = raw.ConvLogOffset.get();
        Ok(Self {
            start,
            end,
            bits,
            log,
        })
    }
}

/// Sequence number and bits of the record at byte `at`, for so many `chunks`.
fn record(source: &dyn Source, at: u64, chunks: u64, ignore: bool) -> Result<(u64, Vec<u8>)> {
    let raw: EowBitmapRecord = view(source, at).context(|| "record")?;
    if &raw.HeaderSignature != EOW_RECORD_SIGNATURE {
        return Err(Error::corrupt("it has no record with the signature FVE-EOWBR").at(at));
    }
    let wrong =
        |text: String, field: usize| Err(Error::corrupt(text).at(at.saturating_add(to_u64(field))));
    let head = to_u64(size_of::<EowBitmapRecord>());
    let bytes = chunks.div_ceil(8);
    let size = u64::from(raw.Size.get());
    if u64::from(raw.BitmapSize.get()) != chunks {
        let text = format!("BitmapSize is {} for {chunks} chunks", raw.BitmapSize.get());
        return wrong(text, offset_of!(EowBitmapRecord, BitmapSize));
    }
    if size > MOST || size < head.saturating_add(bytes) {
        let text = format!("a record's Size is {size}, with {bytes} bytes of bits");
        return wrong(text, offset_of!(EowBitmapRecord, Size));
    }
    let field = offset_of!(EowBitmapRecord, Crc32);
    let mut all = checked(source, at, size, field, ignore)?;
    all.drain(..size_of::<EowBitmapRecord>());
    all.truncate(to_usize(bytes));
    Ok((raw.SequenceNumber.get(), all))
}
