//! S10: what is far behind in a row of records without addresses, which have to be summed up. It
//! costs steps of whoever asks, also where it is the metabox that has the records.

use imgmount::filesystem::{FileSystem, Inode, Request};

use super::seed::SUPERBLOCK;
use crate::hostile::expect::names;
use crate::hostile::opened::{is_spent, opened, request};
use imgmount::error::{Kind, Result};

/// Bytes of a block.
const BLOCK: usize = 512;
/// What lies here, in the metabox or in a directory, is behind 16,384 records.
const FAR: u64 = 8 << 20;
/// Steps that are enough for all but the records.
const FEW: u64 = 500;

/// Numbers of the inodes: their places, in 32 bytes.
const ROOT: u64 = 40;
const DIRECTORY: u64 = 52;
const FILE: u64 = 56;
const METABOX: u64 = 64;

fn put(image: &mut [u8], at: usize, value: u64, len: usize) {
    image[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
}

/// A compact inode of a format, a mode and a size.
fn inode(image: &mut [u8], number: u64, format: u64, mode: u64, size: u64) {
    let at = number as usize * 32;
    for (field, value, len) in [(0, format, 2), (4, mode, 2), (6, 1, 2), (8, size, 4)] {
        put(image, at + field, value, len);
    }
}

/// One with records of 4 bytes behind it, which are all zeros from some place on: holes.
fn compressed(image: &mut [u8], number: u64, mode: u64) {
    inode(image, number, 1 << 1, mode, 2 * FAR);
    put(image, number as usize * 32 + 32 + 4, 1, 2);
}

/// A root with three names: `far` in the metabox, `directory`, and `file` with an attribute that has
/// a long prefix from the metabox.
fn image() -> Vec<u8> {
    let mut image = vec![0; 96 << 10];
    let fields = [
        (0, 0xe0f5_e1e2, 4),
        (12, 9, 1),
        (13, 8, 1),
        (14, ROOT, 2),
        (36, 192, 4),
        (80, 0x1c4, 4),
        (91, 1, 1),
        (92, FAR / 4, 4),
        (128, METABOX, 8),
    ];
    for (field, value, len) in fields {
        put(&mut image, SUPERBLOCK + field, value, len);
    }
    let far = (1 << 63) + FAR / 32;
    let entries: [(u64, &[u8]); 3] = [(DIRECTORY, b"directory"), (far, b"far"), (FILE, b"file")];
    let list = ROOT as usize * 32 + 32;
    let mut name = 3 * 12;
    for (number, (nid, text)) in entries.iter().enumerate() {
        put(&mut image, list + number * 12, *nid, 8);
        put(&mut image, list + number * 12 + 8, name as u64, 2);
        image[list + name..][..text.len()].copy_from_slice(text);
        name += text.len();
    }
    inode(&mut image, ROOT, 2 << 1, 0o40_755, name as u64);
    inode(&mut image, FILE, 0, 0o100_644, 0);
    put(&mut image, FILE as usize * 32 + 2, 2, 2);
    image[FILE as usize * 32 + 32 + 12 + 1] = 0x80;
    compressed(&mut image, DIRECTORY, 0o40_755);
    compressed(&mut image, METABOX, 0o100_644);
    assert!(SUPERBLOCK + 144 <= ROOT as usize * 32 && list + name <= 3 * BLOCK);
    image
}

/// `doing` fails with `words` of a zero where no real image has one; and with few steps before that.
fn costs(name: &[u8], words: &str, doing: impl Fn(&dyn FileSystem, &Request, Inode) -> Result<()>) {
    let filesystem = opened("erofs", &image());
    let root = filesystem.root();
    let found = filesystem.lookup(&Request::new(0), root, name);
    let inode = found.unwrap().expect("it is in the root");
    let error = doing(&*filesystem, &Request::new(0), inode).unwrap_err();
    names(&error, Kind::Corrupt, &[words]);
    is_spent(&doing(&*filesystem, &request(FEW), inode).unwrap_err());
    let cancelled = Request {
        cancel: imgmount::filesystem::Cancel::new(),
        ..Request::new(0)
    };
    cancelled.cancel.set();
    let error = doing(&*filesystem, &cancelled, inode).unwrap_err();
    names(&error, Kind::Io, &["interrupted"]);
}

#[test]
fn s10_what_is_far_behind_in_the_metabox_costs_steps_of_the_request() {
    costs(
        b"far",
        "i_mode 0o0 is of no type",
        |filesystem, request, inode| filesystem.attributes(request, inode).map(|_| ()),
    );
}

#[test]
fn s10_a_block_far_behind_in_a_directory_costs_steps_of_the_request() {
    costs(
        b"directory",
        "nameoff 0 of 512",
        |filesystem, request, inode| filesystem.read_dir(request, inode, FAR + 1, &mut |_| true),
    );
}

#[test]
fn s10_a_prefix_far_behind_in_the_metabox_costs_steps_of_the_request() {
    let words = "long attribute prefix 0: it has 0 bytes";
    costs(b"file", words, |filesystem, request, inode| {
        filesystem.xattr_names(request, inode, &mut |_| {})
    });
}
