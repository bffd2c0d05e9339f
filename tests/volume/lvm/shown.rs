//! What a user gets: the tree of a group over two images, by every verb and in a mount.

use std::path::PathBuf;

use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;

/// The SHA-256 of `seq 1 4000`.
pub const NUMBERS: &str = "b5522725f65691de77d329f3124bb1ddcd70e4f201c7a0b6f841c6ee138c37c6";

/// A group of LVM2's own making, with an ext4 in `vg0/root`, whose extents lie in two pieces:
/// `pvcreate --metadatasize 60k --dataalignment 64k`, `vgcreate -s 128k`, three `lvcreate` of 1 MiB
/// and `lvextend -L +1M vg0/root` on 8 MiB; `mke2fs -d` made the file system.
pub fn group(scratch: &Scratch) -> PathBuf {
    let packed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/volume/lvm/vg0.img.gz");
    let image = scratch.join("vg0.img");
    std::fs::write(&image, Run::new("gzip").arg("-dc").arg(packed).stdout()).unwrap();
    image
}

#[test]
fn a_logical_volume_is_a_directory() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let image = group(&scratch);
    let list = imgmount().arg("ls").arg(&image).arg("vg0").text();
    let names: Vec<&str> = list.lines().collect();
    let expected = ["hyphen-ed_x.y.img", "other.img", "root", "root.img"];
    assert_eq!(names, expected);
    let numbers = imgmount().arg("cat").arg(&image).arg("vg0/root/numbers");
    assert_eq!(
        crate::support::images::sha256_of(&numbers.stdout()),
        NUMBERS
    );
    let one = imgmount()
        .args(["cat", "-p", "vg0/root"])
        .arg(&image)
        .arg("hello");
    assert_eq!(one.text(), "on a logical volume\n");
}

#[test]
fn images_that_are_added_are_opened_by_the_verbs_and_in_a_mount() {
    need!(tool "gzip");
    let scratch = Scratch::new();
    let image = group(&scratch);
    let other = scratch.file("other.img", 1 << 20);
    // The group is what is added: the first image has nothing in it.
    let cat = imgmount().arg("cat").arg("--with").arg(&image).arg(&other);
    assert_eq!(cat.arg("vg0/root/hello").text(), "on a logical volume\n");
    let info = imgmount()
        .args(["info", "--with"])
        .arg(&image)
        .arg(&other)
        .text();
    assert!(
        info.contains("disk2") && info.contains("1 of 1 members: disk2"),
        "{info}"
    );
    let missing = imgmount()
        .args(["info", "--with"])
        .arg(scratch.join("none"))
        .arg(&other);
    let output = missing.output();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("none") && words.contains("No such file"),
        "{words}"
    );
    assert_eq!(output.status.code(), Some(1));
    need!(fuse);
    let run = imgmount().args(["run", "--with"]).arg(&image).arg(&other);
    let run = run.args(["--", "cat", "{}/vg0/root/hello"]);
    assert_eq!(run.text(), "on a logical volume\n");
    let by_option = format!("with={}", image.display());
    let run = imgmount().args(["run", "-o", &by_option]).arg(&other);
    let run = run.args(["--", "sha256sum", "{}/vg0/root/numbers"]);
    assert!(run.text().starts_with(NUMBERS));
}
