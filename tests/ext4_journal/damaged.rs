//! Logs with damage (E21): for most of it the kernel refuses to mount, and what is shown instead is
//! what it shows of a log that ends before the damage.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Dirty, dirty, judge, library, logdump, open, sh};
use crate::support::command::Run;
use crate::support::images::{copy, sha256};
use crate::support::record::{Comparison, Tree};

const JOURNAL: &str = "-t ext4 -b 1024 -J size=4";
const WITHOUT_CHECKSUMS: &str = "-t ext4 -b 1024 -J size=4 -O ^metadata_csum";

/// Ten transactions with a file each.
fn ten(arguments: &str) -> Dirty {
    dirty(32 << 20, arguments, "noatime", |at| {
        sh(
            at,
            "sync .; for n in $(seq 10); do mkdir d$n; echo $n >d$n/f; sync d$n/f d$n; done",
        );
    })
}

/// A block of the log: its kind as debugfs says it, and its number.
fn log_blocks(image: &Path) -> Vec<(u32, u32, u32)> {
    let dump = logdump(image);
    let lines = dump
        .lines()
        .filter(|line| line.starts_with("Found expected sequence"));
    let block = |line: &str| {
        let words: Vec<&str> = line
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .collect();
        let number = |index: usize| words[index].parse().unwrap();
        (number(3), number(5), words.last().unwrap().parse().unwrap())
    };
    lines.map(block).collect()
}

/// The byte of `image` at which block `number` of the journal begins.
fn place(image: &Path, number: u32) -> u64 {
    let bmap = Run::new("debugfs")
        .arg("-R")
        .arg(format!("bmap <8> {number}"));
    bmap.arg(image).text().trim().parse::<u64>().unwrap() * 1024
}

fn patch(image: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(image).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// Copies the image, damages the copy by `damage`, and checks that what is shown of it is `expected`
/// with a notice that has all of `words`.
fn check(dirty: &Dirty, expected: &Tree, words: &[&str], damage: impl FnOnce(&Path)) {
    let image: PathBuf = dirty.scratch.join("damaged.img");
    copy(&dirty.image, &image);
    damage(&image);
    let before = sha256(&image);
    assert_ne!(before, sha256(&dirty.image), "nothing was damaged");
    let opened = open(&image);
    let found = library::walk(&*library::file_system(&opened));
    let notices = opened.notices.all();
    assert_eq!(sha256(&image), before, "the image was written to");
    let comparison = Comparison {
        expected,
        referee: "the kernel",
        found: &found,
        without: &[],
    };
    comparison.check("what is shown of a damaged log");
    let said = |line: &String| words.iter().all(|word| line.contains(word));
    assert!(notices.iter().any(said), "{words:?} in {notices:#?}");
}

/// What the kernel shows when the log ends before transaction `sequence`: its first block is
/// overwritten.
fn until(dirty: &Dirty, sequence: u32) -> Tree {
    let image = dirty.scratch.join("cut.img");
    copy(&dirty.image, &image);
    let blocks = log_blocks(&image);
    let first = blocks.iter().find(|block| block.0 == sequence).unwrap();
    patch(&image, place(&image, first.2), &[0; 12]);
    judge(dirty, &image, "noatime").unwrap()
}

/// The transaction three before the last: its number, its descriptor and its commit block.
fn target(dirty: &Dirty) -> (u32, u32, u32) {
    let blocks = log_blocks(&dirty.image);
    let sequence = blocks.last().unwrap().0 - 3;
    let of = |kind: u32| {
        blocks
            .iter()
            .find(|block| block.0 == sequence && block.1 == kind)
            .unwrap()
            .2
    };
    (sequence, of(1), of(2))
}

#[test]
fn e21_commit_checksum() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(JOURNAL);
    let (sequence, _, commit) = target(&dirty);
    let expected = until(&dirty, sequence);
    let words = [
        &*format!("transaction {sequence}"),
        "commit block's checksum",
        &*format!("at byte {:#x}", place(&dirty.image, commit)),
    ];
    check(&dirty, &expected, &words, |image| {
        patch(image, place(image, commit) + 16, &[1; 4])
    });
}

#[test]
fn e21_descriptor_checksum() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(JOURNAL);
    let (sequence, descriptor, _) = target(&dirty);
    let expected = until(&dirty, sequence);
    let words = [
        &*format!("transaction {sequence}"),
        &*format!("journal block {descriptor}"),
        &*format!("at byte {:#x}", place(&dirty.image, descriptor)),
    ];
    check(&dirty, &expected, &words, |image| {
        patch(image, place(image, descriptor) + 1020, &[1; 4])
    });
}

#[test]
fn e21_superblock() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(WITHOUT_CHECKSUMS);
    let raw = judge(&dirty, &dirty.image, "ro,noload").unwrap();
    for (field, value, words) in [
        (0, 0_u32, "h_magic"),
        (4, 9, "h_blocktype"),
        (12, 4096, "s_blocksize"),
        (16, 1 << 30, "s_maxlen"),
        (20, 0, "s_first"),
        (28, 1 << 20, "s_start"),
        (40, 0x40, "s_feature_incompat"),
    ] {
        let damage = |image: &Path| patch(image, place(image, 0) + field, &value.to_be_bytes());
        let at = format!("at byte {:#x}", place(&dirty.image, 0));
        check(&dirty, &raw, &["not replayed", words, &at], damage);
    }
}

/// The kernel refuses it; e2fsck finds the log by the superblock's copy of its block map, and what
/// is in it is what it was.
#[test]
fn e21_the_journals_inode() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    for arguments in [WITHOUT_CHECKSUMS, "-t ext3 -b 1024"] {
        let dirty = ten(arguments);
        let expected = judge(&dirty, &dirty.image, "noatime").unwrap();
        check(
            &dirty,
            &expected,
            &["journal found by", "inode 8"],
            |image| {
                let commands = "set_inode_field <8> links_count 0";
                Run::new("debugfs")
                    .args(["-w", "-R", commands])
                    .arg(image)
                    .run();
            },
        );
    }
}

#[test]
fn e21_a_tag_past_the_end() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(WITHOUT_CHECKSUMS);
    let (sequence, descriptor, _) = target(&dirty);
    let image = dirty.scratch.join("damaged.img");
    copy(&dirty.image, &image);
    patch(&image, place(&image, descriptor) + 12, &[0x7f; 4]);
    let opened = open(&image);
    let found = library::walk(&*library::file_system(&opened));
    assert!(found.contains_key(&b"d1/f"[..]));
    let notices = opened.notices.all().join("; ");
    assert!(
        notices.contains(&format!("transaction {sequence}")),
        "{notices}"
    );
    let at = place(&image, descriptor);
    let words = format!("t_blocknr 2139062143 is past the end of 32768 blocks at byte {at:#x}");
    assert!(notices.contains(&words), "{notices}");
}

#[test]
fn e21_a_tag_on_the_superblock() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(WITHOUT_CHECKSUMS);
    let (_, descriptor, _) = target(&dirty);
    let image = dirty.scratch.join("damaged.img");
    copy(&dirty.image, &image);
    patch(&image, place(&image, descriptor) + 12, &1_u32.to_be_bytes());
    let opened = open(&image);
    let found = library::walk(&*library::file_system(&opened));
    assert!(found.contains_key(&b"d1/f"[..]));
    let notices = opened.notices.all().join("; ");
    assert!(notices.contains("superblock: s_magic"), "{notices}");
}

/// Transactions are numbered on through 2^32, here by moving all numbers of a log.
#[test]
fn e21_numbers_that_wrap_round() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(WITHOUT_CHECKSUMS);
    let blocks = log_blocks(&dirty.image);
    let moved = |sequence: u32| sequence.wrapping_sub(blocks[0].0).wrapping_sub(4);
    for (sequence, _, number) in &blocks {
        let offset = place(&dirty.image, *number) + 8;
        patch(&dirty.image, offset, &moved(*sequence).to_be_bytes());
    }
    patch(
        &dirty.image,
        place(&dirty.image, 0) + 24,
        &moved(blocks[0].0).to_be_bytes(),
    );
    assert!(
        moved(blocks.last().unwrap().0) < 100,
        "the numbers don't wrap round"
    );
    super::compare(&dirty, &[]);
}

/// A log of nothing but descriptors of one transaction: the kernel would go round in it for ever.
#[test]
fn e21_a_log_without_an_end() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(WITHOUT_CHECKSUMS);
    let raw = judge(&dirty, &dirty.image, "ro,noload").unwrap();
    check(&dirty, &raw, &["the log has no end"], |image| {
        let first = log_blocks(image)[0];
        let mut block = vec![0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 5];
        block.extend(first.0.to_be_bytes());
        block.extend(16_u32.to_be_bytes());
        for number in 1..4096 {
            patch(image, place_fast(image, number), &block);
        }
    });
}

/// As [`place`] for a journal that lies in one piece.
fn place_fast(image: &Path, number: u32) -> u64 {
    static FIRST: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    FIRST.get_or_init(|| place(image, 0)) + u64::from(number) * 1024
}

/// A revoke block that says it is longer than a block.
#[test]
fn e21_revoke_count() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = ten(WITHOUT_CHECKSUMS);
    let (sequence, descriptor, _) = target(&dirty);
    let expected = until(&dirty, sequence);
    let at = format!("at byte {:#x}", place(&dirty.image, descriptor));
    let words = ["r_count 5000 is over the block's 1024 bytes", &at];
    check(&dirty, &expected, &words, |image| {
        let offset = place(image, descriptor);
        patch(image, offset + 4, &5_u32.to_be_bytes());
        patch(image, offset + 12, &5000_u32.to_be_bytes());
    });
}
