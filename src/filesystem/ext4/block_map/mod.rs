//! Logical block of a file → block of the file system, by extents or by indirect blocks.

mod extents;
mod indirect;

pub(super) use self::extents::Leaf;
use super::core::Core;
use super::inode::{self, InodeRecord};
use crate::error::{Result, ResultExt};
use crate::filesystem::Request;
use crate::source::Scratch;

/// What a run of a file's blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockPlace {
    /// Nothing: it reads as zeros.
    Hole,
    /// Allocated from this block on and never written: it reads as zeros, whatever lies there.
    Unwritten(u64),
    /// From this block of the file system on.
    At(u64),
}

/// A place, and for how many blocks from the one that was asked for it goes on in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRun {
    /// Where, for the block that was asked for.
    pub(super) place: BlockPlace,
    /// Blocks, at least 1. May reach past the end of the file.
    pub(super) blocks: u64,
}

/// Maps the blocks of one file. It keeps the node that it read last, so that going through a file
/// in order reads each node once.
pub(super) struct BlockMap<'a> {
    core: &'a Core,
    request: &'a Request,
    inode: &'a InodeRecord,
    leaf: Option<Leaf>,
    pointers: Option<(u64, Scratch)>,
}

impl<'a> BlockMap<'a> {
    /// The map of `inode`, which holds blocks: it is not inline, no device, no fast link.
    pub(super) fn new(core: &'a Core, request: &'a Request, inode: &'a InodeRecord) -> Self {
        Self {
            core,
            request,
            inode,
            leaf: None,
            pointers: None,
        }
    }

    /// Where logical block `logical` is. What nobody can write to through a file is written, whatever
    /// its extent says: directories, links and the values of attributes, as for the kernel.
    ///
    /// # Errors
    /// `Corrupt`, naming the inode and the node of its map.
    pub(super) fn run_at(&mut self, logical: u64) -> Result<BlockRun> {
        let number = self.inode.number;
        let run = self.find(logical).context(|| format!("inode {number}"))?;
        debug_assert!(run.blocks > 0, "a run of nothing would not end");
        match run.place {
            BlockPlace::Unwritten(start) if !self.inode.has_content() => Ok(BlockRun {
                place: BlockPlace::At(start),
                ..run
            }),
            _ => Ok(run),
        }
    }

    fn find(&mut self, logical: u64) -> Result<BlockRun> {
        if self.inode.has(inode::EXTENTS) {
            self.extent_run(logical)
        } else {
            self.indirect_run(logical)
        }
    }
}
