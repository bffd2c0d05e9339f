//! The blocks of all streams, one after the other, from any of them on.

use super::block::Running;
use super::walk;
use crate::error::Result;
use crate::number::to_u64;
use crate::source::SharedSource;
use crate::source::streamed::{self, Codec, Listener, Point, Survey};

/// Bytes that a decoder holds: the library's, and the block.
const MEMORY: u64 = 7 << 20;

/// The file.
pub(super) struct Bzip2 {
    pub(super) source: SharedSource,
}

/// The decoder of a [`Bzip2`]. Its points are the beginnings of blocks, by bit.
pub(super) struct Decoder {
    source: SharedSource,
    output: u64,
    /// Where the magic of the next block, or of the end, is.
    next: u64,
    running: Option<Running>,
}

impl Codec for Bzip2 {
    fn resume(&self, point: &Point) -> Result<Box<dyn streamed::Decoder>> {
        let next = match point.input {
            0 => walk::first_block(&*self.source)?.unwrap_or(32),
            bit => bit,
        };
        Ok(Box::new(Decoder {
            source: self.source.clone(),
            output: point.output,
            next,
            running: None,
        }))
    }

    fn survey(&self, listener: &dyn Listener) -> Option<Result<Survey>> {
        Some(super::measure::measure(&self.source, listener))
    }

    fn input_bytes(&self, point: &Point) -> u64 {
        point.input / 8
    }
}

impl streamed::Decoder for Decoder {
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            let running = match &mut self.running {
                Some(running) => running,
                none => match walk::next_block(&*self.source, self.next)? {
                    None => return Ok(0),
                    Some(start) => none.insert(Running::new(&self.source, start)?),
                },
            };
            match running.decode(buf) {
                Ok(0) => {
                    self.next = running.end;
                    self.running = None;
                }
                Ok(len) => {
                    self.output = self.output.saturating_add(to_u64(len));
                    return Ok(len);
                }
                // Nobody knows what a damaged block unpacks to, nor then where those behind it belong.
                Err(error) => return Err(error),
            }
        }
    }

    fn point(&self) -> Option<Point> {
        let input = match &self.running {
            None => self.next,
            Some(running) if running.is_over() => running.end,
            Some(_) => return None,
        };
        Some(Point {
            output: self.output,
            input,
            state: Vec::new(),
        })
    }

    fn memory(&self) -> u64 {
        MEMORY
    }
}
