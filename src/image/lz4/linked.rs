//! Blocks that refer to the 64 KiB before them: a stream, unpacked from the start of a frame or
//! from where those 64 KiB are kept.

use std::hash::Hasher;
use std::sync::Arc;

use twox_hash::XxHash32;

use super::blocks::{Block, Blocks};
use super::independent::{read, unpack};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::streamed::{Codec, Decoder, Point};
use crate::source::{SharedSource, resize};

/// Bytes that a block may refer back.
const WINDOW: usize = 64 << 10;

/// Output between two known points, at least.
const APART: u64 = 256 << 10;

/// The blocks that stand alone, as far as they are apart.
pub(super) fn known(blocks: &Blocks) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for block in blocks.blocks.iter().filter(|block| !block.linked) {
        let last = points.last().map(|last| last.output);
        if last.is_none_or(|last| block.output.saturating_sub(last) >= APART) {
            points.push(Point {
                output: block.output,
                input: block.input,
                state: Vec::new(),
            });
        }
    }
    points
}

/// All blocks of one file.
pub(super) struct Linked {
    shared: Arc<Shared>,
}

struct Shared {
    source: SharedSource,
    blocks: Blocks,
}

impl Linked {
    pub(super) fn new(source: SharedSource, blocks: Blocks) -> Self {
        let shared = Arc::new(Shared { source, blocks });
        Self { shared }
    }
}

impl Codec for Linked {
    fn resume(&self, point: &Point) -> Result<Box<dyn Decoder>> {
        let shared = self.shared.clone();
        let blocks = &shared.blocks.blocks;
        // The start of the stream is the first block, wherever that is in the file.
        let next = blocks.partition_point(|block| block.input < point.input);
        let fits = |block: &&Block| {
            block.output == point.output && (!block.linked || !point.state.is_empty())
        };
        if point.state.len() > WINDOW
            || !blocks.is_empty() && !blocks.get(next).is_some_and(|it| fits(&it))
        {
            return Err(Error::corrupt("the state of a point is damaged").at(point.input));
        }
        Ok(Box::new(Unpacker {
            shared,
            next,
            window: point.state.clone(),
            block: Vec::new(),
            given: 0,
            hasher: None,
        }))
    }
}

struct Unpacker {
    shared: Arc<Shared>,
    /// The number of the next block.
    next: usize,
    /// What the next block may refer to.
    window: Vec<u8>,
    /// The last block unpacked, and how much of it was given.
    block: Vec<u8>,
    given: usize,
    /// The checksum of the frame's content so far, where it was unpacked from its start.
    hasher: Option<XxHash32>,
}

impl Unpacker {
    /// Unpacks the next block; `None` behind the last.
    fn unpack(&mut self) -> Result<Option<()>> {
        let shared = self.shared.clone();
        let Some((block, len)) = shared.blocks.get(self.next) else {
            return match shared.blocks.end < shared.blocks.size {
                true => Err(Error::corrupt("the file is cut off").at(shared.source.size())),
                false => Ok(None),
            };
        };
        let number = self.next;
        let named = |error: Error| error.context(format!("block {number}"));
        if !block.linked {
            self.window.clear();
            self.hasher = Some(XxHash32::with_seed(0));
        }
        let packed = read(&*shared.source, block).map_err(named)?;
        self.given = 0;
        resize(&mut self.block, to_usize(len))?;
        unpack(block, &packed, &mut self.block, &self.window).map_err(named)?;
        self.next = self.next.saturating_add(1);
        self.slide();
        self.compare(block)?;
        Ok(Some(()))
    }

    /// Takes the block into the window.
    fn slide(&mut self) {
        let keep = WINDOW.saturating_sub(self.block.len());
        let leave = self.window.len().saturating_sub(keep);
        self.window.drain(..leave);
        let from = self.block.len().saturating_sub(WINDOW);
        let last = self.block.get(from..).unwrap_or_default();
        self.window.extend_from_slice(last);
    }

    /// Takes the block into the checksum, and compares that at the end of the frame.
    fn compare(&mut self, block: &Block) -> Result<()> {
        let Some(hasher) = &mut self.hasher else {
            return Ok(());
        };
        hasher.write(&self.block);
        let checksums = &self.shared.blocks.checksums;
        let ends = checksums.binary_search_by_key(&self.next, |it| it.0);
        let Some((_, expected)) = ends.ok().and_then(|index| checksums.get(index)) else {
            return Ok(());
        };
        let found = hasher.finish();
        if found == u64::from(*expected) {
            return Ok(());
        }
        let text = format!("the content checksum is {found:#010x}, not {expected:#010x}");
        Err(Error::corrupt(text).at(block.input))
    }
}

impl Decoder for Unpacker {
    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        while self.given >= self.block.len() {
            if self.unpack()?.is_none() {
                return Ok(0);
            }
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
        let next = self.shared.blocks.blocks.get(self.next)?;
        let stands = self.given >= self.block.len() && !self.window.is_empty();
        (next.linked && stands).then(|| Point {
            output: next.output,
            input: next.input,
            state: self.window.clone(),
        })
    }

    fn behind_damage(&self) -> Option<Point> {
        let blocks = self.shared.blocks.blocks.get(self.next..)?;
        let after = blocks.iter().skip(1).find(|block| !block.linked)?;
        Some(Point {
            output: after.output,
            input: after.input,
            state: Vec::new(),
        })
    }

    fn memory(&self) -> u64 {
        to_u64(self.block.capacity()).saturating_add(to_u64(WINDOW))
    }
}
