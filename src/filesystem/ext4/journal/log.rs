//! The blocks of the journal, in its own numbering, wherever they lie on the volume.

use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::Source;

/// A run of the journal's blocks that lie in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filesystem::ext4) struct LogRun {
    /// The first block, in the journal's numbering.
    pub(in crate::filesystem::ext4) logical: u32,
    /// Where it lies, as a block of the volume.
    pub(in crate::filesystem::ext4) physical: u64,
    /// How many.
    pub(in crate::filesystem::ext4) blocks: u32,
}

/// The journal's blocks.
pub(in crate::filesystem::ext4) struct Log<'a> {
    volume: &'a dyn Source,
    /// Ascending and disjoint.
    runs: &'a [LogRun],
    block_size: usize,
}

impl<'a> Log<'a> {
    /// The journal that lies in `runs` (ascending, disjoint) of `volume`, in blocks of
    /// `block_size` bytes, a power of two from 1024 on.
    pub(in crate::filesystem::ext4) fn new(
        volume: &'a dyn Source,
        runs: &'a [LogRun],
        block_size: usize,
    ) -> Self {
        Self {
            volume,
            runs,
            block_size,
        }
    }

    pub(super) fn block_size(&self) -> usize {
        self.block_size
    }

    /// Number of blocks, up to the end of the last run.
    pub(super) fn blocks(&self) -> u32 {
        let end = |run: &LogRun| run.logical.saturating_add(run.blocks);
        self.runs.last().map_or(0, end)
    }

    /// The block of the volume that holds block `number`.
    pub(super) fn physical(&self, number: u32) -> Result<u64> {
        let index = self.runs.partition_point(|run| run.logical <= number);
        let run = index.checked_sub(1).and_then(|index| self.runs.get(index));
        let found = run.and_then(|run| {
            let skip = number.checked_sub(run.logical)?;
            let inside = skip < run.blocks;
            inside.then(|| run.physical.saturating_add(u64::from(skip)))
        });
        found.ok_or_else(|| Error::corrupt(format!("journal block {number} is not allocated")))
    }

    /// The byte of the volume where block `number` begins.
    pub(super) fn place(&self, number: u32) -> Result<u64> {
        Ok(self
            .physical(number)?
            .saturating_mul(to_u64(self.block_size)))
    }

    /// Block `number`.
    pub(super) fn read(&self, number: u32) -> Result<Vec<u8>> {
        let mut block = vec![0; self.block_size];
        self.volume
            .read_exact_at(&mut block, self.place(number)?)
            .map_err(|error| error.context(format!("journal block {number}")))?;
        Ok(block)
    }
}
