//! Archives: tar in its dialects, OVA, and an OVF descriptor beside its disk.

use std::ops::Range;
use std::path::Path;

use crate::bytes::{put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

const BLOCK: u64 = 512;

/// A header, in pieces: its numbers are octal digits.
const HEADER: &[(&str, u64)] = &[
    ("name", 8),
    ("", 92),
    ("mode", 8),
    ("uid", 8),
    ("gid", 8),
    ("size", 1),
    ("size 1", 1),
    ("size 2", 2),
    ("size 4", 8),
    ("mtime", 8),
    ("", 4),
    ("chksum", 8),
    ("typeflag", 1),
    ("linkname", 8),
    ("", 92),
    ("magic", 6),
    ("version", 2),
    ("uname", 8),
    ("", 72),
    ("prefix", 8),
    ("", 33),
    ("sparse offset", 1),
    ("sparse offset 1", 8),
    ("", 3),
    ("sparse size", 1),
    ("sparse size 1", 8),
];

pub struct Ova;

impl Family for Ova {
    fn name(&self) -> &'static str {
        "ova"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        made().unwrap_or_default()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        if bytes.starts_with(b"<") {
            return vec![text(bytes, 0..bytes.len() as u64)];
        }
        let mut found = Vec::new();
        let (mut at, mut number) = (0, 0);
        while slice(bytes, at, 1).is_some_and(|byte| byte != [0]) {
            found.push(Structure {
                name: format!("header {number}"),
                file: 0,
                range: at..at + BLOCK,
                parent: Some(0),
                fields: Field::row(at, Order::Big, HEADER),
            });
            let size = slice(bytes, at + 124, 11).unwrap_or_default();
            let size = u64::from_str_radix(&String::from_utf8_lossy(size), 8).unwrap_or(0);
            if size > 0 && size < 8192 {
                found.push(text(bytes, at + BLOCK..at + BLOCK + size));
            }
            at += BLOCK + size.next_multiple_of(BLOCK);
            number += 1;
        }
        found
    }

    fn seal(&self, files: &mut [Vec<u8>], all: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        for header in all.iter().filter(|it| it.name.starts_with("header")) {
            let start = header.range.start;
            if header.range.contains(&touched.1.start) && !touched.1.contains(&(start + 148)) {
                put(bytes, start + 148, b"        ");
                let block = slice(bytes, start, BLOCK).unwrap_or_default();
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                put(bytes, start + 148, format!("{sum:06o}\0 ").as_bytes());
            }
        }
    }
}

/// Text, byte by byte where its words and numbers begin.
fn text(bytes: &[u8], range: Range<u64>) -> Structure {
    let written = slice(bytes, range.start, range.end - range.start).unwrap_or_default();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let is_start = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| written.get(before));
        is_word(&written[*at]) != before.is_some_and(is_word)
    };
    let field =
        |at: usize| Field::new(format!("byte {at}"), range.start + at as u64, 1, Order::Big);
    Structure {
        name: format!("text {}", range.start),
        file: 0,
        range: range.clone(),
        parent: Some(0),
        fields: (0..written.len()).filter(is_start).map(field).collect(),
    }
}

fn made() -> Option<Vec<Seed>> {
    const DESCRIPTOR: &str = r#"<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:href="disk.img" ovf:id="f1" ovf:size="262144"/>
<File ovf:href="other.img" ovf:id="f2"/></References>
<DiskSection><Info>x</Info><Disk ovf:diskId="one" ovf:fileRef="f1" ovf:capacity="262144"/>
<Disk ovf:diskId="two" ovf:fileRef="f2" ovf:capacity="64" ovf:capacityAllocationUnits="byte * 2^10"/>
</DiskSection></Envelope>
"#;
    let what = "ova";
    let workshop = Workshop::new(what)?;
    let disk = tools::inner(what, 256 << 10)?;
    workshop.write("disk.img", &disk)?;
    workshop.write("other.img", &disk)?;
    workshop.write("disk.ovf", DESCRIPTOR.as_bytes())?;
    let mut holes = disk.clone();
    holes.resize(disk.len() * 2, 0);
    workshop.write("holes.img", &holes)?;
    workshop.write("disk.mf", b"SHA256(disk.ovf)= 00\nSHA1(disk.img)= 1234\n")?;
    let same = "--owner=0 --group=0 --numeric-owner --mtime=@1700000000 --mode=0644";
    let tar = |line: &str| workshop.run(&format!("tar -c -f - {same} {line}"));
    let long = format!("{}/disk.img", "a-long-name".repeat(12));
    workshop.write(&long, &disk)?;
    Some(vec![
        Seed::alone("plain.tar", tar("--format=ustar disk.img")?),
        Seed::alone("two.tar", tar("--format=gnu disk.img other.img")?),
        Seed::alone("long.tar", tar(&format!("--format=gnu {long}"))?),
        Seed::alone(
            "pax.tar",
            tar(&format!("--format=pax --pax-option=exthdr.name=x {long}"))?,
        ),
        Seed::alone("holes.tar", tar("--format=gnu -S holes.img")?),
        Seed::alone(
            "pax-holes.tar",
            tar("--format=pax -S --pax-option=exthdr.name=x holes.img")?,
        ),
        Seed::alone(
            "disk.ova",
            tar("--format=ustar disk.ovf disk.mf disk.img other.img")?,
        ),
        Seed {
            name: "disk.ovf".to_owned(),
            files: vec![
                ("disk.ovf".to_owned(), DESCRIPTOR.into()),
                ("disk.img".to_owned(), disk.clone()),
                ("other.img".to_owned(), disk),
            ],
            key: None,
        },
    ])
}
