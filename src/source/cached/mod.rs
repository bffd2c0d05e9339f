//! A source through the one cache.
//!
//! A read looks for its blocks, and for those that nobody has or reads it takes the duty to read
//! them ([`Ticket`]). Neighbouring ones are read in one piece, with readahead behind them where a
//! stream is sequential; known holes are not read at all. Only when its own duties are done does it
//! wait for the blocks that other threads read.
//!
//! Where a piece cannot be read, each block that was asked for is read alone, and of a block that
//! cannot be read just the bytes that were asked for: so one bad sector fails the reads that touch
//! it and no other, and readahead fails nobody.

mod missing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::streams::{Read, Streams};
use super::{Extent, ExtentKind, HostBytes, SharedSource, Source, check_range};
use crate::cache::{Cache, Found, Layer, Ticket, Waiter};
use crate::error::Result;
use crate::number::{to_u64, to_usize};

/// Bytes of one cached block. Measured with `contrib/bench`: blocks of 4 KiB halve what a sequential
/// reader gets, blocks of 64 KiB give it no more and cut random reads to a third.
const BLOCK: u64 = 16 << 10;

/// Bytes that are read, and looked up, in one piece at most.
const PIECE: usize = 1 << 20;

/// A request from this size on, of which nothing is cached, is read straight to where it is wanted:
/// who asks for so much at once is a copy of all there is, which would go through the cache for
/// nothing. The kernel's requests are smaller.
const PAST_THE_CACHE: usize = 256 << 10;

/// Bytes of a read for which it pays to ask whether they are a hole.
const WORTH_A_LOOK: u64 = 64 << 10;

/// `inner`, its blocks kept in the cache.
pub struct Cached {
    inner: SharedSource,
    cache: Arc<Cache>,
    layer: Layer,
    streams: Streams,
    /// Whether the host keeps what was read of `inner`, as it is.
    host_keeps: bool,
}

/// A block that this read has to read.
struct Missing<'cache, 'buf> {
    ticket: Ticket<'cache>,
    /// What was asked for of it; `None` for readahead.
    wanted: Option<Wanted<'buf>>,
}

/// The part of one block that a read asks for.
struct Wanted<'buf> {
    number: u64,
    /// Bytes of the block before it.
    skip: usize,
    into: &'buf mut [u8],
}

impl Cached {
    /// Puts `cache` in front of `inner`.
    #[must_use]
    pub fn new(inner: SharedSource, cache: Arc<Cache>) -> Self {
        let layer = cache.layer();
        Self {
            inner,
            cache,
            layer,
            streams: Streams::new(),
            host_keeps: false,
        }
    }

    /// Puts `cache` in front of a file of the host, whose page cache has what was read of it: the
    /// contents of files are read past this one.
    #[must_use]
    pub fn over_file(inner: SharedSource, cache: Arc<Cache>) -> Self {
        Self {
            host_keeps: true,
            ..Self::new(inner, cache)
        }
    }

    /// Whether a hole covers a range, as far as it pays to ask.
    fn is_hole(&self, offset: u64, len: usize) -> bool {
        to_u64(len) >= WORTH_A_LOOK && self.is_all(offset, len, |kind| kind != ExtentKind::Data)
    }

    /// Whether one extent covers a range, and is of a kind that is `wanted`.
    fn is_all(&self, offset: u64, len: usize, wanted: impl Fn(ExtentKind) -> bool) -> bool {
        let covers = |extent: Extent| wanted(extent.kind) && extent.len.get() >= to_u64(len);
        self.inner.extent_at(offset).is_ok_and(covers)
    }

    /// Whether a range is all data, and none of its blocks is there or being read.
    fn is_all_to_be_read(&self, offset: u64, len: usize) -> bool {
        let end = offset.saturating_add(to_u64(len));
        let mut blocks = offset / BLOCK..end.div_ceil(BLOCK);
        !blocks.any(|number| self.cache.knows(self.layer, number))
            && self.is_all(offset, len, |kind| kind == ExtentKind::Data)
    }

    /// Reads one piece; `last` is the last of its request, which alone reads ahead.
    fn read_piece(&self, buf: &mut [u8], offset: u64, read: Read, last: bool) -> Result<()> {
        let mut missing = Vec::new();
        let mut waiting = Vec::new();
        let end = offset.saturating_add(to_u64(buf.len()));
        for wanted in parts(buf, offset) {
            match self.find(&wanted, read) {
                Found::Here(block) => wanted.copy_from(&block),
                Found::Wait(waiter) => waiting.push((waiter, wanted)),
                Found::Read(ticket) => missing.push(Missing {
                    ticket,
                    wanted: Some(wanted),
                }),
            }
        }
        if last {
            self.add_ahead(&mut missing, end, read);
        }
        self.read_missing(missing, read)?;
        for (waiter, wanted) in waiting {
            self.wait(waiter, wanted, read)?;
        }
        Ok(())
    }

    /// Looks for the block of `wanted`. A stream that reads it to its end is done with it.
    fn find(&self, wanted: &Wanted<'_>, read: Read) -> Found<'_> {
        let end = wanted.skip.saturating_add(wanted.into.len());
        let visit = if read.continues && end == self.len_of(wanted.number) {
            read.visit.done()
        } else {
            read.visit
        };
        self.cache.find(self.layer, wanted.number, visit)
    }

    /// Adds the readahead behind `end`, if the block before it is missing: up to the end of the
    /// source, or a block that is there or being read.
    fn add_ahead<'cache>(
        &'cache self,
        missing: &mut Vec<Missing<'cache, '_>>,
        end: u64,
        read: Read,
    ) {
        let next = end.div_ceil(BLOCK);
        let reaches = |own: &Missing<'_, '_>| own.ticket.number().checked_add(1) == Some(next);
        if !missing.last().is_some_and(reaches) {
            return;
        }
        // With what is wanted it is one read.
        let room = (to_u64(PIECE) / BLOCK).saturating_sub(to_u64(missing.len()));
        let blocks = room.min(self.streams.take_ahead(read) / BLOCK);
        let limit = self.size().div_ceil(BLOCK);
        for number in next..next.saturating_add(blocks).min(limit) {
            let Some(ticket) = self.cache.claim(self.layer, number, read.visit) else {
                break;
            };
            let wanted = None;
            missing.push(Missing { ticket, wanted });
        }
    }

    /// Takes what another thread reads; what it failed to read is tried once more, in the part
    /// that is wanted here.
    fn wait(&self, waiter: Waiter, wanted: Wanted<'_>, read: Read) -> Result<()> {
        let mut waiter = waiter;
        loop {
            match waiter.wait() {
                Some(Ok(block)) => return wanted.finish(&block),
                Some(Err(_)) => return self.read_part(wanted),
                None => {}
            }
            match self.find(&wanted, read) {
                Found::Here(block) => return wanted.finish(&block),
                Found::Wait(next) => waiter = next,
                Found::Read(ticket) => {
                    let wanted = Some(wanted);
                    return self.read_missing(vec![Missing { ticket, wanted }], read);
                }
            }
        }
    }

    /// Reads just what is wanted, past the cache.
    fn read_part(&self, wanted: Wanted<'_>) -> Result<()> {
        let offset = start_of(wanted.number).saturating_add(to_u64(wanted.skip));
        self.inner.read_exact_at(wanted.into, offset)
    }

    /// Bytes of block `number`: fewer than [`BLOCK`] for the last.
    fn len_of(&self, number: u64) -> usize {
        to_usize(BLOCK.min(self.size().saturating_sub(start_of(number))))
    }
}

impl Source for Cached {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        if buf.len() >= PAST_THE_CACHE && self.is_all_to_be_read(offset, buf.len()) {
            // What fails is read again in blocks, so that the error is that of the bad one.
            if let Ok(()) = self.inner.read_exact_at(buf, offset) {
                return Ok(());
            }
        }
        let read = self.streams.note(&self.cache, offset, buf.len());
        let mut rest = buf;
        let mut at = offset;
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at_mut(rest.len().min(PIECE));
            let len = to_u64(piece.len());
            self.read_piece(piece, at, read, tail.is_empty())?;
            rest = tail;
            at = at.saturating_add(len);
        }
        Ok(())
    }

    fn read_contents_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        if !self.host_keeps {
            return self.read_exact_at(buf, offset);
        }
        check_range(self, offset, buf.len())?;
        if self.is_hole(offset, buf.len()) {
            buf.fill(0);
            return Ok(());
        }
        self.inner.read_contents_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.inner.extent_at(offset)
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        self.inner.host_at(offset)
    }

    fn soon(&self, offset: u64, len: u64) {
        let is_here = |number| self.cache.knows(self.layer, number);
        let blocks = offset / BLOCK..offset.saturating_add(len).div_ceil(BLOCK);
        if !blocks.clone().all(is_here) {
            // Whole blocks are what will be read of them.
            let len = start_of(blocks.end.saturating_sub(blocks.start));
            self.inner.soon(start_of(blocks.start), len);
        }
    }

    fn end_is_far(&self) -> bool {
        self.inner.end_is_far()
    }
}

impl Wanted<'_> {
    fn copy_from(self, block: &[u8]) {
        let from = block.get(self.skip..).unwrap_or(&[]);
        // Blocks of one layer are all made by `len_of`, so they are never shorter.
        self.into.copy_from_slice(from.split_at(self.into.len()).0);
    }

    fn finish(self, block: &[u8]) -> Result<()> {
        self.copy_from(block);
        Ok(())
    }
}

/// Cuts a read at the borders of blocks.
fn parts(buf: &mut [u8], offset: u64) -> Parts<'_> {
    Parts { rest: buf, offset }
}

struct Parts<'buf> {
    rest: &'buf mut [u8],
    offset: u64,
}

impl<'buf> Iterator for Parts<'buf> {
    type Item = Wanted<'buf>;

    fn next(&mut self) -> Option<Wanted<'buf>> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let skip = self.offset % BLOCK;
        let number = self.offset / BLOCK;
        let len = rest.len().min(to_usize(BLOCK.saturating_sub(skip)));
        let (into, rest) = rest.split_at_mut(len);
        self.rest = rest;
        self.offset = self.offset.saturating_add(to_u64(len));
        let skip = to_usize(skip);
        Some(Wanted { number, skip, into })
    }
}

/// The first byte of block `number`. A block's number is some offset divided by its size, or the
/// next one, so nothing saturates below 2^64 - [`BLOCK`].
fn start_of(number: u64) -> u64 {
    number.saturating_mul(BLOCK)
}
