//! The read loop against a plain vector, copy by copy, and against maps that lie.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
#![allow(clippy::single_range_in_vec_init)] // lists of ranges are meant

mod packed;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::error::Kind;
use crate::source::testing::{Scattered, Spy};
use crate::source::{Memory, read_vec};

/// Runs one after the other, for each attempt; and what the packed units unpack to.
#[derive(Default)]
struct Table {
    copies: Vec<Vec<(Place, u64)>>,
    units: Vec<Vec<u8>>,
    unpacked: AtomicUsize,
    asked: Mutex<Vec<(u64, u8)>>,
}

impl Table {
    fn new(runs: &[(Place, u64)]) -> Self {
        Self {
            copies: vec![runs.to_vec()],
            ..Self::default()
        }
    }

    fn copy(mut self, runs: &[(Place, u64)]) -> Self {
        self.copies.push(runs.to_vec());
        self
    }

    fn unit(mut self, bytes: Vec<u8>) -> Self {
        self.units.push(bytes);
        self
    }
}

impl Map for Table {
    fn size(&self) -> u64 {
        self.copies[0].iter().map(|(_, len)| len).sum()
    }

    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run> {
        self.asked
            .lock()
            .expect("not poisoned")
            .push((offset, attempt));
        let copy = self.copies.get(usize::from(attempt));
        let mut start = 0;
        for (place, len) in copy.ok_or_else(|| Error::not_found("no such copy"))? {
            if offset < start + len {
                return Ok(Run {
                    place: advanced(*place, offset - start),
                    len: NonZeroU64::new(start + len - offset).expect("over 0"),
                });
            }
            start += len;
        }
        Err(Error::corrupt("no run").at(offset))
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        let bytes = self.units.get(to_usize(unit));
        bytes.map(Vec::len).ok_or_else(|| Error::corrupt("no unit"))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        self.unpacked.fetch_add(1, Ordering::SeqCst);
        into.copy_from_slice(&self.units[to_usize(unit)]);
        Ok(())
    }
}

fn advanced(place: Place, by: u64) -> Place {
    match place {
        Place::At { member, offset } => at(member, offset + by),
        Place::Packed { unit, skip } => packed(unit, skip + to_usize(by)),
        other => other,
    }
}

fn at(member: usize, offset: u64) -> Place {
    Place::At { member, offset }
}

fn packed(unit: u64, skip: usize) -> Place {
    Place::Packed { unit, skip }
}

fn mapped<M: Map + 'static, const N: usize>(map: M, members: [Arc<Spy>; N]) -> Mapped<M> {
    let shared = |spy: Arc<Spy>| -> SharedSource { spy };
    let members = members.into_iter().map(shared).collect();
    Mapped::new(map, members, None, Cache::new(1 << 20))
}

fn spy(seed: u64, len: usize) -> Spy {
    Spy::new(Scattered(seed).bytes(len))
}

#[test]
fn runs_that_lie_side_by_side_are_read_in_one_piece() {
    let member = Arc::new(spy(1, 10_000));
    let runs = [
        (at(0, 0), 1000),
        (at(0, 1000), 1000),
        (at(0, 2000), 500),
        (Place::Zeros, 100),
        (at(0, 2500), 400),
        (at(0, 5000), 1000),
    ];
    let mapped = mapped(Table::new(&runs), [member.clone()]);
    let got = read_vec(&mapped, 100, 3900).expect("it reads");
    let bytes = member.bytes();
    let expected = [
        &bytes[100..2500],
        &[0; 100],
        &bytes[2500..2900],
        &bytes[5000..6000],
    ];
    assert!(got == expected.concat());
    assert_eq!(member.take_reads(), [100..2500, 2500..2900, 5000..6000]);
    let asked = std::mem::take(&mut *mapped.map.asked.lock().expect("not poisoned"));
    let expected = [100, 1000, 2000, 2500, 2600, 3000].map(|offset| (offset, 0));
    assert_eq!(asked, expected, "each run is asked for once");
}

#[test]
fn backing_may_be_shorter_longer_or_missing() {
    let with = |backing: Option<SharedSource>| {
        let map = Table::new(&[(Place::Backing, 100), (Place::Absent, 10)]);
        Mapped::new(map, Vec::new(), backing, Cache::new(1 << 20))
    };
    let short = with(Some(Arc::new(Memory(vec![7; 60]))));
    let long = with(Some(Arc::new(Memory(vec![7; 600]))));
    let none = with(None);
    let read = |mapped: &Mapped<Table>, offset: u64| read_vec(mapped, offset, 50);
    assert_eq!(
        read(&short, 30),
        Ok([[7; 30].as_slice(), &[0; 20]].concat())
    );
    assert_eq!(read(&short, 60), Ok(vec![0; 50]));
    assert_eq!(read(&long, 60), Ok([[7; 40].as_slice(), &[0; 10]].concat()));
    assert_eq!(read(&none, 30), Ok(vec![0; 50]));
    let (data, zeros, absent) = (ExtentKind::Data, ExtentKind::Zeros, ExtentKind::Absent);
    assert_eq!(short.extent_at(50), extent_to(data, 50, 60));
    assert_eq!(short.extent_at(60), extent_to(zeros, 60, 100));
    assert_eq!(long.extent_at(50), extent_to(data, 50, 100));
    assert_eq!(none.extent_at(50), extent_to(absent, 50, 100));
    assert_eq!(none.extent_at(105), extent_to(absent, 105, 110));
}

#[test]
fn holes_survive_the_map() {
    let member = Arc::new(spy(1, 1000).hole(100..300));
    let runs = [
        (at(0, 50), 100),
        (Place::Zeros, 10),
        (packed(0, 5), 20),
        (at(0, 250), 100),
    ];
    let mapped = mapped(Table::new(&runs).unit(vec![1; 25]), [member]);
    let (data, zeros) = (ExtentKind::Data, ExtentKind::Zeros);
    let expected = [
        (data, 0, 50),
        (zeros, 50, 100),
        (zeros, 100, 110),
        (data, 110, 130),
        (zeros, 130, 180),
        (data, 180, 230),
    ];
    for (kind, start, end) in expected {
        assert_eq!(mapped.extent_at(start), extent_to(kind, start, end));
        assert_eq!(mapped.extent_at(end - 1), extent_to(kind, end - 1, end));
    }
    assert_eq!(
        mapped.extent_at(230).map_err(|e| e.kind()),
        Err(Kind::Invalid)
    );
}

#[test]
fn a_packed_unit_is_unpacked_once_by_many_threads() {
    let bytes = Scattered(4).bytes(64 << 10);
    let table = Table::new(&[(packed(0, 0), 64 << 10)]).unit(bytes.clone());
    let mapped = mapped(table, []);
    let read = || {
        for offset in (0..64 << 10).step_by(4096) {
            let got = read_vec(&mapped, to_u64(offset), 4096).expect("it unpacks");
            assert!(got == bytes[offset..offset + 4096]);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(read);
        }
    });
    assert_eq!(mapped.map.unpacked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_bad_member_is_read_from_the_next_copy() {
    let bytes = Scattered(4).bytes(8192);
    let bad = Arc::new(Spy::new(bytes.clone()).bad(0..8192));
    let good = Arc::new(Spy::new(bytes.clone()));
    let table = Table::new(&[(at(0, 0), 8192)]).copy(&[(at(1, 0), 8192)]);
    let mapped = mapped(table, [bad.clone(), good.clone()]);
    assert!(read_vec(&mapped, 100, 8000) == Ok(bytes[100..8100].to_vec()));
    assert_eq!(bad.take_reads(), [100..8100]);
    assert_eq!(good.take_reads(), [100..8100]);
}

/// Two mirrors of the same bytes, bad where told.
fn mirrors(bytes: &[u8], bad: [&[Range<u64>]; 2]) -> Mapped<Table> {
    let side = |ranges: &[Range<u64>]| {
        let whole = Spy::new(bytes.to_vec());
        let spy = ranges.iter().cloned().fold(whole, Spy::bad);
        Arc::new(spy)
    };
    let len = to_u64(bytes.len());
    let table = Table::new(&[(at(0, 0), len)]).copy(&[(at(1, 0), len)]);
    mapped(table, bad.map(side))
}

#[test]
fn mirrors_with_different_bad_sectors_are_read_whole() {
    let bytes = Scattered(4).bytes(1 << 20);
    let bad_here = [512..1024, 40_960..41_472, 900_096..901_120];
    let bad_there = [1024..1536, 50_176..50_688, 1_048_064..1_048_576];
    let mapped = mirrors(&bytes, [&bad_here, &bad_there]);
    assert!(read_vec(&mapped, 0, 1 << 20) == Ok(bytes.clone()));
    assert!(read_vec(&mapped, 700, 50_000) == Ok(bytes[700..50_700].to_vec()));
}

#[test]
fn a_sector_that_no_copy_has_fails_only_the_reads_that_touch_it() {
    let bytes = Scattered(4).bytes(65_536);
    let mapped = mirrors(&bytes, [&[8192..9216], &[8704..9216, 512..1024]]);
    for (offset, len) in [(0, 65_536), (8704, 1), (9215, 10), (9000, 1)] {
        let error = read_vec(&mapped, offset, len).expect_err("nobody has it");
        assert_eq!(error.contexts().collect::<Vec<_>>(), ["member 0"]);
        assert_eq!((error.kind(), error.message()), (Kind::Io, "bad sector"));
    }
    assert!(read_vec(&mapped, 0, 8704) == Ok(bytes[..8704].to_vec()));
    assert!(read_vec(&mapped, 9216, 56_320) == Ok(bytes[9216..].to_vec()));
}

#[test]
fn without_copies_a_bad_run_is_tried_once_and_fails_alone() {
    let member = Arc::new(spy(4, 8192).bad(5000..5100));
    let mapped = mapped(Table::new(&[(at(0, 0), 8192)]), [member.clone()]);
    assert!(read_vec(&mapped, 4096, 4096).is_err());
    assert_eq!(member.take_reads(), [4096..8192]);
    assert!(read_vec(&mapped, 0, 5000).is_ok());
}

/// A map that knows nothing of attempts.
struct Deaf;

impl Map for Deaf {
    fn size(&self) -> u64 {
        1000
    }
    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let len = NonZeroU64::MAX;
        let place = at(0, offset);
        Ok(Run { place, len })
    }
    fn unit(&self, _unit: u64) -> Result<usize> {
        Err(Error::corrupt("no units"))
    }
    fn unpack(&self, _unit: u64, _into: &mut [u8]) -> Result<()> {
        Err(Error::corrupt("no units"))
    }
}

#[test]
fn a_map_deaf_to_attempts_is_not_asked_on_and_its_runs_are_cut() {
    let member = Arc::new(spy(4, 1000).bad(500..501));
    let mapped = mapped(Deaf, [member.clone()]);
    assert!(read_vec(&mapped, 0, 1000).is_err());
    assert_eq!(member.take_reads(), [0..1000]);
    assert_eq!(mapped.extent_at(10), extent_to(ExtentKind::Data, 10, 1000));
}

/// A map whose tables are damaged everywhere, and which counts how often it is asked.
#[derive(Default)]
struct Damaged(std::sync::atomic::AtomicUsize);

impl Map for Arc<Damaged> {
    fn size(&self) -> u64 {
        1 << 20
    }
    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Err(Error::corrupt("no such table").at(offset))
    }
    fn unit(&self, _unit: u64) -> Result<usize> {
        Err(Error::corrupt("no units"))
    }
    fn unpack(&self, _unit: u64, _into: &mut [u8]) -> Result<()> {
        Err(Error::corrupt("no units"))
    }
}

#[test]
fn a_damaged_map_is_not_asked_on() {
    let map = Arc::new(Damaged::default());
    let mapped = mapped(map.clone(), []);
    assert!(read_vec(&mapped, 0, 1 << 20).is_err());
    assert!(map.0.load(std::sync::atomic::Ordering::Relaxed) <= 2);
}

/// The message and offset of the error that reading all of `table` gives.
fn refused(table: Table) -> String {
    let member = Arc::new(spy(4, 1000));
    let mapped = mapped(table, [member]);
    let error = read_vec(&mapped, 0, 100).expect_err("it lies");
    assert_eq!(error.kind(), Kind::Corrupt);
    error.to_string()
}

#[test]
fn maps_that_lie_are_refused_by_name() {
    let table = |place: Place| Table::new(&[(Place::Zeros, 10), (place, 90)]);
    assert_eq!(
        refused(table(at(7, 0))),
        "the map names member 7 of 1 at byte 0xa"
    );
    assert_eq!(
        refused(table(at(0, 911))),
        "90 bytes at 0x38f of member 0 are past its 1000 bytes at byte 0xa"
    );
    assert_eq!(
        refused(table(at(0, u64::MAX - 100))),
        "90 bytes at 0xffffffffffffff9b of member 0 are past its 1000 bytes at byte 0xa"
    );
    assert_eq!(
        refused(table(packed(0, 30)).unit(vec![0; 30])),
        "packed unit 0 of 30 bytes has no byte 30 at byte 0xa"
    );
    assert_eq!(
        refused(table(packed(0, 0)).unit(Vec::new())),
        "packed unit 0 of 0 bytes has no byte 0 at byte 0xa"
    );
    let over = table(packed(0, 0)).unit(vec![0; MOST_UNIT + 1]);
    assert_eq!(
        refused(over),
        "packed unit 0 of 16777217 bytes is over 16777216 at byte 0xa"
    );
}

#[test]
fn a_run_partly_past_its_member_fails_only_there() {
    let member = Arc::new(spy(4, 1000));
    let mapped = mapped(Table::new(&[(at(0, 900), 200)]), [member.clone()]);
    assert!(read_vec(&mapped, 0, 100) == Ok(member.bytes()[900..].to_vec()));
    assert!(read_vec(&mapped, 99, 2).is_err());
    assert_eq!(mapped.extent_at(0), extent_to(ExtentKind::Data, 0, 100));
    assert_eq!(
        mapped.extent_at(100).map_err(|e| e.kind()),
        Err(Kind::Corrupt)
    );
}

#[test]
fn a_run_longer_than_its_unit_fails_only_behind_it() {
    let table = Table::new(&[(packed(0, 10), 50), (packed(1, 0), 50)]);
    let mapped = mapped(table.unit(vec![1; 30]).unit(vec![2; 50]), []);
    assert_eq!(read_vec(&mapped, 0, 20), Ok(vec![1; 20]));
    assert_eq!(read_vec(&mapped, 50, 50), Ok(vec![2; 50]));
    let error = read_vec(&mapped, 0, 21).expect_err("the unit is shorter");
    assert_eq!((error.kind(), error.offset()), (Kind::Corrupt, Some(20)));
}

#[test]
fn ranges_at_the_edges_are_read_or_refused() {
    let mapped = mapped(Table::new(&[(Place::Zeros, 100)]), []);
    assert_eq!(read_vec(&mapped, 100, 0), Ok(Vec::new()));
    for (offset, len) in [(100, 1), (101, 0), (u64::MAX, 1), (99, 2)] {
        let error = read_vec(&mapped, offset, len).expect_err("past the end");
        assert_eq!(error.kind(), Kind::Invalid);
    }
}

/// A random run of `len` bytes and the bytes that it should give.
struct Model {
    scattered: Scattered,
    members: Vec<Arc<Spy>>,
    backing: Vec<u8>,
    table: Table,
    expected: Vec<u8>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut scattered = Scattered(seed);
        let members = (0..3)
            .map(|index| Arc::new(spy(seed + index, 50_000)))
            .collect();
        let backing = scattered.bytes(30_000);
        let mut model = Self {
            scattered,
            members,
            backing,
            table: Table::new(&[]),
            expected: Vec::new(),
        };
        for _ in 0..60 {
            model.add_run();
        }
        model
    }

    fn below(&mut self, limit: u64) -> usize {
        to_usize(self.scattered.below(limit))
    }

    fn add_run(&mut self) {
        let len = 1 + self.below(2000);
        let place = match self.below(6) {
            0 => self.add_bytes(Place::Zeros, vec![0; len]),
            1 => self.add_bytes(Place::Absent, vec![0; len]),
            2 => {
                let start = self.expected.len();
                let rest = self.backing.iter().skip(start);
                let bytes: Vec<u8> = rest
                    .chain(std::iter::repeat(&0))
                    .take(len)
                    .copied()
                    .collect();
                self.add_bytes(Place::Backing, bytes)
            }
            3 => {
                let skip = self.below(100);
                let unit = self.scattered.bytes(skip + len);
                self.expected.extend(&unit[skip..]);
                self.table.units.push(unit);
                packed(to_u64(self.table.units.len()) - 1, skip)
            }
            _ => {
                let member = self.below(3);
                let offset = self.below(48_000);
                let bytes = self.members[member].bytes()[offset..offset + len].to_vec();
                self.add_bytes(at(member, to_u64(offset)), bytes)
            }
        };
        self.table.copies[0].push((place, to_u64(len)));
    }

    fn add_bytes(&mut self, place: Place, bytes: Vec<u8>) -> Place {
        self.expected.extend(bytes);
        place
    }
}

#[test]
fn random_maps_read_as_the_vector_they_describe() {
    for seed in 0..40 {
        let model = Model::new(seed);
        let Model {
            mut scattered,
            members,
            backing,
            table,
            expected,
        } = model;
        let shared = |spy: &Arc<Spy>| -> SharedSource { spy.clone() };
        let members = members.iter().map(shared).collect();
        let backing: SharedSource = Arc::new(Memory(backing));
        let mapped = Mapped::new(table, members, Some(backing), Cache::new(20_000));
        assert_eq!(mapped.size(), to_u64(expected.len()));
        for _ in 0..200 {
            let offset = to_usize(scattered.below(mapped.size()));
            let len = to_usize(scattered.below(10_000)).min(expected.len() - offset);
            let got = read_vec(&mapped, to_u64(offset), len).expect("it reads");
            assert!(
                got == expected[offset..offset + len],
                "{seed}: {offset} {len}"
            );
        }
        assert!(read_vec(&mapped, 0, expected.len()) == Ok(expected.clone()));
        let mut at = 0;
        while at < mapped.size() {
            let extent = mapped.extent_at(at).expect("it has one");
            let end = at + extent.len.get();
            let bytes = &expected[to_usize(at)..to_usize(end)];
            let zeros = bytes.iter().all(|byte| *byte == 0);
            assert!(extent.kind == ExtentKind::Data || zeros);
            at = end;
        }
        assert_eq!(at, mapped.size());
    }
}
