//! Every level and layout, of all members and of as few as it allows. Rows with parity are written
//! down letter by letter; those of RAID 10 are made as md(4) describes them.

use super::super::rows::spread;
use super::made::{Array, pattern};
use super::{bytes, look};

const CHUNK: usize = 4096;

/// Rows that each member has.
const ROWS: usize = 12;

/// Level, layout, its rows (data by number, P and Q; they repeat), and whether Q is DDF's.
const PARITY: &[(i32, u32, &str, bool)] = &[
    (4, 0, "012P", false),
    (5, 0, "012P 01P2 0P12 P012", false),
    (5, 1, "P012 0P12 01P2 012P", false),
    (5, 2, "012P 12P0 2P01 P012", false),
    (5, 3, "P012 2P01 12P0 012P", false),
    (5, 4, "P012", false),
    (5, 5, "012P", false),
    (6, 0, "Q012P 012PQ 01PQ2 0PQ12 PQ012", false),
    (6, 1, "PQ012 0PQ12 01PQ2 012PQ Q012P", false),
    (6, 2, "Q012P 012PQ 12PQ0 2PQ01 PQ012", false),
    (6, 3, "PQ012 2PQ01 12PQ0 012PQ Q012P", false),
    (6, 4, "PQ012", false),
    (6, 5, "012PQ", false),
    (6, 8, "PQ012 0PQ12 01PQ2 012PQ Q012P", true),
    (6, 9, "012PQ 01PQ2 0PQ12 PQ012 Q012P", true),
    (6, 10, "012QP 12QP0 2QP01 QP012 P012Q", true),
    (6, 16, "012PQ 01P2Q 0P12Q P012Q", false),
    (6, 17, "P012Q 0P12Q 01P2Q 012PQ", false),
    (6, 18, "012PQ 12P0Q 2P01Q P012Q", false),
    (6, 19, "P012Q 2P01Q 12P0Q 012PQ", false),
    (6, 20, "P012Q", false),
];

/// The images of `members` but those whose numbers are `gone`, the last first.
fn without(array: &Array, members: &[Vec<u8>], gone: &[usize]) -> Vec<Vec<u8>> {
    let there = (0..members.len()).filter(|number| !gone.contains(number));
    let mut images: Vec<Vec<u8>> = there
        .map(|number| array.member(number, &members[number]))
        .collect();
    images.reverse();
    images
}

/// Every list of as many of `count` as `most`, or fewer.
pub fn combinations(count: usize, most: usize) -> Vec<Vec<usize>> {
    let lists = (0..1_usize << count).map(|bits| {
        let list = (0..count).filter(|bit| bits >> bit & 1 != 0);
        list.collect::<Vec<usize>>()
    });
    lists.filter(|list| list.len() <= most).collect()
}

#[test]
fn every_layout_with_parity_is_read_of_all_members_and_without_each() {
    let mut compared = 0;
    for (level, layout, rows, is_ddf) in PARITY {
        let first = rows.split(' ').next().unwrap();
        let width = first.chars().filter(char::is_ascii_digit).count();
        let data = pattern(width * CHUNK * ROWS);
        let members = spread(rows, *is_ddf, CHUNK, &data);
        let spare = members.len() - width;
        let array = Array::new("1.2", *level, *layout, CHUNK, members.len());
        for gone in combinations(members.len(), spare) {
            let (stack, notices) = look(&without(&array, &members, &gone));
            let found = bytes(&stack, "md0").unwrap();
            assert!(
                found == data,
                "raid{level} layout {layout} without {gone:?}"
            );
            assert_eq!(notices.is_empty(), gone.is_empty(), "{notices:?}");
            compared += 1;
        }
        for gone in combinations(members.len(), spare + 1) {
            if gone.len() > spare {
                let (stack, _) = look(&without(&array, &members, &gone));
                let error = bytes(&stack, "md0").unwrap_err().to_string();
                assert!(error.contains("are missing, which is too many"), "{error}");
            }
        }
    }
    assert_eq!(compared, 7 * 5 + 14 * 16);
}

#[test]
fn every_version_of_the_superblock_is_read() {
    let data = pattern(3 * 65536 * 2);
    for version in ["0.90", "0.swap", "1.0", "1.1", "1.2"] {
        let members = spread("012P 12P0 2P01 P012", false, 65536, &data);
        let array = Array::new(version, 5, 2, 65536, 4);
        for gone in combinations(4, 1) {
            let (stack, _) = look(&without(&array, &members, &gone));
            assert!(
                bytes(&stack, "md0") == Ok(data.clone()),
                "{version} {gone:?}"
            );
        }
    }
}

/// A row turned to the right by `steps`, in sets of `set`; those that do not fill one belong to the
/// last.
fn turned(row: &[usize], steps: usize, set: usize) -> Vec<usize> {
    let sets = row.len() / set;
    let mut turned = Vec::new();
    for number in 0..sets {
        let end = if number + 1 == sets {
            row.len()
        } else {
            (number + 1) * set
        };
        let mut part = row[number * set..end].to_vec();
        let steps = steps % part.len();
        part.rotate_right(steps);
        turned.extend(part);
    }
    turned
}

/// The rows of chunk numbers that RAID 10 has on `disks` members, as many as that in a section.
fn rows_of_ten(disks: usize, near: usize, far: usize, kind: &str, set: usize) -> Vec<Vec<usize>> {
    let count = ROWS / far * disks / near;
    let mut copies: Vec<usize> = (0..count).flat_map(|chunk| vec![chunk; near]).collect();
    copies.resize(copies.len().next_multiple_of(disks), usize::MAX);
    let first: Vec<Vec<usize>> = copies.chunks(disks).map(<[usize]>::to_vec).collect();
    let section = |copy: usize| first.iter().map(move |row| turned(row, copy * near, set));
    match kind {
        "offset" => first
            .iter()
            .flat_map(|row| {
                (0..far)
                    .map(|copy| turned(row, copy * near, set))
                    .collect::<Vec<_>>()
            })
            .collect(),
        _ => (0..far).flat_map(section).collect(),
    }
}

#[test]
fn every_layout_of_raid10_is_read_without_all_that_has_copies() {
    let mut compared = 0;
    for (disks, near, far, kind, sets) in [
        (4, 2, 1, "near", false),
        (3, 2, 1, "near", false),
        (5, 3, 1, "near", false),
        (4, 4, 1, "near", false),
        (4, 1, 2, "far", false),
        (3, 1, 2, "far", false),
        (5, 1, 3, "far", false),
        (4, 1, 2, "offset", false),
        (3, 1, 2, "offset", false),
        (5, 1, 4, "offset", false),
        (4, 2, 2, "far", false),
        (6, 2, 2, "far", false),
        (6, 2, 2, "offset", false),
        (4, 1, 2, "far", true),
        (6, 1, 3, "offset", true),
        (8, 2, 2, "far", true),
    ] {
        let set = if sets { near * far } else { disks };
        let rows = rows_of_ten(disks, near, far, kind, set);
        let count = rows
            .concat()
            .iter()
            .filter(|it| **it != usize::MAX)
            .max()
            .unwrap()
            + 1;
        let data = pattern(count * CHUNK);
        let mut members = vec![Vec::new(); disks];
        for row in &rows {
            for (chunk, member) in row.iter().zip(&mut members) {
                let end = member.len() + CHUNK;
                let from = chunk.checked_mul(CHUNK);
                member.extend(
                    from.and_then(|from| data.get(from..from + CHUNK))
                        .unwrap_or(&[]),
                );
                member.resize(end, 0xee);
            }
        }
        let layout =
            near | far << 8 | usize::from(kind == "offset") << 16 | usize::from(sets) << 18;
        let array = Array::new("1.2", 10, layout as u32, CHUNK, disks);
        for gone in combinations(disks, near * far - 1) {
            let (stack, _) = look(&without(&array, &members, &gone));
            let found = bytes(&stack, "md0").unwrap();
            assert!(found == data, "{disks} {near} {far} {kind} {sets} {gone:?}");
            compared += 1;
        }
        // As many as there are copies: it depends on which.
        let mut lost = 0;
        for gone in combinations(disks, (near * far).min(disks - 1)) {
            let has = |chunk: &usize| {
                let mut places = rows.iter().flat_map(|row| row.iter().enumerate());
                places.any(|(disk, it)| it == chunk && !gone.contains(&disk))
            };
            let is_whole = (0..count).all(|chunk| has(&chunk));
            let (stack, _) = look(&without(&array, &members, &gone));
            match bytes(&stack, "md0") {
                Ok(found) => assert!(is_whole && found == data, "{gone:?}"),
                Err(error) => {
                    assert!(!is_whole, "{gone:?}: {error}");
                    lost += 1;
                }
            }
        }
        assert!(
            lost > 0 || near * far == disks,
            "{disks} {near} {far} {kind}"
        );
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn a_mirror_is_read_from_each_member() {
    let data = pattern(5 * 512 * 7);
    for version in ["0.90", "1.0", "1.1", "1.2"] {
        let data = if version == "0.90" {
            pattern(8192)
        } else {
            data.clone()
        };
        let array = Array::new(version, 1, 0, 0, 3);
        let members = vec![data.clone(); 3];
        for gone in combinations(3, 2) {
            let (stack, _) = look(&without(&array, &members, &gone));
            assert!(
                bytes(&stack, "md0") == Ok(data.clone()),
                "{version} {gone:?}"
            );
        }
    }
}

/// Members of these many chunks, and the number of the chunk of the array that each of theirs is.
type Unequal = (&'static [usize], &'static [&'static [usize]]);

/// Both layouts, chunk by chunk, as drivers/md/raid0.c finds them: behind the first three rows are
/// those of the two that are larger; the original layout counts chunks from the array's start.
const ORIGINAL: Unequal = (
    &[3, 5, 5],
    &[&[0, 3, 6], &[1, 4, 7, 10, 12], &[2, 5, 8, 9, 11]],
);
const ALTERNATE: Unequal = (
    &[3, 5, 5],
    &[&[0, 3, 6], &[1, 4, 7, 9, 11], &[2, 5, 8, 10, 12]],
);

fn unequal((sizes, chunks): Unequal, chunk: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let data = pattern(sizes.iter().sum::<usize>() * chunk);
    let member = |chunks: &&[usize]| {
        let pieces = chunks.iter().map(|number| &data[number * chunk..][..chunk]);
        pieces.collect::<Vec<_>>().concat()
    };
    let members = chunks.iter().map(member).collect();
    (data, members)
}

#[test]
fn stripes_over_members_of_other_sizes_have_two_layouts() {
    // A chunk need not be a power of two here.
    for chunk in [4096, 3 * 512] {
        for (layout, case) in [(1, ORIGINAL), (2, ALTERNATE)] {
            let (data, members) = unequal(case, chunk);
            let mut array = Array::new("1.2", 0, layout, chunk, 3);
            array.features = 4096;
            let (stack, notices) = look(&without(&array, &members, &[]));
            assert!(bytes(&stack, "md0") == Ok(data), "layout {layout}");
            assert_eq!(notices, Vec::<String>::new());
            let (stack, _) = look(&without(&array, &members, &[1]));
            let error = bytes(&stack, "md0").unwrap_err().to_string();
            assert!(error.contains(
                "1 of 3 members are missing, which is too many: no member has the role 1"
            ));
        }
    }
}

#[test]
fn where_nobody_says_which_layout_it_is_what_both_agree_on_is_read() {
    use imgmount::source::read_vec;
    let (data, members) = unequal(ORIGINAL, 4096);
    let array = Array::new("1.2", 0, 0, 4096, 3);
    let (stack, _) = look(&without(&array, &members, &[]));
    let source = super::node(&stack, "md0").source.clone().unwrap();
    assert_eq!(source.size(), 13 * 4096);
    let start = read_vec(&*source, 0, 9 * 4096).unwrap();
    assert!(start == data[..9 * 4096]);
    let error = read_vec(&*source, 9 * 4096, 1).unwrap_err().to_string();
    assert!(error.contains("which of two layouts"), "{error}");
}

#[test]
fn equal_stripes_and_linear_members_are_read_in_every_version() {
    let data = pattern(4 * 65536 * 3);
    for version in ["0.90", "0.swap", "1.0", "1.1", "1.2"] {
        let array = Array::new(version, 0, 0, 65536, 3);
        let members = spread("012", false, 65536, &data);
        let (stack, _) = look(&without(&array, &members, &[]));
        assert!(bytes(&stack, "md0") == Ok(data.clone()), "raid0 {version}");
        let array = Array::new(version, -1, 0, 65536, 3);
        let members: Vec<Vec<u8>> = [0..2, 2..3, 3..12]
            .map(|it: std::ops::Range<usize>| data[it.start * 65536..it.end * 65536].to_vec())
            .into();
        let (stack, _) = look(&without(&array, &members, &[]));
        assert!(bytes(&stack, "md0") == Ok(data.clone()), "linear {version}");
    }
}
