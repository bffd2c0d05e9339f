//! Images in memory and images that tools make: they have the names that libblkid gives them.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::Path;

use imgmount::signature::{self, Layer};
use imgmount::source::Memory;

use super::made;
use crate::support::command::{self, Run};
use crate::support::images::Scratch;
use crate::support::skip;

/// Signatures without a sample here, each with what names it instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("befs", "collected"),
    ("exfat", "collected"),
    ("jbd", "collected"),
    ("minix", "mkfs.minix, collected"),
    ("nilfs2", "collected"),
    ("udf", "collected"),
    ("xfs_external_log", "collected"),
];

/// The names that are found in `bytes`, but for containers'.
fn found(bytes: Vec<u8>) -> Vec<&'static str> {
    let found = signature::find(&Memory(bytes));
    let inner = found.iter().filter(|it| it.layer != Layer::Image);
    inner.map(|it| it.name).collect()
}

/// What libblkid calls the file at `path`.
fn blkid(path: &Path) -> String {
    let blkid = Run::new("blkid").words("-p -o value -s TYPE").arg(path);
    let said = String::from_utf8(blkid.output().stdout).unwrap();
    said.trim().to_owned()
}

#[test]
fn every_signature_has_a_sample() {
    let samples: BTreeSet<&str> = made::all().iter().map(|sample| sample.name).collect();
    for signature in signature::all() {
        let wanted = matches!(signature.layer, Layer::Volume | Layer::FileSystem);
        let name = signature.name;
        let elsewhere = ELSEWHERE.iter().any(|(known, _)| *known == name);
        assert!(!wanted || samples.contains(name) != elsewhere, "{name}");
    }
}

#[test]
fn samples_have_the_name_that_libblkid_gives_them() {
    need!(tool "blkid");
    let scratch = Scratch::new();
    let known = Run::new("blkid").arg("-k").text();
    let known: BTreeSet<&str> = known.lines().collect();
    let mut wrong = Vec::new();
    for sample in made::all() {
        let bytes = sample.bytes();
        let path = scratch.file("sample", bytes.len() as u64);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        for (index, page) in bytes.chunks(4096).enumerate() {
            if page.iter().any(|byte| *byte != 0) {
                file.write_all_at(page, index as u64 * 4096).unwrap();
            }
        }
        let said = blkid(&path);
        let (name, ours) = (sample.name, found(bytes));
        if ours != [name] || known.contains(name) && said != name {
            wrong.push(format!("{name}: {said:?} by libblkid, {ours:?} by us"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name, the MiB of the file beforehand, and what makes it from a FOLDER or in the IMAGE.
const TOOLS: &[(&str, u64, &str)] = &[
    ("xfs", 300, "mkfs.xfs -q IMAGE"),
    ("btrfs", 128, "mkfs.btrfs -q IMAGE"),
    ("f2fs", 64, "mkfs.f2fs -q IMAGE"),
    ("jfs", 32, "mkfs.jfs -q IMAGE"),
    ("reiserfs", 64, "mkfs.reiserfs -qff IMAGE"),
    ("reiser4", 64, "mkfs.reiser4 -yf IMAGE"),
    ("nilfs2", 256, "mkfs.nilfs2 -q IMAGE"),
    ("minix", 8, "mkfs.minix -1 IMAGE"),
    ("minix", 8, "mkfs.minix -1 -n 14 IMAGE"),
    ("minix", 8, "mkfs.minix -2 IMAGE"),
    ("minix", 8, "mkfs.minix -3 IMAGE"),
    ("bfs", 8, "mkfs.bfs IMAGE"),
    ("cramfs", 0, "mkfs.cramfs FOLDER IMAGE"),
    ("cramfs", 0, "mkfs.cramfs -N big FOLDER IMAGE"),
    (
        "ocfs2",
        256,
        "mkfs.ocfs2 -q -M local --fs-features=local -N 1 IMAGE",
    ),
    ("gfs2", 300, "mkfs.gfs2 -O -q -p lock_nolock IMAGE"),
    ("hfs", 8, "hformat -f IMAGE"),
    ("ntfs", 16, "mkfs.ntfs -FqQ IMAGE"),
    ("swap", 8, "mkswap IMAGE"),
    ("swap", 8, "mkswap -p 65536 IMAGE"),
    (
        "crypto_LUKS",
        32,
        "cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 IMAGE FOLDER/key",
    ),
    (
        "crypto_LUKS",
        32,
        "cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 IMAGE FOLDER/key",
    ),
    ("bcache", 8, "make-bcache -B IMAGE"),
    (
        "ubifs",
        0,
        "mkfs.ubifs -m 512 -e 15872 -c 100 -r FOLDER -o IMAGE",
    ),
    ("iso9660", 0, "xorriso -as mkisofs -quiet -o IMAGE FOLDER"),
];

#[test]
fn what_tools_make_has_the_name_that_libblkid_gives_it() {
    need!(tool "blkid");
    let scratch = Scratch::new();
    let folder = scratch.folder("folder");
    std::fs::write(folder.join("key"), "key").unwrap();
    let folder = folder.to_str().unwrap().to_owned();
    for (name, size, line) in TOOLS {
        let (tool, arguments) = line.split_once(' ').unwrap();
        if command::find(tool).is_none() {
            skip::skip(module_path!(), &format!("needs {tool}"));
            continue;
        }
        let image = scratch.file("image", size << 20);
        let path = image.to_str().unwrap();
        let arguments = arguments.replace("IMAGE", path).replace("FOLDER", &folder);
        Run::new(tool).words(&arguments).run();
        assert_eq!(blkid(&image), *name, "{line}");
        assert_eq!(found(std::fs::read(&image).unwrap()), [*name], "{line}");
        std::fs::remove_file(image).unwrap();
    }
}
