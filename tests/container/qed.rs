//! QED as qemu-img writes it, against what qemu-img reads.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::{Error, Kind};
use imgmount::service::open::{Options, open};

use super::{compare, compare_holes, converted, disk, flips, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 9 * 1024 * 1024 + 512;

/// A random disk as QED, by qemu-img with `options`.
fn made(scratch: &Scratch, options: &str, seed: u64) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, seed);
    let image = scratch.join("disk.qed");
    let convert = Run::new("qemu-img").words("convert -f raw -O qed");
    convert.words(options).arg(raw).arg(&image).run();
    image
}

fn overlay(scratch: &Scratch, name: &str, base: &Path, format: &str, size: u64) -> PathBuf {
    let image = scratch.join(name);
    let create = Run::new("qemu-img").words("create -q -f qed -F");
    let create = create.arg(format).arg("-b").arg(base.file_name().unwrap());
    create.arg(&image).arg(size.to_string()).run();
    image
}

fn patch(image: &Path, offset: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(image).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn number(image: &Path, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    let file = std::fs::File::open(image).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    u64::from_le_bytes(bytes)
}

/// The error of an image whose field at `offset` was overwritten with `bytes`.
fn refused(offset: u64, bytes: &[u8]) -> Error {
    let scratch = Scratch::new();
    let image = made(&scratch, "", 5);
    patch(&image, offset, bytes);
    open(&image, &Options::default())
        .err()
        .expect("it is refused")
}

#[test]
fn clusters_and_tables_of_any_size_are_as_qemu_img_reads_them() {
    need!(tool "qemu-img", tool "qemu-io");
    for (seed, options) in [
        (1, ""),
        // qemu-img makes tables of one cluster as well, and does not open them.
        (2, "-o cluster_size=4096,table_size=2"),
        (3, "-o cluster_size=65536,table_size=16"),
        (4, "-o cluster_size=2097152,table_size=2"),
        (5, "-S 0"),
    ] {
        let scratch = Scratch::new();
        let image = made(&scratch, options, seed);
        guest::overwrite(&image, "qed", SIZE, seed + 10, 40);
        let raw = converted(&image, "-f qed", &scratch);
        compare(&disk(&image), &raw);
        compare_holes(&disk(&image), &image, "-f qed");
    }
}

#[test]
fn chains_shorter_and_longer_than_the_overlay() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let base = guest::disk(&scratch, SIZE, 3);
    let middle = overlay(&scratch, "middle.qed", &base, "raw", SIZE + (2 << 20));
    guest::overwrite(&middle, "qed", SIZE + (2 << 20), 4, 40);
    let top = overlay(&scratch, "top.qed", &middle, "qed", SIZE - (1 << 20));
    guest::overwrite(&top, "qed", SIZE - (1 << 20), 5, 40);
    for image in [middle, top] {
        let raw = converted(&image, "-f qed", &scratch);
        compare(&disk(&image), &raw);
        compare_holes(&disk(&image), &image, "-f qed");
    }
}

/// A raw base in which a guest wrote another image's header is not looked into again.
#[test]
fn a_base_that_is_said_to_be_raw_is_raw() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let base = made(&scratch, "", 4);
    let top = overlay(&scratch, "top.qed", &base, "raw", 64 << 10);
    compare(&disk(&top), &converted(&top, "-f qed", &scratch));
}

#[test]
fn an_image_that_was_not_closed_is_read_with_a_notice() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "", 6);
    patch(&image, 16, &[2]);
    let opened = open(&image, &Options::default()).ok().unwrap();
    let notices = opened.notices.all();
    assert!(notices.iter().any(|text| text.contains("not closed")));
    compare(&disk(&image), &scratch.join("guest.raw"));
}

#[test]
fn fields_that_cannot_be_are_refused_by_name() {
    need!(tool "qemu-img");
    for (offset, bytes, words) in [
        (4, &[0; 4][..], "cluster_size 0 "),
        (4, &[0, 8, 0, 0], "cluster_size 2048 "),
        (4, &[0, 0, 0, 8], "cluster_size 134217728 "),
        (8, &[3], "table_size 3 "),
        (8, &[32], "table_size 32 "),
        (12, &[0; 4], "header_size 0 "),
        (12, &[0xff; 4], "header_size 4294967295 "),
        (16, &[8], "feature bit 3 "),
        (40, &[0x7f; 8], "l1_table_offset 0x7f7f7f7f7f7f7f7f "),
        (40, &[0; 8], "l1_table_offset 0x0 "),
        (48, &[1], "image_size 9437697 "),
        (
            48,
            &[0, 0, 0, 0, 0, 0, 0, 0x40],
            "image_size 4611686018427387904 ",
        ),
        (16, &[1], "backing_filename_size 0 "),
    ] {
        let text = refused(offset, bytes).to_string();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_backing_file_elsewhere_is_refused() {
    need!(tool "qemu-img");
    for name in [
        "/etc/passwd",
        "../x",
        "json:{}",
        "nbd://h/x",
        "http://h/x",
        "fd:3",
    ] {
        let scratch = Scratch::new();
        let image = made(&scratch, "", 7);
        patch(&image, 64, name.as_bytes());
        patch(&image, 16, &[1]);
        patch(&image, 56, &[64, 0, 0, 0, name.len() as u8]);
        let error = open(&image, &Options::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::Refused, "{name}: {error}");
    }
}

#[test]
fn a_bad_entry_costs_its_own_range() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "", 6);
    let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
    let table = number(&image, number(&image, 40));
    // Past the end; no cluster; in the header.
    for entry in [1 << 40, 0x201, 1 << 62, u64::MAX] {
        patch(&image, table, &u64::to_le_bytes(entry));
        let disk = disk(&image);
        let mut buf = vec![0; SIZE as usize - (64 << 10)];
        disk.read_exact_at(&mut buf, 64 << 10).unwrap();
        assert!(buf == raw[64 << 10..], "{entry:#x}");
        let error = disk.read_exact_at(&mut buf[..10], (64 << 10) - 5);
        assert_eq!(error.unwrap_err().kind(), Kind::Corrupt);
    }
    for entry in [1, 1 << 62] {
        patch(&image, number(&image, 40), &u64::to_le_bytes(entry));
        let error = disk(&image).read_exact_at(&mut [0; 512], 0).unwrap_err();
        assert!(error.to_string().contains("L1 entry 0"), "{error}");
    }
}

#[test]
fn changed_bytes() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 300 << 10, 8);
    let image = scratch.join("disk.qed");
    let convert = Run::new("qemu-img").words("convert -f raw -O qed -o cluster_size=4096");
    convert.arg(raw).arg(&image).run();
    flips::flip(&image, 40 << 10, 9, 700);
}
