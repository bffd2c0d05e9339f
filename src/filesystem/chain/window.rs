//! The piece of a table that was read last: a chain mostly goes on near by.

use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes that are read at a time.
const PIECE: u64 = 4096;

/// A piece of a table.
#[derive(Default)]
pub(in crate::filesystem) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The `N` bytes at byte `offset` of `source`, of a table that ends at byte `end`; for one step
    /// of the request's budget where they have to be read.
    ///
    /// # Errors
    /// `Corrupt` past `end`; as [`Source::read_exact_at`].
    pub(in crate::filesystem) fn bytes<const N: usize>(
        &mut self,
        request: &Request,
        source: &dyn Source,
        offset: u64,
        end: u64,
    ) -> Result<[u8; N]> {
        if let Some(bytes) = self.find(offset) {
            return Ok(bytes);
        }
        request.spend(1)?;
        let piece = end.saturating_sub(offset).min(PIECE);
        // From a boundary on, unless what is wanted lies across the next one.
        let aligned = offset.saturating_sub(offset % PIECE);
        let behind = offset.saturating_add(to_u64(N));
        let (start, len) = match behind <= aligned.saturating_add(PIECE) {
            true => (aligned, end.saturating_sub(aligned).min(PIECE)),
            false => (offset, piece),
        };
        let len = len.min(source.size().saturating_sub(start));
        self.bytes = read_vec(source, start, to_usize(len))?;
        self.start = start;
        let past = || Error::corrupt("past the end of the table").at(offset);
        self.find(offset).ok_or_else(past)
    }

    fn find<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let skip = to_usize(offset.checked_sub(self.start)?);
        self.bytes.get(skip..)?.first_chunk().copied()
    }
}
