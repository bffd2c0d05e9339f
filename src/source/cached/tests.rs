//! What is read of the inner source, to the byte and to the call.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
#![allow(clippy::single_range_in_vec_init)] // lists of ranges are meant

use std::ops::Range;
use std::sync::Barrier;
use std::thread;

use super::*;
use crate::error::Kind;
use crate::source::testing::{Scattered, Spy};
use crate::source::{ExtentKind, extent_to, read_vec};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn spy(len: u64) -> Spy {
    Spy::new(Scattered(len).bytes(to_usize(len)))
}

/// `spy` behind a cache that holds all of it.
fn cached(spy: Spy) -> (Arc<Spy>, Cached) {
    let spy = Arc::new(spy);
    let cached = Cached::new(spy.clone(), Cache::new(64 * MIB));
    (spy, cached)
}

/// Reads and compares.
fn check(spy: &Spy, cached: &Cached, offset: u64, len: u64) {
    let got = read_vec(cached, offset, to_usize(len)).expect("it reads");
    let end = to_usize(offset + len);
    assert!(got == spy.bytes()[to_usize(offset)..end], "{offset} {len}");
}

fn kib(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let range = |range: &Range<u64>| range.start * KIB..range.end * KIB;
    ranges.iter().map(range).collect()
}

#[test]
fn a_random_read_costs_one_block() {
    let (spy, cached) = cached(spy(8 * MIB));
    check(&spy, &cached, 1000 * KIB, 4 * KIB);
    assert_eq!(spy.take_reads(), kib(&[992..1008]));
    check(&spy, &cached, 5000 * KIB + 17, 100);
    assert_eq!(spy.take_reads(), kib(&[4992..5008]));
    check(&spy, &cached, 992 * KIB, 16 * KIB);
    assert_eq!(spy.take_reads(), []);
}

#[test]
fn random_reads_never_cost_more_than_the_blocks_they_touch() {
    let (spy, cached) = cached(spy(16 * MIB));
    let mut scattered = Scattered(5);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..2000 {
        // Never where another read ended, which would be sequential.
        let offset = scattered.below(16 * MIB / (12 * KIB)) * 12 * KIB + 1;
        check(&spy, &cached, offset, 4 * KIB);
        for read in spy.take_reads() {
            assert!(read.end - read.start <= 2 * BLOCK);
            assert!(read.start + BLOCK > offset && read.end < offset + 4 * KIB + BLOCK);
            assert!((read.start / BLOCK..read.end.div_ceil(BLOCK)).all(|b| seen.insert(b)));
        }
    }
}

#[test]
fn a_sequential_read_reads_each_byte_once_in_growing_pieces() {
    let (spy, cached) = cached(spy(8 * MIB));
    for offset in (0..8 * MIB).step_by(4096) {
        check(&spy, &cached, offset, 4096);
    }
    let reads = spy.take_reads();
    let mut at = 0;
    for read in &reads {
        assert_eq!(read.start, at);
        at = read.end;
    }
    assert_eq!(at, 8 * MIB);
    let lens: Vec<u64> = reads.iter().map(|r| (r.end - r.start) / KIB).collect();
    assert_eq!(lens[..7], [16, 80, 144, 272, 528, 1024, 1024]);
    assert!(lens.len() <= 12, "{lens:?}");
}

#[test]
fn a_sequential_read_in_large_requests_reads_ahead_too() {
    let (spy, cached) = cached(spy(16 * MIB));
    for offset in (0..16 * MIB).step_by(128 << 10) {
        check(&spy, &cached, offset, 128 * KIB);
    }
    let reads = spy.take_reads();
    let sum: u64 = reads.iter().map(|read| read.end - read.start).sum();
    assert_eq!(sum, 16 * MIB);
    assert!(reads.len() <= 22, "{}", reads.len());
}

#[test]
fn readahead_stops_at_the_end_and_at_what_is_there() {
    let (spy, cached) = cached(spy(100 * KIB + 5));
    check(&spy, &cached, 64 * KIB, 1);
    spy.take_reads();
    check(&spy, &cached, 0, 16 * KIB);
    check(&spy, &cached, 16 * KIB, 16 * KIB);
    assert_eq!(spy.take_reads(), kib(&[0..16, 16..64]));
    check(&spy, &cached, 32 * KIB, 48 * KIB);
    check(&spy, &cached, 80 * KIB, 10);
    assert_eq!(spy.take_reads(), [80 * KIB..100 * KIB + 5]);
    check(&spy, &cached, 80 * KIB + 10, 20 * KIB - 5);
    assert_eq!(spy.take_reads(), []);
}

#[test]
fn two_readers_at_once_read_ahead_each_for_itself() {
    let (spy, cached) = cached(spy(8 * MIB));
    for step in (0..4 * MIB).step_by(64 << 10) {
        check(&spy, &cached, step, 64 * KIB);
        check(&spy, &cached, 4 * MIB + step, 64 * KIB);
    }
    let reads = spy.take_reads();
    let sum: u64 = reads.iter().map(|read| read.end - read.start).sum();
    assert_eq!(sum, 8 * MIB);
    assert!(reads.len() <= 28, "{}", reads.len());
}

#[test]
fn missing_neighbours_are_read_in_one_piece() {
    let (spy, cached) = cached(spy(8 * MIB));
    check(&spy, &cached, 160 * KIB, KIB);
    spy.take_reads();
    check(&spy, &cached, 100 * KIB, 200 * KIB);
    assert_eq!(spy.take_reads(), kib(&[96..160, 176..304]));
    check(&spy, &cached, 4000 * KIB, KIB);
    spy.take_reads();
    check(&spy, &cached, 4000 * KIB, 2500 * KIB);
    let pieces = kib(&[4016..5024, 5024..6048, 6048..6512]);
    assert_eq!(spy.take_reads(), pieces);
}

#[test]
fn a_large_read_of_what_nobody_has_goes_past_the_cache() {
    let (spy, cached) = cached(spy(8 * MIB));
    check(&spy, &cached, 100, 2 * MIB);
    assert_eq!(spy.take_reads(), [100..2 * MIB + 100]);
    assert_eq!(cached.cache.statistics().blocks, 0);
}

#[test]
fn a_bad_sector_fails_only_the_reads_that_touch_it() {
    let bad = 1000 * KIB + 512..1000 * KIB + 1024;
    let (spy, cached) = cached(spy(4 * MIB).bad(bad.clone()));
    for _ in 0..2 {
        let touching = [
            (bad.start, 1),
            (bad.end - 1, 1),
            (900 * KIB, 200 * KIB),
            (0, 4 * MIB),
        ];
        for (offset, len) in touching {
            let error = read_vec(&cached, offset, to_usize(len)).expect_err("it is bad");
            assert_eq!((error.kind(), error.message()), (Kind::Io, "bad sector"));
            assert_eq!(error.offset(), Some(bad.start.max(offset)));
        }
        check(&spy, &cached, 1000 * KIB, 512);
        check(&spy, &cached, bad.end, 512);
        check(&spy, &cached, 0, bad.start);
        check(&spy, &cached, bad.end, 4 * MIB - bad.end);
    }
}

#[test]
fn blocks_beside_a_bad_one_are_kept() {
    let (spy, cached) = cached(spy(MIB).bad(64 * KIB..80 * KIB));
    assert!(read_vec(&cached, 0, 80 << 10).is_err());
    spy.take_reads();
    check(&spy, &cached, 0, 64 * KIB);
    assert_eq!(spy.take_reads(), []);
}

#[test]
fn readahead_over_a_bad_sector_fails_nobody() {
    let bad = 300 * KIB..301 * KIB;
    let (spy, cached) = cached(spy(2 * MIB).bad(bad.clone()));
    for offset in (0..bad.start).step_by(4096) {
        check(&spy, &cached, offset, 4096);
    }
    assert!(read_vec(&cached, bad.start, 4096).is_err());
    for offset in (bad.end..2 * MIB - 4096).step_by(4096) {
        check(&spy, &cached, offset, 4096);
    }
}

#[test]
fn a_hole_is_neither_read_nor_kept() {
    let (spy, cached) = cached(spy(8 * MIB).hole(MIB + 5..7 * MIB));
    check(&spy, &cached, 2 * MIB, MIB + 3);
    assert_eq!(spy.take_reads(), []);
    assert_eq!(cached.cache.statistics().blocks, 0);
    check(&spy, &cached, 0, 8 * MIB);
    let reads = kib(&[0..1024, 1024..1040, 7168..8192]);
    assert_eq!(spy.take_reads(), reads);
}

#[test]
fn a_hole_to_an_odd_end_is_not_read() {
    let (spy, cached) = cached(spy(MIB + 100).hole(512 * KIB..MIB + 100));
    check(&spy, &cached, MIB, 100);
    assert_eq!(spy.take_reads(), []);
}

#[test]
fn small_holes_do_not_cut_a_read() {
    let mut holes = spy(MIB);
    for number in 0..32 {
        let start = number * 32 * KIB;
        holes = holes.hole(start + 8 * KIB..start + 28 * KIB);
    }
    let (spy, cached) = cached(holes);
    check(&spy, &cached, 0, MIB);
    assert_eq!(spy.take_reads(), kib(&[0..1024]));
}

#[test]
fn extents_are_those_of_the_inner_source() {
    let (_spy, cached) = cached(spy(MIB).hole(100..200));
    let hole = extent_to(ExtentKind::Zeros, 150, 200);
    assert_eq!(cached.extent_at(150), hole);
    assert!(cached.extent_at(MIB).is_err());
}

#[test]
fn ranges_at_the_edges_are_read_or_refused() {
    let (spy, cached) = cached(spy(MIB + 1));
    check(&spy, &cached, MIB, 1);
    check(&spy, &cached, MIB + 1, 0);
    assert_eq!(spy.take_reads(), [MIB..MIB + 1]);
    for (offset, len) in [(MIB, 2), (MIB + 2, 0), (u64::MAX, 1), (u64::MAX - 1, 1)] {
        let error = read_vec(&cached, offset, len).expect_err("past the end");
        assert_eq!(error.kind(), Kind::Invalid);
    }
    let empty = super::Cached::new(Arc::new(Spy::new(Vec::new())), Cache::new(MIB));
    assert_eq!(read_vec(&empty, 0, 0), Ok(Vec::new()));
}

#[test]
fn eight_threads_read_each_byte_once_between_them() {
    let (spy, cached) = cached(spy(4 * MIB));
    let barrier = Barrier::new(8);
    let scan = |seed: u64| {
        barrier.wait();
        let mut scattered = Scattered(seed);
        for offset in (0..4 * MIB).step_by(64 << 10) {
            check(&spy, &cached, offset, 64 * KIB);
            let random = scattered.below(4 * MIB - 5000);
            check(&spy, &cached, random, 5000);
        }
    };
    let scan = &scan;
    thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || scan(seed));
        }
    });
    let sum: u64 = spy.take_reads().iter().map(|r| r.end - r.start).sum();
    assert_eq!(sum, 4 * MIB);
}

#[test]
fn eight_threads_round_a_bad_sector_each_get_what_is_theirs() {
    let bad = 512 * KIB..512 * KIB + 512;
    for round in 0..20 {
        let (spy, cached) = cached(spy(MIB).bad(bad.clone()));
        let barrier = Barrier::new(8);
        let read = |index: u64| {
            barrier.wait();
            check(&spy, &cached, bad.end + index * 512, 512);
            assert!(read_vec(&cached, bad.start, 1024).is_err());
            check(&spy, &cached, 0, bad.start - round);
        };
        let read = &read;
        thread::scope(|scope| {
            for index in 0..8 {
                scope.spawn(move || read(index));
            }
        });
    }
}

#[test]
fn u07_a_small_budget_is_kept_while_much_is_read() {
    let spy = Arc::new(spy(16 * MIB));
    let cache = Cache::new(MIB);
    let cached = Cached::new(spy.clone(), cache.clone());
    for offset in (0..16 * MIB).step_by(96 << 10) {
        let len = (96 * KIB).min(16 * MIB - offset);
        check(&spy, &cached, offset, len);
        assert!(cache.statistics().held <= MIB);
    }
    cache.set_budget(256 * KIB);
    assert!(cache.statistics().held <= 256 * KIB);
    check(&spy, &cached, 0, 16 * MIB);
    assert!(cache.statistics().held <= 256 * KIB);
}

#[test]
fn a_file_read_once_leaves_the_metadata_in() {
    let spy = Arc::new(spy(32 * MIB));
    let cache = Cache::new(4 * MIB);
    let cached = Cached::new(spy.clone(), cache);
    let metadata = |cached: &Cached| {
        for offset in (0..2 * MIB).step_by(32 << 10) {
            check(&spy, cached, offset + 4096, 4096);
        }
    };
    metadata(&cached);
    metadata(&cached);
    for offset in (2 * MIB..32 * MIB).step_by(4096) {
        check(&spy, &cached, offset, 4096);
    }
    spy.take_reads();
    metadata(&cached);
    assert_eq!(spy.take_reads(), []);
}

#[test]
fn u06_a_file_cut_under_the_mount_fails_only_what_is_gone() {
    use std::os::unix::fs::FileExt;
    let named = tempfile::NamedTempFile::new().expect("a temporary file");
    let bytes = Scattered(9).bytes(to_usize(MIB));
    named.as_file().write_all_at(&bytes, 0).expect("it writes");
    let file = crate::source::file::File::new(named.reopen().expect("it opens"));
    let cached = Cached::new(Arc::new(file.expect("a file")), Cache::new(4 * MIB));
    let whole = read_vec(&cached, 800 << 10, 16 << 10).expect("it is there");
    named.as_file().set_len(500 << 10).expect("it shrinks");
    assert_eq!(read_vec(&cached, 800 << 10, 16 << 10), Ok(whole));
    let kept = read_vec(&cached, 0, 500 << 10).expect("it is there still");
    assert!(kept == bytes[..500 << 10]);
    for offset in [500 << 10, (500 << 10) - 1, 900 << 10] {
        let error = read_vec(&cached, offset, 4096).expect_err("it is gone");
        assert_eq!(error.message(), "the image is shorter than it was");
        assert_eq!(error.kind(), Kind::Io);
    }
}

#[test]
fn contents_that_the_host_keeps_go_past_the_cache() {
    let spy = Arc::new(spy(8 * MIB).hole(MIB..2 * MIB).bad(5 * MIB..5 * MIB + 512));
    let cached = Cached::over_file(spy.clone(), Cache::new(64 * MIB));
    let window = crate::source::window::Window::new(Arc::new(cached), 0, 8 * MIB).expect("it fits");
    let mut buf = vec![7; 128 << 10];
    for offset in [100, 4 * MIB, 1000 * KIB] {
        window.read_contents_at(&mut buf, offset).expect("it reads");
        let start = to_usize(offset);
        assert!(buf == spy.bytes()[start..start + buf.len()], "{offset}");
        assert_eq!(spy.take_reads(), [offset..offset + 128 * KIB]);
    }
    // A hole is not read, a bad sector fails nobody else, and what is no contents is kept.
    window.read_contents_at(&mut buf, MIB).expect("it reads");
    assert!(buf.iter().all(|byte| *byte == 0));
    assert_eq!(spy.take_reads(), []);
    assert!(window.read_contents_at(&mut [0; 513], 5 * MIB).is_err());
    window
        .read_contents_at(&mut [0; 512], 5 * MIB + 512)
        .expect("it reads");
    spy.take_reads();
    for _ in 0..2 {
        window
            .read_exact_at(&mut [0; 4096], 3 * MIB)
            .expect("it reads");
    }
    assert_eq!(spy.take_reads(), [3 * MIB..3 * MIB + BLOCK]);
    assert!(window.read_contents_at(&mut [0; 2], 8 * MIB - 1).is_err());
}

#[test]
fn contents_that_nobody_else_keeps_are_cached() {
    let (spy, cached) = cached(spy(MIB));
    for _ in 0..2 {
        cached
            .read_contents_at(&mut [0; 4096], 0)
            .expect("it reads");
    }
    assert_eq!(spy.take_reads(), [0..BLOCK]);
}
