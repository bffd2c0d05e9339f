//! One block, unpacked from its start or from a place in it that was kept.

use std::cell::Cell;

use super::check::Sum;
use super::filter::Filter;
use super::header::{self, Header};
use super::input::Input;
use super::lzma2::{Kept, Lzma2};
use super::stream::{Block, Blocks};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, zeroed};

/// A block of so many bytes is unpacked and checked before anything of it is given.
const SMALL: u64 = 4 << 20;
/// How many dictionaries' worth are decoded before a point is worth its dictionary: packing that
/// must cost little beside decoding.
const WORTH: u64 = 4;
/// Bytes that go through the filters at once.
const PIECE: usize = 64 << 10;

/// A block under way.
pub(super) struct Unpacking {
    block: Block,
    /// Bytes that it unpacks to, and how many of them are still to come.
    size: u64,
    left: u64,
    /// All of them, of a small block.
    whole: Option<Vec<u8>>,
    /// What was left at the start, or at the last place that was kept.
    kept: Cell<u64>,
    input: Input,
    lzma2: Lzma2,
    filters: Vec<Filter>,
    /// What came out of the filters, of which the first `given` bytes were given.
    ready: Vec<u8>,
    given: usize,
    sum: Sum,
    check: usize,
}

impl Unpacking {
    /// Block `number` at its start.
    ///
    /// # Errors
    /// As [`Header::read`]; `Io` where memory for the dictionary is short.
    pub(super) fn start(source: &SharedSource, blocks: &Blocks, number: usize) -> Result<Self> {
        let missing = || Error::corrupt(format!("there is no block {number}"));
        let (block, end) = blocks.get(number).ok_or_else(missing)?;
        let size = end.saturating_sub(block.output);
        let check = blocks.check(&block);
        let header = Header::read(&**source, block.input)?;
        let packed = header::compare(&header, block.unpadded, check.len(), size);
        let packed = packed.map_err(|error| error.at(block.input))?;
        let start = block.input.saturating_add(header.len);
        Ok(Self {
            block,
            size,
            left: size,
            whole: None,
            kept: Cell::new(size),
            input: Input::new(source.clone(), start, start.saturating_add(packed)),
            lzma2: Lzma2::new(header.dictionary, size)?,
            filters: header.filters()?,
            ready: Vec::new(),
            given: 0,
            sum: Sum::new(check),
            check: check.len(),
        })
    }

    /// Bytes of memory for its dictionary, and for a small block.
    pub(super) fn memory(&self) -> u64 {
        self.lzma2.memory().saturating_add(self.size.min(SMALL))
    }

    /// Whether it is worth being kept in the middle.
    pub(super) fn is_worth_keeping(&self) -> bool {
        let since = self.kept.get().saturating_sub(self.left);
        self.whole.is_none() && since >= self.lzma2.memory().saturating_mul(WORTH)
    }

    /// Bytes that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Gives bytes into `buf`. Short is no end; 0 is, once the check was right.
    pub(super) fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        if self.left == self.size && self.size <= SMALL && self.whole.is_none() {
            let mut whole = zeroed(to_usize(self.size))?;
            let mut rest = &mut whole[..];
            while !rest.is_empty() {
                let len = self.unpack(rest)?;
                rest = rest.split_at_mut(len.min(rest.len())).1;
            }
            self.left = self.size;
            self.whole = Some(whole);
        }
        let Some(whole) = &self.whole else {
            return self.unpack(buf);
        };
        let given = to_usize(self.size.saturating_sub(self.left));
        let rest = whole.get(given..).unwrap_or(&[]);
        let len = rest.len().min(buf.len());
        buf.split_at_mut(len)
            .0
            .copy_from_slice(rest.split_at(len).0);
        self.left = self.left.saturating_sub(to_u64(len));
        Ok(len)
    }

    /// Unpacks into `buf` as far as it comes in one go, also of a small block.
    pub(super) fn unpack(&mut self, buf: &mut [u8]) -> Result<usize> {
        let len = buf.len().min(to_usize(self.left));
        let (buf, _) = buf.split_at_mut(len);
        if buf.is_empty() {
            return Ok(0);
        }
        let len = match self.filters.is_empty() {
            true => self.lzma2.decode(&mut self.input, buf)?,
            false => self.filtered(buf)?,
        };
        if len == 0 {
            let text = "the block unpacks to less than the index says";
            return Err(Error::corrupt(text).at(self.block.input));
        }
        self.sum.update(buf.get(..len).unwrap_or(&[]));
        self.left = self.left.saturating_sub(to_u64(len));
        if self.left == 0 {
            self.end()?;
        }
        Ok(len)
    }

    fn filtered(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            let mut piece = vec![0; PIECE];
            let len = self.lzma2.decode(&mut self.input, &mut piece)?;
            piece.truncate(len);
            for filter in &mut self.filters {
                let mut out = Vec::new();
                filter.pass(&piece, &mut out);
                if len == 0 {
                    filter.finish(&mut out);
                }
                piece = out;
            }
            self.ready = piece;
            if len == 0 {
                break;
            }
        }
        let ready = self.ready.get(self.given..).unwrap_or(&[]);
        let len = ready.len().min(buf.len());
        buf.split_at_mut(len)
            .0
            .copy_from_slice(ready.split_at(len).0);
        self.given = self.given.saturating_add(len);
        Ok(len)
    }

    /// LZMA2 ends here, the padding is zeros, and the check is right (3.3, 3.4).
    fn end(&mut self) -> Result<()> {
        let at = self.block.input;
        let wrong = |text: &str| Error::corrupt(format!("the block {text}")).at(at);
        let mut byte = [0];
        let more = match self.filters.is_empty() {
            true => self.lzma2.decode(&mut self.input, &mut byte)?,
            false => self.filtered(&mut byte)?,
        };
        if more > 0 {
            return Err(wrong("unpacks to more than the index says"));
        }
        let mut input = self.input.rest();
        if input.at() != self.input.end() {
            return Err(wrong("is shorter than the index says"));
        }
        let padding = 4_u64.wrapping_sub(self.block.unpadded & 3) & 3;
        let mut bytes = vec![0; to_usize(padding)];
        input.fill(&mut bytes)?;
        if bytes.iter().any(|byte| *byte != 0) {
            return Err(wrong("has padding that is not zero"));
        }
        let mut stored = vec![0; self.check];
        input.fill(&mut stored)?;
        match self.sum.is(&stored) {
            true => Ok(()),
            false => Err(wrong("does not have the check that is stored")),
        }
    }

    /// Appends what is needed to go on from here: all but the block's number.
    pub(super) fn keep(&self, into: &mut Vec<u8>) {
        self.kept.set(self.left);
        into.extend(self.left.to_le_bytes());
        into.extend(self.input.at().to_le_bytes());
        self.sum.keep(into);
        let ready = self.ready.get(self.given..).unwrap_or(&[]);
        into.extend(to_u64(ready.len()).to_le_bytes());
        into.extend(ready);
        for filter in &self.filters {
            filter.keep(into);
        }
        self.lzma2.keep(into);
    }

    /// Goes on where [`Unpacking::keep`] was called on the same block, `self` being at its start;
    /// `None` where `kept` is nothing that it gave.
    pub(super) fn restore(mut self, kept: &mut Kept<'_>) -> Option<Result<Self>> {
        let left = kept.long()?;
        if left > self.left {
            return None;
        }
        self.left = left;
        self.kept.set(left);
        let at = kept.long()?;
        self.sum.restore(kept)?;
        let ready = kept.size()?;
        self.ready = kept.take(ready)?.to_vec();
        for filter in &mut self.filters {
            filter.restore(kept)?;
        }
        let read = self.lzma2.restore(kept, &mut self.input)?;
        Some(read.and_then(|()| self.input.seek(at)).map(|()| self))
    }
}
