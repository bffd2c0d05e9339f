//! Dynamic disks by HOSTILE.md, which has no cases of its own for them: those of volume groups (L) and
//! arrays (M) in the terms of the Logical Disk Manager. Every field that is believed, broken.

use std::time::{Duration, Instant};

use imgmount::error::Kind;
use imgmount::stack::Stack;

use super::expect::check;
use crate::partition::disk;
use crate::volume::ldm::made::{
    CONFIG, Group, PUBLIC, group, number, patch_contents, patch_database, patch_header, private,
    sectors, volume,
};
use crate::volume::ldm::{bytes, node};
use crate::volume::lvm::groups::{error, look};

/// That a disk, which must not be its seed, has no volumes for a reason of `kind` whose text holds
/// `words`, at byte `at`. The disk's bytes are there all the same.
fn lost(image: Vec<u8>, kind: Kind, words: &str, at: usize) {
    assert!(image != Group::alone().disk(1), "the mutant is its seed");
    let (stack, _) = look(&[image]);
    assert!(stack.disks[0].source.is_ok());
    check(error(&stack), kind, &["ldm: ", words], Some(at));
}

/// That the volume called `name` cannot be read, as the record called by `blamed` is wrong; and that
/// `Simple` can.
pub fn refused(group: &Group, name: &str, words: &str, blamed: u64) {
    let image = group.disk(1);
    assert!(image != Group::alone().disk(1), "the mutant is its seed");
    let (stack, _) = look(&[image]);
    let simple = bytes(&stack, "HomeDg0/Simple");
    assert!(simple == Ok(sectors(1, 0, 8)), "{name}: {simple:?}");
    let error = bytes(&stack, &format!("HomeDg0/{name}")).unwrap_err();
    let at = place(group, blamed);
    check(&error, Kind::Corrupt, &[name, words], Some(at));
}

/// Where the database is: behind its header of 512 bytes, the blocks of 128 bytes.
const DATABASE: usize = (private() + CONFIG) as usize * 512;

/// Where the first record is that begins with `id`: in its first block, behind 16 bytes of the
/// block's own. A record fills as many blocks as it and its 8 bytes need.
pub fn place(group: &Group, id: u64) -> usize {
    let number = number(id);
    let mut records = group.records.iter();
    let before = records.position(|record| record.data.starts_with(&number));
    let before = &group.records[..before.expect("a record")];
    let blocks = before.iter().map(|it| (8 + it.data.len()).div_ceil(112));
    DATABASE + 512 + blocks.sum::<usize>() * 128 + 16
}

/// Checks that each change to a disk's only copies of something, the first of which is at `base`, gets
/// the words, and tells the field that is last.
fn each(patch: fn(&mut [u8], usize, &[u8]), base: u64, cases: &[(usize, &[u8], &str, usize)]) {
    for (at, value, words, field) in cases {
        let mut image = Group::alone().disk(1);
        patch(&mut image, *at, value);
        let kind = match words.contains("version is") {
            true => Kind::Unsupported,
            false => Kind::Corrupt,
        };
        lost(image, kind, words, base as usize * 512 + field);
    }
}

const HUGE: &[u8] = &[0xff; 8];
const ZERO: &[u8] = &[0; 8];
/// 2 to the power of 60.
const LARGE: &[u8] = &[0x10, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn l01_a_private_header_is_refused_by_its_field() {
    each(
        patch_header,
        6,
        &[
            (
                0x0c,
                &[0, 3],
                "PRIVHEAD: version is 3.11, not 2.11 or 2.12",
                0x0c,
            ),
            (0x0e, &[0, 10], "version is 2.10", 0x0e),
            (0x30, b"zz", "disk_guid is \"zz", 0x30),
            (0x30, &[0], "disk_guid is \"\"", 0x30),
            (
                0x54,
                b"0",
                "disk_guid is \"01000000-0000-4000-8000-0000000000010\"",
                0x30,
            ),
            (0xb0, b"\x1b[", "disk_group_guid is \"\\x1b[", 0xb0),
            (
                0x11b,
                HUGE,
                "public region of 128 sectors from 18446744073709551615 on",
                0x11b,
            ),
            (0x11b, LARGE, "is not on the disk", 0x11b),
            (
                0x123,
                HUGE,
                "public region of 18446744073709551615 sectors from 63 on",
                0x123,
            ),
            (0x123, ZERO, "public region of 0 sectors", 0x123),
            (
                0x12b,
                HUGE,
                "private region of 2048 sectors from 18446744073709551615",
                0x12b,
            ),
            (
                0x12b,
                &(private() + 1).to_be_bytes(),
                "private region of 2048 sectors from 192 on",
                0x133,
            ),
            (
                0x133,
                LARGE,
                "private region of 1152921504606846976 sectors",
                0x133,
            ),
            (0x133, ZERO, "private region of 0 sectors", 0x133),
            (0x123, &(PUBLIC + 1).to_be_bytes(), "overlap", 0x12b),
            (0x12b, &100_u64.to_be_bytes(), "overlap", 0x12b),
        ],
    );
}

#[test]
fn l01_a_private_header_whose_checksum_is_wrong_is_refused_at_its_byte() {
    let mut image = Group::alone().disk(1);
    for sector in [6, private() + 1856, private() + 2047] {
        image[sector as usize * 512 + 300] ^= 1;
    }
    lost(image, Kind::Corrupt, "PRIVHEAD: checksum is 0x", 6 * 512);
}

#[test]
fn l01_one_copy_of_the_private_header_may_be_damaged() {
    let mut image = Group::alone().disk(1);
    image[6 * 512 + 300] ^= 1;
    let (stack, notices) = look(&[image]);
    assert!(bytes(&stack, "HomeDg0/Simple") == Ok(sectors(1, 0, 8)));
    let said = notices
        .iter()
        .any(|it| it.contains("PRIVHEAD: checksum") && it.contains("another"));
    assert!(said, "{notices:?}");
}

#[test]
fn l02_a_table_of_contents_is_refused_by_its_field() {
    each(
        patch_contents,
        private() + 1,
        &[
            (
                0x24,
                b"comfig",
                "TOCBLOCK: it lists no region \"config\"",
                0x24,
            ),
            (
                0x2e,
                HUGE,
                "config, 32 sectors from 18446744073709551615 on, is not in",
                0x2e,
            ),
            (
                0x2e,
                &2048_u64.to_be_bytes(),
                "config, 32 sectors from 2048 on",
                0x2e,
            ),
            (
                0x36,
                LARGE,
                "config, 1152921504606846976 sectors from 17 on",
                0x36,
            ),
            (0x36, ZERO, "config, 0 sectors", 0x36),
            (0x36, &2032_u64.to_be_bytes(), "config, 2032 sectors", 0x36),
        ],
    );
    let start = private() as usize * 512;
    let mut image = Group::alone().disk(1);
    patch_contents(&mut image, 0, b"X");
    let words = "there is no table of contents (TOCBLOCK)";
    lost(image, Kind::Corrupt, words, start);
    let mut image = Group::alone().disk(1);
    for sector in [1, 2, 2045, 2046] {
        image[start + sector * 512 + 200] ^= 1;
    }
    let words = "TOCBLOCK: checksum is 0x";
    lost(image, Kind::Corrupt, words, start + 512);
}

#[test]
fn l02_tables_of_contents_that_the_private_header_misplaces_are_where_they_always_are() {
    let mut image = Group::alone().disk(1);
    patch_header(&mut image, 0x13b, &[0xff; 16]);
    patch_header(&mut image, 0x20, &[0xff; 16]);
    let (stack, _) = look(&[image]);
    assert!(bytes(&stack, "HomeDg0/Simple") == Ok(sectors(1, 0, 8)));
}

#[test]
fn l03_a_database_is_refused_by_the_field_of_its_header() {
    each(
        patch_database,
        private() + CONFIG,
        &[
            (0x00, b"X", "VMDB: its signature is \"XMDB\"", 0x00),
            (
                0x04,
                &[0xff; 4],
                "4294967295 blocks of 128 bytes do not fit into its 16384 bytes",
                0x04,
            ),
            (0x04, &[0; 4], "0 blocks of 128 bytes do not fit", 0x04),
            (0x08, &[0; 4], "block_size is 0", 0x08),
            (0x08, &[0, 0, 0, 23], "block_size is 23", 0x08),
            (0x08, &[0x80, 0, 0, 0], "block_size is 2147483648", 0x08),
            (0x0c, &[0; 4], "header_size is 0", 0x0c),
            (0x0c, &[0xff; 4], "header_size is 4294967295", 0x0c),
            (0x10, &[0, 0], "update_status is 0", 0x10),
            (0x10, &[0, 4], "update_status is 4", 0x10),
            (0x12, &[0, 5], "version is 5.10, not 4.10", 0x12),
            (0x14, &[0, 11], "version is 4.11", 0x14),
            (0x35, b"xy", "disk_group_guid is \"xy", 0x35),
            (0x35, b"ff", "its database is of group ff000000-", 0x35),
        ],
    );
}

#[test]
fn l03_a_database_of_many_mebibytes_is_refused_unread() {
    let mut image = Group::alone().disk(1);
    let size = 80_000_u64;
    image.resize(image.len() + size as usize * 512, 0);
    patch_header(&mut image, 0x133, &size.to_be_bytes());
    patch_contents(&mut image, 0x36, &(size - 100).to_be_bytes());
    let words = "a database of 40908800 bytes is over 4194304";
    lost(image, Kind::Unsupported, words, DATABASE);
}

#[test]
fn l03_counts_that_are_wrong_are_said_and_cost_nothing() {
    for (at, what) in [
        (0x85, "volumes"),
        (0x89, "components"),
        (0x8d, "extents"),
        (0x91, "disks"),
    ] {
        let mut image = Group::alone().disk(1);
        patch_database(&mut image, at, &[0xff; 4]);
        let (stack, notices) = look(&[image]);
        assert!(bytes(&stack, "HomeDg0/Raid").is_ok());
        let words = format!("VMDB counts 4294967295 {what}, and ");
        let place = format!(" at byte {:#x}", DATABASE + at);
        let is_told = |it: &String| it.contains(&words) && it.ends_with(&place);
        assert!(notices.iter().any(is_told), "{notices:?}");
    }
}

/// What is said of a database whose block number `block` from the header on has `value` at `at`; and
/// that every volume but `lost` opens.
fn broken_block(block: usize, at: usize, value: &[u8], lost: &str) -> Vec<String> {
    let mut image = Group::alone().disk(1);
    patch_database(&mut image, 512 + block * 128 + at, value);
    let (stack, notices) = look(&[image]);
    for name in ["Simple", "Span", "Stripe", "Mirror", "Raid"] {
        let is_there = stack
            .nodes()
            .iter()
            .any(|it| it.name == format!("HomeDg0/{name}"));
        let opens = is_there && bytes(&stack, &format!("HomeDg0/{name}")).is_ok();
        assert_eq!(opens, name != lost, "{block} {at}: {name}: {notices:?}");
    }
    notices
}

#[test]
fn l03_a_block_that_is_broken_costs_its_record_alone() {
    // Block 0 has the group, 1 and 2 the disk, 3 and on the records of Simple.
    // The block and its byte that are changed, what is said, and the block and the byte that are told.
    for (block, at, value, lost, words, told) in [
        (
            3,
            0,
            &b"X"[..],
            "Simple",
            "block 3: its signature is \"XBLK\"",
            (3, 0),
        ),
        (
            3,
            12,
            &[0, 1],
            "Simple",
            "block 3: fragment 1 of 1 (VBLK 7)",
            (3, 12),
        ),
        (
            3,
            12,
            &[0xff, 0xff],
            "Simple",
            "fragment 65535 of 1",
            (3, 12),
        ),
        (
            3,
            14,
            &[0, 2],
            "Simple",
            "1 of 2 fragments are there",
            (3, 14),
        ),
        (
            3,
            14,
            &[0xff, 0xff],
            "Simple",
            "1 of 65535 fragments are there",
            (3, 14),
        ),
        (
            4,
            8,
            &[0, 0, 0, 5],
            "Simple",
            "fragment 0 is there twice",
            (5, 12),
        ),
        (3, 16, &[0, 9], "Simple", "update_status is 9", (3, 16)),
        (3, 19, &[0x5f], "Simple", "a record of type 0x5f", (3, 19)),
        (3, 19, &[0x41], "Simple", "a record of type 0x41", (3, 19)),
        (
            3,
            20,
            &[0xff; 4],
            "Simple",
            "its size is 4294967295, and its fragments have 104",
            (3, 20),
        ),
        (
            3,
            20,
            &[0, 0, 0, 9],
            "Simple",
            "name of 6 bytes, and the record has",
            (3, 27),
        ),
        (
            3,
            20,
            &[0; 4],
            "Simple",
            "id of 1 bytes, and the record has 0 more",
            (3, 24),
        ),
        (
            3,
            24,
            &[9],
            "Simple",
            "id has 9 bytes, more than 8",
            (3, 24),
        ),
        (3, 24, &[0xff], "Simple", "id of 255 bytes", (3, 24)),
    ] {
        // The record that has two fragments of the same number is lost with its neighbour.
        let said = broken_block(block, at, value, lost);
        let place = format!(" at byte {:#x}", DATABASE + 512 + told.0 * 128 + told.1);
        let is_told = |it: &String| it.contains(words) && it.ends_with(&place);
        let has = said.iter().any(is_told);
        assert!(has, "{block} {at} {value:x?}: {place}: {said:?}");
    }
}

#[test]
fn l03_a_database_without_a_block_in_order_says_little() {
    let mut image = Group::alone().disk(1);
    patch_database(&mut image, 512, &[0xee; 31 * 512]);
    let (stack, notices) = look(&[image]);
    assert_eq!(stack.sets[0].content.children().len(), 0);
    assert!(notices.len() < 30, "{notices:?}");
    assert!(
        notices
            .iter()
            .any(|it| it.contains("more records are damaged")),
        "{notices:?}"
    );
}

#[test]
fn names_that_are_paths_or_control_terminals_are_parts_of_one_path() {
    for (name, shown) in [
        ("../../etc", "HomeDg0/.._.._etc"),
        ("..", "HomeDg0/\\x2e\\x2e"),
        ("/", "HomeDg0/_"),
        ("", "HomeDg0/volume"),
        ("a\x1b[31m\n", "HomeDg0/a\\x1b[31m\\x0a"),
        ("Simple", "HomeDg0/Simple~2"),
    ] {
        let record = volume(0x200, name, 1, 10, false);
        let (stack, notices) = look(&[Group::alone().with(0x200, record).disk(1)]);
        assert_eq!(node(&stack, shown).source.as_ref().unwrap().size(), 5120);
        assert!(notices.iter().all(|it| !it.contains('\x1b')), "{notices:?}");
    }
    for (name, shown) in [
        ("..", "\\x2e\\x2e/Span"),
        ("a/b", "a_b/Span"),
        ("", "ldm/Span"),
    ] {
        let mut records = Group::alone();
        records.records[0] = group(name);
        let (stack, _) = look(&[records.disk(1)]);
        assert!(node(&stack, shown).source.is_ok());
    }
}

#[test]
fn l10_as_many_volumes_as_fit_are_bounded() {
    let mut group = Group::alone();
    let most = 6000;
    group
        .records
        .extend((0..most).map(|index| volume(0x1_0000 + index, "v", 1, 1, false)));
    group.config = 2000;
    let start = Instant::now();
    let image = group.disk(1);
    let (stack, notices) = look(&[image]);
    assert_eq!(stack.nodes().len(), 4096);
    assert!(
        notices
            .iter()
            .any(|it| it.contains("more than 4096 volumes"))
    );
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// Reads all of every volume, as far as it goes.
fn read_all(stack: &Stack) -> usize {
    let nodes = stack.nodes();
    let volumes = nodes.iter().filter(|node| node.name.contains('/'));
    volumes
        .filter(|node| bytes(stack, &node.name).is_ok())
        .count()
}

#[test]
fn mutants_of_a_dynamic_disk_neither_panic_nor_hang() {
    let count = super::mutants::count();
    let seed = Group::alone().disk(1);
    let at = |sector: u64| sector as usize * 512;
    // The private header, a table of contents, and the blocks that are in use.
    let fields: Vec<usize> = (at(6)..at(6) + 400)
        .chain(at(private() + 1)..at(private() + 1) + 0x68)
        .chain(at(private() + CONFIG)..at(private() + CONFIG) + 512 + 27 * 128)
        .collect();
    let mut numbers = super::flips::Numbers(42);
    let mut read = 0;
    for round in 0..count {
        let mut mutant = seed.clone();
        for sector in [
            private() + 1856,
            private() + 2047,
            private() + 2,
            private() + 2045,
        ] {
            mutant[at(sector)] = 0;
        }
        for _ in 0..=numbers.below(4) {
            let place = fields[numbers.below(fields.len())];
            mutant[place] = match numbers.below(4) {
                0 => 0,
                1 => 0xff,
                2 => mutant[place].wrapping_add(1),
                _ => mutant[place] ^ 1 << numbers.below(8),
            };
        }
        let context = disk::context(imgmount::format::Options {
            ignore_checksums: round % 4 != 0,
            ..Default::default()
        });
        let source = std::sync::Arc::new(imgmount::source::Memory(mutant));
        let start = Instant::now();
        if let Ok(stack) = Stack::open(source, &context) {
            read += read_all(&stack);
        }
        assert!(start.elapsed() < Duration::from_secs(20), "mutant {round}");
    }
    println!("{read} volumes were read");
    assert!(read > count, "only {read} volumes were read");
}
