//! Where the blocks of a dynamic or differencing disk are. "Block Allocation Table and Data
//! Blocks": an entry is the sector of the block's bitmap, behind which its data are.
//!
//! The bitmap says which sectors were written. In a differencing disk the others are the parent's;
//! in a dynamic disk they are zeros, which is what stands there, so that QEMU, and this, need not
//! look.

use std::num::NonZeroU64;

use super::dynamic::Dynamic;
use super::layout::{SECTOR, UNUSED};
use crate::error::{Error, Result};
use crate::image::bits::{self, Order};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{SharedSource, read_vec};

/// Entries that are looked at in one go for blocks that are not in the file.
const ENTRIES: u64 = 128;

/// Bytes of a bitmap that are looked at in one go: the whole of one of a block of 2 MiB.
const BITMAP: u64 = 512;

/// The map.
pub(super) struct Disk {
    pub(super) source: SharedSource,
    pub(super) header: Dynamic,
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Whether what is not here is in a parent.
    pub(super) is_differencing: bool,
}

impl Disk {
    /// The entries from block `first` on, at most [`ENTRIES`].
    fn entries(&self, first: u64) -> Result<Vec<u32>> {
        let count = self.header.entries.saturating_sub(first).min(ENTRIES);
        let offset = self.entry_at(first);
        let bytes = read_vec(&*self.source, offset, to_usize(count.saturating_mul(4)))?;
        let entries = bytes.chunks_exact(4);
        let entries = entries.filter_map(|entry| entry.try_into().ok().map(u32::from_be_bytes));
        Ok(entries.collect())
    }

    /// Where the entry of `block` is in the file.
    fn entry_at(&self, block: u64) -> u64 {
        let skip = block.saturating_mul(4);
        skip.saturating_add(self.header.table_offset)
    }

    /// What is not in this file.
    fn unwritten(&self) -> Place {
        match self.is_differencing {
            true => Place::Backing,
            false => Place::Absent,
        }
    }

    /// Where byte `within` of the block is whose entry is `entry`, and bytes from there on.
    fn block(&self, entry: u32, within: u64) -> Result<(Place, u64)> {
        let bitmap = u64::from(entry).saturating_mul(SECTOR);
        let data = bitmap.saturating_add(self.header.bitmap_size());
        let at = data.saturating_add(within);
        let left = self.header.block_size.saturating_sub(within);
        let size = self.source.size();
        let there = size.saturating_sub(at).min(left);
        let nothing = || {
            let text = format!("BAT entry {entry:#x} leads to no block of the file's {size} bytes");
            Error::corrupt(text)
        };
        if entry == 0 || data > size {
            return Err(nothing());
        }
        // What is the parent's need not be in this file, which may end before it.
        let (is_here, len) = match self.is_differencing {
            true => self.written(bitmap, within)?,
            false => (true, left),
        };
        let offset = at;
        match is_here {
            true if there == 0 => Err(nothing()),
            true => Ok((Place::At { member: 0, offset }, len.min(there))),
            false => Ok((Place::Backing, len.min(left))),
        }
    }

    /// Whether byte `within` of a block is in this file, and for how many the same is true.
    fn written(&self, bitmap: u64, within: u64) -> Result<(bool, u64)> {
        let sector = within / SECTOR;
        let first = sector / 8;
        let len = self.header.bitmap_size().saturating_sub(first).min(BITMAP);
        let bytes = read_vec(&*self.source, bitmap.saturating_add(first), to_usize(len))?;
        let run = bits::run(&bytes, to_usize(sector % 8), Order::HighFirst);
        let (is_here, sectors) = run.ok_or_else(|| Error::corrupt("no bitmap"))?;
        let len = to_u64(sectors).saturating_mul(SECTOR);
        Ok((is_here, len.saturating_sub(within % SECTOR)))
    }

    fn run(&self, offset: u64) -> Result<(Place, u64)> {
        let block_size = self.header.block_size;
        let block = offset.checked_div(block_size).unwrap_or(0);
        let within = offset.checked_rem(block_size).unwrap_or(0);
        let entries = self.entries(block)?;
        let unused = entries.iter().take_while(|entry| **entry == UNUSED);
        let unused = to_u64(unused.count()).saturating_mul(block_size);
        match entries.first() {
            Some(&UNUSED) => Ok((self.unwritten(), unused.saturating_sub(within))),
            Some(entry) => self.block(*entry, within),
            None => Err(Error::corrupt("no entry for the block")),
        }
        .map_err(|error| {
            let at = self.entry_at(block);
            error.context(format!("block {block}")).at(at)
        })
    }
}

impl Map for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (place, len) = self.run(offset)?;
        Ok(Run {
            place,
            len: NonZeroU64::new(len).unwrap_or(NonZeroU64::MIN),
        })
    }
}
