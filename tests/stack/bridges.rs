//! Discs with ISO 9660 and UDF on the same bytes.

use std::fs;

use imgmount::stack::{Content, Stack};

use crate::partition::disk::{kind, open, open_as};
use crate::support::command::{Run, imgmount};
use crate::support::images::Scratch;
use crate::support::library;

/// A disc by genisoimage with `options`, from a small folder.
fn disc(options: &str) -> Vec<u8> {
    let scratch = Scratch::new();
    let folder = scratch.join("source");
    fs::create_dir_all(folder.join("folder")).unwrap();
    for path in ["one", "two", "folder/three", "folder/four"] {
        fs::write(folder.join(path), path.repeat(1000)).unwrap();
    }
    let image = scratch.join("disc.iso");
    let genisoimage = Run::new("genisoimage").words("-quiet -udf").words(options);
    genisoimage.arg("-o").arg(&image).arg(&folder).run();
    fs::read(image).unwrap()
}

/// What is shown, what is said to be there besides, and the number of entries shown.
fn shown(stack: &Stack) -> (&'static str, Vec<&'static str>, usize) {
    let content = &stack.disks[0].content;
    let Content::FileSystem {
        format,
        beside,
        filesystem,
        ..
    } = content
    else {
        panic!("{}", kind(content));
    };
    let beside = beside.iter().map(|(name, _)| *name).collect();
    (format, beside, library::walk(&**filesystem).len() - 1)
}

#[test]
fn where_both_hold_the_same_it_is_iso_9660() {
    need!(tool "genisoimage");
    let disc = disc("-R -J");
    let (stack, notices) = open(disc.clone());
    assert_eq!(shown(&stack), ("iso9660", vec!["udf"], 5));
    assert!(notices.is_empty(), "{notices:?}");
    for format in ["udf", "iso9660"] {
        assert_eq!(shown(&open_as(disc.clone(), Some(format)).0).0, format);
    }
    let scratch = Scratch::new();
    let image = scratch.join("disc.iso");
    fs::write(&image, disc).unwrap();
    let info = imgmount().arg("info").arg(&image).stdout();
    let info = String::from_utf8(info).unwrap();
    assert!(info.contains("on the same bytes: udf"), "{info}");
}

/// As on Windows' own discs, whose older side is one file that says so.
#[test]
fn where_udf_holds_more_it_is_udf() {
    need!(tool "genisoimage");
    let disc = disc("-R -hide folder -hide one");
    let (stack, notices) = open(disc.clone());
    assert_eq!(shown(&stack), ("udf", vec!["iso9660"], 5));
    let words = "iso9660 and udf on the same bytes: udf is shown, which holds more; \
                 --format iso9660 shows the other";
    assert!(
        notices.iter().any(|text| text.contains(words)),
        "{notices:?}"
    );
    let (format, _, entries) = shown(&open_as(disc, Some("iso9660")).0);
    assert_eq!(format, "iso9660");
    assert!(entries < 5, "{entries}");
}

/// The younger side's directory of `folder` is gone.
#[test]
fn where_iso_9660_holds_more_it_is_shown() {
    need!(tool "genisoimage");
    let mut disc = disc("-R");
    let entry = disc
        .windows(6)
        .position(|bytes| bytes == b"\x08three")
        .unwrap();
    disc[entry / 2048 * 2048..][..2048].fill(0);
    let (stack, notices) = open(disc);
    assert_eq!(shown(&stack), ("iso9660", vec!["udf"], 5));
    assert!(notices.is_empty(), "{notices:?}");
}

/// As many entries, of which one is shorter on the older side.
#[test]
fn with_as_many_entries_the_sizes_decide() {
    need!(tool "genisoimage");
    let mut disc = disc("-R");
    let length = ("one".len() * 1000) as u32;
    let both = [length.to_le_bytes(), length.to_be_bytes()].concat();
    let place = disc.windows(8).position(|window| window == both).unwrap();
    disc[place..place + 8].copy_from_slice(&[9, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(shown(&open(disc).0).0, "udf");
}

#[test]
fn where_one_does_not_open_the_other_is_shown() {
    need!(tool "genisoimage");
    let disc = disc("-R");
    let mut without = disc.clone();
    for (number, sector) in (0_u32..).zip(without.chunks_mut(2048)) {
        if sector[..2] == [2, 0] && sector[12..16] == number.to_le_bytes() {
            sector.fill(0); // an anchor
        }
    }
    let (stack, notices) = open(without);
    assert_eq!(shown(&stack).0, "iso9660");
    assert!(
        notices.iter().any(|text| text.contains("no anchor")),
        "{notices:?}"
    );
    let mut without = disc;
    // The root directory's place in the primary volume descriptor.
    without[16 * 2048 + 158..][..8].fill(0xff);
    let (stack, notices) = open(without);
    assert_eq!(shown(&stack).0, "udf", "{notices:?}");
}
