//! Every form of log that this kernel writes.

use super::{compare, dirty, sh};

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

fn check(arguments: &str, options: &str, without: &[&str]) {
    let dirty = dirty(64 << 20, arguments, options, |at| sh(at, WORK));
    let found = compare(&dirty, without);
    assert!(found.len() > 100, "{} files", found.len());
}

macro_rules! cases {
    ($($name:ident: $arguments:expr, $options:expr;)+) => {
        $(
            #[test]
            fn $name() {
                need!(root, loop, kernel "ext4", tool "mke2fs");
                check($arguments, $options, &[]);
            }
        )+
    };
}

cases! {
    checksums_3_and_64_bit_numbers: "-t ext4 -O 64bit,metadata_csum", "noatime";
    checksums_3_and_32_bit_numbers: "-t ext4 -O ^64bit,metadata_csum", "noatime";
    no_checksums_and_64_bit_numbers: "-t ext4 -O 64bit,^metadata_csum", "noatime";
    no_checksums_and_32_bit_numbers: "-t ext4 -O ^64bit,^metadata_csum", "noatime";
    ext3: "-t ext3", "noatime";
    ext3_with_its_journal_in_extents: "-t ext3 -O extent", "noatime";
    blocks_of_4_kib: "-t ext4 -b 4096 -J size=4", "noatime";
    transaction_checksum: "-t ext4 -O ^metadata_csum", "noatime,journal_checksum";
    asynchronous_commits: "-t ext4", "noatime,journal_async_commit,data=writeback";
    asynchronous_commits_without_metadata_checksums: "-t ext4 -O ^metadata_csum", "noatime,journal_async_commit,data=writeback";
    data_in_the_log: "-t ext4 -J size=8", "noatime,data=journal";
    data_in_the_log_of_ext3: "-t ext3 -J size=8", "noatime,data=journal";
    data_in_the_log_in_blocks_of_4_kib: "-t ext4 -b 4096 -J size=8", "noatime,data=journal";
}
