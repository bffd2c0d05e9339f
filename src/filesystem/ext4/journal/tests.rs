//! Recovery of logs that exist only as a rule.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{Log, LogRun};
use super::recover::{Copy, recover};
use super::superblock::{Checksums, Superblock};
use crate::error::Result;
use crate::source::{Extent, ExtentKind, Source};

const BLOCK: u32 = 4096;
/// Blocks of a log of 1 GiB.
const LOG: u32 = 1 << 18;
/// Copies behind a descriptor block, one commit block behind them.
const COPIES: u32 = 500;
const TRANSACTION: u32 = COPIES + 2;

/// A volume whose blocks from 0 on are a log of 1 GiB, full of transactions of [`COPIES`] blocks.
struct Rule {
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
        u64::from(LOG) * u64::from(BLOCK) * 64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let number = u32::try_from(offset / u64::from(BLOCK)).unwrap() - 1;
        let (sequence, index) = (number / TRANSACTION, number % TRANSACTION);
        let content = match index {
            _ if sequence == (LOG - 1) / TRANSACTION => Vec::new(),
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

fn superblock() -> Superblock {
    Superblock {
        first: 1,
        last: LOG,
        start: 1,
        sequence: 0,
        fast_commit: None,
        checksums: Checksums::None,
        seed: 0,
        wide_numbers: false,
        async_commit: false,
    }
}

fn recovered(piece: u32) -> (Vec<Copy>, u32, u64) {
    let volume = Rule {
        piece,
        reads: AtomicU64::new(0),
    };
    let runs = [LogRun {
        logical: 0,
        physical: 0,
        blocks: LOG,
    }];
    let log = Log::new(&volume, &runs, 4096);
    let recovery = recover(&log, &superblock(), u64::from(LOG) * 64);
    assert!(recovery.problems.is_empty(), "{:?}", recovery.problems);
    let reads = volume.reads.load(Ordering::Relaxed);
    (recovery.copies, recovery.transactions, reads)
}

/// Without checksums, no copy is read, and each run of blocks costs one entry: 40 bytes for 2 MiB
/// of log here.
#[test]
fn a_log_of_1_gib_is_a_small_map() {
    let transactions = (LOG - 1) / TRANSACTION;
    let (copies, replayed, reads) = recovered(COPIES);
    assert_eq!(replayed, transactions);
    assert_eq!(copies.len(), usize::try_from(transactions).unwrap());
    assert_eq!(size_of::<Copy>(), 32);
    // Descriptor and commit in each of three passes, and in the first what is behind the last.
    assert_eq!(reads, u64::from(transactions * 6 + 1));
    let (copies, _, _) = recovered(COPIES / 4);
    assert_eq!(copies.len(), usize::try_from(transactions * 4).unwrap());
    let blocks: u64 = copies.iter().map(|copy| copy.blocks).sum();
    assert_eq!(blocks, u64::from(transactions * COPIES));
}
