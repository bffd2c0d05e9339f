//! The collected volume groups, against the trees and hashes that lie beside them.

use imgmount::service::open::{Image, Options};
use imgmount::stack::Content;

use super::bytes;
use crate::support::expected::{Collected, collected, rows, rows_against};
use crate::support::images::{self, Scratch};
use crate::support::library;

/// The rows of `image` that are volumes, as name and hash.
fn volumes(image: &Collected) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in &image.expected {
        let path = images::folder().unwrap().join("expected").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            if columns[2] == "vol" && columns[0] != "disk" {
                found.push((columns[0].to_owned(), columns[9].to_owned()));
            }
        }
    }
    found
}

fn check_volumes(image: &Image, expected: &Collected) -> usize {
    let volumes = volumes(expected);
    for (name, hash) in &volumes {
        let bytes = bytes(&image.stack, name).unwrap();
        assert_eq!(&images::sha256_of(&bytes), hash, "{name}");
    }
    volumes.len()
}

fn group(file: &str) -> Collected {
    let mut all = collected(|found, _| found.starts_with(file));
    all.pop().unwrap_or_else(|| panic!("no {file}"))
}

#[test]
fn linear_volumes_are_those_of_dissect_and_libvslvm() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    for (file, count) in [("volume/lvm/lvm.raw", 2), ("volume/lvm/lvm.bin", 1)] {
        let expected = group(file);
        let path = images::unpack(&expected.file, &scratch);
        let image = library::open_with(&path, &Options::default());
        assert_eq!(check_volumes(&image, &expected), count);
    }
}

#[test]
fn the_tree_in_a_linear_volume_is_the_kernels() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let expected = group("volume/lvm/lvm.raw");
    let path = images::unpack(&expected.file, &scratch);
    let image = library::open_with(&path, &Options::default());
    let name = "test_volume_group/test_logical_volume1";
    let Content::FileSystem { filesystem, .. } = &super::node(&image.stack, name).content else {
        panic!("no file system");
    };
    let rows = rows(&expected, name);
    assert_eq!(rows.len(), 7);
    let mut wrong = Vec::new();
    let found = library::walk(&**filesystem);
    rows_against(&rows, &found, &mut |line| wrong.push(line));
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_mirror_is_dissects_from_both_legs_and_from_each() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let first = group("volume/lvm/lvm-mirror-1.bin");
    let legs = [
        "volume/lvm/lvm-mirror-1.bin.xz",
        "volume/lvm/lvm-mirror-2.bin.xz",
    ];
    let legs = legs.map(|leg| images::unpack(leg, &scratch));
    let [one, other] = &legs;
    for (image, with) in [(one, vec![]), (other, vec![]), (one, vec![other.clone()])] {
        let options = Options {
            with,
            ..Options::default()
        };
        let image = library::open_with(image, &options);
        assert_eq!(check_volumes(&image, &first), 1);
    }
}

#[test]
fn thin_volumes_are_those_of_dissect() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let expected = group("volume/lvm/lvm-thin.bin");
    let path = images::unpack(&expected.file, &scratch);
    let image = library::open_with(&path, &Options::default());
    assert_eq!(check_volumes(&image, &expected), 2);
}
