//! The bytes of a file: whole blocks, and what is left behind them in a fragment that small files
//! share.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering;

use super::block_list::{self, BlockList, Stored};
use super::core::Core;
use super::inode::{File, InodeRecord};
use super::layout::RawFragment;
use super::packed::DataUnit;
use crate::cache::Visit;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{Request, length_to};
use crate::number::{to_u64, to_usize};
use crate::source::decoded::Read;
use crate::source::{Extent, ExtentKind};

/// The number of the stream of fragments among those of files, which have that of their inode.
const FRAGMENTS: u64 = u64::MAX;
/// How far apart fragments are in that stream: further than what still counts as near.
const APART: u64 = 1 << 20;
/// Blocks that one question for an extent looks at.
const MOST_BLOCKS: u64 = 1 << 16;

/// One file that is read.
struct Reading<'a> {
    core: &'a Core,
    request: &'a Request,
    inode: &'a InodeRecord,
    file: &'a File,
    /// Number of blocks; behind them is the fragment.
    blocks: u64,
}

/// Reads from byte `offset` on into `buf`, up to the end of the file; gives the number of bytes.
///
/// # Errors
/// What makes a byte of the range unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    (inode, file): (&InodeRecord, &File),
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = inode.size.saturating_sub(offset);
    let len = buf.len().min(to_usize(left));
    let (buf, _) = buf.split_at_mut(len);
    let reading = Reading::new(core, request, inode, file);
    let what = || format!("inode {}", inode.number);
    reading.read(buf, offset).context(what)?;
    Ok(len)
}

/// What lies at byte `offset`.
///
/// # Errors
/// `Invalid` at or past the end; what makes the list of blocks unreadable.
pub(super) fn extent_at(
    core: &Core,
    request: &Request,
    (inode, file): (&InodeRecord, &File),
    offset: u64,
) -> Result<Extent> {
    let left = length_to(offset, inode.size)?;
    let reading = Reading::new(core, request, inode, file);
    let what = || format!("inode {}", inode.number);
    let (kind, end) = reading.extent(offset).context(what)?;
    let len = NonZeroU64::new(end.saturating_sub(offset)).unwrap_or(NonZeroU64::MIN);
    Ok(Extent {
        kind,
        len: len.min(left),
    })
}

impl<'a> Reading<'a> {
    fn new(core: &'a Core, request: &'a Request, inode: &'a InodeRecord, file: &'a File) -> Self {
        Self {
            core,
            request,
            inode,
            file,
            blocks: block_list::count(core, inode, file),
        }
    }

    fn blame(&self, error: Error) -> Error {
        self.inode.blame(self.core, error)
    }

    fn list(&self, number: u64) -> Result<BlockList<'a>> {
        BlockList::open(self.core, self.request, (self.inode, self.file), number)
    }

    fn block_size(&self) -> u64 {
        to_u64(self.core.superblock.block_size)
    }

    /// Bytes of block `number`, which only the last has less than all of.
    fn size_of(&self, number: u64) -> usize {
        let start = number.saturating_mul(self.block_size());
        to_usize(self.inode.size.saturating_sub(start).min(self.block_size()))
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        let note = &self.core.data;
        let read = note.note(self.inode.reference, offset, buf.len());
        let mut number = offset.wrapping_shr(self.core.superblock.block_log);
        let mut skip = to_usize(offset & self.block_size().saturating_sub(1));
        let mut list = self.list(number)?;
        let mut rest = buf;
        let mut looked = false;
        while !rest.is_empty() {
            let size = self.size_of(number);
            let len = rest.len().min(size.saturating_sub(skip)).max(1);
            let (front, back) = rest.split_at_mut(len.min(rest.len()));
            let stored = match number < self.blocks {
                true => list.next()?,
                false => None,
            };
            if !looked {
                looked = true;
                self.look_ahead(read, &list);
            }
            match stored {
                Some(stored) => {
                    let ends = skip.saturating_add(front.len()) == size;
                    let visit = if ends { read.visit.done() } else { read.visit };
                    self.read_block(stored, size, skip, front, visit)?;
                }
                None => self.read_fragment(skip, front)?,
            }
            rest = back;
            number = number.saturating_add(1);
            skip = 0;
        }
        Ok(())
    }

    /// Has what follows in `list` decoded, for a read that continues.
    fn look_ahead(&self, read: Read, list: &BlockList<'_>) {
        let mut list = list.clone();
        let unpacked = self.core.superblock.block_size;
        let units = std::iter::from_fn(|| {
            loop {
                match list.next().ok()?? {
                    Stored::Compressed { start, size } => {
                        break Some(DataUnit {
                            start,
                            size,
                            unpacked,
                        });
                    }
                    // It is not decoded; the volume reads ahead by itself.
                    Stored::Plain { .. } => {}
                    Stored::Hole => return None,
                }
            }
        });
        self.core.data.ahead(read, unpacked, units);
    }

    /// Fills `buf` from byte `skip` of a block of `size` bytes on.
    fn read_block(
        &self,
        stored: Stored,
        size: usize,
        skip: usize,
        buf: &mut [u8],
        visit: Visit,
    ) -> Result<()> {
        self.request.spend(1)?;
        let wrong = |len: usize, start: u64| {
            let text = format!("a block has {len} bytes, the file {size} there");
            Error::corrupt(text).at(start)
        };
        match stored {
            Stored::Hole => buf.fill(0),
            Stored::Plain { start, size: len } => {
                if to_usize(len.into()) != size {
                    return Err(wrong(to_usize(len.into()), start));
                }
                let at = start.saturating_add(to_u64(skip));
                self.core.packed.read(buf, at)?;
            }
            Stored::Compressed { start, size: len } => {
                let unit = DataUnit {
                    start,
                    size: len,
                    unpacked: size,
                };
                let block = self.core.data.block(&unit, visit)?;
                if block.len() != size {
                    return Err(wrong(block.len(), start));
                }
                copy(&block, skip, buf).ok_or_else(|| wrong(block.len(), start))?;
            }
        }
        Ok(())
    }

    /// Fills `buf` from byte `skip` of what is behind the blocks on.
    fn read_fragment(&self, skip: usize, buf: &mut [u8]) -> Result<()> {
        self.request.spend(1)?;
        let none = || self.blame(Error::corrupt("no block is left, and there is no fragment"));
        let (index, offset) = self.file.fragment.ok_or_else(none)?;
        let (start, stored) = self.fragment(index)?;
        let from = to_usize(offset.into()).saturating_add(skip);
        let len = buf.len();
        let past = || {
            let text = format!("fragment {index} does not have {len} bytes at {from}");
            Error::corrupt(text).at(start)
        };
        match stored {
            Stored::Compressed { start, size } => {
                let unit = self.unit(start, size);
                let block = self.core.data.block(&unit, self.fragment_visit(index))?;
                copy(&block, from, buf).ok_or_else(past)
            }
            Stored::Plain { start, size } => {
                let end = from.saturating_add(len);
                let is_inside = end <= to_usize(size.into()) && end <= unpacked_most(self.core);
                match is_inside {
                    true => self
                        .core
                        .packed
                        .read(buf, start.saturating_add(to_u64(from))),
                    false => Err(past()),
                }
            }
            Stored::Hole => Err(past()),
        }
    }

    /// Where fragment `index` is.
    fn fragment(&self, index: u32) -> Result<(u64, Stored)> {
        let core = self.core;
        let table = core.tables.fragments.as_ref();
        let none = || self.blame(Error::corrupt(format!("fragment {index} of 0")));
        let table = table.ok_or_else(none)?;
        let raw: Result<RawFragment> = table.entry(core, self.request, index.into());
        let raw = raw.map_err(|error| self.blame(error))?;
        let start = raw.start_block.get();
        Ok((start, Stored::of(raw.size.get(), start)?))
    }

    fn unit(&self, start: u64, size: u32) -> DataUnit {
        DataUnit {
            start,
            size,
            unpacked: unpacked_most(self.core),
        }
    }

    /// The visit to fragment `index`; has the next ones decoded where the one before it was the last
    /// that was visited, as when many small files are read in order.
    fn fragment_visit(&self, index: u32) -> Visit {
        let core = self.core;
        let own = u64::from(index).saturating_add(1);
        if core.last_fragment.swap(own, Ordering::Relaxed) == own {
            return core.data.visit();
        }
        let at = u64::from(index).saturating_mul(APART);
        let read = core.data.note(FRAGMENTS, at, to_usize(APART));
        let units = (index.saturating_add(1)..).map_while(|index| match self.fragment(index) {
            Ok((_, Stored::Compressed { start, size })) => Some(self.unit(start, size)),
            _ => None,
        });
        core.data.ahead(read, core.superblock.block_size, units);
        core.data.visit()
    }

    /// What lies at `offset`, and up to which byte at least.
    fn extent(&self, offset: u64) -> Result<(ExtentKind, u64)> {
        let number = offset.wrapping_shr(self.core.superblock.block_log);
        if number >= self.blocks {
            return Ok((ExtentKind::Data, self.inode.size));
        }
        let mut list = self.list(number)?;
        let is_hole = |stored| stored == Some(Stored::Hole);
        let first = is_hole(list.next()?);
        let kind = match first {
            true => ExtentKind::Absent,
            false => ExtentKind::Data,
        };
        let mut end = number.saturating_add(1);
        let most = end.saturating_add(MOST_BLOCKS).min(self.blocks);
        while end < most && list.next().is_ok_and(|stored| is_hole(stored) == first) {
            end = end.saturating_add(1);
        }
        let reaches_fragment = end == self.blocks && !first;
        let end = match reaches_fragment {
            true => self.inode.size,
            false => end.saturating_mul(self.block_size()),
        };
        Ok((kind, end))
    }
}

/// Bytes that a fragment unpacks to at most.
fn unpacked_most(core: &Core) -> usize {
    core.superblock.block_size
}

/// Fills `buf` from byte `from` of `block` on, if it has all of that.
fn copy(block: &[u8], from: usize, buf: &mut [u8]) -> Option<()> {
    let bytes = block.get(from..)?.get(..buf.len())?;
    buf.copy_from_slice(bytes);
    Some(())
}
