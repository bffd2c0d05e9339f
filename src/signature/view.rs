//! The bytes that signatures look at.

use std::collections::BTreeSet;

use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes at the start that are read once: up to the superblock of btrfs.
const HEAD: u64 = 68 * 1024;

/// What is read at a time where all of it cannot be: a disk's sector, of which one may be bad.
const SECTOR: u64 = 512;

/// A source whose first bytes are in memory.
pub struct View<'a> {
    source: &'a dyn Source,
    head: Vec<u8>,
    /// The sectors of the head that cannot be read.
    bad: BTreeSet<u64>,
}

impl<'a> View<'a> {
    /// What cannot be read has no magic; the rest may.
    pub(super) fn new(source: &'a dyn Source) -> Self {
        let len = source.size().min(HEAD);
        let mut bad = BTreeSet::new();
        let head = read_vec(source, 0, to_usize(len));
        let head = head.unwrap_or_else(|_| by_sector(source, len, &mut bad));
        Self { source, head, bad }
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.source.size()
    }

    /// Whether `magic` stands at byte `offset`.
    pub(super) fn has(&self, offset: u64, magic: &[u8]) -> bool {
        self.with(offset, magic.len(), |bytes| bytes == magic)
    }

    /// Whether `magic` stands `before` bytes before the end.
    pub(super) fn has_before_end(&self, before: u64, magic: &[u8]) -> bool {
        let offset = self.size().checked_sub(before);
        offset.is_some_and(|offset| self.has(offset, magic))
    }

    /// The `N` bytes at `offset`, zeros where there are none.
    pub(super) fn bytes<const N: usize>(&self, offset: u64) -> [u8; N] {
        let mut out = [0; N];
        self.with(offset, N, |bytes| {
            out.copy_from_slice(bytes);
            true
        });
        out
    }

    /// The `len` bytes at `offset`; none where they cannot be read.
    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.with(offset, len, |bytes| {
            out.extend_from_slice(bytes);
            true
        });
        out
    }

    /// The little-endian 16-bit number at `offset`.
    pub(super) fn le16(&self, offset: u64) -> u16 {
        u16::from_le_bytes(self.bytes(offset))
    }

    /// The little-endian 32-bit number at `offset`.
    pub(super) fn le32(&self, offset: u64) -> u32 {
        u32::from_le_bytes(self.bytes(offset))
    }

    /// The big-endian 32-bit number at `offset`.
    pub(super) fn be32(&self, offset: u64) -> u32 {
        u32::from_be_bytes(self.bytes(offset))
    }

    /// Whether the `len` bytes at `offset` pass `test`; those that cannot be read do not.
    pub(super) fn with(
        &self,
        offset: u64,
        len: usize,
        mut test: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let end = offset.saturating_add(to_u64(len));
        if let Some(bytes) = self.head.get(to_usize(offset)..to_usize(end)) {
            let sectors = offset / SECTOR..end.div_ceil(SECTOR);
            return self.bad.range(sectors).next().is_none() && test(bytes);
        }
        let is_tail = offset >= to_u64(self.head.len());
        if is_tail && self.source.end_is_far() {
            return false; // A magic is not worth unpacking a whole stream for.
        }
        // `read_vec` allocates nothing for what lies past the end.
        read_vec(self.source, offset, len).is_ok_and(|bytes| test(&bytes))
    }
}

/// The first `len` bytes of `source`, with zeros for each of the sectors that are `bad`.
fn by_sector(source: &dyn Source, len: u64, bad: &mut BTreeSet<u64>) -> Vec<u8> {
    let mut head = vec![0; to_usize(len)];
    for (sector, bytes) in (0..).zip(head.chunks_mut(to_usize(SECTOR))) {
        let at = SECTOR.saturating_mul(sector);
        if source.read_exact_at(bytes, at).is_err() {
            bytes.fill(0);
            bad.insert(sector);
        }
    }
    head
}
