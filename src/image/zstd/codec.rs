//! Unpacks frames one after another, from the start of any frame or from a point inside one.

use std::sync::Arc;

use super::contents::{Contents, Start, magic};
use super::layout::{MAGIC, MOST_BLOCK, SKIPPABLE};
use super::open_frame::OpenFrame;
use crate::error::{Error, Result};
use crate::format::Taken;
use crate::number::to_u64;
use crate::source::SharedSource;
use crate::source::streamed::{Codec, Decoder, Point};

/// The frames of one file.
pub(super) struct Frames {
    shared: Arc<Shared>,
}

struct Shared {
    source: SharedSource,
    contents: Contents,
    /// What they and the points take of the room for tables.
    _room: Taken,
}

impl Frames {
    pub(super) fn new(source: SharedSource, contents: Contents, room: Taken) -> Self {
        let shared = Arc::new(Shared {
            source,
            contents,
            _room: room,
        });
        Self { shared }
    }
}

impl Codec for Frames {
    fn resume(&self, point: &Point) -> Result<Box<dyn Decoder>> {
        let shared = self.shared.clone();
        let frame = match point.state.as_slice() {
            [] => None,
            state => Some(OpenFrame::resume(&shared.source, point.input, state)?),
        };
        Ok(Box::new(Unpacker {
            shared,
            input: point.input,
            output: point.output,
            frame,
            block: Vec::new(),
            given: 0,
        }))
    }
}

struct Unpacker {
    shared: Arc<Shared>,
    /// Where the open frame starts, or the next one.
    input: u64,
    /// Where the bytes that were unpacked last end.
    output: u64,
    frame: Option<OpenFrame>,
    /// A block that was unpacked and not yet given as a whole, and how much of it was.
    block: Vec<u8>,
    given: usize,
}

impl Unpacker {
    /// Opens the frame at `self.input`, past those that are to be skipped.
    fn next_frame(&mut self) -> Result<OpenFrame> {
        let source = &self.shared.source;
        loop {
            match magic(&**source, self.input)? {
                Some((MAGIC, _)) => break,
                Some((magic, size)) if magic & !0xf == SKIPPABLE => {
                    let behind = self.input.saturating_add(8);
                    self.input = behind.saturating_add(u64::from(size));
                }
                Some((magic, _)) => {
                    let text = format!("Magic_Number {magic:#010x} is no frame's");
                    return Err(Error::corrupt(text).at(self.input));
                }
                None => return Err(Error::corrupt("the file is cut off").at(self.input)),
            }
        }
        let Contents {
            starts, checksums, ..
        } = &self.shared.contents;
        let known = starts.binary_search_by_key(&self.input, |start| start.input);
        if let Some(Start { output, .. }) = known.ok().and_then(|known| starts.get(known))
            && *output != self.output
        {
            let text = format!(
                "byte {} of the output, not {output}, starts here",
                self.output
            );
            return Err(Error::corrupt(text).at(self.input));
        }
        let checksum = checksums.binary_search_by_key(&self.input, |it| it.0);
        let checksum = checksum.ok().and_then(|index| checksums.get(index));
        OpenFrame::start(source, self.input, checksum.map(|it| it.1))
    }

    /// Unpacks the next block into the start of `into`, which has room for any, and gives its bytes;
    /// 0 also where a frame ends or has none.
    fn unpack(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut frame = match self.frame.take() {
            Some(frame) => frame,
            None => self.next_frame()?,
        };
        let len = frame.unpack(into)?;
        self.output = self.output.saturating_add(to_u64(len));
        match frame.end() {
            Some(end) => self.input = end,
            None => self.frame = Some(frame),
        }
        Ok(len)
    }
}

impl Decoder for Unpacker {
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.given >= self.block.len() {
            let contents = &self.shared.contents;
            let is_behind = self.frame.is_none() && self.input >= contents.input;
            if is_behind || self.output >= contents.output {
                return Ok(0);
            }
            if buf.len() >= MOST_BLOCK {
                match self.unpack(buf)? {
                    0 => continue,
                    len => return Ok(len),
                }
            }
            let mut block = std::mem::take(&mut self.block);
            block.resize(MOST_BLOCK, 0);
            let len = self.unpack(&mut block)?;
            block.truncate(len);
            (self.block, self.given) = (block, 0);
        }
        let rest = self.block.get(self.given..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf.split_at_mut(len)
            .0
            .copy_from_slice(rest.split_at(len).0);
        self.given = self.given.saturating_add(len);
        Ok(len)
    }

    fn point(&self) -> Option<Point> {
        let frame = self.frame.as_ref()?;
        if self.given < self.block.len() {
            return None;
        }
        Some(Point {
            output: self.output,
            input: frame.at(),
            state: frame.state()?,
        })
    }

    fn behind_damage(&self) -> Option<Point> {
        let starts = &self.shared.contents.starts;
        let next = starts.partition_point(|start| start.input <= self.input);
        let next = starts.get(next).filter(|next| next.output >= self.output)?;
        Some(Point {
            output: next.output,
            input: next.input,
            state: Vec::new(),
        })
    }

    fn memory(&self) -> u64 {
        let frame = self.frame.as_ref().map_or(0, OpenFrame::memory);
        frame.saturating_add(to_u64(MOST_BLOCK))
    }
}
