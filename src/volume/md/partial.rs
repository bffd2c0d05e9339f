//! A member of which some bytes are not to be read: what is not rebuilt yet, and what its list of
//! bad blocks names.

use super::field::Field;
use super::layout::SECTOR;
use super::superblock::{BadBlocks, Superblock};
use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{
    Extent, ExtentKind, HostBytes, SharedSource, Source, check_range, extent_to, read_vec,
};

/// Sectors of the longest list of bad blocks, as the kernel has it.
const MOST_SECTORS: u16 = 8;

/// A source with ranges that fail.
struct Partial {
    inner: SharedSource,
    /// First byte and the one behind the last, in order.
    unreadable: Vec<(u64, u64)>,
}

/// `inner`, which has the data of the member with this superblock on `device`, without what of it is
/// not to be read.
///
/// # Errors
/// `Corrupt` at the field by which there can be no list of bad blocks; where it cannot be read.
pub(super) fn readable(
    inner: SharedSource,
    superblock: &Superblock,
    device: &dyn Source,
) -> Result<SharedSource> {
    let mut unreadable = match superblock.bad_blocks {
        Some(list) => bad_blocks(list, superblock.data.0, device)
            .map_err(|(field, error)| superblock.blame(field, error))?,
        None => Vec::new(),
    };
    unreadable.extend(superblock.recovered.map(|from| (from, u64::MAX)));
    if unreadable.is_empty() {
        return Ok(inner);
    }
    unreadable.sort_unstable();
    Ok(std::sync::Arc::new(Partial { inner, unreadable }))
}

/// The bad blocks, in bytes of the data, which begin at byte `data` of `device`. Each entry has the
/// first block and a count (`super_1_load` of drivers/md/md.c). An error comes with the field that is
/// wrong.
fn bad_blocks(
    list: BadBlocks,
    data: u64,
    device: &dyn Source,
) -> std::result::Result<Vec<(u64, u64)>, (Field, Error)> {
    let BadBlocks {
        offset, len, shift, ..
    } = list;
    let wrong = |field, text| Err((field, Error::corrupt(text)));
    if len > MOST_SECTORS {
        return wrong(Field::BadSize, format!("bblog_size is {len}"));
    }
    if shift > 20 {
        return wrong(Field::BadShift, format!("bblog_shift is {shift}"));
    }
    let size = u64::from(len).saturating_mul(SECTOR);
    let fits = |at: &u64| at.saturating_add(size) <= device.size();
    let Some(at) = list.at.filter(|at| offset != 0 && fits(at)) else {
        let text = format!("bblog_offset is {offset}, where there are no {size} bytes of a list");
        return wrong(Field::BadOffset, text);
    };
    let bytes = read_vec(device, at, to_usize(size)).map_err(|error| (Field::BadOffset, error))?;
    let (entries, _) = bytes.as_chunks::<8>();
    let entries = entries.iter().map(|entry| u64::from_le_bytes(*entry));
    let unit = SECTOR.checked_shl(list.shift.into()).unwrap_or(SECTOR);
    let range = |entry: u64| {
        let start = (entry >> 10).saturating_mul(unit);
        let end = start.saturating_add((entry & 0x3ff).saturating_mul(unit));
        (start.saturating_sub(data), end.saturating_sub(data))
    };
    let ranges = entries.take_while(|entry| *entry != u64::MAX).map(range);
    Ok(ranges.filter(|(start, end)| start < end).collect())
}

impl Partial {
    /// The first range that has bytes at or behind `offset`.
    fn next(&self, offset: u64) -> Option<(u64, u64)> {
        let mut behind = self.unreadable.iter().filter(|(_, end)| *end > offset);
        behind.next().copied()
    }
}

impl Source for Partial {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let end = offset.saturating_add(to_u64(buf.len()));
        match self.next(offset) {
            Some((start, _)) if start < end => {
                let text = "it is a bad block of the member, or not rebuilt yet";
                Err(Error::new(Kind::Io, text).at(start.max(offset)))
            }
            _ => self.inner.read_exact_at(buf, offset),
        }
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        match self.next(offset) {
            None => self.inner.extent_at(offset),
            Some((start, end)) if start <= offset => {
                extent_to(ExtentKind::Data, offset, end.min(self.size()))
            }
            Some((start, _)) => {
                let inner = self.inner.extent_at(offset)?;
                let end = offset.saturating_add(inner.len.get());
                extent_to(inner.kind, offset, end.min(start))
            }
        }
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        let readable = match self.next(offset) {
            None => u64::MAX,
            Some((start, _)) => start.saturating_sub(offset),
        };
        self.inner.host_at(offset)?.cut(readable)
    }

    fn end_is_far(&self) -> bool {
        self.inner.end_is_far()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::Memory;

    #[test]
    fn what_is_bad_fails_and_what_is_beside_it_does_not() {
        let partial = Partial {
            inner: Arc::new(Memory(vec![7; 100])),
            unreadable: vec![(10, 20), (90, u64::MAX)],
        };
        assert!(read_vec(&partial, 0, 10).is_ok());
        assert!(read_vec(&partial, 20, 70).is_ok());
        for (offset, len) in [(0, 11), (19, 1), (15, 30), (5, 90), (95, 5)] {
            let error = read_vec(&partial, offset, len).unwrap_err();
            assert_eq!(error.kind(), Kind::Io);
        }
        assert_eq!(partial.extent_at(3), extent_to(ExtentKind::Data, 3, 10));
        assert_eq!(partial.extent_at(95), extent_to(ExtentKind::Data, 95, 100));
    }

    #[test]
    fn nobody_is_sent_to_read_what_is_bad_in_its_file() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &[7; 100]).unwrap();
        let partial = Partial {
            inner: Arc::new(crate::source::file::File::new(file).unwrap()),
            unreadable: vec![(10, 20), (90, u64::MAX)],
        };
        let host = |offset| partial.host_at(offset).map(|it| (it.offset, it.len.get()));
        assert_eq!(host(3), Some((3, 7)));
        assert_eq!(host(20), Some((20, 70)));
        for bad in [10, 19, 90, 99] {
            assert_eq!(host(bad), None);
        }
    }

    #[test]
    fn a_list_of_bad_blocks_ends_at_its_first_empty_entry() {
        let mut bytes = vec![0xff; 1024];
        bytes[512..520].copy_from_slice(&(100_u64 << 10 | 2).to_le_bytes());
        bytes[520..528].copy_from_slice(&(3_u64 << 10 | 1).to_le_bytes());
        let device = Memory(bytes);
        let list = BadBlocks {
            offset: 1,
            at: Some(512),
            len: 1,
            shift: 0,
        };
        let found = bad_blocks(list, 1024, &device).unwrap();
        assert_eq!(found, [(50_176, 51_200), (512, 1024)]);
        let none = |list| bad_blocks(list, 0, &device).unwrap_err().0;
        let at = |at| BadBlocks { at, ..list };
        assert!(matches!(none(BadBlocks { len: 9, ..list }), Field::BadSize));
        assert!(matches!(
            none(BadBlocks { shift: 21, ..list }),
            Field::BadShift
        ));
        assert!(matches!(
            none(BadBlocks { offset: 0, ..list }),
            Field::BadOffset
        ));
        assert!(matches!(none(at(Some(900))), Field::BadOffset));
        assert!(matches!(none(at(None)), Field::BadOffset));
    }
}
