//! Logs that debugfs writes, in forms that no kernel writes any more.

use std::path::Path;

use super::{Dirty, compare, needs_recovery, sh};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::kernel::Mounted;

/// A file system with a file of eight blocks, and behind it a log that debugfs writes: opened with
/// `open`, with copies of some blocks, a revoked one, and a transaction that is not committed.
fn written(arguments: &str, open: &str) -> Dirty {
    let scratch = Scratch::new();
    let image = scratch.file("dirty.img", 32 << 20);
    let mke2fs = Run::new("mke2fs").words("-q -F -E lazy_itable_init=0");
    mke2fs.words(arguments).arg(&image).run();
    let mount = Mounted::new(&image, "ext4", "noatime", &scratch.join("live"));
    sh(
        mount.path(),
        "head -c 8192 /dev/zero | tr '\\0' a >f; sync f",
    );
    mount.unmount();
    for (name, byte) in [("b", b"b"), ("c", b"c"), ("d", b"d")] {
        std::fs::write(scratch.join(name), byte.repeat(4096)).unwrap();
    }
    let blocks: Vec<String> = (0..8).map(|index| block(&image, index)).collect();
    let script = format!(
        "{open}\njw -b {0},{1},{2},{3} {b}\njw -b {4} {c}\njw -r {3}\njw -b {5} -r {1} {c}\njw -b {1} {d}\njw -c -b {6} {d}\njc\n",
        blocks[0],
        blocks[1],
        blocks[2],
        blocks[3],
        blocks[4],
        blocks[5],
        blocks[6],
        b = scratch.join("b").display(),
        c = scratch.join("c").display(),
        d = scratch.join("d").display(),
    );
    let commands = scratch.join("commands");
    std::fs::write(&commands, script).unwrap();
    let said = Run::new("debugfs")
        .args(["-w", "-f"])
        .arg(&commands)
        .arg(&image)
        .text();
    assert!(needs_recovery(&image), "{said}");
    Dirty { scratch, image }
}

fn block(image: &Path, index: u32) -> String {
    let bmap = Run::new("debugfs")
        .arg("-R")
        .arg(format!("bmap /f {index}"))
        .arg(image);
    bmap.text().trim().to_owned()
}

macro_rules! cases {
    ($($name:ident: $arguments:expr, $open:expr;)+) => {
        $(
            #[test]
            fn $name() {
                need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
                let found = compare(&written($arguments, $open), &[]);
                assert!(found[&b"f"[..]].content.is_some());
            }
        )+
    };
}

cases! {
    checksums_2_and_64_bit_numbers: "-t ext4 -b 1024 -O 64bit", "jo -c -v 2";
    checksums_2_and_32_bit_numbers: "-t ext4 -b 1024 -O ^64bit", "jo -c -v 2";
    checksums_3: "-t ext4 -b 1024", "jo -c -v 3";
    no_checksums: "-t ext4 -b 1024 -O ^metadata_csum,^64bit", "jo";
    no_checksums_of_ext3: "-t ext3 -b 1024", "jo";
}

/// As many revoked blocks as the removal of a large tree leaves, none of which but one has a copy.
#[test]
fn a_million_revoked_blocks() {
    need!(root, loop, kernel "ext4", tool "mke2fs", tool "debugfs");
    let scratch = Scratch::new();
    let image = scratch.file("dirty.img", 6 << 30);
    Run::new("mke2fs")
        .words("-q -F -t ext4 -b 4096 -O ^metadata_csum,64bit -J size=64")
        .words("-E lazy_itable_init=1,nodiscard")
        .arg(&image)
        .run();
    let [good, bad] = [("good", b"g"), ("bad", b"b")].map(|(name, byte)| {
        let path = scratch.join(name);
        std::fs::write(&path, byte.repeat(4096)).unwrap();
        path.display().to_string()
    });
    let debugfs = |command: &str| {
        let run = Run::new("debugfs").args(["-w", "-R", command]);
        run.arg(&image).text().trim().to_owned()
    };
    debugfs(&format!("write {good} f"));
    let block = block(&image, 0);
    let commands = scratch.join("commands");
    let script = format!("jo\njw -b {block} {bad}\njw -r 100000-1250000,{block}\njc\n");
    std::fs::write(&commands, script).unwrap();
    Run::new("debugfs")
        .args(["-w", "-f"])
        .arg(&commands)
        .arg(&image)
        .run();
    assert!(needs_recovery(&image));
    let found = compare(&Dirty { scratch, image }, &[]);
    assert!(found[&b"f"[..]].content.is_some());
}
