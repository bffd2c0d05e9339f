//! A part of the cache under one lock: two segments of blocks, and who is reading what.

use std::collections::HashMap;
use std::sync::Arc;

use lru::LruCache;

use super::flight::Flight;
use super::{Block, Key, Statistics, Visit};
use crate::number::to_u64;

/// Bytes that one block costs besides its own: key, list links, hash table and counts, rounded up.
/// Without it millions of tiny blocks would cost nothing.
pub(super) const BOOKKEEPING: u64 = 160;

struct Entry {
    block: Block,
    /// The number of the visit that brought it.
    visit: u64,
}

/// One segment: its blocks, the last used first, and their bytes.
struct Segment {
    blocks: LruCache<Key, Entry>,
    bytes: u64,
}

pub(super) struct Shard {
    probation: Segment,
    protected: Segment,
    flights: HashMap<Key, Arc<Flight>>,
    budget: u64,
    /// Only the counters that grow are kept here.
    counted: Statistics,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self {
            probation: Segment::new(),
            protected: Segment::new(),
            flights: HashMap::new(),
            budget: 0,
            counted: Statistics::default(),
        }
    }

    pub(super) fn set_budget(&mut self, budget: u64) {
        self.budget = budget;
        self.settle();
    }

    /// See [`super::Cache::relieve`].
    pub(super) fn relieve(&mut self) {
        self.set_budget(self.budget.min(self.held() / 2));
    }

    /// The block, moved to protected if another visit than this one brought it.
    pub(super) fn get(&mut self, key: Key, visit: Visit) -> Option<Block> {
        let block = match self.protected.blocks.get(&key) {
            Some(entry) => entry.block.clone(),
            None => self.get_in_probation(key, visit)?,
        };
        count(&mut self.counted.hits);
        Some(block)
    }

    /// The flight that is already reading the block.
    pub(super) fn join(&mut self, key: Key) -> Option<Arc<Flight>> {
        let flight = self.flights.get(&key)?.clone();
        count(&mut self.counted.shared);
        Some(flight)
    }

    /// Whether the block is held or being read.
    pub(super) fn contains(&self, key: Key) -> bool {
        self.protected.blocks.contains(&key)
            || self.probation.blocks.contains(&key)
            || self.flights.contains_key(&key)
    }

    pub(super) fn start(&mut self, key: Key, flight: Arc<Flight>) {
        count(&mut self.counted.misses);
        self.flights.insert(key, flight);
    }

    /// Ends the flight and keeps the block where it fits.
    pub(super) fn land(&mut self, key: Key, visit: Visit, block: Option<Block>) {
        self.flights.remove(&key);
        if let Some(block) = block.filter(|block| charge(block) <= self.budget) {
            let entry = Entry {
                block,
                visit: visit.number,
            };
            self.probation.insert(key, entry);
            self.settle();
            self.pass(key, visit);
        }
    }

    pub(super) fn add_to(&self, sum: &mut Statistics) {
        let blocks = [&self.probation, &self.protected].map(|segment| to_u64(segment.blocks.len()));
        let own = [
            (&mut sum.hits, self.counted.hits),
            (&mut sum.misses, self.counted.misses),
            (&mut sum.shared, self.counted.shared),
            (&mut sum.evictions, self.counted.evictions),
            (&mut sum.blocks, blocks.iter().sum()),
            (&mut sum.held, self.held()),
        ];
        for (total, part) in own {
            *total = total.saturating_add(part);
        }
    }

    fn held(&self) -> u64 {
        self.probation.bytes.saturating_add(self.protected.bytes)
    }

    fn get_in_probation(&mut self, key: Key, visit: Visit) -> Option<Block> {
        let entry = self.probation.blocks.peek(&key)?;
        let block = entry.block.clone();
        if entry.visit == visit.number {
            self.pass(key, visit);
        } else {
            let entry = self.probation.remove(key)?;
            self.protected.insert(key, entry);
            self.settle();
        }
        Some(block)
    }

    /// Puts a block that its visit is done with where it is the next to leave.
    fn pass(&mut self, key: Key, visit: Visit) {
        if visit.done {
            self.probation.blocks.demote(&key);
        }
    }

    /// Brings both segments under their budgets: what is too much in protected gets another chance
    /// in probation, what is too much in both leaves, unprotected blocks first.
    fn settle(&mut self) {
        // Four fifths: a new block must have room to wait for its second use.
        let protected = (self.budget / 5).saturating_mul(4);
        while self.protected.bytes > protected {
            let Some((key, entry)) = self.protected.pop() else {
                break;
            };
            self.probation.insert(key, entry);
        }
        while self.held() > self.budget {
            let popped = self.probation.pop().or_else(|| self.protected.pop());
            if popped.is_none() {
                break;
            }
            count(&mut self.counted.evictions);
        }
    }
}

impl Segment {
    fn new() -> Self {
        Self {
            blocks: LruCache::unbounded(),
            bytes: 0,
        }
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        self.bytes = self.bytes.saturating_add(charge(&entry.block));
        if let Some(old) = self.blocks.put(key, entry) {
            self.bytes = self.bytes.saturating_sub(charge(&old.block));
        }
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.blocks.pop(&key)?;
        self.bytes = self.bytes.saturating_sub(charge(&entry.block));
        Some(entry)
    }

    /// The block that was not used for longest.
    fn pop(&mut self) -> Option<(Key, Entry)> {
        let (key, entry) = self.blocks.pop_lru()?;
        self.bytes = self.bytes.saturating_sub(charge(&entry.block));
        Some((key, entry))
    }
}

/// What a block costs. Blocks in memory are far below 2^63 bytes, so nothing here saturates.
fn charge(block: &Block) -> u64 {
    to_u64(block.len()).saturating_add(BOOKKEEPING)
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
