//! Inodes, directories and extended attributes.

use imgmount::error::Kind;

use super::made::{BLOCK, Made, NONE, PLAIN, entry, header, words};
use super::{failed, others_are_good};
use crate::hostile::walk::{Seen, walk};

#[test]
fn s03_inodes_of_no_type_cost_themselves() {
    for kind in [0_u16, 15, 255, u16::MAX] {
        let mut made = Made::new();
        made.inode(b"z", kind, &[0; 40]);
        made.entries.last_mut().unwrap().2 = 2;
        let error = failed(&made.image(), "z");
        assert!(
            error.to_string().contains(&format!("inode_type {kind}")),
            "{error}"
        );
    }
}

#[test]
fn s03_sizes_that_are_not_there_cost_their_file_and_no_memory() {
    let sizes = [1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX];
    for size in sizes {
        let mut made = Made::new();
        made.long_file(b"z", (96, size), (NONE, 0, NONE), &[BLOCK as u32 | PLAIN]);
        let error = failed(&made.image(), "z");
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }
}

#[test]
fn s03_fragments_and_blocks_that_are_not_there_cost_their_file() {
    /// First byte, fragment and offset in it, size, blocks, and what the error says.
    type Case = (u64, u32, u32, u64, &'static [u32], &'static str);
    let cases: [Case; 6] = [
        (96, 1, 0, 50, &[], "fragments 1 of 1"),
        (96, u32::MAX - 1, 0, 50, &[], "fragments 4294967294 of 1"),
        (
            96,
            0,
            151,
            50,
            &[],
            "fragment 0 does not have 50 bytes at 151",
        ),
        (96, 0, u32::MAX, 50, &[], "fragment 0 does not have"),
        (1 << 62, NONE, 0, 50, &[50 | PLAIN], "past bytes_used"),
        (u64::MAX - 10, NONE, 0, 50, &[50 | PLAIN], "past bytes_used"),
    ];
    for (start, fragment, offset, size, blocks, text) in cases {
        let mut made = Made::new();
        made.long_file(b"z", (start, size), (fragment, offset, NONE), blocks);
        let error = failed(&made.image(), "z");
        assert!(error.to_string().contains(text), "{error}: {text}");
    }
}

#[test]
fn s03_an_id_or_a_number_that_is_none_costs_its_inode() {
    let mut made = Made::new();
    made.file(b"z", 0, (NONE, 0), 0, &[]);
    let mut image = made.image();
    let at = image.inodes + 2 + usize::from(made.entries[2].1);
    image.bytes = image.with(at + 4, &7_u16.to_le_bytes());
    let error = failed(&image, "z");
    assert!(error.to_string().contains("ids 7 of 1"), "{error}");
    let mut image = made.image();
    image.bytes = image.with(at + 12, &[0; 4]);
    let error = failed(&image, "z");
    assert!(error.to_string().contains("inode_number 0"), "{error}");
}

/// What listing the root of `listing` gives: its names, and the text of the error.
fn listed(listing: Vec<u8>) -> (Vec<Vec<u8>>, String) {
    let mut made = Made::new();
    made.listing = Some(listing);
    let walk = walk(&made.image().bytes);
    let Seen::Directory(entries, error) = &walk.nodes[""].content else {
        panic!("{:?}", walk.nodes[""]);
    };
    let names = entries.iter().map(|(name, _)| name.clone());
    let error = error.as_ref().map(ToString::to_string);
    (names.collect(), error.unwrap_or_default())
}

#[test]
fn s04_headers_and_names_of_sizes_that_none_has_end_the_list_there() {
    let good = entry(b"good", 0, 2);
    for count in [258, 0] {
        let (names, error) = listed([header(count), good.clone()].concat());
        assert!(error.contains("a header of"), "{error}");
        assert_eq!(names.len(), 2);
    }
    let mut long = entry(b"z", 0, 2);
    long[6..8].copy_from_slice(&256_u16.to_le_bytes());
    let (names, error) = listed([header(2), good.clone(), long, vec![b'z'; 300]].concat());
    assert!(error.contains("a name of 257 bytes"), "{error}");
    assert_eq!(names, [&b"."[..], b"..", b"good"]);
    let (names, error) = listed([header(3), good.clone()].concat());
    assert!(error.contains("the list ends before the 3"), "{error}");
    assert_eq!(names, [&b"."[..], b"..", b"good"]);
    let (_, error) = listed([header(1), entry(b"good", 0, 8)].concat());
    assert!(error.contains("type 8"), "{error}");
}

#[test]
fn s04_names_that_no_file_can_have_are_left_out_with_a_notice() {
    let mut made = Made::new();
    let bad: [&[u8]; 5] = [b"../../up", b"a/b", b"nul\0", b".", b".."];
    let entries = bad.iter().flat_map(|name| entry(name, 0, 2));
    let good = [entry(b"good", 0, 2), entry(b"other", made.entries[1].1, 2)].concat();
    let run = [header(7), entries.collect(), good].concat();
    made.listing = Some(run);
    let walk = walk(&made.image().bytes);
    others_are_good(&walk);
    assert_eq!(walk.nodes.len(), 3, "{:?}", walk.nodes.keys());
    for name in ["../../up", "a/b", "nul\\x00"] {
        let said = walk.notices.iter().filter(|notice| notice.contains(name));
        assert_eq!(said.count(), 1, "{name}: {:?}", walk.notices);
    }
}

#[test]
fn s04_a_directory_in_itself_comes_to_an_end() {
    let mut made = Made::new();
    // Its list is that of the root, in which it is itself.
    let at = made.inodes.len() as u16;
    let size = (12 + 3 * 8 + b"goodothers".len() as u16 + 3).to_le_bytes();
    let body = [&words(&[0, 2])[..], &size, &[0, 0], &words(&[4])].concat();
    made.inode(b"s", 1, &body);
    assert_eq!(made.entries[2].1, at);
    let walk = walk(&made.image().bytes);
    others_are_good(&walk);
    assert!(walk.nodes.len() < 1000, "{}", walk.nodes.len());
}

#[test]
fn s04_an_entry_whose_inode_is_nowhere_costs_itself() {
    for offset in [8191_u16, u16::MAX] {
        let mut made = Made::new();
        made.entries.push((b"z".to_vec(), offset, 2));
        let error = failed(&made.image(), "z");
        assert!(error.to_string().contains("is past the"), "{error}");
    }
    let mut made = Made::new();
    let mut run = [header(2), entry(b"good", 0, 2)].concat();
    run.extend(entry(b"other", made.entries[1].1, 2));
    let far = words(&[0, u32::MAX, u32::MAX]);
    made.listing = Some([run, far, entry(b"z", 0, 2)].concat());
    assert_eq!(failed(&made.image(), "z").kind(), Kind::Corrupt);
}

#[test]
fn s06_attributes_that_are_not_there_cost_themselves_alone() {
    let pair = [&[0, 0, 1, 0, b'a'][..], &3_u32.to_le_bytes(), b"yes"].concat();
    let far = |place: u64| {
        let size = 8_u32.to_le_bytes();
        [&[0, 1, 1, 0, b'b'][..], &size, &place.to_le_bytes()].concat()
    };
    let large = [&[0, 0, 1, 0, b'c'][..], &u32::MAX.to_le_bytes()].concat();
    let cases: [(u32, Vec<u8>, u32); 6] = [
        (1, pair.clone(), 1),
        (u32::MAX - 1, pair.clone(), 1),
        (0, pair.clone(), 1 << 30),
        (0, far(1 << 60), 1),
        // The value's place is that of the entry, whose value is elsewhere: there.
        (0, far(0), 1),
        (0, large, 1),
    ];
    for (index, pairs, count) in cases {
        let mut made = Made::new();
        let start = made.store(b"data");
        made.long_file(b"z", (start, 4), (NONE, 0, index), &[4 | PLAIN]);
        made.xattrs = (pairs, vec![(0, count, 12)]);
        let walk = walk(&made.image().bytes);
        others_are_good(&walk);
        let node = &walk.nodes["z"];
        let Seen::File(_, bytes, None) = &node.content else {
            panic!("{node:?}");
        };
        assert_eq!(bytes, b"data");
        let good = node
            .xattrs
            .as_ref()
            .is_ok_and(|names| names.values().all(Result::is_ok));
        assert!(!good, "{index}, {count}: {:?}", node.xattrs);
    }
    let mut made = Made::new();
    made.long_file(b"z", (0, 0), (NONE, 0, 0), &[]);
    made.xattrs = (pair, vec![(0, 1, 12)]);
    let walk = walk(&made.image().bytes);
    let found = walk.nodes["z"].xattrs.as_ref().unwrap();
    assert_eq!(found[&b"user.a"[..]], Ok(Some(b"yes".to_vec())));
}

#[test]
fn s07_a_hundred_files_of_a_tebibyte_of_holes_are_listed_and_read_at_once() {
    let mut made = Made::new();
    // Blocks of 4 KiB: the lists are not there, and nothing needs them until something is read.
    for number in 0..100 {
        let name = format!("z{number:02}");
        made.long_file(name.as_bytes(), (0, 1 << 40), (NONE, 0, NONE), &[0; 4]);
    }
    let started = std::time::Instant::now();
    let walk = walk(&made.image().bytes);
    others_are_good(&walk);
    let size = |name: &str| walk.nodes[name].attributes.as_ref().unwrap().size;
    assert!((0..100).all(|number| size(&format!("z{number:02}")) == 1 << 40));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
