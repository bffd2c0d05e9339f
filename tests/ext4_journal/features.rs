//! Every form of log that this kernel writes.

use super::{compare, dirty, sh};
use crate::support::command::Run;

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

fn check(arguments: &str, options: &str, features: &str) {
    let dirty = dirty(64 << 20, arguments, options, |at| sh(at, WORK));
    let list = Run::new("dumpe2fs").arg("-h").arg(&dirty.image).text();
    let line = list
        .lines()
        .find(|line| line.starts_with("Journal features:"));
    let found: Vec<_> = line.unwrap().split_whitespace().skip(2).collect();
    assert_eq!(found.join(" "), features, "the journal's features");
    let found = compare(&dirty, &[]);
    assert!(found.len() > 100, "{} files", found.len());
}

macro_rules! cases {
    ($($name:ident: $arguments:expr, $options:expr, $features:expr;)+) => {
        $(
            #[test]
            fn $name() {
                need!(root, loop, kernel "ext4", tool "mke2fs");
                check($arguments, $options, $features);
            }
        )+
    };
}

cases! {
    checksums_3_and_64_bit_numbers: "-t ext4 -O 64bit,metadata_csum", "noatime", "journal_64bit journal_checksum_v3";
    checksums_3_and_32_bit_numbers: "-t ext4 -O ^64bit,metadata_csum", "noatime", "journal_checksum_v3";
    no_checksums_and_64_bit_numbers: "-t ext4 -O 64bit,^metadata_csum", "noatime", "journal_64bit";
    no_checksums_and_32_bit_numbers: "-t ext4 -O ^64bit,^metadata_csum", "noatime", "(none)";
    ext3: "-t ext3", "noatime", "(none)";
    ext3_with_its_journal_in_extents: "-t ext3 -O extent", "noatime", "(none)";
    blocks_of_4_kib: "-t ext4 -b 4096 -J size=4", "noatime", "journal_64bit journal_checksum_v3";
    transaction_checksum: "-t ext4 -O ^metadata_csum", "noatime,journal_checksum", "journal_checksum journal_64bit";
    transaction_checksum_and_32_bit_numbers: "-t ext3", "noatime,journal_checksum", "journal_checksum";
    asynchronous_commits: "-t ext4", "noatime,journal_async_commit,data=writeback", "journal_64bit journal_async_commit journal_checksum_v3";
    asynchronous_commits_with_transaction_checksum: "-t ext4 -O ^metadata_csum", "noatime,journal_async_commit,data=writeback", "journal_checksum journal_64bit journal_async_commit";
    data_in_the_log: "-t ext4 -J size=8", "noatime,data=journal", "journal_64bit journal_checksum_v3";
    data_in_the_log_of_ext3: "-t ext3 -J size=8", "noatime,data=journal", "(none)";
    data_in_the_log_in_blocks_of_4_kib: "-t ext4 -b 4096 -J size=8", "noatime,data=journal", "journal_64bit journal_checksum_v3";
}
