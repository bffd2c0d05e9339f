//! The tables that are found by number: ids, fragments, inodes by number, extended attributes. The
//! entries lie in metadata blocks, and the first bytes of these in an index behind them.

use zerocopy::{FromBytes, IntoBytes};

use super::core::Core;
use super::layout::NONE_64;
use super::metadata::Place;
use super::packed::Packed;
use super::superblock::METADATA_SIZE;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};

/// Bytes of an entry of the index.
const POINTER: u64 = 8;
/// Bytes of entries in each of the metadata blocks but the last.
const BLOCK: u64 = to_u64(METADATA_SIZE);

/// One table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// What an entry is called in messages.
    name: &'static str,
    /// First byte of the index.
    index: u64,
    /// How many entries there are.
    pub(super) count: u64,
    /// First byte of the first metadata block.
    pub(super) start: u64,
}

impl Table {
    /// The table of `count` entries of `size` bytes each, whose index is at `index`.
    ///
    /// # Errors
    /// `Corrupt` where the index leaves the file system, or does not lie behind its blocks.
    pub(super) fn open(
        packed: &Packed,
        name: &'static str,
        (index, count): (u64, u64),
        size: usize,
    ) -> Result<Self> {
        let wrong = |text: String| Error::corrupt(format!("table of {name}: {text}")).at(index);
        if index == NONE_64 || count == 0 {
            return Err(wrong(format!("{count} entries at {index:#x}")));
        }
        let blocks = blocks_of(count, size);
        let read = |number| pointer(packed, index, number).context(|| format!("table of {name}"));
        // An index that leaves the file system is refused before it is read through.
        read(blocks.saturating_sub(1))?;
        let first = read(0)?;
        let mut previous = None;
        for number in 0..blocks {
            let start = read(number)?;
            if previous.is_some_and(|previous| start <= previous) || start >= index {
                return Err(wrong(format!("block {number} is at {start:#x}")));
            }
            previous = Some(start);
        }
        Ok(Self {
            name,
            index,
            count,
            start: first,
        })
    }

    /// Entry `number`.
    ///
    /// # Errors
    /// `Corrupt` for a number that the table does not have; what makes its block unreadable.
    pub(super) fn entry<T: FromBytes + IntoBytes>(
        &self,
        core: &Core,
        request: &Request,
        number: u64,
    ) -> Result<T> {
        let name = self.name;
        if number >= self.count {
            let count = self.count;
            return Err(Error::corrupt(format!("{name} {number} of {count}")));
        }
        let place = self.place::<T>(core, number)?;
        let mut reader = core.metadata.reader(request, place);
        reader.value().context(|| format!("{name} {number}"))
    }

    fn place<T>(&self, core: &Core, number: u64) -> Result<Place> {
        let byte = number.saturating_mul(to_u64(size_of::<T>()));
        Ok(Place {
            block: pointer(&core.packed, self.index, byte / BLOCK)?,
            offset: to_usize(byte % BLOCK),
        })
    }
}

fn blocks_of(count: u64, size: usize) -> u64 {
    count.saturating_mul(to_u64(size)).div_ceil(BLOCK)
}

/// The first byte of metadata block `number` by the index at `index`.
fn pointer(packed: &Packed, index: u64, number: u64) -> Result<u64> {
    let mut bytes = [0; 8];
    let at = index.saturating_add(number.saturating_mul(POINTER));
    packed.read(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}
