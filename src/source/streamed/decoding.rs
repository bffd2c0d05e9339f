//! What the decoders of all streams of a run hold together: each stream has bounds of its own, and
//! an archive may hold sixty-four.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Decoder;
use crate::lock::lock;

/// Bytes that decoders which stand still may hold. The last of them may hold more.
const MOST_RESTING: u64 = 64 << 20;

/// Bytes that the states of all points may take.
const MOST_STATES: u64 = 64 << 20;

/// A decoder that stands still.
pub(super) struct Resting {
    pub(super) at: u64,
    pub(super) decoder: Box<dyn Decoder>,
}

/// The decoders of all streams that stand still, and the sum of their points.
#[derive(Clone, Default)]
pub struct Decoding(Arc<State>);

#[derive(Default)]
struct State {
    streams: AtomicU64,
    /// With the number of the stream that each is of; who came to rest last stands last.
    resting: Mutex<Vec<(u64, Resting)>>,
    states: AtomicU64,
}

impl Decoding {
    /// The number of one more stream.
    pub(super) fn stream(&self) -> u64 {
        self.0.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// How many of `stream` stand still.
    pub(super) fn count(&self, stream: u64) -> usize {
        let resting = lock(&self.0.resting);
        resting.iter().filter(|(own, _)| *own == stream).count()
    }

    /// Where the one of `stream` stands that is the furthest of those `from` a place `to` another.
    pub(super) fn furthest(&self, stream: u64, from: u64, to: u64) -> Option<u64> {
        let resting = lock(&self.0.resting);
        let own = resting.iter().filter(|(own, _)| *own == stream);
        let places = own.map(|(_, resting)| resting.at);
        places.filter(|at| (from..=to).contains(at)).max()
    }

    /// Takes the one of `stream` that stands at `at`; another stream may have needed its memory.
    pub(super) fn take(&self, stream: u64, at: u64) -> Option<Resting> {
        let mut resting = lock(&self.0.resting);
        let is = |(own, resting): &(u64, Resting)| *own == stream && resting.at == at;
        let index = resting.iter().position(is)?;
        Some(resting.remove(index).1)
    }

    /// Lets go of the one of `stream` that has been there for longest; whether there was one.
    pub(super) fn drop_oldest(&self, stream: u64) -> bool {
        let mut resting = lock(&self.0.resting);
        let index = resting.iter().position(|(own, _)| *own == stream);
        let oldest = index.map(|index| resting.remove(index));
        // What it reads from may be a stream too.
        drop(resting);
        oldest.is_some()
    }

    /// Keeps one of `stream`, and lets go of the oldest of any where it needs their memory.
    pub(super) fn rest(&self, stream: u64, resting: Resting) {
        let mut all = lock(&self.0.resting);
        all.push((stream, resting));
        let held = |(_, resting): &(u64, Resting)| resting.decoder.memory();
        let mut sum = all.iter().map(held).fold(0, u64::saturating_add);
        let mut gone = Vec::new();
        while sum > MOST_RESTING && all.len() > 1 {
            let oldest = all.remove(0);
            sum = sum.saturating_sub(held(&oldest));
            gone.push(oldest);
        }
        drop(all);
        drop(gone);
    }

    /// Lets go of all of `stream`.
    pub(super) fn forget(&self, stream: u64) {
        while self.drop_oldest(stream) {}
    }

    /// The states of a stream that took `before` bytes take `now`.
    pub(super) fn keep(&self, before: u64, now: u64) {
        self.0.states.fetch_add(now, Ordering::Relaxed);
        self.0.states.fetch_sub(before, Ordering::Relaxed);
    }

    /// Whether the states of all streams take more than they may.
    pub(super) fn is_full(&self) -> bool {
        self.0.states.load(Ordering::Relaxed) > MOST_STATES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::source::streamed::Point;

    /// Holds so many bytes.
    struct Heavy(u64);

    impl Decoder for Heavy {
        fn decode(&mut self, _: &mut [u8]) -> Result<usize> {
            Ok(0)
        }

        fn point(&self) -> Option<Point> {
            None
        }

        fn memory(&self) -> u64 {
            self.0
        }
    }

    fn rest(decoding: &Decoding, stream: u64, at: u64, memory: u64) {
        let decoder = Box::new(Heavy(memory));
        decoding.rest(stream, Resting { at, decoder });
    }

    #[test]
    fn who_rests_last_needs_the_memory_of_the_oldest_of_any_stream() {
        let decoding = Decoding::default();
        let (one, two) = (decoding.stream(), decoding.stream());
        rest(&decoding, one, 5, MOST_RESTING / 2);
        rest(&decoding, two, 6, MOST_RESTING / 2);
        assert_eq!((decoding.count(one), decoding.count(two)), (1, 1));
        assert_eq!(decoding.furthest(one, 0, 9), Some(5));
        assert_eq!(decoding.furthest(one, 6, 9), None);
        rest(&decoding, two, 7, 1);
        assert_eq!((decoding.count(one), decoding.count(two)), (0, 2));
        assert!(decoding.take(one, 5).is_none());
        // One may hold more than all.
        rest(&decoding, one, 8, 2 * MOST_RESTING);
        assert_eq!((decoding.count(one), decoding.count(two)), (1, 0));
        assert!(decoding.take(one, 8).is_some());
        assert_eq!(decoding.count(one), 0);
    }

    #[test]
    fn what_a_stream_held_is_free_when_it_goes() {
        let decoding = Decoding::default();
        let one = decoding.stream();
        rest(&decoding, one, 5, 1);
        rest(&decoding, one, 6, 1);
        decoding.forget(one);
        assert_eq!(decoding.count(one), 0);
        decoding.keep(0, MOST_STATES);
        assert!(!decoding.is_full());
        decoding.keep(0, 1);
        assert!(decoding.is_full());
        decoding.keep(MOST_STATES, 0);
        assert!(!decoding.is_full());
    }
}
