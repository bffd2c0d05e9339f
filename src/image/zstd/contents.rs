//! Where the frames of a file start, in the file and in what it unpacks to.
//!
//! Where no seek table says it, it is found by going from block header to block header. A frame that
//! does not state its content size is measured: blocks that are stored or one byte repeated say
//! their size, and of the others the sequences are read ([`Entropy::pass`]) but nothing is unpacked.
//! So the work is bounded by the size of the file, however much it unpacks to.
//!
//! Measuring costs about what unpacking does, and is of no other use. So of a file of one large frame
//! only a bound is told, by full blocks: nothing but its size depends on it.

use zerocopy::FromBytes;

use super::entropy::Entropy;
use super::frame::{Block, BlockType, Header};
use super::layout::{BLOCK_HEADER, MAGIC, SKIPPABLE, Skippable};
use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};
use crate::source::streamed::Point;
use crate::source::{Source, read_vec};

/// Frames of one file at most.
const MOST_FRAMES: usize = 4 << 20;

/// Output between two starts that are kept, at least: frames that are smaller are decoded together.
const APART: u64 = 256 << 10;

/// Bytes of compressed blocks that are measured before a file of one frame is left to a bound.
const MEASURED: u64 = 32 << 20;

/// Bytes that are read in one piece, unless a block has more.
const PIECE: usize = 16 << 10;

/// Where a frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) input: u64,
    pub(super) output: u64,
}

/// The frames of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Where they start, in order; not all where they are small.
    pub(super) starts: Vec<Start>,
    /// Where a frame of a seek table starts, and the low half of the XXH64 of what it unpacks to.
    pub(super) checksums: Vec<(u64, u32)>,
    /// Bytes of the file that are frames.
    pub(super) input: u64,
    /// Bytes that they unpack to.
    pub(super) output: u64,
    /// Whether it is only known that they unpack to no more.
    pub(super) is_bound: bool,
    /// Where the file is cut off, or damaged so that nothing behind is found.
    pub(super) cut: Option<u64>,
    /// Where bytes start that are no frame.
    pub(super) trailing: Option<u64>,
}

impl Contents {
    /// Those of `source`, by going over it.
    ///
    /// # Errors
    /// As [`Header::read`]; `Unsupported` for too many frames.
    pub(super) fn walk(source: &dyn Source) -> Result<Self> {
        let bound = Self::walk_measuring(source, MEASURED)?;
        match bound {
            Some(contents) => Ok(contents),
            None => {
                let measured = Self::walk_measuring(source, u64::MAX)?;
                measured.ok_or_else(|| Error::unsupported("too large to be measured"))
            }
        }
    }

    /// The same where `most` bytes of blocks are measured; `None` where that is not enough since
    /// another frame follows.
    pub(super) fn walk_measuring(source: &dyn Source, most: u64) -> Result<Option<Self>> {
        let mut found = Self::default();
        let mut at = 0_u64;
        while found.cut.is_none() && at < source.size() {
            at = match magic(source, at)? {
                Some((MAGIC, _)) => {
                    if found.is_bound {
                        return Ok(None);
                    }
                    let output = found.output;
                    let mut walk = match Walk::new(source, at, most) {
                        Err(error) if error.kind() == Kind::Corrupt && at > 0 => {
                            found.trailing = Some(at);
                            break;
                        }
                        walk => walk?,
                    };
                    found.add(Start { input: at, output })?;
                    let end = walk.frame()?;
                    found.output = output.saturating_add(walk.output);
                    found.cut = walk.cut;
                    found.is_bound = walk.is_bound;
                    end
                }
                Some((magic, size)) if magic & !0xf == SKIPPABLE => {
                    at.saturating_add(8).saturating_add(u64::from(size))
                }
                _ => {
                    found.trailing = Some(at);
                    break;
                }
            };
        }
        found.input = at.min(source.size());
        Ok(Some(found))
    }

    /// Bytes that they take in memory, with the points that are made of them.
    pub(super) fn memory(&self) -> usize {
        let of_start = size_of::<Start>().saturating_add(size_of::<Point>());
        let of_checksums = self.checksums.len().saturating_mul(size_of::<(u64, u32)>());
        let of_starts = self.starts.len().saturating_mul(of_start);
        of_starts.saturating_add(of_checksums)
    }

    /// Adds a start behind the others, unless it is near the last one.
    ///
    /// # Errors
    /// `Unsupported` for too many.
    pub(super) fn add(&mut self, start: Start) -> Result<()> {
        let last = self.starts.last().map(|last| last.output);
        if last.is_some_and(|last| start.output.saturating_sub(last) < APART) {
            return Ok(());
        }
        if self.starts.len() >= MOST_FRAMES || self.starts.try_reserve(1).is_err() {
            return Err(Error::unsupported(format!(
                "it has more than {MOST_FRAMES} frames"
            )));
        }
        self.starts.push(start);
        Ok(())
    }
}

/// The way over one frame.
struct Walk<'source> {
    source: &'source dyn Source,
    at: u64,
    /// What was read ahead, and where that starts.
    buffer: Vec<u8>,
    start: u64,
    header: Header,
    /// What the blocks leave, where they are to be measured.
    entropy: Option<Entropy>,
    /// Bytes of output so far; all where the header says it.
    output: u64,
    /// Bytes of blocks that may still be measured.
    most: u64,
    is_bound: bool,
    cut: Option<u64>,
    block: Vec<u8>,
}

impl<'source> Walk<'source> {
    fn new(source: &'source dyn Source, at: u64, most: u64) -> Result<Self> {
        let header = Header::read(source, at)?;
        let blocks = header.blocks(at);
        Ok(Self {
            source,
            at: blocks,
            buffer: Vec::new(),
            start: 0,
            entropy: header.content_size.is_none().then(Entropy::start),
            output: header.content_size.unwrap_or(0),
            header,
            most,
            is_bound: false,
            cut: None,
            block: Vec::new(),
        })
    }

    /// Goes to the end of the frame.
    fn frame(&mut self) -> Result<u64> {
        let most = self.header.most_block();
        loop {
            if self.left() < to_u64(BLOCK_HEADER) {
                return Ok(self.cut_off());
            }
            let mut bytes = [0; BLOCK_HEADER];
            self.fill_at(&mut bytes)?;
            let Ok(block) = Block::parse(bytes, most, self.at) else {
                return Ok(self.cut_off());
            };
            self.at = self.at.saturating_add(to_u64(BLOCK_HEADER));
            if self.left() < to_u64(block.packed()) {
                return Ok(self.cut_off());
            }
            self.measure(block)?;
            self.at = self.at.saturating_add(to_u64(block.packed()));
            if block.last {
                let checksum = if self.header.checksum { 4 } else { 0 };
                return Ok(self.at.saturating_add(checksum));
            }
        }
    }

    fn left(&self) -> u64 {
        self.source.size().saturating_sub(self.at)
    }

    fn cut_off(&mut self) -> u64 {
        self.cut = Some(self.at);
        self.source.size()
    }

    /// Adds what `block` unpacks to, where the header does not say it for all. A block that is
    /// damaged counts as a full one: reading it fails then.
    fn measure(&mut self, block: Block) -> Result<()> {
        let Some(mut entropy) = self.entropy.take() else {
            return Ok(());
        };
        let len = match block.kind {
            BlockType::Raw | BlockType::Rle => to_u64(block.size),
            BlockType::Compressed if self.is_bound || self.most < to_u64(block.size) => {
                self.is_bound = true;
                to_u64(self.header.most_block())
            }
            BlockType::Compressed => {
                self.most = self.most.saturating_sub(to_u64(block.size));
                let mut bytes = std::mem::take(&mut self.block);
                bytes.resize(block.size, 0);
                self.fill_at(&mut bytes)?;
                let most = to_u64(self.header.most_block());
                let len = entropy.pass(&bytes);
                self.block = bytes;
                len.filter(|len| *len <= most).unwrap_or(most)
            }
        };
        self.entropy = Some(entropy);
        self.output = self.output.saturating_add(len);
        Ok(())
    }

    /// Fills `into` from where the walk is.
    fn fill_at(&mut self, into: &mut [u8]) -> Result<()> {
        if self.buffered(into.len()).is_none() {
            if into.len() >= PIECE {
                return self.source.read_exact_at(into, self.at);
            }
            let len = self.left().min(to_u64(PIECE));
            self.buffer = read_vec(self.source, self.at, to_usize(len))?;
            self.start = self.at;
        }
        let cut = || Error::corrupt("the file is cut off").at(self.at);
        into.copy_from_slice(self.buffered(into.len()).ok_or_else(cut)?);
        Ok(())
    }

    /// The `len` bytes from where the walk is, where they are in the buffer.
    fn buffered(&self, len: usize) -> Option<&[u8]> {
        let skip = self.at.checked_sub(self.start)?;
        self.buffer.get(to_usize(skip)..)?.get(..len)
    }
}

/// The magic number at `at` and the number behind it, which is 0 where the file ends before; `None`
/// where it ends before the magic number does.
pub(super) fn magic(source: &dyn Source, at: u64) -> Result<Option<(u32, u32)>> {
    let left = source.size().saturating_sub(at).min(8);
    if left < 4 {
        return Ok(None);
    }
    let mut bytes = read_vec(source, at, to_usize(left))?;
    bytes.resize(8, 0);
    let start = Skippable::ref_from_bytes(&bytes).ok();
    Ok(start.map(|start| (start.magic.get(), start.size.get())))
}
