//! The allocation bitmap (7.1): a bit for each cluster, the lowest bit of the first byte for
//! cluster 2.

use super::core::Core;
use super::stream::Stream;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::to_usize;
use crate::source::zeroed;

/// Bytes that are read at a time.
const PIECE: u64 = 64 << 10;

/// The bitmap in use.
pub(super) struct Bitmap<'a> {
    core: &'a Core<'a>,
    stream: Stream,
}

impl<'a> Bitmap<'a> {
    /// The bitmap in use of `core`.
    ///
    /// # Errors
    /// `Corrupt` where there is none, or one that is too short.
    pub(super) fn of(core: &'a Core<'a>) -> Result<Self> {
        let root = core.geometry.place(core.geometry.root);
        let missing = || Error::corrupt("no allocation bitmap").at(root);
        let stream = core.entries.bitmap.ok_or_else(missing)?;
        let needed = u64::from(core.geometry.clusters).div_ceil(8);
        if stream.length < needed {
            let length = stream.length;
            let text = format!("DataLength {length} is below {needed}");
            let error = Error::corrupt(text).at(stream.entry);
            return Err(error.context("allocation bitmap"));
        }
        let length = needed;
        let stream = Stream { length, ..stream };
        Ok(Self { core, stream })
    }

    /// How many clusters are in use.
    ///
    /// # Errors
    /// What makes it unreadable.
    pub(super) fn count(&self, request: &Request) -> Result<u32> {
        let mut count: u32 = 0;
        self.each(request, 0, u64::MAX, &mut |_, bits| {
            count = count.saturating_add(bits.iter().map(|byte| byte.count_ones()).sum());
        })?;
        Ok(count)
    }

    /// Gives `each` the bits in bytes `from` to `to`, as far as they are there, with the number of
    /// the first byte. Those behind the last cluster are clear.
    ///
    /// # Errors
    /// What makes it unreadable.
    pub(super) fn each(
        &self,
        request: &Request,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<()> {
        let (mut offset, end) = (from, to.min(self.stream.length));
        while offset < end {
            request.spend(1)?;
            let len = end.saturating_sub(offset).min(PIECE);
            let mut bits = zeroed(to_usize(len))?;
            self.read(request, &mut bits, offset)
                .context(|| "allocation bitmap")?;
            let behind = offset.saturating_add(len);
            let used = self.core.geometry.clusters % 8;
            if let (true, Some(last)) = (behind == self.stream.length && used > 0, bits.last_mut())
            {
                *last &= u8::MAX.wrapping_shr(8_u32.saturating_sub(used));
            }
            each(offset, &bits);
            offset = behind;
        }
        Ok(())
    }

    /// By its chain; where that is broken as a run, as the kernel's driver takes it.
    fn read(&self, request: &Request, bits: &mut [u8], offset: u64) -> Result<()> {
        let contiguous = Stream {
            contiguous: true,
            ..self.stream
        };
        self.stream
            .read(self.core, request, bits, offset)
            .or_else(|_| contiguous.read(self.core, request, bits, offset))
    }
}
