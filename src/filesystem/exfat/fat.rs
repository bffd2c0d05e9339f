//! The File Allocation Table (4.1): a word for each cluster.

use std::sync::Arc;

use super::geometry::Geometry;
use crate::error::Result;
use crate::filesystem::Request;
use crate::filesystem::chain::{Link, Table, Window};
use crate::source::Source;

/// The cluster is bad.
const BAD: u32 = 0xffff_fff7;
/// The chain ends: what else is above [`BAD`] is reserved, and the kernel's driver takes it for the
/// same.
const END: std::ops::RangeInclusive<u32> = 0xffff_fff8..=0xffff_ffff;

/// The FAT in use.
pub(super) struct Fat<'s> {
    source: Arc<dyn Source + 's>,
    start: u64,
    end: u32,
}

impl<'s> Fat<'s> {
    /// The FAT in use of the volume `source`.
    pub(super) fn new(source: Arc<dyn Source + 's>, geometry: &Geometry) -> Self {
        Self {
            source,
            start: geometry.fat_start,
            end: geometry.end(),
        }
    }
}

impl Table for Fat<'_> {
    fn end(&self) -> u32 {
        self.end
    }

    fn place(&self, cluster: u32) -> u64 {
        let inside = u64::from(cluster).saturating_mul(4);
        self.start.saturating_add(inside)
    }

    fn link(&self, request: &Request, window: &mut Window, cluster: u32) -> Result<Link> {
        let (offset, end) = (self.place(cluster), self.place(self.end));
        let bytes = window.bytes(request, &*self.source, offset, end)?;
        Ok(match u32::from_le_bytes(bytes) {
            BAD => Link::Bad,
            link if END.contains(&link) => Link::End,
            next => Link::To(next),
        })
    }
}
