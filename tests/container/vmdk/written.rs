//! Every subformat and option with which qemu-img writes.

use std::path::Path;

use imgmount::source::SharedSource;
use rustix::fs::SeekFrom;

use super::convert;
use crate::container::{
    compare, compare_holes, compare_random, compare_range, converted, disk, guest,
};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// Data, zeros and holes, of a size that no grain ends at.
const SIZE: u64 = 9 * 1024 * 1024 + 3 * 512;

/// Compares the disk in `image` and its holes with what qemu-img makes of it.
fn compare_with_qemu(image: &Path, scratch: &Scratch) {
    let expected = converted(image, "-f vmdk", scratch);
    let disk = disk(image);
    compare(&disk, &expected);
    compare_holes(&disk, image, "-f vmdk");
}

fn written(options: &str) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 11);
    let image = convert(&raw, "disk.vmdk", options, &scratch);
    compare_with_qemu(&image, &scratch);
    compare(&disk(&image), &raw);
}

/// The same, overwritten by qemu-io in between.
fn overwritten(options: &str) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 12);
    let image = convert(&raw, "disk.vmdk", options, &scratch);
    for seed in 0..3 {
        guest::overwrite(&image, "vmdk", SIZE, seed, 40);
        compare_with_qemu(&image, &scratch);
    }
}

#[test]
fn monolithic_sparse() {
    need!(tool "qemu-img", tool "qemu-io");
    written("");
    written("subformat=monolithicSparse,adapter_type=lsilogic,hwversion=13");
    overwritten("subformat=monolithicSparse");
}

#[test]
fn zeroed_grains() {
    need!(tool "qemu-img", tool "qemu-io");
    written("subformat=monolithicSparse,zeroed_grain=on");
    overwritten("subformat=monolithicSparse,zeroed_grain=on");
}

#[test]
fn stream_optimized() {
    need!(tool "qemu-img", tool "qemu-io");
    written("subformat=streamOptimized");
    written("subformat=streamOptimized,adapter_type=buslogic");
}

#[test]
fn compat6_and_adapters() {
    need!(tool "qemu-img");
    for options in ["compat6", "adapter_type=ide", "adapter_type=legacyESX"] {
        written(options);
    }
}

#[test]
fn monolithic_flat() {
    need!(tool "qemu-img", tool "qemu-io");
    written("subformat=monolithicFlat");
    overwritten("subformat=monolithicFlat");
}

#[test]
fn split_in_files_of_2_gib() {
    need!(tool "qemu-img", tool "qemu-io");
    for kind in ["Sparse", "Flat"] {
        let scratch = Scratch::new();
        let size = (4 << 30) + 5 * 512;
        let image = scratch.join("split disk.vmdk");
        let options = format!("subformat=twoGbMaxExtent{kind}");
        create(&image, &options, size);
        guest::overwrite(&image, "vmdk", size, 5, 60);
        let expected = converted(&image, "-f vmdk", &scratch);
        let disk = disk(&image);
        compare_data(&disk, &expected);
        compare_holes(&disk, &image, "-f vmdk");
    }
}

/// What finds files that are alike, as a deduplicator does, makes links of one file out of them:
/// each is an extent of its own all the same.
#[test]
fn extents_that_are_links_of_one_file() {
    need!(tool "qemu-img", tool "qemu-io");
    for (kind, letter) in [("Sparse", 's'), ("Flat", 'f')] {
        let scratch = Scratch::new();
        let image = scratch.join("disk.vmdk");
        create(&image, &format!("subformat=twoGbMaxExtent{kind}"), 6 << 30);
        guest::overwrite(&image, "vmdk", 2 << 30, 6, 20);
        let extent = |number| scratch.join(&format!("disk-{letter}{number:03}.vmdk"));
        std::fs::remove_file(extent(3)).unwrap();
        std::fs::hard_link(extent(1), extent(3)).unwrap();
        let expected = converted(&image, "-f vmdk", &scratch);
        let disk = disk(&image);
        compare_data(&disk, &expected);
        compare_holes(&disk, &image, "-f vmdk");
    }
}

/// A new disk of `size` bytes, holes all of it.
fn create(image: &Path, options: &str, size: u64) {
    let create = Run::new("qemu-img").words("create -q -f vmdk");
    let create = create.args(["-o", options]).arg(image);
    create.arg(size.to_string()).run();
}

/// Compares what `expected` has data at, and random ranges: for disks of mostly holes.
fn compare_data(disk: &SharedSource, expected: &Path) {
    let file = std::fs::File::open(expected).unwrap();
    assert_eq!(disk.size(), file.metadata().unwrap().len());
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        let end = rustix::fs::seek(&file, SeekFrom::Hole(start)).unwrap();
        compare_range(disk, &file, start, end - start);
        at = end;
    }
    assert!(at > 0, "there is data");
    compare_random(disk, &file, 1, 100);
}
