//! E18 to E20: symbolic links and extended attributes.

use imgmount::error::Kind::Corrupt;

use super::expect::{Broken, Part};
use super::ext::seeds::{self, Seed};
use super::ext::{Image, Object};
use super::walk::{Seen, Xattrs};
use crate::mount::loops::find;

/// Reading the link `path` fails, and nothing else does.
fn link_fails(seed: &'static Seed, path: &str, mutant: &Image, words: &[&str]) {
    let ino = seed.image.ino(path);
    let named = format!("inode {ino}");
    let broken = seed.broken(mutant);
    let words = [&[named.as_str()], words].concat();
    broken.fails(
        path,
        Part::Content,
        Corrupt,
        &words,
        mutant.inode_offset(ino),
    );
    assert!(broken.node(path).attributes.is_ok(), "stat works");
    broken.rest_as_before(&[path]);
}

#[test]
fn e18_link_size() {
    for seed in [seeds::modern(), seeds::indirect()] {
        for path in ["links/fast", "links/slow"] {
            let inode = Object::Inode(seed.image.ino(path));
            for size in [0, 4096, 4097, 0xffff_ffff] {
                let mut mutant = seed.mutant();
                mutant.set(inode, "i_size_lo", size);
                link_fails(seed, path, &mutant, &[&format!("i_size {size}")]);
            }
            // Only regular files and directories have the high half: the field means nothing here.
            let mut mutant = seed.mutant();
            mutant.set(inode, "i_size_high", 1);
            seed.broken(&mutant).rest_as_before(&[]);
        }
    }
}

/// What fits into the inode is there; what does not cannot be without blocks.
#[test]
fn e18_fast_link_longer_than_its_place() {
    let seed = seeds::modern();
    for size in [60, 61, 1000] {
        let mut mutant = seed.mutant();
        mutant.set(
            Object::Inode(seed.image.ino("links/fast")),
            "i_size_lo",
            size,
        );
        link_fails(seed, "links/fast", &mutant, &[&format!("i_size {size}")]);
    }
}

#[test]
fn e18_fast_link_with_extents_flag() {
    let seed = seeds::modern();
    let inode = Object::Inode(seed.image.ino("links/fast"));
    let mut mutant = seed.mutant();
    let flags = mutant.get(inode, "i_flags");
    mutant.set(inode, "i_flags", flags | 0x8_0000);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["links/fast"]);
    // Without blocks it is a fast one, whatever the flag says: never the extents of a text.
    let target = Seen::Link(Ok(b"../hello.txt".to_vec()));
    assert_eq!(broken.node("links/fast").content, target);
}

#[test]
fn e18_link_with_nul() {
    let seed = seeds::modern();
    let ino = seed.image.ino("links/fast");
    let mut mutant = seed.mutant();
    let at = mutant.inode_offset(ino) + 0x28 + 3;
    assert_ne!(mutant.read(at, 1), 0);
    mutant.write(at, 1, 0);
    mutant.mend(Object::Inode(ino));
    link_fails(seed, "links/fast", &mutant, &["NUL"]);
}

/// `target`, of 12 bytes, is where `links/fast` leads.
fn leads_to(target: &[u8]) -> Image {
    let seed = seeds::modern();
    let ino = seed.image.ino("links/fast");
    let mut mutant = seed.mutant();
    let at = mutant.inode_offset(ino) + 0x28;
    assert_ne!(&mutant.bytes[at..at + 12], target);
    mutant.bytes[at..at + 12].copy_from_slice(target);
    mutant.mend(Object::Inode(ino));
    mutant
}

#[test]
fn e19_find_does_not_follow_a_link_to_itself_for_ever() {
    need!(fuse, tool "mke2fs");
    let found = find(&leads_to(b"././././fast").bytes);
    assert!(found.iter().any(|path| path == "links/fast%l"), "{found:?}");
}

#[test]
fn e19_link_to_itself() {
    let (seed, mutant) = (seeds::modern(), leads_to(b"/links/fast/"));
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["links/fast"]);
    let node = broken.node("links/fast");
    assert_eq!(
        node.content,
        Seen::Link(Ok(b"/links/fast/".to_vec())),
        "shown as it is"
    );
}

/// Changes fields of `object`: the attributes of `xattr.txt` fail, its content and all else do not.
fn attributes_fail(object: Object, changes: &[(&str, u64)], words: &[&str]) {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    for (field, value) in changes {
        mutant.set(object, field, *value);
    }
    let broken = seed.broken(&mutant);
    let place = match object {
        Object::XattrBody(ino) => Object::Inode(ino),
        other => other,
    };
    xattrs_fail(&broken, "xattr.txt", words, mutant.start(place));
}

fn xattrs_fail(broken: &Broken, path: &str, words: &[&str], at: usize) {
    let ino = broken.seed.image.ino(path);
    let named = format!("inode {ino}");
    let words = [&[named.as_str()], words].concat();
    broken.fails(path, Part::Xattrs, Corrupt, &words, at);
    let node = broken.node(path);
    let before = &broken.seed.walked().nodes[path];
    assert_eq!(node.content, before.content, "the content is as before");
    assert!(node.attributes.is_ok());
    broken.rest_as_before(&[path]);
}

fn xattr_block() -> Object {
    let image = &seeds::modern().image;
    let inode = Object::Inode(image.ino("xattr.txt"));
    Object::XattrBlock(image.get(inode, "i_file_acl_lo"))
}

#[test]
fn e20_value_outside_the_block() {
    let block = xattr_block();
    for offset in [0, 31, 0x24, 1023, 1024, 0xffff] {
        let named = format!("e_value_offs {offset}");
        attributes_fail(block, &[("e_value_offs", offset)], &[&named]);
    }
    for size in [1025, 0xffff, 0xffff_ffff] {
        let named = format!("e_value_size {size}");
        attributes_fail(block, &[("e_value_size", size)], &[&named]);
    }
}

#[test]
fn e20_value_outside_the_inode() {
    let body = Object::XattrBody(seeds::modern().image.ino("xattr.txt"));
    for offset in [200, 0xffff] {
        let named = format!("e_value_offs {offset}");
        attributes_fail(body, &[("e_value_offs", offset)], &[&named]);
    }
    for size in [200, 0xffff_ffff] {
        let named = format!("e_value_size {size}");
        attributes_fail(body, &[("e_value_size", size)], &[&named]);
    }
}

#[test]
fn e20_name_past_the_end() {
    let image = &seeds::modern().image;
    let body = Object::XattrBody(image.ino("xattr.txt"));
    attributes_fail(body, &[("e_name_len", 255)], &["e_name_len 255"]);
}

#[test]
fn e20_block_header() {
    let block = xattr_block();
    attributes_fail(block, &[("h_magic", 0xea03_0000)], &["h_magic 0xea030000"]);
    attributes_fail(block, &[("h_blocks", 2)], &["h_blocks 2"]);
    attributes_fail(
        block,
        &[("h_blocks", 0xffff_ffff)],
        &["h_blocks 4294967295"],
    );
}

/// How many inodes share the block is nothing that a reader, or the kernel's, goes by.
#[test]
fn e20_refcount() {
    let seed = seeds::modern();
    for count in [0, 0xffff_ffff] {
        let mut mutant = seed.mutant();
        mutant.set(xattr_block(), "h_refcount", count);
        seed.broken(&mutant).rest_as_before(&[]);
    }
}

#[test]
fn e20_block_checksum() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let block = xattr_block();
    mutant.set_raw(block, "h_checksum", mutant.get(block, "h_checksum") ^ 1);
    xattrs_fail(
        &seed.broken(&mutant),
        "xattr.txt",
        &["checksum"],
        mutant.start(block),
    );
}

#[test]
fn e20_block_outside_the_device() {
    let seed = seeds::modern();
    let ino = seed.image.ino("xattr.txt");
    for block in [6144, 0xffff_ffff] {
        let mut mutant = seed.mutant();
        mutant.set(Object::Inode(ino), "i_file_acl_lo", block);
        let named = format!("i_file_acl {block}");
        let at = mutant.inode_offset(ino);
        xattrs_fail(&seed.broken(&mutant), "xattr.txt", &[&named], at);
    }
}

/// A namespace that nobody knows is not shown, as the kernel does it; the rest is.
#[test]
fn e20_unknown_namespace() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    mutant.set(xattr_block(), "e_name_index", 255);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["xattr.txt"]);
    let xattrs = broken.node("xattr.txt").xattrs.clone().expect("readable");
    let names: Vec<_> = xattrs
        .keys()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    assert_eq!(names, ["user.small"]);
}

/// What is listed can be had: an access list with a name behind, and a name behind its place.
#[test]
fn e20_names_that_no_call_makes() {
    let seed = seeds::modern();
    let before = seed.walked().nodes["xattr.txt"].xattrs.clone();
    let before = before.expect("readable");
    let values = |xattrs: &Xattrs| {
        let had = xattrs
            .values()
            .map(|value| value.clone().expect("had").expect("there"));
        had.collect::<std::collections::BTreeSet<_>>()
    };
    for index in [2, 3, 4, 6] {
        let mut mutant = seed.mutant();
        mutant.set(xattr_block(), "e_name_index", index);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&["xattr.txt"]);
        let xattrs = broken.node("xattr.txt").xattrs.clone().expect("readable");
        assert!(xattrs.keys().ne(before.keys()), "{index}");
        assert_eq!(values(&xattrs), values(&before), "{index}");
    }
}

/// The attribute of `hello.txt` whose value is an inode of its own: where `e_value_inum` lies.
fn value_inode_at(image: &Image) -> usize {
    let ino = image.ino("hello.txt");
    let (start, end) = (
        image.start(Object::XattrBody(ino)),
        image.inode_offset(ino) + 256,
    );
    let mut entry = start + 4;
    while entry + 16 < end && image.read(entry, 4) != 0 {
        if image.read(entry + 4, 4) != 0 {
            return entry + 4;
        }
        entry += 16 + (image.read(entry, 1) as usize).next_multiple_of(4);
    }
    panic!("no value inode");
}

#[test]
fn e20_value_inode() {
    let seed = seeds::inline();
    let ino = seed.image.ino("hello.txt");
    let at = value_inode_at(&seed.image);
    let plain = seed.image.ino("plain.bin");
    let sound = seed.image.read(at, 4) as u32;
    // None such: the attribute is at fault.
    for value in [49, 0xffff_ffff] {
        let mut mutant = seed.mutant();
        mutant.write(at, 4, value);
        mutant.mend(Object::Inode(ino));
        let named = format!("e_value_inum {value}");
        let place = mutant.inode_offset(ino);
        xattrs_fail(
            &seed.broken(&mutant),
            "hello.txt",
            &["attribute huge", &named],
            place,
        );
    }
    // Itself, and another file: the inode that should hold the value is at fault.
    for value in [ino, plain] {
        let mut mutant = seed.mutant();
        mutant.write(at, 4, u64::from(value));
        mutant.mend(Object::Inode(ino));
        let named = format!("attribute user.huge: inode {value}");
        let place = mutant.inode_offset(value);
        xattrs_fail(&seed.broken(&mutant), "hello.txt", &[&named], place);
    }
    // As is one that is marked as holding none, or whose content has changed.
    let inode = Object::Inode(sound);
    let named = format!("attribute user.huge: inode {sound}");
    let mut mutant = seed.mutant();
    let flags = mutant.get(inode, "i_flags");
    mutant.set(inode, "i_flags", flags & !0x20_0000);
    xattrs_fail(
        &seed.broken(&mutant),
        "hello.txt",
        &[&named],
        mutant.start(inode),
    );
    let mut mutant = seed.mutant();
    let content = mutant.block_offset(mutant.nth_block(sound, 0));
    mutant.bytes[content] ^= 1;
    let broken = seed.broken(&mutant);
    xattrs_fail(
        &broken,
        "hello.txt",
        &[&named, "checksum"],
        mutant.start(inode),
    );
}
