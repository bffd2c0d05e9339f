//! The collected images: partition lists against `expected/*.parts.tsv`, and names against what the
//! manifest says is in each.

use std::path::Path;

use imgmount::stack::{Content, Node, Stack};

use super::disk;
use crate::support::images::{self, Scratch};
use crate::support::library;

/// The rows of a table in the folder of images, without its heading.
fn rows(name: &str) -> Vec<Vec<String>> {
    let path = images::folder().unwrap().join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let fields = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().skip(1).map(fields).collect()
}

/// The partitions of the image at `path` in the columns of `expected/*.parts.tsv`.
fn parts(path: &Path) -> Vec<String> {
    let image = library::open_with(path, &Default::default());
    let (format, nodes) = disk::table(&image.stack);
    let line = |node: &Node| {
        let partition = disk::partition(node);
        let (start, len) = node.location.unwrap();
        let kind = match format {
            "gpt" => partition.type_id.to_uppercase(),
            _ => {
                let digits = partition.type_id.trim_start_matches("0x");
                match digits.trim_start_matches('0') {
                    "" => "0".to_owned(),
                    digits => digits.to_owned(),
                }
            }
        };
        let label = partition.label.as_deref().unwrap_or("-");
        let bootable = u8::from(partition.bootable);
        format!(
            "{}\t{start}\t{len}\t{kind}\t{label}\t{bootable}",
            partition.number
        )
    };
    nodes.iter().map(line).collect()
}

#[test]
fn the_images_have_the_expected_partitions() {
    need!(images);
    let scratch = Scratch::new();
    let cases = [
        (
            "partition/libguestfs-mbr-ext2-empty.img.zst",
            "libguestfs-mbr-ext2-empty",
        ),
        (
            "partition/pytsk-tsk_volume_system.img.zst",
            "pytsk-tsk_volume_system",
        ),
        ("partition/util-linux-dos+bsd.img.zst", "util-linux-dos+bsd"),
        ("partition/util-linux-gpt.img.zst", "util-linux-gpt"),
        ("partition/util-linux-bsd.img.zst", "util-linux-bsd"),
        ("partition/util-linux-sgi.img.zst", "util-linux-sgi"),
        ("partition/util-linux-sun.img.zst", "util-linux-sun"),
        ("partition/go-apfs-v2-hfs-apm.img.zst", "go-apfs-v2-hfs-apm"),
    ];
    for (image, expected) in cases {
        let expected = rows(&format!("expected/{expected}.parts.tsv"));
        let mut expected: Vec<String> = expected.iter().map(|row| row.join("\t")).collect();
        let mut found = parts(&images::unpack(image, &scratch));
        if image.contains("dos+bsd") {
            // sfdisk lists the primary partitions alone; `nested` compares the others with partx.
            found.truncate(2);
        }
        if image.contains("apm") {
            // parted, asked for the places, gave neither type nor name.
            let places = |line: &String| line.split('\t').take(3).collect::<Vec<_>>().join("\t");
            (expected, found) = (
                expected.iter().map(places).collect(),
                found.iter().map(places).collect(),
            );
        }
        assert_eq!(found, expected, "{image}");
    }
}

#[test]
fn whole_disks_have_the_volumes_that_another_reader_found() {
    need!(images);
    let scratch = Scratch::new();
    for (image, expected) in [
        ("disk/gpt.raw.xz", "expected/disk-gpt.raw.tsv"),
        ("disk/mbr.raw.xz", "expected/disk-mbr.raw.tsv"),
    ] {
        let image = library::open_with(&images::unpack(image, &scratch), &Default::default());
        let volumes = rows(expected).into_iter().filter(|row| row[2] == "vol");
        let mut compared = 0;
        for row in volumes {
            let node = image
                .stack
                .nodes()
                .into_iter()
                .find(|node| node.name == row[0]);
            let source = node
                .unwrap_or_else(|| panic!("no {}", row[0]))
                .source
                .as_ref()
                .unwrap();
            let bytes = imgmount::source::read_vec(&**source, 0, source.size() as usize).unwrap();
            let path = scratch.join("volume");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(images::sha256(&path), row[9], "{}", row[0]);
            compared += 1;
        }
        assert!(compared > 0, "{expected} has no volumes");
    }
}

#[test]
fn a_first_sector_alone_lists_its_partitions_without_their_bytes() {
    need!(images);
    let scratch = Scratch::new();
    let path = images::unpack("disk/grub_mbr.raw", &scratch);
    let image = library::open_with(&path, &Default::default());
    let (format, nodes) = disk::table(&image.stack);
    assert_eq!((format, nodes.len()), ("mbr", 2));
    for node in nodes {
        let error = node.source.as_ref().err().expect("past the end");
        assert_eq!(
            error.message(),
            "starts past the end of the disk of 512 bytes"
        );
        assert_eq!(error.offset(), node.location.map(|(start, _)| start));
    }
}

/// What the stack calls the content of the only disk, in the manifest's words.
fn name_of(stack: &Stack) -> String {
    match &stack.disks[0].content {
        Content::FileSystem {
            description,
            format,
            ..
        } => {
            let generation = description.facts.iter().map(|(_, value)| value.as_str());
            let generation = generation.chain(description.features.iter().map(String::as_str));
            let found = generation
                .into_iter()
                .find(|it| matches!(*it, "ext2" | "ext3" | "ext4"));
            found.unwrap_or(format).to_owned()
        }
        Content::Recognised { name, .. } => name.clone(),
        Content::Damaged { format, .. } | Content::Locked { format, .. } => (*format).to_owned(),
        Content::Table { format, .. } | Content::Member { format, .. } => (*format).to_owned(),
        Content::Unknown { .. } => "unknown".to_owned(),
    }
}

/// The manifest's words in ours: it tells variants of one format apart.
fn in_our_words(name: &str) -> &str {
    match name {
        "fat12" | "fat16" | "fat32" => "vfat",
        "hfsx" => "hfsplus",
        // Each of these discs holds the same by both.
        "iso9660+udf" => "iso9660",
        "ufs1" | "ufs2" => "ufs",
        "lvm2" => "LVM2_member",
        other => other,
    }
}

/// What the manifest has as unknown, or that we say otherwise, with the reason.
const OTHERWISE: &[(&str, &str)] = &[
    // Its blkid was too old for these; the file names say what they are.
    ("negative/util-linux-bcachefs-3.img.zst", "bcachefs"),
    ("negative/util-linux-bcachefs.img.zst", "bcachefs"),
    // The first 35 KB of a hybrid ISO, whose root lies behind them: its MBR is shown.
    ("negative/file-tests-x.iso.img.zst", "mbr"),
    ("negative/util-linux-cs_fvault2.img.zst", "cs_fvault2"),
    ("negative/util-linux-dasd-cdl.img.zst", "dasd"),
    ("negative/util-linux-scoutfs_meta.img.zst", "scoutfs_meta"),
    // The reader of version 4 refuses it by its version.
    (
        "filesystem/squashfs/util-linux-squashfs3.img.zst",
        "squashfs",
    ),
    // Swap space was made over it. The second header that is left, at 32 KiB, says that it is one of
    // 16 KiB: nothing can be opened by it.
    ("negative/util-linux-swap-luks.img.zst", "swap"),
    // Only ext4's own reader can say what a journal device is.
    ("negative/util-linux-jbd.img.zst", "ext4"),
];

#[test]
fn every_signature_is_named_as_the_manifest_says() {
    need!(images);
    let scratch = Scratch::new();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in rows("manifest-a.tsv") {
        let (file, expected) = (&row[0], in_our_words(&row[3]));
        if !(file.starts_with("negative/") || file.starts_with("filesystem/")) {
            continue;
        }
        let path = images::unpack(file, &scratch);
        let ours = match imgmount::service::open::open(&path, &Default::default()) {
            Ok(image) => name_of(&image.stack),
            Err(error) => error.to_string(),
        };
        std::fs::remove_file(path).unwrap();
        compared += 1;
        let known = OTHERWISE.contains(&(file.as_str(), ours.as_str()));
        if ours != expected && !known {
            wrong.push(format!("{file}: {expected}, not {ours}"));
        }
    }
    assert!(compared > 100, "{compared}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
