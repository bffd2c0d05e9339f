//! Files that were deleted while somebody had them open.

use std::fs::File;

use super::{Dirty, compare, dirty, sh};

/// A copy in which three files and a directory are orphans.
fn deleted(arguments: &str) -> Dirty {
    dirty(64 << 20, arguments, "noatime", |at| {
        sh(
            at,
            "mkdir d; for n in 1 2 3 4; do seq $((n * 30000)) >d/f$n; done
             fallocate -l 100000 d/pre || echo x >d/pre; setfattr -n user.x -v $(seq -s, 150) d/f2
             cp --preserve=xattr d/f2 d/f5; sync -f .",
        );
        let names = ["d/f1", "d/f2", "d/pre"];
        let held = names.map(|name| File::open(at.join(name)).unwrap());
        sh(at, "rm d/f1 d/f2 d/pre; echo x >d/last; sync d/last d");
        held
    })
}

#[test]
fn in_the_list() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    compare(&deleted("-t ext4 -O ^orphan_file"), &[]);
}

#[test]
fn in_the_list_of_ext3() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    compare(&deleted("-t ext3 -b 1024"), &[]);
}

#[test]
fn in_the_orphan_file() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    compare(&deleted("-t ext4 -O orphan_file"), &[]);
}

#[test]
fn with_clusters() {
    need!(root, loop, kernel "ext4", tool "mke2fs");
    compare(&deleted("-t ext4 -O bigalloc -C 16384"), &[]);
}
