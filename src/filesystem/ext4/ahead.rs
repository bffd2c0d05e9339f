//! What will be read next is asked of the host before it is wanted, as the kernel does for its own
//! reader: where an image lies on a disk that turns, or far away, who waits for one block at a time
//! waits most of the time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::block_map::{BlockMap, BlockPlace};
use super::core::Core;
use super::inode::{self, InodeRecord};
use crate::filesystem::{FileType, Request};
use crate::number::to_usize;

/// Bytes of an inode table that are asked for together: the kernel's `inode_readahead_blks`, 32
/// blocks of 4 KiB.
const WINDOW: u64 = 128 << 10;

/// Bytes of a file or a directory that are asked for at once: what the kernel reads first.
const FIRST: u64 = 128 << 10;

/// Windows that are remembered, each in the place that its number says.
const REMEMBERED: usize = 1024;

/// The windows of inode tables that were asked for last.
pub(super) struct Ahead(Vec<AtomicU64>);

impl Ahead {
    pub(super) fn new() -> Self {
        let nowhere = || AtomicU64::new(u64::MAX);
        Self((0..REMEMBERED).map(|_| nowhere()).collect())
    }

    /// Asks for the inodes round the one at byte `offset`: those that were made together are
    /// looked at together.
    pub(super) fn inodes(&self, core: &Core, offset: u64) {
        let window = offset / WINDOW;
        let slot = self.0.get(to_usize(window) % REMEMBERED);
        let Some(slot) = slot.filter(|slot| slot.load(Ordering::Relaxed) != window) else {
            return;
        };
        slot.store(window, Ordering::Relaxed);
        core.source.soon(window.saturating_mul(WINDOW), WINDOW);
    }
}

/// Asks for the first blocks of a directory or a file. One whose map has to be read first is left
/// alone.
pub(super) fn contents(core: &Core, request: &Request, inode: &InodeRecord) {
    let is_known = match inode.kind {
        FileType::Directory => true,
        FileType::Regular => !inode.has(inode::ENCRYPT),
        _ => false,
    };
    // `eh_depth` is the second half of the second word.
    let is_deep = inode.has(inode::EXTENTS) && inode.pointer(1) >> 16 != 0;
    if !is_known || inode.is_inline() || is_deep {
        return;
    }
    // What is wrong with it is for those who list it.
    let Ok(run) = BlockMap::new(core, request, inode).run_at(0) else {
        return;
    };
    if let BlockPlace::At(block) = run.place
        && let Ok(offset) = core.superblock.block_offset(block)
    {
        let held = run
            .blocks
            .saturating_mul(1_u64.wrapping_shl(core.superblock.block_bits)); // at most 2^16
        let length = held.min(inode.size).min(FIRST);
        core.source.soon(offset, length);
    }
}
