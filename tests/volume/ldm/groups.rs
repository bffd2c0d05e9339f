//! Groups made record by record: where bytes are, which of several databases counts, and what is
//! read of a change that was under way.

use imgmount::error::Kind;
use imgmount::stack::{Content, Stack};

use super::made::{Extent, Group, Lies, component, component_in, extent, put, sectors, volume};
use super::{bytes, node};
use crate::partition::disk;
use crate::volume::lvm::groups::look;

/// The columns' bytes in chunks of so many, in turn.
fn striped(columns: &[Vec<u8>], chunk: usize) -> Vec<u8> {
    let rows = columns[0].len() / chunk;
    let chunks = (0..rows).flat_map(|row| columns.iter().map(move |it| (row, it)));
    chunks
        .flat_map(|(row, it)| it[row * chunk..(row + 1) * chunk].to_vec())
        .collect()
}

fn names(stack: &Stack) -> Vec<&str> {
    stack.sets[0]
        .content
        .children()
        .iter()
        .map(|it| it.name.as_str())
        .collect()
}

#[test]
fn every_type_lies_where_its_records_say() {
    let group = Group::three();
    for minor in [11, 12] {
        let group = Group {
            minor,
            ..group.clone()
        };
        let mut disks = group.disks();
        disks.rotate_left(usize::from(minor % 3));
        let (stack, notices) = look(&disks);
        assert_eq!(notices, Vec::<String>::new());
        let expected = ["Simple", "Span", "Stripe", "Mirror", "Raid"];
        assert_eq!(
            names(&stack),
            expected.map(|name| format!("HomeDg0/{name}"))
        );
        let is = |name: &str, expected: Vec<u8>| {
            assert!(
                bytes(&stack, &format!("HomeDg0/{name}")) == Ok(expected),
                "{name}"
            );
        };
        is("Simple", sectors(1, 0, 8));
        is("Span", [sectors(1, 8, 4), sectors(2, 0, 6)].concat());
        is(
            "Stripe",
            striped(&[sectors(1, 16, 8), sectors(2, 16, 8)], 1024),
        );
        is("Mirror", sectors(2, 32, 8));
        // The kernel's left-symmetric rows: 01P 1P0 P01 01P.
        let [a, b, c] = [1, 2, 3].map(|disk| sectors(disk, 48, 8));
        let row = |disk: &[u8], row: usize| disk[row * 1024..(row + 1) * 1024].to_vec();
        let rows = [
            row(&a, 0),
            row(&b, 0),
            row(&c, 1),
            row(&a, 1),
            row(&b, 2),
            row(&c, 2),
            row(&a, 3),
            row(&b, 3),
        ];
        is("Raid", rows.concat());
    }
}

#[test]
fn a_column_may_have_several_extents() {
    let piece = |id, column, offset, start, size| {
        let (component, disk, state) = (0x601, 13, 0);
        Extent {
            id,
            component,
            column,
            offset,
            disk,
            start,
            size,
            state,
        }
        .record()
    };
    let group = Group::three().and([
        volume(0x600, "Wide", 1, 16, false),
        component(0x601, "Wide-01", 0x600, Lies::Striped(2, 2), 3),
        piece(0x603, 1, 4, 70, 4),
        piece(0x602, 1, 0, 80, 4),
        piece(0x604, 0, 0, 60, 8),
    ]);
    let (stack, _) = look(&group.disks());
    let second = [sectors(3, 80, 4), sectors(3, 70, 4)].concat();
    let expected = striped(&[sectors(3, 60, 8), second], 1024);
    assert!(bytes(&stack, "HomeDg0/Wide") == Ok(expected));
}

#[test]
fn a_mirror_may_be_of_spanned_or_striped_components() {
    let group = Group::three().and([
        volume(0x600, "Both", 2, 16, false),
        component(0x601, "Both-01", 0x600, Lies::Striped(2, 2), 2),
        extent(0x602, 0x601, 0, 13, 60, 8),
        extent(0x603, 0x601, 1, 13, 70, 8),
        component(0x604, "Both-02", 0x600, Lies::Spanned, 1),
        extent(0x605, 0x604, 0, 12, 60, 16),
    ]);
    let disks = group.disks();
    let (stack, _) = look(&disks);
    let expected = striped(&[sectors(3, 60, 8), sectors(3, 70, 8)], 1024);
    assert!(bytes(&stack, "HomeDg0/Both") == Ok(expected));
    let (stack, _) = look(&disks[..2]);
    assert!(bytes(&stack, "HomeDg0/Both") == Ok(sectors(2, 60, 16)));
}

#[test]
fn a_copy_that_is_out_of_step_is_not_read() {
    let flagged = component_in(0x401, "Mirror-01", 0x400, Lies::Spanned, 1, 2);
    let stale_extent = Extent {
        id: 0x402,
        component: 0x401,
        column: 0,
        offset: 0,
        disk: 12,
        start: 32,
        size: 8,
        state: 8,
    };
    for group in [
        Group::three().with(0x401, flagged.clone()),
        Group::three().with(0x402, stale_extent.record()),
    ] {
        let disks = group.disks();
        let (stack, notices) = look(&disks);
        assert!(bytes(&stack, "HomeDg0/Mirror") == Ok(sectors(3, 32, 8)));
        let said = notices
            .iter()
            .any(|it| it.contains("out of step (recover)"));
        assert!(said, "{notices:?}");
        // Without the other there is nothing that could be believed.
        let (stack, _) = look(&disks[..2]);
        let error = bytes(&stack, "HomeDg0/Mirror").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("Disk3 (03000000-"), "{error}");
    }
}

#[test]
fn a_raid5_is_read_without_the_column_that_is_out_of_step() {
    let stale = Extent {
        id: 0x504,
        component: 0x501,
        column: 2,
        offset: 0,
        disk: 13,
        start: 48,
        size: 8,
        state: 8,
    };
    let mut disks = Group::three().with(0x504, stale.record()).disks();
    // Parity that holds: 01P, of which the third disk has the P of the first row, 1P0 and so on.
    let start = |row: u64| (super::made::START + 48 + row * 2) as usize * 512;
    let (parity, stale) = ([2, 1, 0, 2], 2);
    for (row, holder) in (0..4).zip(parity) {
        let others = (0..3).filter(|disk| *disk != holder);
        let mut sum = vec![0; 1024];
        for disk in others {
            let chunk = &disks[disk][start(row)..start(row) + 1024];
            sum.iter_mut()
                .zip(chunk)
                .for_each(|(sum, byte)| *sum ^= byte);
        }
        disks[holder][start(row)..start(row) + 1024].copy_from_slice(&sum);
    }
    let (whole, _) = look(&Group::three().disks());
    let expected = bytes(&whole, "HomeDg0/Raid").unwrap();
    for row in 0..4 {
        disks[stale][start(row)..start(row) + 1024].fill(0xee);
    }
    let (stack, notices) = look(&disks);
    let found = bytes(&stack, "HomeDg0/Raid").unwrap();
    assert!(found == expected, "{notices:?}");
    assert!(
        notices.iter().any(|it| it.contains("by parity")),
        "{notices:?}"
    );
}

#[test]
fn m02_the_newest_database_wins_with_a_notice() {
    let old = Group::three().without(0x100).without(0x101).without(0x102);
    let new = Group {
        sequence: 1001,
        ..Group::three()
    };
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let disk = |number: u8| match number {
            2 => old.disk(2),
            number => new.disk(number),
        };
        let (stack, notices) = look(&order.map(disk));
        assert!(bytes(&stack, "HomeDg0/Simple") == Ok(sectors(1, 0, 8)));
        let words = "has the older database 1000; 1001 is used";
        assert!(notices.iter().any(|it| it.contains(words)), "{notices:?}");
        // What was written since is on the other copy.
        assert!(bytes(&stack, "HomeDg0/Mirror") == Ok(sectors(3, 32, 8)));
        let words = "extent Extent1026 is on a disk that was away when the newest database";
        assert!(notices.iter().any(|it| it.contains(words)), "{notices:?}");
        assert!(
            notices
                .iter()
                .any(|it| it.contains("volume Raid: ") && it.contains("parity"))
        );
        // Of what is there once, that once is all there is.
        let span = [sectors(1, 8, 4), sectors(2, 0, 6)].concat();
        assert!(bytes(&stack, "HomeDg0/Span") == Ok(span));
    }
}

#[test]
fn m02_a_disk_that_was_away_is_read_where_nothing_else_is_left() {
    let new = Group {
        sequence: 1001,
        ..Group::three()
    };
    let old = Group::three();
    let (whole, _) = look(&old.disks());
    let (stack, notices) = look(&[new.disk(1), old.disk(2), old.disk(3)]);
    for name in ["HomeDg0/Mirror", "HomeDg0/Raid"] {
        assert!(
            bytes(&stack, name) == bytes(&whole, name),
            "{name} {notices:?}"
        );
    }
    let older = notices
        .iter()
        .filter(|it| it.contains("has the older database"));
    assert_eq!(older.count(), 2, "{notices:?}");
}

#[test]
fn m02_of_a_disk_and_an_older_copy_the_newer_counts() {
    let old = Group::three().without(0x100).without(0x101).without(0x102);
    let new = Group {
        sequence: 1001,
        ..Group::three()
    };
    for images in [[old.disk(1), new.disk(1)], [new.disk(1), old.disk(1)]] {
        let (stack, notices) = look(&images);
        assert!(bytes(&stack, "HomeDg0/Simple") == Ok(sectors(1, 0, 8)));
        let words = "another member has the same place in it and is newer";
        assert!(notices.iter().any(|it| it.contains(words)), "{notices:?}");
    }
}

#[test]
fn a_change_that_was_begun_is_left_out_and_one_that_was_committed_is_made() {
    let mut before = component(0x101, "Simple-01", 0x100, Lies::Spanned, 1);
    let mut old = extent(0x102, 0x101, 0, 11, 0, 8);
    let mut new = extent(0x103, 0x101, 0, 11, 100, 8);
    before.status = 0;
    old.status = 1;
    new.status = 2;
    let group = Group::three()
        .with(0x102, old)
        .with(0x101, before)
        .and([new]);
    for (status, start, words) in [(2, 0, "left out"), (3, 100, "is made")] {
        let group = Group {
            status,
            ..group.clone()
        };
        let (stack, notices) = look(&group.disks());
        let found = bytes(&stack, "HomeDg0/Simple");
        assert!(found == Ok(sectors(1, start, 8)), "{status}");
        assert!(notices.iter().any(|it| it.contains(words)), "{notices:?}");
    }
}

#[test]
fn any_one_copy_of_header_and_contents_is_enough() {
    let whole = Group::three().disk(1);
    let private = super::made::private();
    let headers = [6, private + 1856, private + 2047];
    let contents = super::made::CONTENTS.map(|sector| private + sector);
    for kept in headers {
        for kept_contents in contents {
            let mut bytes = whole.clone();
            for sector in headers.into_iter().filter(|it| *it != kept) {
                put(&mut bytes, sector, &[0xff; 512]);
            }
            for sector in contents.into_iter().filter(|it| *it != kept_contents) {
                put(&mut bytes, sector, &[0xff; 512]);
            }
            let (stack, _) = look(&[bytes]);
            // With the first and the last header gone, nothing else tells a dynamic disk.
            if kept == private + 1856 {
                assert!(!matches!(stack.disks[0].content, Content::Unknown { .. }));
                continue;
            }
            let simple = super::bytes(&stack, "HomeDg0/Simple");
            assert!(simple == Ok(sectors(1, 0, 8)), "{kept} {kept_contents}");
        }
    }
}

#[test]
fn l08_a_disk_and_its_copy_are_refused_together() {
    let disks = Group::three().disks();
    let (stack, _) = look(&[disks[0].clone(), disks[1].clone(), disks[0].clone()]);
    let kind = disk::kind(&stack.sets[0].content);
    assert!(
        kind.contains("disk and disk3 are the same member"),
        "{kind}"
    );
    assert!(stack.nodes().iter().all(|node| node.source.is_ok()));
}

#[test]
fn two_groups_of_one_name_have_two_directories() {
    let one = Group::three().disk(1);
    // Another identifier of the group, in the header and in the database.
    let mut other = one.clone();
    super::made::patch_header(&mut other, 0xb0, b"b0");
    super::made::patch_header(&mut other, 0x30, b"0f");
    super::made::patch_database(&mut other, 0x35, b"b0");
    let (stack, _) = look(&[one, other]);
    assert_eq!(stack.sets.len(), 2);
    assert_eq!(
        node(&stack, "HomeDg0/Simple")
            .source
            .as_ref()
            .unwrap()
            .size(),
        4096
    );
    assert!(
        stack
            .nodes()
            .iter()
            .any(|node| node.name == "HomeDg0~2/Simple")
    );
}

#[test]
fn a_disk_with_sectors_of_4096_bytes_counts_regions_in_them_and_extents_in_512() {
    let group = Group::three();
    let usual = group.disk(1);
    let private = super::made::private();
    // The public region at sector 16, as many bytes as before, and the private one behind it.
    let regions = [16, super::made::PUBLIC / 8, 32, 512];
    let mut bytes = vec![0; (32 + 512) * 4096];
    bytes[..512].copy_from_slice(&usual[..512]);
    put(&mut bytes, 16 * 8, &sectors(1, 0, super::made::PUBLIC));
    let mut header = group.header(1, regions);
    header[0x20..0x28].copy_from_slice(&511_u64.to_be_bytes());
    header[0x28..0x30].copy_from_slice(&480_u64.to_be_bytes());
    header[0x143..0x14b].copy_from_slice(&510_u64.to_be_bytes());
    let header = super::made::sealed(header);
    for sector in [6, 32 + 480, 32 + 511] {
        put(&mut bytes, sector * 8, &header);
    }
    let mut contents = usual[(private + 1) as usize * 512..][..512].to_vec();
    contents[0x36..0x3e].copy_from_slice(&186_u64.to_be_bytes());
    put(&mut bytes, (32 + 1) * 8, &super::made::sealed(contents));
    put(&mut bytes, (32 + 17) * 8, &group.database());
    let (stack, notices) = look(&[bytes]);
    assert!(
        super::bytes(&stack, "HomeDg0/Simple") == Ok(sectors(1, 0, 8)),
        "{notices:?}"
    );
}
