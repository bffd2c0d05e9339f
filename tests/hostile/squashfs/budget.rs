//! What requests may cost: blocks of metadata of a byte each, lists that are cut by the end of a
//! request, and cursors that nobody was given.

use imgmount::filesystem::Request;

use super::made::{Made, NONE, PLAIN, entry, header};
use super::{fails, inside, others_are_good};
use crate::hostile::cursors::gives_what_it_has;
use crate::hostile::opened::{is_spent, opened, request};
use crate::hostile::walk::walk;

/// Bytes of what all inodes begin with.
const BASE: u16 = 16;

#[test]
fn s03_a_target_that_is_too_long_is_not_gone_over() {
    for (kind, size) in [(3_u16, 4097_u32), (10, 4097), (10, u32::MAX)] {
        let mut made = Made::new();
        made.inode(b"z", kind, &super::made::words(&[1, size, 0, 0]));
        let (image, text) = (made.image(), format!("symlink_size {size} is over 4096"));
        let words = [&inside(made.last() + BASE), &text[..]];
        fails(&image, "z", &words, image.inodes as u64);
    }
}

#[test]
fn s06_blocks_of_a_byte_each_cost_more_than_a_step() {
    const VALUE: usize = 3000;
    let pair = |name: u8, value: usize| {
        let size = (value as u32).to_le_bytes();
        [&[0, 0, 1, 0, name][..], &size, &vec![b'v'; value]].concat()
    };
    let image = |block: usize| {
        let mut made = Made::new();
        let start = made.store(b"data");
        made.long_file(b"z", (start, 4), (NONE, 0, 0), &[4 | PLAIN]);
        let pairs = [pair(b'a', VALUE), pair(b'b', 1)].concat();
        made.xattrs = (pairs, vec![(0, 2, 12)]);
        made.xattr_block = block;
        made.image()
    };
    let listed = |block: usize| {
        let filesystem = opened("squashfs", &image(block).bytes);
        let found = filesystem.lookup(&request(1000), filesystem.root(), b"z");
        let inode = found.unwrap().expect("it is in the root");
        let (mut names, few) = (0, request(2 * VALUE as u64));
        let result = filesystem.xattr_names(&few, inode, &mut |_| names += 1);
        (names, result)
    };
    assert_eq!(listed(8192), (2, Ok(())));
    let (names, result) = listed(1);
    assert_eq!(names, 0);
    is_spent(&result.unwrap_err());
    // It is a good image all the same, for a request with the usual steps.
    let walk = walk(&image(1).bytes);
    others_are_good(&walk);
    assert_eq!(walk.nodes["z"].xattrs.as_ref().unwrap().len(), 2);
}

#[test]
fn s03_where_a_request_ends_a_list_of_blocks_does_not() {
    // The list of 80 blocks of metadata; all of the file is a hole.
    const BLOCKS: usize = 80 * 2048;
    let mut made = Made::new();
    let size = (BLOCKS * super::BLOCK) as u64;
    made.long_file(b"z", (0, size), (NONE, 0, NONE), &vec![0; BLOCKS]);
    let filesystem = opened("squashfs", &made.image().bytes);
    let found = filesystem.lookup(&request(1000), filesystem.root(), b"z");
    let inode = found.unwrap().expect("it is in the root");
    let read = |steps| filesystem.read(&request(steps), inode, &mut [1; 100], size - 100);
    is_spent(&read(1500).unwrap_err());
    assert_eq!(read(1_000_000), Ok(100));
    // What was found then is kept whole, and spares the way through the list.
    assert_eq!(read(1000), Ok(100));
}

#[test]
fn s07_a_million_files_of_a_tebibyte_are_listed_in_little_memory() {
    const FILES: usize = 1_000_000;
    let mut made = Made::new();
    made.long_file(b"z", (0, 1 << 40), (NONE, 0, NONE), &[0; 4]);
    let names: Vec<String> = (0..FILES).map(|number| format!("z{number:06}")).collect();
    let run = |names: &[String]| {
        let entries = names
            .iter()
            .flat_map(|name| entry(name.as_bytes(), made.last(), 2));
        [header(names.len() as u32), entries.collect()].concat()
    };
    made.listing = Some(names.chunks(256).flat_map(run).collect());
    let filesystem = opened("squashfs", &made.image().bytes);
    let measured = allocation_counter::measure(|| {
        let (mut listed, mut sampled) = (0, None);
        let all = filesystem.read_dir(&Request::new(0), filesystem.root(), 0, &mut |entry| {
            listed += 1;
            sampled = Some(entry.inode);
            true
        });
        assert_eq!((all, listed), (Ok(()), FILES + 2));
        let attributes = filesystem.attributes(&Request::new(0), sampled.unwrap());
        assert_eq!(attributes.unwrap().size, 1 << 40);
        let last = filesystem.lookup(&Request::new(0), filesystem.root(), b"z999999");
        assert_eq!(last, Ok(sampled));
    });
    // The cache has 8 MiB.
    assert!(
        measured.bytes_max < 16 << 20,
        "{} bytes",
        measured.bytes_max
    );
}

#[test]
fn u08_a_cursor_into_a_name_gives_no_entry_that_is_hidden_in_it() {
    let mut made = Made::new();
    let hidden = [header(1), entry(b"hidden", 0, 2)].concat();
    let good = [entry(b"good", 0, 2), entry(b"other", made.entries[1].1, 2)].concat();
    let list = [header(3), entry(&hidden, 0, 2), good].concat();
    let place = header(3).len() + 8;
    assert_eq!(list[place..place + hidden.len()], hidden);
    made.listing = Some(list);
    let filesystem = opened("squashfs", &made.image().bytes);
    // A byte of the list has 512 cursors; the two dots come before all of them.
    let cursors = 2..2 + 512 * 100;
    gives_what_it_has(&*filesystem, filesystem.root(), cursors.step_by(32));
}
