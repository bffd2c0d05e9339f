//! qcow2 as qemu-img writes it, in every variant, against what qemu-img reads.

use std::path::{Path, PathBuf};

use imgmount::service::open::Options;

use super::{compare, compare_holes, converted, disk, disk_with, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// An image of `options` called `disk.qcow2`, made from the guest disk `raw`; with `-c` among the
/// `flags`, compressed.
fn made(scratch: &Scratch, raw: &Path, flags: &str, options: &str) -> PathBuf {
    let image = scratch.join("disk.qcow2");
    let convert = Run::new("qemu-img")
        .words("convert -f raw -O qcow2")
        .words(flags);
    let convert = match options {
        "" => convert,
        options => convert.args(["-o", options]),
    };
    convert.arg(raw).arg(&image).run();
    image
}

/// The image, overwritten at random and then read by both.
fn agrees(scratch: &Scratch, image: &Path, seed: u64, overwrites: usize) {
    let size = 24 << 20;
    if overwrites > 0 {
        guest::overwrite(image, "qcow2", size, seed, overwrites);
    }
    let expected = converted(image, "-f qcow2", scratch);
    let ours = disk(image);
    compare(&ours, &expected);
    compare_holes(&ours, image, "-f qcow2");
    std::fs::remove_file(expected).unwrap();
}

#[test]
fn every_variant_is_read_as_qemu_reads_it() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 24 << 20, 7);
    let variants = [
        ("", ""),
        ("", "compat=0.10"),
        ("", "cluster_size=512"),
        ("", "cluster_size=4096,lazy_refcounts=on"),
        ("", "cluster_size=2097152"),
        ("", "extended_l2=on"),
        ("", "extended_l2=on,cluster_size=16384"),
        ("", "refcount_bits=1"),
        ("", "preallocation=metadata"),
        ("", "preallocation=falloc"),
        ("-c", ""),
        ("-c", "compat=0.10,cluster_size=512"),
        ("-c", "compression_type=zstd"),
        ("-c", "compression_type=zstd,cluster_size=2097152"),
        ("-c", "compression_type=zstd,extended_l2=on"),
        ("-c", "cluster_size=2097152"),
    ];
    for (seed, (flags, options)) in (1..).zip(variants) {
        println!("{flags} {options}");
        let image = made(&scratch, &raw, flags, options);
        agrees(&scratch, &image, seed, 0);
        agrees(&scratch, &image, seed, 30);
        std::fs::remove_file(image).unwrap();
    }
}

#[test]
fn data_in_another_file() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 24 << 20, 8);
    for options in ["", ",data_file_raw=on", ",extended_l2=on"] {
        let data = scratch.join("disk.data");
        let options = format!("data_file={}{options}", data.display());
        let image = made(&scratch, &raw, "", &options);
        guest::overwrite(&image, "qcow2", 24 << 20, 3, 30);
        // No map of holes: we see those of the data file, which qemu-img does not look for.
        compare(&disk(&image), &converted(&image, "-f qcow2", &scratch));
        std::fs::remove_file(image).unwrap();
        std::fs::remove_file(data).unwrap();
    }
}

/// An overlay over `base`, which is of `format`, as OpenStack makes them.
fn overlay(scratch: &Scratch, base: &Path, format: &str, name: &str, size: &str) -> PathBuf {
    let image = scratch.join(name);
    let create = Run::new("qemu-img")
        .words("create -q -f qcow2 -F")
        .arg(format);
    create.arg("-b").arg(base).arg(&image).words(size).run();
    image
}

#[test]
fn chains_shorter_and_longer_than_what_is_below() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 24 << 20, 9);
    for sizes in [["", ""], ["12M", "30M"], ["40M", "20M"]] {
        let middle = overlay(&scratch, &raw, "raw", "middle.qcow2", sizes[0]);
        guest::overwrite(&middle, "qcow2", 12 << 20, 5, 30);
        let top = overlay(&scratch, &middle, "qcow2", "top.qcow2", sizes[1]);
        guest::overwrite(&top, "qcow2", 20 << 20, 6, 30);
        let expected = converted(&top, "-f qcow2", &scratch);
        compare(&disk(&top), &expected);
    }
}

#[test]
fn snapshots_are_the_disk_as_it_was() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 24 << 20, 10);
    let image = made(&scratch, &raw, "", "");
    let snapshot = |name: &str| {
        Run::new("qemu-img")
            .args(["snapshot", "-c", name])
            .arg(&image)
            .run();
    };
    snapshot("first");
    guest::overwrite(&image, "qcow2", 24 << 20, 11, 40);
    snapshot("second one");
    guest::overwrite(&image, "qcow2", 24 << 20, 12, 40);
    Run::new("qemu-img")
        .args(["resize", "-q"])
        .arg(&image)
        .arg("32M")
        .run();
    let with = |wanted: &str| {
        let mut options = Options::default();
        options.format.snapshot = Some(wanted.to_owned());
        disk_with(&image, &options)
    };
    for (wanted, name) in [("first", "first"), ("2", "second one")] {
        let raw = scratch.join("snapshot.raw");
        let convert = Run::new("qemu-img").args(["convert", "-O", "raw", "-l"]);
        let convert = convert.arg(format!("snapshot.name={name}"));
        convert.arg(&image).arg(&raw).run();
        // qemu-img makes it as long as the disk is now; it was 24 MiB long.
        let bytes = std::fs::read(&raw).unwrap();
        assert!(bytes[24 << 20..].iter().all(|byte| *byte == 0));
        std::fs::write(&raw, &bytes[..24 << 20]).unwrap();
        compare(&with(wanted), &raw);
    }
    compare(&disk(&image), &converted(&image, "-f qcow2", &scratch));
}
