//! Decoded once, ahead of streams and of nothing else.
#![allow(clippy::arithmetic_side_effects)]

use std::sync::Mutex;
use std::time::Instant;

use super::*;
use crate::error::Error;

/// Gives blocks of 4 KiB that are full of the low byte of their number, and keeps a list of them.
/// Block 13 is bad.
#[derive(Default)]
struct Listed(Mutex<Vec<u64>>);

impl Decoder for Listed {
    type Unit = u64;

    fn number(unit: &u64) -> u64 {
        *unit
    }

    fn decode(&self, unit: &u64) -> Result<Block> {
        self.0.lock().expect("not poisoned").push(*unit);
        match unit {
            13 => Err(Error::corrupt("unlucky")),
            _ => Ok(Block::from(vec![unit.to_le_bytes()[0]; 4096])),
        }
    }
}

impl Decoded<Listed> {
    fn list(&self) -> Vec<u64> {
        let mut list = self.decoder().0.lock().expect("not poisoned").clone();
        list.sort_unstable();
        list
    }
}

fn decoded() -> Decoded<Listed> {
    Decoded::new(Arc::new(Listed::default()), Cache::new(16 << 20))
}

#[test]
fn each_block_is_decoded_once_by_many_threads() {
    let decoded = decoded();
    let read = || {
        for unit in 20..40 {
            let block = decoded.block(&unit, decoded.visit()).expect("good");
            assert!(block.iter().all(|byte| u64::from(*byte) == unit));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(read);
        }
    });
    assert_eq!(decoded.list(), Vec::from_iter(20..40));
}

#[test]
fn a_bad_block_fails_each_that_reads_it_and_no_other() {
    let decoded = decoded();
    for _ in 0..3 {
        assert!(decoded.block(&12, decoded.visit()).is_ok());
        assert!(decoded.block(&13, decoded.visit()).is_err());
    }
    assert_eq!(decoded.list(), [12, 13, 13, 13]);
}

#[test]
fn what_follows_is_decoded_ahead_of_a_stream_only() {
    let decoded = decoded();
    let first = decoded.note(7, 0, 4096);
    decoded.ahead(first, 4096, 100..);
    assert!(!first.continues && decoded.list().is_empty());
    let other = decoded.note(8, 4096, 4096);
    assert!(!other.continues, "another file's");
    let second = decoded.note(7, 4096, 4096);
    assert!(second.continues);
    decoded.ahead(second, 4096, 100..);
    if pool().is_none() {
        return;
    }
    let started = Instant::now();
    while decoded.list().first() != Some(&100) {
        assert!(started.elapsed().as_secs() < 30, "nothing is decoded ahead");
        std::thread::yield_now();
    }
    assert!(decoded.block(&100, second.visit).is_ok());
    let most = pool().map_or(0, |pool| pool.most_jobs());
    assert!(decoded.list().len() <= most);
    assert_eq!(
        decoded.list().iter().filter(|unit| **unit == 100).count(),
        1
    );
}

#[test]
fn large_blocks_are_decoded_ahead_one_at_a_time() {
    let decoded = decoded();
    decoded.note(7, 0, 4096);
    let second = decoded.note(7, 4096, 4096);
    let taken = Mutex::new(0);
    let units = (200..).inspect(|_| *taken.lock().expect("not poisoned") += 1);
    decoded.ahead(second, 64 << 20, units);
    let taken = *taken.lock().expect("not poisoned");
    assert_eq!(taken, usize::from(pool().is_some()));
}

#[test]
fn what_a_decoder_has_not_written_is_seen_in_builds_with_assertions() {
    let bytes = undecoded(100).expect("memory");
    let expected = if cfg!(debug_assertions) { 0xa5 } else { 0 };
    assert_eq!(bytes, [expected; 100]);
}
