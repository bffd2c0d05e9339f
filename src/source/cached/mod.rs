//! A source through the one cache.

use std::sync::Arc;

use super::{Extent, SharedSource, Source, check_range, read_vec};
use crate::cache::{Cache, Layer};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Bytes of one cached block.
const BLOCK: u64 = 64 * 1024;

/// `inner`, its blocks kept in the cache.
pub struct Cached {
    inner: SharedSource,
    cache: Arc<Cache>,
    layer: Layer,
}

impl Cached {
    /// Puts `cache` in front of `inner`.
    #[must_use]
    pub fn new(inner: SharedSource, cache: Arc<Cache>) -> Self {
        let layer = cache.layer();
        Self {
            inner,
            cache,
            layer,
        }
    }
}

impl Source for Cached {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let mut rest = buf;
        let mut at = offset;
        while !rest.is_empty() {
            let (number, skip) = (at / BLOCK, at % BLOCK);
            let start = number.saturating_mul(BLOCK);
            let len = to_usize(BLOCK.min(self.size().saturating_sub(start)));
            let read = || Ok(read_vec(&*self.inner, start, len)?.into());
            let block = self.cache.get_or_read(self.layer, number, read)?;
            let from = block.get(to_usize(skip)..).unwrap_or(&[]);
            let count = from.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(count);
            head.copy_from_slice(
                from.get(..count)
                    .ok_or_else(|| Error::invalid("short block"))?,
            );
            rest = tail;
            at = at.saturating_add(to_u64(count));
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.inner.extent_at(offset)
    }
}
