//! The one cache: blocks by layer and number, under one budget in bytes.
//!
//! A block enters in *probation* and moves to *protected* when a second visit finds it. What is
//! read once leaves again through probation alone, so that a scan of the whole disk does not push
//! out the few blocks of metadata that every request needs. A stream of small reads through one
//! block is one visit, or every scan would look like a second use: see [`Visit`].
//!
//! Each block is read once however many threads want it: the first gets a [`Ticket`], the others
//! a [`Waiter`]. No lock is held while anything is read, and nobody may wait while holding a
//! ticket of the same layer; so waiting ends, since the layers have an order.

mod flight;
mod shard;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use flight::{Ticket, Waiter};

use crate::error::Result;
use crate::lock::lock;
use crate::number::{to_u64, to_usize};
use flight::Flight;
use shard::Shard;

/// A block in memory, shared with whoever reads it. A vector, since only that can be allocated
/// without an abort where memory is short.
pub type Block = Arc<Vec<u8>>;

/// Whose blocks: every source that caches takes a layer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layer(u64);

/// One use of some blocks. A block that the same visit touches again has still been used once;
/// sequential reads of one stream share a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    number: u64,
    /// It will not touch the block again.
    done: bool,
}

impl Visit {
    /// The same visit, at its last touch of a block: unless others want it, it is the first to
    /// leave. So a stream reuses the memory of what it has just passed, which is still in the
    /// processor's caches, and pushes nothing else out.
    #[must_use]
    pub fn done(self) -> Self {
        let done = true;
        Self { done, ..self }
    }
}

/// Layer and number of a block.
type Key = (Layer, u64);

/// Bytes a shard should have at least: several of the largest packed units (2 MiB in qcow2) fit.
const SHARD_BYTES: u64 = 16 << 20;

/// Shards at most. Locks are held for a list operation only, so a few suffice for many threads.
const MOST_SHARDS: u64 = 16;

/// What is where, counted exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Blocks that were there.
    pub hits: u64,
    /// Blocks that somebody had to read, readahead included.
    pub misses: u64,
    /// Blocks that another thread was reading already.
    pub shared: u64,
    /// Blocks that were pushed out.
    pub evictions: u64,
    /// Blocks held now.
    pub blocks: u64,
    /// Bytes held now, bookkeeping included. Never over the budget.
    pub held: u64,
}

/// What [`Cache::find`] found.
pub enum Found<'a> {
    /// The block.
    Here(Block),
    /// Nothing: whoever asked reads the block and hands it in.
    Read(Ticket<'a>),
    /// Another thread is reading it.
    Wait(Waiter),
}

/// The cache.
pub struct Cache {
    layers: AtomicU64,
    visits: AtomicU64,
    shards: Vec<Mutex<Shard>>,
}

impl Cache {
    /// A cache of at most `budget` bytes.
    #[must_use]
    pub fn new(budget: u64) -> Arc<Self> {
        let count = (budget / SHARD_BYTES).clamp(1, MOST_SHARDS);
        let shards = (0..count).map(|_| Mutex::new(Shard::new())).collect();
        let cache = Self {
            layers: AtomicU64::new(0),
            visits: AtomicU64::new(0),
            shards,
        };
        cache.set_budget(budget);
        Arc::new(cache)
    }

    /// Changes the budget to `budget` bytes and pushes out at once what is over it.
    pub fn set_budget(&self, budget: u64) {
        let each = budget.checked_div(to_u64(self.shards.len())).unwrap_or(0);
        for shard in &self.shards {
            lock(shard).set_budget(each);
        }
    }

    /// Gives half of what is held back, and holds no more than the other half from now on: where
    /// memory is short, there is less of it than the budget says, and the next failure may be one
    /// that nothing survives.
    pub fn relieve(&self) {
        for shard in &self.shards {
            lock(shard).relieve();
        }
    }

    /// A layer that nobody else has.
    pub fn layer(&self) -> Layer {
        Layer(self.layers.fetch_add(1, Ordering::Relaxed))
    }

    /// A visit that nobody else makes.
    pub fn visit(&self) -> Visit {
        Visit {
            number: self.visits.fetch_add(1, Ordering::Relaxed),
            done: false,
        }
    }

    /// Block `number` of `layer`, from memory or by `read`, as part of `visit`.
    ///
    /// # Errors
    /// Those of `read`, also where another thread's `read` failed. They are not kept.
    pub fn visit_or_read(
        &self,
        layer: Layer,
        number: u64,
        visit: Visit,
        read: impl FnOnce() -> Result<Block>,
    ) -> Result<Block> {
        loop {
            match self.find(layer, number, visit) {
                Found::Here(block) => return Ok(block),
                Found::Read(ticket) => {
                    let result = read();
                    ticket.end(result.clone());
                    return result;
                }
                Found::Wait(waiter) => {
                    if let Some(result) = waiter.wait() {
                        return result;
                    }
                }
            }
        }
    }

    /// Looks for block `number` of `layer` on behalf of `visit`.
    pub fn find(&self, layer: Layer, number: u64, visit: Visit) -> Found<'_> {
        let key = (layer, number);
        let mut shard = lock(self.shard(key));
        if let Some(block) = shard.get(key, visit) {
            return Found::Here(block);
        }
        if let Some(flight) = shard.join(key) {
            return Found::Wait(Waiter::new(flight));
        }
        Found::Read(self.start(&mut shard, key, visit))
    }

    /// Block `number` of `layer`, if it is there: nobody reads it otherwise, nor waits for it.
    #[must_use]
    pub fn get(&self, layer: Layer, number: u64, visit: Visit) -> Option<Block> {
        let key = (layer, number);
        lock(self.shard(key)).get(key, visit)
    }

    /// A ticket for block `number` of `layer`, unless it is there or being read: for readahead,
    /// which counts as no use of what is there.
    pub fn claim(&self, layer: Layer, number: u64, visit: Visit) -> Option<Ticket<'_>> {
        let key = (layer, number);
        let mut shard = lock(self.shard(key));
        let known = shard.contains(key);
        (!known).then(|| self.start(&mut shard, key, visit))
    }

    /// Whether block `number` of `layer` is there or being read.
    #[must_use]
    pub fn knows(&self, layer: Layer, number: u64) -> bool {
        let key = (layer, number);
        lock(self.shard(key)).contains(key)
    }

    /// The counters now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut sum = Statistics::default();
        for shard in &self.shards {
            lock(shard).add_to(&mut sum);
        }
        sum
    }

    fn start(&self, shard: &mut Shard, key: Key, visit: Visit) -> Ticket<'_> {
        let flight = Arc::new(Flight::default());
        shard.start(key, flight.clone());
        Ticket::new(self, key, visit, flight)
    }

    /// Ends the flight of `key`; keeps `block`, if there is one and it fits.
    fn land(&self, key: Key, visit: Visit, block: Option<Block>) {
        lock(self.shard(key)).land(key, visit, block);
    }

    /// Neighbouring blocks go to different shards: the high half of a product with an odd constant
    /// (the golden ratio's bits) spreads consecutive numbers evenly.
    fn shard(&self, (Layer(layer), number): Key) -> &Mutex<Shard> {
        let mixed = layer
            .rotate_left(32)
            .wrapping_add(number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = (mixed >> 32).checked_rem(to_u64(self.shards.len()));
        index
            .and_then(|index| self.shards.get(to_usize(index)))
            .expect("there is at least one shard, and the index is a remainder by their number")
    }
}
