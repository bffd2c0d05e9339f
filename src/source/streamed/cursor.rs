//! The compressed bytes of a stream, in order: what decoders read.

use std::io::{BufRead, Read};

use crate::error::{Error, Kind, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, zeroed};

/// Bytes that are read in one piece.
const PIECE: usize = 64 << 10;

/// A place in a source, with the bytes behind it in a buffer of 64 KiB.
///
/// It is [`Read`] and [`BufRead`] too, for libraries; [`Cursor::failure`] then gives the error
/// that they could only pass on as text.
pub struct Cursor {
    source: SharedSource,
    /// Where the buffer starts.
    start: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are valid, and how many of them are used up.
    filled: usize,
    used: usize,
    failure: Option<Error>,
}

impl Cursor {
    /// At byte `offset` of `source`; past the end of which there is nothing.
    #[must_use]
    pub fn new(source: SharedSource, offset: u64) -> Self {
        Self {
            source,
            start: offset,
            buffer: Vec::new(),
            filled: 0,
            used: 0,
            failure: None,
        }
    }

    /// Where it stands in the source, in bytes.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.start.saturating_add(to_u64(self.used))
    }

    /// The next bytes, at most 64 KiB and at least one before the end of the source; empty there.
    ///
    /// # Errors
    /// As [`super::super::Source::read_exact_at`].
    pub fn peek(&mut self) -> Result<&[u8]> {
        if self.used >= self.filled {
            self.refill()?;
        }
        Ok(self.buffer.get(self.used..self.filled).unwrap_or(&[]))
    }

    /// Goes `len` bytes on, which [`Cursor::peek`] has shown.
    pub fn advance(&mut self, len: usize) {
        self.used = self.used.saturating_add(len).min(self.filled);
    }

    /// Goes on at byte `offset` of the source.
    pub fn seek(&mut self, offset: u64) {
        let inside = offset.checked_sub(self.start).map(to_usize);
        if let Some(used) = inside.filter(|used| *used <= self.filled) {
            self.used = used;
        } else {
            self.start = offset;
            (self.filled, self.used) = (0, 0);
        }
    }

    /// Fills all of `into`.
    ///
    /// # Errors
    /// `Corrupt` where the source ends before that; otherwise as [`Cursor::peek`].
    pub fn fill(&mut self, into: &mut [u8]) -> Result<()> {
        let mut rest = into;
        while !rest.is_empty() {
            let bytes = self.peek()?;
            let len = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(bytes.split_at(len).0);
            rest = later;
            if len == 0 {
                return Err(self.cut_off());
            }
            self.advance(len);
        }
        Ok(())
    }

    /// The error for a stream that ends here and should not.
    #[must_use]
    pub fn cut_off(&self) -> Error {
        Error::corrupt("the compressed stream is cut off").at(self.position())
    }

    /// Why the source could not be read, where a [`Read`] of this cursor failed.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    fn refill(&mut self) -> Result<()> {
        self.start = self.position();
        (self.filled, self.used) = (0, 0);
        let left = self.source.size().saturating_sub(self.start);
        let len = to_usize(left.min(to_u64(PIECE)));
        if len == 0 {
            return Ok(());
        }
        if self.buffer.len() < len {
            self.buffer = zeroed(len)?;
        }
        let into = self.buffer.get_mut(..len).unwrap_or_default();
        self.source.read_exact_at(into, self.start)?;
        self.filled = len;
        Ok(())
    }
}

impl Read for Cursor {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(buf.len());
        buf.split_at_mut(len)
            .0
            .copy_from_slice(bytes.split_at(len).0);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Cursor {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.used >= self.filled
            && let Err(error) = self.refill()
        {
            self.failure = Some(error.clone());
            let kind = match error.kind() {
                Kind::Corrupt => std::io::ErrorKind::InvalidData,
                _ => std::io::ErrorKind::Other,
            };
            return Err(std::io::Error::new(kind, error));
        }
        Ok(self.buffer.get(self.used..self.filled).unwrap_or(&[]))
    }

    fn consume(&mut self, amount: usize) {
        self.advance(amount);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::testing::{Scattered, Spy};

    #[test]
    fn all_bytes_come_in_order_in_pieces_of_any_size() {
        let bytes = Scattered(1).bytes(200_000);
        let source = Arc::new(Spy::new(bytes.clone()));
        let mut cursor = Cursor::new(source.clone(), 7);
        let mut got = vec![0; 70_000];
        cursor.fill(&mut got).expect("they are there");
        assert_eq!(cursor.position(), 70_007);
        cursor.read_to_end(&mut got).expect("they are there");
        assert!(got == bytes.split_at(7).1);
        assert!(cursor.peek().expect("the end is no error").is_empty());
        let reads = source.take_reads();
        assert_eq!(reads.first(), Some(&(7..7 + to_u64(PIECE))));
        assert_eq!(reads.len(), 4, "{reads:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let source = Arc::new(Spy::new(vec![1; 100]));
        let mut cursor = Cursor::new(source, 90);
        let error = cursor.fill(&mut [0; 11]).expect_err("one byte is missing");
        assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(100)));
        let bad = Arc::new(Spy::new(vec![1; 100]).bad(50..51));
        let mut cursor = Cursor::new(bad, 0);
        assert!(cursor.read(&mut [0; 10]).is_err());
        assert_eq!(cursor.failure().map(|error| error.kind()), Some(Kind::Io));
    }
}
