//! Where the blocks of all frames are, found by going from one block's size to the next: nothing
//! is unpacked.
//!
//! How many bytes a block unpacks to does not stand in its header. Every writer fills all blocks of
//! a frame but the last one, and the content size, where there is one, says whether that is so.
//! Where there is none a few blocks are measured ([`super::length`]), and all of them if one of the
//! few is not full: that needs reading them.

use zerocopy::FromBytes;

use super::header::Header;
use super::layout::{LEGACY, LEGACY_BLOCK, MAGIC, SKIPPABLE, STORED, Skippable};
use super::length;
use crate::error::{Error, Result};
use crate::format::{Room, Taken};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Blocks of one file at most: 256 GiB in the smallest blocks, 16 TiB in those of 4 MiB.
const MOST_BLOCKS: usize = 4 << 20;

/// Blocks of one frame that are measured where nothing says how large they are.
const SAMPLES: usize = 16;

/// Bytes of the largest size that is believed of a frame whose end is missing: 1 PiB.
const MOST_MISSING: u64 = 1 << 50;

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where its bytes are, behind its size.
    pub(super) input: u64,
    /// Bytes that it takes there.
    pub(super) packed: u32,
    /// Whether it is stored as it is.
    pub(super) stored: bool,
    /// Whether a checksum stands behind it.
    pub(super) checksum: bool,
    /// Whether it may refer to the blocks before it.
    pub(super) linked: bool,
    /// Where the unpacked bytes start.
    pub(super) output: u64,
}

/// All blocks of a file.
#[derive(Default)]
pub(super) struct Blocks {
    pub(super) blocks: Vec<Block>,
    /// Bytes of all of them unpacked, those that are missing included.
    pub(super) size: u64,
    /// Where the last of them ends.
    pub(super) end: u64,
    /// The content checksums: the number of blocks up to the end of a frame, and its own.
    pub(super) checksums: Vec<(usize, u32)>,
    /// Where the file is cut off, if it is.
    pub(super) cut: Option<u64>,
    /// Where bytes start that are no frame.
    pub(super) trailing: Option<u64>,
    /// How many blocks there may be.
    most: usize,
    /// What they take of the room for tables.
    _room: Option<Taken>,
}

impl Blocks {
    /// Those of `source`.
    ///
    /// # Errors
    /// As [`Header::read`]; `Corrupt` for sizes that the format forbids, `Unsupported` for more
    /// blocks than there may be, or than `room` is left for.
    pub(super) fn read(source: &dyn Source, room: &Room) -> Result<Self> {
        let most = room.left().checked_div(size_of::<Block>());
        let mut found = Self {
            most: most.unwrap_or_default().min(MOST_BLOCKS),
            ..Self::default()
        };
        let mut at = 0;
        while found.cut.is_none() && at < source.size() {
            at = match magic(source, at)? {
                Some((MAGIC, _)) => found.frame(source, at)?,
                Some((LEGACY, _)) => found.legacy(source, at)?,
                Some((magic, size)) if magic & !0xf == SKIPPABLE => {
                    at.saturating_add(8).saturating_add(u64::from(size))
                }
                _ => {
                    found.trailing = Some(at);
                    break;
                }
            };
        }
        found.blocks.shrink_to_fit();
        let bytes = found.blocks.len().saturating_mul(size_of::<Block>());
        found._room = Some(room.take_large(bytes)?);
        Ok(found)
    }

    /// Whether a block may refer to those before it.
    pub(super) fn are_linked(&self) -> bool {
        self.blocks.iter().any(|block| block.linked)
    }

    /// Block number `index`, and the bytes it unpacks to.
    pub(super) fn get(&self, index: usize) -> Option<(&Block, u64)> {
        let block = self.blocks.get(index)?;
        let next = self.blocks.get(index.checked_add(1)?);
        let end = next.map_or(self.end, |next| next.output);
        Some((block, end.saturating_sub(block.output)))
    }

    /// Adds the blocks of the frame at `at` and gives where it ends.
    fn frame(&mut self, source: &dyn Source, at: u64) -> Result<u64> {
        let header = Header::read(source, at)?;
        let first = self.blocks.len();
        let mut next = header.blocks;
        loop {
            let Some(size) = number(source, next)? else {
                self.cut = Some(next);
                break;
            };
            next = next.saturating_add(4);
            if size == 0 {
                if header.content_checksum {
                    let ends = self.blocks.len();
                    let checksum = number(source, next)?.filter(|_| ends > first);
                    self.checksums.extend(checksum.map(|own| (ends, own)));
                    next = next.saturating_add(4);
                }
                break;
            }
            let block = Block {
                input: next,
                packed: size & !STORED,
                stored: size & STORED != 0,
                checksum: header.block_checksum,
                linked: header.linked && self.blocks.len() > first,
                output: 0,
            };
            let behind = self.add(source, block, header.most_block)?;
            let Some(behind) = behind else { break };
            next = behind;
        }
        self.settle(source, first, header.most_block, header.content_size)
            .map_err(|error| error.at(at))?;
        Ok(next)
    }

    /// The same for a legacy frame, which ends where the file does, or another frame starts.
    fn legacy(&mut self, source: &dyn Source, at: u64) -> Result<u64> {
        let first = self.blocks.len();
        let mut next = at.saturating_add(4);
        while next < source.size() {
            let Some(size) = number(source, next)? else {
                self.cut = Some(next);
                break;
            };
            if size == MAGIC || size == LEGACY || size & !0xf == SKIPPABLE {
                break;
            }
            let block = Block {
                input: next.saturating_add(4),
                packed: size,
                stored: false,
                checksum: false,
                linked: false,
                output: 0,
            };
            // LZ4_COMPRESSBOUND.
            let most = LEGACY_BLOCK.saturating_add(LEGACY_BLOCK / 255 + 16);
            let behind = self.add(source, block, most)?;
            let Some(behind) = behind else { break };
            next = behind;
        }
        self.settle(source, first, LEGACY_BLOCK, None)
            .map_err(|error| error.at(at))?;
        Ok(next)
    }

    /// Adds `block`, and gives where the next one starts; `None` where the file ends inside.
    fn add(&mut self, source: &dyn Source, block: Block, most: u64) -> Result<Option<u64>> {
        let packed = u64::from(block.packed);
        if packed > most || packed == 0 {
            let text = format!("a block of {packed} bytes is not 1 to {most}");
            return Err(Error::corrupt(text).at(block.input));
        }
        let checksum = if block.checksum { 4 } else { 0 };
        let end = block.input.saturating_add(packed).saturating_add(checksum);
        if end > source.size() {
            self.cut = Some(block.input);
            return Ok(None);
        }
        if self.blocks.len() >= self.most {
            let text = format!("it has more than {} blocks", self.most);
            return Err(Error::unsupported(text));
        }
        self.blocks
            .try_reserve(1)
            .map_err(|_| Error::unsupported("no memory for its blocks"))?;
        self.blocks.push(block);
        Ok(Some(end))
    }

    /// Gives the blocks from `first` on, those of one frame, their places in the output.
    fn settle(
        &mut self,
        source: &dyn Source,
        first: usize,
        most: u64,
        content_size: Option<u64>,
    ) -> Result<()> {
        let blocks = self.blocks.get_mut(first..).unwrap_or_default();
        let all_full = match content_size {
            Some(size) if self.cut.is_none() => size.div_ceil(most) == to_u64(blocks.len()),
            _ => are_full(source, blocks, most)?,
        };
        let mut at = self.size;
        let last = blocks.len().saturating_sub(1);
        for (index, block) in blocks.iter_mut().enumerate() {
            block.output = at;
            let len = match (index == last, all_full, content_size) {
                (false, true, _) => most,
                (true, true, Some(size)) if self.cut.is_none() => {
                    size.saturating_sub(at.saturating_sub(self.size))
                }
                _ => measured(source, block, most)?,
            };
            at = at.saturating_add(len);
        }
        self.end = at;
        let len = at.saturating_sub(self.size);
        match content_size {
            Some(size) if self.cut.is_some() && (len..MOST_MISSING).contains(&size) => {
                at = self.size.saturating_add(size);
            }
            Some(size) if size != len => {
                let text = format!("the content size is {size}, and its blocks have {len} bytes");
                return Err(Error::corrupt(text));
            }
            _ => {}
        }
        self.size = at;
        Ok(())
    }
}

/// Whether all blocks but the last are full, as far as some of them tell.
fn are_full(source: &dyn Source, blocks: &[Block], most: u64) -> Result<bool> {
    let Some((_, but_last)) = blocks.split_last() else {
        return Ok(true);
    };
    let short = |block: &&Block| block.stored && u64::from(block.packed) != most;
    if but_last.iter().any(|block| short(&block)) {
        return Ok(false);
    }
    let step = but_last.len().div_ceil(SAMPLES).max(1);
    for block in but_last.iter().step_by(step) {
        if measured(source, block, most).is_ok_and(|len| len != most) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes that `block` unpacks to. One that is damaged counts as full: reading it fails then.
fn measured(source: &dyn Source, block: &Block, most: u64) -> Result<u64> {
    if block.stored {
        return Ok(u64::from(block.packed));
    }
    let bytes = read_vec(source, block.input, to_usize(u64::from(block.packed)))?;
    let len = length::unpacked(&bytes);
    Ok(len.filter(|len| *len <= most).unwrap_or(most))
}

/// The magic number at `at` and the number behind it; `None` where the file ends before.
pub(super) fn magic(source: &dyn Source, at: u64) -> Result<Option<(u32, u32)>> {
    if at.saturating_add(8) > source.size() {
        return Ok(None);
    }
    let bytes = read_vec(source, at, 8)?;
    let start = Skippable::ref_from_bytes(&bytes).ok();
    Ok(start.map(|start| (start.magic.get(), start.size.get())))
}

/// The number at `at`; `None` where the file ends before.
fn number(source: &dyn Source, at: u64) -> Result<Option<u32>> {
    if at.saturating_add(4) > source.size() {
        return Ok(None);
    }
    let mut bytes = [0; 4];
    source.read_exact_at(&mut bytes, at)?;
    Ok(Some(u32::from_le_bytes(bytes)))
}
