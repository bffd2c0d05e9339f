//! Points and sizes, over frames that the C library makes; those of the commands are in the
//! integration tests.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use std::io::Write;
use std::sync::Arc;

use zstd::stream::Encoder;

use super::contents::Contents;
use super::*;
use crate::format::Room;
use crate::source::Memory;
use crate::source::streamed::{Codec, Decoder};

/// Numbers in a fixed, scattered order.
struct Scattered(u64);

impl Scattered {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// `len` bytes like a disk's: words, noise, repeats from near and far, zeros.
fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Scattered(seed);
    let mut bytes: Vec<u8> = Vec::with_capacity(len);
    while bytes.len() < len {
        let bits = 1 + random.below(17);
        let piece = 1 + random.below(1 << bits);
        match random.below(6) {
            0 => bytes.extend((0..piece).map(|_| random.below(256) as u8)),
            1 | 2 => bytes.extend((0..piece).map(|_| b"imgmount disk\n"[random.below(14)])),
            3 => bytes.resize(bytes.len() + 4 * piece, 0),
            _ => {
                let back = 1 + random.below(bytes.len().max(1));
                for _ in 0..piece {
                    let at = bytes.len().saturating_sub(back);
                    bytes.push(bytes.get(at).copied().unwrap_or(1));
                }
            }
        }
    }
    bytes.truncate(len);
    bytes
}

fn pack(bytes: &[u8], level: i32, with_size: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), level).unwrap();
    encoder.include_checksum(true).unwrap();
    if with_size {
        let size = Some(bytes.len() as u64);
        encoder.set_pledged_src_size(size).unwrap();
    }
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn frames(packed: &[u8]) -> Result<(Frames, Contents)> {
    let source: SharedSource = Arc::new(Memory(packed.to_vec()));
    let contents = match seek_table::read(&*source)? {
        Some(contents) => contents,
        None => Contents::walk(&*source)?,
    };
    let room = Room::default().take(0)?;
    Ok((Frames::new(source, contents.clone(), room), contents))
}

/// Everything from `decoder`, in calls for `piece` bytes, with the points on the way.
fn decode(decoder: &mut dyn Decoder, piece: usize) -> Result<(Vec<u8>, Vec<Point>)> {
    let (mut all, mut points) = (Vec::new(), Vec::new());
    let mut buf = vec![0; piece];
    loop {
        let len = decoder.decode(&mut buf)?;
        if len == 0 {
            return Ok((all, points));
        }
        all.extend_from_slice(&buf[..len]);
        points.extend(decoder.point());
    }
}

fn check_points(bytes: &[u8], packed: &[u8]) -> usize {
    let (frames, contents) = frames(packed).unwrap();
    assert_eq!(contents.output, bytes.len() as u64);
    let mut decoder = frames.resume(&Point::start()).unwrap();
    let (all, points) = decode(&mut *decoder, 256 << 10).unwrap();
    assert!(all == bytes);
    for (number, point) in points.iter().enumerate() {
        let mut decoder = frames.resume(point).unwrap();
        let rest = &bytes[point.output as usize..];
        // To the end from some of them, and again with points.
        if number % 29 == 0 {
            let (all, again) = decode(&mut *decoder, 50_000).unwrap();
            assert!(all == rest, "{number}");
            for (own, first) in again.iter().zip(&points[number + 1..]) {
                assert!(own == first, "point behind {number}");
            }
        } else {
            let mut buf = vec![0; 300 << 10];
            let len = decoder.decode(&mut buf).unwrap();
            assert!(buf[..len] == rest[..len], "{number}");
        }
    }
    points.len()
}

#[test]
fn a_frame_is_unpacked_from_points_inside_it() {
    let bytes = content(9 << 20, 1);
    for (level, with_size) in [(1, false), (3, true), (6, false)] {
        let packed = pack(&bytes, level, with_size);
        let points = check_points(&bytes, &packed);
        assert!(points > 60, "level {level}: {points}");
    }
}

#[test]
fn a_frame_of_the_highest_level_is_too() {
    let bytes = content(5 << 20, 2);
    let points = check_points(&bytes, &pack(&bytes, 19, true));
    assert!(points > 30, "{points}");
}

#[test]
fn frames_without_their_size_are_measured() {
    for seed in 0..30 {
        let bytes = content(Scattered(seed).below(600_000), seed);
        let level = seed as i32 % 19 + 1;
        let mut packed = pack(&bytes, level, false);
        let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9][..], &packed].concat();
        packed.extend(skipped);
        let (_, contents) = frames(&packed).unwrap();
        assert_eq!(contents.output, 2 * bytes.len() as u64, "seed {seed}");
        assert_eq!((contents.cut, contents.trailing), (None, None));
    }
}

#[test]
fn of_one_large_frame_without_its_size_a_bound_is_told() {
    let bytes = content(700_000, 9);
    let packed = pack(&bytes, 3, false);
    let source: SharedSource = Arc::new(Memory(packed.clone()));
    let contents = Contents::walk_measuring(&*source, 1000).unwrap().unwrap();
    assert!(contents.is_bound && contents.output > bytes.len() as u64);
    let frames = Frames::new(source, contents, Room::default().take(0).unwrap());
    let mut decoder = frames.resume(&Point::start()).unwrap();
    assert!(decode(&mut *decoder, 1 << 20).unwrap().0 == bytes);
    let two = Memory(packed.repeat(2));
    assert_eq!(Contents::walk_measuring(&two, 1000).unwrap(), None);
    assert_eq!(Contents::walk(&two).unwrap().output, 1_400_000);
}

#[test]
fn a_wrong_checksum_is_found_where_the_frame_is_unpacked_as_a_whole() {
    let bytes = content(300_000, 3);
    let mut packed = pack(&bytes, 3, true);
    let last = packed.len() - 1;
    packed[last] ^= 1;
    let (frames, _) = frames(&packed).unwrap();
    let mut decoder = frames.resume(&Point::start()).unwrap();
    let error = decode(&mut *decoder, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn damage_leaves_the_frames_behind_it() {
    let bytes = content(700_000, 4);
    let one = pack(&bytes, 3, true);
    let mut packed = one.repeat(3);
    packed[one.len() + 30..one.len() + 60].fill(0xff);
    let (frames, contents) = frames(&packed).unwrap();
    assert_eq!(contents.starts.len(), 3);
    let second = contents.starts[1];
    let point = Point {
        output: second.output,
        input: second.input,
        state: Vec::new(),
    };
    let mut decoder = frames.resume(&point).unwrap();
    assert!(decode(&mut *decoder, 1 << 20).is_err());
    let behind = decoder.behind_damage().unwrap();
    assert_eq!(behind.output, 1_400_000);
    let mut decoder = frames.resume(&behind).unwrap();
    assert!(decode(&mut *decoder, 1 << 20).unwrap().0 == bytes);
}

#[test]
fn cut_files_have_what_is_there() {
    let bytes = content(800_000, 5);
    for with_size in [true, false] {
        let packed = pack(&bytes, 3, with_size);
        for cut in (20..packed.len()).step_by(packed.len() / 23) {
            let (frames, contents) = frames(&packed[..cut]).unwrap();
            assert!(contents.cut.is_some());
            let mut decoder = frames.resume(&Point::start()).unwrap();
            let mut all = Vec::new();
            let mut buf = vec![0; 128 << 10];
            let result = loop {
                match decoder.decode(&mut buf) {
                    Ok(0) => break Ok(()),
                    Ok(len) => all.extend_from_slice(&buf[..len]),
                    Err(error) => break Err(error),
                }
            };
            assert!(bytes.starts_with(&all));
            assert_eq!(result.is_err(), with_size, "{cut}");
        }
    }
}

#[test]
fn a_state_that_is_none_is_refused() {
    let bytes = content(5 << 20, 6);
    let packed = pack(&bytes, 3, true);
    let (frames, _) = frames(&packed).unwrap();
    let mut decoder = frames.resume(&Point::start()).unwrap();
    let (_, points) = decode(&mut *decoder, 1 << 20).unwrap();
    let good = &points[points.len() / 2];
    let mut random = Scattered(1);
    let mut buf = vec![0; 1 << 20];
    for _ in 0..60 {
        let mut point = good.clone();
        let at = random.below(700);
        point.state[at] ^= 1 << random.below(8);
        if let Ok(mut decoder) = frames.resume(&point) {
            let _ = decoder.decode(&mut buf);
        }
        point.state.truncate(random.below(600));
        assert!(frames.resume(&point).is_err() || point.state.is_empty());
    }
}

#[test]
fn flipped_bits_end_in_bytes_or_errors() {
    let bytes = content(200_000, 7);
    let packed = pack(&bytes, 3, false);
    let mut random = Scattered(2);
    for _ in 0..200 {
        let mut bad = packed.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bad.len());
            bad[at] ^= 1 << random.below(8);
        }
        if let Ok((frames, contents)) = frames(&bad) {
            let decoded = frames.resume(&Point::start());
            if let Ok((all, _)) = decoded.and_then(|mut it| decode(&mut *it, 1 << 20)) {
                assert!(all.len() as u64 >= contents.output);
            }
        }
    }
}
