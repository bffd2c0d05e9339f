//! qcow, the first version, as qemu-img writes it, against what qemu-img reads.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::{Error, Kind};
use imgmount::service::open::{Options, open};

use super::{compare, compare_holes, converted, disk, flips, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 9 * 1024 * 1024 + 512;

/// A random disk as qcow, by qemu-img with `options`.
fn made(scratch: &Scratch, options: &str, seed: u64) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, seed);
    let image = scratch.join("disk.qcow");
    convert(&raw, options, &image);
    image
}

/// Compressing, qemu-img 10 fails behind the last cluster, when all are written.
fn convert(raw: &Path, options: &str, image: &Path) {
    let convert = Run::new("qemu-img").words("convert -f raw -O qcow");
    let convert = convert.words(options).arg(raw).arg(image);
    if options.contains("-c") {
        convert.command().status().unwrap();
    } else {
        convert.run();
    }
}

fn overlay(scratch: &Scratch, name: &str, base: &Path, format: &str, size: u64) -> PathBuf {
    let image = scratch.join(name);
    let create = Run::new("qemu-img").words("create -q -f qcow -F");
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
    u64::from_be_bytes(bytes)
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
fn plain_and_compressed_clusters_are_as_qemu_img_reads_them() {
    need!(tool "qemu-img", tool "qemu-io");
    for (seed, options) in [(1, ""), (2, "-c")] {
        let scratch = Scratch::new();
        let image = made(&scratch, options, seed);
        compare_holes(&disk(&image), &image, "-f qcow");
        compare(&disk(&image), &scratch.join("guest.raw"));
        guest::overwrite(&image, "qcow", SIZE, seed + 10, 40);
        let raw = converted(&image, "-f qcow", &scratch);
        compare(&disk(&image), &raw);
        compare_holes(&disk(&image), &image, "-f qcow");
    }
}

#[test]
fn chains_shorter_and_longer_than_the_overlay() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    // With a backing file qemu-img makes clusters of 512 bytes.
    let base = guest::disk(&scratch, SIZE, 3);
    let middle = overlay(&scratch, "middle.qcow", &base, "raw", SIZE + (2 << 20));
    guest::overwrite(&middle, "qcow", SIZE + (2 << 20), 4, 40);
    let top = overlay(&scratch, "top.qcow", &middle, "qcow", SIZE - (1 << 20));
    guest::overwrite(&top, "qcow", SIZE - (1 << 20), 5, 40);
    for image in [middle, top] {
        let raw = converted(&image, "-f qcow", &scratch);
        compare(&disk(&image), &raw);
        compare_holes(&disk(&image), &image, "-f qcow");
    }
}

#[test]
fn fields_that_cannot_be_are_refused_by_name() {
    need!(tool "qemu-img");
    for (offset, bytes, words) in [
        (32, &[8][..], "cluster_bits 8 "),
        (32, &[17], "cluster_bits 17 "),
        (33, &[5], "l2_bits 5 "),
        (33, &[14], "l2_bits 14 "),
        (24, &[0xff; 8], "size 18446744073709551615 "),
        (24, &[0; 8], "size 0 "),
        (40, &[0x7f; 8], "l1_table_offset 0x7f7f7f7f7f7f7f7f "),
        (40, &[0; 8], "l1_table_offset 0x0 "),
        (36, &[0, 0, 0, 9], "crypt_method 9 "),
        (
            8,
            &[0, 0, 0, 0, 0, 0, 0, 48, 0xff, 0, 0, 0],
            "backing_file_size 4278190080 ",
        ),
        (
            8,
            &[0x7f, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0, 9],
            "backing_file_offset 0x7f",
        ),
    ] {
        let text = refused(offset, bytes).to_string();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn an_encrypted_disk_is_locked() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = scratch.join("secret.qcow");
    let create = Run::new("qemu-img").words("create -q -f qcow --object secret,id=s,data=abc");
    let create = create.words("-o encrypt.format=aes,encrypt.key-secret=s");
    create.arg(&image).arg("1M").run();
    let error = open(&image, &Options::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::Locked, "{error}");
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
        let image = scratch.join("top.qcow");
        let create = Run::new("qemu-img").words("create -q -f qcow");
        create.arg(&image).arg("1M").run();
        let size = std::fs::metadata(&image).unwrap().len();
        patch(&image, size, name.as_bytes());
        patch(&image, 8, &size.to_be_bytes());
        patch(&image, 16, &(name.len() as u32).to_be_bytes());
        let error = open(&image, &Options::default()).err().unwrap();
        assert_eq!(error.kind(), Kind::Refused, "{name}: {error}");
    }
}

#[test]
fn a_bad_entry_costs_its_own_range() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "-c", 6);
    let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
    let table = number(&image, number(&image, 40));
    // The first cluster holds data. It is said to be past the end; packed, past the end; garbage.
    let first = number(&image, table);
    let shift = 63 - 12;
    for entry in [
        1 << 40,
        1 << 63 | 9 << shift | 1 << 40,
        1 << 63 | 48 << shift | 4,
        0x201,
    ] {
        patch(&image, table, &u64::to_be_bytes(entry));
        let disk = disk(&image);
        let mut buf = vec![0; SIZE as usize - 4096];
        disk.read_exact_at(&mut buf, 4096).unwrap();
        assert!(buf == raw[4096..], "{entry:#x}");
        let error = disk.read_exact_at(&mut buf[..10], 4090).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }
    patch(&image, table, &first.to_be_bytes());
    // A second-level table past the end, and one in the header.
    for entry in [1 << 62, 8] {
        patch(&image, number(&image, 40), &u64::to_be_bytes(entry));
        let disk = disk(&image);
        let error = disk.read_exact_at(&mut [0; 512], 0).unwrap_err();
        assert!(error.to_string().contains("L1 entry 0"), "{error}");
        let mut buf = vec![0; 512];
        disk.read_exact_at(&mut buf, SIZE - 512).unwrap();
        assert!(buf == raw[raw.len() - 512..]);
    }
}

#[test]
fn changed_bytes() {
    need!(tool "qemu-img");
    for options in ["", "-c"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 300 << 10, 8);
        let image = scratch.join("disk.qcow");
        convert(&raw, options, &image);
        flips::flip(&image, 24 << 10, 9, 700);
    }
}
