//! The blocks as they lie packed: of data, whose place and size somebody else tells, and of
//! metadata, which begin with their size.

use super::compression::Compression;
use super::superblock::{METADATA_SIZE, Superblock};
use crate::cache::Block;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::decoded::{Decoder, undecoded};
use crate::source::{SharedSource, read_vec};

/// Bytes of the header of a metadata block.
const HEADER: u64 = 2;

/// The volume, and how its blocks are packed.
#[derive(Clone)]
pub(super) struct Packed {
    source: SharedSource,
    compression: Compression,
    /// The end of what the file system takes of the volume.
    end: u64,
    block_size: usize,
}

/// A compressed block of data, or of fragments.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataUnit {
    /// Its first byte.
    pub(super) start: u64,
    /// Packed bytes, at most those of a block.
    pub(super) size: u32,
    /// Bytes that it should unpack to, which is looked at afterwards.
    pub(super) unpacked: usize,
}

/// Decodes blocks of data.
pub(super) struct DataBlocks(pub(super) Packed);

/// Decodes blocks of metadata, each known by its first byte. Behind what is decoded stand two bytes:
/// how many bytes the block takes as it lies.
pub(super) struct MetadataBlocks(pub(super) Packed);

impl Packed {
    pub(super) fn new(source: SharedSource, superblock: &Superblock) -> Self {
        Self {
            source,
            compression: superblock.compression,
            end: superblock.raw.bytes_used.get(),
            block_size: superblock.block_size,
        }
    }

    /// Fills `buf` from byte `start` of the volume on.
    ///
    /// # Errors
    /// `Corrupt` where that leaves the file system.
    pub(super) fn read(&self, buf: &mut [u8], start: u64) -> Result<()> {
        self.check(start, to_u64(buf.len()))?;
        self.source.read_exact_at(buf, start)
    }

    fn check(&self, start: u64, len: u64) -> Result<()> {
        let end = start.checked_add(len).filter(|end| *end <= self.end);
        end.map(|_| ()).ok_or_else(|| {
            let text = format!("{len} bytes are past bytes_used {}", self.end);
            Error::corrupt(text).at(start)
        })
    }

    fn read_vec(&self, start: u64, len: usize) -> Result<Vec<u8>> {
        self.check(start, to_u64(len))?;
        read_vec(&*self.source, start, len)
    }

    /// The header of the metadata block at `start`: its bytes without the header, and whether they
    /// are compressed.
    ///
    /// # Errors
    /// `Corrupt` for a size that no such block has.
    fn header(&self, start: u64) -> Result<(usize, bool)> {
        let mut header = [0; 2];
        self.read(&mut header, start)?;
        let header = u16::from_le_bytes(header);
        let size = usize::from(header & 0x7fff);
        match size {
            1..=METADATA_SIZE => Ok((size, header & 0x8000 == 0)),
            _ => {
                let text = format!("metadata block: size {size} is not from 1 to {METADATA_SIZE}");
                Err(Error::corrupt(text).at(start))
            }
        }
    }

    /// The first byte behind the metadata block at `start`.
    ///
    /// # Errors
    /// As [`Packed::header`].
    pub(super) fn behind(&self, start: u64) -> Result<u64> {
        let (size, _) = self.header(start)?;
        Ok(start.saturating_add(HEADER).saturating_add(to_u64(size)))
    }

    /// Steps of a request that it takes to unpack the metadata block at `start`.
    pub(super) fn steps(&self, start: u64) -> u64 {
        match self.header(start) {
            Ok((_, true)) => self.compression.steps(),
            _ => 0,
        }
    }

    /// As many as [`Packed::steps`] can be.
    pub(super) fn most_steps(&self) -> u64 {
        self.compression.steps()
    }

    fn metadata(&self, start: u64) -> Result<Vec<u8>> {
        let (size, is_compressed) = self.header(start)?;
        let packed = self.read_vec(start.saturating_add(HEADER), size)?;
        let mut block = match is_compressed {
            true => self.unpacked(&packed, METADATA_SIZE)?,
            false => packed,
        };
        let taken = u16::try_from(size).unwrap_or(0).saturating_add(2);
        block.extend(taken.to_le_bytes());
        Ok(block)
    }

    /// What `packed` unpacks to, which is `most` bytes at most.
    fn unpacked(&self, packed: &[u8], most: usize) -> Result<Vec<u8>> {
        let mut block = undecoded(most)?;
        let len = self.compression.unpack(packed, &mut block)?;
        block.truncate(len);
        if len < most / 2 {
            block.shrink_to_fit();
        }
        Ok(block)
    }
}

impl Decoder for DataBlocks {
    type Unit = DataUnit;

    /// The size stands above all places of a volume up to 8 TiB, so that blocks which begin at the
    /// same byte and end elsewhere are two.
    fn number(unit: &DataUnit) -> u64 {
        unit.start.wrapping_add(u64::from(unit.size) << 43)
    }

    fn decode(&self, unit: &DataUnit) -> Result<Block> {
        let what = |error: Error| error.at(unit.start).context("block of data");
        let size = to_usize(unit.size.into());
        if size > self.0.block_size {
            let most = self.0.block_size;
            return Err(what(Error::corrupt(format!("size {size} is over {most}"))));
        }
        let packed = self.0.read_vec(unit.start, size)?;
        let most = unit.unpacked.min(self.0.block_size);
        let block = self.0.unpacked(&packed, most).map_err(what)?;
        Ok(Block::from(block))
    }
}

impl Decoder for MetadataBlocks {
    type Unit = u64;

    fn number(start: &u64) -> u64 {
        *start
    }

    fn decode(&self, start: &u64) -> Result<Block> {
        let what = |error: Error| error.at(*start).context("metadata block");
        self.0.metadata(*start).map(Block::from).map_err(what)
    }
}
