//! Dynamic disks by HOSTILE.md, which has no cases of its own for them: those of volume groups (L) and
//! arrays (M) in the terms of the Logical Disk Manager. Every field that is believed, broken.

use std::time::{Duration, Instant};

use imgmount::error::Kind;
use imgmount::stack::Stack;

use crate::partition::disk;
use crate::volume::ldm::made::{
    CONFIG, Extent, Group, Lies, PUBLIC, Record, component, extent, group, guid, number,
    patch_contents, patch_database, patch_header, private, sectors, text, volume,
};
use crate::volume::ldm::{bytes, node};
use crate::volume::lvm::groups::look;

/// Why the set, or the only disk, has no volumes. The disk's bytes are there all the same.
fn problem(image: Vec<u8>) -> String {
    let (stack, _) = look(&[image]);
    assert!(stack.disks[0].source.is_ok());
    let set = stack.sets.first().map(|set| &set.content);
    let kind = disk::kind(set.unwrap_or(&stack.disks[0].content));
    let error = kind.strip_prefix("damaged ldm: ");
    error.unwrap_or_else(|| panic!("{kind}")).to_owned()
}

/// Why the volume called `name` cannot be read, and that `Simple` can.
fn refused(group: &Group, name: &str) -> String {
    let (stack, _) = look(&[group.disk(1)]);
    let simple = bytes(&stack, "HomeDg0/Simple");
    assert!(simple == Ok(sectors(1, 0, 8)), "{name}: {simple:?}");
    let error = bytes(&stack, &format!("HomeDg0/{name}")).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    error.to_string()
}

/// Checks that each change to a disk's only copies of something gets the words.
fn each(patch: fn(&mut [u8], usize, &[u8]), cases: &[(usize, &[u8], &str)]) {
    for (at, value, words) in cases {
        let mut image = Group::alone().disk(1);
        patch(&mut image, *at, value);
        let problem = problem(image);
        assert!(problem.contains(words), "{at:#x} {value:x?}: {problem}");
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
        &[
            (0x0c, &[0, 3], "PRIVHEAD: version is 3.11, not 2.11 or 2.12"),
            (0x0e, &[0, 10], "version is 2.10"),
            (0x30, b"zz", "disk_guid is \"zz"),
            (0x30, &[0], "disk_guid is \"\""),
            (
                0x54,
                b"0",
                "disk_guid is \"01000000-0000-4000-8000-0000000000010\"",
            ),
            (0xb0, b"\x1b[", "disk_group_guid is \"\\x1b["),
            (
                0x11b,
                HUGE,
                "public region of 128 sectors from 18446744073709551615 on",
            ),
            (0x11b, LARGE, "is not on the disk"),
            (
                0x123,
                HUGE,
                "public region of 18446744073709551615 sectors from 63 on",
            ),
            (0x123, ZERO, "public region of 0 sectors"),
            (
                0x12b,
                HUGE,
                "private region of 2048 sectors from 18446744073709551615",
            ),
            (
                0x12b,
                &(private() + 1).to_be_bytes(),
                "private region of 2048 sectors from 192 on",
            ),
            (
                0x133,
                LARGE,
                "private region of 1152921504606846976 sectors",
            ),
            (0x133, ZERO, "private region of 0 sectors"),
            (0x123, &(PUBLIC + 1).to_be_bytes(), "overlap"),
            (0x12b, &100_u64.to_be_bytes(), "overlap"),
        ],
    );
}

#[test]
fn l01_a_private_header_whose_checksum_is_wrong_is_refused_at_its_byte() {
    let mut image = Group::alone().disk(1);
    for sector in [6, private() + 1856, private() + 2047] {
        image[sector as usize * 512 + 300] ^= 1;
    }
    let problem = problem(image);
    assert!(problem.starts_with("PRIVHEAD: checksum is 0x"), "{problem}");
    assert!(problem.contains("at byte 0xc00"), "{problem}");
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
        &[
            (
                0x00,
                b"X",
                "there is no table of contents (TOCBLOCK) at byte 0x17e00",
            ),
            (0x24, b"comfig", "TOCBLOCK: it lists no region \"config\""),
            (
                0x2e,
                HUGE,
                "config, 32 sectors from 18446744073709551615 on, is not in",
            ),
            (
                0x2e,
                &2048_u64.to_be_bytes(),
                "config, 32 sectors from 2048 on",
            ),
            (
                0x36,
                LARGE,
                "config, 1152921504606846976 sectors from 17 on",
            ),
            (0x36, ZERO, "config, 0 sectors"),
            (0x36, &2032_u64.to_be_bytes(), "config, 2032 sectors"),
        ],
    );
    let mut image = Group::alone().disk(1);
    for sector in [1, 2, 2045, 2046] {
        image[(private() + sector) as usize * 512 + 200] ^= 1;
    }
    let problem = problem(image);
    assert!(problem.contains("TOCBLOCK: checksum is 0x"), "{problem}");
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
        &[
            (0x00, b"X", "VMDB: its signature is \"XMDB\" at byte 0x"),
            (
                0x04,
                &[0xff; 4],
                "4294967295 blocks of 128 bytes do not fit into its 16384 bytes",
            ),
            (0x04, &[0; 4], "0 blocks of 128 bytes do not fit"),
            (0x08, &[0; 4], "block_size is 0"),
            (0x08, &[0, 0, 0, 23], "block_size is 23"),
            (0x08, &[0x80, 0, 0, 0], "block_size is 2147483648"),
            (0x0c, &[0; 4], "header_size is 0"),
            (0x0c, &[0xff; 4], "header_size is 4294967295"),
            (0x10, &[0, 0], "update_status is 0"),
            (0x10, &[0, 4], "update_status is 4"),
            (0x12, &[0, 5], "version is 5.10, not 4.10"),
            (0x14, &[0, 11], "version is 4.11"),
            (0x35, b"xy", "disk_group_guid is \"xy"),
            (0x35, b"ff", "its database is of group ff000000-"),
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
    let problem = problem(image);
    assert!(
        problem.contains("a database of 40908800 bytes is over 4194304"),
        "{problem}"
    );
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
        assert!(notices.iter().any(|it| it.contains(&words)), "{notices:?}");
    }
}

/// What is said of a database whose block number `block` from the header on has `value` at `at`; and
/// that every volume but `lost` opens.
fn broken_block(block: usize, at: usize, value: &[u8], lost: &str) -> String {
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
    notices.join("\n")
}

#[test]
fn l03_a_block_that_is_broken_costs_its_record_alone() {
    // Block 0 has the group, 1 and 2 the disk, 3 and on the records of Simple.
    for (block, at, value, lost, words) in [
        (
            3,
            0,
            &b"X"[..],
            "Simple",
            "block 3: its signature is \"XBLK\"",
        ),
        (
            3,
            12,
            &[0, 1],
            "Simple",
            "block 3: fragment 1 of 1 (VBLK 7)",
        ),
        (3, 12, &[0xff, 0xff], "Simple", "fragment 65535 of 1"),
        (3, 14, &[0, 2], "Simple", "1 of 2 fragments are there"),
        (
            3,
            14,
            &[0xff, 0xff],
            "Simple",
            "1 of 65535 fragments are there",
        ),
        (4, 8, &[0, 0, 0, 5], "Simple", "fragment 0 is there twice"),
        (3, 16, &[0, 9], "Simple", "update_status is 9"),
        (3, 19, &[0x5f], "Simple", "a record of type 0x5f"),
        (3, 19, &[0x41], "Simple", "a record of type 0x41"),
        (
            3,
            20,
            &[0xff; 4],
            "Simple",
            "its size is 4294967295, and its fragments have 104",
        ),
        (
            3,
            20,
            &[0, 0, 0, 9],
            "Simple",
            "name of 6 bytes, and the record has",
        ),
        (
            3,
            20,
            &[0; 4],
            "Simple",
            "id of 1 bytes, and the record has 0 more",
        ),
        (3, 24, &[9], "Simple", "id has 9 bytes, more than 8"),
        (3, 24, &[0xff], "Simple", "id of 255 bytes"),
    ] {
        // The record that has two fragments of the same number is lost with its neighbour.
        let said = broken_block(block, at, value, lost);
        assert!(said.contains(words), "{block} {at} {value:x?}: {said}");
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
fn l05_fields_of_a_volume_are_refused() {
    let span = |components, size, is_raid| volume(0x200, "Span", components, size, is_raid);
    for (record, words) in [
        (
            span(0, 10, false),
            "it says that it has 0 components, and 1 name it",
        ),
        (span(2, 10, false), "it says that it has 2 components"),
        (
            span(u64::from(u32::MAX), 10, false),
            "it has 4294967295 components",
        ),
        (span(1, 0, false), "size is 0"),
        (
            span(1, 11, false),
            "it holds 5120 bytes, and the volume has 5632",
        ),
        (
            span(1, 1 << 50, false),
            "it holds 5120 bytes, and the volume has 5764",
        ),
        (
            span(1, 10, true),
            "the volume's read policy is RAID5, and layout is not",
        ),
    ] {
        let error = refused(&Group::alone().with(0x200, record), "Span");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn l05_fields_of_a_component_are_refused() {
    let stripe = |lies, extents| component(0x301, "Stripe-01", 0x300, lies, extents);
    let most = u64::from(u32::MAX);
    for (record, words) in [
        (
            stripe(Lies::Striped(2, 2), 3),
            "it says that it has 3 extents, and 2 name it",
        ),
        (
            stripe(Lies::Striped(2, 2), most),
            "it has 4294967295 extents",
        ),
        (stripe(Lies::Striped(0, 2), 2), "stripe size is 0"),
        (
            stripe(Lies::Striped(9, 2), 2),
            "it holds 0 bytes, and the volume has 8192",
        ),
        (stripe(Lies::Striped(1 << 50, 2), 2), "it holds 0 bytes"),
        (
            stripe(Lies::Striped(2, 3), 2),
            "number of columns is 3, and there are 0, 1",
        ),
        (stripe(Lies::Striped(2, 0), 2), "number of columns is 0"),
        (
            stripe(Lies::Striped(2, most), 2),
            "number of columns is 4294967295",
        ),
        (
            stripe(Lies::Raid(2, 2), 2),
            "layout is RAID5, and the volume's read policy is not",
        ),
        (
            stripe(Lies::Spanned, 2),
            "begins at 0, and those before end at 4096",
        ),
        (
            component(0x301, "Stripe-01", 0x999, Lies::Striped(2, 2), 2),
            "0 name it",
        ),
    ] {
        let error = refused(&Group::alone().with(0x301, record), "Stripe");
        assert!(error.contains(words), "{error}");
    }
    let raid = component(0x501, "Raid-01", 0x500, Lies::Raid(0, 3), 3);
    let error = refused(&Group::alone().with(0x501, raid), "Raid");
    assert!(error.contains("stripe size is 0"), "{error}");
}

#[test]
fn l05_a_raid5_of_one_column_is_refused() {
    let group = Group::alone()
        .with(
            0x501,
            component(0x501, "Raid-01", 0x500, Lies::Raid(2, 1), 1),
        )
        .without(0x503)
        .without(0x504);
    let error = refused(&group, "Raid");
    assert!(error.contains("1 disks with 1 of parity"), "{error}");
    // More columns than any array has disks.
    let mut wide = Group::alone()
        .without(0x502)
        .without(0x503)
        .without(0x504)
        .with(
            0x501,
            component(0x501, "Raid-01", 0x500, Lies::Raid(2, 300), 300),
        );
    // Each on a sector of its own would take more than there are: what overlaps is refused first.
    wide = wide.and((0..300).map(|column| extent(0x1000 + column, 0x501, column, 11, 48, 1)));
    wide.config = 200;
    assert!(refused(&wide, "Raid").contains("overlaps"));
}

#[test]
fn l05_fields_of_an_extent_are_refused() {
    let span = |component, disk, start, size| Extent::first(0x202, component, 0, disk, start, size);
    let at = |offset, size| Extent {
        offset,
        ..span(0x201, 11, 8, size)
    };
    let most = (u64::MAX >> 11) - 8;
    for (extent, words) in [
        (
            span(0x201, 11, 8, 0),
            "extent Extent514: 0 bytes from 4096 on are not in the",
        ),
        (
            span(0x201, 11, PUBLIC - 3, 4),
            "2048 bytes from 64000 on are not in the 65536",
        ),
        (
            span(0x201, 11, 1 << 50, 4),
            "2048 bytes from 576460752303423488 on",
        ),
        (
            span(0x201, 11, most, most),
            "are not in the 65536 of its disk",
        ),
        (
            span(0x201, 99, 8, 4),
            "extent Extent514: its disk 0x63 is not in the database",
        ),
        (
            span(0x999, 11, 8, 4),
            "it says that it has 2 extents, and 1 name it",
        ),
        (
            at(1, 4),
            "extent Extent514: it begins at 512, and those before end at 0",
        ),
        (
            at(0, 3),
            "extent Extent515: it begins at 2048, and those before end at 1536",
        ),
        (
            at(0, 5),
            "extent Extent515: it begins at 2048, and those before end at 2560",
        ),
    ] {
        let error = refused(&Group::alone().with(0x202, extent.record()), "Span");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn l05_numbers_of_sectors_that_are_no_bytes_are_refused() {
    for record in [
        extent(0x202, 0x201, 0, 11, u64::MAX, 4),
        extent(0x202, 0x201, 0, 11, 8, u64::MAX),
    ] {
        let (stack, notices) = look(&[Group::alone().with(0x202, record).disk(1)]);
        assert!(bytes(&stack, "HomeDg0/Span").is_err());
        let said = notices
            .iter()
            .any(|it| it.contains("is 18446744073709551615 sectors"));
        assert!(said, "{notices:?}");
    }
}

#[test]
fn l05_a_column_outside_of_the_component_is_refused() {
    for column in [2, u64::from(u32::MAX)] {
        let other = extent(0x303, 0x301, column, 11, 24, 8);
        let error = refused(&Group::alone().with(0x303, other), "Stripe");
        let words = format!("number of columns is 2, and there are 0, {column}");
        assert!(error.contains(&words), "{error}");
    }
}

#[test]
fn l06_extents_that_overlap_cost_their_volumes() {
    let group = Group::alone().with(0x202, extent(0x202, 0x201, 0, 11, 28, 4));
    let error = refused(&group, "Span");
    assert!(
        error.contains("extent Extent514: it overlaps extent Extent771"),
        "{error}"
    );
    let error = refused(&group, "Stripe");
    assert!(
        error.contains("extent Extent771: it overlaps extent Extent514"),
        "{error}"
    );
    // One that contains several, of which the last lies far behind the first.
    let group = Group::alone().with(0x202, extent(0x202, 0x201, 0, 11, 14, 100));
    for name in ["Span", "Stripe", "Mirror", "Raid"] {
        let error = refused(&group, name);
        assert!(error.contains("it overlaps extent"), "{error}");
    }
}

#[test]
fn l08_objects_that_are_there_twice_are_refused() {
    for (record, name) in [
        (volume(0x200, "Again", 1, 10, false), "Span"),
        (component(0x201, "Span-01", 0x200, Lies::Spanned, 2), "Span"),
        (component(0x303, "Other", 0x600, Lies::Spanned, 1), "Stripe"),
        (extent(0x402, 0x999, 0, 11, 100, 1), "Mirror"),
    ] {
        let group = Group::alone().and([record]);
        let (stack, _) = look(&[group.disk(1)]);
        assert!(bytes(&stack, "HomeDg0/Simple").is_ok());
        let read = bytes(&stack, &format!("HomeDg0/{name}"));
        match (name, read) {
            // The other copy is whole.
            ("Mirror", read) => assert!(read == Ok(sectors(1, 40, 8))),
            (_, read) => {
                let error = read.unwrap_err().to_string();
                let words = ["several objects have id 0x", "2 name it"];
                assert!(words.iter().any(|it| error.contains(it)), "{error}");
            }
        }
    }
}

#[test]
fn l08_a_disk_that_the_database_has_twice_is_refused() {
    let twin = |id| Record {
        data: [&number(id)[..], &text("Twin"), &text(&guid(1)), &[0; 12]].concat(),
        ..group("x")
    };
    let mut other = twin(77);
    other.kind = 0x34;
    let (stack, _) = look(&[Group::alone().and([other]).disk(1)]);
    let error = bytes(&stack, "HomeDg0/Simple").unwrap_err().to_string();
    assert!(
        error.contains("several disks have disk_guid 01000000-"),
        "{error}"
    );
    let mut other = twin(11);
    other.kind = 0x34;
    let (stack, _) = look(&[Group::alone().and([other]).disk(1)]);
    let error = bytes(&stack, "HomeDg0/Simple").unwrap_err().to_string();
    assert!(error.contains("several objects have id 0xb"), "{error}");
}

#[test]
fn l04_records_that_name_one_another_in_a_circle_are_refused() {
    // A component of a component, an extent of a volume, a volume that is its own component.
    let group = Group::alone().and([
        component(0x700, "Loop", 0x700, Lies::Spanned, 1),
        component(0x701, "Deep", 0x301, Lies::Spanned, 1),
        extent(0x702, 0x300, 0, 11, 100, 1),
        extent(0x703, 0x703, 0, 11, 101, 1),
    ]);
    let (stack, _) = look(&[group.disk(1)]);
    for name in ["Simple", "Span", "Stripe", "Mirror", "Raid"] {
        assert!(bytes(&stack, &format!("HomeDg0/{name}")).is_ok(), "{name}");
    }
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
