//! The collected arrays, against the hashes that lie beside them.

use std::path::PathBuf;

use imgmount::service::open::Options;
use imgmount::stack::Stack;

use super::bytes;
use crate::support::images::{self, Scratch, sha256_of};
use crate::support::library;

/// What the members `images` of an array hold, the last first.
fn opened(images: &[PathBuf]) -> std::sync::Arc<Stack> {
    let (last, others) = images.split_last().unwrap();
    let options = Options {
        with: others.to_vec(),
        ..Options::default()
    };
    library::open_with(last, &options).stack
}

fn members(name: &str, count: usize, scratch: &Scratch) -> Vec<PathBuf> {
    let path = |number| format!("volume/md/{name}/{name}-{number}.bin.xz");
    let paths = (1..=count).map(|number| images::unpack(&path(number), scratch));
    paths.collect()
}

/// The hash of the array that dissect.volume read.
fn expected(name: &str) -> String {
    let file = format!("expected/volume-md-{name}-{name}.tsv");
    let text = std::fs::read_to_string(images::folder().unwrap().join(file)).unwrap();
    let row = text.lines().nth(1).unwrap();
    row.split('\t').nth(9).unwrap().to_owned()
}

#[test]
fn mirrors_are_dissects_from_both_members_and_from_each() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    for name in ["md-90-raid1", "md-raid1"] {
        let all = members(name, 2, &scratch);
        let [one, other] = [&all[..1], &all[1..]];
        for images in [&all[..], one, other] {
            let found = bytes(&opened(images), "md0").unwrap();
            assert_eq!(sha256_of(&found), expected(name), "{name}");
        }
    }
}

/// dissect.volume is no witness here. Its raid0 reads the second zone from the start of the members
/// again; its raid5 is half as long as the array, and goes on on the first member where parity is.
/// But all these arrays were filled with the 2 MiB that the mirror has, and with nothing behind them.
#[test]
fn stripes_have_what_the_mirror_has() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let mirror = expected("md-raid1");
    for (name, size, spare) in [("md-raid0", 5 << 20, 0), ("md-raid5", 4 << 20, 1)] {
        let all = members(name, 3, &scratch);
        for gone in [None, Some(0), Some(1), Some(2)] {
            let mut there = all.clone();
            gone.map(|gone| there.remove(gone));
            let found = bytes(&opened(&there), "md0");
            if gone.is_some() && spare == 0 {
                assert!(found.is_err());
                continue;
            }
            let found = found.unwrap();
            assert_eq!(found.len(), size);
            let (pattern, rest) = found.split_at(2 << 20);
            assert_eq!(sha256_of(pattern), mirror, "{name} without {gone:?}");
            assert!(rest.iter().all(|byte| *byte == 0));
        }
    }
}
