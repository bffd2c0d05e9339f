//! All blocks of a file as one stream that can be entered anywhere.

use std::sync::Arc;

use super::block::Unpacking;
use super::lzma2::Kept;
use super::stream::Blocks;
use crate::error::{Error, Result};
use crate::format::Taken;
use crate::source::SharedSource;
use crate::source::streamed::{self, Codec, Point};

/// Bytes of a decoder's tables and of its input.
const SMALL: u64 = 256 << 10;

/// The file and its blocks.
pub(super) struct Xz {
    pub(super) source: SharedSource,
    pub(super) blocks: Arc<Blocks>,
    /// What they and the points take of the room for tables.
    pub(super) _room: Taken,
}

/// The stream from some byte on.
pub(super) struct Decoder {
    source: SharedSource,
    blocks: Arc<Blocks>,
    /// The block that is read, or the next.
    number: usize,
    unpacking: Option<Unpacking>,
    /// The block is damaged: only the next can be gone on with.
    failed: bool,
}

impl Xz {
    fn decoder(&self, point: &Point) -> Result<Decoder> {
        let decoder = |number, unpacking| Decoder {
            source: self.source.clone(),
            blocks: self.blocks.clone(),
            number,
            unpacking,
            failed: false,
        };
        if point.output == self.blocks.size {
            return Ok(decoder(self.blocks.len(), None));
        }
        let wrong = || Error::corrupt("a kept place is none").at(point.output);
        let number = self.blocks.at(point.output).ok_or_else(wrong)?;
        let (block, end) = self.blocks.get(number).ok_or_else(wrong)?;
        if point.state.is_empty() {
            return match block.output == point.output {
                true => Ok(decoder(number, None)),
                false => Err(wrong()),
            };
        }
        let start = Unpacking::start(&self.source, &self.blocks, number)?;
        let unpacking = start.restore(&mut Kept(&point.state)).ok_or_else(wrong)??;
        match end.checked_sub(unpacking.left()) == Some(point.output) {
            true => Ok(decoder(number, Some(unpacking))),
            false => Err(wrong()),
        }
    }
}

impl Codec for Xz {
    fn resume(&self, point: &Point) -> Result<Box<dyn streamed::Decoder>> {
        Ok(Box::new(self.decoder(point)?))
    }
}

impl streamed::Decoder for Decoder {
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() || self.number >= self.blocks.len() {
            return Ok(0);
        }
        let unpacking = match &mut self.unpacking {
            Some(unpacking) => unpacking,
            none => {
                // Until it has started, this block is one to go round.
                self.failed = true;
                let start = Unpacking::start(&self.source, &self.blocks, self.number)?;
                self.failed = false;
                none.insert(start)
            }
        };
        let len = match unpacking.decode(buf) {
            Ok(len) => len,
            Err(error) => {
                self.failed = true;
                return Err(error);
            }
        };
        if unpacking.left() == 0 {
            self.number = self.number.saturating_add(1);
            self.unpacking = None;
        }
        Ok(len)
    }

    fn point(&self) -> Option<Point> {
        if self.failed {
            return self.block_start(self.number.saturating_add(1));
        }
        let Some(unpacking) = &self.unpacking else {
            return self.block_start(self.number);
        };
        if !unpacking.is_worth_keeping() {
            return None;
        }
        let (block, end) = self.blocks.get(self.number)?;
        let mut state = Vec::new();
        unpacking.keep(&mut state);
        Some(Point {
            output: end.saturating_sub(unpacking.left()),
            input: block.input,
            state,
        })
    }

    fn memory(&self) -> u64 {
        let unpacking = self.unpacking.as_ref();
        unpacking
            .map_or(SMALL, Unpacking::memory)
            .saturating_add(SMALL)
    }
}

impl Decoder {
    fn block_start(&self, number: usize) -> Option<Point> {
        let (block, _) = self.blocks.get(number)?;
        Some(Point {
            output: block.output,
            input: block.input,
            state: Vec::new(),
        })
    }
}
