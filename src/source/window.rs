//! A range of another source: a partition, a volume inside a file.

use super::{Extent, SharedSource, Source, check_range};
use crate::error::{Error, Result};

/// `size` bytes of `inner` from `start` on.
pub struct Window {
    inner: SharedSource,
    start: u64,
    size: u64,
}

impl Window {
    /// The window.
    ///
    /// # Errors
    /// `Invalid` where it leaves `inner`.
    pub fn new(inner: SharedSource, start: u64, size: u64) -> Result<Self> {
        match start.checked_add(size) {
            Some(end) if end <= inner.size() => Ok(Self { inner, start, size }),
            _ => Err(Error::invalid(format!(
                "{size} bytes are past the end of {} bytes",
                inner.size()
            ))
            .at(start)),
        }
    }

    fn translate(&self, offset: u64, len: usize) -> Result<u64> {
        check_range(self, offset, len)?;
        self.start
            .checked_add(offset)
            .ok_or_else(|| Error::invalid("offset overflows"))
    }
}

impl Source for Window {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.inner
            .read_exact_at(buf, self.translate(offset, buf.len())?)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        let mut extent = self.inner.extent_at(self.translate(offset, 1)?)?;
        let left = self.size.saturating_sub(offset);
        if extent.len.get() > left {
            extent.len = std::num::NonZeroU64::new(left).unwrap_or(extent.len);
        }
        Ok(extent)
    }
}
