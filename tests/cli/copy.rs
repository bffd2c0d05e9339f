//! `cp` judged by the kernel: what it copies out of an image is what the kernel's mount shows.

use std::path::Path;

use crate::compare::workload;
use crate::support::command::{Run, imgmount};
use crate::support::images::{Scratch, copy};
use crate::support::kernel::Mounted;
use crate::support::record::{Comparison, Tree};
use crate::support::walk;

/// What a copy cannot have, or has by its own file system.
const NOT_COPIED: &[&str] = &[
    "blocks",
    "block size",
    "ctime",
    "crtime",
    "flags",
    "ino",
    "map",
    "entries",
];

/// The tree below `root`, without what a directory has by its file system.
fn tree(root: &Path) -> Tree {
    let mut tree = walk::mounted(root);
    for record in tree.values_mut().filter(|record| record.kind == 'd') {
        record.size = 0;
        // The listing of the source read it.
        record.atime = (0, 0);
    }
    tree
}

fn mkfs(scratch: &Scratch, name: &str) -> std::path::PathBuf {
    let image = scratch.file(name, 256 << 20);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -I 256 -N 20000")
        .arg(&image)
        .run();
    image
}

#[test]
fn a_copy_with_everything_preserved_is_the_kernels_tree() {
    need!(root, kernel "ext4", loop, tool "mke2fs");
    let scratch = Scratch::new();
    let image = mkfs(&scratch, "source");
    let source = Mounted::recovered(&image, &scratch.folder("writing"));
    workload::everything(source.path(), 500);
    source.unmount();
    let reference = scratch.join("reference");
    copy(&image, &reference);

    let dest = mkfs(&scratch, "dest");
    let dest = Mounted::recovered(&dest, &scratch.folder("dest-mount"));
    let out = dest.path().join("out");
    let copied = imgmount()
        .args(["cp", "--preserve=all"])
        .arg(&image)
        .arg("/")
        .arg(&out)
        .output();
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert_eq!(copied.status.code(), Some(0), "{said}");

    let kernel = Mounted::recovered(&reference, &scratch.folder("kernel"));
    let (expected, found) = (tree(kernel.path()), tree(&out));
    let count = Comparison {
        expected: &expected,
        referee: "the kernel",
        found: &found,
        without: NOT_COPIED,
    }
    .check("cp --preserve=all");
    assert!(count > 500, "{count}");
}
