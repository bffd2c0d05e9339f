//! What the tests of this layer share: a source that counts, fails and has holes as told, and
//! numbers in a fixed, scattered order.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::ops::Range;
use std::sync::Mutex;

use super::{Extent, ExtentKind, Source, check_range, extent_to};
use crate::error::{Error, Kind, Result};
use crate::lock::lock;
use crate::number::{to_u64, to_usize};

/// Bytes in memory that keep a record of what is read of them.
pub(super) struct Spy {
    bytes: Vec<u8>,
    bad: Vec<Range<u64>>,
    holes: Vec<Range<u64>>,
    reads: Mutex<Vec<Range<u64>>>,
}

impl Spy {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            bad: Vec::new(),
            holes: Vec::new(),
            reads: Mutex::new(Vec::new()),
        }
    }

    /// Bytes `range` cannot be read.
    pub(super) fn bad(mut self, range: Range<u64>) -> Self {
        self.bad.push(range);
        self
    }

    /// Bytes `range` are zeros, and known to be.
    pub(super) fn hole(mut self, range: Range<u64>) -> Self {
        self.bytes[to_usize(range.start)..to_usize(range.end)].fill(0);
        self.holes.push(range);
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The ranges that were asked for since the last call, in order.
    pub(super) fn take_reads(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut lock(&self.reads))
    }
}

impl Source for Spy {
    fn size(&self) -> u64 {
        to_u64(self.bytes.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let range = offset..offset + to_u64(buf.len());
        let mut reads = lock(&self.reads);
        reads.push(range.clone());
        let hit = |bad: &&Range<u64>| bad.start < range.end && range.start < bad.end;
        if let Some(bad) = self.bad.iter().find(hit) {
            let at = bad.start.max(range.start);
            return Err(Error::new(Kind::Io, "bad sector").at(at));
        }
        buf.copy_from_slice(&self.bytes[to_usize(range.start)..to_usize(range.end)]);
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        if let Some(hole) = self.holes.iter().find(|hole| hole.contains(&offset)) {
            return extent_to(ExtentKind::Zeros, offset, hole.end);
        }
        let starts = self.holes.iter().map(|hole| hole.start);
        let next = starts.filter(|start| *start > offset).min();
        extent_to(ExtentKind::Data, offset, next.unwrap_or(self.size()))
    }
}

/// Numbers in a fixed, scattered order (a linear congruential generator).
pub(super) struct Scattered(pub(super) u64);

impl Scattered {
    /// The next number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256).to_le_bytes()[0]).collect()
    }
}
