//! The collected images with something to recover.

use super::{Dirty, judge, library, open};
use crate::support::command::Run;
use crate::support::images::{Scratch, copy, unpack};
use crate::support::record::Comparison;

const HOSTILE: &str = "hostile/e2fsprogs/e2fsprogs-";

/// Compares what is shown of the collected image `path` with the kernel, or with the kernel behind
/// `e2fsck -fy`, where it refuses.
fn check(path: &str, checked: bool) {
    let scratch = Scratch::new();
    let image = unpack(path, &scratch);
    let dirty = Dirty { scratch, image };
    let found = library::walk(&*library::file_system(&open(&dirty.image)));
    let mended = dirty.scratch.join("mended.img");
    copy(&dirty.image, &mended);
    if checked {
        judge(&dirty, &mended, "noatime").expect_err("the kernel refuses it");
        Run::new("e2fsck").arg("-fy").arg(&mended).output();
    }
    let expected = judge(&dirty, &mended, "noatime").unwrap();
    let comparison = Comparison {
        expected: &expected,
        referee: "the kernel",
        found: &found,
        without: &["mtime", "ctime"],
    };
    comparison.check(path);
}

macro_rules! cases {
    ($($name:ident: $path:expr, $checked:expr;)+) => {
        $(
            #[test]
            fn $name() {
                need!(root, images, loop, kernel "ext4", tool "e2fsck");
                check(&format!("{HOSTILE}{}", $path), $checked);
            }
        )+
    };
}

cases! {
    a_bad_list_of_orphans: "f_badorphan-image.img.xz", false;
    an_orphan_file: "f_clear_orphan_file-image.img.zst", false;
    a_log_with_64_bit_numbers: "f_jnl_64bit-image.img.xz", false;
    checksums_2: "j_recover_csum2_64bit-image.img.zst", false;
    checksums_3: "j_recover_csum3_64bit-image.img.zst", false;
    fast_commits: "j_recover_fast_commit-image.img.zst", false;
    a_bad_descriptor: "j_corrupt_descr_csum-image.img.zst", true;
    a_bad_copy: "j_corrupt_journal_block-image.img.zst", true;
    a_bad_superblock: "j_corrupt_sb_magic-image.img.zst", true;
}

#[test]
fn a_journal_on_another_device() {
    need!(images);
    let scratch = Scratch::new();
    let path = format!("{HOSTILE}j_corrupt_ext_jnl_sb_csum-image_b.img.zst");
    let image = unpack(&path, &scratch);
    let opened = open(&image);
    let imgmount::stack::Content::Damaged { error, .. } = &opened.stack.disks[0].content else {
        panic!("it opened");
    };
    let uuid = Run::new("dumpe2fs").arg("-h").arg(&image).text();
    let uuid = uuid
        .lines()
        .find_map(|line| line.strip_prefix("Journal UUID:"));
    assert_eq!(error.kind(), imgmount::error::Kind::Unsupported);
    assert!(error.to_string().contains(uuid.unwrap().trim()), "{error}");
}
