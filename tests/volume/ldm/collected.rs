//! The disks of Windows Server 2003 R2, against the hashes that lie beside them: ldmtool's geometry,
//! read by others.

use imgmount::error::Kind;
use imgmount::service::open::{Image, Options};
use imgmount::source::read_vec;
use imgmount::stack::Content;

use super::node;
use crate::support::images::{self, Scratch};
use crate::support::library;

/// The sets: how many disks each has, and its volume.
const SETS: [(&str, usize, &str); 5] = [
    ("simple", 1, "Volume1"),
    ("spanned", 2, "Volume2"),
    ("striped", 2, "Stripe1"),
    ("mirrored", 2, "Volume3"),
    ("raid5", 3, "Raid1"),
];

const GROUP: &str = "Red-nzv8x6obywgDg0";

/// The hash of the whole volume, and of the text file in it.
fn expected(set: &str) -> [String; 2] {
    let path = format!("expected/volume-ldm-2003r2-{set}.tsv");
    let text = std::fs::read_to_string(images::folder().unwrap().join(path)).unwrap();
    let rows = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let mut hashes = [String::new(), String::new()];
    for row in rows {
        match row[2] {
            "vol" => hashes[0] = row[9].to_owned(),
            "f" => hashes[1] = row[9].to_owned(),
            _ => {}
        }
    }
    hashes
}

/// Unpacked disks of a set.
pub fn unpacked(set: &str, numbers: &[usize], scratch: &Scratch) -> Vec<std::path::PathBuf> {
    let disk = |number: &usize| format!("volume/ldm/ldm-2003r2-{set}-{number}.img.xz");
    let disks = numbers.iter().map(disk);
    disks.map(|disk| images::unpack(&disk, scratch)).collect()
}

fn open(disks: &[std::path::PathBuf]) -> Image {
    let options = Options {
        with: disks[1..].to_vec(),
        ..Options::default()
    };
    library::open_with(&disks[0], &options)
}

/// The bytes of the set's volume on these of its disks.
fn volume(set: &str, name: &str, numbers: &[usize]) -> (Image, Vec<u8>) {
    let scratch = Scratch::new();
    let image = open(&unpacked(set, numbers, &scratch));
    let source = node(&image.stack, &format!("{GROUP}/{name}"))
        .source
        .clone();
    let source = source.unwrap_or_else(|error| panic!("{set} {numbers:?}: {error}"));
    let bytes = read_vec(&*source, 0, source.size() as usize).unwrap();
    (image, bytes)
}

/// Whether the volume that `name` names has the bytes that others read, on these of its disks.
fn check(set: &str, name: &str, numbers: &[usize]) -> Image {
    let (image, bytes) = volume(set, name, numbers);
    let [whole, text] = expected(set);
    assert_eq!(images::sha256_of(&bytes), whole, "{set} {numbers:?}");
    // The file has a cluster of its own.
    let content = b"Filesystem test";
    assert_eq!(images::sha256_of(content), text);
    let mut clusters = bytes.chunks(512);
    assert!(
        clusters.any(|it| it.starts_with(content)),
        "{set}: no test.txt"
    );
    image
}

#[test]
fn volumes_of_every_type_are_those_of_ldmtool() {
    need!(images, tool "xz");
    for (set, disks, name) in SETS {
        let forward: Vec<usize> = (1..=disks).collect();
        let image = check(set, name, &forward);
        assert_eq!(image.stack.sets.len(), 1);
        assert_eq!(image.stack.sets[0].members.len(), disks);
        assert_eq!(image.stack.sets[0].expected, 10);
    }
}

#[test]
fn disks_come_in_any_order() {
    need!(images, tool "xz");
    check("spanned", "Volume2", &[2, 1]);
    check("striped", "Stripe1", &[2, 1]);
    check("raid5", "Raid1", &[3, 1, 2]);
}

#[test]
fn a_mirror_and_a_raid5_open_without_any_one_of_their_disks() {
    need!(images, tool "xz");
    for (set, name, left) in [
        ("mirrored", "Volume3", &[1][..]),
        ("mirrored", "Volume3", &[2]),
        ("raid5", "Raid1", &[2, 3]),
        ("raid5", "Raid1", &[3, 1]),
        ("raid5", "Raid1", &[1, 2]),
    ] {
        let image = check(set, name, left);
        let notices = image.notices.all();
        let words = format!("volume {name}: ");
        let said = notices
            .iter()
            .any(|it| it.contains(&words) && it.contains("is missing"));
        assert!(said, "{notices:?}");
    }
}

#[test]
fn l07_volumes_whose_disks_are_missing_name_them() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let image = open(&unpacked("raid5", &[2], &scratch));
    let Content::Table { children, .. } = &image.stack.sets[0].content else {
        panic!("no table");
    };
    assert_eq!(children.len(), 6);
    for (name, disks) in [
        ("Volume1", &["d17c2c04-6afc-46c3-84b7-cdc2f3956c5c"][..]),
        (
            "Raid1",
            &[
                "Disk8 (ce3fd206-854c-4207-985b-9e0125885f20)",
                "Disk10 (bb1570c9-aa66-47df-a8f1-4c89db3e0704)",
            ],
        ),
        (
            "Volume3",
            &[
                "bfcb718c-3809-44b7-ae62-c94a3bd6b057",
                "47980158-abc7-46e3-a95f-7c00f8539073",
            ],
        ),
    ] {
        let node = node(&image.stack, &format!("{GROUP}/{name}"));
        let error = node.source.as_ref().err().unwrap();
        assert_eq!(error.kind(), Kind::NotFound);
        let text = error.to_string();
        assert!(disks.iter().all(|disk| text.contains(disk)), "{text}");
    }
}
