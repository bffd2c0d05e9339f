//! The block allocation table, as far as the metadata say what it is like. [MS-VHDX] 2.5.

use super::metadata::Metadata;
use super::region::Region;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Sectors of a chunk: the bits of a bitmap of 1 MiB.
pub(super) const CHUNK_SECTORS: u64 = 1 << 23;

/// Where it is, and what its entries stand for.
pub(super) struct Table {
    pub(super) bat: Region,
    pub(super) block_size: u64,
    pub(super) sector_size: u64,
    /// Payload blocks of a chunk.
    pub(super) chunk_ratio: u64,
    /// Bytes of the disk.
    pub(super) size: u64,
    pub(super) is_differencing: bool,
}

impl Table {
    /// The table in the region `bat` of the disk that `metadata` describe.
    ///
    /// # Errors
    /// `Corrupt` for a region that is too small.
    pub(super) fn new(bat: Region, metadata: &Metadata) -> Result<Self> {
        let sector_size = u64::from(metadata.sector_size);
        let chunk = CHUNK_SECTORS.saturating_mul(sector_size);
        let table = Self {
            bat,
            block_size: metadata.block_size,
            sector_size,
            chunk_ratio: chunk.checked_div(metadata.block_size).unwrap_or(1).max(1),
            size: metadata.size,
            is_differencing: metadata.parent.is_some(),
        };
        let bytes = table.entries().saturating_mul(8);
        if bytes > bat.len {
            let text = format!(
                "a BAT of {} bytes is too small, {bytes} are needed",
                bat.len
            );
            return Err(Error::corrupt(text).at(bat.offset));
        }
        Ok(table)
    }

    /// Payload blocks of the disk.
    pub(super) fn blocks(&self) -> u64 {
        self.size.div_ceil(self.block_size)
    }

    /// Entries, those of sector bitmaps among them.
    fn entries(&self) -> u64 {
        let (blocks, ratio) = (self.blocks(), self.chunk_ratio);
        match self.is_differencing {
            true => {
                let chunks = blocks.div_ceil(ratio);
                chunks.saturating_mul(ratio.saturating_add(1))
            }
            false => {
                let bitmaps = blocks.saturating_sub(1).checked_div(ratio).unwrap_or(0);
                blocks.saturating_add(bitmaps)
            }
        }
    }

    /// Bytes of the blocks that are in the file `source`, where the table has at most `most` bytes.
    pub(super) fn allocated(&self, source: &dyn Source, most: u64) -> Option<u64> {
        let len = self.entries().saturating_mul(8);
        let table = (len <= most).then(|| read_vec(source, self.bat.offset, to_usize(len)));
        let table = table?.ok()?;
        let payload = to_usize(self.chunk_ratio);
        let entries: Vec<&[u8]> = table.chunks_exact(8).collect();
        let chunks = entries.chunks(payload.saturating_add(1));
        let entries = chunks.flat_map(|chunk| chunk.iter().take(payload));
        let is_here = |entry: &&&[u8]| entry.first().is_some_and(|low| low & 7 >= 6);
        let count = to_u64(entries.filter(is_here).count());
        Some(count.saturating_mul(self.block_size))
    }
}
