//! On files of real programs that are small enough to stand here, whole and damaged; and on
//! malicious ones that no program writes.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
#![allow(clippy::cast_possible_truncation)] // small numbers

use std::sync::Arc;

use super::bits::{BLOCK_MAGIC, END_MAGIC};
use super::*;
use crate::error::Kind;
use crate::source::Memory;
use crate::source::streamed::{Codec, Listener, Point, Work};

/// What `bzip2 -1` makes of the first 4000 bytes of [`text`], and `bzip2 -9` of the others.
const PACKED: &str = "425a6831314159265359b8bd6fbc0002715980001040017fe023258c404001d0e0014006234d34684200ff555190\
    00500188d34d1a0cd528fdaaa7e7aaa7ea89a635158988998f933113317e6299d6dd3af1ced400d1501916030170\
    5c180b0191501a43454064580c05c170602c06454068a006d00047699886d7f1b49b5f49a4daf49a4da3bd5def7b\
    dee6666677e369ae0b9ce739cfa92492ddf04d03681b40da06d03681b409a00baa5b6d9b92496f36000000001756\
    eadb64dc925bcf6000000000bab6f8b6c93724b790000000002eadb7cdb249b92de60000000005d5b6dcb249372d\
    e79000000000bab6db649249bb79e0000000105d5b6dccccccb797c69b5ab6db6e6666672d4d7f5b49b5fada4daf\
    94d26d7a6d26d7a6d26d794da4daf4da4da1b49b436936bfc9a4dad26936bf1349b5ff177245385090b8bd6fbc42\
    5a6839314159265359d5b1a3bb00041dd980001040017fe023258c4050041803d2bd4aa42ac2800c469a68d0a003\
    11a69a3422551ffe9479faa9546800129551bfff5554de9ea502646411549fe951ea7ea83f54068f9d73955cae7f\
    395caae573e2bcf735dfa7d7e0000000000000000000000000000000000000000000000000000000000000000000\
    000000000000000000000000000000000000fb72b955cae7df8208f9f1b0208ee2823c7333333332eeeeeeeeeeee\
    c0000666649249249249249249249249249279e1999800000000bd6b5a924924924924924924924ed55554255555\
    09efbdeeeeef7a000000019999dae502c81640b205902c81645ddd72aeeeeeb95777775caf7def77777bd0000377\
    7777777777779ce73bb205902c81640b205902c81640b205978f1df7d75bbde80000000666676b95777775902c81\
    640b205902c8165777775cabbbbbae57bef7bbbbbde8000006eeeeeeef39ce77640b205902c81640b205902c8164\
    0b2f1e3befaebaebbef740000000cccc924924924924924924924924924f3c3333000000000cccc9249249249249\
    24924924924dbbbbf7d66666000000001bbbba00000000000f3e73f7bbbbba00000000cccccbbbbbbb0000000041\
    f3965659fec9047b8a08ee8823ba208d08823ba208ec8823b2208fe1411e02823f05047f8bb9229c28486ad8d1dd\
    80";

fn text() -> Vec<u8> {
    let lines = (0..600).map(|line| format!("{line} is a line of text.\n"));
    lines.collect::<String>().into_bytes()
}

fn packed() -> Vec<u8> {
    let digits = PACKED.as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

struct Deaf;

impl Listener for Deaf {
    fn notice(&self, _: String) {}

    fn begin(&self, _: Option<u64>) -> Box<dyn Work> {
        Box::new(Self)
    }

    fn save(&self, _: &[u8]) {}
}

impl Work for Deaf {
    fn advance(&self, _: u64) {}
}

fn codec(bytes: Vec<u8>) -> Bzip2 {
    let source: SharedSource = Arc::new(Memory(bytes));
    Bzip2 { source }
}

/// All that is there from `point` on, in pieces of `piece` bytes, with the points on the way.
fn decode(codec: &Bzip2, point: &Point, piece: usize) -> Result<(Vec<u8>, Vec<Point>)> {
    let mut decoder = codec.resume(point)?;
    let (mut all, mut points) = (Vec::new(), Vec::new());
    let mut buf = vec![0; piece];
    loop {
        let len = decoder.decode(&mut buf)?;
        all.extend(&buf[..len]);
        if len == 0 || all.len() > 1 << 20 {
            return Ok((all, points));
        }
        points.extend(decoder.point());
    }
}

#[test]
fn it_is_unpacked_whole_and_from_every_point() {
    let (codec, text) = (codec(packed()), text());
    for piece in [1, 7, 4001, 100_000] {
        let (all, points) = decode(&codec, &Point::start(), piece).unwrap();
        assert!(all == text, "in pieces of {piece}");
        for point in points {
            let (rest, _) = decode(&codec, &point, 1000).unwrap();
            assert!(rest == text[point.output as usize..], "{}", point.output);
        }
    }
    let measured = measure::measure(&codec.source, &Deaf).unwrap();
    assert_eq!(measured.reached as usize, text.len());
    assert!(measured.damage.is_none());
}

/// Bits as a file, and what is needed to write some.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        self.0
            .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |all, at| {
                all << 1 | u8::from(bits.get(at) == Some(&true))
            })
        };
        self.0.chunks(8).map(byte).collect()
    }
}

#[test]
fn a_block_may_begin_at_any_bit_and_hold_a_magic() {
    // One block of the packed text, moved by some bits with a magic in front: what is no block is
    // passed over when the blocks are followed.
    let packed = packed();
    let end = packed.len() as u64 * 8 - 80;
    let source = Memory(packed.clone());
    let first = (0..8).filter_map(|spare| {
        let magic = bits::read(&source, end - spare, 48).unwrap();
        (magic == END_MAGIC).then_some(end - spare)
    });
    let end = first.max().unwrap();
    let start = bits::find(&source, 100, end).unwrap();
    let start = bits::find(&source, start.unwrap() + 1, end)
        .unwrap()
        .unwrap();
    assert_eq!(bits::read(&source, start, 48).unwrap(), BLOCK_MAGIC);
    for shift in 0..9 {
        let mut moved = Bits::default();
        moved.put(0, shift);
        (start..end + 80).for_each(|at| moved.put(bits::read(&source, at, 1).unwrap(), 1));
        let codec = codec(moved.bytes());
        let point = Point {
            output: 4000,
            input: u64::from(shift),
            state: Vec::new(),
        };
        if shift > 0 {
            let (all, _) = decode(&codec, &point, 999).unwrap();
            assert!(all == text()[4000..], "{shift}");
        }
    }
}

#[test]
fn no_flipped_bit_is_believed() {
    let (packed, text) = (packed(), text());
    for at in 0..packed.len() {
        for bit in [0, 3, 7] {
            let mut bytes = packed.clone();
            bytes[at] ^= 1 << bit;
            // The CRC of a whole stream says no more than those of its blocks, and is not looked at;
            // neither are the bits behind it, nor what follows that is no stream.
            if let Ok((all, _)) = decode(&codec(bytes), &Point::start(), 4096) {
                assert!(all == text || all == text[..4000], "byte {at}");
            }
        }
        if let Ok((all, _)) = decode(&codec(packed[..at].to_vec()), &Point::start(), 4096) {
            assert!(text.starts_with(&all), "cut at {at}");
        }
    }
}

#[test]
fn very_many_magics_cost_little() {
    // 60,000 magics that all claim to be blocks, and one that is tried with eight of them as its end.
    let mut bits = Bits::default();
    bits.put(u64::from(u32::from_be_bytes(*b"BZh9")), 32);
    for _ in 0..60_000 {
        bits.put(BLOCK_MAGIC, 48);
        bits.put(7, 3);
    }
    let source: SharedSource = Arc::new(Memory(bits.bytes()));
    let measured = measure::measure(&source, &Deaf).unwrap();
    assert_eq!(measured.reached, 0);
    let error = measured.damage.expect("no block is there");
    assert_eq!(error.kind(), Kind::Corrupt);
}
