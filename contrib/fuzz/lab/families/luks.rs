//! LUKS, both versions: headers, key slots, and the text of the second.

use std::ops::Range;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bytes::{big, put, slice};
use crate::family::{Family, Field, Order, Seed, Structure};
use crate::tools::{self, Workshop};

const KEY: &[u8] = b"correct horse";

/// A header of version 1: `struct luks_phdr`.
const FIRST: &[(&str, u64)] = &[
    ("magic", 6),
    ("version", 2),
    ("cipher_name", 8),
    ("", 24),
    ("cipher_mode", 8),
    ("", 24),
    ("hash_spec", 8),
    ("", 24),
    ("payload_offset", 4),
    ("key_bytes", 4),
    ("mk_digest", 8),
    ("", 12),
    ("mk_digest_salt", 8),
    ("", 24),
    ("mk_digest_iter", 4),
    ("uuid", 8),
];

const SLOT: &[(&str, u64)] = &[
    ("active", 4),
    ("iterations", 4),
    ("salt", 8),
    ("", 24),
    ("key_material_offset", 4),
    ("stripes", 4),
];

/// A header of version 2: `struct luks2_hdr_disk`.
const SECOND: &[(&str, u64)] = &[
    ("magic", 6),
    ("version", 2),
    ("hdr_size", 8),
    ("seqid", 8),
    ("label", 8),
    ("", 40),
    ("checksum_alg", 8),
    ("", 24),
    ("salt", 8),
    ("", 56),
    ("uuid", 8),
    ("", 32),
    ("subsystem", 8),
    ("", 40),
    ("hdr_offset", 8),
    ("", 184),
    ("csum", 8),
];

pub struct Luks;

impl Family for Luks {
    fn name(&self) -> &'static str {
        "luks"
    }

    fn seeds(&self, _images: Option<&Path>) -> Vec<Seed> {
        let cheap = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000";
        let argon =
            "--pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 32 --pbkdf-parallel 1";
        let second = "--type luks2 --luks2-metadata-size 16k --luks2-keyslots-size 256k";
        let seeds = [
            by_qemu(),
            made("luks2.img", &format!("{second} {cheap}")),
            made("argon.img", &format!("{second} --sector-size 1024 {argon}")),
        ];
        seeds.into_iter().flatten().collect()
    }

    fn structures(&self, seed: &Seed) -> Vec<Structure> {
        let bytes = &seed.files[0].1;
        match big(bytes, 6, 2) {
            1 => first(),
            _ => second(bytes),
        }
    }

    fn seal(&self, files: &mut [Vec<u8>], all: &[Structure], touched: (usize, Range<u64>)) {
        let Some(bytes) = files.get_mut(touched.0) else {
            return;
        };
        for header in all.iter().filter(|it| it.name.starts_with("header2 ")) {
            let start = header.range.start;
            let size = big(bytes, start + 8, 8);
            let sum = start + 448;
            let is_covered = touched.1.start < start.saturating_add(size) && start < touched.1.end;
            if is_covered && !touched.1.contains(&sum) {
                put(bytes, sum, &[0; 64]);
                if let Some(covered) = slice(bytes, start, size) {
                    let digest = Sha256::digest(covered);
                    put(bytes, sum, &digest);
                }
            }
        }
    }
}

fn structure(name: String, start: u64, parent: u64, row: &[(&str, u64)]) -> Structure {
    Structure {
        name,
        file: 0,
        range: start..start + row.iter().map(|(_, width)| width).sum::<u64>(),
        parent: Some(parent),
        fields: Field::row(start, Order::Big, row),
    }
}

fn first() -> Vec<Structure> {
    let slots = (0..8).map(|slot| structure(format!("key slot {slot}"), 208 + slot * 48, 0, SLOT));
    let header = structure("header".to_owned(), 0, 0, FIRST);
    std::iter::once(header).chain(slots).collect()
}

/// Both headers, and the numbers in their texts, digit by digit.
fn second(bytes: &[u8]) -> Vec<Structure> {
    let size = big(bytes, 8, 8);
    let mut found = Vec::new();
    for start in [0, size] {
        found.push(structure(
            format!("header2 {start}"),
            start,
            size - start,
            SECOND,
        ));
        let text = slice(bytes, start + 4096, size - 4096).unwrap_or_default();
        let len = text
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(text.len());
        let is_start = |at: &usize| {
            text[*at].is_ascii_digit() && (*at == 0 || !text[*at - 1].is_ascii_alphanumeric())
                || matches!(text[*at], b'{' | b'[' | b':' | b',')
        };
        let places = (0..len).filter(is_start).map(|at| start + 4096 + at as u64);
        let fields = places.map(|at| Field::new(format!("text at {at}"), at, 1, Order::Big));
        found.push(Structure {
            name: format!("text {start}"),
            file: 0,
            range: start + 4096..start + size,
            parent: Some(start),
            fields: fields.collect(),
        });
    }
    found
}

fn made(name: &str, words: &str) -> Option<Seed> {
    let what = format!("luks: {name}");
    let inner = tools::inner(&what, 256 << 10)?;
    let workshop = Workshop::new(&what)?;
    workshop.write("key", KEY)?;
    workshop.write("data", &inner)?;
    let encrypt = format!(
        "cryptsetup -q reencrypt --encrypt --force-offline-reencrypt --resilience none \
         -c aes-xts-plain64 -s 256 {words} --key-file key --header header data"
    );
    workshop.run(&encrypt)?;
    let (header, data) = (workshop.read("header")?, workshop.read("data")?);
    Some(Seed {
        name: name.to_owned(),
        files: vec![(name.to_owned(), attached(header, &data)?)],
        key: Some(KEY.to_vec()),
    })
}

/// Of the first version, which cryptsetup does not make of a file without device mapper. Its key is
/// another one each time.
fn by_qemu() -> Option<Seed> {
    let (name, what) = ("luks1.img", "luks: luks1.img");
    let inner = tools::inner(what, 256 << 10)?;
    let workshop = Workshop::new(what)?;
    workshop.write("key", KEY)?;
    workshop.write("raw", &inner)?;
    workshop.run(
        "qemu-img convert -f raw -O luks --object secret,id=s,file=key \
         -o key-secret=s,iter-time=10,cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain64 \
         raw image",
    )?;
    Some(Seed {
        name: name.to_owned(),
        files: vec![(name.to_owned(), workshop.read("image")?)],
        key: Some(KEY.to_vec()),
    })
}

/// A header in front of its data, which says that they lie behind it.
fn attached(mut header: Vec<u8>, data: &[u8]) -> Option<Vec<u8>> {
    let start = header.len().next_multiple_of(4096);
    header.resize(start, 0);
    if big(&header, 6, 2) == 1 {
        put(&mut header, 104, &((start / 512) as u32).to_be_bytes());
    } else {
        for at in [0, big(&header, 8, 8)] {
            say_offset(&mut header, at, start)?;
        }
    }
    header.extend(data);
    Some(header)
}

/// Puts the offset of the data into one of the texts, and its checksum right.
fn say_offset(header: &mut [u8], at: u64, start: usize) -> Option<()> {
    let size = big(header, at + 8, 8);
    let text = slice(header, at + 4096, size - 4096)?;
    let len = text.iter().position(|byte| *byte == 0)?;
    let text = String::from_utf8(text[..len].to_vec()).ok()?;
    let mut said: serde_json::Value = serde_json::from_str(&text).ok()?;
    for segment in said.get_mut("segments")?.as_object_mut()?.values_mut() {
        *segment.get_mut("offset")? = start.to_string().into();
    }
    let mut text = said.to_string().into_bytes();
    text.resize(size as usize - 4096, 0);
    put(header, at + 4096, &text);
    put(header, at + 448, &[0; 64]);
    let digest = Sha256::digest(slice(header, at, size)?);
    put(header, at + 448, &digest);
    Some(())
}
