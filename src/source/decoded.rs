//! Blocks that have to be decoded before they can be read: packed units of an image, compressed
//! blocks of a file system.
//!
//! They live decoded in the one cache. Each is decoded once however many threads want it, and while
//! a sequential reader has one of them decoded the next ones are decoded on the other processors.
//!
//! Who reads says to which file its bytes belong and where in it they lie, so that the readers of
//! different files are told apart; and gives the blocks that come next only when it is asked for
//! them, since finding them may cost something.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::ahead::{Job, pool};
pub use super::streams::Read;
use super::streams::Streams;
use super::zeroed;
use crate::cache::{Block, Cache, Layer, Visit};
use crate::error::Result;

/// Bytes that are decoded ahead of one stream, and more only where one block is larger.
const MOST_AHEAD: usize = 4 << 20;

/// Decodes blocks.
pub trait Decoder: Send + Sync {
    /// All that has to be known to decode a block: where it is packed, how long, how.
    type Unit: Copy + Send + 'static;

    /// The number of `unit` among all blocks of this decoder: units of the same number are the
    /// same block.
    fn number(unit: &Self::Unit) -> u64;

    /// Decodes `unit`. What it allocates is bounded, whatever the unit says: see [`undecoded`].
    ///
    /// # Errors
    /// What makes this block unreadable. They are not kept.
    fn decode(&self, unit: &Self::Unit) -> Result<Block>;
}

/// The blocks of one decoder, through the cache.
pub struct Decoded<D> {
    decoder: Arc<D>,
    cache: Arc<Cache>,
    layer: Layer,
    streams: Streams,
}

impl<D: Decoder + 'static> Decoded<D> {
    /// What `decoder` decodes, kept in `cache`.
    #[must_use]
    pub fn new(decoder: Arc<D>, cache: Arc<Cache>) -> Self {
        let layer = cache.layer();
        Self {
            decoder,
            cache,
            layer,
            streams: Streams::new(),
        }
    }

    /// The decoder.
    #[must_use]
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// Takes down a read of `len` bytes from byte `offset` of the file number `file` on, whose
    /// bytes are in decoded blocks; tells whether it goes on where one before it had ended.
    pub fn note(&self, file: u64, offset: u64, len: usize) -> Read {
        // Each file has a stretch of its own: the golden ratio's bits spread their numbers evenly.
        let start = file.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
        let at = start.wrapping_add(offset);
        self.streams.note(&self.cache, at, len)
    }

    /// A use of some blocks that is part of no stream: of metadata, by one request.
    #[must_use]
    pub fn visit(&self) -> Visit {
        self.cache.visit()
    }

    /// The block of `unit`, as part of `visit`.
    ///
    /// # Errors
    /// Those of [`Decoder::decode`], also where another thread's failed.
    pub fn block(&self, unit: &D::Unit, visit: Visit) -> Result<Block> {
        let decode = || self.decoder.decode(unit);
        self.cache
            .visit_or_read(self.layer, D::number(unit), visit, decode)
    }

    /// Whether the block of `unit` is there or being decoded.
    #[must_use]
    pub fn knows(&self, unit: &D::Unit) -> bool {
        self.cache.knows(self.layer, D::number(unit))
    }

    /// Has those of `units` decoded that are not there yet, for a `read` that continues its stream;
    /// nothing for any other. They are those behind the block that is read now, in order, each of
    /// about `size` bytes; only as many are taken as there is time to decode.
    pub fn ahead(&self, read: Read, size: usize, units: impl IntoIterator<Item = D::Unit>) {
        let Some(pool) = pool().filter(|_| read.continues) else {
            return;
        };
        let most = MOST_AHEAD.checked_div(size).unwrap_or(1);
        for unit in units.into_iter().take(most.clamp(1, pool.most_jobs())) {
            if !self.knows(&unit) && !pool.offer(self.job(unit, read.visit)) {
                return;
            }
        }
    }

    fn job(&self, unit: D::Unit, visit: Visit) -> Job {
        let (decoder, cache) = (self.decoder.clone(), self.cache.clone());
        let layer = self.layer;
        Box::new(move || {
            // Dropped without a word where it cannot be decoded: the reader will hear why.
            if let Some(ticket) = cache.claim(layer, D::number(&unit), visit)
                && let Ok(block) = decoder.decode(&unit)
            {
                ticket.fill(block);
            }
        })
    }
}

/// `len` bytes for a decoder to fill, which it has to do to the last. In builds with assertions
/// they are no zeros, so that what was never written is seen in what is read.
///
/// # Errors
/// `Io` where memory is short.
pub fn undecoded(len: usize) -> Result<Vec<u8>> {
    let mut bytes = zeroed(len)?;
    if cfg!(debug_assertions) {
        bytes.fill(0xa5);
    }
    Ok(bytes)
}
