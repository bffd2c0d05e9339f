//! S10: EROFS images broken field by field, the superblock's checksum made right again.

mod budget;
mod compressed;
mod mutants;
mod seed;
mod special;

use imgmount::error::Kind::{Corrupt, Unsupported};
use imgmount::format::Options;

use self::seed::{BLOCK, SUPERBLOCK, seed};
use super::walk::{Seen, walk_with};

/// Where the fields of the superblock are.
const FEATURE_INCOMPAT: usize = SUPERBLOCK + 80;
const BLKSZBITS: usize = SUPERBLOCK + 12;
const ROOT_NID: usize = SUPERBLOCK + 14;
const DIRBLKBITS: usize = SUPERBLOCK + 90;

#[test]
fn s10_block_size() {
    need!(tool "mkfs.erofs");
    for bits in [0, 8, 17, 31, 255] {
        let mut mutant = seed("").mutant();
        mutant.set(BLKSZBITS, 1, bits);
        let text = format!("blkszbits {bits}");
        let words = ["erofs", &text];
        mutant.walk().refused(Corrupt, &words, SUPERBLOCK);
    }
    let mut mutant = seed("").mutant();
    mutant.set(DIRBLKBITS, 1, 1);
    let words = ["dirblkbits 1"];
    mutant.walk().refused(Unsupported, &words, SUPERBLOCK);
}

#[test]
fn s10_unknown_feature() {
    need!(tool "mkfs.erofs");
    for bit in [9, 20, 31] {
        let mut mutant = seed("").mutant();
        let features = mutant.get(FEATURE_INCOMPAT, 4);
        mutant.set(FEATURE_INCOMPAT, 4, features | 1 << bit);
        let name = format!("{:#x}", 1_u64 << bit);
        let words = ["feature_incompat", &name];
        mutant.walk().refused(Unsupported, &words, SUPERBLOCK);
    }
}

#[test]
fn s10_superblock_checksum() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("").mutant();
    mutant.set(SUPERBLOCK + 64, 1, 0x41);
    let broken = mutant.walk_as_it_is();
    let words = ["superblock: checksum", "--ignore-checksums"];
    broken.refused(Corrupt, &words, SUPERBLOCK);
    let options = Options {
        ignore_checksums: true,
        ..Options::default()
    };
    let walked = walk_with(&mutant.bytes, &options);
    assert!(walked.refused.is_none());
    assert!(walked.notices.iter().any(|text| text.contains("checksum")));
}

#[test]
fn s10_root() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("").mutant();
    mutant.set(ROOT_NID, 2, 0xffff);
    let at = mutant.inode_at(0xffff);
    let words = ["inode 65535: 32 bytes are past the end"];
    mutant.walk().refused(Corrupt, &words, at);
    let mut mutant = seed("").mutant();
    let file = seed("").node("small").attributes.as_ref().unwrap().ino;
    mutant.set(ROOT_NID, 2, file);
    let at = mutant.inode_at(file);
    let words = ["the root is no directory"];
    mutant.walk().refused(Corrupt, &words, at);
}

#[test]
fn s10_inode_past_the_end() {
    need!(tool "mkfs.erofs");
    let past = "past the end";
    // Numbers too large for any byte are wrong from where they are counted on.
    for (nid, word, at) in [
        (1 << 40, past, Some(32 << 40)),
        ((1 << 59) - 1, past, ((1_u64 << 59) - 1).checked_mul(32)),
        ((1 << 62) + 7, past, None),
        (1 << 63, "there is no metabox", Some(0)),
        (u64::MAX, past, Some(0)),
    ] {
        let mut mutant = seed("").mutant();
        let meta = mutant.meta();
        let at = at
            .and_then(|at| meta.checked_add(at as usize))
            .unwrap_or(meta);
        let entries = mutant.entries("folder");
        // The third entry: behind the directory's own and its parent's.
        mutant.set(entries + 24, 8, nid);
        let broken = mutant.walk();
        broken.fails("folder/file-0", Corrupt, &["inode", word], at);
        broken.rest_as_before(&["folder"]);
        let listed = &broken.walk.nodes["folder/file-1"];
        assert_eq!(listed.error(), None, "{nid:#x}");
    }
}

#[test]
fn s10_inode_format() {
    need!(tool "mkfs.erofs");
    for bits in [0x20, 0x8000, 5 << 1, 7 << 1] {
        let mut mutant = seed("").mutant();
        let inode = mutant.inode("small");
        let format = mutant.get(inode, 2) & !0xe;
        mutant.set(inode, 2, format | bits);
        let broken = mutant.walk();
        let words = [format!("i_format {:#x}", format | bits)];
        let words = words.each_ref().map(String::as_str);
        broken.fails("small", Unsupported, &words, inode);
        broken.rest_as_before(&["small"]);
    }
}

#[test]
fn s10_inode_type_and_size() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("-Eforce-inode-extended").mutant();
    let inode = mutant.inode("small");
    mutant.set(inode + 4, 2, 0o170_777);
    let broken = mutant.walk();
    broken.fails("small", Corrupt, &["i_mode 0o170777 is of no type"], inode);
    broken.rest_as_before(&["small"]);
    for size in [1 << 63, u64::MAX] {
        let mut mutant = seed("-Eforce-inode-extended").mutant();
        mutant.set(inode + 8, 8, size);
        let words = format!("i_size {size} is over 2^63");
        mutant.walk().fails("small", Corrupt, &[&words], inode);
    }
    // A file of 8 EiB whose tail cannot be behind its inode: its size is shown, nothing is held.
    let mut mutant = seed("-Eforce-inode-extended").mutant();
    mutant.set(inode + 8, 8, (1 << 63) - 1);
    let broken = mutant.walk();
    let node = &broken.walk.nodes["small"];
    assert_eq!(node.attributes.as_ref().unwrap().size, (1 << 63) - 1);
    let words = ["4095 bytes behind the inode cross into another block"];
    broken.fails("small", Corrupt, &words, mutant.behind(inode));
    broken.rest_as_before(&["small"]);
}

#[test]
fn s10_tail_in_two_blocks() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("").mutant();
    let inode = mutant.inode("small");
    mutant.set(inode + 8, 4, 4095);
    let broken = mutant.walk();
    let words = ["4095 bytes behind the inode cross into another block"];
    broken.fails("small", Corrupt, &words, mutant.behind(inode));
    broken.rest_as_before(&["small"]);
}

#[test]
fn s10_chunks() {
    need!(tool "mkfs.erofs");
    const CHUNKS: &str = "--chunksize=4096";
    let mut mutant = seed(CHUNKS).mutant();
    let inode = mutant.inode("text");
    let format = mutant.get(inode + 16, 2);
    // Bits of a chunk's size past the 31 that fit are bits without a meaning.
    for bits in [0x80, 0x8000] {
        mutant.set(inode + 16, 2, format | bits);
        let broken = mutant.walk();
        let words = format!("chunk format {:#x} has unknown bits", format | bits);
        broken.fails("text", Unsupported, &[&words], inode);
        broken.rest_as_before(&["text"]);
    }
    // The largest chunks: the first one has it all, and is no longer than the image.
    mutant.set(inode + 16, 2, format | 31);
    mutant.walk().rest_as_before(&["text"]);
    let mut mutant = seed(CHUNKS).mutant();
    let wide = if format & 0x20 == 0 { 4 } else { 8 };
    let table = mutant.behind(inode).next_multiple_of(wide);
    mutant.set(table + wide - 4, 4, 0x7fff_ffff);
    let broken = mutant.walk();
    let words = ["4096 bytes are past the end"];
    broken.fails("text", Corrupt, &words, 0x7fff_ffff * BLOCK);
    broken.rest_as_before(&["text"]);
}

#[test]
fn s10_names_in_a_directory() {
    need!(tool "mkfs.erofs");
    let mutant = seed("").mutant();
    let before_the_third = mutant.get(mutant.entries("folder") + 2 * 12 + 8, 2) - 1;
    // Entry, place of its name: none, inside the entries, before the one ahead, past the block.
    for (entry, place) in [
        (0, 0),
        (0, 11),
        (0, 0xffff),
        (3, 0),
        (3, 0xffff),
        (11, 0xffff),
        // One byte before the name ahead.
        (3, before_the_third),
    ] {
        let mut mutant = seed("").mutant();
        let entries = mutant.entries("folder");
        mutant.set(entries + entry * 12 + 8, 2, place);
        let broken = mutant.walk();
        let words = [
            format!("directory: entry {entry} of"),
            format!("nameoff {place} "),
        ];
        let words = words.each_ref().map(String::as_str);
        broken.fails("folder", Corrupt, &words, entries + entry * 12);
        broken.rest_as_before(&["folder"]);
    }
}

#[test]
fn s10_names_that_are_none() {
    need!(tool "mkfs.erofs");
    for (byte, shown) in [(b'/', "folder/\\x2file-0"), (0, "folder/\\x00ile-0")] {
        let mut mutant = seed("").mutant();
        let entries = mutant.entries("folder");
        let name = entries + mutant.get(entries + 24 + 8, 2) as usize;
        assert_eq!(&mutant.bytes[name..name + 6], b"file-0");
        mutant.bytes[name] = byte;
        let broken = mutant.walk();
        broken.rest_as_before(&["folder"]);
        let Seen::Directory(entries, None) = &broken.walk.nodes["folder"].content else {
            panic!("{shown} is not listed");
        };
        let name = shown.rsplit_once('/').unwrap().1.as_bytes();
        let listed = entries.iter().any(|(listed, _)| listed == name);
        assert!(listed, "{shown}: {entries:?}");
        // Asked for by what is shown, it is found.
        let found = broken
            .walk
            .nodes
            .values()
            .filter(|node| node.lookup == Ok(None));
        assert_eq!(found.count(), 0);
    }
}

#[test]
fn s10_a_directory_that_is_its_own_parent_and_child() {
    need!(tool "mkfs.erofs");
    let mut mutant = seed("").mutant();
    let root = seed("").node("").attributes.as_ref().unwrap().ino;
    let entries = mutant.entries("folder");
    mutant.set(entries + 24, 8, root);
    // Whoever walks it has to see that it has been there; nothing else goes wrong.
    mutant.walk().rest_as_before(&["folder"]);
}
