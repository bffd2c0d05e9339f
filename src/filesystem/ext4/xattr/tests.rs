//! Damaged lists of attributes (E20). Whole ones are compared with the kernel's by the integration
//! tests.

use super::entries::{Entry, Limits, Value, in_block, in_inode};
use super::{hash, signed, split};

const LIMITS: Limits = Limits {
    value_inodes: true,
    first_inode: 11,
    inodes: 100,
};

/// An entry: index, name, value's place and size, value's inode.
fn entry(index: u8, name: &[u8], offset: u16, size: u32, inode: u32) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    let mut entry = vec![len, index];
    entry.extend(offset.to_le_bytes());
    entry.extend(inode.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry.extend([0; 4]);
    entry.extend(name);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

/// An attribute block of 1024 bytes with these entries, and `value` at its end.
fn block(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut block = 0xea02_0000_u32.to_le_bytes().to_vec();
    block.extend(1_u32.to_le_bytes());
    block.extend(1_u32.to_le_bytes());
    block.resize(32, 0);
    block.extend(entries.concat());
    block.resize(1019, 0);
    block.extend(b"value");
    block
}

#[test]
fn a_whole_list() {
    let block = block(&[
        entry(1, b"abcd", 1016, 8, 0),
        entry(6, b"x", 0, 0, 0),
        entry(1, b"far", 0, 70_000, 12),
    ]);
    let found = in_block(&block, LIMITS).unwrap();
    let value = |index: usize| found[index].value;
    assert_eq!(found.len(), 3);
    assert_eq!(value(0), Value::Here(b"\0\0\0value"));
    assert_eq!(value(1), Value::Here(b""));
    assert_eq!(
        value(2),
        Value::Inode {
            number: 12,
            size: 70_000
        }
    );
    let name = |entry: &Entry<'_>| (entry.index, entry.name.to_vec());
    let names: Vec<_> = found.iter().map(name).collect();
    assert_eq!(
        names,
        [
            (1, b"abcd".to_vec()),
            (6, b"x".to_vec()),
            (1, b"far".to_vec())
        ]
    );
}

#[test]
fn e20_bad_entries() {
    for (why, entries) in [
        ("e_value_offs", entry(1, b"a", 20, 4, 0)), // in the header
        ("e_value_offs", entry(1, b"a", 40, 4, 0)), // in the entries
        ("e_value_offs", entry(1, b"a", 1022, 4, 0)), // past the end
        ("e_value_offs", entry(1, b"a", 1021, 1, 0)), // with its filling
        ("e_value_size", entry(1, b"a", 100, u32::MAX, 0)), // sums would wrap
        ("e_value_size", entry(1, b"a", 0, 1 << 25, 12)), // in an inode
        ("e_value_inum", entry(1, b"a", 0, 4, 2)),  // the root directory
        ("e_value_inum", entry(1, b"a", 0, 4, 101)), // past the inodes
        ("NUL", entry(1, b"a\0b", 0, 0, 0)),        // NUL in it
    ] {
        let good = entry(1, b"good", 1016, 4, 0);
        let block = block(&[good, entries]);
        let error = in_block(&block, LIMITS).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Corrupt);
        assert!(error.message().contains(why), "{why}: {error}");
    }
    let none = Limits {
        value_inodes: false,
        ..LIMITS
    };
    let far = block(&[entry(1, b"far", 0, 4, 12)]);
    assert!(
        in_block(&far, none)
            .unwrap_err()
            .message()
            .contains("e_value_inum")
    );
}

#[test]
fn e20_names_without_an_end() {
    let mut whole = 0xea02_0000_u32.to_le_bytes().to_vec();
    whole.extend(entry(1, b"name", 0, 0, 0));
    for cut in [whole.len(), whole.len() - 1, 22, 12] {
        let error = in_inode(&whole[..cut], LIMITS).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Corrupt, "{cut}");
    }
    assert_eq!(in_inode(&[], LIMITS).unwrap(), []);
    assert_eq!(in_inode(&[0; 40], LIMITS).unwrap(), []);
}

#[test]
fn e20_bad_headers() {
    let mut bad = block(&[]);
    bad[0] = 1;
    assert!(
        in_block(&bad, LIMITS)
            .unwrap_err()
            .message()
            .starts_with("h_magic")
    );
    let mut bad = block(&[]);
    bad[8] = 2;
    assert!(
        in_block(&bad, LIMITS)
            .unwrap_err()
            .message()
            .starts_with("h_blocks")
    );
    assert!(in_block(&[0; 12], LIMITS).is_err());
}

#[test]
fn names_have_the_prefixes_that_the_kernel_shows() {
    assert_eq!(split(b"user.a.b"), Some((1, &b"a.b"[..])));
    assert_eq!(split(b"system.posix_acl_access"), Some((2, &b""[..])));
    assert_eq!(split(b"system.posix_acl_accessx"), Some((2, &b"x"[..])));
    assert_eq!(split(b"system.data"), None);
    assert_eq!(split(b"user."), Some((1, &b""[..])));
}

/// The two hashes of one name of bytes over 127: `char` is signed on some machines.
#[test]
fn hashes_of_signed_and_unsigned_names() {
    assert_eq!(hash(b"a", 0, u32::from), u32::from(b'a') << 16);
    assert_ne!(hash(b"\xe4", 7, u32::from), hash(b"\xe4", 7, signed));
    assert_eq!(hash(b"ascii", 7, u32::from), hash(b"ascii", 7, signed));
}
