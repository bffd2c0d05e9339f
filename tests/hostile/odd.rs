//! E24 to E27: flags, times, types and devices that are not as they should be.

use imgmount::error::Kind::{Corrupt, Locked};
use imgmount::filesystem::Timestamp;

use super::expect::Part;
use super::ext::Object;
use super::ext::seeds;

const INCOMPAT_ENCRYPT: u64 = 0x1_0000;
const FLAG_ENCRYPT: u64 = 0x800;

/// A file that is encrypted is there, and its content asks for the key.
#[test]
fn e24_encrypted_file() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let inode = Object::Inode(mutant.ino("hello.txt"));
    let incompat = mutant.superblock("s_feature_incompat");
    let flags = mutant.get(inode, "i_flags");
    mutant.set(
        Object::Superblock,
        "s_feature_incompat",
        incompat | INCOMPAT_ENCRYPT,
    );
    mutant.set(inode, "i_flags", flags | FLAG_ENCRYPT);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["hello.txt"]);
    let node = broken.node("hello.txt");
    assert!(node.attributes.is_ok());
    let error = node.error().expect("no key");
    let named = format!("inode {}", seed.image.ino("hello.txt"));
    super::expect::names(error, Locked, &[&named]);
}

/// Verity and DAX change nothing for a reader.
#[test]
fn e24_verity_and_dax() {
    let seed = seeds::modern();
    for flag in [0x10_0000, 0x200_0000] {
        let mut mutant = seed.mutant();
        let inode = Object::Inode(mutant.ino("plain.bin"));
        let flags = mutant.get(inode, "i_flags");
        mutant.set(inode, "i_flags", flags | flag);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&["plain.bin"]);
        assert_eq!(
            broken.node("plain.bin").content,
            seed.walked().nodes["plain.bin"].content
        );
    }
}

/// A directory that is said to be casefolded where the file system has no such thing.
#[test]
fn e24_casefold_without_the_feature() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let inode = Object::Inode(mutant.ino("links"));
    let flags = mutant.get(inode, "i_flags");
    mutant.set(inode, "i_flags", flags | 0x4000_0000);
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["links"]);
    let named = format!("inode {}", seed.image.ino("links"));
    let words = [&named, "casefold flag without the feature casefold"];
    let at = mutant.start(inode);
    broken.fails("links", Part::Attributes, Corrupt, &words, at);
}

/// The low 32 bits are signed; the two low bits of the extra field add 2^32 seconds each.
#[test]
fn e25_times() {
    let seed = seeds::modern();
    for (low, extra, seconds, nanoseconds) in [
        (0x8000_0000, 0, -(1_i64 << 31), 0),
        (0xffff_ffff, 4, -1, 1),
        (0x7fff_ffff, 3, (3_i64 << 32) + 0x7fff_ffff, 0),
        (0x8000_0000, 3, (3_i64 << 32) - (1 << 31), 0),
        (0, 999_999_999 << 2, 0, 999_999_999),
        // 2^30 - 1 nanoseconds are more than a second has.
        (5, 0xffff_fffc, 5, 999_999_999),
    ] {
        let mut mutant = seed.mutant();
        let inode = Object::Inode(mutant.ino("hello.txt"));
        mutant
            .set(inode, "i_mtime", low)
            .set_to(inode, "i_mtime_extra", extra);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&["hello.txt"]);
        let node = broken.node("hello.txt");
        assert_eq!(node.error(), None);
        let mtime = node.attributes.as_ref().map(|found| found.mtime);
        assert_eq!(
            mtime,
            Ok(Timestamp {
                seconds,
                nanoseconds
            }),
            "{low:#x} {extra:#x}"
        );
    }
}

#[test]
fn e26_mode_without_a_type() {
    let seed = seeds::modern();
    for kind in [
        0xf000, 0, 0x3000, 0x5000, 0x7000, 0x9000, 0xb000, 0xd000, 0xe000,
    ] {
        let mut mutant = seed.mutant();
        let ino = mutant.ino("hello.txt");
        mutant.set(Object::Inode(ino), "i_mode", kind | 0o644);
        let broken = seed.broken(&mutant);
        let words = [
            format!("inode {ino}"),
            format!("i_mode {:#o}", kind | 0o644),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let at = mutant.inode_offset(ino);
        broken.fails("hello.txt", Part::Attributes, Corrupt, &words, at);
        broken.rest_as_before(&["hello.txt"]);
    }
}

/// The entry says one type and the inode another: the inode is right.
#[test]
fn e26_type_in_the_entry() {
    let seed = seeds::modern();
    for kind in [0, 2, 3, 7, 8, 0xff] {
        let mut mutant = seed.mutant();
        let entry = mutant.dirent(2, "hello.txt");
        mutant.set(entry, "file_type", kind);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&[]);
        // What is no type says nothing else than the inode does.
        if (1..8).contains(&kind) {
            let inode = format!("inode {}: ", mutant.ino("hello.txt"));
            let words = "entry «hello.txt» gives another type than the inode";
            let at = format!(
                " at byte {:#x}",
                mutant.inode_offset(mutant.ino("hello.txt"))
            );
            broken.notices(&[&inode, words, &at]);
        }
    }
}

/// The file is a directory by its inode: its bytes are no entries, and nothing else minds.
#[test]
fn e26_file_that_is_a_directory() {
    let seed = seeds::modern();
    let mut mutant = seed.mutant();
    let ino = mutant.ino("plain.bin");
    mutant.set(Object::Inode(ino), "i_mode", 0o040_755);
    let broken = seed.broken(&mutant);
    let words = [&format!("inode {ino}"), "directory block"];
    let block = mutant.nth_block(ino, 0);
    broken.fails(
        "plain.bin",
        Part::Content,
        Corrupt,
        &words,
        mutant.block_offset(block),
    );
    broken.rest_as_before(&["plain.bin"]);
}

/// The new encoding of device numbers has 12 bits of major and 20 of minor.
#[test]
fn e27_largest_device_number() {
    let seed = seeds::modern();
    for path in ["block", "char"] {
        let mut mutant = seed.mutant();
        let inode = Object::Inode(mutant.ino(path));
        mutant
            .set_to(inode, "i_block[0]", 0)
            .set(inode, "i_block[1]", 0xffff_ffff);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&[path]);
        let node = broken.node(path);
        assert_eq!(node.error(), None);
        let rdev = node.attributes.as_ref().map(|found| found.rdev);
        assert_eq!(rdev, Ok((0xfff, 0xf_ffff)));
    }
}
