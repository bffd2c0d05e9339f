//! HOSTILE S01 to S09: squashfs images of our own making, each broken in one place.

mod blocks;
mod budget;
mod files;
mod made;
mod refused;

use imgmount::error::{Error, Kind};

use self::made::{BLOCK, Image, Made};
use super::expect::blames;
use super::walk::{Node, Seen, Walk, walk};
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;

/// Asserts that `good` and `other` are as they were made.
fn others_are_good(walk: &Walk) {
    let content = |name: &str| match &walk.nodes[name].content {
        Seen::File(_, bytes, None) => bytes.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert!(content("good") == [b'g'; BLOCK + 100]);
    assert!(content("other") == [b'o'; 100]);
    for (name, node) in &walk.nodes {
        let mut shown: Vec<&[u8]> = Vec::new();
        match &node.content {
            Seen::File(_, bytes, _) | Seen::Link(Ok(bytes)) => shown.push(bytes),
            Seen::Directory(entries, _) => shown.extend(entries.iter().map(|it| it.0.as_slice())),
            Seen::Link(Err(_)) | Seen::Nothing => {}
        }
        for (key, value) in node.xattrs.iter().flatten() {
            shown.push(key);
            shown.extend(value.iter().flatten().map(Vec::as_slice));
        }
        let is_stale = |bytes: &&[u8]| bytes.windows(8).any(|window| window == [0xa5; 8]);
        let stale = shown.iter().any(is_stale);
        assert!(!stale, "{name} shows what nobody wrote");
    }
}

/// `name` alone gives an error of these words at byte `at`.
fn fails(image: &Image, name: &str, words: &[&str], at: u64) {
    blames(&failed(&image.bytes, name), Kind::Corrupt, words, at);
}

/// What an error says of the place where byte `offset` of an unpacked block of metadata is wrong.
fn inside(offset: u16) -> String {
    format!("offset {offset:#x} of its metadata block: ")
}

/// What is seen in `bytes`, which must not be what nobody broke.
fn walk_broken(bytes: &[u8]) -> Walk {
    assert!(bytes != Made::new().image().bytes, "the mutant is its seed");
    walk(bytes)
}

/// The error of `name`, the rest being good.
fn failed(bytes: &[u8], name: &str) -> Error {
    let walk = walk_broken(bytes);
    if let Some((error, _)) = &walk.refused {
        panic!("refused: {error}");
    }
    others_are_good(&walk);
    let node: &Node = &walk.nodes[name];
    node.error()
        .unwrap_or_else(|| panic!("{name} is good: {node:?}"))
        .clone()
}

/// Why `bytes` are refused, by the byte that is wrong too.
fn refused(bytes: &[u8], kind: Kind, words: &str, at: u64) {
    let walk = walk_broken(bytes);
    let Some((error, raw)) = &walk.refused else {
        panic!("not refused: {words}");
    };
    blames(error, kind, &[words], at);
    assert!(raw, "the raw bytes are there");
}

#[test]
fn what_is_not_broken_is_read_and_the_kernel_says_the_same() {
    let image = Made::new().image();
    others_are_good(&walk(&image.bytes));
    need!(root, loop, kernel "squashfs");
    let scratch = Scratch::new();
    let file = scratch.join("image");
    std::fs::write(&file, &image.bytes).unwrap();
    let mounted = Mounted::new(&file, "squashfs", "ro", &scratch.join("kernel"));
    let read = |name: &str| std::fs::read(mounted.path().join(name)).unwrap();
    assert!(read("good") == [b'g'; BLOCK + 100]);
    assert!(read("other") == [b'o'; 100]);
}
