//! Files without extents: 12 pointers to blocks in the inode, then one each to a block, a tree and
//! a tree of trees of pointers.

use super::extents::Extent;
use super::{Editor, RawBytes, field};
use crate::error::{Error, Result};
use crate::number::to_u64;

/// Pointers in the inode that lead to data, and the level of the trees behind the others.
const DIRECT: usize = 12;
const POINTERS: usize = 15;
/// More runs than this are not listed.
const MOST_RUNS: usize = 1 << 20;

/// What a truncation freed.
#[derive(Default)]
pub(in crate::filesystem::ext4) struct Freed {
    pub(in crate::filesystem::ext4) blocks: Vec<u64>,
}

impl Editor {
    /// The runs of the file in `inode` up to logical block `end`, and the blocks of pointers.
    pub(in crate::filesystem::ext4) fn indirect_runs(
        &self,
        inode: &[u8],
        end: u32,
    ) -> Result<(Vec<Extent>, Vec<u64>)> {
        let mut list = List {
            editor: self,
            end: end.into(),
            runs: Vec::new(),
            nodes: Vec::new(),
        };
        let mut logical = 0_u64;
        for index in 0..POINTERS {
            let level = index.saturating_sub(DIRECT.saturating_sub(1));
            let pointer = inode.u32_at(pointer_place(index));
            list.walk(pointer, level, logical)?;
            logical = logical.saturating_add(self.span(level));
        }
        Ok((list.runs, list.nodes))
    }

    /// Frees every block of the file in `inode` from logical block `from` on, and every block of
    /// pointers that then holds none.
    pub(in crate::filesystem::ext4) fn truncate_indirect(
        &self,
        inode: &mut [u8],
        from: u64,
    ) -> Result<Freed> {
        let mut freed = Freed::default();
        let mut logical = 0_u64;
        for index in 0..POINTERS {
            let level = index.saturating_sub(DIRECT.saturating_sub(1));
            let span = self.span(level);
            let place = pointer_place(index);
            let pointer = inode.u32_at(place);
            if pointer != 0 && logical.saturating_add(span) > from {
                let kept = self.cut(pointer, level, logical, from, &mut freed)?;
                if !kept {
                    inode.put(place, &[0; 4]);
                }
            }
            logical = logical.saturating_add(span);
        }
        Ok(freed)
    }

    /// Cuts the tree at `pointer`, whose first block is `logical`; false where nothing is left.
    fn cut(
        &self,
        pointer: u32,
        level: usize,
        logical: u64,
        from: u64,
        freed: &mut Freed,
    ) -> Result<bool> {
        self.check_blocks(pointer.into(), 1)?;
        if freed.blocks.len() > MOST_RUNS {
            return Err(Error::unsupported(
                "the file is too large to be truncated in memory",
            ));
        }
        if let Some(below) = level.checked_sub(1) {
            let mut node = self.patched.block(pointer.into())?;
            let span = self.span(below);
            let mut start = logical;
            for at in (0..node.len()).step_by(4) {
                let child = node.u32_at(at);
                if child != 0
                    && start.saturating_add(span) > from
                    && !self.cut(child, below, start, from, freed)?
                {
                    node.put(at, &[0; 4]);
                }
                start = start.saturating_add(span);
            }
            if node.iter().any(|byte| *byte != 0) {
                self.patched.set_block(pointer.into(), node)?;
                return Ok(true);
            }
        }
        freed.blocks.push(pointer.into());
        Ok(false)
    }

    /// Logical blocks under one pointer of `level`: 1, 256 and so on.
    fn span(&self, level: usize) -> u64 {
        let per_block = to_u64(self.block_size()).wrapping_shr(2);
        (0..level).fold(1, |span: u64, _| span.saturating_mul(per_block))
    }
}

fn pointer_place(index: usize) -> usize {
    field::BLOCK.saturating_add(index.saturating_mul(4))
}

struct List<'a> {
    editor: &'a Editor,
    end: u64,
    runs: Vec<Extent>,
    nodes: Vec<u64>,
}

impl List<'_> {
    fn walk(&mut self, pointer: u32, level: usize, logical: u64) -> Result<()> {
        if pointer == 0 || logical >= self.end {
            return Ok(());
        }
        self.editor.check_blocks(pointer.into(), 1)?;
        let Some(below) = level.checked_sub(1) else {
            return self.push(pointer, logical);
        };
        if self.nodes.len() > MOST_RUNS {
            return Err(Error::corrupt("the file has too many blocks of pointers"));
        }
        self.nodes.push(pointer.into());
        let node = self.editor.patched.block(pointer.into())?;
        let mut start = logical;
        for at in (0..node.len()).step_by(4) {
            self.walk(node.u32_at(at), below, start)?;
            start = start.saturating_add(self.editor.span(below));
        }
        Ok(())
    }

    fn push(&mut self, pointer: u32, logical: u64) -> Result<()> {
        let logical = u32::try_from(logical).map_err(|_| Error::corrupt("a block past 2^32"))?;
        let physical = u64::from(pointer);
        if let Some(last) = self.runs.last_mut()
            && last.end() == logical
            && last.physical.saturating_add(last.blocks.into()) == physical
        {
            last.blocks = last.blocks.saturating_add(1);
            return Ok(());
        }
        if self.runs.len() > MOST_RUNS {
            return Err(Error::corrupt("the file has too many runs of blocks"));
        }
        let run = Extent {
            logical,
            physical,
            blocks: 1,
            unwritten: false,
        };
        self.runs.push(run);
        Ok(())
    }
}
