//! Labels and UUIDs of what is named and not read: those that libblkid gives.

use std::collections::BTreeMap;
use std::path::Path;

use imgmount::signature;
use imgmount::source::{Memory, Source};
use imgmount::stack::Content;

use super::made::{self, sample};
use crate::support::command::{self, Run};
use crate::support::images::{self, Scratch};
use crate::support::skip;

/// Formats of which libblkid says more, each with what it takes.
const MORE: &[(&str, &str)] = &[
    ("hfs", "its UUID is a digest of a number in the Finder's"),
    ("befs", "its UUID is an attribute of the root"),
    ("ntfs", "its label is a file"),
    ("ufs", "its UUID depends on the byte order"),
    ("zfs_member", "its names are in a packed list"),
    ("hfsplus", "its label is in the catalog, its UUID a digest"),
    ("VMFS_volume_member", "its identifier is in several parts"),
    ("hpfs", "its names are in the boot sector"),
    ("nss", "nobody has an image"),
    ("ocfs", "nobody has an image"),
    ("gfs", "nobody has an image"),
    ("linux_raid_member", "its reader says it"),
    ("crypto_LUKS", "its reader says it"),
    ("BitLocker", "its reader says it"),
    ("LVM2_member", "its reader says it"),
];

/// What blkid says of the file at `path`: names and values.
fn blkid(path: &Path) -> BTreeMap<String, String> {
    let run = Run::new("blkid").words("-p -o export").arg(path);
    let said = String::from_utf8(run.output().stdout).unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.replace('\\', "")))
    };
    said.lines().filter_map(pair).collect()
}

/// Fails where we say something else than blkid of the bytes at `path`. Gives the number of labels
/// and UUIDs compared.
fn compare(path: &Path, what: &str) -> usize {
    let said = blkid(path);
    let Some(kind) = said.get("TYPE") else {
        return 0;
    };
    let source = Memory(std::fs::read(path).unwrap());
    let found = signature::find(&source);
    let readers: Vec<&str> = imgmount::stack::Registries::BUILT_IN.names().collect();
    let is_ours = |kind: &str| !readers.contains(&kind) && !kind.starts_with("ext");
    let Some(signature) = found.iter().find(|it| it.name == kind && is_ours(it.name)) else {
        return 0;
    };
    let description = signature.describe(&source as &dyn Source);
    let label = description
        .label
        .map(|label| String::from_utf8_lossy(&label).into_owned());
    let except = MORE.iter().any(|(known, _)| known == kind);
    let mut compared = 0;
    for (name, ours) in [("LABEL", label), ("UUID", description.uuid)] {
        let theirs = said.get(name).map(|value| value.trim_end().to_owned());
        assert!(
            ours == theirs || except && ours.is_none(),
            "{what}: {name}: {ours:?} {theirs:?}"
        );
        compared += usize::from(ours.is_some());
    }
    compared
}

#[test]
fn what_tools_make_has_the_label_and_uuid_that_libblkid_gives_it() {
    need!(tool "blkid");
    let scratch = Scratch::new();
    let folder = scratch.folder("folder");
    std::fs::write(folder.join("file"), "file").unwrap();
    let folder = folder.to_str().unwrap().to_owned();
    let mut compared = 0;
    for (size, line) in [
        (300_u64, "mkfs.xfs -q -L a-label IMAGE"),
        (128, "mkfs.btrfs -q -L a-label IMAGE"),
        (64, "mkfs.f2fs -q -l a-label IMAGE"),
        (32, "mkfs.jfs -q -L a-label IMAGE"),
        (64, "mkfs.reiserfs -qff -l a-label IMAGE"),
        (64, "mkfs.reiser4 -yf -L a-label IMAGE"),
        (256, "mkfs.nilfs2 -q -L a-label IMAGE"),
        (0, "mkfs.cramfs -n a-label FOLDER IMAGE"),
        (
            256,
            "mkfs.ocfs2 -q -L a-label -M local --fs-features=local -N 1 IMAGE",
        ),
        (300, "mkfs.gfs2 -O -q -p lock_nolock -t a:label IMAGE"),
        (8, "hformat -f -l a-label IMAGE"),
        (16, "mkfs.ntfs -FqQ IMAGE"),
        (8, "mkswap -L a-label IMAGE"),
        (8, "mkswap -p 65536 -L a-label IMAGE"),
        (8, "make-bcache -B IMAGE"),
        (64, "make-bcache -C IMAGE"),
        (0, "mkfs.ubifs -m 512 -e 15872 -c 100 -r FOLDER -o IMAGE"),
        (8, "mke2fs -q -F -O journal_dev -L a-label IMAGE"),
        (8, "veritysetup format IMAGE.data IMAGE"),
    ] {
        let (tool, arguments) = line.split_once(' ').unwrap();
        if command::find(tool).is_none() {
            skip::skip(module_path!(), &format!("needs {tool}"));
            continue;
        }
        let image = scratch.file("image", size << 20);
        scratch.file("image.data", 1 << 20);
        let path = image.to_str().unwrap();
        let arguments = arguments.replace("IMAGE", path).replace("FOLDER", &folder);
        Run::new(tool).words(&arguments).run();
        compared += compare(&image, line);
        std::fs::remove_file(image).unwrap();
    }
    assert!(compared >= 12, "{compared}");
}

/// Every sample of the signatures with a pattern in place of its zeros, where that leaves it what
/// it is; and what no tool makes here.
#[test]
fn samples_with_every_field_filled_have_the_label_and_uuid_that_libblkid_gives_them() {
    need!(tool "blkid");
    let scratch = Scratch::new();
    let mut compared = 0;
    let digits: &[u8] = b"0123456789abcdef0123456789ABCDEF";
    for sample in [
        sample(
            "apfs",
            64,
            &[
                (8, &[1]),
                (24, &[1, 0, 0, 0x80]),
                (32, b"NXSB"),
                (37, &[0x10]),
                (72, digits),
            ],
        ),
        sample("zonefs", 64, &[(0, b"SFOZ"), (8, b"label"), (40, digits)]),
        sample("ubi", 64, &[(0, b"UBI#\x01"), (24, &[1, 2, 3, 4])]),
        sample("vdo", 64, &[(0, b"dmvdo001"), (40, digits)]),
        sample("LVM1_member", 64, &[(0, b"HM\x01\0"), (44, digits)]),
        sample("oracleasm", 64, &[(32, b"ORCLDISK"), (40, b"label")]),
    ] {
        let path = scratch.file("sample", 0);
        std::fs::write(&path, sample.bytes()).unwrap();
        compared += compare(&path, sample.name);
    }
    for sample in made::all() {
        let path = scratch.file("sample", 0);
        std::fs::write(&path, sample.bytes()).unwrap();
        compare(&path, sample.name);
    }
    assert!(compared >= 5, "{compared}");
}

#[test]
fn collected_images_have_the_label_and_uuid_that_libblkid_gives_them() {
    need!(images, tool "blkid");
    let mut compared = 0;
    let folder = images::folder().unwrap().join("negative");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let scratch = Scratch::new();
        let path = images::unpack(&format!("negative/{name}"), &scratch);
        if path.metadata().unwrap().len() < 64 << 20 {
            compared += compare(&path, &name);
        }
    }
    assert!(compared >= 15, "{compared}");
}

#[test]
fn what_is_named_says_what_would_be_needed() {
    let readers: Vec<&str> = imgmount::stack::Registries::BUILT_IN.names().collect();
    let reader_to_come = ["linux_raid_member", "crypto_LUKS", "BitLocker"];
    for signature in signature::all().filter(|it| it.layer == signature::Layer::Volume) {
        let is_read = readers.contains(&signature.name) || reader_to_come.contains(&signature.name);
        let said = signature.lacks != "its files cannot be shown";
        assert!(is_read || said, "{}", signature.name);
    }
    let bytes = sample("bcache", 64, &[(4104, &[8]), (4112, &[1]), (4120, BCACHE)]).bytes();
    let (stack, _) = crate::partition::disk::open(bytes);
    let Content::Recognised {
        lacks, description, ..
    } = &stack.disks[0].content
    else {
        panic!("{}", crate::partition::disk::kind(&stack.disks[0].content));
    };
    assert!(lacks.contains("--offset"), "{lacks}");
    let facts = [
        ("role", "backing"),
        ("data start", "8192"),
        ("state", "no cache"),
    ];
    let facts = facts.map(|(name, value)| (name, value.to_owned()));
    assert_eq!(description.facts, facts);
}

/// Where `make-bcache -B` puts them.
const BCACHE: &[u8] = &[
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
];

#[test]
fn a_partition_of_storage_spaces_is_named_by_its_type() {
    need!(tool "sgdisk");
    let scratch = Scratch::new();
    let path = scratch.file("disk", 8 << 20);
    let made = Run::new("sgdisk").words("-n 1:2048:4095 -t 1:e75caf8f-f680-4cee-afa3-b001e56efc2d");
    made.arg(&path).run();
    let (stack, _) = crate::partition::disk::open(std::fs::read(path).unwrap());
    match &stack.disks[0].content.children()[0].content {
        Content::Recognised { name, lacks, .. } => {
            assert_eq!(name, "Storage Spaces");
            assert!(lacks.contains("all disks of the pool"), "{lacks}");
        }
        other => panic!("{}", crate::partition::disk::kind(other)),
    }
}

#[test]
fn what_is_named_has_its_links_too() {
    need!(tool "mkswap");
    let scratch = Scratch::new();
    let image = scratch.file("swap", 1 << 20);
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let swap = Run::new("mkswap").words(&format!("-L my-swap -U {uuid}"));
    swap.arg(&image).run();
    let list = |path: &str| command::imgmount().arg("ls").arg(&image).arg(path).text();
    assert_eq!(list("by-label"), "my-swap\n");
    assert_eq!(list("by-uuid"), format!("{uuid}\n"));
    let info = command::imgmount().arg("info").arg(&image).text();
    let line = format!("swap  \"my-swap\"  UUID={uuid} (recognised; swapped pages are no files)");
    assert!(info.contains(&line), "{info}");
}
