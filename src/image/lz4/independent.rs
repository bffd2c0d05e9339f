//! Blocks that stand alone: each is one packed unit.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};

use twox_hash::XxHash32;

use super::blocks::{Block, Blocks};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{SharedSource, Source, read_vec};

/// What independent blocks unpack to.
pub(super) struct Independent {
    source: SharedSource,
    blocks: Blocks,
    /// Which blocks turned out to be nothing but zeros.
    zeros: Vec<AtomicBool>,
}

impl Independent {
    pub(super) fn new(source: SharedSource, blocks: Blocks) -> Self {
        let zeros = blocks.blocks.iter().map(|_| AtomicBool::new(false));
        Self {
            source,
            zeros: zeros.collect(),
            blocks,
        }
    }

    fn block(&self, unit: u64) -> Result<(&Block, u64)> {
        let missing = || Error::corrupt(format!("there is no block {unit}"));
        self.blocks.get(to_usize(unit)).ok_or_else(missing)
    }

    fn is_zeros(&self, index: usize) -> bool {
        let zeros = self.zeros.get(index);
        zeros.is_some_and(|zeros| zeros.load(Ordering::Relaxed))
    }
}

impl Map for Independent {
    fn size(&self) -> u64 {
        self.blocks.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let blocks = &self.blocks.blocks;
        let behind = blocks.partition_point(|block| block.output <= offset);
        let index = behind.saturating_sub(1);
        let cut = || Error::corrupt("the compressed file is cut off before this").at(offset);
        let (block, size) = self.block(to_u64(index)).map_err(|_| cut())?;
        let skip = offset.saturating_sub(block.output);
        let left = size.checked_sub(skip).and_then(NonZeroU64::new);
        let place = match block {
            _ if self.is_zeros(index) => Place::Zeros,
            Block {
                stored: true,
                checksum: false,
                input,
                ..
            } => Place::At {
                member: 0,
                offset: input.saturating_add(skip),
            },
            _ => Place::Packed {
                unit: to_u64(index),
                skip: to_usize(skip),
            },
        };
        let len = left.ok_or_else(cut)?;
        Ok(Run { place, len })
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        Ok(to_usize(self.block(unit)?.1))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let (block, _) = self.block(unit)?;
        let named = |error: Error| error.context(format!("block {unit}"));
        let packed = read(&*self.source, block).map_err(named)?;
        unpack(block, &packed, into, &[]).map_err(named)?;
        if let Some(zeros) = self.zeros.get(to_usize(unit))
            && into.iter().all(|byte| *byte == 0)
        {
            zeros.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The bytes of `block` as they stand, compared with their checksum.
pub(super) fn read(source: &dyn Source, block: &Block) -> Result<Vec<u8>> {
    let len = to_usize(u64::from(block.packed));
    if !block.checksum {
        return read_vec(source, block.input, len);
    }
    let mut bytes = read_vec(source, block.input, len.saturating_add(4))?;
    let stored = bytes.split_off(len);
    let own = XxHash32::oneshot(0, &bytes);
    if stored != own.to_le_bytes() {
        let text = format!("the block checksum is wrong, it should be {own:#010x}");
        return Err(Error::corrupt(text).at(block.input));
    }
    Ok(bytes)
}

/// Unpacks `block`, of which `packed` are the bytes, into all of `into`, behind `before`.
pub(super) fn unpack(block: &Block, packed: &[u8], into: &mut [u8], before: &[u8]) -> Result<()> {
    let wanted = into.len();
    let wrong = |what: String| Err(Error::corrupt(what).at(block.input));
    if block.stored {
        if packed.len() != wanted {
            return wrong(format!("it has {} bytes, not {wanted}", packed.len()));
        }
        into.copy_from_slice(packed);
        return Ok(());
    }
    match lz4_flex::block::decompress_into_with_dict(packed, into, before) {
        Ok(len) if len == wanted => Ok(()),
        Ok(len) => wrong(format!("it unpacks to {len} bytes, not {wanted}")),
        Err(error) => wrong(error.to_string()),
    }
}
