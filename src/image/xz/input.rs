//! The packed bytes of one block, read from the file in order.

use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::SharedSource;

/// A place in the file, and the end that nothing is read beyond.
pub(super) struct Input {
    source: SharedSource,
    at: u64,
    end: u64,
}

impl Input {
    pub(super) fn new(source: SharedSource, at: u64, end: u64) -> Self {
        Self { source, at, end }
    }

    /// The offset in the file of what is read next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The bytes behind the end, from here.
    pub(super) fn rest(&self) -> Self {
        Self {
            source: self.source.clone(),
            at: self.at,
            end: self.source.size(),
        }
    }

    pub(super) fn seek(&mut self, at: u64) -> Result<()> {
        if at > self.end {
            return Err(self.cut());
        }
        self.at = at;
        Ok(())
    }

    pub(super) fn fill(&mut self, buf: &mut [u8]) -> Result<()> {
        let end = self.at.checked_add(to_u64(buf.len()));
        let end = end.filter(|end| *end <= self.end);
        let end = end.ok_or_else(|| self.cut())?;
        self.source.read_exact_at(buf, self.at)?;
        self.at = end;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn cut(&self) -> Error {
        Error::corrupt("the block is longer than the index says").at(self.at)
    }
}
