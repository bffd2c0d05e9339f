//! Inodes, directories and extended attributes.

use imgmount::error::Kind;

use super::made::{BLOCK, DATA, Image, Made, NONE, PLAIN, entry, field, header, words};
use super::{fails, inside, others_are_good, walk_broken};
use crate::hostile::expect::blames;
use crate::hostile::walk::{Seen, walk};

/// Bytes of what all inodes begin with.
const BASE: u16 = 16;

#[test]
fn s03_inodes_of_no_type_cost_themselves() {
    for kind in [0_u16, 15, 255, u16::MAX] {
        let mut made = Made::new();
        made.inode(b"z", kind, &[0; 40]);
        made.entries.last_mut().unwrap().2 = 2;
        let (image, text) = (made.image(), format!("inode_type {kind}"));
        let words = [&inside(made.last()), &text[..]];
        fails(&image, "z", &words, image.inodes as u64);
    }
}

#[test]
fn s03_sizes_that_are_not_there_cost_their_file_and_no_memory() {
    let image = |size| {
        let mut made = Made::new();
        let block = [BLOCK as u32 | PLAIN];
        made.long_file(b"z", (DATA as u64, size), (NONE, 0, NONE), &block);
        (made.image(), made.last())
    };
    // Behind the list of one block lies the root's inode: of its type and mode there is a block, of
    // its ids a hole, and its time is no size.
    let behind = (DATA + BLOCK) as u64 + u64::from(0o644_u32 << 16 | 1) - u64::from(PLAIN);
    let time = format!("a block of size {:#x}", 1_600_000_000);
    for size in [1 << 40, 1 << 62, (1 << 63) - 1] {
        fails(&image(size).0, "z", &[&time], behind);
    }
    for size in [1 << 63, u64::MAX] {
        let (image, inode) = image(size);
        let words = [&inside(inode + BASE), &format!("file_size {size} ")[..]];
        fails(&image, "z", &words, image.inodes as u64);
    }
}

#[test]
fn s03_fragments_and_blocks_that_are_not_there_cost_their_file() {
    const SIZE: u64 = 50;
    // What lies in no fragment of the table is the inode's fault.
    for fragment in [1, NONE - 1] {
        let mut made = Made::new();
        made.long_file(b"z", (0, SIZE), (fragment, 0, NONE), &[]);
        let (image, text) = (made.image(), format!("fragments {fragment} of 1"));
        let words = [&inside(made.last()), &text[..]];
        fails(&image, "z", &words, image.inodes as u64);
    }
    for offset in [151, u32::MAX] {
        let mut made = Made::new();
        made.long_file(b"z", (0, SIZE), (0, offset, NONE), &[]);
        let text = format!("fragment 0 does not have 50 bytes at {offset}");
        fails(&made.image(), "z", &[&text], made.fragments[0].0);
    }
    for start in [1 << 62, u64::MAX - 10] {
        let mut made = Made::new();
        made.long_file(b"z", (start, SIZE), (NONE, 0, NONE), &[SIZE as u32 | PLAIN]);
        fails(&made.image(), "z", &["50 bytes are past bytes_used"], start);
    }
}

#[test]
fn s03_an_id_or_a_number_that_is_none_costs_its_inode() {
    let mut made = Made::new();
    made.file(b"z", 0, (NONE, 0), 0, &[]);
    let mut image = made.image();
    let at = image.inodes + 2 + usize::from(made.last());
    let (block, place) = (image.inodes as u64, inside(made.last()));
    image.bytes = image.with(at + 4, &7_u16.to_le_bytes());
    fails(&image, "z", &[&place, "ids 7 of 1"], block);
    let mut image = made.image();
    image.bytes = image.with(at + 12, &[0; 4]);
    fails(&image, "z", &[&place, "inode_number 0"], block);
}

/// The names that listing the root of `listing` gives before it fails with `text` for what begins at
/// byte `offset` of the list.
fn listed(listing: Vec<u8>, offset: usize, text: &str) -> Vec<Vec<u8>> {
    let mut made = Made::new();
    made.listing = Some(listing);
    let image = made.image();
    let walk = walk_broken(&image.bytes);
    let Seen::Directory(entries, Some(error)) = &walk.nodes[""].content else {
        panic!("{text}: {:?}", walk.nodes[""]);
    };
    let words = [&inside(offset as u16), text];
    blames(error, Kind::Corrupt, &words, image.directory as u64);
    entries.iter().map(|(name, _)| name.clone()).collect()
}

#[test]
fn s04_headers_and_names_of_sizes_that_none_has_end_the_list_there() {
    let good = entry(b"good", 0, 2);
    let first = header(1).len();
    for (count, shown) in [(257, 257), (258, 258), (0, u32::MAX)] {
        let list = [header(count), good.clone()].concat();
        let names = listed(list, 0, &format!("a header of {shown} entries"));
        assert_eq!(names.len(), 2);
    }
    let mut long = entry(b"z", 0, 2);
    long[6..8].copy_from_slice(&256_u16.to_le_bytes());
    let list = [header(2), good.clone(), long, vec![b'z'; 300]].concat();
    let names = listed(list, first + good.len(), "a name of 257 bytes");
    assert_eq!(names, [&b"."[..], b"..", b"good"]);
    let list = [header(3), good.clone()].concat();
    let names = listed(list, 0, "the list ends before the 3 entries");
    assert_eq!(names, [&b"."[..], b"..", b"good"]);
    let list = [header(1), entry(b"good", 0, 8)].concat();
    listed(list, first, "type 8 is not");
}

#[test]
fn s04_names_that_no_file_can_have_are_left_out_with_a_notice() {
    let mut made = Made::new();
    let bad: [&[u8]; 5] = [b"../../up", b"a/b", b"nul\0", b".", b".."];
    let entries = bad.iter().flat_map(|name| entry(name, 0, 2));
    let good = [entry(b"good", 0, 2), entry(b"other", made.entries[1].1, 2)].concat();
    let run = [header(7), entries.collect(), good].concat();
    made.listing = Some(run);
    let image = made.image();
    let walk = walk_broken(&image.bytes);
    others_are_good(&walk);
    assert_eq!(walk.nodes.len(), 3, "{:?}", walk.nodes.keys());
    let mut offset = header(7).len();
    for (name, shown) in bad.iter().zip(["../../up", "a/b", "nul\\x00", ".", ".."]) {
        let at = format!("its name is {shown} at byte {:#x}", image.directory);
        let words = [inside(offset as u16), at];
        let is_said = |notice: &&String| words.iter().all(|word| notice.contains(word));
        let said = walk.notices.iter().filter(is_said);
        assert_eq!(said.count(), 1, "{words:?}: {:?}", walk.notices);
        offset += entry(name, 0, 2).len();
    }
}

#[test]
fn s04_numbers_of_inodes_below_zero_by_their_entries_are_not_believed() {
    for delta in [-2_i16, i16::MIN] {
        let mut made = Made::new();
        let mut good = entry(b"good", 0, 2);
        good[2..4].copy_from_slice(&delta.to_le_bytes());
        let other = entry(b"other", made.entries[1].1, 2);
        made.listing = Some([header(2), good, other].concat());
        let walk = walk_broken(&made.image().bytes);
        others_are_good(&walk);
        let number = |name: &str| walk.nodes[name].attributes.as_ref().unwrap().ino;
        assert_eq!((number("good"), number("other")), (1, 2));
    }
}

#[test]
fn s04_find_comes_to_an_end_in_the_mount() {
    need!(fuse, tool "mke2fs");
    let found = crate::mount::loops::find(&in_itself().image().bytes);
    assert!(found.iter().any(|path| path == "good%f"), "{found:?}");
}

/// With a directory `s` that is among the names in it.
fn in_itself() -> Made {
    let mut made = Made::new();
    // Its list is that of the root, in which it is itself.
    let at = made.inodes.len() as u16;
    let size = (12 + 3 * 8 + b"goodothers".len() as u16 + 3).to_le_bytes();
    let body = [&words(&[0, 2])[..], &size, &[0, 0], &words(&[4])].concat();
    made.inode(b"s", 1, &body);
    assert_eq!(made.entries[2].1, at);
    made
}

#[test]
fn s04_a_directory_in_itself_comes_to_an_end() {
    let walk = walk_broken(&in_itself().image().bytes);
    others_are_good(&walk);
    // Whoever walks it has to see that it has been there: it is listed once more, in itself.
    let names: Vec<&str> = walk.nodes.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["", "good", "other", "s", "s/good", "s/other", "s/s"]
    );
    let number = |path: &str| walk.nodes[path].attributes.as_ref().unwrap().ino;
    assert_eq!(number("s/s"), number("s"));
}

#[test]
fn s04_an_entry_whose_inode_is_nowhere_costs_itself() {
    for offset in [8191_u16, u16::MAX] {
        let mut made = Made::new();
        made.entries.push((b"z".to_vec(), offset, 2));
        let (image, text) = (made.image(), format!("offset {offset} is past the"));
        fails(&image, "z", &[&text], image.inodes as u64);
    }
    let mut made = Made::new();
    let mut run = [header(2), entry(b"good", 0, 2)].concat();
    run.extend(entry(b"other", made.entries[1].1, 2));
    let far = words(&[0, u32::MAX, u32::MAX]);
    made.listing = Some([run, far, entry(b"z", 0, 2)].concat());
    let image = made.image();
    let at = image.inodes as u64 + u64::from(u32::MAX);
    fails(&image, "z", &["2 bytes are past bytes_used"], at);
}

#[test]
fn s06_attributes_that_are_not_there_cost_themselves_alone() {
    let pair = [&[0, 0, 1, 0, b'a'][..], &3_u32.to_le_bytes(), b"yes"].concat();
    let far = |place: u64| {
        let size = 8_u32.to_le_bytes();
        [&[0, 1, 1, 0, b'b'][..], &size, &place.to_le_bytes()].concat()
    };
    let large = [&[0, 0, 1, 0, b'c'][..], &u32::MAX.to_le_bytes()].concat();
    // An index that the table does not have is the inode's fault.
    let inode = inside(with_xattrs(1, pair.clone(), 1).last());
    for index in [1, NONE - 1] {
        let text = format!("extended attributes {index} of 1");
        let made = with_xattrs(index, pair.clone(), 1);
        xattrs_fail(&made, &[&inode, &text], |image, _| image.inodes as u64);
    }
    // Behind the pairs lie the sets, and then the table, which is no block of metadata: its first
    // two bytes are the low ones of a place.
    let behind = |image: &Image, _: u64| image.place(field::XATTR_TABLE) + 2;
    let words = ["bytes are past bytes_used"];
    xattrs_fail(&with_xattrs(0, pair.clone(), 1 << 30), &words, behind);
    xattrs_fail(&with_xattrs(0, large, 1), &words, behind);
    let far_away = |_: &Image, pairs: u64| pairs + (1 << 60 >> 16);
    xattrs_fail(&with_xattrs(0, far(1 << 60), 1), &words, far_away);
    // The value's place is that of the entry, whose value is elsewhere: there. What an entry begins
    // with is then the size of a value.
    let words = [&inside(0), "a value of 65792 bytes"];
    xattrs_fail(&with_xattrs(0, far(0), 1), &words, |_, pairs| pairs);
    let walk = walk(&with_xattrs(0, pair, 1).image().bytes);
    let found = walk.nodes["z"].xattrs.as_ref().unwrap();
    assert_eq!(found[&b"user.a"[..]], Ok(Some(b"yes".to_vec())));
}

/// One whose file `z` has the attributes `index` of one set, which is said to have `count` of `pairs`.
fn with_xattrs(index: u32, pairs: Vec<u8>, count: u32) -> Made {
    let mut made = Made::new();
    let start = made.store(b"data");
    made.long_file(b"z", (start, 4), (NONE, 0, index), &[4 | PLAIN]);
    made.xattrs = (pairs, vec![(0, count, 12)]);
    made
}

/// The attributes of `z` fail, and not its bytes. `at` is given the first byte of the pairs, too.
fn xattrs_fail(made: &Made, words: &[&str], at: impl Fn(&Image, u64) -> u64) {
    let image = made.image();
    let walk = walk_broken(&image.bytes);
    others_are_good(&walk);
    let node = &walk.nodes["z"];
    let Seen::File(_, bytes, None) = &node.content else {
        panic!("{node:?}");
    };
    assert_eq!(bytes, b"data");
    let pairs = image.place(image.place(field::XATTR_TABLE) as usize);
    let error = node.error().expect("its attributes fail");
    blames(error, Kind::Corrupt, words, at(&image, pairs));
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
    let walk = walk_broken(&made.image().bytes);
    others_are_good(&walk);
    let size = |name: &str| walk.nodes[name].attributes.as_ref().unwrap().size;
    assert!((0..100).all(|number| size(&format!("z{number:02}")) == 1 << 40));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
