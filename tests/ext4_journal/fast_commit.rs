//! Fast commits: records behind the log.

use std::path::Path;

use super::{Dirty, compare, dirty, sh};

/// What the kernel sets to the time of its own recovery.
const NOW: &[&str] = &["mtime", "ctime"];

const MKE2FS: &str = "-t ext4 -O fast_commit";

/// A file system with some files in place, then `script`, which must leave fast commits.
fn after(script: &str) -> Dirty {
    dirty(64 << 20, MKE2FS, "noatime", |at| {
        sh(
            at,
            "mkdir d e t; for n in $(seq 200); do : >t/one-of-the-names-that-make-it-a-tree-of-many-leaves-$n; done; for n in 1 2 3 4 5 6; do seq $((n * 3000)) >d/f$n; done; sync -f .; sleep 0.1
             echo full >d/full; sync d/full; sync -f .; echo start >d/start; sync d/start",
        );
        let before = commits(at);
        sh(at, script);
        let after = commits(at);
        assert!(
            after > before,
            "{script}: no fast commit ({before}, {after})"
        );
    })
}

/// The number of fast commits since the mount.
fn commits(at: &Path) -> u64 {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let at = at.to_str().unwrap();
    let line = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some(at));
    let device = line.unwrap().split(' ').next().unwrap();
    let device = device.strip_prefix("/dev/").unwrap();
    let path = format!("/proc/fs/ext4/{device}/fc_info");
    let info = std::fs::read_to_string(path).unwrap();
    let line = info
        .lines()
        .find(|line| line.ends_with(" commits"))
        .unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

macro_rules! cases {
    ($($name:ident: $script:expr;)+) => {
        $(
            #[test]
            fn $name() {
                need!(root, loop, kernel "ext4", tool "mke2fs");
                compare(&after($script), NOW);
            }
        )+
    };
}

cases! {
    created: "for n in $(seq 20); do echo new $n >d/new$n; sync d/new$n; done";
    appended: "for n in 1 2 3; do seq 10000 >>d/f1; sync d/f1; done";
    truncated: "truncate -s 5000 d/f2; sync d/f2; truncate -s 0 d/f3; sync d/f3; truncate -s 1000000 d/f4; sync d/f4";
    punched: "fallocate -p -o 4096 -l 8192 d/f5; sync d/f5; fallocate -p -o 0 -l 4096 d/f6; sync d/f6";
    preallocated: "fallocate -l 300000 d/pre; sync d/pre; fallocate -n -o 1000000 -l 100000 d/f1; sync d/f1";
    sparse: "for n in $(seq 12); do echo x | dd of=d/sparse bs=1 seek=$((n * 50000)) conv=notrunc status=none; sync d/sparse; done";
    linked: "ln d/f1 d/l1; sync d/f1; ln d/f2 e/l2; sync d/f2";
    renamed: "mv d/f1 d/r1; echo x >>d/r1; sync d/r1; mv d/f2 e/r2; echo y >>e/r2; sync e/r2; mv d/f3 d/f4; echo z >>d/f4; sync d/f4";
    unlinked: "ln d/f1 d/l1; rm d/f1; echo x >>d/l1; sync d/l1; rm d/f2; echo >>d/f3; sync d/f3";
    directory_made: "mkdir d/sub; echo x >d/sub/x; sync d/sub/x; echo y >>d/f1; sync d/f1";
    overwritten: "seq 9000 -1 1 >d/f6; sync d/f6; seq 5 >d/f5; sync d/f5";
    many_names: "for n in $(seq 12); do echo $n >e/a-rather-long-name-of-a-file-so-that-blocks-fill-$n; done; sync e/a-rather-long-name-of-a-file-so-that-blocks-fill-12; echo >>d/f1; sync d/f1";
    a_directory_that_becomes_a_tree: "for n in $(seq 100); do echo $n >e/a-rather-long-name-of-a-file-so-that-blocks-fill-$n; done; sync e/a-rather-long-name-of-a-file-so-that-blocks-fill-100";
    in_a_tree: "for n in $(seq 60); do echo $n >t/another-name-that-goes-between-the-others-$n; done; sync t/another-name-that-goes-between-the-others-60; rm t/one-*-7; mv t/one-*-8 t/moved; echo >>t/moved; sync t/moved";
}
