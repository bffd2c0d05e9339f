//! Files that were deleted while somebody had them open.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::{Dirty, compare, dirty, judge, library, open, sh};
use crate::support::command::Run;
use crate::support::images::{Scratch, copy};
use crate::support::kernel::Mounted;
use crate::support::record::Comparison;

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

/// A clean file system with fragmented files of some hundred blocks, `a` and `b`, made as if the
/// power had failed while they were truncated.
fn truncated(arguments: &str) -> Dirty {
    let scratch = Scratch::new();
    let image = scratch.file("dirty.img", 64 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -E lazy_itable_init=0");
    mke2fs.words(arguments).arg(&image).run();
    let mount = Mounted::new(&image, "ext4", "noatime", &scratch.join("live"));
    let script = "for n in $(seq 150); do for f in a b; do dd if=/dev/urandom of=$f bs=3000 count=1 seek=$((n * 3)) conv=notrunc status=none; done; done";
    sh(mount.path(), script);
    let number = |name: &str| std::fs::metadata(mount.path().join(name)).unwrap().ino();
    let (a, b) = (number("a"), number("b"));
    mount.unmount();
    // The list goes from a to b, and round again: the kernel ends where b's next is no orphan any
    // more.
    let script = format!(
        "set_super_value last_orphan {a}\nset_inode_field a size 1000000\nset_inode_field b size 5000\n\
         set_inode_field a dtime @{b}\nset_inode_field b dtime @{a}\n"
    );
    let commands = scratch.join("commands");
    std::fs::write(&commands, script).unwrap();
    let debugfs = Run::new("debugfs").args(["-w", "-f"]).arg(&commands);
    debugfs.arg(&image).run();
    Dirty { scratch, image }
}

/// Compares with the kernel, and gives our notices.
fn judged(dirty: &Dirty, intact: &Path) -> String {
    let expected = judge(dirty, intact, "noatime").unwrap();
    let opened = open(&dirty.image);
    let found = library::walk(&*library::file_system(&opened));
    let comparison = Comparison {
        expected: &expected,
        referee: "the kernel",
        found: &found,
        without: &["mtime", "ctime"],
    };
    comparison.check("after the orphans");
    opened.notices.all().join("\n")
}

#[test]
fn e23_truncated_files_in_a_list_that_goes_round() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    for arguments in [
        "-t ext4",
        "-t ext4 -b 4096 -O ^metadata_csum,uninit_bg",
        "-t ext3 -b 1024",
        "-t ext2 -b 2048",
        "-t ext4 -O bigalloc -C 16384",
    ] {
        let dirty = truncated(arguments);
        let notices = judged(&dirty, &dirty.image);
        assert!(
            notices.contains("0 deleted, 2 truncated"),
            "{arguments}: {notices}"
        );
        assert!(
            notices.contains("is in the list twice"),
            "{arguments}: {notices}"
        );
    }
}

#[test]
fn e23_a_list_of_garbage() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let dirty = truncated("-t ext4");
    for first in [2, 8, 100_000, u32::MAX] {
        let command = format!("set_super_value last_orphan {first}");
        Run::new("debugfs")
            .args(["-w", "-R", &command])
            .arg(&dirty.image)
            .run();
        let notices = judged(&dirty, &dirty.image);
        assert!(notices.contains("can be no orphan"), "{first}: {notices}");
    }
}

/// The kernel refuses it; what it shows of the intact one is shown.
#[test]
fn e23_an_orphan_file_of_garbage() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let intact = scratch.file("intact.img", 16 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -t ext4 -b 1024 -O orphan_file");
    mke2fs.arg(&intact).run();
    let list = Run::new("dumpe2fs").arg("-h").arg(&intact).text();
    let inode = list
        .lines()
        .find_map(|line| line.strip_prefix("Orphan file inode:"));
    let bmap = format!("bmap <{}> 0", inode.unwrap().trim());
    let block = Run::new("debugfs").args(["-R", &bmap]).arg(&intact).text();
    let tail = (block.trim().parse::<u64>().unwrap() + 1) * 1024 - 8;
    let image = scratch.join("dirty.img");
    let dirty = Dirty { scratch, image };
    for (offset, words) in [(tail, "ob_magic 0xffffffff"), (tail + 4, "ob_checksum")] {
        copy(&intact, &dirty.image);
        let file = File::options().write(true).open(&dirty.image).unwrap();
        file.write_all_at(&[0xff; 4], offset).unwrap();
        judge(&dirty, &dirty.image, "noatime").expect_err("the kernel refuses it");
        let notices = judged(&dirty, &intact);
        let at = format!("at byte {:#x}", tail + 8 - 1024);
        let says = |line: &str| line.contains(words) && line.contains(&at);
        assert!(notices.lines().any(says), "{at}: {notices}");
    }
}
