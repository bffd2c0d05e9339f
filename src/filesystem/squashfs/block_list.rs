//! The blocks of a file: a list of their sizes lies behind the inode, and each begins where the
//! one before it ended. So finding one means adding up all sizes before it.
//!
//! Of a list that goes over more than one metadata block a trail is kept in the cache, made in one
//! pass when something behind the first of them is read: for every 2048th block of the file, where
//! its bytes and where its entry of the list begin.

use super::core::Core;
use super::inode::{File, InodeRecord};
use super::metadata::{Place, Reader};
use crate::cache::Block;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};

/// Says that a block is stored as it is.
const UNCOMPRESSED: u32 = 1 << 24;
/// Blocks between two places of a trail: their sizes fill a metadata block.
const STEP: u64 = 2048;
/// Bytes of a place in a trail: first byte of the block, metadata block, offset in it.
const MARK: usize = 24;
/// Places in a trail: with the usual blocks enough for 8 TiB. Behind that the list is walked.
const MOST_MARKS: u64 = 1 << 15;

/// A block of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is zeros, and not stored.
    Hole,
    /// From this byte of the volume on, as it is.
    Plain { start: u64, size: u32 },
    /// From this byte of the volume on, compressed.
    Compressed { start: u64, size: u32 },
}

impl Stored {
    /// What `word`, an entry of a block list or of the table of fragments, says of the block at
    /// `start`.
    ///
    /// # Errors
    /// `Corrupt` for a size that no block has.
    pub(super) fn of(word: u32, start: u64) -> Result<Self> {
        let size = word & !UNCOMPRESSED;
        Ok(match (word, size) {
            (0, _) => Self::Hole,
            (_, 1..UNCOMPRESSED) if word & UNCOMPRESSED != 0 => Self::Plain { start, size },
            (_, 1..UNCOMPRESSED) => Self::Compressed { start, size },
            _ => return Err(Error::corrupt(format!("a block of size {word:#x}")).at(start)),
        })
    }
}

/// The blocks of a file from some number on.
#[derive(Clone)]
pub(super) struct BlockList<'a> {
    reader: Reader<'a>,
    /// Where the next block begins.
    start: u64,
    /// How many blocks are left.
    left: u64,
}

/// Whole blocks of `inode`, and the last one where no fragment has its bytes.
pub(super) fn count(core: &Core, inode: &InodeRecord, file: &File) -> u64 {
    let whole = inode.size.wrapping_shr(core.superblock.block_log);
    let rest = inode.size & to_u64(core.superblock.block_size).saturating_sub(1);
    let is_block = rest > 0 && file.fragment.is_none();
    whole.saturating_add(is_block.into())
}

impl<'a> BlockList<'a> {
    /// From block `number` on, which may be the one behind the last.
    ///
    /// # Errors
    /// What makes the list up to there unreadable.
    pub(super) fn open(
        core: &'a Core,
        request: &'a Request,
        (inode, file): (&InodeRecord, &File),
        number: u64,
    ) -> Result<Self> {
        let count = count(core, inode, file);
        let (mut list, mut at) = (Self::at(core, request, file, count), 0);
        if number >= STEP && number < count {
            let trail = trail(core, request, (inode, file))?;
            let marks = to_u64(trail.len() / MARK);
            let index = (number / STEP).min(marks);
            if let Some((start, place)) = index.checked_sub(1).and_then(|i| mark(&trail, i)) {
                at = index.saturating_mul(STEP);
                list.reader = core.metadata.reader(request, place);
                list.start = start;
                list.left = count.saturating_sub(at);
            }
        }
        for _ in at..number.min(count) {
            list.next()?;
        }
        Ok(list)
    }

    /// From the first block on.
    fn at(core: &'a Core, request: &'a Request, file: &File, count: u64) -> Self {
        Self {
            reader: core.metadata.reader(request, file.list),
            start: file.start,
            left: count,
        }
    }

    /// The next block.
    ///
    /// # Errors
    /// What makes the list unreadable; `Corrupt` for a size that no block has.
    pub(super) fn next(&mut self) -> Result<Option<Stored>> {
        if self.left == 0 {
            return Ok(None);
        }
        let word = u32::from_le_bytes(self.reader.value()?);
        let stored = Stored::of(word, self.start)?;
        self.start = self.start.saturating_add(u64::from(word & !UNCOMPRESSED));
        self.left = self.left.saturating_sub(1);
        Ok(Some(stored))
    }
}

/// The trail of `inode`, as far as its list can be read: it is read where it cannot be, too, by who
/// comes to that part.
fn trail(core: &Core, request: &Request, (inode, file): (&InodeRecord, &File)) -> Result<Block> {
    let make = || {
        let count = count(core, inode, file);
        let mut list = BlockList::at(core, request, file, count);
        let mut trail = Vec::new();
        for number in 1..=count.min(STEP.saturating_mul(MOST_MARKS)) {
            if list.next().is_err() {
                // Unless it was the request that ended, which says nothing of the list: then it has
                // no steps for another block either.
                core.metadata.still(request)?;
                break;
            }
            if number % STEP == 0 {
                let Place { block, offset } = list.reader.place();
                for value in [list.start, block, to_u64(offset)] {
                    trail.extend(value.to_le_bytes());
                }
            }
        }
        Ok(Block::from(trail))
    };
    let visit = core.cache.visit();
    core.cache
        .visit_or_read(core.trails, inode.reference, visit, make)
}

/// Where block `(index + 1) * STEP` and its entry of the list begin.
fn mark(trail: &Block, index: u64) -> Option<(u64, Place)> {
    let bytes = trail.chunks_exact(MARK).nth(to_usize(index))?;
    let mut values = bytes.chunks_exact(8).filter_map(|value| {
        let value = value.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*value))
    });
    let start = values.next()?;
    let block = values.next()?;
    let offset = to_usize(values.next()?);
    Some((start, Place { block, offset }))
}
