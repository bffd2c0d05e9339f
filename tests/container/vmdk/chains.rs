//! Delta disks: children of parents of any kind, larger and smaller, and parents that are not what
//! they were.

use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use imgmount::service::open::{Options, open};

use super::generate::{self, kinds};
use super::{convert, error, refused};
use crate::container::{compare, compare_holes, converted, disk, disk_with, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 5 * 1024 * 1024;

/// A child of `parent` called `name`, of `size` bytes, made with `options`.
fn child(parent: &Path, name: &str, options: &str, size: u64) -> PathBuf {
    let image = parent.with_file_name(name);
    let mut create = Run::new("qemu-img").words("create -q -f vmdk -F vmdk -b");
    create = create.arg(parent.file_name().unwrap());
    if !options.is_empty() {
        create = create.args(["-o", options]);
    }
    create.arg(&image).arg(size.to_string()).run();
    image
}

fn compare_with_qemu(image: &Path, scratch: &Scratch) {
    let expected = converted(image, "-f vmdk", scratch);
    let disk = disk(image);
    compare(&disk, &expected);
    compare_holes(&disk, image, "-f vmdk");
}

#[test]
fn a_chain_of_three_written_at_every_level() {
    need!(tool "qemu-img", tool "qemu-io");
    for options in ["", "zeroed_grain=on", "subformat=twoGbMaxExtentSparse"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, SIZE, 21);
        let base = convert(&raw, "base.vmdk", "", &scratch);
        let middle = child(&base, "middle.vmdk", options, SIZE);
        guest::overwrite(&middle, "vmdk", SIZE, 1, 25);
        let top = child(&middle, "top disk.vmdk", options, SIZE);
        guest::overwrite(&top, "vmdk", SIZE, 2, 25);
        for image in [base, middle, top] {
            compare_with_qemu(&image, &scratch);
        }
    }
}

#[test]
fn parents_of_other_sizes_and_kinds() {
    need!(tool "qemu-img", tool "qemu-io");
    let kinds = ["monolithicFlat", "twoGbMaxExtentFlat", "streamOptimized"];
    for (number, kind) in kinds.into_iter().enumerate() {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, SIZE, 22);
        let base = convert(&raw, "base.vmdk", &format!("subformat={kind}"), &scratch);
        let size = [SIZE * 2 + 512, SIZE / 2 + 512, SIZE][number];
        let top = child(&base, "top.vmdk", "", size);
        guest::overwrite(&top, "vmdk", size, 3, 20);
        compare_with_qemu(&top, &scratch);
    }
}

#[test]
fn snapshots_as_esxi_makes_them() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 23);
    let base = convert(&raw, "disk.vmdk", "subformat=monolithicFlat", &scratch);
    let sectors = SIZE as usize / 512;
    let cowd = generate::cowd(sectors, 1, &kinds(sectors, 1), 4);
    let se = generate::se_sparse(sectors, &kinds(sectors / 8, 2), 5);
    for (name, extent, kind) in [
        ("disk-000001", cowd, ("vmfsSparse", "VMFSSPARSE")),
        ("disk-000002", se, ("seSparse", "SESPARSE")),
    ] {
        let image = generate::described(&scratch, name, kind, sectors, &extent);
        adopt(&image, &base, "disk.vmdk");
        compare_with_qemu(&image, &scratch);
    }
}

/// Makes the disk of the descriptor `image` a child of `parent`, called `hint` there.
fn adopt(image: &Path, parent: &Path, hint: &str) {
    let text = std::fs::read_to_string(image).unwrap();
    let cid = format!("parentCID={}\nparentFileNameHint=\"{hint}\"", cid(parent));
    std::fs::write(image, text.replace("parentCID=ffffffff", &cid)).unwrap();
}

fn cid(image: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(image).unwrap()).into_owned();
    let cid = text.split("\nCID=").nth(1).expect("a CID");
    cid.lines().next().unwrap().to_owned()
}

#[test]
fn a_parent_that_was_written_since_is_refused_or_read_with_a_notice() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 24);
    let base = convert(&raw, "base.vmdk", "", &scratch);
    let top = child(&base, "top.vmdk", "", SIZE);
    compare(&disk(&top), &raw);
    guest::overwrite(&base, "vmdk", SIZE, 9, 20);
    let error = refused(&top);
    assert!(error.contains("parentCID is "), "{error}");
    assert!(error.contains("--ignore-checksums"), "{error}");
    let mut options = Options::default();
    options.format.ignore_checksums = true;
    let opened = open(&top, &options).unwrap();
    let notices = opened.notices.all();
    assert!(notices[0].contains("parentCID is "), "{notices:?}");
    let expected = converted(&base, "-f vmdk", &scratch);
    compare(&disk_with(&top, &options), &expected);
}

#[test]
fn a_hint_of_windows_and_an_encoding() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 25);
    let base = convert(&raw, "größe.vmdk", "", &scratch);
    let line = "RW 10240 ZERO";
    let image = generate::descriptor(&scratch.join("child.vmdk"), "vmfsSparse", line);
    adopt(&image, &base, r"C:\VMs\gr@e.vmdk");
    let text = std::fs::read_to_string(&image).unwrap();
    let text = text.replace("version=1", "version=1\nencoding=\"windows-1252\"");
    let (before, after) = text.split_once('@').unwrap();
    let latin = [before.as_bytes(), b"\xf6\xdf", after.as_bytes()].concat();
    std::fs::write(&image, &latin).unwrap();
    assert_eq!(disk(&image).size(), SIZE);
    // A ZERO extent hides the parent; without its line's file the disk is refused.
    let zeros = disk(&image).extent_at(0).unwrap();
    assert_eq!(
        (zeros.kind, zeros.len.get()),
        (imgmount::source::ExtentKind::Zeros, SIZE)
    );
    std::fs::rename(&base, scratch.join("other.vmdk")).unwrap();
    assert!(refused(&image).contains("parent "));
}

#[test]
fn v09_parent_loop() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let line = "RW 10240 ZERO";
    let make = |name: &str, parent: &str| {
        let path = scratch.join(name);
        let image = generate::descriptor(&path, "vmfsSparse", line);
        let text = std::fs::read_to_string(&image).unwrap();
        let hint = format!("parentCID=12345678\nparentFileNameHint=\"{parent}\"");
        std::fs::write(&image, text.replace("parentCID=ffffffff", &hint)).unwrap();
        image
    };
    let own = make("a.vmdk", "a.vmdk");
    let looped = |image: &std::path::Path| {
        let error = error(image);
        assert!(error.to_string().contains("backing loop"), "{error}");
        assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    };
    looped(&own);
    let first = make("b.vmdk", "c.vmdk");
    make("c.vmdk", "d.vmdk");
    make("d.vmdk", "b.vmdk");
    looped(&first);
    for number in 0..300 {
        make(&format!("n{number}.vmdk"), &format!("n{}.vmdk", number + 1));
    }
    let error = refused(&scratch.join("n0.vmdk"));
    assert!(error.contains("chain depth 16"), "{error}");
    // Neither a CID without a hint nor a hint without a CID.
    let text = std::fs::read_to_string(&first).unwrap();
    let no_hint = text.replace("parentFileNameHint", "other");
    std::fs::write(&first, no_hint).unwrap();
    assert!(refused(&first).contains("parentCID 12345678 and no parentFileNameHint"));
    std::fs::write(&first, text.replace("parentCID", "other")).unwrap();
    assert!(refused(&first).contains("parentCID is missing"));
}
