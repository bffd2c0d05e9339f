//! Snapshots, caches and write caches of LVM2: each field of their headers that can be wrong, by its
//! byte.

use imgmount::error::{Error, Kind};

use super::expect::check;
use crate::support::images::Scratch;
use crate::volume::lvm::caches::{blocks, metadata, problem, snapshot, store, write_cache};
use crate::volume::lvm::made::{hidden, linear, logical, segment, text};
use crate::volume::lvm::numbered::{look, physical, place};
use crate::volume::lvm::thin;

/// `bytes` with `value` at `at`.
fn with(bytes: &[u8], at: usize, value: u32) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + 4].copy_from_slice(&value.to_le_bytes());
    assert!(changed != bytes, "nothing is changed at {at}");
    changed
}

#[test]
fn l09_headers_of_exception_stores() {
    let whole = store(&[5]);
    for (at, value, kind, words) in [
        (0, 7, Kind::Corrupt, "magic is 0x7"),
        (4, 0, Kind::Corrupt, "its store was full"),
        (8, 2, Kind::Unsupported, "version 2"),
        (12, 0, Kind::Corrupt, "chunk_size is 0"),
        (12, 3, Kind::Corrupt, "chunk_size is 3"),
        (12, u32::MAX, Kind::Corrupt, "chunk_size is 4294967295"),
    ] {
        let stack = snapshot(&with(&whole, at, value), false);
        let error = place(&stack, "vg0/s", 0, 0).unwrap_err();
        check(&error, kind, &["exception store", words], Some(at));
        // The origin is what it is.
        assert!(place(&stack, "vg0/o", 0, 0).is_ok());
    }
}

#[test]
fn l09_superblocks_of_caches() {
    need!(tool "cache_restore");
    let whole = metadata(&Scratch::new(), "2", &blocks());
    for (at, value, kind, words) in [
        (32, 7, Kind::Corrupt, "magic is 0x7"),
        (40, 0, Kind::Unsupported, "version 0"),
        (40, 3, Kind::Unsupported, "version 3"),
        (232, 0, Kind::Corrupt, "data_block_size is 0"),
        (236, 1, Kind::Corrupt, "metadata_block_size is 1"),
        (
            240,
            u32::MAX,
            Kind::Unsupported,
            "cache_blocks is 4294967295",
        ),
        (252, 8, Kind::Unsupported, "incompat_flags 0x8"),
    ] {
        let mut bytes = with(&whole, at, value);
        thin::seal(&mut bytes[..4096], 9_031_977);
        let error = problem(&bytes);
        check(&error, kind, &["cache metadata", words], Some(at));
    }
}

/// Why a volume behind the write cache `bytes` cannot be read.
fn behind(bytes: &[u8]) -> Error {
    let body = "type = \"writecache\"\nwritecache = \"v\"\norigin = \"o\"";
    let volumes = [
        logical("w", &[segment(0, 16, body)]),
        hidden("v", &[linear(0, 400, "\"pv0\", 0")]),
        hidden("o", &[linear(0, 16, "\"pv0\", 400")]),
    ];
    let text = text(1, "a", 500, "", &volumes.concat());
    let (stack, _) = look(physical(&text, bytes, 500));
    place(&stack, "vg0/w", 0, 0).unwrap_err()
}

#[test]
fn l09_superblocks_of_write_caches() {
    let whole = write_cache(&[(8, 1)], 1);
    for (at, value, kind, words) in [
        (0, 7, Kind::Corrupt, "magic is 0x7"),
        (4, 2, Kind::Unsupported, "version 2"),
        (8, 0, Kind::Corrupt, "block_size is 0"),
        (8, 3000, Kind::Corrupt, "block_size is 3000"),
        (16, u32::MAX, Kind::Corrupt, "n_blocks is 4294967295"),
    ] {
        let error = behind(&with(&whole, at, value));
        check(&error, kind, &["write cache", words], Some(at));
    }
}
