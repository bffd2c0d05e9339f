//! What is decoded of a toy stream, to the byte.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

mod toy;

use std::sync::{Arc, Barrier};

use self::toy::{ANEW, BAD_SUM, Case, DAMAGED, ended, pack};
use super::*;
use crate::error::Kind;
use crate::source::testing::Scattered;
use crate::source::{ExtentKind, Source, read_vec};

const MIB: u64 = 1 << 20;

/// Random bytes with a `hole` (in MiB) of zeros.
fn content(mib: u64, hole: std::ops::Range<u64>) -> Vec<u8> {
    let mut random = Scattered(7);
    let words =
        (0..mib * MIB / 8).map(|_| random.below(1 << 31).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes[to_usize(hole.start * MIB)..to_usize(hole.end * MIB)].fill(0);
    bytes
}

fn compare(source: &dyn Source, bytes: &[u8], offset: u64, len: usize) {
    let got = read_vec(source, offset, len).unwrap_or_else(|error| panic!("{offset}: {error}"));
    let at = to_usize(offset);
    assert!(got == bytes[at..at + len], "{len} bytes at {offset}");
}

#[test]
fn any_range_is_read_from_several_threads() {
    let bytes = content(20, 3..5);
    let (source, _) = Case::of(&bytes, 100_000).open();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (source, bytes) = (&source, &bytes);
            scope.spawn(move || {
                let mut random = Scattered(seed);
                for _ in 0..50 {
                    let most = 1 << random.below(21);
                    let len = 1 + to_usize(random.below(most));
                    let offset = random.below((bytes.len() - len) as u64);
                    compare(&**source, bytes, offset, len);
                }
            });
        }
    });
}

#[test]
fn the_first_contact_decodes_no_further_than_the_span_it_touches() {
    let bytes = content(20, 0..0);
    let (source, spy) = Case::of(&bytes, 10_000).open();
    for offset in [0, 5, SPAN, 3 * MIB + SPAN - 4096, 9 * MIB, MIB, 0] {
        compare(&*source, &bytes, offset, 4096);
        let decoded = source.map().decoded();
        let first = offset + SPAN;
        assert!(decoded <= first || offset <= MIB, "{decoded} for {offset}");
    }
    assert_eq!(source.map().reached(), (None, 9 * MIB + SPAN));
    // The start twice, and once the way back to 1 MiB.
    assert!(spy.resumed.load(Ordering::Relaxed) <= 3);
    assert!(source.end_is_far());
}

#[test]
fn a_reader_from_start_to_end_decodes_every_byte_once() {
    let bytes = content(12, 0..0);
    let (source, spy) = Case::of(&bytes, 70_000).open();
    for offset in (0..12 * MIB).step_by(128 << 10) {
        compare(&*source, &bytes, offset, 128 << 10);
    }
    assert_eq!(source.map().decoded(), 12 * MIB);
    assert_eq!(spy.resumed.load(Ordering::Relaxed), 1);
    assert_eq!(source.map().reached(), (Some(12 * MIB), 12 * MIB));
    assert!(!source.end_is_far());
}

#[test]
fn going_back_decodes_from_the_last_point() {
    let bytes = content(24, 0..0);
    let (source, _) = Case::of(&bytes, 10_000).open();
    compare(&*source, &bytes, 23 * MIB, 1);
    for offset in [17 * MIB, 9 * MIB, 6 * MIB] {
        let before = source.map().decoded();
        compare(&*source, &bytes, offset, 1);
        let cost = source.map().decoded() - before;
        assert!(cost <= index::SPACING + SPAN, "{cost}");
    }
}

#[test]
fn a_stored_index_saves_all_but_what_is_touched() {
    let bytes = content(24, 8..16);
    let (source, spy) = Case::of(&bytes, 10_000).open();
    compare(&*source, &bytes, 24 * MIB - 1, 1);
    drop(source);
    let mut again = Case::of(&bytes, 10_000);
    again.stored = Some(spy.saved());
    let (source, _) = again.open();
    assert!(!source.end_is_far());
    assert_eq!(source.map().reached().0, Some(24 * MIB));
    compare(&*source, &bytes, 20 * MIB, 1);
    compare(&*source, &bytes, 9 * MIB, 1 << 20);
    assert!(source.map().decoded() <= index::SPACING + SPAN);
    assert_eq!(source.extent_at(8 * MIB).unwrap().kind, ExtentKind::Zeros);
}

#[test]
fn spans_of_zeros_are_holes_once_they_were_decoded() {
    let bytes = content(10, 2..5);
    let (source, _) = Case::of(&bytes, 10_000).open();
    assert_eq!(source.extent_at(2 * MIB).unwrap().kind, ExtentKind::Data);
    compare(&*source, &bytes, 0, bytes.len());
    let extents: Vec<_> = [0, 2 * MIB, 5 * MIB]
        .into_iter()
        .map(|at| source.extent_at(at).unwrap())
        .map(|extent| (extent.kind, extent.len.get()))
        .collect();
    let (data, zeros) = (ExtentKind::Data, ExtentKind::Zeros);
    assert_eq!(
        extents,
        [(data, 2 * MIB), (zeros, 3 * MIB), (data, 5 * MIB)]
    );
}

/// A case of two independent halves, whose second one is a known point.
fn halves(bytes: &[u8]) -> Case {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut packed = pack(first, 10_000);
    let point = Point {
        output: first.len() as u64,
        input: packed.len() as u64,
        state: Vec::new(),
    };
    packed.extend(pack(second, 10_000));
    let mut case = Case::of(bytes, 10_000);
    case.packed = ended(packed, 0);
    case.known = vec![point];
    case
}

#[test]
fn known_points_are_decoded_side_by_side() {
    let bytes = content(4, 0..0);
    let mut case = halves(&bytes);
    // Neither gets on before the other one works too.
    case.meeting = Some(Arc::new(Barrier::new(2)));
    let (source, spy) = case.open();
    std::thread::scope(|scope| {
        scope.spawn(|| compare(&*source, &bytes, 0, 1));
        scope.spawn(|| compare(&*source, &bytes, 2 * MIB, 1));
    });
    assert_eq!(source.map().decoded(), 2 * SPAN);
    assert_eq!(spy.resumed.load(Ordering::Relaxed), 2);
}

#[test]
fn decoders_that_need_much_memory_work_one_by_one() {
    let bytes = content(8, 0..0);
    let mut case = halves(&bytes);
    case.memory = 40 << 20;
    let (source, spy) = case.open();
    compare(&*source, &bytes, 0, 1);
    std::thread::scope(|scope| {
        for offset in [MIB, 5 * MIB, 2 * MIB, 7 * MIB] {
            let (source, bytes) = (&source, &bytes);
            scope.spawn(move || compare(&**source, bytes, offset, 1));
        }
    });
    assert_eq!(spy.most_working.load(Ordering::SeqCst), 1);
}

#[test]
fn what_is_damaged_costs_what_lies_behind_it_up_to_the_next_point() {
    let bytes = content(6, 0..0);
    let mut packed = pack(&bytes[..3 << 20], 10_000);
    packed = ended(packed, DAMAGED);
    let point = Point {
        output: 4 * MIB,
        input: packed.len() as u64,
        state: Vec::new(),
    };
    packed.extend(pack(&bytes[4 << 20..], 10_000));
    let mut case = Case::of(&bytes, 10_000);
    case.packed = ended(packed, 0);
    case.known = vec![point];
    let (source, _) = case.open();
    compare(&*source, &bytes, 0, 3 << 20);
    for offset in [3 * MIB, 4 * MIB - 1] {
        let error = read_vec(&*source, offset, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
    }
    // What failed once is not tried again.
    let decoded = source.map().decoded();
    assert!(read_vec(&*source, 3 * MIB + SPAN, 1).is_err());
    assert_eq!(source.map().decoded(), decoded);
    compare(&*source, &bytes, 4 * MIB, 2 << 20);
}

#[test]
fn behind_damage_it_goes_on_where_the_decoder_says() {
    let bytes = content(4, 0..0);
    let cut = (2 << 20) + 1000;
    let mut packed = ended(pack(&bytes[..cut], 10_000), ANEW);
    packed.extend(pack(&bytes[cut..], 10_000));
    let mut case = Case::of(&bytes, 10_000);
    case.packed = ended(packed, 0);
    let (source, _) = case.open();
    compare(&*source, &bytes, 0, 2 << 20);
    assert!(read_vec(&*source, 2 * MIB, 1).is_err());
    compare(&*source, &bytes, 2 * MIB + SPAN, (2 << 20) - (256 << 10));
    assert!(read_vec(&*source, 2 * MIB, 1).is_err());
}

#[test]
fn a_checksum_at_the_end_is_an_error_of_the_last_span() {
    let bytes = content(2, 0..0);
    let mut case = Case::of(&bytes, 10_000);
    case.packed = ended(pack(&bytes, 10_000), BAD_SUM);
    let (source, _) = case.open();
    let last = 2 * MIB - SPAN;
    compare(&*source, &bytes, 0, to_usize(last));
    for _ in 0..2 {
        let error = read_vec(&*source, last, 1).unwrap_err();
        assert_eq!(error.message(), "bad checksum");
    }
}

#[test]
fn a_wrong_size_is_an_error_of_the_last_span_and_known_the_next_time() {
    let bytes = content(3, 0..0);
    for (claimed, good) in [(5 * MIB, 3 * MIB - SPAN), (2 * MIB, 2 * MIB - SPAN)] {
        let mut case = Case::of(&bytes, 10_000);
        case.size = Some(claimed);
        let (source, spy) = case.open();
        compare(&*source, &bytes, 0, to_usize(good));
        let error = read_vec(&*source, claimed - 1, 1).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.hint_text().unwrap().contains("open the image again"));
        assert_eq!(spy.notices.lock().unwrap().len(), 1);
        drop(source);
        let mut again = Case::of(&bytes, 10_000);
        (again.size, again.stored) = (None, Some(spy.saved()));
        let (source, _) = again.open();
        let (end, reached) = source.map().reached();
        assert!(end.unwrap_or(reached) > 2 * MIB);
        assert_eq!(source.map().find_end(), Ok(3 * MIB));
    }
}

#[test]
fn before_the_size_is_set_zeros_follow_the_end() {
    let bytes = content(1, 0..0);
    let mut case = Case::of(&bytes, 10_000);
    case.size = None;
    let (source, spy) = case.open();
    let mut more = bytes.clone();
    more.resize(2 << 20, 0);
    compare(&*source, &more, 0, 2 << 20);
    assert_eq!(source.map().find_end(), Ok(MIB));
    source.map().set_size(MIB);
    assert_eq!(source.size(), MIB);
    compare(&*source, &bytes, 0, 1 << 20);
    assert_eq!(spy.begun.load(Ordering::Relaxed), 0);
}

#[test]
fn long_ways_are_announced() {
    let bytes = content(40, 0..40);
    let (source, spy) = Case::of(&bytes, 1 << 20).open();
    compare(&*source, &bytes, 39 * MIB, 1);
    assert_eq!(spy.begun.load(Ordering::Relaxed), 1);
}

#[test]
fn a_stored_index_that_is_not_whole_costs_a_rebuild_and_nothing_else() {
    let bytes = content(10, 2..3);
    let (source, spy) = Case::of(&bytes, 10_000).open();
    compare(&*source, &bytes, 0, bytes.len());
    drop(source);
    let saved = spy.saved();
    let mut random = Scattered(3);
    let small = content(0, 0..0);
    for round in 0..3000 {
        let mut stored = saved.clone();
        let at = to_usize(random.below(stored.len() as u64));
        stored[at] ^= 1 << random.below(8);
        stored.truncate(stored.len() - usize::from(round % 3 == 0));
        let mut case = Case::of(&small, 10_000);
        case.stored = Some(stored);
        let (source, _) = case.open();
        assert_eq!(source.map().reached(), (None, 0));
    }
}

#[test]
fn a_stored_index_that_lies_costs_a_rebuild_and_nothing_else() {
    let bytes = content(10, 0..0);
    let mut index = index::Index::new(Vec::new()).unwrap();
    index.reached = 10 * MIB;
    for (output, input, state) in [(4 * MIB, 1 << 40, vec![5]), (6 * MIB, 1, vec![1, 2])] {
        let state = index::pack(&state).unwrap();
        let known = false;
        index.add(
            output,
            index::Kept {
                input,
                state,
                known,
            },
        );
    }
    let mut case = Case::of(&bytes, 10_000);
    case.stored = Some(stored::write(&index, b"toy"));
    let (source, _) = case.open();
    assert_eq!(source.map().reached().1, 10 * MIB);
    for offset in [6 * MIB, 4 * MIB, 0, 9 * MIB] {
        compare(&*source, &bytes, offset, 1000);
    }
    let mut other = Case::of(&bytes, 10_000);
    other.stored = Some(stored::write(&index, b"toy 2"));
    assert_eq!(other.open().0.map().reached(), (None, 0));
}
