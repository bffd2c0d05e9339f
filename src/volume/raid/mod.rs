//! Arrays, whoever describes them: where the bytes are in stripes, copies and rows with parity, and
//! how they are had where a member is missing or cannot be read.

mod parity;
mod rotation;
mod ten;
mod zones;

use std::num::NonZeroU64;
use std::sync::Arc;

pub(super) use self::rotation::{Layout, Rotation};
pub(super) use self::ten::{Copies, Ten};
pub(super) use self::zones::{Order, linear, striped};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Mapped, Place, Run};
use crate::source::{SharedSource, read_vec};

/// Bytes of the most that is rebuilt at a time.
const MOST_UNIT: u64 = 64 << 10;

/// Bytes of what is rebuilt where not all of that can be: what a disk reads or loses as a whole.
const SECTOR: u64 = 512;

/// The bit in a unit's number that says that it is a sector.
const IS_SECTOR: u64 = 1 << 63;

/// How an array's bytes lie on its members.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// RAID 0: chunks of so many bytes in turn.
    Striped(NonZeroU64),
    /// RAID 1: everything on each.
    Copied,
    /// RAID 4, 5 and 6: rows of chunks, with parity.
    Parity(NonZeroU64, Layout),
    /// RAID 10: each chunk so many times.
    Ten(Ten),
}

/// An array.
struct Array {
    level: Level,
    size: u64,
    /// `None` for a member that is missing or out of step.
    members: Vec<Option<SharedSource>>,
    /// The number of each member among those that are there.
    numbers: Vec<Option<usize>>,
}

/// The array of `size` bytes on `members`, each of which begins with its data; `None` for what is
/// missing or not to be read.
///
/// # Errors
/// `NotFound` where more are missing than the level allows.
pub(super) fn open(
    level: Level,
    size: u64,
    members: Vec<Option<SharedSource>>,
    cache: Arc<Cache>,
) -> Result<SharedSource> {
    let mut there = Vec::new();
    let mut numbers = Vec::new();
    for member in &members {
        numbers.push(member.is_some().then_some(there.len()));
        there.extend(member.clone());
    }
    let mut array = Array {
        level,
        size,
        members,
        numbers,
    };
    array.check_complete()?;
    if matches!(level, Level::Copied) {
        array.forget_missing();
    }
    Ok(Arc::new(Mapped::new(array, there, None, cache)))
}

/// All members of an array that has each byte once.
///
/// # Errors
/// `NotFound` where any is missing.
pub(super) fn all(members: Vec<Option<SharedSource>>) -> Result<Vec<SharedSource>> {
    let missing = members.iter().filter(|member| member.is_none()).count();
    match missing {
        0 => Ok(members.into_iter().flatten().collect()),
        _ => Err(too_many(missing, members.len())),
    }
}

fn too_many(missing: usize, count: usize) -> Error {
    let text = format!("{missing} of {count} members are missing, which is too many");
    Error::not_found(text)
}

/// A chunk of a row: its member, where it is there, and which of the row's data it is.
struct Chunk {
    row: u64,
    index: u64,
    /// Bytes of the chunk before the wanted one, and from it on.
    skip: u64,
    left: u64,
}

impl Array {
    fn check_complete(&self) -> Result<()> {
        let count = to_u64(self.members.len());
        let missing = self
            .members
            .iter()
            .filter(|member| member.is_none())
            .count();
        let enough = match self.level {
            Level::Striped(_) => missing == 0,
            Level::Copied => to_u64(missing) < count,
            Level::Parity(_, layout) => {
                to_u64(missing) <= count.saturating_sub(layout.data_disks())
            }
            // From there on the members take turns as before.
            Level::Ten(ten) => (0..count).all(|chunk| self.copies(ten, chunk).next().is_some()),
        };
        if enough && count > 0 {
            return Ok(());
        }
        Err(too_many(missing, self.members.len()))
    }

    /// Forgets who is missing where no byte depends on it: one superblock may say that there are two
    /// thousand copies, and an image may have thousands of those.
    fn forget_missing(&mut self) {
        self.members.retain(Option::is_some);
        self.members.shrink_to_fit();
        self.numbers.retain(Option::is_some);
        self.numbers.shrink_to_fit();
    }

    fn number(&self, disk: u64) -> Option<usize> {
        self.numbers.get(to_usize(disk)).copied().flatten()
    }

    /// The members with the copies of a chunk, as far as they are there, and which of their chunks
    /// those are.
    fn copies(&self, ten: Ten, chunk: u64) -> impl Iterator<Item = (u64, u64)> {
        let places = (0..ten.copies()).filter_map(move |copy| ten.place(chunk, copy));
        places.filter(|(disk, _)| self.number(*disk).is_some())
    }

    fn place(&self, disk: u64, row: u64, chunk: NonZeroU64, skip: u64) -> Option<Place> {
        let member = self.number(disk)?;
        let offset = row.checked_mul(chunk.get())?.checked_add(skip)?;
        Some(Place::At { member, offset })
    }

    /// Which chunk byte `offset` is in, `width` of which make a row.
    fn chunk(chunk: NonZeroU64, width: u64, offset: u64) -> Chunk {
        let number = offset / chunk;
        let skip = offset % chunk;
        Chunk {
            row: number.checked_div(width).unwrap_or_default(),
            index: number.checked_rem(width).unwrap_or_default(),
            skip,
            left: chunk.get().saturating_sub(skip),
        }
    }

    /// Bytes that are rebuilt at a time: as many as divide a chunk.
    fn unit_size(chunk: NonZeroU64) -> u64 {
        let divides = 1_u64.checked_shl(chunk.trailing_zeros()).unwrap_or(1);
        divides.min(MOST_UNIT)
    }

    /// Where a chunk with parity is, or the unit that it is rebuilt in: a large one, and where that
    /// cannot be had, a sector.
    fn with_parity(
        &self,
        chunk: NonZeroU64,
        layout: Layout,
        offset: u64,
        attempt: u8,
    ) -> Result<Run> {
        let at = Self::chunk(chunk, layout.data_disks(), offset);
        let disk = layout.data_disk(layout.parities(at.row), at.index);
        let direct = self.place(disk, at.row, chunk, at.skip);
        let size = Self::unit_size(chunk);
        match (direct, attempt) {
            (Some(place), 0) => run(place, at.left),
            (Some(_), 1) | (None, 0) => rebuilt(offset, size, 0),
            (Some(_), 2) | (None, 1) if size > SECTOR => rebuilt(offset, SECTOR, IS_SECTOR),
            _ => Err(no_copy(attempt)),
        }
    }

    /// What the other members have beside the unit at `offset`; what cannot be read is left out.
    fn row(
        &self,
        chunk: NonZeroU64,
        layout: Layout,
        offset: u64,
        len: usize,
    ) -> (parity::Row, usize) {
        let at = Self::chunk(chunk, layout.data_disks(), offset);
        let parities = layout.parities(at.row);
        let from = at.row.saturating_mul(chunk.get()).saturating_add(at.skip);
        let read = |disk: u64| {
            let member = self.members.get(to_usize(disk))?.as_ref()?;
            read_vec(&**member, from, len).ok()
        };
        let data = (0..layout.data_disks()).map(|index| {
            let disk = layout.data_disk(parities, index);
            let block = (index != at.index).then(|| read(disk)).flatten();
            (layout.exponent(parities, disk), block)
        });
        let data: Vec<_> = data.collect();
        let p = read(parities.p);
        let missing = data.iter().filter(|(_, block)| block.is_none()).count();
        // With P and all others there is nothing that Q could add.
        let q = parities.q.filter(|_| p.is_none() || missing > 1);
        let row = parity::Row {
            data,
            p,
            q: q.and_then(read),
        };
        (row, to_usize(at.index))
    }
}

impl Map for Array {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run> {
        match self.level {
            Level::Copied => {
                let there = to_u64(self.numbers.iter().flatten().count());
                let member = usize::from(attempt);
                let left = self.size.saturating_sub(offset);
                match to_u64(member) < there {
                    true => run(Place::At { member, offset }, left),
                    false => Err(no_copy(attempt)),
                }
            }
            Level::Striped(chunk) => {
                let at = Self::chunk(chunk, to_u64(self.members.len()).max(1), offset);
                let place = self.place(at.index, at.row, chunk, at.skip);
                match (place, attempt) {
                    (Some(place), 0) => run(place, at.left),
                    _ => Err(no_copy(attempt)),
                }
            }
            Level::Ten(ten) => {
                let at = Self::chunk(ten.chunk, 1, offset);
                let place = self.copies(ten, at.row).nth(usize::from(attempt));
                let place = place.and_then(|(disk, row)| self.place(disk, row, ten.chunk, at.skip));
                run(place.ok_or_else(|| no_copy(attempt))?, at.left)
            }
            Level::Parity(chunk, layout) => self.with_parity(chunk, layout, offset, attempt),
        }
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        match self.level {
            Level::Parity(_, _) if unit & IS_SECTOR != 0 => Ok(to_usize(SECTOR)),
            Level::Parity(chunk, _) => Ok(to_usize(Self::unit_size(chunk))),
            _ => Err(Error::corrupt("nothing is rebuilt without parity")),
        }
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let Level::Parity(chunk, layout) = self.level else {
            return self.unit(unit).map(|_| ());
        };
        let number = unit & !IS_SECTOR;
        let offset = number.saturating_mul(to_u64(self.unit(unit)?));
        let (row, wanted) = self.row(chunk, layout, offset, into.len());
        row.rebuild(wanted, into).map_err(|error| error.at(offset))
    }

    fn may_be_ahead(&self, unit: u64) -> bool {
        unit & IS_SECTOR == 0
    }
}

/// The unit of `size` bytes that has byte `offset`; `kind` goes into its number.
fn rebuilt(offset: u64, size: u64, kind: u64) -> Result<Run> {
    let number = offset.checked_div(size).unwrap_or_default();
    let skip = offset.checked_rem(size).unwrap_or_default();
    let place = Place::Packed {
        unit: number | kind,
        skip: to_usize(skip),
    };
    run(place, size.saturating_sub(skip))
}

fn run(place: Place, len: u64) -> Result<Run> {
    let len = NonZeroU64::new(len).ok_or_else(|| Error::corrupt("an empty run"))?;
    Ok(Run { place, len })
}

fn no_copy(attempt: u8) -> Error {
    Error::not_found(format!("no copy {attempt}"))
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;
    use crate::source::Memory;

    #[test]
    fn copies_that_are_missing_take_no_memory() {
        let mut members = vec![None; 1919];
        let copy: SharedSource = Arc::new(Memory(vec![7; 512]));
        members.push(Some(copy));
        let mut array = None;
        let cache = Cache::new(1 << 20);
        let taken = measure(|| {
            array = Some(open(Level::Copied, 512, members, cache).unwrap());
        });
        assert!(taken.bytes_current < 4096, "{}", taken.bytes_current);
        assert_eq!(read_vec(&*array.unwrap(), 0, 512).unwrap(), [7; 512]);
    }
}
