//! E21 to E23: journals and orphans. The seed's three transactions replace the content of
//! `hello.txt`, replace the second block of `plain.bin`, and revoke the latter.

use imgmount::error::Kind::Unsupported;
use imgmount::format::Options;

use super::expect::Broken;
use super::ext::journal::{Journal, Log};
use super::ext::seeds::{self, Seed, e2fsck};
use super::ext::{Image, Object};
use super::walk::{Seen, Walk, walk, walk_with};

/// What of the log has come through.
#[derive(Debug, PartialEq)]
struct Replayed {
    hello: bool,
    plain: bool,
}

const NOTHING: Replayed = Replayed {
    hello: false,
    plain: false,
};
const FIRST: Replayed = Replayed {
    hello: true,
    plain: false,
};
const FIRST_TWO: Replayed = Replayed {
    hello: true,
    plain: true,
};
/// With the revocation.
const ALL: Replayed = FIRST;

fn replayed(walk: &Walk) -> Replayed {
    let bytes = |path: &str| match &walk.nodes[path].content {
        Seen::File(_, bytes, None) => bytes.clone(),
        other => panic!("{path}: {other:?}"),
    };
    let hello = bytes("hello.txt");
    let plain = bytes("plain.bin");
    let second = plain[1024..2048] == [b'J'; 1024];
    let sound = seeds::pattern(20_603, 1);
    assert!(
        hello == [b'J'; 13] || hello == b"Hello, image\n",
        "{hello:?}"
    );
    assert!(second || plain == sound, "plain.bin is neither old nor new");
    Replayed {
        hello: hello == [b'J'; 13],
        plain: second,
    }
}

/// The walk of the seed with its journal changed; all but the two files is as in the seed.
fn journal(change: impl Fn(&mut Journal)) -> (Broken, Image) {
    let seed = seeds::journaled();
    let mut mutant = seed.mutant();
    change(&mut Journal(&mut mutant));
    let broken = seed.broken(&mutant);
    broken.rest_as_before(&["hello.txt", "plain.bin"]);
    (broken, mutant)
}

/// With its journal changed, this much of it comes through, and a notice says why it is not all: by
/// a block that was changed.
fn stops(change: impl Fn(&mut Journal), expected: &Replayed) {
    let (broken, mutant) = journal(change);
    let notices = &broken.walk.notices;
    assert_eq!(replayed(&broken.walk), *expected, "{notices:?}");
    let blocks = |bytes: &[u8]| bytes.chunks(1024).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (new, old) = (blocks(&mutant.bytes), blocks(&broken.seed.image.bytes));
    let says = |notice: &String| {
        let place = notice.split("at byte 0x").nth(1).unwrap_or_default();
        let digits = place.split(|it: char| !it.is_ascii_hexdigit()).next();
        let at = usize::from_str_radix(digits.unwrap_or_default(), 16);
        notice.contains("journal") && at.is_ok_and(|at| new[at / 1024] != old[at / 1024])
    };
    assert!(notices.iter().any(says), "{notices:?}");
}

#[test]
fn e21_seed_replays() {
    let seed = seeds::journaled();
    assert_eq!(replayed(seed.walked()), ALL);
    let as_it_lies = Options {
        no_replay: true,
        ..Options::default()
    };
    let walk = walk_with(&seed.image.bytes, &as_it_lies);
    assert_eq!(replayed(&walk), NOTHING);
    let (_, text, after) = e2fsck(&seed.image, &["-y", "-E", "journal_only"]);
    let walk = walk_with(&after.bytes, &as_it_lies);
    assert_eq!(replayed(&walk), ALL, "{text}");
}

#[test]
fn e21_superblock_of_the_journal() {
    let fields = [
        ("s_start", vec![1024, 5000, 0xffff_ffff]),
        ("s_first", vec![0, 1024, 0xffff_ffff]),
        ("s_maxlen", vec![0, 1, 1025, 0xffff_ffff]),
        ("s_blocksize", vec![0, 512, 4096, 0xffff_ffff]),
        ("s_feature_incompat", vec![0x8000_0000, 0x40]),
        ("s_checksum_type", vec![0, 9]),
        ("h_blocktype", vec![0, 9]),
    ];
    for (field, values) in fields {
        for value in values {
            stops(
                |journal| _ = journal.set(Log::Superblock, field, value),
                &NOTHING,
            );
        }
    }
    stops(
        |journal| _ = journal.set_raw(Log::Superblock, "s_sequence", 2),
        &NOTHING,
    );
}

/// The numbers of transactions go on from 2^32 - 1 to 0.
#[test]
fn e21_sequence_wraps() {
    let (broken, mutant) = journal(|journal| {
        journal.set(Log::Superblock, "s_sequence", 0xffff_ffff);
        let blocks = [
            (Log::Descriptor(1), 0xffff_ffff),
            (Log::Commit(3), 0xffff_ffff),
            (Log::Descriptor(4), 0),
            (Log::Commit(6), 0),
            (Log::Revoke(7), 1),
            (Log::Commit(8), 1),
        ];
        for (log, sequence) in blocks {
            journal.set(log, "h_sequence", sequence);
        }
        journal.mend_tag(1);
        journal.mend_tag(4);
    });
    assert_eq!(replayed(&broken.walk), ALL, "{:?}", broken.walk.notices);
    let (_, text, after) = e2fsck(&mutant, &["-y", "-E", "journal_only"]);
    assert_eq!(replayed(&walk(&after.bytes)), ALL, "{text}");
}

#[test]
fn e21_tag_past_the_end() {
    for (field, value) in [
        ("t_blocknr", 8192),
        ("t_blocknr", 0xffff_ffff),
        ("t_blocknr_high", 1),
    ] {
        stops(
            |journal| _ = journal.set(Log::Descriptor(4), field, value),
            &FIRST,
        );
    }
}

#[test]
fn e21_checksums() {
    // Of the descriptor and of the commit: the transaction and what follows do not count.
    let descriptor = Log::Descriptor(4);
    stops(
        |journal| _ = journal.set_raw(descriptor, "t_checksum", 7),
        &FIRST,
    );
    stops(
        |journal| _ = journal.set_raw(Log::Commit(6), "h_chksum", 7),
        &FIRST,
    );
    // Of one copy: that alone is left out.
    let (broken, mutant) = journal(|journal| {
        journal.set(Log::Descriptor(1), "t_checksum", 7);
    });
    assert_eq!(replayed(&broken.walk), NOTHING);
    let at = format!("at byte {:#x}", mutant.nth_block(8, 2) * 1024);
    broken.notices(&["journal: transaction 1", "has a wrong checksum", &at]);
    // Of the revocation and its commit: the second transaction stands.
    stops(
        |journal| _ = journal.set_raw(Log::Revoke(7), "r_count", 17),
        &FIRST_TWO,
    );
    stops(
        |journal| _ = journal.set_raw(Log::Commit(8), "h_chksum", 7),
        &FIRST_TWO,
    );
}

#[test]
fn e21_revocation_larger_than_its_block() {
    for count in [1021, 1025, 0xffff_ffff] {
        stops(
            |journal| _ = journal.set(Log::Revoke(7), "r_count", count),
            &FIRST_TWO,
        );
    }
    // Room for no record at all is none.
    for count in [0, 15, 16, 23] {
        let (broken, _) = journal(|journal| _ = journal.set(Log::Revoke(7), "r_count", count));
        assert_eq!(replayed(&broken.walk), FIRST_TWO, "{count}");
    }
}

/// A transaction that is not the next one ends the log, which is how every log ends.
#[test]
fn e21_sequence_gap() {
    for (log, expected) in [
        (Log::Descriptor(1), NOTHING),
        (Log::Commit(3), NOTHING),
        (Log::Descriptor(4), FIRST),
        (Log::Commit(8), FIRST_TWO),
    ] {
        let (broken, _) = journal(|journal| _ = journal.set(log, "h_sequence", 77));
        assert_eq!(replayed(&broken.walk), expected, "{log:?}");
    }
}

#[test]
fn e21_commit_times_backwards() {
    let (broken, mutant) = journal(|journal| {
        journal.set(Log::Commit(3), "h_commit_sec", 0x7fff_ffff);
        journal.set(Log::Commit(6), "h_commit_sec", 5);
    });
    assert_eq!(replayed(&broken.walk), ALL);
    let (_, text, after) = e2fsck(&mutant, &["-y", "-E", "journal_only"]);
    assert_eq!(replayed(&walk(&after.bytes)), ALL, "{text}");
}

/// The log puts a block of text where the superblock is.
#[test]
fn e21_tag_on_the_superblock() {
    let seed = seeds::journaled();
    let mut mutant = seed.mutant();
    Journal(&mut mutant).set(Log::Descriptor(4), "t_blocknr", 1);
    let broken = seed.broken(&mutant);
    broken
        .rest_as_before(&["hello.txt", "plain.bin"])
        .notices(&[
            "journal: the copy in the log, which is left out: superblock: s_magic 0x4a4a",
            "at byte 0x400",
        ]);
}

/// The log's own blocks: the tag's target is the journal, and its superblock.
#[test]
fn e21_tag_on_the_journal() {
    for target in [0, 2, 5] {
        let seed = seeds::journaled();
        let mut mutant = seed.mutant();
        let block = mutant.nth_block(8, target);
        Journal(&mut mutant).set(Log::Descriptor(4), "t_blocknr", block);
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&["hello.txt", "plain.bin"]);
        assert_eq!(replayed(&broken.walk), FIRST);
    }
}

/// Whatever becomes of the journal's inode, its block map is in the superblock a second time.
#[test]
fn e21_journal_inode() {
    let seed = seeds::journaled();
    let inode = Object::Inode(8);
    let (superblock, number) = (Object::Superblock, "s_journal_inum");
    let root = seed.image.inode_offset(2);
    let own = seed.image.inode_offset(8);
    for (object, field, value, words, at) in [
        (superblock, number, 0xffff_ffff, "no inode 4294967295", 1024),
        (superblock, number, 2, "2: the journal is no regular", root),
        (inode, "i_mode", 0x41ed, "the journal is no regular", own),
        (inode, "i_links_count", 0, "the journal is no regular", own),
        (inode, "eh_depth", 5, "inode 8", own),
        (inode, "ee_start_lo", 8191, "inode 8: blocks 8191 to", own),
    ] {
        let mut mutant = seed.mutant();
        mutant.set(object, field, value);
        let broken = seed.broken(&mutant);
        let place = format!(" at byte {at:#x}");
        broken.rest_as_before(&[]).notices(&[
            "journal found by the copy of its block map",
            words,
            &place,
        ]);
    }
}

/// Neither the inode nor the copy leads to a journal: the disk is shown as it lies.
#[test]
fn e21_journal_nowhere() {
    let seed = seeds::journaled();
    for (field, value) in [("eh_depth", 5), ("ee_start_lo", 8191), ("i_size_lo", 0)] {
        let mut mutant = seed.mutant();
        mutant.set(Object::Inode(8), field, value);
        // s_jnl_blocks: i_block, and i_size_high and i_size in reverse.
        let copy = 1024 + 0x10c;
        mutant.bytes[copy..copy + 68].fill(0);
        mutant.mend(Object::Superblock);
        let broken = seed.broken(&mutant);
        broken
            .rest_as_before(&["hello.txt", "plain.bin"])
            .notices(&["journal not replayed"]);
        assert_eq!(replayed(&broken.walk), NOTHING, "{field} {value}");
    }
}

/// No inode has the journal: it is a device of its own, without which only `--no-replay` helps.
#[test]
fn e21_journal_elsewhere() {
    let seed = seeds::journaled();
    let mut mutant = seed.mutant();
    mutant.set(Object::Superblock, "s_journal_inum", 0);
    let words = ["journal is on another device", "--no-replay"];
    seed.broken(&mutant).refused(Unsupported, &words, None);
    let as_it_lies = Options {
        no_replay: true,
        ..Options::default()
    };
    assert_eq!(replayed(&walk_with(&mutant.bytes, &as_it_lies)), NOTHING);
}

/// An image copied while the kernel wrote: two hundred files are in the log alone.
#[test]
fn e22_crash() {
    need!(loop, kernel "ext4", tool "mke2fs");
    use crate::support::images::{Scratch, copy};
    use crate::support::kernel::Mounted;
    let scratch = Scratch::new();
    let image = scratch.file("image", 64 << 20);
    let mut mke2fs = seeds::tool("mke2fs");
    mke2fs
        .args([
            "-q",
            "-t",
            "ext4",
            "-E",
            "lazy_itable_init=0,lazy_journal_init=0",
        ])
        .arg(&image);
    seeds::run(&mut mke2fs, &[0]);
    let at = scratch.join("mounted");
    let mounted = Mounted::new(&image, "ext4", "rw,commit=300", &at);
    // Commits and no checkpoint: everything is in the log and the data blocks. (syncfs would also
    // write the metadata to its place.)
    for i in 0..200 {
        let path = at.join(format!("{i:03}"));
        std::fs::write(&path, format!("file {i}\n")).expect("written");
        std::fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .expect("synced");
    }
    let folder = std::fs::File::open(&at).expect("the directory");
    folder.sync_all().expect("synced");
    drop(folder);
    let crashed = scratch.join("crashed");
    copy(&image, &crashed);
    mounted.unmount();

    let bytes = std::fs::read(&crashed).expect("read");
    let found = |options: &Options| {
        let walk = walk_with(&bytes, options);
        let whole = |i: &usize| {
            let node = walk.nodes.get(&format!("{i:03}"));
            let content = format!("file {i}\n").into_bytes();
            matches!(node.map(|node| &node.content), Some(Seen::File(_, bytes, None)) if *bytes == content)
        };
        (0..200).filter(whole).count()
    };
    assert_eq!(found(&Options::default()), 200);
    let as_it_lies = Options {
        no_replay: true,
        ..Options::default()
    };
    assert!(found(&as_it_lies) < 200, "the log was needed");
    assert!(
        std::fs::read(&crashed).expect("read") == bytes,
        "the image is unchanged"
    );
}

/// Orphans in a ring: `i_dtime` of each is the number of the next.
#[test]
fn e23_orphan_list_loop() {
    for seed in [seeds::modern(), seeds::indirect(), seeds::journaled()] {
        let mut mutant = seed.mutant();
        let (one, two) = (mutant.ino("comb.bin"), mutant.ino("xattr.txt"));
        mutant.set(Object::Superblock, "s_last_orphan", u64::from(one));
        mutant.set(Object::Inode(one), "i_dtime", u64::from(two));
        mutant.set(Object::Inode(two), "i_dtime", u64::from(one));
        // What leads back into the ring is the last one's field.
        let words = format!("orphans: inode {one} is in the list twice");
        let at = format!(" at byte {:#x}", mutant.inode_offset(two));
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&[]).notices(&[&words, &at]);
    }
}

#[test]
fn e23_orphan_list_to_nowhere() {
    let seed = seeds::modern();
    for orphan in [1, 7, 49, 0xffff_ffff, 2] {
        let mut mutant = seed.mutant();
        mutant.set(Object::Superblock, "s_last_orphan", orphan);
        let words = format!("orphans: inode {orphan} can be no orphan at byte 0x400");
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&[]).notices(&[&words]);
    }
    let mut mutant = seed.mutant();
    let dir = u64::from(seed.image.ino("dir"));
    mutant.set(Object::Superblock, "s_last_orphan", dir);
    seed.broken(&mutant).rest_as_before(&[]);
}

/// A block of orphans with `entries`, its checksum mended or not.
fn orphan_file(seed: &Seed, entries: &[u32], mend: bool) -> Image {
    let mut mutant = seed.mutant();
    let ino = mutant.superblock("s_orphan_file_inum") as u32;
    let block = mutant.nth_block(ino, 0);
    let at = mutant.block_offset(block);
    for (i, entry) in entries.iter().enumerate() {
        mutant.write(at + i * 4, 4, u64::from(*entry));
    }
    if mend {
        mutant.mend_orphans(ino, block);
    }
    // orphan_present: the file has entries.
    let features = mutant.superblock("s_feature_ro_compat");
    mutant.set(
        Object::Superblock,
        "s_feature_ro_compat",
        features | 0x1_0000,
    );
    mutant
}

#[test]
fn e23_orphan_file() {
    let seed = seeds::orphans();
    let dir = seed.image.ino("dir");
    let garbage: Vec<u32> = (0..254_u32)
        .map(|i| i.wrapping_mul(0x9e37_79b9) | 1)
        .collect();
    let cases: [&[u32]; 5] = [
        &garbage,
        &[0xffff_ffff; 254],
        &[1, 2, 7, 8, dir],
        &[dir; 254],
        &[12],
    ];
    for entries in cases {
        for mend in [false, true] {
            let mutant = orphan_file(seed, entries, mend);
            let broken = seed.broken(&mutant);
            broken.rest_as_before(&[]);
            if !mend {
                broken.notices(&["orphans: ob_checksum", "at byte"]);
            }
        }
    }
    for (field, value) in [
        ("s_orphan_file_inum", 0),
        ("s_orphan_file_inum", 2),
        ("s_orphan_file_inum", 0xffff_ffff),
    ] {
        let mut mutant = orphan_file(seed, &[12], true);
        mutant.set(Object::Superblock, field, value);
        let broken = seed.broken(&mutant);
        broken
            .rest_as_before(&[])
            .notices(&["orphans: ", "at byte"]);
    }
}

/// A file that was being shortened when the machine stopped: the kernel ends that, so the blocks
/// behind its size are gone, also where they lie in the last block.
#[test]
fn e23_orphan_with_links_is_truncated() {
    for seed in [seeds::modern(), seeds::journaled()] {
        let mut mutant = seed.mutant();
        let ino = mutant.ino("plain.bin");
        mutant.set(Object::Inode(ino), "i_size_lo", 5000);
        mutant.set(Object::Superblock, "s_last_orphan", u64::from(ino));
        let broken = seed.broken(&mutant);
        broken.rest_as_before(&["plain.bin", "hello.txt"]);
        let node = broken.node("plain.bin");
        let attributes = node.attributes.as_ref().expect("readable");
        assert_eq!(
            (attributes.size, attributes.blocks),
            (5000, 10),
            "five blocks are left"
        );
        let Seen::File(_, bytes, None) = &node.content else {
            panic!("{node:?}")
        };
        assert!(*bytes == seeds::pattern(20_603, 1)[..5000]);
    }
}
