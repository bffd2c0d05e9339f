//! Recovery of logs that exist only as a rule.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{Log, LogRun};
use super::recover::{Copy, Recovery, recover};
use super::scan::MOST_COPIES;
use super::superblock::{Checksums, Superblock};
use crate::error::{Kind, Result};
use crate::source::{Extent, ExtentKind, Source};

const BLOCK: u32 = 4096;
/// Blocks of a log of 1 GiB.
const LOG: u32 = 1 << 18;
/// Copies behind a descriptor block, one commit block behind them.
const COPIES: u32 = 500;
const TRANSACTION: u32 = COPIES + 2;

/// A volume whose blocks from 0 on are a log, full of transactions of [`COPIES`] blocks.
struct Rule {
    /// Blocks of the log.
    log: u32,
    /// Blocks of one transaction that lie side by side on the volume too.
    piece: u32,
    reads: AtomicU64,
}

impl Rule {
    fn descriptor(&self, sequence: u32) -> Vec<u8> {
        let mut block = header(1, sequence);
        for index in 0..COPIES {
            let gap = index / self.piece;
            let target = 1_000_000 + sequence * (TRANSACTION + 8) + index + gap;
            let flags = 2 | if index + 1 == COPIES { 8 } else { 0 };
            block.extend(target.to_be_bytes());
            block.extend([0, 0, 0, flags]);
        }
        block
    }
}

fn header(kind: u32, sequence: u32) -> Vec<u8> {
    [0xc03b_3998, kind, sequence]
        .iter()
        .flat_map(|word: &u32| word.to_be_bytes())
        .collect()
}

impl Source for Rule {
    fn size(&self) -> u64 {
        u64::from(self.log) * u64::from(BLOCK) * 64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let number = u32::try_from(offset / u64::from(BLOCK)).unwrap() - 1;
        let (sequence, index) = (number / TRANSACTION, number % TRANSACTION);
        let content = match index {
            _ if sequence == (self.log - 1) / TRANSACTION => Vec::new(),
            0 => self.descriptor(sequence),
            last if last + 1 == TRANSACTION => header(2, sequence),
            _ => panic!("a copy is read, which nobody needs to know"),
        };
        buf.fill(0);
        buf[..content.len()].copy_from_slice(&content);
        Ok(())
    }

    fn extent_at(&self, _offset: u64) -> Result<Extent> {
        let len = NonZeroU64::MIN;
        Ok(Extent {
            kind: ExtentKind::Data,
            len,
        })
    }
}

fn superblock(log: u32) -> Superblock {
    Superblock {
        first: 1,
        last: log,
        start: 1,
        sequence: 0,
        fast_commit: None,
        checksums: Checksums::None,
        seed: 0,
        wide_numbers: false,
        async_commit: false,
    }
}

fn recovered(log: u32, piece: u32) -> (Recovery, u64) {
    let volume = Rule {
        log,
        piece,
        reads: AtomicU64::new(0),
    };
    let runs = [LogRun {
        logical: 0,
        physical: 0,
        blocks: log,
    }];
    let readable = Log::new(&volume, &runs, 4096);
    let recovery = recover(&readable, &superblock(log), u64::from(log) * 64);
    (recovery, volume.reads.load(Ordering::Relaxed))
}

/// Without checksums, no copy is read, and each run of blocks costs one entry: 40 bytes for 2 MiB
/// of log here.
#[test]
fn a_log_of_1_gib_is_a_small_map() {
    let transactions = (LOG - 1) / TRANSACTION;
    let (recovery, reads) = recovered(LOG, COPIES);
    assert!(recovery.problems.is_empty(), "{:?}", recovery.problems);
    assert_eq!(recovery.transactions, transactions);
    assert_eq!(
        recovery.copies.len(),
        usize::try_from(transactions).unwrap()
    );
    assert_eq!(size_of::<Copy>(), 32);
    // Descriptor and commit in each of three passes, and in the first what is behind the last.
    assert_eq!(reads, u64::from(transactions * 6 + 1));
    let (recovery, _) = recovered(LOG, COPIES / 4);
    assert!(recovery.problems.is_empty(), "{:?}", recovery.problems);
    assert_eq!(
        recovery.copies.len(),
        usize::try_from(transactions * 4).unwrap()
    );
    assert_eq!(recovery.blocks(), u64::from(transactions * COPIES));
}

/// A sparse file can say that it holds a log of any size: what is kept of it has a bound.
#[test]
fn e21_a_log_of_more_blocks_than_there_is_room_for_ends_there() {
    let (recovery, _) = recovered(17 * LOG / 2, COPIES);
    let [problem] = recovery.problems.as_slice() else {
        panic!("{:?}", recovery.problems);
    };
    assert_eq!(problem.kind(), Kind::Unsupported);
    // The descriptor of the transaction that is too much.
    let full = u32::try_from(MOST_COPIES).unwrap() / COPIES;
    let descriptor = u64::from(full) * u64::from(TRANSACTION) + 1;
    assert_eq!(problem.offset(), Some(descriptor * u64::from(BLOCK)));
    let text = problem.to_string();
    assert!(text.contains("over 2097152 copies"), "{text}");
    assert_eq!(recovery.transactions, full);
    assert_eq!(recovery.next, full);
    assert_eq!(recovery.blocks(), u64::from(full * COPIES));
}
