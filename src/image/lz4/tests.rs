//! Frames built by hand; those of the lz4 command are in the integration tests.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation
)]

use std::sync::Arc;

use super::*;
use crate::cache::Cache;
use crate::error::Kind;
use crate::format::testing::RawOnly;
use crate::source::Memory;

/// A frame of blocks of 64 KiB, whose FLG is `flags` and version 1.
fn frame(flags: u8, content_size: Option<u64>, blocks: &[Vec<u8>]) -> Vec<u8> {
    let sized = if content_size.is_some() { 8 } else { 0 };
    let mut descriptor = vec![0x40 | flags | sized, 0x40];
    descriptor.extend(content_size.into_iter().flat_map(u64::to_le_bytes));
    let [_, checksum, ..] = twox_hash::XxHash32::oneshot(0, &descriptor).to_le_bytes();
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend(descriptor);
    bytes.push(checksum);
    for block in blocks {
        bytes.extend_from_slice(block);
    }
    bytes.extend([0; 4]);
    bytes
}

const INDEPENDENT: u8 = 1 << 5;

fn stored(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap() | 1 << 31;
    [&size.to_le_bytes(), bytes].concat()
}

/// A packed block of `len` times `byte`, over 20.
fn same(byte: u8, len: usize) -> Vec<u8> {
    let mut block = vec![0x1f, byte, 1, 0];
    let rest = len - 6 - 19;
    block.extend(vec![255; rest / 255]);
    block.push((rest % 255) as u8);
    block.extend([0x50, byte, byte, byte, byte, byte]);
    let size = u32::try_from(block.len()).unwrap();
    [&size.to_le_bytes(), block.as_slice()].concat()
}

fn opened(bytes: &[u8]) -> Result<SharedSource> {
    let source: SharedSource = Arc::new(Memory(bytes.to_vec()));
    assert!(claim(&*source)?.is_some());
    describe(&*source)?;
    let mut context = Context::new(Cache::new(1 << 20));
    context.images = Arc::new(RawOnly);
    let mut disks = open(&[source], &context)?;
    Ok(disks.remove(0).source)
}

fn all(source: &SharedSource) -> Result<Vec<u8>> {
    crate::source::read_vec(&**source, 0, source.size() as usize)
}

#[test]
fn full_blocks_are_taken_from_the_content_size() {
    let blocks = [same(7, 65536), stored(&[1; 65536]), same(0, 100)];
    let disk = opened(&frame(INDEPENDENT, Some(131_172), &blocks)).unwrap();
    let expected = [vec![7; 65536], vec![1; 65536], vec![0; 100]].concat();
    assert!(all(&disk).unwrap() == expected);
    let kind = disk.extent_at(131_072).unwrap().kind;
    assert_eq!(kind, crate::source::ExtentKind::Zeros, "known once read");
}

#[test]
fn blocks_that_are_not_full_are_measured() {
    let blocks = [same(7, 1000), same(8, 65536), same(9, 50), stored(&[3; 9])];
    let expected = [vec![7; 1000], vec![8; 65536], vec![9; 50], vec![3; 9]].concat();
    for size in [None, Some(expected.len() as u64)] {
        let disk = opened(&frame(INDEPENDENT, size, &blocks)).unwrap();
        assert!(all(&disk).unwrap() == expected);
    }
    let error = opened(&frame(INDEPENDENT, Some(5), &blocks)).err().unwrap();
    assert!(error.to_string().contains("content size is 5"), "{error}");
}

#[test]
fn frames_follow_each_other_with_skippable_ones_between() {
    let skipped = [&0x184d_2a57_u32.to_le_bytes()[..], &[3, 0, 0, 0, 1, 2, 3]].concat();
    let one = frame(INDEPENDENT, None, &[same(1, 99)]);
    let empty = frame(INDEPENDENT, Some(0), &[]);
    let file = [&skipped[..], &one, &empty, &skipped, &one, b"garbage!!"].concat();
    assert!(all(&opened(&file).unwrap()).unwrap() == vec![1; 198]);
}

#[test]
fn what_the_header_must_not_say_is_refused() {
    let good = frame(INDEPENDENT, None, &[same(1, 99)]);
    let refused = |at: usize, value: u8, word: &str, kind: Kind| {
        let mut bytes = good.clone();
        bytes[at] = value;
        let source = Memory(bytes);
        let error = describe(&source).err().unwrap();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    };
    refused(4, 0xa0, "version 2", Kind::Unsupported);
    refused(4, 0x62, "reserved", Kind::Unsupported);
    refused(4, 0x61, "dictionary", Kind::Unsupported);
    refused(4, 0x64, "header checksum", Kind::Corrupt);
    refused(6, 0, "header checksum", Kind::Corrupt);
}

#[test]
fn a_damaged_block_costs_its_own_bytes() {
    let mut bad = same(2, 65536);
    let end = bad.len() - 6;
    bad[end] = 0x90;
    let file = frame(INDEPENDENT, None, &[same(1, 65536), bad, same(3, 10 + 25)]);
    let disk = opened(&file).unwrap();
    assert_eq!(disk.size(), 131_072 + 35);
    let mut buf = [0; 35];
    disk.read_exact_at(&mut buf, 65_536 - 35).unwrap();
    disk.read_exact_at(&mut buf, 131_072).unwrap();
    assert_eq!(buf, [3; 35]);
    let error = disk.read_exact_at(&mut buf, 65_530).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
}

#[test]
fn what_is_cut_off_fails_and_nothing_else() {
    let file = frame(
        INDEPENDENT,
        Some(131_072),
        &[same(1, 65536), same(2, 65536)],
    );
    let whole = 15 + same(1, 65536).len();
    for cut in 20..file.len() {
        let disk = opened(&file[..cut]).unwrap();
        assert_eq!(disk.size(), 131_072, "{cut}");
        let mut buf = vec![0; 65536];
        let first = disk.read_exact_at(&mut buf, 0);
        assert_eq!(first.is_ok(), cut >= whole, "{cut}: {first:?}");
    }
}

#[test]
fn flipped_bits_end_in_bytes_or_errors() {
    let blocks = [
        same(7, 1000),
        stored(&[5; 200]),
        same(9, 65536),
        same(9, 500),
    ];
    for flags in [INDEPENDENT | 1 << 2, 1 << 2, 1 << 4] {
        let good = frame(flags, None, &blocks);
        for bit in 32..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // The header's checksum must not keep everything else from being tried.
            let [_, checksum, ..] = twox_hash::XxHash32::oneshot(0, &bytes[4..6]).to_le_bytes();
            bytes[6] = checksum;
            if let Ok(disk) = opened(&bytes) {
                let mut buf = vec![0; 100];
                for offset in (0..disk.size().saturating_sub(100)).step_by(9973) {
                    let _ = disk.read_exact_at(&mut buf, offset);
                }
            }
        }
    }
}

#[test]
fn linked_blocks_refer_to_those_before_them() {
    // Six bytes from 40 KiB back, the last bytes of the window, then one literal.
    let far = vec![5, 0, 0, 0, 0x02, 0x00, 0xa0, 0x10, 9];
    let first: Vec<u8> = (0..65536_u32).map(|at| (at / 3) as u8).collect();
    let mut expected = first.clone();
    expected.extend_from_slice(&first[65536 - 40960..][..6]);
    expected.push(9);
    let disk = opened(&frame(0, None, &[stored(&first), far])).unwrap();
    assert!(all(&disk).unwrap() == expected);
}

#[test]
fn a_wrong_content_checksum_is_found_where_blocks_are_linked() {
    let mut good = frame(1 << 2, None, &[same(7, 65536), same(8, 30)]);
    let content = [vec![7; 65536], vec![8; 30]].concat();
    good.extend(twox_hash::XxHash32::oneshot(0, &content).to_le_bytes());
    assert!(all(&opened(&good).unwrap()).unwrap() == content);
    let last = good.len() - 1;
    good[last] ^= 1;
    let error = all(&opened(&good).unwrap()).unwrap_err();
    assert!(error.to_string().contains("content checksum"), "{error}");
}
