//! Tells sequential readers from random ones, several at a time.

use std::sync::{Mutex, MutexGuard};

use crate::cache::{Cache, Visit};
use crate::lock::lock;
use crate::number::to_u64;

/// Readers that are told apart at once.
const MOST_STREAMS: usize = 32;

/// Bytes of the first readahead of a stream.
pub(super) const FIRST_AHEAD: u64 = 64 << 10;

/// Bytes of the longest readahead.
pub(super) const MOST_AHEAD: u64 = 1 << 20;

/// How far from where a sequential reader should go on a read still belongs to it. The requests of
/// one reader arrive on several threads, in any order; the kernel has a few of at most 128 KiB each
/// under way.
const SLACK: u64 = 256 << 10;

/// The readers of one source.
pub(super) struct Streams(Mutex<List>);

#[derive(Default)]
struct List {
    /// The last used last. At most [`MOST_STREAMS`].
    streams: Vec<Stream>,
}

#[derive(Clone, Copy)]
struct Stream {
    visit: Visit,
    /// Where it goes on.
    next: u64,
    /// A second read went on where the first had ended.
    sequential: bool,
    /// Bytes of its next readahead.
    ahead: u64,
}

/// Whose read it is, and whether it may read ahead.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The visit of its stream.
    pub visit: Visit,
    /// It goes on exactly where its stream was.
    pub continues: bool,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes down a read of `len` bytes at `offset`, inside the source: the next one of a stream,
    /// or the first of a new one.
    pub(super) fn note(&self, cache: &Cache, offset: u64, len: usize) -> Read {
        // Inside the source, so the sum is at most its size.
        let end = offset.saturating_add(to_u64(len));
        let mut list = self.lock();
        let found = list
            .streams
            .iter()
            .rposition(|stream| stream.next == offset);
        let continues = found.is_some();
        let found = found.or_else(|| list.streams.iter().rposition(|s| s.is_near(offset)));
        let mut stream = match found {
            Some(index) => list.streams.remove(index),
            None => Stream::new(cache.visit()),
        };
        stream.sequential |= continues;
        stream.next = stream.next.max(end);
        list.push(stream);
        let visit = stream.visit;
        Read { visit, continues }
    }

    /// How many bytes to read ahead now that `read` found a block missing. The next time it will
    /// be twice as many.
    pub(super) fn take_ahead(&self, read: Read) -> u64 {
        let mut list = self.lock();
        let own = list.find(read.visit).filter(|_| read.continues);
        own.map_or(0, |stream| {
            let ahead = stream.ahead;
            stream.ahead = ahead.saturating_mul(2).min(MOST_AHEAD);
            ahead
        })
    }

    /// Reading ahead of `read` failed: it starts small again.
    pub(super) fn stumble(&self, read: Read) {
        if let Some(stream) = self.lock().find(read.visit) {
            stream.ahead = FIRST_AHEAD;
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        lock(&self.0)
    }
}

impl List {
    fn push(&mut self, stream: Stream) {
        if self.streams.len() >= MOST_STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(stream);
    }

    fn find(&mut self, visit: Visit) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .rfind(|stream| stream.visit == visit)
    }
}

impl Stream {
    fn new(visit: Visit) -> Self {
        Self {
            visit,
            next: 0,
            sequential: false,
            ahead: FIRST_AHEAD,
        }
    }

    /// Whether a sequential reader may have skipped to `offset`, or come late to it.
    fn is_near(&self, offset: u64) -> bool {
        self.sequential && self.next.abs_diff(offset) <= SLACK
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    const KIB: u64 = 1 << 10;

    /// Notes a read of 4 KiB; gives its readahead in KiB and its visit.
    fn read(streams: &Streams, cache: &Cache, offset: u64) -> (u64, Visit) {
        let read = streams.note(cache, offset, 4096);
        (streams.take_ahead(read) / KIB, read.visit)
    }

    #[test]
    fn readahead_starts_with_the_second_read_doubles_and_is_capped() {
        let (cache, streams) = (Cache::new(0), Streams::new());
        let ahead: Vec<u64> = (100..108)
            .map(|block| read(&streams, &cache, block * 4096).0)
            .collect();
        assert_eq!(ahead, [0, 64, 128, 256, 512, 1024, 1024, 1024]);
    }

    #[test]
    fn random_reads_never_read_ahead_and_are_visits_of_their_own() {
        let (cache, streams) = (Cache::new(0), Streams::new());
        let mut scattered = crate::source::testing::Scattered(3);
        let mut visits = Vec::new();
        for _ in 0..1000 {
            let (ahead, visit) = read(&streams, &cache, scattered.below(1 << 30) * 8192 + 4096);
            assert_eq!(ahead, 0);
            assert!(!visits.contains(&visit));
            visits.push(visit);
        }
    }

    #[test]
    fn sixteen_readers_in_turn_are_told_apart() {
        let (cache, streams) = (Cache::new(0), Streams::new());
        for step in 0..10 {
            for reader in 0..16 {
                let at = (reader << 30) + step * 4096;
                let ahead = read(&streams, &cache, at).0;
                assert_eq!(ahead > 0, step > 0, "reader {reader}, step {step}");
            }
        }
    }

    #[test]
    fn a_reader_whose_requests_come_out_of_order_stays_one_visit() {
        let (cache, streams) = (Cache::new(0), Streams::new());
        let own = read(&streams, &cache, 0).1;
        let order = [4, 8, 16, 12, 20, 28, 24, 32];
        for at in order {
            assert_eq!(read(&streams, &cache, at * KIB).1, own, "{at}");
        }
        assert_eq!(read(&streams, &cache, 36 * KIB), (1024, own));
        assert_ne!(read(&streams, &cache, 1024 * KIB).1, own);
    }

    #[test]
    fn a_jump_inside_a_stream_reads_nothing_ahead() {
        let (cache, streams) = (Cache::new(0), Streams::new());
        read(&streams, &cache, 0);
        assert_eq!(read(&streams, &cache, 4 * KIB).0, 64);
        assert_eq!(read(&streams, &cache, 64 * KIB).0, 0);
    }

    #[test]
    fn after_a_failure_it_starts_small_again() {
        let (cache, streams) = (Cache::new(0), Streams::new());
        for step in 0..5 {
            read(&streams, &cache, step * 4096);
        }
        let next = streams.note(&cache, 5 * 4096, 4096);
        streams.stumble(next);
        assert_eq!(streams.take_ahead(next), 64 * KIB);
    }
}
