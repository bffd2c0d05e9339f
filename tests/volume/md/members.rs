//! Members that are not as they should be: which are used, how far, and what is said of them.

use imgmount::format::Options;
use imgmount::source::read_vec;
use imgmount::stack::{Content, Stack};

use super::super::rows::spread;
use super::made::field::*;
use super::made::{Array, DATA, FAULTY, JOURNAL, SPARE, pattern, put32, put64};
use super::{bytes, look, node};
use crate::partition::disk;

const CHUNK: usize = 4096;

const ROWS: &str = "012P 12P0 2P01 P012";

/// A RAID 5 of four, its data and those of its members.
fn raid5() -> (Array, Vec<u8>, Vec<Vec<u8>>) {
    raid5_of(8)
}

/// The same, of so many rows.
fn raid5_of(rows: usize) -> (Array, Vec<u8>, Vec<Vec<u8>>) {
    let data = pattern(3 * CHUNK * rows);
    let members = spread(ROWS, false, CHUNK, &data);
    (Array::new("1.2", 5, 2, CHUNK, 4), data, members)
}

/// The array's description.
fn facts(stack: &Stack) -> Vec<(&'static str, String)> {
    match &stack.sets[0].content {
        Content::Table { description, .. } => description.facts.clone(),
        other => panic!("{}", disk::kind(other)),
    }
}

fn members_of(stack: &Stack) -> String {
    let found = facts(stack)
        .into_iter()
        .find(|(name, _)| *name == "members");
    found.unwrap().1
}

/// Data that are wrong.
fn other(data: &[u8]) -> Vec<u8> {
    data.iter().map(|byte| !byte).collect()
}

#[test]
fn m02_of_members_with_other_event_counts_the_newest_count() {
    let (array, data, members) = raid5();
    let mut old = array.clone();
    old.events -= 2;
    let image = |number: usize| match number {
        2 => old.member(2, &other(&members[2])),
        number => array.member(number, &members[number]),
    };
    let images: Vec<Vec<u8>> = [2, 0, 3, 1].map(image).into();
    let (stack, notices) = look(&images);
    assert!(bytes(&stack, "md0") == Ok(data.clone()));
    assert_eq!(
        notices,
        [
            "md0: member 2 is not used: its event count is 15 and others have 17: it was away",
            "md0: no member of 4 has the role 2"
        ]
    );
    // One less is what a crash between two superblocks leaves.
    let mut late = array.clone();
    late.events -= 1;
    let mut images: Vec<Vec<u8>> = (0..3).map(|it| array.member(it, &members[it])).collect();
    images.push(late.member(3, &members[3]));
    let (stack, notices) = look(&images);
    assert!(bytes(&stack, "md0") == Ok(data));
    assert_eq!(notices, Vec::<String>::new());
}

#[test]
fn m02_of_the_halves_of_a_mirror_the_newer_counts() {
    let (old, new) = (pattern(8 << 10), other(&pattern(8 << 10)));
    for version in ["0.90", "1.0", "1.2"] {
        let array = Array::new(version, 1, 0, 0, 2);
        let mut newer = array.clone();
        newer.events += 4;
        newer.roles[0] = FAULTY;
        let images = [array.member(0, &old), newer.member(1, &new)];
        let (stack, notices) = look(&images);
        assert!(bytes(&stack, "md0") == Ok(new.clone()), "{version}");
        assert_eq!(
            notices[0],
            "md0: member 0 is not used: the array has it as failed"
        );
        // By itself it is what there is.
        let (stack, _) = look(&images[..1]);
        assert!(bytes(&stack, "md0") == Ok(old.clone()), "{version}");
    }
}

#[test]
fn the_disk_that_was_replaced_does_not_count_beside_the_one_in_its_place() {
    let (mut array, data, members) = raid5();
    let old = array.member(1, &other(&members[1]));
    array.events += 100;
    array.roles = vec![0, FAULTY, 2, 3, 1];
    let mut images = vec![old, array.member(4, &members[1])];
    images.extend([0, 2].map(|number| array.member(number, &members[number])));
    let (stack, notices) = look(&images);
    assert!(bytes(&stack, "md0") == Ok(data));
    assert!(notices.contains(
        &"disk: set a0a0a0a0:a0a0a0a0:a0a0a0a0:a0a0a0a0: another member has the same place in it \
          and is newer"
            .to_owned()
    ));
}

#[test]
fn spares_and_failed_disks_have_no_data_of_the_array() {
    for version in ["0.90", "1.2"] {
        let data = pattern(3 * 65536 * 2);
        let members = spread(ROWS, false, 65536, &data);
        let mut array = Array::new(version, 5, 2, 65536, 4);
        array.roles.extend([SPARE, FAULTY]);
        let wrong = other(&members[0]);
        let mut images = vec![array.member(4, &wrong), array.member(5, &wrong)];
        images.extend([3, 2, 0].map(|number| array.member(number, &members[number])));
        let (stack, notices) = look(&images);
        assert!(bytes(&stack, "md0") == Ok(data), "{version}");
        let said = "md0: member 5 is not used: the array has it as failed";
        assert!(notices.contains(&said.to_owned()), "{notices:?}");
        let members = members_of(&stack);
        assert!(members.ends_with("4 spare, 5 not used"), "{members}");
        // They alone are no array.
        let (stack, _) = look(&images[..2]);
        let error = bytes(&stack, "md0").unwrap_err().to_string();
        assert!(error.contains("4 of 4 members are missing"), "{error}");
    }
}

#[test]
fn of_a_member_that_is_being_rebuilt_only_what_it_has_is_read() {
    let (mut array, data, members) = raid5();
    array.features = 2;
    let half = members[0].len() / 2;
    let mut partly = members[1].clone();
    partly[half..].copy_from_slice(&other(&members[1])[half..]);
    let rebuilt = |bytes: &mut [u8]| put64(bytes, RECOVERY_OFFSET, half as u64 / 512);
    let recovering = array.changed(1, &partly, rebuilt);
    array.features = 0;
    let whole = |number: usize| array.member(number, &members[number]);
    let (stack, notices) = look(&[recovering.clone(), whole(0), whole(2), whole(3)]);
    assert!(bytes(&stack, "md0") == Ok(data.clone()));
    assert_eq!(notices, Vec::<String>::new());
    let list = members_of(&stack);
    assert!(
        list.contains(&format!("1 has role 1, rebuilt up to byte {half}")),
        "{list}"
    );
    // Without another, what it has is enough for the first half only.
    let (stack, _) = look(&[recovering, whole(0), whole(2)]);
    let source = node(&stack, "md0").source.clone().unwrap();
    let first = read_vec(&*source, 0, data.len() / 2).unwrap();
    assert!(first == data[..data.len() / 2]);
    assert!(read_vec(&*source, data.len() as u64 / 2, data.len() / 2).is_err());
}

#[test]
fn a_member_of_which_nothing_is_rebuilt_counts_as_missing() {
    let (mut array, data, members) = raid5();
    let whole = array.clone();
    array.features = 2;
    let image = array.member(1, &other(&members[1]));
    let mut images = vec![image];
    images.extend([0, 2, 3].map(|number| whole.member(number, &members[number])));
    let (stack, notices) = look(&images);
    assert!(bytes(&stack, "md0") == Ok(data));
    assert_eq!(
        notices[0],
        "md0: member 1 is not used: nothing of it is rebuilt yet"
    );
}

#[test]
fn a_replacement_is_read_where_the_disk_in_its_place_cannot_be() {
    let (mut array, data, members) = raid5();
    array.roles.push(1);
    let mut copy = array.clone();
    copy.features = 2 | 16;
    let half = members[1].len() / 2;
    let replacement = copy.changed(4, &members[1], |bytes| {
        put64(bytes, RECOVERY_OFFSET, half as u64 / 512);
    });
    let whole = |number: usize| array.member(number, &members[number]);
    let all = [replacement.clone(), whole(0), whole(1), whole(2), whole(3)];
    let (stack, notices) = look(&all);
    assert!(bytes(&stack, "md0") == Ok(data.clone()));
    assert_eq!(notices, Vec::<String>::new());
    let list = members_of(&stack);
    assert!(
        list.contains("4 replaces role 1, rebuilt up to byte"),
        "{list}"
    );
    // Two are gone, of which one has a replacement: half of the array is there.
    let (stack, _) = look(&[replacement, whole(0), whole(2)]);
    let source = node(&stack, "md0").source.clone().unwrap();
    let first = read_vec(&*source, 0, data.len() / 2).unwrap();
    assert!(first == data[..data.len() / 2]);
}

#[test]
fn bad_blocks_of_the_list_come_from_parity() {
    let (array, data, members) = raid5();
    let mut listed = array.clone();
    listed.features = 8;
    let bad = [(0, 3), (9, 1), (40, 8)];
    let image = |number: usize| {
        let mut own = members[number].clone();
        if number != 2 {
            return array.member(number, &own);
        }
        for (first, count) in bad {
            own[first * 512..(first + count) * 512].fill(0xbd);
        }
        // The list stands in the last free sector before the data.
        let mut image = listed.changed(2, &own, |bytes| {
            bytes[BBLOG_SIZE] = 1;
            put32(bytes, BBLOG_OFFSET, 7);
        });
        let list = &mut image[4096 + 7 * 512..][..512];
        list.fill(0xff);
        for (entry, (first, count)) in list.chunks_mut(8).zip(bad) {
            let first = (first + DATA / 512) as u64;
            put64(entry, 0, first << 10 | count as u64);
        }
        image
    };
    let images: Vec<Vec<u8>> = (0..4).map(image).collect();
    let (stack, _) = look(&images);
    assert!(bytes(&stack, "md0") == Ok(data));
}

#[test]
fn two_copies_of_a_member_are_refused_and_both_are_named() {
    let (array, _, members) = raid5();
    let image = |number: usize| array.member(number, &members[number]);
    let (stack, _) = look(&[image(0), image(1), image(1), image(2)]);
    let kind = disk::kind(&stack.sets[0].content);
    assert!(
        kind.contains("disk2 and disk3 are the same member: one is a copy"),
        "{kind}"
    );
}

#[test]
fn a_dirty_array_that_lacks_a_member_is_read_with_a_notice() {
    let (mut array, data, members) = raid5();
    array.is_clean = false;
    let images: Vec<Vec<u8>> = (0..3).map(|it| array.member(it, &members[it])).collect();
    let (stack, notices) = look(&images);
    assert!(bytes(&stack, "md0") == Ok(data));
    let words = "md0: it was in use when it was last written";
    assert!(
        notices.iter().any(|it| it.starts_with(words)),
        "{notices:?}"
    );
}

#[test]
fn of_several_superblocks_the_youngest_array_counts() {
    let data = pattern(8 << 10);
    // 1.2, and a mirror of version 1.0 that was made later over the same bytes.
    let old = Array::new("1.2", 0, 0, CHUNK, 1);
    let mut image = old.member(0, &data);
    let mut young = Array::new("1.0", 1, 0, 0, 1);
    young.id = 0xb0;
    let all = image.clone();
    image = young.changed(0, &all, |bytes| put64(bytes, CTIME, 1_800_000_000));
    let (stack, _) = look(&[image]);
    assert!(bytes(&stack, "md0") == Ok(all.clone()));
    let image = young.changed(0, &all, |bytes| put64(bytes, CTIME, 1_600_000_000));
    let (stack, _) = look(&[image]);
    assert!(bytes(&stack, "md0") == Ok(data));
}

/// Where the first of the records of a journal that begins at sector 8 is.
const TAIL: usize = DATA + 8 * 512;

/// A journal of 16 records; each of `records` has its number and how many bytes it takes.
fn journal(array: &Array, records: &[(u64, u32)]) -> Vec<u8> {
    let mut image = array.changed(4, &vec![0; 64 << 10], |bytes| {
        put64(bytes, RECOVERY_OFFSET, 8)
    });
    for (index, (number, len)) in records.iter().enumerate() {
        let record = &mut image[TAIL + index * 4096..][..32];
        put32(record, 0, 0x6433_c509);
        record[8] = 1;
        put32(record, 12, *len);
        put64(record, 16, *number);
        put64(record, 24, 8 + index as u64 * 8);
    }
    image
}

#[test]
fn a_journal_that_may_hold_more_than_the_members_is_named() {
    let (mut array, data, members) = raid5();
    array.roles.push(JOURNAL);
    array.features = 512;
    let mut images: Vec<Vec<u8>> = (0..4).map(|it| array.member(it, &members[it])).collect();
    let (stack, _) = look(&images);
    let error = bytes(&stack, "md0").unwrap_err().to_string();
    assert!(error.contains("its journal is missing"), "{error}");
    assert!(error.contains("--no-replay"), "{error}");
    for (records, is_empty) in [
        (&[][..], true),
        (&[(5, 32)], true),
        (&[(5, 32), (4, 96)], true),
        (&[(5, 96)], false),
        (&[(5, 32), (6, 96)], false),
    ] {
        images.insert(0, journal(&array, records));
        let (stack, _) = look(&images);
        match bytes(&stack, "md0") {
            Ok(found) => assert!(is_empty && found == data, "{records:?}"),
            Err(error) => {
                let error = error.to_string();
                assert!(
                    !is_empty && error.contains("its journal holds writes"),
                    "{error}"
                );
            }
        }
        images.remove(0);
    }
    let options = Options {
        no_replay: true,
        ..Options::default()
    };
    let (stack, notices) = super::look_with(&images, options);
    assert!(bytes(&stack, "md0") == Ok(data));
    assert!(notices[0].contains("its journal is missing"), "{notices:?}");
}

/// A sector that cannot be read, of one member and of two.
#[test]
fn bad_sectors_of_members_come_from_parity_sector_by_sector() {
    use imgmount::source::{Extent, SharedSource, Source};
    use std::sync::Arc;

    struct Scratched(Vec<u8>, Vec<usize>);
    impl Source for Scratched {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> imgmount::error::Result<()> {
            imgmount::source::check_range(self, offset, buf.len())?;
            let range = offset as usize..offset as usize + buf.len();
            let sectors = range.start / 512..range.end.div_ceil(512);
            if self.1.iter().any(|bad| sectors.contains(bad)) {
                let error = imgmount::error::Kind::Io;
                return Err(imgmount::error::Error::new(error, "a bad sector"));
            }
            buf.copy_from_slice(&self.0[range]);
            Ok(())
        }
        fn extent_at(&self, offset: u64) -> imgmount::error::Result<Extent> {
            imgmount::source::extent_to(imgmount::source::ExtentKind::Data, offset, self.size())
        }
    }

    let (array, data, members) = raid5_of(24);
    // Behind what is read as a whole to find out what the disk is.
    let first = DATA / 512 + 160;
    // In one row two members have bad sectors, at different places of the chunk.
    let bad = [
        vec![first + 1, first + 30],
        vec![first + 6],
        vec![],
        vec![first + 3],
    ];
    let context = disk::context(Options::default());
    let images = bad.iter().enumerate().map(|(number, bad)| -> SharedSource {
        Arc::new(Scratched(
            array.member(number, &members[number]),
            bad.clone(),
        ))
    });
    let mut images: Vec<SharedSource> = images.collect();
    let others = images.split_off(1);
    let others = others.into_iter().map(|it| (it, context.clone())).collect();
    let registries = imgmount::stack::Registries::BUILT_IN;
    let stack = Stack::open_with(registries, images.remove(0), others, &context).unwrap();
    assert!(bytes(&stack, "md0") == Ok(data));
}
