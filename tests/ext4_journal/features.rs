//! Every form of log that this kernel writes.

use super::{Dirty, compare, dirty, sh, unreplayed};
use crate::support::library;

/// Files, directories and links that are committed and not yet in their place.
const WORK: &str = "
    mkdir a b; sync a b
    for n in $(seq 40); do echo content $n >a/file$n; ln a/file$n b/link$n; ln -s ../a/file$n b/symbolic$n; done
    sync a/file40 a b
    mv a/file1 b/moved; rm a/file2 b/link2; mkdir -p b/deep/er; sync b/deep
    truncate -s 100000 a/file3; setfattr -n user.colour -v blue a/file4 || true
    sync a/file3 a/file4 a b
    for n in $(seq 20); do dd if=/dev/urandom of=b/big$n bs=4k count=$n status=none; sync b/big$n; done
";

/// Whether the log's superblock has all of `incompat`, found by its own magic number.
fn check(dirty: &Dirty, without: &[&str]) {
    let found = compare(dirty, without);
    assert!(found.len() > 100, "{} files", found.len());
    let raw = unreplayed(&dirty.image);
    let filesystem = library::file_system(&raw);
    let mut count = 0;
    let mut each = |_: imgmount::filesystem::Entry<'_>| {
        count += 1;
        true
    };
    let root = filesystem.root();
    let listed = filesystem.read_dir(&library::request(), root, 0, &mut each);
    assert!(listed.is_err() || count < 5, "nothing was only in the log");
}

#[test]
fn checksums_version_3_and_64_bit_numbers() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    check(
        &dirty(
            64 << 20,
            "-t ext4 -O 64bit,metadata_csum",
            "noatime",
            |at| sh(at, WORK),
        ),
        &[],
    );
}

#[test]
fn no_checksums_and_32_bit_numbers() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    check(
        &dirty(
            64 << 20,
            "-t ext4 -O ^64bit,^metadata_csum",
            "noatime",
            |at| sh(at, WORK),
        ),
        &[],
    );
}

#[test]
fn ext3() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    check(
        &dirty(64 << 20, "-t ext3", "noatime", |at| sh(at, WORK)),
        &[],
    );
}
