//! Packed units: unpacked once, and ahead of a sequential reader.

use super::*;

/// Sixty-four units of 64 KiB each, one after the other.
fn many_units() -> (Mapped<Table>, Vec<u8>) {
    const UNIT: usize = 64 << 10;
    let bytes = Scattered(9).bytes(64 * UNIT);
    let runs: Vec<_> = (0..64)
        .map(|unit| (packed(unit, 0), to_u64(UNIT)))
        .collect();
    let table = Table::new(&runs);
    let table = bytes
        .chunks(UNIT)
        .fold(table, |table, unit| table.unit(unit.to_vec()));
    (
        Mapped::new(table, Vec::new(), None, Cache::new(64 << 20)),
        bytes,
    )
}

#[test]
fn a_sequential_reader_has_each_unit_unpacked_once() {
    let (mapped, bytes) = many_units();
    for at in (0..bytes.len()).step_by(50_000) {
        let len = 50_000.min(bytes.len() - at);
        let got = read_vec(&mapped, to_u64(at), len).expect("it reads");
        assert!(got == bytes[at..at + len], "at {at}");
    }
    assert_eq!(mapped.map.unpacked.load(Ordering::SeqCst), 64);
}

#[test]
fn the_next_units_are_unpacked_before_they_are_read() {
    let (mapped, _) = many_units();
    let unpacked = || mapped.map.unpacked.load(Ordering::SeqCst);
    for unit in [10, 50, 30] {
        read_vec(&mapped, unit << 16, 1 << 16).expect("it reads");
    }
    assert_eq!(unpacked(), 3, "nothing ahead of random reads");
    read_vec(&mapped, 0, 2 << 16).expect("it reads");
    let several = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let started = std::time::Instant::now();
    while several && unpacked() < 6 {
        assert!(started.elapsed().as_secs() < 30, "{} units", unpacked());
        std::thread::yield_now();
    }
}

#[test]
fn a_unit_that_cannot_be_unpacked_fails_its_own_reader_alone() {
    /// Unit 2 of 4 is bad.
    struct Bad;
    impl Map for Bad {
        fn size(&self) -> u64 {
            4096 * 4
        }
        fn run_at(&self, offset: u64, _: u8) -> Result<Run> {
            let skip = to_usize(offset % 4096);
            let len = NonZeroU64::new(4096 - offset % 4096).expect("over 0");
            let place = packed(offset / 4096, skip);
            Ok(Run { place, len })
        }
        fn unit(&self, _: u64) -> Result<usize> {
            Ok(4096)
        }
        fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
            into.fill(7);
            match unit {
                2 => Err(Error::corrupt("bad unit")),
                _ => Ok(()),
            }
        }
    }
    let mapped = Mapped::new(Bad, Vec::new(), None, Cache::new(1 << 20));
    for _ in 0..3 {
        for unit in 0..4 {
            let read = read_vec(&mapped, unit * 4096, 4096);
            assert_eq!(read.is_ok(), unit != 2, "{unit}");
        }
    }
}
