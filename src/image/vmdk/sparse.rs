//! A sparse extent: a directory of tables of grains. "Virtual Disk Format 5.0", section "Hosted
//! Sparse Extents": the grain directory has the place of each grain table, and each table the place
//! of a fixed number of grains.
//!
//! Nothing is loaded when it opens: both are read as they are needed, through the cached source,
//! and no more than a few entries beyond the one that was asked for.

use super::grain::Packing;
use super::layout::SECTOR;
use super::voice::Voice;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, read_vec};

/// Entries that are looked at for one run: a whole table, but for the smallest grains.
const MOST_AHEAD: u64 = 4096;

/// A sparse extent whose header was checked.
pub(super) struct Sparse {
    /// The file.
    pub(super) source: SharedSource,
    /// Bytes of the disk that it holds.
    pub(super) capacity: u64,
    /// Bytes of a grain.
    pub(super) grain: u64,
    /// Entries of a grain table.
    pub(super) per_table: u64,
    /// Where the grain directory is, in bytes.
    pub(super) directory: u64,
    /// Where its copy is, which leads to copies of the tables.
    pub(super) redundant: Option<u64>,
    /// How entries are written.
    pub(super) form: Form,
    /// Where to say that the copy had to be used.
    pub(super) voice: Voice,
}

/// How the entries of directory and tables are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// 32 bits: a sector. In hosted and in ESX Server sparse extents.
    Sectors {
        /// An entry of 1 stands for zeros.
        zeroed: bool,
        /// How grains are compressed, if they are.
        packing: Option<Packing>,
    },
    /// 64 bits: a kind in the highest four, and an index.
    SpaceEfficient {
        /// Where table 0 is, in bytes.
        tables: u64,
        /// Where grain 0 is, in bytes.
        grains: u64,
    },
}

/// Where a grain, or a table of them, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    /// Never written here: the parent's, or zeros.
    Absent,
    /// It is zeros.
    Zeros,
    /// At this byte of the file.
    At(u64),
    /// Compressed, at this byte of the file.
    Packed(u64),
}

/// Bytes of one kind from some offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where they are. For [`Grain::At`] the byte that was asked for, not the grain's first.
    pub(super) grain: Grain,
    /// How many, at least 1 and never past the end of the extent.
    pub(super) len: u64,
}

impl Sparse {
    /// How many tables the capacity needs.
    pub(super) fn tables(&self) -> u64 {
        self.capacity.div_ceil(self.span())
    }

    /// Checks that `directory` lies in the file.
    ///
    /// # Errors
    /// `Corrupt`, for the field called `name`; where that is the caller knows.
    pub(super) fn check_directory(&self, directory: u64, name: &str) -> Result<()> {
        let tables = self.tables();
        let end = tables.checked_mul(self.width());
        let end = end.and_then(|bytes| bytes.checked_add(directory));
        if directory > 0 && end.is_some_and(|end| end <= self.source.size()) {
            return Ok(());
        }
        let size = self.source.size();
        Err(Error::corrupt(format!(
            "{name} {directory:#x}: the grain directory's {tables} entries are not in the file's \
             {size} bytes"
        )))
    }

    /// Where the byte `offset` of the extent is, which is below its capacity.
    ///
    /// # Errors
    /// `Corrupt` where its entry leads nowhere, in the redundant tables too if there are any.
    pub(super) fn run_at(&self, offset: u64) -> Result<Found> {
        let Some(redundant) = self.redundant else {
            return self.run_by(self.directory, offset);
        };
        match self.table_at(self.directory, offset) {
            // Where one entry is damaged, it is that one's bytes alone that the copy is asked for.
            Ok(Grain::At(table)) => self.run_in(table, offset).or_else(|error| {
                let copy = self.run_by(redundant, offset).map_err(|_| error)?;
                Ok(self.copied(copy).within(self.grain, offset))
            }),
            first => self.run_without_table(first, redundant, offset),
        }
    }

    /// [`Sparse::run_at`] where the directory has no table or, as `first` says, a damaged entry.
    /// Tables are made with the disk in extents that have a copy of them: where one is missing on
    /// one side only, that side is damaged.
    fn run_without_table(
        &self,
        first: Result<Grain>,
        redundant: u64,
        offset: u64,
    ) -> Result<Found> {
        match (first, self.table_at(redundant, offset)) {
            (_, Ok(Grain::At(table))) => Ok(self.copied(self.run_in(table, offset)?)),
            (Ok(own), Ok(copy)) => {
                let found = self.empty(self.directory, own, offset);
                let copy = self.empty(redundant, copy, offset);
                Ok(Found {
                    len: found.len.min(copy.len),
                    ..found
                })
            }
            (Ok(own), Err(_)) => {
                let found = self.empty(self.directory, own, offset);
                Ok(found.within(self.span(), offset))
            }
            (Err(_), Ok(copy)) => {
                let found = self.copied(self.empty(redundant, copy, offset));
                Ok(found.within(self.span(), offset))
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn copied(&self, copy: Found) -> Found {
        self.voice
            .say("the grain directory or a grain table is damaged, its redundant copy is used");
        copy
    }

    /// The table in `directory` that has the byte `offset` of the extent.
    fn table_at(&self, directory: u64, offset: u64) -> Result<Grain> {
        let index = offset.checked_div(self.span()).unwrap_or(0);
        let table = self.table(self.entry(directory, index)?);
        table.map_err(|error| error.at(self.entry_at(directory, index)))
    }

    /// [`Sparse::run_at`] by one of the two directories.
    fn run_by(&self, directory: u64, offset: u64) -> Result<Found> {
        match self.table_at(directory, offset)? {
            Grain::At(table) | Grain::Packed(table) => self.run_in(table, offset),
            none => Ok(self.empty(directory, none, offset)),
        }
    }

    /// The run at `offset` where `directory` has no table, as `none` says.
    fn empty(&self, directory: u64, none: Grain, offset: u64) -> Found {
        let span = self.span();
        let index = offset.checked_div(span).unwrap_or(0);
        let count = self.tables().saturating_sub(index);
        let same = |entry| self.table(entry).is_ok_and(|other| other == none);
        let tables = self.count(directory, index, count, |entry, _| same(entry));
        let end = index.saturating_add(tables).saturating_mul(span);
        self.found(none, offset, end)
    }

    /// The run at `offset` by the table at byte `table` of the file.
    fn run_in(&self, table: u64, offset: u64) -> Result<Found> {
        let index = offset.checked_div(self.grain).unwrap_or(0);
        let within = index.checked_rem(self.per_table).unwrap_or(0);
        let grain = self.grain_of(self.entry(table, within)?);
        let grain = grain.map_err(|error| error.at(self.entry_at(table, within)))?;
        let left = self.capacity.div_ceil(self.grain).saturating_sub(index);
        let count = self.per_table.saturating_sub(within).min(left);
        let follows = |entry, before: u64| {
            let next = grain.after(before.saturating_mul(self.grain));
            next.is_some() && self.grain_of(entry).ok() == next
        };
        let grains = match grain {
            Grain::Packed(_) => 1,
            _ => self.count(table, within, count, follows),
        };
        let end = index.saturating_add(grains).saturating_mul(self.grain);
        let skip = offset.checked_rem(self.grain).unwrap_or(0);
        let grain = grain.after(skip).unwrap_or(grain);
        Ok(self.found(grain, offset, end))
    }

    fn found(&self, grain: Grain, offset: u64, end: u64) -> Found {
        let len = end.min(self.capacity).saturating_sub(offset).max(1);
        Found { grain, len }
    }

    /// How many of the `limit` entries at `base` from number `from` on make one run: the first, and
    /// each that `follows`, which gets the entry and its distance from the first.
    fn count(&self, base: u64, from: u64, limit: u64, follows: impl Fn(u64, u64) -> bool) -> u64 {
        let limit = limit.min(MOST_AHEAD);
        let (mut count, mut step) = (1, 16);
        while count < limit {
            let wanted = limit.saturating_sub(count).min(step);
            let Ok(entries) = self.entries(base, from.saturating_add(count), wanted) else {
                break;
            };
            for entry in entries {
                if !follows(entry, count) {
                    return count;
                }
                count = count.saturating_add(1);
            }
            step = step.saturating_mul(4);
        }
        count
    }

    /// What an entry of the directory says.
    fn table(&self, entry: u64) -> Result<Grain> {
        let at = match self.form {
            _ if entry == 0 => return Ok(Grain::Absent),
            Form::Sectors { zeroed: true, .. } if entry == 1 => return Ok(Grain::Zeros),
            Form::Sectors { .. } => entry.checked_mul(SECTOR),
            Form::SpaceEfficient { tables, .. } => {
                if entry >> 32 != 0x1000_0000 {
                    let text =
                        format!("grain directory entry {entry:#x} is not 0x10000000xxxxxxxx");
                    return Err(Error::corrupt(text));
                }
                let bytes = self.per_table.checked_mul(self.width());
                let skip = bytes.and_then(|bytes| bytes.checked_mul(entry & 0xffff_ffff));
                skip.and_then(|skip| skip.checked_add(tables))
            }
        };
        self.inside(at, "directory", entry).map(Grain::At)
    }

    /// What an entry of a table says.
    fn grain_of(&self, entry: u64) -> Result<Grain> {
        match self.form {
            _ if entry == 0 => Ok(Grain::Absent),
            Form::Sectors { zeroed, packing } => {
                if entry == 1 && zeroed {
                    return Ok(Grain::Zeros);
                }
                let at = self.inside(entry.checked_mul(SECTOR), "table", entry)?;
                Ok(packing.map_or(Grain::At(at), |_| Grain::Packed(at)))
            }
            Form::SpaceEfficient { grains, .. } => match entry >> 60 {
                // A grain that the guest unmapped reads as zeros, not as the parent's.
                1 | 2 => Ok(Grain::Zeros),
                3 => {
                    // The low 48 bits are the index's high ones, and the 12 above its low ones.
                    let low = (entry >> 48) & 0xfff;
                    let index = (entry & 0xffff_ffff_ffff) << 12 | low;
                    let skip = index.checked_mul(self.grain);
                    let at = skip.and_then(|skip| skip.checked_add(grains));
                    self.inside(at, "table", entry).map(Grain::At)
                }
                kind => Err(Error::corrupt(format!(
                    "grain table entry {entry:#x} is of kind {kind}, not 1 to 3"
                ))),
            },
        }
    }

    /// `at`, if the file has a byte there. Its last grain may end before the sector does.
    fn inside(&self, at: Option<u64>, of: &str, entry: u64) -> Result<u64> {
        let size = self.source.size();
        let fits = |at: &u64| *at < size;
        at.filter(fits).ok_or_else(|| {
            Error::corrupt(format!(
                "grain {of} entry {entry:#x} leads out of the file's {size} bytes"
            ))
        })
    }

    fn entry(&self, base: u64, index: u64) -> Result<u64> {
        let entries = self.entries(base, index, 1)?;
        let first = entries.first().copied();
        first.ok_or_else(|| Error::corrupt("no such grain table entry").at(base))
    }

    /// Where entry `index` of the directory or table at byte `base` is in the file.
    fn entry_at(&self, base: u64, index: u64) -> u64 {
        base.saturating_add(index.saturating_mul(self.width()))
    }

    /// `count` entries at `base` from number `index` on.
    fn entries(&self, base: u64, index: u64, count: u64) -> Result<Vec<u64>> {
        let width = self.width();
        let at = self.entry_at(base, index);
        let len = to_usize(count.saturating_mul(width));
        let size = self.source.size();
        if at.checked_add(to_u64(len)).is_none_or(|end| end > size) {
            let text = format!(
                "entry {index} of the grain table at {base:#x} is not in the file's {size} bytes"
            );
            return Err(Error::corrupt(text).at(at));
        }
        let bytes = read_vec(&*self.source, at, len)?;
        let entries = bytes.chunks_exact(to_usize(width)).map(|bytes| {
            let mut entry = [0; 8];
            entry
                .iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            u64::from_le_bytes(entry)
        });
        Ok(entries.collect())
    }

    /// Bytes of an entry.
    fn width(&self) -> u64 {
        match self.form {
            Form::Sectors { .. } => 4,
            Form::SpaceEfficient { .. } => 8,
        }
    }

    /// Bytes of the disk for which one table stands; never 0.
    fn span(&self) -> u64 {
        self.per_table.saturating_mul(self.grain).max(1)
    }
}

impl Found {
    /// The same, which is at `offset`, up to the next multiple of `unit` bytes.
    fn within(self, unit: u64, offset: u64) -> Self {
        let left = unit.saturating_sub(offset.checked_rem(unit).unwrap_or(0));
        Self {
            len: self.len.min(left.max(1)),
            ..self
        }
    }
}

impl Grain {
    /// What continues it `skip` bytes further on; `None` for what nothing continues.
    fn after(self, skip: u64) -> Option<Self> {
        match self {
            Self::Absent | Self::Zeros => Some(self),
            Self::At(at) => at.checked_add(skip).map(Self::At),
            Self::Packed(_) => None,
        }
    }
}
