//! Images in several files, as split(1) and others cut them.

use std::path::PathBuf;

use imgmount::service::open::{Options, open};

use super::{compare, disk, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 5 * 1024 * 1024 + 512;

/// The disk, and its parts of `bytes` called `stem` with what `words` make of it.
fn parts(scratch: &Scratch, words: &str, stem: &str) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, 9);
    let split = Run::new("split").words(words).arg(&raw);
    split.arg(scratch.join(stem)).run();
    raw
}

#[test]
fn the_first_part_opens_all() {
    need!(tool "split");
    for (words, stem, first) in [
        ("-b 1M -a 3 --numeric-suffixes=1", "d.img.", "d.img.001"),
        ("-b 1M -a 3 -d", "d.img.", "d.img.000"),
        ("-b 1000000", "d.img-", "d.img-aa"),
        ("-b 100k", "d.img.", "d.img.aa"),
        ("-b 100k", "x", "xaa"),
        ("-n 4 -a 1 --numeric-suffixes=1", "d.part", "d.part1"),
        ("-n 14 -a 2 --numeric-suffixes=1", "d.part", "d.part01"),
    ] {
        let scratch = Scratch::new();
        let raw = parts(&scratch, words, stem);
        println!("{words}");
        compare(&disk(&scratch.join(first)), &raw);
    }
}

#[test]
fn what_the_parts_are_together_is_opened_as_any_image() {
    need!(tool "split", tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 9);
    let vdi = scratch.join("d.vdi");
    let convert = Run::new("qemu-img").words("convert -O vdi");
    convert.arg(&raw).arg(&vdi).run();
    let split = Run::new("split").words("-b 700k -a 3 --numeric-suffixes=1");
    split.arg(&vdi).arg(scratch.join("d.vdi.")).run();
    compare(&disk(&scratch.join("d.vdi.001")), &raw);
}

#[test]
fn parts_of_any_size_and_many() {
    need!(tool "split");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 9);
    let bytes = std::fs::read(&raw).unwrap();
    let sizes = [1, 0, 511, 100_000, 7, 3_000_000];
    let mut rest = bytes.as_slice();
    for (index, size) in sizes.into_iter().chain([rest.len()]).enumerate() {
        let (part, behind) = rest.split_at(size.min(rest.len()));
        std::fs::write(scratch.join(&format!("u.{:03}", index + 1)), part).unwrap();
        rest = behind;
    }
    compare(&disk(&scratch.join("u.001")), &raw);
    let split = Run::new("split").words("-b 4k -a 4 --numeric-suffixes=1");
    split.arg(&raw).arg(scratch.join("m.")).run();
    assert!(scratch.join("m.1200").exists());
    compare(&disk(&scratch.join("m.0001")), &raw);
}

#[test]
fn a_later_part_and_a_gap_are_named() {
    need!(tool "split");
    let scratch = Scratch::new();
    let words = "-b 1M -a 3 --numeric-suffixes=1";
    let raw = parts(&scratch, words, "d.img.");
    let error = |name: &str| {
        let opened = open(&scratch.join(name), &Options::default());
        opened.err().unwrap().to_string()
    };
    let text = error("d.img.002");
    assert!(text.contains("open d.img.001"), "{text}");
    std::fs::remove_file(scratch.join("d.img.003")).unwrap();
    let text = error("d.img.001");
    assert!(text.contains("the part d.img.003 is missing"), "{text}");
    let mut options = Options::default();
    options.format.format = Some("raw".to_owned());
    let part = super::disk_with(&scratch.join("d.img.002"), &options);
    assert_eq!(part.size(), 1 << 20);
    drop(raw);
}
