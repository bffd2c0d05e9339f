//! Arrays that were reshaped: LVM2 leaves room on each image, which its segments count, and the data
//! begin in front of it or behind it, as the superblocks say (drivers/md/dm-raid.c). Text and
//! superblocks are what `lvconvert --stripesize` of LVM2 2.03.16 and Linux 6.1 left behind.

use imgmount::error::{Error, Kind};
use imgmount::stack::Stack;

use super::arrays::{CHUNK, IMAGE, array, group, superblock, without};
use super::bytes;
use super::groups::look;
use super::made::EXTENT;
use crate::hostile::expect::check;

/// What stands behind a type that was reshaped.
const FLAGS: &str = "+RESHAPE+RESHAPE_DATA_OFFSET";

/// Sectors of an extent: the room that a reshape needs.
const ROOM: u64 = EXTENT / 512;

/// The fields of a superblock.
const NUM_DEVICES: usize = 8;
const EVENTS: usize = 16;
const RESHAPE_FLAGS: usize = 60;
const DATA_OFFSET: usize = 96;
const NEW_DATA_OFFSET: usize = 104;

/// The images with an extent of something else in front of the data, or behind them.
fn with_room(images: &[Vec<u8>], is_in_front: bool) -> Vec<Vec<u8>> {
    let room = vec![0xa5; EXTENT as usize];
    let with_room = images.iter().map(|image| match is_in_front {
        true => [room.clone(), image.clone()].concat(),
        false => [image.clone(), room.clone()].concat(),
    });
    with_room.collect()
}

/// The superblocks of `count` images whose data begin at this sector.
fn superblocks(count: usize, data_offset: u64) -> Vec<Vec<u8>> {
    let count = count as u32;
    let all = (0..count).map(|position| superblock(count, position, data_offset));
    all.collect()
}

/// A reshaped RAID 5 over four images, with the data behind `room` extents, as the text says, and
/// `change` made to the superblocks: what is in it, and its physical volumes.
fn five(room: u64, change: impl Fn(&mut [Vec<u8>])) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (volume, images) = array("raid5", "012P 12P0 2P01 P012");
    let mut states = superblocks(4, ROOM);
    change(&mut states);
    let images = with_room(&images, true);
    let more = format!("reshape_count = {room}\nstripe_size = {}", CHUNK / 512);
    let kind = format!("raid5{FLAGS}");
    let physical = group(&kind, &images, 3 * (IMAGE + 1), &more, &states);
    (volume, physical)
}

fn put(state: &mut [u8], at: usize, value: u64, len: usize) {
    let value = &value.to_le_bytes()[..len];
    assert!(state[at..at + len] != *value, "nothing is changed at {at}");
    state[at..at + len].copy_from_slice(value);
}

fn problem(stack: &Stack) -> Error {
    bytes(stack, "vg0/r").unwrap_err()
}

#[test]
fn data_begin_where_the_superblocks_say_and_the_room_is_not_theirs() {
    for (kind, rows, data, parities) in [
        ("raid4", "P01", 2, 1),
        ("raid5", "012P 12P0 2P01 P012", 3, 1),
        ("raid6_rs_6", "P012Q 2P01Q 12P0Q 012PQ", 3, 2),
        // Each row's chunks twice: LVM2 counts the room on the copies too.
        ("raid10", "01", 2, 0),
    ] {
        let (volume, mut images) = array(kind, rows);
        if kind == "raid10" {
            images = [0, 0, 1, 1]
                .map(|half: usize| images[half].clone())
                .to_vec();
        }
        let count = images.len();
        let extents = data * IMAGE + (count as u64 - parities);
        let more = format!("reshape_count = 1\nstripe_size = {}", CHUNK / 512);
        for (is_in_front, data_offset) in [(true, ROOM), (false, 0)] {
            let images = with_room(&images, is_in_front);
            let states = superblocks(count, data_offset);
            let physical = group(&format!("{kind}{FLAGS}"), &images, extents, &more, &states);
            for gone in [vec![], vec![0], vec![count - 1]] {
                let found = bytes(&without(&physical, &gone), "vg0/r");
                let case = format!("{kind} {data_offset} without {gone:?}");
                assert_eq!(found.as_ref().map(Vec::len), Ok(volume.len()), "{case}");
                assert!(found == Ok(volume.clone()), "{case}");
            }
        }
    }
}

#[test]
fn an_array_whose_layout_is_not_settled_is_refused() {
    // Where any image that would be read says so.
    let late: fn(&mut [Vec<u8>]) = |states| {
        put(&mut states[2], EVENTS, 29, 8);
        put(&mut states[2], RESHAPE_FLAGS, 1, 4);
    };
    let error = problem(&look(&five(1, late).1).0);
    let words = ["r: raid5: r_rmeta_2", "flags is 0x1"];
    check(&error, Kind::Unsupported, &words, Some(RESHAPE_FLAGS));
    for (at, value, words) in [
        (
            RESHAPE_FLAGS,
            1,
            "flags is 0x1: the array is being reshaped",
        ),
        (
            RESHAPE_FLAGS,
            3,
            "flags is 0x3: the array is being reshaped",
        ),
        // Stripes were removed, and the text still has them.
        (
            NUM_DEVICES,
            3,
            "num_devices is 3, and the text has 4 images",
        ),
        (NEW_DATA_OFFSET, 0, "data_offset is 8, and is to be 0"),
    ] {
        let len = if at == NEW_DATA_OFFSET { 8 } else { 4 };
        let change =
            |states: &mut [Vec<u8>]| states.iter_mut().for_each(|it| put(it, at, value, len));
        let error = problem(&look(&five(1, change).1).0);
        let field = if at == NEW_DATA_OFFSET {
            DATA_OFFSET
        } else {
            at
        };
        check(
            &error,
            Kind::Unsupported,
            &["r: raid5: r_rmeta_0", words],
            Some(field),
        );
    }
}

#[test]
fn data_behind_the_end_of_an_image_are_refused() {
    // The image has 13 extents, of which the data need 12.
    for (sectors, kind, words, at) in [
        (
            14 * ROOM,
            Kind::Corrupt,
            "data_offset is 112, and the image has 53248 bytes",
            true,
        ),
        (
            u64::MAX,
            Kind::Corrupt,
            "data_offset is 18446744073709551615",
            true,
        ),
        (
            2 * ROOM,
            Kind::Corrupt,
            "an image has 45056 bytes, and 49152 are its part",
            false,
        ),
    ] {
        let change = |states: &mut [Vec<u8>]| {
            for state in states {
                put(state, DATA_OFFSET, sectors, 8);
                put(state, NEW_DATA_OFFSET, sectors, 8);
            }
        };
        let error = problem(&look(&five(1, change).1).0);
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!at || error.offset() == Some(DATA_OFFSET as u64), "{error}");
    }
}

#[test]
fn l05_more_room_than_there_are_extents_is_refused() {
    for room in [13, u64::MAX >> 1] {
        let (_, physical) = five(room, |_| {});
        let said = format!("reshape_count = {room}");
        let place = physical[0]
            .windows(said.len())
            .position(|it| it == said.as_bytes());
        let value = place.unwrap() + "reshape_count = ".len();
        let words = format!("reshape_count is {room} for 3 images, of 39 extents");
        check(
            &problem(&look(&physical).0),
            Kind::Corrupt,
            &["r: ", &words],
            Some(value),
        );
    }
}

#[test]
fn an_image_of_which_nothing_is_known_is_not_read_where_data_were_moved() {
    let lost: fn(&mut [Vec<u8>]) = |states| states[1].fill(0);
    // It was away, and is as it was in the middle of the reshape.
    let stale: fn(&mut [Vec<u8>]) = |states| {
        put(&mut states[1], EVENTS, 20, 8);
        put(&mut states[1], RESHAPE_FLAGS, 1, 4);
    };
    for change in [lost, stale] {
        let (volume, physical) = five(1, change);
        let (stack, notices) = look(&physical);
        assert!(bytes(&stack, "vg0/r") == Ok(volume));
        let said = "volume group vg0: r_rimage_1: it is missing or out of step, and is not read";
        assert_eq!(notices, [said]);
    }
}

#[test]
fn room_that_is_given_back_is_at_the_end_whatever_the_superblocks_say() {
    let (volume, images) = array("raid5", "012P 12P0 2P01 P012");
    let more = "reshape_count = 1\nstripe_size = 2\ndata_offset = 0";
    let images = with_room(&images, false);
    let kind = format!("raid5{FLAGS}");
    let physical = group(&kind, &images, 3 * (IMAGE + 1), more, &superblocks(4, ROOM));
    assert!(bytes(&look(&physical).0, "vg0/r") == Ok(volume));
}

#[test]
fn mirrors_have_no_room_to_begin_behind() {
    let (volume, _) = array("raid0", "0");
    let images = vec![volume.clone(), volume.clone()];
    let physical = group("raid1", &images, IMAGE, "", &superblocks(2, ROOM));
    assert!(bytes(&look(&physical).0, "vg0/r") == Ok(volume));
}
