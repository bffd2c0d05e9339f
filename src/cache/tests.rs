//! What the cache promises: the budget, the hot set under a scan, one read per block.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use lru::LruCache;

use super::shard::BOOKKEEPING;
use super::*;
use crate::error::{Error, Kind};

/// Bytes in a test's block.
const SIZE: usize = 4096;
/// What such a block costs.
const COST: u64 = SIZE as u64 + BOOKKEEPING;

fn block(number: u64) -> Block {
    vec![number.to_le_bytes()[0]; SIZE].into()
}

/// Reads a block in a visit of its own; gives whether it was there.
fn touch(cache: &Cache, layer: Layer, number: u64) -> bool {
    let mut hit = true;
    let read = || {
        hit = false;
        Ok(block(number))
    };
    let got = cache.visit_or_read(layer, number, cache.visit(), read);
    assert_eq!(got, Ok(block(number)));
    hit
}

/// Small numbers in a fixed, scattered order (a linear congruential generator).
struct Scattered(u64);

impl Scattered {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn a_scan_of_ten_caches_leaves_the_hot_set_in() {
    let room = 10_000;
    let hot = room / 2;
    let cache = Cache::new(room * COST);
    let layer = cache.layer();
    let mut plain = LruCache::new(NonZeroUsize::new(to_usize(room)).expect("over 0"));
    let mut plain_touch = |number: u64| plain.put(number, ()).is_some();
    for number in (0..hot).chain(0..hot) {
        touch(&cache, layer, number);
        plain_touch(number);
    }
    for number in 0..10 * room {
        assert!(!touch(&cache, layer, hot + number));
        plain_touch(hot + number);
    }
    let kept = (0..hot)
        .filter(|&number| touch(&cache, layer, number))
        .count();
    let plain_kept = (0..hot).filter(|&number| plain_touch(number)).count();
    assert_eq!((kept as u64, plain_kept), (hot, 0));
}

#[test]
fn a_scan_running_beside_costs_plain_lru_its_hot_set_but_not_this() {
    let room = 10_000;
    let hot = room * 7 / 10;
    let cache = Cache::new(room * COST);
    let layer = cache.layer();
    let mut plain = LruCache::new(NonZeroUsize::new(to_usize(room)).expect("over 0"));
    let (mut hits, mut plain_hits, mut asked) = (0, 0, 0);
    let mut scattered = Scattered(1);
    for number in 0..hot {
        for _ in 0..2 {
            touch(&cache, layer, number);
            plain.put(number, ());
        }
    }
    for step in 0..10 * room {
        touch(&cache, layer, hot + step);
        plain.put(hot + step, ());
        if step % 8 == 0 {
            let number = scattered.below(hot);
            asked += 1;
            hits += u64::from(touch(&cache, layer, number));
            plain_hits += u64::from(plain.put(number, ()).is_some());
        }
    }
    assert!(hits * 100 >= asked * 95, "{hits} of {asked}");
    assert!(plain_hits * 100 <= asked * 30, "{plain_hits} of {asked}");
}

#[test]
fn a_stream_through_a_block_is_one_use_of_it() {
    let cache = Cache::new(100 * COST);
    let layer = cache.layer();
    for number in 0..50 {
        touch(&cache, layer, number);
        touch(&cache, layer, number);
    }
    let scan = cache.visit();
    for number in 0..10_000 {
        for _ in 0..16 {
            let read = || Ok(block(number));
            cache
                .visit_or_read(layer, 100 + number, scan, read)
                .expect("it reads");
        }
    }
    assert!((0..50).all(|number| touch(&cache, layer, number)));
}

#[test]
fn counters_are_exact() {
    let cache = Cache::new(3 * COST);
    let layer = cache.layer();
    assert_eq!(cache.statistics(), Statistics::default());
    for number in 0..4 {
        assert!(!touch(&cache, layer, number));
    }
    assert!(touch(&cache, layer, 3));
    assert!(!touch(&cache, layer, 0));
    let expected = Statistics {
        hits: 1,
        misses: 5,
        shared: 0,
        evictions: 2,
        blocks: 3,
        held: 3 * COST,
    };
    assert_eq!(cache.statistics(), expected);
}

#[test]
fn layers_do_not_see_each_others_blocks() {
    let cache = Cache::new(100 * COST);
    let (one, other) = (cache.layer(), cache.layer());
    assert!(!touch(&cache, one, 7));
    assert!(!touch(&cache, other, 7));
    assert!(touch(&cache, one, 7));
}

#[test]
fn blocks_of_all_sizes_stay_within_the_budget() {
    let budget = 1 << 20;
    let cache = Cache::new(budget);
    let layer = cache.layer();
    let mut scattered = Scattered(2);
    for number in 0..5_000 {
        let size = to_usize(scattered.below(100_000));
        let visits = 1 + scattered.below(3);
        for _ in 0..visits {
            let read = || Ok(vec![1; size].into());
            let got = cache
                .visit_or_read(layer, number, cache.visit(), read)
                .expect("it reads");
            assert_eq!(got.len(), size);
            assert!(cache.statistics().held <= budget);
        }
    }
    assert!(cache.statistics().held > budget / 2);
}

#[test]
fn a_block_over_the_budget_is_given_and_not_kept() {
    let cache = Cache::new(COST - 1);
    let layer = cache.layer();
    assert!(!touch(&cache, layer, 1));
    assert!(!touch(&cache, layer, 1));
    assert_eq!(cache.statistics().held, 0);
}

#[test]
fn a_smaller_budget_pushes_out_at_once_the_unprotected_first() {
    let cache = Cache::new(100 * COST);
    let layer = cache.layer();
    for number in 0..100 {
        touch(&cache, layer, number);
    }
    for number in 0..20 {
        assert!(touch(&cache, layer, number));
    }
    cache.set_budget(25 * COST);
    assert_eq!(cache.statistics().blocks, 25);
    assert!((0..20).all(|number| touch(&cache, layer, number)));
    cache.set_budget(0);
    assert_eq!(cache.statistics().held, 0);
    assert!(!touch(&cache, layer, 1));
}

/// Runs `work` in eight threads that start together; gives what each got.
#[test]
fn a_cache_that_there_is_no_memory_for_is_half_as_large_from_then_on() {
    let cache = Cache::new(100 * COST);
    let layer = cache.layer();
    let fill = || (0..1000).for_each(|number| _ = touch(&cache, layer, number));
    for most in [50, 25, 12] {
        fill();
        cache.relieve();
        assert!(cache.statistics().held <= most * COST, "at once");
        fill();
        let held = cache.statistics().held;
        assert!(held <= most * COST && held > 0, "{held}");
    }
}

fn in_eight_threads<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(8);
    let run = |index| {
        barrier.wait();
        work(index)
    };
    let run = &run;
    thread::scope(|scope| {
        let start = |index| scope.spawn(move || run(index));
        let threads: Vec<_> = (0..8).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, T>| thread.join().expect("it ends");
        threads.into_iter().map(join).collect()
    })
}

#[test]
fn eight_threads_read_each_block_once() {
    let cache = Cache::new(1000 * COST);
    let layer = cache.layer();
    let reads = AtomicUsize::new(0);
    in_eight_threads(|_| {
        for number in 0..200 {
            let read = || {
                reads.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_micros(200));
                Ok(block(number))
            };
            assert_eq!(
                cache.visit_or_read(layer, number, cache.visit(), read),
                Ok(block(number))
            );
        }
    });
    assert_eq!(reads.load(Ordering::SeqCst), 200);
    let counted = cache.statistics();
    assert_eq!(counted.misses, 200);
    assert_eq!(counted.hits + counted.shared + counted.misses, 8 * 200);
}

#[test]
fn a_failed_read_fails_all_who_wait_and_is_not_kept() {
    let cache = Cache::new(1000 * COST);
    let layer = cache.layer();
    let reads = AtomicUsize::new(0);
    let results = in_eight_threads(|_| {
        cache.visit_or_read(layer, 1, cache.visit(), || {
            reads.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(50));
            Err(Error::new(Kind::Io, "bad sector").at(512))
        })
    });
    let expected = Err(Error::new(Kind::Io, "bad sector").at(512));
    assert!(results.iter().all(|result| *result == expected));
    assert_eq!(
        reads.load(Ordering::SeqCst) as u64,
        cache.statistics().misses
    );
    assert!(!touch(&cache, layer, 1));
    assert!(touch(&cache, layer, 1));
}

#[test]
fn a_reader_that_panics_leaves_nobody_waiting() {
    let cache = Cache::new(1000 * COST);
    let layer = cache.layer();
    let reads = AtomicUsize::new(0);
    let results = in_eight_threads(|_| {
        let read = || {
            let first = reads.fetch_add(1, Ordering::SeqCst) == 0;
            thread::sleep(Duration::from_millis(50));
            assert!(!first, "a bug in a decoder, as this test plants it");
            Ok(block(1))
        };
        let call =
            std::panic::AssertUnwindSafe(|| cache.visit_or_read(layer, 1, cache.visit(), read));
        std::panic::catch_unwind(call)
    });
    let good = |result: &thread::Result<Result<Block>>| matches!(result, Ok(Ok(_)));
    assert_eq!(results.iter().filter(|result| good(result)).count(), 7);
    assert_eq!(reads.load(Ordering::SeqCst), 2);
}

#[test]
fn a_lock_whose_holder_panicked_is_used_on() {
    let cache = Cache::new(1000 * COST);
    let layer = cache.layer();
    touch(&cache, layer, 1);
    let hold = || {
        let _held = lock(cache.shard((layer, 1)));
        panic!("while the lock is held, as this test plants it");
    };
    let panicked = thread::scope(|scope| scope.spawn(hold).join());
    assert!(panicked.is_err());
    assert!(touch(&cache, layer, 1));
}

#[test]
fn readahead_claims_only_what_nobody_has() {
    let cache = Cache::new(1000 * COST);
    let layer = cache.layer();
    let visit = cache.visit();
    touch(&cache, layer, 1);
    assert!(cache.claim(layer, 1, visit).is_none());
    let ticket = cache.claim(layer, 2, visit).expect("nobody has it");
    assert_eq!(ticket.number(), 2);
    assert!(cache.claim(layer, 2, visit).is_none());
    let Found::Wait(waiter) = cache.find(layer, 2, visit) else {
        panic!("it is being read");
    };
    drop(ticket);
    assert_eq!(waiter.wait(), None);
    assert!(cache.claim(layer, 2, visit).is_some());
}

#[test]
fn blocks_spread_evenly_over_the_shards() {
    let cache = Cache::new(SHARD_BYTES * 8);
    let (one, other) = (cache.layer(), cache.layer());
    for number in 0..4_000 {
        touch(&cache, one, number);
        touch(&cache, other, number * 16);
    }
    for shard in &cache.shards {
        let mut own = Statistics::default();
        lock(shard).add_to(&mut own);
        assert!((700..=1300).contains(&own.blocks), "{}", own.blocks);
    }
}

#[test]
fn what_a_stream_has_passed_leaves_before_what_was_read_once_at_random() {
    let cache = Cache::new(10 * COST);
    let layer = cache.layer();
    for number in 0..5 {
        touch(&cache, layer, number);
    }
    let stream = cache.visit();
    for number in 100..200 {
        for visit in [stream, stream.done()] {
            let read = || Ok(block(number));
            let got = cache.visit_or_read(layer, number, visit, read);
            assert_eq!(got, Ok(block(number)));
        }
    }
    assert!((0..5).all(|number| touch(&cache, layer, number)));
    assert_eq!(cache.statistics().blocks, 10);
}
