//! Indirect blocks, as ext2 and ext3 map files: twelve pointers in the inode, then one each to a
//! block of pointers, to a block of those, and to a block of those. The level falls with every
//! step: a block that points at itself is only read as what it is not.

use super::{BlockMap, BlockPlace, BlockRun};
use crate::error::{Error, Result};
use crate::number::to_usize;
use crate::source::Scratch;

/// Direct pointers in the inode.
const DIRECT: u64 = 12;

/// The step from a logical block to a pointer: which of the inode's, how many levels of pointer
/// blocks below it, the block's place among those it covers, and how many it covers.
struct Route {
    slot: usize,
    levels: u32,
    index: u64,
}

impl BlockMap<'_> {
    /// The run at `logical` by indirect blocks.
    pub(super) fn indirect_run(&mut self, logical: u64) -> Result<BlockRun> {
        // log2 of the pointers in a block
        let bits = self.core.superblock.block_bits.saturating_sub(2);
        let Some(route) = route(logical, bits) else {
            return Ok(hole(u64::MAX.saturating_sub(logical)));
        };
        if route.levels == 0 {
            let pointers = self.inode.raw.i_block.get(..48).unwrap_or(&[]);
            return self.run_in(pointers, route.slot, None);
        }
        let mut block = self.inode.pointer(route.slot);
        let mut holder = None;
        for level in (0..route.levels).rev() {
            let covered = bits.saturating_mul(level); // log2 of the blocks under one pointer
            if block == 0 {
                return Ok(route.hole_under(covered.saturating_add(bits)));
            }
            let slot = to_usize(low_bits(route.index.wrapping_shr(covered), bits));
            let pointers = self.pointers(block, holder)?;
            holder = Some(u64::from(block));
            if level == 0 {
                let run = self.run_in(&pointers, slot, holder);
                self.pointers = Some((block.into(), pointers));
                return run;
            }
            block = pointer(&pointers, slot);
        }
        Ok(hole(1))
    }

    /// The block of pointers `block`, which `holder` names, from memory where it was the last one
    /// read.
    fn pointers(&mut self, block: u32, holder: Option<u64>) -> Result<Scratch> {
        let block = u64::from(block);
        if let Some((_, pointers)) = self.pointers.take_if(|(number, _)| *number == block) {
            return Ok(pointers);
        }
        self.check(block, holder)?;
        self.core.read_block(self.request, block)
    }

    /// The run of pointers from `slot` on that go up one by one, or are all zero.
    fn run_in(&self, pointers: &[u8], slot: usize, holder: Option<u64>) -> Result<BlockRun> {
        let start = u64::from(pointer(pointers, slot));
        let (words, _) = pointers.as_chunks::<4>();
        let rest = words.get(slot..).unwrap_or(&[]);
        let rest = rest.iter().map(|word| u64::from(u32::from_le_bytes(*word)));
        if start == 0 {
            let blocks = rest.take_while(|pointer| *pointer == 0).count();
            return Ok(hole(crate::number::to_u64(blocks)));
        }
        self.check(start, holder)?;
        let most = self.core.superblock.blocks;
        let follows = |(pointer, expected): &(u64, u64)| pointer == expected && *expected < most;
        let blocks = rest.zip(start..).take_while(follows).count();
        Ok(BlockRun {
            place: BlockPlace::At(start),
            blocks: crate::number::to_u64(blocks).max(1),
        })
    }

    /// Checks that `block` is inside the file system; `holder` is the block of pointers that names
    /// it, where it is not the inode.
    fn check(&self, block: u64, holder: Option<u64>) -> Result<()> {
        if self.core.holds(block, 1) {
            return Ok(());
        }
        let error = Error::corrupt(format!("block pointer {block} is outside the file system"));
        Err(match holder {
            None => error.at(self.inode.offset),
            Some(holder) => error
                .at(self.core.superblock.block_offset(holder)?)
                .context(format!("block of pointers {holder}")),
        })
    }
}

impl Route {
    /// The hole from here to the end of the 2^`bits` blocks under a pointer that is zero.
    fn hole_under(&self, bits: u32) -> BlockRun {
        let span = 1_u64.wrapping_shl(bits); // at most 2^42
        hole(span.saturating_sub(low_bits(self.index, bits)))
    }
}

/// The low `bits` bits of `value`: at most 42.
fn low_bits(value: u64, bits: u32) -> u64 {
    value & 1_u64.wrapping_shl(bits).saturating_sub(1)
}

fn hole(blocks: u64) -> BlockRun {
    BlockRun {
        place: BlockPlace::Hole,
        blocks: blocks.max(1),
    }
}

fn pointer(pointers: &[u8], slot: usize) -> u32 {
    let (words, _) = pointers.as_chunks::<4>();
    words.get(slot).map_or(0, |word| u32::from_le_bytes(*word))
}

/// How `logical` is reached with 2^`bits` pointers in a block; `None` past what can be.
fn route(logical: u64, bits: u32) -> Option<Route> {
    if logical < DIRECT {
        return Some(Route {
            slot: to_usize(logical),
            levels: 0,
            index: 0,
        });
    }
    let mut index = logical.saturating_sub(DIRECT);
    for (slot, levels) in [(12, 1), (13, 2), (14, 3)] {
        let span = 1_u64.wrapping_shl(bits.saturating_mul(levels)); // at most 2^42
        if index < span {
            return Some(Route {
                slot,
                levels,
                index,
            });
        }
        index = index.saturating_sub(span);
    }
    None
}
