//! The trees that other file systems can hold.

use std::path::{Path, PathBuf};

use super::ext::{file, link};
use super::{CASE, Case, Place};
use crate::support::command::Run;

pub const CASES: &[Case] = &[
    Case {
        name: "squashfs: a link, and then a directory of that name",
        image: |place| {
            let made = |files: &_, outside: &_| {
                link(files, "aaaa", outside);
                file(files, "bbbb/victim");
            };
            squashfs(place, made, &[(b"bbbb", b"aaaa")])
        },
        copied: 4,
        inside: &["l aaaa -> /outside"],
        archived: 4,
        ..CASE
    },
    Case {
        name: "squashfs: names with slashes, .. and NUL",
        image: |place| {
            let made = |files: &_, _: &_| {
                for name in ["aaaaa", "bb", "cccc", "good"] {
                    file(files, name);
                }
            };
            squashfs(
                place,
                made,
                &[(b"aaaaa", b"../up"), (b"bb", b".."), (b"cccc", b"c\0/c")],
            )
        },
        inside: &["f good: good"],
        ..CASE
    },
    Case {
        name: "ISO 9660: Rock Ridge names with slashes and ..",
        image: |place| {
            let made = |files: &_, _: &_| {
                for name in ["aaaaa", "bb", "cccccccc/victim", "good"] {
                    file(files, name);
                }
            };
            iso(
                place,
                made,
                &[
                    (b"aaaaa", b"../up"),
                    (b"bb", b".."),
                    (b"cccccccc", b"/outside"),
                ],
            )
        },
        inside: &[
            "d \\\\x2foutside",
            "f ..\\\\x2fup: aaaaa",
            "f \\\\x2e\\\\x2e: bb",
            "f \\\\x2foutside/victim: victim",
            "f good: good",
        ],
        ..CASE
    },
    Case {
        name: "ISO 9660: a link, and then a directory of that name",
        image: |place| {
            let made = |files: &_, outside: &_| {
                link(files, "aaaa", outside);
                file(files, "bbbb/victim");
            };
            iso(place, made, &[(b"bbbb", b"aaaa")])
        },
        inside: &["d aaaa~2", "f aaaa~2/victim: victim", "l aaaa -> /outside"],
        ..CASE
    },
    Case {
        name: "vfat: names that differ in case alone",
        image: |place| {
            vfat(
                place,
                &["aaaa-long", "bbbb-long"],
                &[("bbbb-long", "AAAA-LONG")],
            )
        },
        inside: &["f AAAA-LONG: bbbb-long", "f aaaa-long: aaaa-long"],
        ..CASE
    },
    Case {
        name: "vfat: long names with a slash, and ..",
        image: |place| {
            let names = ["aaaaa-long", "bbbbb-long"];
            vfat(
                place,
                &names,
                &[
                    ("aaaaa-long", "../up-long"),
                    ("bbbbb-long", "..\0\0\0\0\0\0\0\0"),
                ],
            )
        },
        inside: &["f AAAAA-~1: aaaaa-long", "f BBBBB-~1: bbbbb-long"],
        ..CASE
    },
];

/// Replaces each name where it stands behind `head`, as many bytes.
fn patch(image: &Path, head: &dyn Fn(&[u8]) -> Vec<u8>, renamed: &[(&[u8], &[u8])]) {
    let mut bytes = std::fs::read(image).unwrap();
    for (from, to) in renamed {
        assert_eq!(from.len(), to.len());
        let wanted = [&head(from), *from].concat();
        let places = bytes.windows(wanted.len());
        let found: Vec<usize> = places
            .enumerate()
            .filter(|(_, part)| *part == wanted)
            .map(|(at, _)| at)
            .collect();
        assert!(!found.is_empty(), "{}", from.escape_ascii());
        for at in found {
            let name = at + wanted.len() - from.len();
            bytes[name..name + to.len()].copy_from_slice(to);
        }
    }
    std::fs::write(image, bytes).unwrap();
}

fn squashfs(
    place: &Place,
    populate: impl FnOnce(&Path, &Path),
    renamed: &[(&[u8], &[u8])],
) -> PathBuf {
    let files = place.files();
    populate(&files, &place.outside);
    let image = place.scratch.join("tree.img");
    let make = Run::new("mksquashfs").arg(&files).arg(&image);
    make.words("-quiet -no-progress -noI -noD -noF -noX").run();
    // An entry's name stands behind its length less one.
    let head = |name: &[u8]| vec![name.len() as u8 - 1, 0];
    patch(&image, &head, renamed);
    image
}

fn iso(place: &Place, populate: impl FnOnce(&Path, &Path), renamed: &[(&[u8], &[u8])]) -> PathBuf {
    let files = place.files();
    populate(&files, &place.outside);
    let image = place.scratch.join("tree.img");
    let make = Run::new("xorriso").words("-report_about FAILURE -as mkisofs -R -o");
    make.arg(&image).arg(&files).run();
    // `NM`, the length of the field, its version, no flags (RRIP 4.1.4).
    let head = |name: &[u8]| vec![b'N', b'M', name.len() as u8 + 5, 1, 0];
    patch(&image, &head, renamed);
    image
}

/// Files with these long names, of which the pieces of the first 13 characters are changed.
fn vfat(place: &Place, names: &[&str], renamed: &[(&str, &str)]) -> PathBuf {
    let files = place.files();
    let image = place.scratch.file("tree.img", 2 << 20);
    Run::new("mkfs.fat").arg(&image).run();
    for name in names {
        file(&files, name);
        let copy = Run::new("mcopy").arg("-i").arg(&image);
        copy.arg(files.join(name)).arg("::").run();
    }
    let mut bytes = std::fs::read(&image).unwrap();
    for (from, to) in renamed {
        let (from, to) = (slot(from), slot(to));
        let is_slot = |at: &usize| {
            bytes[at + 11] == 0x0f
                && UNITS
                    .iter()
                    .zip(&from)
                    .all(|(unit, text)| bytes[at + unit..at + unit + 2] == *text)
        };
        let found: Vec<usize> = (0..bytes.len() - 32).step_by(32).filter(is_slot).collect();
        assert_eq!(found.len(), 1);
        for (unit, text) in UNITS.iter().zip(&to) {
            bytes[found[0] + unit..found[0] + unit + 2].copy_from_slice(text);
        }
    }
    std::fs::write(&image, bytes).unwrap();
    image
}

/// Where a slot of a long name has its 13 characters (Microsoft, FAT specification, 7).
const UNITS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// The 13 characters of a slot: the name, a NUL, and fillers.
fn slot(name: &str) -> Vec<[u8; 2]> {
    let ended = name.encode_utf16().chain([0]);
    let filled = ended.chain(std::iter::repeat(0xffff));
    filled.take(UNITS.len()).map(u16::to_le_bytes).collect()
}
