//! E07 to E12: where the content of a file is.

use imgmount::error::Kind::Corrupt;
use imgmount::source::ExtentKind;

use super::expect::{Broken, Part};
use super::ext::seeds::{self, Seed};
use super::ext::{Image, Object};
use super::walk::Seen;

/// Changes `changes` of `object`, which belongs to `path`: its content fails, naming `words`.
fn fails(seed: &'static Seed, path: &str, object: Object, changes: &[(&str, u64)], words: &[&str]) {
    let mut mutant = seed.mutant();
    for (field, value) in changes {
        mutant.set(object, field, *value);
    }
    fails_in(seed, path, &mutant, words, mutant.start(object));
}

fn fails_in(seed: &'static Seed, path: &str, mutant: &Image, words: &[&str], at: usize) {
    let ino = format!("inode {}", seed.image.ino(path));
    let words = [&[ino.as_str()], words].concat();
    let broken = seed.broken(mutant);
    broken.fails(path, Part::Content, Corrupt, &words, at);
    broken.rest_as_before(&[path]);
}

/// The root in the inode of `comb.bin`, and the leaf below it.
fn comb(seed: &Seed) -> (Object, Object) {
    let ino = seed.image.ino("comb.bin");
    let (block, depth) = seed.image.extent_blocks(ino)[0];
    assert_eq!(depth, 0);
    (Object::Inode(ino), Object::Extents(ino, block))
}

#[test]
fn e07_extent_depth() {
    let seed = seeds::modern();
    let (root, leaf) = comb(seed);
    for depth in [6, 7, 0xff, 0xffff] {
        let named = format!("eh_depth {depth}");
        fails(seed, "comb.bin", root, &[("eh_depth", depth)], &[&named]);
        fails(seed, "comb.bin", leaf, &[("eh_depth", depth)], &[&named]);
    }
    // A leaf that says that it is an index, and one level more than there is.
    fails(seed, "comb.bin", leaf, &[("eh_depth", 1)], &["eh_depth 1"]);
}

#[test]
fn e07_extent_entries() {
    let seed = seeds::modern();
    let (root, leaf) = comb(seed);
    for entries in [5, 6, 0xffff] {
        let named = format!("eh_entries {entries}");
        fails(
            seed,
            "comb.bin",
            root,
            &[("eh_entries", entries)],
            &[&named],
        );
    }
    for entries in [85, 0xffff] {
        let named = format!("eh_entries {entries}");
        fails(
            seed,
            "comb.bin",
            leaf,
            &[("eh_entries", entries)],
            &[&named],
        );
    }
}

#[test]
fn e07_extent_max() {
    let seed = seeds::modern();
    let (root, leaf) = comb(seed);
    for max in [0, 5, 0xffff] {
        fails(
            seed,
            "comb.bin",
            root,
            &[("eh_max", max)],
            &[&format!("eh_max {max}")],
        );
    }
    for max in [0, 85, 0xffff] {
        fails(
            seed,
            "comb.bin",
            leaf,
            &[("eh_max", max)],
            &[&format!("eh_max {max}")],
        );
    }
}

#[test]
fn e07_extent_magic() {
    let seed = seeds::modern();
    let (root, leaf) = comb(seed);
    for object in [root, leaf] {
        for magic in [0, 0xf30b, 0xffff] {
            let named = format!("eh_magic {magic:#06x}");
            fails(seed, "comb.bin", object, &[("eh_magic", magic)], &[&named]);
        }
    }
}

#[test]
fn e08_extent_index_cycle() {
    let seed = seeds::modern();
    let ino = seed.image.ino("deep.bin");
    let blocks = seed.image.extent_blocks(ino);
    let (index, depth) = blocks[0];
    assert_eq!((depth, blocks[1].1), (1, 0), "two levels of blocks");
    // To itself: the child must lie one level lower.
    let object = Object::Extents(ino, index);
    let mut mutant = seed.mutant();
    mutant.set(object, "ei_leaf_lo", index);
    fails_in(
        seed,
        "deep.bin",
        &mutant,
        &["eh_depth 1"],
        mutant.start(object),
    );
    // To a block outside.
    for (field, value, named) in [
        ("ei_leaf_lo", 6144, "6144".to_owned()),
        ("ei_leaf_lo", 0, "ei_leaf 0".to_owned()),
        (
            "ei_leaf_hi",
            0xffff,
            ((0xffff_u64 << 32) + blocks[1].0).to_string(),
        ),
    ] {
        fails(seed, "deep.bin", object, &[(field, value)], &[&named]);
    }
}

/// Five levels, each entry of each level leading to the same block of the next: 84 to the 5th paths.
#[test]
fn e08_extent_tree_of_one_path_many_times() {
    let seed = seeds::modern();
    let ino = seed.image.ino("comb.bin");
    let mut mutant = seed.mutant();
    let free = 5000;
    for level in 0..5_u64 {
        let at = mutant.block_offset(free + level);
        let depth = 4 - level;
        for (offset, value) in [(0, 0xf30a), (2, 83), (4, 84), (6, depth)] {
            mutant.write(at + offset, 2, value);
        }
        for i in 0..83 {
            let entry = at + 12 + i * 12;
            mutant.write(entry, 4, i as u64);
            if depth == 0 {
                mutant.write(entry + 4, 2, 1);
                mutant.write(entry + 8, 4, 5005);
            } else {
                mutant.write(entry + 4, 4, free + level + 1);
            }
        }
        mutant.mend(Object::Extents(ino, free + level));
    }
    let root = mutant.inode_offset(ino) + 0x28;
    for (offset, value) in [(2, 4), (6, 5)] {
        mutant.write(root + offset, 2, value);
    }
    for i in 0..4 {
        mutant.write(root + 12 + i * 12, 4, i as u64);
        mutant.write(root + 16 + i * 12, 4, free);
        mutant.write(root + 20 + i * 12, 4, 0);
    }
    mutant.set(Object::Inode(ino), "i_size_high", 0xf);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["comb.bin"]);
    // The walk ended in time; what is beyond the first key of a node contradicts its parent.
    let error = broken.node("comb.bin").error().expect("contradicting keys");
    let words = [&format!("inode {ino}"), "starts at logical block 0"];
    // The block that all entries of the root lead to: its first key is 0, and theirs are not.
    let at = mutant.block_offset(free) as u64;
    super::expect::blames(error, Corrupt, &words, at);
}

#[test]
fn e09_extents_out_of_order() {
    let seed = seeds::modern();
    let (_, leaf) = comb(seed);
    // The second extent starts at 2; the third at 4.
    fails(
        seed,
        "comb.bin",
        leaf,
        &[("ee_block[1]", 5)],
        &["ee_block 4"],
    );
    // Overlaps the third.
    fails(seed, "comb.bin", leaf, &[("ee_len[1]", 3)], &["ee_block 4"]);
    // The first does not start where the parent says, which the kernel checks first.
    fails(
        seed,
        "comb.bin",
        leaf,
        &[("ee_block", 3)],
        &["starts at logical block 3"],
    );
}

#[test]
fn e09_extent_length() {
    let seed = seeds::modern();
    let (_, leaf) = comb(seed);
    fails(seed, "comb.bin", leaf, &[("ee_len[1]", 0)], &["ee_len 0"]);
    let inode = Object::Inode(seed.image.ino("plain.bin"));
    fails(seed, "plain.bin", inode, &[("ee_len", 0)], &["ee_len 0"]);
    fails(
        seed,
        "plain.bin",
        inode,
        &[("ee_block", 0xffff_fff0)],
        &["ee_block 4294967280"],
    );
}

/// What is marked as never written reads as zeros in a file, and is what it is in a directory and in
/// a link, as for the kernel: nobody writes to those but the file system.
#[test]
fn e09_unwritten_extent() {
    let seed = seeds::modern();
    let unwritten = |path: &str| {
        let mut mutant = seed.mutant();
        let inode = Object::Inode(mutant.ino(path));
        let length = mutant.get(inode, "ee_len");
        mutant.set(inode, "ee_len", length | 0x8000);
        seed.broken(&mutant)
    };
    unwritten("links").rest_as_before(&[]);
    let broken = unwritten("plain.bin");
    broken.rest_as_before(&["plain.bin"]);
    let Seen::File(_, bytes, None) = &broken.node("plain.bin").content else {
        panic!("{:?}", broken.node("plain.bin").content);
    };
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn e09_extent_outside_the_device() {
    let seed = seeds::modern();
    let inode = Object::Inode(seed.image.ino("plain.bin"));
    let (low, high) = ("ee_start_lo", "ee_start_hi");
    // The last would end past 2^48.
    for fields in [
        &[(low, 6143)][..],
        &[(low, 6144)],
        &[(low, 0xffff_ffff)],
        &[(low, 0)],
        &[(high, 0xffff)],
        &[(low, 0xffff_ffff), (high, 0xffff)],
    ] {
        let mut mutant = seed.mutant();
        for (field, value) in fields {
            mutant.set(inode, field, *value);
        }
        let start = mutant.get(inode, "ee_start_lo") | mutant.get(inode, "ee_start_hi") << 32;
        let named = format!("ee_start {start}");
        fails_in(seed, "plain.bin", &mutant, &[&named], mutant.start(inode));
    }
}

#[test]
fn e10_largest_size() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let inode = Object::Inode(seed.image.ino("hello.txt"));
    mutant
        .set(inode, "i_size_lo", 0xffff_ffff)
        .set(inode, "i_size_high", 0x7fff_ffff);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["hello.txt"]);
    let node = broken.node("hello.txt");
    assert_eq!(node.error(), None);
    assert_eq!(
        node.attributes.as_ref().map(|found| found.size),
        Ok(i64::MAX as u64)
    );
    let Seen::File(extents, bytes, _) = &node.content else {
        panic!("{node:?}")
    };
    assert_eq!(bytes[..13], *b"Hello, image\n");
    assert!(bytes[13..].iter().all(|byte| *byte == 0));
    let kinds: Vec<_> = extents.iter().map(|extent| extent.1).collect();
    assert_eq!(kinds[0], ExtentKind::Data);
    assert!(
        kinds[1..].iter().all(|kind| *kind != ExtentKind::Data),
        "{extents:?}"
    );
}

/// The kernel has no file of a negative size.
#[test]
fn e10_negative_size() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let ino = seed.image.ino("hello.txt");
    mutant.set(Object::Inode(ino), "i_size_high", 0x8000_0000);
    let words = [&format!("inode {ino}"), "i_size 9223372036854775821"];
    let at = mutant.start(Object::Inode(ino));
    let broken = seed.broken(&mutant);
    broken.fails("hello.txt", Part::Attributes, Corrupt, &words, at);
    broken.rest_as_before(&["hello.txt"]);
}

fn triple(change: impl Fn(&mut Image, u32)) -> Broken {
    let seed = seeds::indirect();
    let mut mutant = seed.mutant();
    change(&mut mutant, seed.image.ino("triple.bin"));
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["triple.bin"]);
    broken
}

#[test]
fn e11_pointer_block_to_itself() {
    // Three levels and no more, whatever they point at: bounded, if senseless.
    let broken = triple(|mutant, ino| {
        let top = mutant.get(Object::Inode(ino), "i_block[14]");
        for i in 0..256 {
            let at = mutant.block_offset(top) + i * 4;
            mutant.write(at, 4, top);
        }
    });
    assert_eq!(broken.node("triple.bin").error(), None);
}

#[test]
fn e11_pointer_block_in_the_inode_table() {
    let table = seeds::indirect()
        .image
        .get(Object::Group(0), "bg_inode_table_lo");
    let broken = triple(|mutant, ino| {
        let inode = Object::Inode(ino);
        mutant
            .set(inode, "i_block[14]", table)
            .set(inode, "i_size_lo", 0xffff_ffff);
    });
    // Numbers and times of inodes, as numbers of blocks.
    let error = broken.node("triple.bin").error().expect("nonsense");
    let ino = broken.seed.image.ino("triple.bin");
    let named = format!("block of pointers {table}");
    let words = [&format!("inode {ino}"), &named, "block pointer "];
    let at = broken.seed.image.block_offset(table) as u64;
    super::expect::blames(error, Corrupt, &words, at);
}

#[test]
fn e11_all_pointers_equal() {
    let broken = triple(|mutant, ino| {
        let blocks = mutant.pointer_blocks(ino);
        let (lower, data) = (blocks.clone(), mutant.nth_block(ino, 0));
        for (block, level) in blocks {
            let below = lower.iter().find(|found| found.1 + 1 == level);
            let next = below.map_or(data, |found| found.0);
            for i in 0..256 {
                let at = mutant.block_offset(block) + i * 4;
                mutant.write(at, 4, next);
            }
        }
    });
    assert_eq!(broken.node("triple.bin").error(), None);
}

#[test]
fn e11_pointer_outside_the_device() {
    let pointers = [
        ("i_block[0]", 6144),
        ("i_block[12]", 0xffff_ffff),
        ("i_block[13]", 6144),
    ];
    for (field, value) in pointers.into_iter().chain([("i_block[14]", 7000)]) {
        let seed = seeds::indirect();
        let inode = Object::Inode(seed.image.ino("triple.bin"));
        let named = format!("block pointer {value}");
        fails(seed, "triple.bin", inode, &[(field, value)], &[&named]);
    }
    // And from within a pointer block, which is then where the fault is.
    let seed = seeds::indirect();
    let ino = seed.image.ino("triple.bin");
    let mut mutant = seed.mutant();
    let block = mutant.get(Object::Inode(ino), "i_block[12]");
    let at = mutant.block_offset(block);
    mutant.write(at + 8 * 4, 4, 6144);
    fails_in(seed, "triple.bin", &mutant, &["block pointer 6144"], at);
}

#[test]
fn e12_inline_size() {
    let seed = seeds::inline();
    let ino = seed.image.ino("hello.txt");
    for size in [61, 2000, 0xffff_ffff] {
        fails(
            seed,
            "hello.txt",
            Object::Inode(ino),
            &[("i_size_lo", size)],
            &[&format!("i_size {size}")],
        );
    }
}

/// Inline data continues in the attribute `system.data`, which has to be there.
#[test]
fn e12_inline_without_its_attribute() {
    let seed = seeds::inline();
    let ino = seed.image.ino("dir/sub/leaf.txt");
    let body = Object::XattrBody(ino);
    let mut mutant = seed.mutant();
    mutant.set(body, "h_magic", 0);
    let broken = seed.broken(&mutant);
    let words = [&format!("inode {ino}"), "system.data"];
    broken.fails(
        "dir/sub/leaf.txt",
        Part::Content,
        Corrupt,
        &words,
        mutant.inode_offset(ino),
    );
    broken.rest_as_before(&["dir/sub/leaf.txt"]);
}

#[test]
fn e12_inline_directory() {
    let seed = seeds::inline();
    let ino = seed.image.ino("dir");
    let entry = seed.image.dirent(ino, "sub");
    assert!(matches!(entry, Object::InlineDirent { .. }));
    for rec_len in [0, 3, 9, 57, 0xffff] {
        let mut mutant = seed.mutant();
        mutant.set(entry, "rec_len", rec_len);
        let broken = seed.broken(&mutant);
        let words = [&format!("inode {ino}"), &format!("rec_len {rec_len}")];
        let words = words.map(String::as_str);
        broken.fails(
            "dir",
            Part::Content,
            Corrupt,
            &words,
            mutant.inode_offset(ino),
        );
        broken.rest_as_before(&["dir"]);
    }
}
