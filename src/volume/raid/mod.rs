//! Arrays, whoever describes them: where the bytes are in stripes, copies and rows with parity, and
//! how they are had where a member is missing or cannot be read.

mod parity;
mod rotation;

use std::num::NonZeroU64;
use std::sync::Arc;

pub(super) use self::rotation::{Layout, Rotation};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Mapped, Place, Run};
use crate::source::{SharedSource, read_vec};

/// Bytes of the most that is rebuilt at a time.
const MOST_UNIT: u64 = 64 << 10;

/// How an array's bytes lie on its members.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// RAID 0: chunks of so many bytes in turn.
    Striped(NonZeroU64),
    /// RAID 1: everything on each.
    Copied,
    /// RAID 4, 5 and 6: rows of chunks, with parity.
    Parity(NonZeroU64, Layout),
    /// RAID 10, near: each chunk so many times, one behind the other.
    Near(NonZeroU64, u64),
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
    let array = Array {
        level,
        size,
        members,
        numbers,
    };
    array.check_complete()?;
    Ok(Arc::new(Mapped::new(array, there, None, cache)))
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
            Level::Near(_, copies) => (0..count).all(|chunk| {
                let mut disks = (0..copies).map(|copy| self.near(chunk, copies, copy).0);
                disks.any(|disk| self.number(disk).is_some())
            }),
        };
        if enough && count > 0 {
            return Ok(());
        }
        let text = format!("{missing} of {count} members are missing, which is too many");
        Err(Error::not_found(text))
    }

    fn number(&self, disk: u64) -> Option<usize> {
        self.numbers.get(to_usize(disk)).copied().flatten()
    }

    /// The disk and the row of copy number `copy` of a chunk.
    fn near(&self, chunk: u64, copies: u64, copy: u64) -> (u64, u64) {
        let count = to_u64(self.members.len());
        let place = chunk.saturating_mul(copies).saturating_add(copy);
        let disk = place.checked_rem(count).unwrap_or_default();
        (disk, place.checked_div(count).unwrap_or_default())
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

    /// Where a chunk with parity is, or the unit that it is rebuilt in.
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
        match (direct, attempt) {
            (Some(place), 0) => run(place, at.left),
            (Some(_), 1) | (None, 0) => {
                let size = Self::unit_size(chunk);
                let unit = offset.checked_div(size).unwrap_or_default();
                let skip = offset.checked_rem(size).unwrap_or_default();
                let place = Place::Packed {
                    unit,
                    skip: to_usize(skip),
                };
                run(place, size.saturating_sub(skip))
            }
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
            Level::Near(chunk, copies) => {
                let at = Self::chunk(chunk, 1, offset);
                let places = (0..copies).filter_map(|copy| {
                    let (disk, row) = self.near(at.row, copies, copy);
                    self.place(disk, row, chunk, at.skip)
                });
                let place = places.into_iter().nth(usize::from(attempt));
                run(place.ok_or_else(|| no_copy(attempt))?, at.left)
            }
            Level::Parity(chunk, layout) => self.with_parity(chunk, layout, offset, attempt),
        }
    }

    fn unit(&self, _unit: u64) -> Result<usize> {
        match self.level {
            Level::Parity(chunk, _) => Ok(to_usize(Self::unit_size(chunk))),
            _ => Err(Error::corrupt("nothing is rebuilt without parity")),
        }
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let Level::Parity(chunk, layout) = self.level else {
            return self.unit(unit).map(|_| ());
        };
        let offset = unit.saturating_mul(Self::unit_size(chunk));
        let (row, wanted) = self.row(chunk, layout, offset, into.len());
        row.rebuild(wanted, into).map_err(|error| error.at(offset))
    }
}

fn run(place: Place, len: u64) -> Result<Run> {
    let len = NonZeroU64::new(len).ok_or_else(|| Error::corrupt("an empty run"))?;
    Ok(Run { place, len })
}

fn no_copy(attempt: u8) -> Error {
    Error::not_found(format!("no copy {attempt}"))
}
