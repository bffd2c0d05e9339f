//! What was read and checked last. Who looks a file up asks for its attributes next and for its
//! bytes then, and who reads here and there in a large file comes back to the same leaves: neither
//! needs to be taken apart, and its checksum computed, again for each request.

use std::sync::Mutex;

use super::block_map::Leaf;
use super::inode::InodeRecord;
use crate::error::Result;
use crate::lock::lock;
use crate::number::to_usize;

/// Inodes that are remembered, each in the place that its number says; less than half a kilobyte.
const INODES: usize = 64;

/// Leaves that are remembered, of all files together; a block of the file system each.
const LEAVES: usize = 16;

/// Inodes and leaves of extent trees that were in order when they were read.
pub(super) struct Recent {
    inodes: Vec<Mutex<Option<InodeRecord>>>,
    leaves: Mutex<Leaves>,
}

/// A ring once it is full.
#[derive(Default)]
struct Leaves {
    kept: Vec<(u32, Leaf)>,
    /// Whose turn it is to be forgotten.
    oldest: usize,
}

impl Recent {
    /// Nothing was read.
    pub(super) fn new() -> Self {
        Self {
            inodes: (0..INODES).map(|_| Mutex::new(None)).collect(),
            leaves: Mutex::default(),
        }
    }

    /// Inode `number`, by `read` unless it is remembered.
    ///
    /// # Errors
    /// Those of `read`, which are not remembered.
    pub(super) fn inode(
        &self,
        number: u32,
        read: impl FnOnce() -> Result<InodeRecord>,
    ) -> Result<InodeRecord> {
        let Some(place) = self.inodes.get(to_usize(number.into()) % INODES) else {
            return read();
        };
        if let Some(kept) = lock(place).as_ref().filter(|kept| kept.number == number) {
            return Ok(kept.copy());
        }
        let record = read()?;
        // A large one would cost memory with each copy.
        if !record.bytes.spilled() {
            *lock(place) = Some(record.copy());
        }
        Ok(record)
    }

    /// The leaf of inode `number` that is responsible for logical block `logical`, if it is
    /// remembered.
    pub(super) fn leaf(&self, number: u32, logical: u64) -> Option<Leaf> {
        let leaves = lock(&self.leaves);
        let mut all = leaves.kept.iter();
        let found = all.find(|(owner, leaf)| *owner == number && leaf.covers(logical));
        found.map(|(_, leaf)| leaf.clone())
    }

    /// Remembers `leaf` of inode `number`.
    pub(super) fn keep(&self, number: u32, leaf: &Leaf) {
        let mut leaves = lock(&self.leaves);
        let place = leaves.oldest;
        leaves.oldest = place.saturating_add(1) % LEAVES;
        match leaves.kept.get_mut(place) {
            Some(there) => *there = (number, leaf.clone()),
            None => leaves.kept.push((number, leaf.clone())),
        }
    }
}
