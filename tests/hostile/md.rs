//! M01 to M05: superblocks of Linux MD that are damaged, and what is refused of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use imgmount::error::{Error, Kind};
use imgmount::stack::Stack;

use super::flips::Numbers;
use crate::support::cut::cut;
use crate::volume::md::made::field::*;
use crate::volume::md::made::{Array, pattern, put32, put64, seal};
use crate::volume::md::{bytes, look, look_with};

const CHUNK: usize = 4096;

/// What is said of an array of one image, whose superblock `change` changed: of the field at byte
/// `field` of it, where that is not one that only makes a member useless.
fn refusal(array: &Array, field: usize, change: impl Fn(&mut [u8])) -> String {
    let image = array.changed(0, &pattern(16 * CHUNK), change);
    let seed = array.changed(0, &pattern(16 * CHUNK), |_| {});
    let place = image.iter().zip(&seed).position(|(new, old)| new != old);
    let superblock = place.expect("something is changed") as u64 & !0xfff;
    let place = superblock + field as u64;
    let start = Instant::now();
    let (stack, _) = look(&[image]);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(stack.disks[0].source.is_ok());
    let error = refused(&stack);
    // What is missing of the whole array is of no byte; why a member is not used is said in full.
    match error.offset() {
        Some(at) => {
            assert!(
                matches!(error.kind(), Kind::Corrupt | Kind::Unsupported),
                "{error}"
            );
            assert_eq!(at, place, "{error}");
        }
        None => {
            assert_eq!(error.kind(), Kind::NotFound, "{error}");
            assert!(error.to_string().contains("members are missing"), "{error}");
        }
    }
    error.to_string()
}

/// Why the array cannot be read.
fn problem(stack: &Stack) -> String {
    refused(stack).to_string()
}

fn refused(stack: &Stack) -> Error {
    match &stack.sets[0].content {
        imgmount::stack::Content::Damaged { error, .. } => error.clone(),
        _ => bytes(stack, "md0").unwrap_err(),
    }
}

#[test]
fn m01_fields_that_cannot_be_are_refused_by_name() {
    let stripes = Array::new("1.2", 0, 1, CHUNK, 1);
    let parity = Array::new("1.2", 5, 2, CHUNK, 3);
    let ten = Array::new("1.2", 10, 0x102, CHUNK, 3);
    let far = u64::MAX / 512;
    let with32 = |array: &Array, at, value| refusal(array, at, |sb| put32(sb, at, value));
    let with64 = |array: &Array, at, value| refusal(array, at, |sb| put64(sb, at, value));
    let bad_blocks = |field, value: u32| {
        refusal(&stripes, field, |sb| {
            put32(sb, FEATURE_MAP, 8);
            let (at, value) = match field {
                BBLOG_OFFSET => (field, value),
                // A byte and two of them, in a word with what is before.
                BBLOG_SHIFT => (BBLOG_SHIFT - 1, value << 8),
                _ => (BBLOG_SIZE - 2, value),
            };
            put32(sb, at, value);
        })
    };
    for (error, words) in [
        (with32(&stripes, LEVEL, 99), "level is 99"),
        (with32(&stripes, LEVEL, u32::MAX - 3), "level multipath"),
        (with32(&stripes, RAID_DISKS, 0), "raid_disks is 0"),
        (with32(&stripes, RAID_DISKS, 65535), "raid_disks is 65535"),
        (with32(&parity, RAID_DISKS, 300), "300 disks"),
        (with32(&parity, RAID_DISKS, 1), "1 disks"),
        (with32(&stripes, CHUNKSIZE, 0), "chunk size is 0"),
        (with32(&parity, CHUNKSIZE, 0), "chunk size is 0"),
        (
            with32(&parity, CHUNKSIZE, 3),
            "1536 bytes, which is no power of two",
        ),
        (with32(&parity, CHUNKSIZE, u32::MAX), "no power of two"),
        (
            refusal(&parity, SIZE, |sb| put32(sb, CHUNKSIZE, 1 << 31)),
            "is less than a chunk",
        ),
        (with64(&parity, SIZE, 0), "is less than a chunk"),
        (with64(&parity, SIZE, u64::MAX), "no size"),
        (with32(&parity, LAYOUT, 6), "layout of raid5 is 6"),
        (with32(&ten, LAYOUT, 0), "0 near and 0 far copies"),
        (with32(&ten, LAYOUT, 0x202), "on 3 members"),
        (with32(&ten, LAYOUT, u32::MAX), "layout of raid10"),
        (with64(&stripes, DATA_OFFSET, 1 << 40), "are past the"),
        (with64(&stripes, DATA_OFFSET, far), "are past the"),
        (with64(&stripes, DATA_SIZE, 1 << 30), "are past the"),
        (with64(&parity, SIZE, 1 << 20), "more than the 65536 bytes"),
        (bad_blocks(BBLOG_SIZE, 9 << 16), "bblog_size is 9"),
        (bad_blocks(BBLOG_SHIFT, 21), "bblog_shift is 21"),
        (bad_blocks(BBLOG_OFFSET, 0), "bblog_offset is 0, where"),
        (
            bad_blocks(BBLOG_OFFSET, 1 << 24),
            "bblog_offset is 16777216, where",
        ),
        (
            bad_blocks(BBLOG_OFFSET, 1 << 31),
            "bblog_offset is -2147483648, where",
        ),
        (with32(&parity, MAX_DEV, 0), "3 of 3 members are missing"),
        (with32(&parity, MAX_DEV, 5000), "max_dev 5000"),
        (
            with32(&parity, DEV_NUMBER, u32::MAX),
            "3 of 3 members are missing",
        ),
        (
            with32(&parity, FEATURE_MAP, 1 << 20),
            "feature_map 0x100000",
        ),
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn m01_fields_of_version_0_90_too() {
    let parity = Array::new("0.90", 5, 2, CHUNK, 3);
    let with = |word: usize, value| refusal(&parity, word * 4, |sb| put32(sb, word * 4, value));
    for (error, words) in [
        (with(7, 99), "level is 99"),
        (with(10, 0), "raid_disks is 0"),
        (with(10, 28), "raid_disks is 28"),
        (with(65, 3), "chunk size is 3 bytes"),
        (with(8, u32::MAX), "more than the 65536 bytes"),
        (with(2, 99), "minor_version is 99"),
        (with(992, 26), "3 of 3 members are missing"),
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// A mirror of two.
fn mirror(version: &'static str) -> (Array, Vec<u8>) {
    (Array::new(version, 1, 0, 0, 2), pattern(16 * CHUNK))
}

#[test]
fn m01_a_member_whose_checksum_is_wrong_is_not_used() {
    for (version, at) in [("0.90", 16 * CHUNK), ("1.1", 0), ("1.2", 4096)] {
        let (array, data) = mirror(version);
        let good = array.member(1, &data);
        let mut bad = array.member(0, &vec![9; data.len()]);
        bad[at + 200] ^= 4;
        let (stack, notices) = look(&[bad.clone(), good]);
        assert!(bytes(&stack, "md0") == Ok(data.clone()), "{version}");
        assert!(notices[0].contains("sb_csum is"), "{notices:?}");
        let (stack, _) = look(&[bad.clone()]);
        let error = problem(&stack);
        assert!(
            error.contains("sb_csum") && error.contains("--ignore-checksums"),
            "{error}"
        );
        let options = imgmount::format::Options {
            ignore_checksums: true,
            ..Default::default()
        };
        let (stack, _) = look_with(&[bad], options);
        assert!(bytes(&stack, "md0") == Ok(vec![9; data.len()]), "{version}");
    }
}

#[test]
fn m03_a_raid5_without_two_names_them() {
    let array = Array::new("1.2", 5, 2, CHUNK, 4);
    let images = [1, 3].map(|number| array.member(number, &pattern(4 * CHUNK)));
    let (stack, _) = look(&images);
    assert_eq!(refused(&stack).kind(), Kind::NotFound);
    let error = problem(&stack);
    assert_eq!(
        error,
        "2 of 4 members are missing, which is too many: no member has the roles 0, 2 (--with \
         adds the image that a member is on)"
    );
}

#[test]
fn m04_a_bitmap_or_a_partial_parity_log_of_garbage_is_ignored() {
    // bitmap, ppl, several ppls.
    for feature in [1, 1024, 1024 | 2048] {
        let (mut array, data) = mirror("1.2");
        array.features = feature;
        let mut images = [0, 1]
            .map(|number| array.changed(number, &data, |bytes| put32(bytes, 96, 0xffff_fff9)));
        for image in &mut images {
            image[6000..8192].fill(0xba);
            image[..4096].fill(0xbb);
        }
        let (stack, notices) = look(&images);
        assert!(bytes(&stack, "md0") == Ok(data), "{feature}");
        assert_eq!(notices, Vec::<String>::new());
    }
}

#[test]
fn m05_an_array_that_is_being_reshaped_is_refused() {
    let mut array = Array::new("1.2", 5, 2, CHUNK, 3);
    array.features = 4;
    let error = refusal(&array, FEATURE_MAP, |bytes| {
        put32(bytes, NEW_LEVEL, 6);
        put32(bytes, DELTA_DISKS, 1);
        put64(bytes, RESHAPE_POSITION, 100);
    });
    let words = "it is being reshaped from raid5 to raid6 with +1 members, at byte 51200";
    assert!(error.contains(words), "{error}");
    let old = Array::new("0.90", 5, 2, CHUNK, 3);
    let error = refusal(&old, 8, |bytes| put32(bytes, 8, 91));
    assert!(
        error.contains("it is being reshaped from raid5 to raid0"),
        "{error}"
    );
}

/// Reads all that there is, at most 1 MiB of each volume.
fn read_all(stack: &Stack) -> usize {
    let mut read = 0;
    for node in stack.nodes() {
        let Ok(source) = &node.source else { continue };
        let mut at = 0;
        while at < source.size().min(1 << 20) {
            let len = (source.size() - at).min(16 << 10);
            read += usize::from(imgmount::source::read_vec(&**source, at, len as usize).is_ok());
            let extent = source.extent_at(at);
            at += extent.map_or(len, |extent| extent.len.get().max(len));
        }
    }
    read
}

/// Fields of superblocks set to values at the edges, with right checksums.
#[test]
fn mutants_of_superblocks_neither_panic_nor_hang() {
    let mut numbers = Numbers(41);
    let mut opened = 0;
    let count = super::mutants::count() / 4;
    let shapes = [
        (5, 2, 4),
        (6, 8, 4),
        (10, 0x10201, 4),
        (1, 0, 2),
        (0, 2, 3),
        (-1, 0, 2),
    ];
    let versions = ["1.2", "1.0", "0.90", "1.1", "0.swap"];
    for round in 0..count {
        let (level, layout, disks) = shapes[round % shapes.len()];
        let mut array = Array::new(
            versions[round % versions.len()],
            level,
            layout,
            CHUNK,
            disks,
        );
        array.features = [0, 4096, 2, 8, 512][numbers.below(5)];
        let changes: Vec<(usize, u64)> = (0..=numbers.below(3))
            .map(|_| (numbers.below(70) * 4, value(&mut numbers)))
            .collect();
        let all = numbers.below(2) == 0;
        let change = |bytes: &mut [u8]| {
            for (at, value) in &changes {
                put32(bytes, *at, *value as u32);
            }
        };
        let there = 1 + numbers.below(disks);
        let images: Vec<Vec<u8>> = (0..there)
            .map(|number| match all || number == 0 {
                true => array.changed(number, &pattern(8 * CHUNK), change),
                false => array.member(number, &pattern(8 * CHUNK)),
            })
            .collect();
        let start = Instant::now();
        let found = catch_unwind(AssertUnwindSafe(|| read_all(&look(&images).0)));
        opened += found.unwrap_or_else(|_| panic!("mutant {round}: {changes:?}"));
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "mutant {round}: {changes:?}"
        );
    }
    assert!(opened > count, "{opened}");
}

fn value(numbers: &mut Numbers) -> u64 {
    match numbers.below(6) {
        0 => 0,
        1 => u64::MAX,
        2 => 1,
        3 => 1 << 31,
        4 => numbers.below(300) as u64,
        _ => numbers.below(1 << 32) as u64,
    }
}

/// A superblock at the end is not its disk's where it was written for a partition.
#[test]
fn a_superblock_of_a_partition_at_the_end_is_no_superblock_of_the_disk() {
    let (array, data) = mirror("1.0");
    let member = array.member(0, &data);
    let mut image = vec![0; 1 << 20];
    image.extend(&member);
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image[446 + 4] = 0xfd;
    put32(&mut image, 446 + 8, 2048);
    put32(&mut image, 446 + 12, (member.len() / 512) as u32);
    let (stack, notices) = look(&[image.clone()]);
    assert_eq!(stack.sets[0].members, ["p1"]);
    assert!(bytes(&stack, "md0") == Ok(data));
    assert_eq!(notices.len(), 1);
    assert!(notices[0].ends_with("1 of 2 members are there: p1; missing: 1"));
    // Without the partition nothing is there: the place that it names is another.
    image[446 + 4..446 + 16].fill(0);
    assert!(look(&[image.clone()]).0.sets.is_empty());
    // Where it names this one, it is.
    let at = image.len() - 8192;
    put64(&mut image[at..], SUPER_OFFSET, at as u64 / 512);
    seal(&mut image[at..at + 4096]);
    assert_eq!(look(&[image]).0.sets.len(), 1);
}

#[test]
fn g02_members_that_were_cut() {
    for version in ["0.90", "1.0", "1.1", "1.2"] {
        let (array, data) = mirror(version);
        let image = array.member(0, &data);
        // The disk, and the mirror that it is a side of.
        let volumes = cut(&image, |bytes| look(&[bytes.to_vec()]).0);
        assert_eq!(volumes, 2, "{version}");
    }
}
