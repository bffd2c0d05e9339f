//! Physical volumes of any size that take no room: the first bytes are given, and behind them each
//! word of eight bytes is its own place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgmount::error::Result;
use imgmount::format::Options;
use imgmount::source::{Extent, ExtentKind, SharedSource, Source, check_range, extent_to};
use imgmount::stack::{Registries, Stack};

use super::made::{EXTENT, Physical, START};
use crate::partition::disk;

/// See above.
pub struct Numbered {
    pub head: Vec<u8>,
    pub size: u64,
}

impl Source for Numbered {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        for (byte, at) in buf.iter_mut().zip(offset..) {
            let number = (at & !7).to_le_bytes()[(at & 7) as usize];
            *byte = self.head.get(at as usize).copied().unwrap_or(number);
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        extent_to(ExtentKind::Data, offset, self.size)
    }
}

/// How many extents `bytes` fill.
pub fn extents(bytes: u64) -> u64 {
    bytes.div_ceil(EXTENT)
}

/// A physical volume with this text and these first bytes in its extents, and `count` extents.
pub fn physical(text: &str, first: &[u8], count: u64) -> SharedSource {
    let mut head = Physical::new('a', text).head();
    head.truncate(START as usize);
    head.extend(first);
    Arc::new(Numbered {
        head,
        size: START + count * EXTENT,
    })
}

/// Counts the bytes that are read of another.
pub struct Counting {
    pub inner: SharedSource,
    pub read: AtomicU64,
}

impl Source for Counting {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        self.inner.read_exact_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.inner.extent_at(offset)
    }
}

/// What is in `physical`, and the notices.
pub fn look(physical: SharedSource) -> (Stack, Vec<String>) {
    let context = disk::context(Options::default());
    let stack = Stack::open_with(Registries::BUILT_IN, physical, Vec::new(), &context).unwrap();
    (stack, context.notices.all())
}

/// The word at byte `offset` of a volume, as the byte of the data that begin at `start`; `None`
/// where it is zero.
pub fn place(stack: &Stack, name: &str, offset: u64, start: u64) -> Result<Option<u64>> {
    let source = super::node(stack, name).source.clone()?;
    let mut word = [0; 8];
    source.read_exact_at(&mut word, offset)?;
    let number = u64::from_le_bytes(word);
    Ok((number != 0).then(|| number - start))
}
