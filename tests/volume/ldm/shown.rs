//! What a user gets of disks that Windows made: by every verb and in a mount.

use std::path::{Path, PathBuf};

use super::made::Group;
use crate::support::command::imgmount;
use crate::support::images::{self, Scratch};

/// The hash of `Red-nzv8x6obywgDg0/Volume2`, spanned over two disks.
const SPANNED: &str = "125be910bcd26819400f505323d777d2a7d06d7017237adf61848bafd5c55278";

/// The first disk of a group that is made here.
pub fn first_disk(scratch: &Scratch) -> PathBuf {
    let path = scratch.join("dynamic.img");
    std::fs::write(&path, Group::three().disk(1)).unwrap();
    path
}

/// Hash and times, which nothing may change.
fn state(path: &Path) -> (String, std::time::SystemTime) {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    (images::sha256(path), modified)
}

#[test]
fn a_volume_over_two_disks_is_listed_read_and_converted() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let disks = super::collected::unpacked("spanned", &[1, 2], &scratch);
    let before: Vec<_> = disks.iter().map(|disk| state(disk)).collect();
    let with = |verb: &str| {
        imgmount()
            .arg(verb)
            .arg("--with")
            .arg(&disks[1])
            .arg(&disks[0])
    };
    let list = "Red-nzv8x6obywgDg0\nby-uuid\ndisk.img\ndisk2.img\n";
    assert_eq!(with("ls").text(), list);
    assert_eq!(with("ls").arg("Red-nzv8x6obywgDg0").text(), "Volume2.img\n");
    let name = "Red-nzv8x6obywgDg0/Volume2";
    let bytes = with("cat").arg(format!("{name}.img")).stdout();
    assert_eq!(images::sha256_of(&bytes), SPANNED);
    let out = scratch.join("volume.raw");
    with("convert").arg(name).arg(&out).run();
    assert_eq!(images::sha256(&out), SPANNED);
    let info = with("info").text();
    for words in [
        "2 of 10 members: ",
        "type: spanned; drive: F:",
        "spanned on disk2 at",
    ] {
        assert!(info.contains(words), "{info}");
    }
    let after: Vec<_> = disks.iter().map(|disk| state(disk)).collect();
    assert!(before == after, "the disks changed");
}

#[test]
fn a_volume_over_two_disks_is_a_file_in_a_mount() {
    need!(images, tool "xz", fuse);
    let scratch = Scratch::new();
    let disks = super::collected::unpacked("spanned", &[2, 1], &scratch);
    let run = imgmount()
        .arg("run")
        .arg("--with")
        .arg(&disks[1])
        .arg(&disks[0]);
    let run = run.args(["--", "sha256sum", "{}/Red-nzv8x6obywgDg0/Volume2.img"]);
    assert!(run.text().starts_with(SPANNED));
}

#[test]
fn a_volume_whose_disk_is_missing_is_named() {
    let scratch = Scratch::new();
    let image = first_disk(&scratch);
    let cat = imgmount().arg("cat").arg(&image).arg("HomeDg0/Span.img");
    let output = cat.output();
    assert_eq!(output.status.code(), Some(1));
    let simple = imgmount().arg("cat").arg(&image).arg("HomeDg0/Simple.img");
    assert_eq!(simple.stdout(), super::made::sectors(1, 0, 8));
    let info = imgmount().arg("info").arg(&image).text();
    let missing = "disk Disk2 (02000000-0000-4000-8000-000000000002) is missing";
    assert!(info.contains(missing), "{info}");
}
