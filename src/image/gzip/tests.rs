//! gzip files that flate2 makes, by hand put together and damaged. That the bytes are right is
//! proved by gzip, pigz and bgzip themselves in the integration tests.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

use std::io::Write;
use std::sync::Arc;

use flate2::{Compression, GzBuilder};

use super::inflate::Gzip;
use super::*;
use crate::cache::Cache;
use crate::error::Kind;
use crate::format::testing::{Kept, RawOnly};
use crate::source::streamed::{Codec, Decoder, Point};
use crate::source::{Memory, read_vec};

/// Words that compress to about a third, in no order.
fn text(len: usize) -> Vec<u8> {
    let mut number = 1_u64;
    let mut out = Vec::with_capacity(len + 40);
    while out.len() < len {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        write!(out, "block {} of {};", number >> 48, number >> 56).unwrap();
    }
    out.truncate(len);
    out
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .filename("disk.img")
        .write(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member as bgzip writes it.
fn bgzf(bytes: &[u8]) -> Vec<u8> {
    let extra = vec![b'B', b'C', 2, 0, 0, 0];
    let mut encoder = GzBuilder::new()
        .extra(extra)
        .write(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    let mut member = encoder.finish().unwrap();
    let size = (member.len() - 1) as u16;
    member[16..18].copy_from_slice(&size.to_le_bytes());
    member
}

fn context() -> Context {
    Context {
        images: Arc::new(RawOnly),
        stored: Arc::new(Kept::default()),
        ..Context::new(Cache::new(64 << 20))
    }
}

fn disk_in(file: &[u8], context: &Context) -> Result<SharedSource> {
    let source: SharedSource = Arc::new(Memory(file.to_vec()));
    assert_eq!(claim(&*source), Ok(Some(Set::Alone)));
    let disks = open(&[source], context)?;
    Ok(disks.into_iter().next().unwrap().source)
}

fn compare(file: &[u8], expected: &[u8]) {
    let disk = disk_in(file, &context()).unwrap();
    assert_eq!(disk.size(), expected.len() as u64);
    assert!(read_vec(&*disk, 0, expected.len()).unwrap() == expected);
}

#[test]
fn one_member_and_several_are_read() {
    let bytes = text(3_000_000);
    compare(&gz(&bytes), &bytes);
    let (first, second) = bytes.split_at(1_234_567);
    let several = [gz(first), gz(&[]), gz(second), gz(&[])].concat();
    compare(&several, &bytes);
    let padded = [gz(&bytes), vec![0; 512]].concat();
    compare(&padded, &bytes);
    let stored: Vec<u8> = bytes.chunks(60_000).flat_map(bgzf).collect();
    compare(&[stored, bgzf(&[])].concat(), &bytes);
    compare(&gz(&[]), &[]);
}

#[test]
fn the_header_may_have_every_field() {
    let bytes = text(1000);
    let mut encoder = GzBuilder::new()
        .extra(vec![b'X', b'Y', 1, 0, 9])
        .filename("a name")
        .comment("a comment")
        .write(Vec::new(), Compression::best());
    encoder.write_all(&bytes).unwrap();
    let file = encoder.finish().unwrap();
    compare(&file, &bytes);
    let description = describe(&Memory(file)).unwrap();
    let name = ("original name", "a name".to_owned());
    assert_eq!(description.facts, [name]);
    let block = describe(&Memory(bgzf(&bytes))).unwrap();
    assert_eq!(block.facts, [("variant", "bgzf".to_owned())]);
}

/// All that `decoder` gives, at most `step` bytes at a time, and its points.
fn drain(mut decoder: Box<dyn Decoder>, step: usize) -> (Vec<u8>, Vec<Point>) {
    let (mut out, mut points) = (Vec::new(), Vec::new());
    let mut buf = vec![0; step];
    loop {
        let len = decoder.decode(&mut buf).unwrap();
        if len == 0 {
            return (out, points);
        }
        out.extend_from_slice(&buf[..len]);
        points.extend(decoder.point());
    }
}

#[test]
fn from_every_point_the_rest_is_the_same_and_its_checksum_is_checked() {
    let bytes = text(2_000_000);
    let (first, second) = bytes.split_at(1_300_000);
    let mut file = [gz(first), gz(second)].concat();
    let codec = Gzip::new(Arc::new(Memory(file.clone())));
    for step in [1 << 18, 1000, 65_537] {
        let (out, points) = drain(codec.resume(&Point::start()).unwrap(), step);
        assert!(out == bytes);
        assert!(points.len() >= 10, "{}", points.len());
        for point in points.iter().step_by(points.len() / 10) {
            let (rest, _) = drain(codec.resume(point).unwrap(), 1 << 18);
            assert!(rest == bytes[point.output as usize..], "{}", point.output);
        }
    }
    let (_, points) = drain(codec.resume(&Point::start()).unwrap(), 1 << 18);
    let trailer = gz(first).len() - 8;
    file[trailer] ^= 1;
    let codec = Gzip::new(Arc::new(Memory(file)));
    let mut decoder = codec.resume(&points[5]).unwrap();
    let mut buf = vec![0; 1 << 20];
    let error = loop {
        match decoder.decode(&mut buf) {
            Ok(len) => assert!(len > 0, "the checksum is wrong"),
            Err(error) => break error,
        }
    };
    assert!(error.message().starts_with("CRC32"), "{error}");
    let (rest, _) = drain(
        codec.resume(&decoder.behind_damage().unwrap()).unwrap(),
        999,
    );
    assert!(rest == second);
}

#[test]
fn a_damaged_member_costs_itself() {
    let bytes = text(4 << 20);
    let blocks: Vec<Vec<u8>> = bytes.chunks(1 << 16).map(bgzf).collect();
    let start: usize = blocks[..20].iter().map(Vec::len).sum();
    let mut file = blocks.concat();
    file[start + blocks[20].len() / 2] ^= 0x55;
    let disk = disk_in(&file, &context()).unwrap();
    let span = 1 << 18;
    let bad = 20 << 16;
    for at in (0..bytes.len()).step_by(span) {
        let read = read_vec(&*disk, at as u64, span);
        match at == bad / span * span {
            true => assert_eq!(read.unwrap_err().kind(), Kind::Corrupt),
            false => assert!(read.unwrap() == bytes[at..at + span], "{at}"),
        }
    }
}

#[test]
fn what_lies_before_the_damage_of_a_single_member_is_read() {
    let bytes = text(4 << 20);
    let mut file = gz(&bytes);
    let cut = file.len() / 2;
    file.truncate(cut);
    let context = context();
    let disk = disk_in(&file, &context).unwrap();
    assert!(disk.size() > 1 << 20);
    let whole = disk.size() as usize & !((1 << 18) - 1);
    assert!(read_vec(&*disk, 0, whole).unwrap() == bytes[..whole]);
    let notices = context.notices.all().join("\n");
    assert!(notices.contains("cut off"), "{notices}");
}

#[test]
fn the_index_is_kept_and_used() {
    let bytes = text(20 << 20);
    let file = gz(&bytes);
    let context = context();
    let disk = disk_in(&file, &context).unwrap();
    read_vec(&*disk, (20 << 20) - 10, 10).unwrap();
    drop(disk);
    assert!(context.stored.load().is_some());
    let disk = disk_in(&file, &context).unwrap();
    assert!(!disk.end_is_far());
    assert!(read_vec(&*disk, 17 << 20, 999).unwrap() == bytes[17 << 20..][..999]);
}

#[test]
fn mutated_files_end_well() {
    let bytes = text(300_000);
    let plain = gz(&bytes);
    let blocks: Vec<u8> = bytes.chunks(20_000).flat_map(bgzf).collect();
    let mut random = 99_u64;
    let mut below = |limit: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % limit
    };
    for round in 0..600 {
        let mut file = if round % 2 == 0 {
            plain.clone()
        } else {
            blocks.clone()
        };
        for _ in 0..1 + below(3) {
            let most = if below(2) == 0 { 40 } else { file.len() };
            let at = below(most);
            file[at] ^= 1 << below(8);
        }
        if below(4) == 0 {
            file.truncate(below(file.len()));
        }
        let source: SharedSource = Arc::new(Memory(file));
        if claim(&*source) != Ok(Some(Set::Alone)) {
            continue;
        }
        describe(&*source).unwrap();
        if let Ok(disks) = open(&[source], &context()) {
            let disk = &disks[0].source;
            for at in (0..disk.size().min(1 << 20)).step_by(1 << 18) {
                let len = (disk.size() - at).min(1 << 18);
                let _ = read_vec(&**disk, at, len as usize);
            }
        }
    }
}

#[test]
fn a_state_of_anything_is_refused_or_read() {
    let codec = Gzip::new(Arc::new(Memory(text(5000))));
    for len in 1..40 {
        for byte in [0, 7, 8, 255] {
            let point = Point {
                output: 5,
                input: 50,
                state: vec![byte; len],
            };
            if let Ok(mut decoder) = codec.resume(&point) {
                let mut buf = vec![0; 1000];
                while decoder.decode(&mut buf).is_ok_and(|len| len > 0) {}
            }
        }
    }
}
