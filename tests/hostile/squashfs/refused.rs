//! What is refused as a whole: the superblock, and the places of the tables.

use imgmount::error::Kind;

use super::made::{Image, Made, field};
use super::{others_are_good, refused, walk_broken};

/// Refused for what the field at `at` then holds.
fn with(image: &Image, at: usize, value: &[u8], words: &str) {
    refused(&image.with(at, value), Kind::Corrupt, words, at as u64);
}

#[test]
fn s01_sizes_that_no_superblock_has_are_refused_by_their_field() {
    let image = Made::new().image();
    for log in [0_u16, 11, 21, 63, u16::MAX] {
        let words = format!("block_log {log}");
        with(&image, field::BLOCK_LOG, &log.to_le_bytes(), &words);
    }
    for size in [0_u32, 4095, 8192, 1 << 21, 1 << 31, u32::MAX] {
        let words = format!("block_size {size}");
        with(&image, field::BLOCK_SIZE, &size.to_le_bytes(), &words);
    }
    for id in [0_u16, 7, 9, u16::MAX] {
        let bytes = image.with(field::COMPRESSION, &id.to_le_bytes());
        refused(&bytes, Kind::Unsupported, &format!("compression {id}"), 20);
    }
    let past = (image.bytes.len() as u64 + 1).to_le_bytes();
    with(&image, field::BYTES_USED, &past, "bytes_used");
    with(
        &image,
        field::BYTES_USED,
        &u64::MAX.to_le_bytes(),
        "bytes_used",
    );
    with(&image, field::ROOT, &8193_u64.to_le_bytes(), "root_inode");
}

#[test]
fn s01_tables_past_the_end_or_out_of_order_are_refused_by_name() {
    let image = Made::new().image();
    let place = |field| image.place(field);
    for value in [u64::MAX, 1 << 63, image.bytes.len() as u64] {
        let value = value.to_le_bytes();
        with(&image, field::ID_TABLE, &value, "id_table_start");
        with(&image, field::INODE_TABLE, &value, "inode_table_start");
        with(
            &image,
            field::DIRECTORY_TABLE,
            &value,
            "directory_table_start",
        );
    }
    let behind = place(field::DIRECTORY_TABLE) + 1;
    with(
        &image,
        field::INODE_TABLE,
        &behind.to_le_bytes(),
        "inode_table_start",
    );
    let last = place(field::ID_TABLE) - 1;
    with(
        &image,
        field::DIRECTORY_TABLE,
        &last.to_le_bytes(),
        "directory_table_start",
    );
    let many = image.with(field::FRAGMENTS, &(1_u32 << 31).to_le_bytes());
    let (table, block) = (place(field::FRAGMENT_TABLE), (1_u64 << 31) / 512 - 1);
    refused(
        &many,
        Kind::Corrupt,
        "table of fragments",
        table + block * 8,
    );
    let none = image.with(field::IDS, &[0, 0]);
    refused(&none, Kind::Corrupt, "table of ids", place(field::ID_TABLE));
    let later = image.with(place(field::ID_TABLE) as usize, &u64::MAX.to_le_bytes());
    refused(
        &later,
        Kind::Corrupt,
        "table of ids",
        place(field::ID_TABLE),
    );
    let xattrs = image.with(field::XATTR_TABLE, &place(field::BYTES_USED).to_le_bytes());
    let at = place(field::BYTES_USED);
    refused(&xattrs, Kind::Corrupt, "table of extended attributes", at);
}

#[test]
fn s01_a_root_that_is_none_is_refused() {
    let image = Made::new().image();
    let file = image.with(field::ROOT, &[0; 8]);
    refused(&file, Kind::Corrupt, "root is no directory", 32);
    let nowhere = image.with(field::ROOT, &(1_u64 << 40).to_le_bytes());
    let at = image.inodes as u64 + (1 << 24);
    refused(&nowhere, Kind::Corrupt, "root: ", at);
}

#[test]
fn s01_a_count_of_inodes_that_is_too_large_costs_nothing() {
    let image = Made::new().image();
    let bytes = image.with(field::INODES, &u32::MAX.to_le_bytes());
    // The last block of the table is looked for first: the index has 1024 numbers to a block.
    let at = image.place(field::LOOKUP_TABLE) + u64::from(u32::MAX / 1024) * 8;
    export_table_is_left_out(&bytes, at);
}

/// All files are good, and a notice says that the table of inode numbers is wrong at byte `at`.
fn export_table_is_left_out(bytes: &[u8], at: u64) {
    let walk = walk_broken(bytes);
    others_are_good(&walk);
    let place = format!(" at byte {at:#x}");
    let is_said = |text: &String| text.contains("table of inode numbers") && text.ends_with(&place);
    assert!(walk.notices.iter().any(is_said), "{:?}", walk.notices);
}

#[test]
fn s08_an_export_table_of_garbage_is_ignored() {
    let image = Made::new().image();
    for value in [0_u64, 1, 1 << 63, image.bytes.len() as u64, u64::MAX - 1] {
        let bytes = image.with(field::LOOKUP_TABLE, &value.to_le_bytes());
        export_table_is_left_out(&bytes, value);
    }
    let table = image.place(field::LOOKUP_TABLE);
    for value in [u64::MAX, table] {
        let bytes = image.with(table as usize, &value.to_le_bytes());
        export_table_is_left_out(&bytes, table);
    }
    // What is before the table is looked at only where a number is asked for.
    let bytes = image.with(table as usize, &[0; 8]);
    others_are_good(&walk_broken(&bytes));
}

#[test]
fn s09_other_versions_and_byte_orders_are_refused_by_their_version() {
    let image = Made::new().image();
    let version = |magic: &[u8; 4], version: [u8; 4], words: &str| {
        let mut other = image.clone();
        other.bytes = other.with(0, magic);
        let bytes = other.with(field::MAJOR, &version);
        refused(&bytes, Kind::Unsupported, words, 28);
    };
    version(b"hsqs", [3, 0, 1, 0], "version 3.1: only 4.0");
    version(b"hsqs", [1, 0, 0, 0], "version 1.0: only 4.0");
    version(b"hsqs", [4, 0, 1, 0], "version 4.1: only 4.0");
    version(b"hsqs", [5, 0, 0, 0], "version 5.0: only 4.0");
    version(b"sqsh", [0, 3, 0, 1], "version 3.1, big-endian: only 4.0");
    version(b"sqsh", [0, 4, 0, 0], "version 4.0, big-endian: only 4.0");
    version(b"shsq", [3, 0, 0, 0], "version 3.0, patched for LZMA");
    version(b"qshs", [0, 3, 0, 0], "big-endian and patched for LZMA");
}
