//! The records of dynamic disks: volumes, components and extents that contradict themselves or each
//! other. What is wrong is told by the record.

use imgmount::error::Kind;

use super::expect::check;
use super::ldm::{place, refused};
use crate::volume::ldm::bytes;
use crate::volume::ldm::made::{
    Extent, Group, Lies, PUBLIC, Record, component, extent, group, guid, number, sectors, text,
    volume,
};
use crate::volume::lvm::groups::look;

#[test]
fn l05_fields_of_a_volume_are_refused() {
    let span = |components, size, is_raid| volume(0x200, "Span", components, size, is_raid);
    for (record, words, blamed) in [
        (
            span(0, 10, false),
            "it says that it has 0 components, and 1 name it",
            0x200,
        ),
        (
            span(2, 10, false),
            "it says that it has 2 components, and 1 name it",
            0x200,
        ),
        (
            span(u64::from(u32::MAX), 10, false),
            "it has 4294967295 components, and 1 name it",
            0x200,
        ),
        (span(1, 0, false), "size is 0", 0x200),
        (
            span(1, 11, false),
            "it holds 5120 bytes, and the volume has 5632",
            0x201,
        ),
        (
            span(1, 1 << 50, false),
            "it holds 5120 bytes, and the volume has 576460752303423488",
            0x201,
        ),
        (
            span(1, 10, true),
            "the volume's read policy is RAID5, and layout is not",
            0x201,
        ),
    ] {
        refused(&Group::alone().with(0x200, record), "Span", words, blamed);
    }
}

#[test]
fn l05_fields_of_a_component_are_refused() {
    let stripe = |lies, extents| component(0x301, "Stripe-01", 0x300, lies, extents);
    let most = u64::from(u32::MAX);
    for (record, words, blamed) in [
        (
            stripe(Lies::Striped(2, 2), 3),
            "it says that it has 3 extents, and 2 name it",
            0x301,
        ),
        (
            stripe(Lies::Striped(2, 2), most),
            "it has 4294967295 extents, and 2 name it",
            0x301,
        ),
        (stripe(Lies::Striped(0, 2), 2), "stripe size is 0", 0x301),
        (
            stripe(Lies::Striped(9, 2), 2),
            "it holds 0 bytes, and the volume has 8192",
            0x301,
        ),
        (
            stripe(Lies::Striped(1 << 50, 2), 2),
            "it holds 0 bytes",
            0x301,
        ),
        (
            stripe(Lies::Striped(2, 3), 2),
            "number of columns is 3, and there are 0, 1",
            0x301,
        ),
        (
            stripe(Lies::Striped(2, 0), 2),
            "number of columns is 0",
            0x301,
        ),
        (
            stripe(Lies::Striped(2, most), 2),
            "number of columns is 4294967295",
            0x301,
        ),
        (
            stripe(Lies::Raid(2, 2), 2),
            "layout is RAID5, and the volume's read policy is not",
            0x301,
        ),
        (
            stripe(Lies::Spanned, 2),
            "extent Extent771: it begins at 0, and those before end at 4096",
            0x303,
        ),
        (
            component(0x301, "Stripe-01", 0x999, Lies::Striped(2, 2), 2),
            "it says that it has 1 components, and 0 name it",
            0x300,
        ),
    ] {
        refused(&Group::alone().with(0x301, record), "Stripe", words, blamed);
    }
    let raid = component(0x501, "Raid-01", 0x500, Lies::Raid(0, 3), 3);
    let group = Group::alone().with(0x501, raid);
    refused(&group, "Raid", "stripe size is 0", 0x501);
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
    refused(&group, "Raid", "1 disks with 1 of parity", 0x501);
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
    let words = "extent Extent4096: it overlaps extent";
    refused(&wide, "Raid", words, 0x1000);
}

#[test]
fn l05_fields_of_an_extent_are_refused() {
    let span = |component, disk, start, size| Extent::first(0x202, component, 0, disk, start, size);
    let at = |offset, size| Extent {
        offset,
        ..span(0x201, 11, 8, size)
    };
    let most = (u64::MAX >> 11) - 8;
    for (extent, words, blamed) in [
        (
            span(0x201, 11, 8, 0),
            "extent Extent514: 0 bytes from 4096 on are not in the",
            0x202,
        ),
        (
            span(0x201, 11, PUBLIC - 3, 4),
            "2048 bytes from 64000 on are not in the 65536",
            0x202,
        ),
        (
            span(0x201, 11, 1 << 50, 4),
            "2048 bytes from 576460752303423488 on",
            0x202,
        ),
        (
            span(0x201, 11, most, most),
            "are not in the 65536 of its disk",
            0x202,
        ),
        (
            span(0x201, 99, 8, 4),
            "extent Extent514: its disk 0x63 is not in the database",
            0x202,
        ),
        (
            span(0x999, 11, 8, 4),
            "it says that it has 2 extents, and 1 name it",
            0x201,
        ),
        (
            at(1, 4),
            "extent Extent514: it begins at 512, and those before end at 0",
            0x202,
        ),
        (
            at(0, 3),
            "extent Extent515: it begins at 2048, and those before end at 1536",
            0x203,
        ),
        (
            at(0, 5),
            "extent Extent515: it begins at 2048, and those before end at 2560",
            0x203,
        ),
    ] {
        let group = Group::alone().with(0x202, extent.record());
        refused(&group, "Span", words, blamed);
    }
}

#[test]
fn l05_numbers_of_sectors_that_are_no_bytes_are_refused() {
    // Behind the 8 bytes of any record: an identifier of 3, a name of 10, flags of 12; then the start,
    // where it is in its column, and the size.
    let start = 8 + 3 + 10 + 12;
    for (record, what, field) in [
        (extent(0x202, 0x201, 0, 11, u64::MAX, 4), "start", start),
        (extent(0x202, 0x201, 0, 11, 8, u64::MAX), "size", start + 16),
    ] {
        let group = Group::alone().with(0x202, record);
        let (stack, notices) = look(&[group.disk(1)]);
        let at = place(&group, 0x202) + field;
        let words = format!("{what} is 18446744073709551615 sectors at byte {at:#x}");
        assert!(bytes(&stack, "HomeDg0/Span").is_err());
        let said = notices.iter().any(|it| it.contains(&words));
        assert!(said, "{notices:?}");
    }
}

#[test]
fn l05_a_column_outside_of_the_component_is_refused() {
    for column in [2, u64::from(u32::MAX)] {
        let other = extent(0x303, 0x301, column, 11, 24, 8);
        let words = format!("number of columns is 2, and there are 0, {column}");
        refused(&Group::alone().with(0x303, other), "Stripe", &words, 0x301);
    }
}

#[test]
fn l06_extents_that_overlap_cost_their_volumes() {
    let group = Group::alone().with(0x202, extent(0x202, 0x201, 0, 11, 28, 4));
    let words = "extent Extent514: it overlaps extent Extent771";
    refused(&group, "Span", words, 0x202);
    let words = "extent Extent771: it overlaps extent Extent514";
    refused(&group, "Stripe", words, 0x303);
    // One that contains several, of which the last lies far behind the first.
    let group = Group::alone().with(0x202, extent(0x202, 0x201, 0, 11, 14, 100));
    for (name, first) in [
        ("Span", 0x202),
        ("Stripe", 0x302),
        ("Mirror", 0x402),
        ("Raid", 0x502),
    ] {
        refused(&group, name, "it overlaps extent", first);
    }
}

#[test]
fn l08_objects_that_are_there_twice_are_refused() {
    for (record, name, words, blamed) in [
        (
            volume(0x200, "Again", 1, 10, false),
            "Span",
            "several objects have id 0x200",
            0x200,
        ),
        (
            component(0x201, "Span-01", 0x200, Lies::Spanned, 2),
            "Span",
            "it says that it has 1 components, and 2 name it",
            0x200,
        ),
        (
            component(0x303, "Other", 0x600, Lies::Spanned, 1),
            "Stripe",
            "extent Extent771: several objects have id 0x303",
            0x303,
        ),
        (extent(0x402, 0x999, 0, 11, 100, 1), "Mirror", "", 0),
    ] {
        let group = Group::alone().and([record]);
        if name != "Mirror" {
            refused(&group, name, words, blamed);
            continue;
        }
        // The other copy is whole.
        let (stack, _) = look(&[group.disk(1)]);
        let read = bytes(&stack, &format!("HomeDg0/{name}"));
        assert!(read == Ok(sectors(1, 40, 8)));
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
    // The extent that lies on one of them is told.
    let told = |other: Record, words: &str| {
        let group = Group::alone().and([other]);
        let (stack, _) = look(&[group.disk(1)]);
        let error = bytes(&stack, "HomeDg0/Simple").unwrap_err();
        let words = ["extent Extent258: ", words];
        check(&error, Kind::Corrupt, &words, Some(place(&group, 0x102)));
    };
    told(other, "several disks have disk_guid 01000000-");
    let mut other = twin(11);
    other.kind = 0x34;
    told(other, "several objects have id 0xb");
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
