//! Seeded mutants of images that hold every kind of table and cluster: whatever comes out, nothing
//! panics and nothing hangs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::seed::{Seed, seal, seed};
use crate::filesystem::erofs;
use crate::hostile::flips::Numbers;
use crate::hostile::mutants::count;
use crate::hostile::walk::walk;

const OPTIONS: [&str; 8] = [
    "--chunksize=4096 -Eforce-chunk-indexes",
    "-zlz4hc -C16384 -Elegacy-compress",
    "-zlz4hc -Eztailpacking",
    "-zlzma -C16384 -Efragments,dedupe",
    "-zzstd -C16384 -Eall-fragments",
    "-zdeflate -C65536 -E48bit,fragments",
    "-zzstd -E48bit,dedupe --max-extent-bytes=8192",
    "-zlz4hc -m4096 -x1",
];

#[test]
fn mutants_of_every_kind_of_table() {
    need!(tool "mkfs.erofs");
    if let Some(reason) = erofs::too_old() {
        crate::support::skip::skip(module_path!(), &reason);
        return;
    }
    let mut numbers = Numbers(48);
    let mut opened = 0;
    for round in 0..count() {
        let options = OPTIONS[round % OPTIONS.len()];
        let bytes = mutant(seed(options), &mut numbers);
        let walked = catch_unwind(AssertUnwindSafe(|| walk(&bytes)));
        let walked =
            walked.unwrap_or_else(|_| panic!("{options}, mutant {round}: the panic above"));
        opened += usize::from(!walked.nodes.is_empty());
    }
    assert!(opened * 2 > count(), "only {opened} of {} open", count());
}

/// A copy with one to eight fields changed, where the image has anything; metadata is as likely as
/// all else. The superblock's checksum is right.
fn mutant(seed: &Seed, numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.bytes.clone();
    for _ in 0..=numbers.below(8) {
        let among = [bytes.len(), 1024 + 8192][numbers.below(2)];
        let mut at = 1024 + numbers.below(among - 1024 - 8);
        while bytes[at] == 0 && at > 1024 {
            at -= 1;
        }
        let width = [1, 2, 4, 8][numbers.below(4)];
        let value: u64 = match numbers.below(5) {
            0 => u64::from(bytes[at]) ^ (1 << numbers.below(8)),
            1 => 0,
            2 => u64::MAX,
            3 => 1 << numbers.below(64),
            _ => numbers.below(1 << 32) as u64,
        };
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    seal(&mut bytes);
    bytes
}
