//! Where the blocks of the disk are. [MS-VHDX] 2.4 and 2.5: the block allocation table has the
//! entries of one chunk's payload blocks, then the one of its sector bitmap, which says of each
//! sector whether it is in this file or in the parent.

use std::num::NonZeroU64;

use super::table::{CHUNK_SECTORS, Table};
use crate::error::{Error, Result};
use crate::image::bits::{self, Order};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{SharedSource, read_vec};

/// Entries that are looked at in one go.
const ENTRIES: u64 = 64;
/// Bytes of a bitmap that are looked at in one go.
const BITMAP: u64 = 512;
/// The unit of `FileOffsetMB`, and the least place of a block.
const MIB: u64 = 1 << 20;

/// 2.5.1.1, "Payload BAT Entry States".
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const FULLY_PRESENT: u64 = 6;
const PARTIALLY_PRESENT: u64 = 7;
/// 2.5.1.2, "Sector Bitmap BAT Entry States".
const BITMAP_PRESENT: u64 = 6;

/// The map.
pub(super) struct Disk {
    source: SharedSource,
    table: Table,
}

/// What an entry says of a payload block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// In the parent, or nowhere.
    Unwritten,
    Zeros,
    Here(u64),
    /// Here as far as the sector bitmap says.
    Partly(u64),
}

impl Disk {
    /// The disk whose blocks `table` of `source` has.
    pub(super) fn new(source: SharedSource, table: Table) -> Self {
        Self { source, table }
    }

    /// `count` entries of the table from `index` on.
    fn entries(&self, index: u64, count: u64) -> Result<Vec<u64>> {
        let offset = self.entry_at(index);
        let bytes = read_vec(&*self.source, offset, to_usize(count.saturating_mul(8)))?;
        let entries = bytes.chunks_exact(8);
        let entries = entries.filter_map(|entry| entry.try_into().ok().map(u64::from_le_bytes));
        Ok(entries.collect())
    }

    /// Where entry `index` of the table is in the file.
    fn entry_at(&self, index: u64) -> u64 {
        let skip = index.saturating_mul(8);
        skip.saturating_add(self.table.bat.offset)
    }

    /// What `entry` of a payload block says.
    ///
    /// # Errors
    /// `Corrupt` for a place outside of the file, and a state that there is not; where the entry is
    /// the caller knows.
    fn block(&self, entry: u64) -> Result<Block> {
        let offset = (entry / MIB).saturating_mul(MIB);
        let is_inside = offset >= MIB && offset < self.source.size();
        match entry & 7 {
            NOT_PRESENT => Ok(Block::Unwritten),
            UNDEFINED | ZERO | UNMAPPED => Ok(Block::Zeros),
            FULLY_PRESENT | PARTIALLY_PRESENT if !is_inside => {
                let size = self.source.size();
                Err(Error::corrupt(format!(
                    "FileOffsetMB of the BAT entry {entry:#x} is outside of the file's {size} bytes"
                )))
            }
            FULLY_PRESENT => Ok(Block::Here(offset)),
            PARTIALLY_PRESENT if self.table.is_differencing => Ok(Block::Partly(offset)),
            PARTIALLY_PRESENT => Err(Error::corrupt(format!(
                "BAT entry {entry:#x}: the block is partially present, and there is no parent"
            ))),
            state => Err(Error::corrupt(format!(
                "BAT entry {entry:#x} has payload block state {state}, which there is not"
            ))),
        }
    }

    fn run(&self, offset: u64) -> Result<(Place, u64)> {
        let number = offset.checked_div(self.table.block_size).unwrap_or(0);
        let within = offset.checked_rem(self.table.block_size).unwrap_or(0);
        let chunk = number.checked_div(self.table.chunk_ratio).unwrap_or(0);
        let in_chunk = number.checked_rem(self.table.chunk_ratio).unwrap_or(0);
        let left = self.table.chunk_ratio.saturating_sub(in_chunk);
        let count = self
            .table
            .blocks()
            .saturating_sub(number)
            .min(left)
            .min(ENTRIES);
        let index = number.saturating_add(chunk);
        let entries = self.entries(index, count)?;
        let first = entries.first().ok_or_else(|| Error::corrupt("no entry"));
        let first = first.and_then(|first| self.block(*first));
        let first = first.map_err(|error| error.at(self.entry_at(index)))?;
        let blocks = entries.iter().enumerate().take_while(|(index, entry)| {
            self.block(**entry)
                .is_ok_and(|it| it == self.behind(first, to_u64(*index)))
        });
        let len = to_u64(blocks.count())
            .max(1)
            .saturating_mul(self.table.block_size)
            .saturating_sub(within);
        match first {
            Block::Unwritten => Ok((self.unwritten(), len)),
            Block::Zeros => Ok((Place::Zeros, len)),
            Block::Here(start) => self.here(start, within, len),
            Block::Partly(start) => {
                let left = self.table.block_size.saturating_sub(within);
                match self.written(offset, chunk)? {
                    (true, len) => self.here(start, within, len.min(left)),
                    (false, len) => Ok((Place::Backing, len.min(left))),
                }
            }
        }
    }

    /// What the block `index` blocks behind `first` is if both are one piece.
    fn behind(&self, first: Block, index: u64) -> Block {
        match first {
            Block::Here(start) => {
                Block::Here(start.saturating_add(index.saturating_mul(self.table.block_size)))
            }
            other => other,
        }
    }

    fn unwritten(&self) -> Place {
        match self.table.is_differencing {
            true => Place::Backing,
            false => Place::Absent,
        }
    }

    /// `len` bytes of the block at `start`, as far as the file has them.
    fn here(&self, start: u64, within: u64, len: u64) -> Result<(Place, u64)> {
        let at = start.saturating_add(within);
        let size = self.source.size();
        let there = size.saturating_sub(at).min(len);
        if there == 0 {
            let text = format!("the file of {size} bytes ends in the block");
            return Err(Error::corrupt(text).at(at));
        }
        let place = Place::At {
            member: 0,
            offset: at,
        };
        Ok((place, there))
    }

    /// Whether the sector at `offset` of the disk, in chunk number `chunk`, is in this file, and for
    /// how many bytes the same is true.
    fn written(&self, offset: u64, chunk: u64) -> Result<(bool, u64)> {
        let ratio = self.table.chunk_ratio;
        let index = chunk
            .saturating_mul(ratio.saturating_add(1))
            .saturating_add(ratio);
        let entry = self.entries(index, 1)?;
        let entry = *entry.first().ok_or_else(|| Error::corrupt("no entry"))?;
        if entry & 7 != BITMAP_PRESENT {
            let text = format!("sector bitmap block state {} of chunk {chunk}", entry & 7);
            return Err(Error::corrupt(text).at(self.entry_at(index)));
        }
        let bitmap = (entry / MIB).saturating_mul(MIB);
        let sector = offset.checked_div(self.table.sector_size).unwrap_or(0) % CHUNK_SECTORS;
        let first = sector / 8;
        let at = bitmap.saturating_add(first);
        let len = (MIB.saturating_sub(first)).min(BITMAP);
        if bitmap < MIB || at.saturating_add(len) > self.source.size() {
            let text =
                format!("entry {entry:#x} of chunk {chunk}'s sector bitmap leads out of the file");
            return Err(Error::corrupt(text).at(self.entry_at(index)));
        }
        let bytes = read_vec(&*self.source, at, to_usize(len))?;
        let run = bits::run(&bytes, to_usize(sector % 8), Order::LowFirst);
        let (is_here, sectors) = run.ok_or_else(|| Error::corrupt("no bitmap"))?;
        let len = to_u64(sectors).saturating_mul(self.table.sector_size);
        let skip = offset.checked_rem(self.table.sector_size).unwrap_or(0);
        Ok((is_here, len.saturating_sub(skip)))
    }
}

impl Map for Disk {
    fn size(&self) -> u64 {
        self.table.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (place, len) = self.run(offset).map_err(|error| {
            let block = offset.checked_div(self.table.block_size).unwrap_or(0);
            error.context(format!("block {block}"))
        })?;
        Ok(Run {
            place,
            len: NonZeroU64::new(len).unwrap_or(NonZeroU64::MIN),
        })
    }
}
