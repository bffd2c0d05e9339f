//! The volume's bytes by logical sectors, which in UDF are as large as logical blocks.

use super::tag::{self, Fault};
use crate::error::{Error, Result};
use crate::format::{Notices, Options};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// The sizes in bytes that a block can have, as exponents of two.
pub(super) const BLOCK_BITS: [u32; 7] = [9, 10, 11, 12, 13, 14, 15];

/// Readable sectors.
#[derive(Clone, Copy)]
pub(super) struct Disk<'a> {
    /// The bytes.
    pub(super) source: &'a dyn Source,
    /// A block has 2 to this many bytes.
    pub(super) block_bits: u32,
    /// The user's choices.
    pub(super) options: &'a Options,
    /// Where to say what is odd.
    pub(super) notices: &'a Notices,
}

impl Disk<'_> {
    /// Bytes in a block.
    pub(super) fn block_size(&self) -> u64 {
        1_u64.wrapping_shl(self.block_bits) // at most 2^15
    }

    /// Whole blocks.
    pub(super) fn blocks(&self) -> u64 {
        self.source.size().wrapping_shr(self.block_bits)
    }

    /// The byte at which block `number` begins.
    pub(super) fn offset(&self, number: u64) -> u64 {
        number.saturating_mul(self.block_size())
    }

    /// The bytes of block `number`.
    ///
    /// # Errors
    /// `Corrupt` past the end; as [`crate::source::Source::read_exact_at`].
    pub(super) fn read(&self, number: u64) -> Result<Vec<u8>> {
        self.read_at(self.offset(number), self.block_size())
    }

    /// `length` bytes from byte `offset` on, no more than a structure that was bounded before.
    ///
    /// # Errors
    /// As [`Disk::read`].
    pub(super) fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > self.source.size()) {
            return Err(Error::corrupt("it lies past the end of the volume").at(offset));
        }
        read_vec(self.source, offset, to_usize(length))
    }

    /// The descriptor in block `number` of the volume, its tag checked, and what it is.
    ///
    /// # Errors
    /// As [`Disk::read`], and `Corrupt` for a tag that is none or does not belong here.
    pub(super) fn descriptor(&self, number: u64) -> Result<(u16, Vec<u8>)> {
        let block = self.read(number)?;
        let location = u32::try_from(number).unwrap_or(u32::MAX);
        let kind = self.checked(&block, location, self.offset(number))?;
        Ok((kind, block))
    }

    /// What the descriptor `bytes`, read from byte `offset`, is, after checking that it stands at
    /// block `location` of its partition or volume.
    ///
    /// # Errors
    /// `Corrupt`; but for a wrong checksum a notice where the user wants to read all the same.
    pub(super) fn checked(&self, bytes: &[u8], location: u32, offset: u64) -> Result<u16> {
        match tag::check(bytes, location) {
            Ok(kind) => Ok(kind),
            Err(Fault::Other(error)) => Err(error.at(offset)),
            Err(Fault::Checksum(error)) => {
                self.tolerate(error.at(offset))?;
                Ok(tag::read(bytes).map_or(0, |tag| tag.tag_identifier.get()))
            }
        }
    }

    /// A wrong checksum: an error, or a notice where the user wants to read all the same.
    ///
    /// # Errors
    /// `error` itself, with the hint that goes with it.
    pub(super) fn tolerate(&self, error: Error) -> Result<()> {
        if self.options.ignore_checksums {
            self.notice(&error);
            return Ok(());
        }
        Err(error.hint(tag::HINT))
    }

    /// Says what is odd.
    pub(super) fn notice(&self, error: &Error) {
        let error = error.clone().context("udf");
        self.notices.add(error.to_string());
    }

    /// How far into its block byte `offset` lies.
    pub(super) fn within(&self, offset: u64) -> u64 {
        offset & self.block_size().saturating_sub(1)
    }
}

/// The length of `bytes`, as a number of bytes on disk.
pub(super) fn length(bytes: &[u8]) -> u64 {
    to_u64(bytes.len())
}
