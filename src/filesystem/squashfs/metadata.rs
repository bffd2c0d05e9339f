//! Metadata: inodes, directories and tables lie in blocks of 8 KiB, each packed by itself, one
//! after the other. A place in them is the block's first byte on the volume and an offset in what
//! it unpacks to; what is read there may go on in the next block.
//!
//! Blocks stay decoded in the cache: each request is a visit of its own, so that what a second one
//! needs is kept. Who goes from block to block, as a walk over all files does, has the next ones
//! decoded on the other processors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, IntoBytes};

use super::packed::{MetadataBlocks, Packed};
use super::superblock::METADATA_SIZE;
use crate::cache::{Block, Cache, Visit};
use crate::error::{Error, Kind, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};
use crate::source::decoded::Decoded;

/// Steps of going on into the next block: to find it takes as long as many entries, even where it
/// has a single byte. What it takes to decode comes on top, for whoever has it decoded, by himself or
/// by another thread.
const NEXT: u64 = 64;

/// All metadata of one file system.
pub(super) struct Metadata {
    packed: Packed,
    blocks: Decoded<MetadataBlocks>,
    /// The block that was entered last in each of the two large tables.
    last: [AtomicU64; 2],
    /// The end of each of them.
    ends: [u64; 2],
}

/// A place in the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First byte of the block on the volume.
    pub(super) block: u64,
    /// Offset in what it unpacks to.
    pub(super) offset: usize,
}

/// Reads on from a place.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    metadata: &'a Metadata,
    request: &'a Request,
    visit: Visit,
    place: Place,
    /// The block of `place`, once it was needed.
    block: Option<Block>,
    /// Where what was read last begins: what is wrong with it is wrong there.
    began: Place,
}

impl Place {
    /// `error` as one of what begins here, unless it has its place. What lies packed has no byte of
    /// its own, so the error has that of its block, and says the offset in what that unpacks to.
    pub(super) fn blame(self, error: Error) -> Error {
        if error.offset().is_some() || error.kind() != Kind::Corrupt {
            return error;
        }
        let inside = format!("offset {:#x} of its metadata block", self.offset);
        error.at(self.block).context(inside)
    }
}

impl Metadata {
    /// That of a file system whose inodes and directories end at the bytes `ends`.
    pub(super) fn new(packed: Packed, cache: Arc<Cache>, ends: [u64; 2]) -> Self {
        Self {
            blocks: Decoded::new(Arc::new(MetadataBlocks(packed.clone())), cache),
            packed,
            last: [AtomicU64::new(0), AtomicU64::new(0)],
            ends,
        }
    }

    /// A reader from `place` on.
    pub(super) fn reader<'a>(&'a self, request: &'a Request, place: Place) -> Reader<'a> {
        Reader {
            metadata: self,
            request,
            visit: self.blocks.visit(),
            place,
            block: None,
            began: place,
        }
    }

    fn block(&self, request: &Request, start: u64, visit: Visit) -> Result<Block> {
        request.spend(1)?;
        self.pay(request, start)?;
        self.look_ahead(request, start);
        self.blocks.block(&start, visit)
    }

    /// Takes the steps of decoding the block at `start`, unless it is decoded.
    fn pay(&self, request: &Request, start: u64) -> Result<()> {
        match self.blocks.knows(&start) {
            true => Ok(()),
            false => request.spend(self.packed.steps(start)),
        }
    }

    /// Fails where what could not be read may be so because `request` had no steps left for it, which
    /// says nothing of the metadata: takes as many as any block costs.
    ///
    /// # Errors
    /// As [`Request::spend`].
    pub(super) fn still(&self, request: &Request) -> Result<()> {
        request.spend(self.packed.most_steps().max(NEXT))
    }

    /// Has the blocks behind the one at `start` decoded where the one before it was entered last.
    fn look_ahead(&self, request: &Request, start: u64) {
        let table = self.ends.iter().position(|end| start < *end);
        let Some((table, end)) = table.and_then(|table| Some((table, *self.ends.get(table)?)))
        else {
            return;
        };
        let last = self.last.get(table);
        if last.is_none_or(|last| last.swap(start, Ordering::Relaxed) == start) {
            return;
        }
        let Ok(behind) = self.packed.behind(start) else {
            return;
        };
        let len = to_usize(behind.saturating_sub(start));
        let read = self.blocks.note(to_u64(table), start, len);
        let mut next = behind;
        let units = std::iter::from_fn(|| {
            let unit = (next < end).then_some(next)?;
            self.pay(request, unit).ok()?;
            next = self.packed.behind(unit).ok()?;
            Some(unit)
        });
        self.blocks.ahead(read, METADATA_SIZE, units);
    }
}

impl Reader<'_> {
    /// Where it is.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Where what was read last begins.
    pub(super) fn began(&self) -> Place {
        self.began
    }

    /// Fills `buf`.
    ///
    /// # Errors
    /// What makes a block unreadable; `Corrupt` for an offset behind what its block unpacks to.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<()> {
        let mut began = None;
        let mut rest = buf;
        while !rest.is_empty() {
            let here = self.here()?;
            let len = here.len().min(rest.len());
            let (front, back) = rest.split_at_mut(len);
            front.copy_from_slice(here.split_at(len).0);
            rest = back;
            began.get_or_insert(self.place);
            self.advance(len);
        }
        self.began = began.unwrap_or(self.place);
        Ok(())
    }

    /// A structure as it lies.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub(super) fn value<T: FromBytes + IntoBytes>(&mut self) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(value.as_mut_bytes())?;
        Ok(value)
    }

    /// Goes over `bytes`, and decodes no block more than once for it.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub(super) fn skip(&mut self, bytes: u64) -> Result<()> {
        let mut left = bytes;
        while left > 0 {
            let here = self.here()?.len();
            let len = here.min(to_usize(left));
            self.advance(len);
            left = left.saturating_sub(to_u64(len));
        }
        Ok(())
    }

    /// What is left of the block here, or of the next one: at least a byte.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub(super) fn here(&mut self) -> Result<&[u8]> {
        let mut block = self.fetched()?;
        let len = len_of(&block);
        if self.place.offset == len && len > 0 {
            self.request.spend(NEXT)?;
            let behind = self.place.block.saturating_add(taken(&block));
            self.place = Place {
                block: behind,
                offset: 0,
            };
            self.block = None;
            block = self.fetched()?;
        }
        let len = len_of(&block);
        let Place { block: at, offset } = self.place;
        if offset >= len {
            let text = format!("offset {offset} is past the {len} bytes of the metadata block");
            return Err(Error::corrupt(text).at(at));
        }
        let block: &Block = self.block.insert(block);
        Ok(block.get(offset..len).unwrap_or(&[]))
    }

    fn fetched(&mut self) -> Result<Block> {
        if let Some(block) = &self.block {
            return Ok(block.clone());
        }
        let start = self.place.block;
        self.metadata.block(self.request, start, self.visit)
    }

    fn advance(&mut self, len: usize) {
        self.place.offset = self.place.offset.saturating_add(len);
    }
}

/// Bytes that a block unpacks to: all but the two behind them.
fn len_of(block: &Block) -> usize {
    block.len().saturating_sub(2)
}

/// Bytes that a block takes on the volume, its header included.
fn taken(block: &Block) -> u64 {
    let taken = block.last_chunk::<2>();
    taken.map_or(0, |bytes| u16::from_le_bytes(*bytes)).into()
}
