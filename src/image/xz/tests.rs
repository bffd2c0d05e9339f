//! On files of real programs that are small enough to stand here, whole and damaged; and on
//! malicious ones that no program writes.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
#![allow(clippy::cast_possible_truncation)] // small numbers

use std::sync::Arc;

use super::*;
use crate::cache::Cache;
use crate::error::Kind;
use crate::format::Room;
use crate::format::testing::RawOnly;
use crate::source::Memory;
use crate::source::streamed::Codec;

/// What `xz --check=sha256 --block-size=5000 --x86 --lzma2=dict=4KiB` makes of [`text`].
const PACKED: &str = "fd377a585a00000ae1fb0ca10201040021010000da33ad03e0138701405d00180809a7e73d28ea876efe56952b8f\
    0bcb0c6ef03bcd9bc8b308c3efa5aeb729b211df04a4f7f3d1af537ad97105f66ff8f3ae33796724c19f77b5d95f\
    3253071e74fda661d97661913c9d112a0a06273458bba53ca211ba8e90a3e3968c005d793a13538694a10dd41989\
    51e69a5b8a73318b0276bb51f0ec21227909393bcc1dc3544303075daaec031264605097fa9c4264f17d5e463b59\
    5ea26727f44c5cbc4a22754f0216b8503940bbafaf95b7655234f53145c75d44c05725d7ca277e11fa8946f05a4f\
    f35f7f5f17101b6588ac9e7e9e6f1d935248bf734ea59f5b40610afdbd3e0d84476c943236e21e76dc8ae8364c37\
    237110960a03fd2e0d9f2de8795cdc05509b4a5099f6686e9baa88c140033cb3c88023c83a74a4c5d912433841cd\
    dafb0e4a41b9ed0530b70fe9b1d2e6adb3d3a8ea4329025decf156d10000634996ad6585ca1aba6dfa38617b57c0\
    a17be0ba52f87d7931eac634b2e231e50201040021010000da33ad03e01387011e5d00349cc0050f8dd067e2cbcc\
    c5b00814c281afcb0706fc3bad3d99dba411cc41cbe15a98c08cf9b0f60ccc7d754b2225b406ecd3dd0389f6267c\
    4a0bf8339333b83a1c7049385cc569e43c2c43b168e634733a9aa74fb841077d72562cc310f36d5f2a3964b3c033\
    7bc02dc57663496e6232398970d79a97bee6a18d715d7652e7d037ec2dd7445d19c99de30f6b23410c7142803de4\
    2151dc9bf41a313a65a45181b8f4fd05e5607f8e9f76c991661d6470bf284e740cc55b4275653c278f44618cf574\
    8896f8b9e1e8d85b0ca0619328df8b7bd916a8be9d1d24fe6a2d0ef96c1c55182ad82bf66259a258880fef365b37\
    00cf70dcc992be4bbbd319aacde7195f3e6efc0e52f66b5aee5facecc9ad66569b4002d4baeb160e48af685d0000\
    000063c37c17c9506e0a3ffbc6fda8e73252e82932d551234378e399c304713e92a20201040021010000da33ad03\
    e00e6900f55d00101bc8c20358bb8a3bbe32cf06df82f4c45944cae90a47a7a2f2325d55cb2adeb060245395264f\
    d3d58473b8075eff06aef409902c51c0779b585cd0941029abbc1308c826276c43de1754dea1edbce05b6f0eef54\
    08af8726fc722792042980050d19d39ae592adf64f0967ca11d272b9a1a08cfe6904372911c21f288c2edd8d80e1\
    43681f94160d82bae1d558e07fe48e0142a5c91841f824562c9b229fcb7064be2de56589054ac8291168076d8b46\
    9a17e307e5c06c8aa2c79578f460a412d23de62e617198e3b8036eefe4183c1ce73f47adc2c62a0cae5a4966d7ff\
    e0a2b870f9b6a7344531511c62788b913e131398a0fd00000000ed79fd74079a7e554e9dfdd02e9f5afbd42bb03d\
    227378939121aa14b3cc969a0003f4028827d2028827a902ea1c000010c2bd33ab0a86ca04000000000a595a";

fn text() -> Vec<u8> {
    let lines = (0..600).map(|line| format!("{line} is a line of text.\n"));
    lines.collect::<String>().into_bytes()
}

fn packed() -> Vec<u8> {
    let digits = PACKED.as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn codec(bytes: Vec<u8>) -> Result<Xz> {
    let source: SharedSource = Arc::new(Memory(bytes));
    let blocks = Arc::new(stream::find(&*source)?);
    let _room = Room::default().take(blocks.memory())?;
    Ok(Xz {
        source,
        blocks,
        _room,
    })
}

/// All that is there from `point` on, in pieces of `piece` bytes, with the points on the way.
fn decode(codec: &Xz, point: &Point, piece: usize) -> Result<(Vec<u8>, Vec<Point>)> {
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
    let (codec, text) = (codec(packed()).unwrap(), text());
    assert_eq!(codec.blocks.size as usize, text.len());
    assert_eq!(codec.blocks.len(), 3);
    for piece in [1, 7, 4096, 100_000] {
        let (all, points) = decode(&codec, &Point::start(), piece).unwrap();
        assert!(all == text, "in pieces of {piece}");
        let known = self::points(&codec.blocks);
        for point in points.iter().chain(&known) {
            let (rest, _) = decode(&codec, point, 1000).unwrap();
            assert!(rest == text[point.output as usize..], "{}", point.output);
        }
    }
}

#[test]
fn a_place_inside_a_block_is_kept_with_all_that_is_needed() {
    let (codec, text) = (codec(packed()).unwrap(), text());
    for stop in [1, 999, 4095, 4996, 4999, 5001, 12_000] {
        let mut unpacking = None;
        let number = codec.blocks.at(stop).unwrap();
        let (block, end) = codec.blocks.get(number).unwrap();
        let start = || block::Unpacking::start(&codec.source, &codec.blocks, number).unwrap();
        let unpacking = unpacking.insert(start());
        let mut head = vec![0; (stop - block.output) as usize];
        let mut done = 0;
        while done < head.len() {
            done += unpacking.unpack(&mut head[done..]).unwrap();
        }
        let mut state = Vec::new();
        unpacking.keep(&mut state);
        let point = Point {
            output: stop,
            input: block.input,
            state,
        };
        let (rest, _) = decode(&codec, &point, 777).unwrap();
        assert!(rest == text[stop as usize..], "{stop} of block to {end}");
        // Whatever else stands there is refused, or what comes of it fails the check.
        let step = 1 + point.state.len() / 300;
        for at in (0..point.state.len()).step_by(step) {
            let mut bad = point.clone();
            bad.state[at] ^= 0x55;
            let _ = decode(&codec, &bad, 777);
            bad.state.truncate(at);
            let _ = decode(&codec, &bad, 777);
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
            let all = codec(bytes).and_then(|codec| decode(&codec, &Point::start(), 4096));
            assert!(
                all.is_err_and(|error| error.kind() != Kind::Io),
                "byte {at}"
            );
        }
        let cut = codec(packed[..at].to_vec());
        assert!(cut.is_err() || at == 0, "cut at {at}");
    }
    let codec = codec(packed.clone()).unwrap();
    let second = codec.blocks.get(1).unwrap().0;
    let mut bytes = packed;
    bytes[second.input as usize + 40] ^= 1;
    let damaged = self::codec(bytes).unwrap();
    let mut decoder = damaged.resume(&Point::start()).unwrap();
    let mut buf = vec![0; 8192];
    let mut all = 0;
    let error = loop {
        match decoder.decode(&mut buf) {
            Ok(len) => all += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::Corrupt);
    assert_eq!(all, 5000, "nothing of a block that does not have its check");
    let third = decoder.point().expect("the next block is whole");
    let (rest, _) = decode(&damaged, &third, 999).unwrap();
    assert!(rest == text[10_000..]);
}

/// A stream of one block that holds `data` as it is, and an index with these bytes of records.
fn stored(dictionary: u8, data: &[u8], count: &[u8], records: Option<Vec<u8>>) -> Vec<u8> {
    let sealed = |mut bytes: Vec<u8>| {
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    };
    let mut file = b"\xfd7zXZ\0".to_vec();
    file.extend(sealed(vec![0, 0]));
    let mut block = sealed(vec![2, 0, 0x21, 1, dictionary, 0, 0, 0]);
    block.push(1);
    block.extend((data.len() as u16 - 1).to_be_bytes());
    block.extend(data);
    block.push(0);
    let own = vec![block.len() as u8, data.len() as u8];
    block.resize(block.len().next_multiple_of(4), 0);
    file.extend(block);
    let mut index = vec![0];
    index.extend(count);
    index.extend(records.unwrap_or(own));
    index.resize(index.len().next_multiple_of(4), 0);
    let index = sealed(index);
    let mut footer = (index.len() as u32 / 4 - 1).to_le_bytes().to_vec();
    footer.extend([0, 0]);
    file.extend(index);
    file.extend(crc32fast::hash(&footer).to_le_bytes());
    file.extend(footer);
    file.extend(b"YZ");
    file
}

/// That `bytes` are refused with an error of `kind` that says `words`, of byte `at`.
fn refused(bytes: Vec<u8>, kind: Kind, words: &str, at: u64) {
    let source: SharedSource = Arc::new(Memory(bytes));
    let context = Context::new(crate::cache::Cache::new(1 << 20));
    let error = open(&[source], &context).err().expect("it is refused");
    assert!(error.to_string().contains(words), "{words}: {error}");
    assert_eq!((error.kind(), error.offset()), (kind, Some(at)), "{error}");
}

#[test]
fn a_stored_chunk_is_read() {
    let codec = codec(stored(0, b"abcdefg", &[1], None)).unwrap();
    assert_eq!(decode(&codec, &Point::start(), 3).unwrap().0, b"abcdefg");
}

#[test]
fn o06_dictionary() {
    // The block's header is behind the stream's.
    const BLOCK: u64 = 12;
    for (bits, says) in [(40, "4095 MiB"), (39, "3072 MiB"), (31, "192 MiB")] {
        let words = format!("window: the dictionary of {says} is over 128 MiB");
        let stream = stored(bits, b"abc", &[1], None);
        refused(stream, Kind::Unsupported, &words, BLOCK);
    }
    let stream = stored(41, b"abc", &[1], None);
    refused(stream, Kind::Corrupt, "lzma2 properties", BLOCK);
    let most = codec(stored(30, b"abc", &[1], None)).unwrap();
    let allocated = || decode(&most, &Point::start(), 3).unwrap().0;
    let mut all = Vec::new();
    let measured = allocation_counter::measure(|| all = allocated());
    assert_eq!(all, b"abc");
    assert!(measured.bytes_max < 1 << 20, "{}", measured.bytes_max);
}

#[test]
fn o06_index() {
    // Behind a block of 20 bytes.
    const INDEX: u64 = 32;
    let with = |count: &[u8], records| stored(0, b"abc", count, records);
    // 10^9 records.
    let billion = with(&[0x80, 0x94, 0xeb, 0xdc, 3], None);
    let words = "number of records 1000000000 is more";
    refused(billion, Kind::Corrupt, words, INDEX);
    // As many as the bytes can hold, each of a size that no block has.
    let zeros = with(&[0x80, 0x80, 0x40], Some(vec![0; 1 << 21]));
    refused(zeros, Kind::Corrupt, "a block of 0 bytes", INDEX + 6);
    // And two million whose size is right.
    let many = with(&[0x80, 0x80, 0x80, 1], Some([20, 1].repeat(1 << 21)));
    let words = "number of records 2097152 is over 1048576";
    refused(many, Kind::Unsupported, words, INDEX);
    // More than LZMA2 can make of it.
    let records = vec![20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    let long = with(&[1], Some(records));
    refused(
        long,
        Kind::Corrupt,
        "unpacks to 562949953421312",
        INDEX + 11,
    );
}

#[test]
fn padding_is_fours_and_bounded() {
    let whole = stored(0, b"abc", &[1], None);
    let two = [whole.clone(), vec![0; 8], whole.clone(), vec![0; 4]].concat();
    let codec = codec(two).unwrap();
    assert_eq!(decode(&codec, &Point::start(), 100).unwrap().0, b"abcabc");
    let end = whole.len() as u64;
    let odd = [whole.clone(), vec![0; 3]].concat();
    refused(
        odd,
        Kind::Corrupt,
        "does not end in a stream footer",
        end + 3,
    );
    let long = [whole, vec![0; (16 << 20) + 4]].concat();
    refused(long, Kind::Unsupported, "stream padding is over", end);
}

/// Each of several files may have as many blocks as there may be, and one may have many names.
#[test]
fn o06_the_blocks_of_all_files_are_counted_together() {
    let context = Context {
        images: Arc::new(RawOnly),
        ..Context::new(Cache::new(1 << 20))
    };
    let image: SharedSource = Arc::new(Memory(packed()));
    let all = 48 << 20;
    let rest = context.room.take(all - 50).unwrap();
    let error = open(std::slice::from_ref(&image), &context).err().unwrap();
    assert_eq!(error.kind(), Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("tables of over"), "{error}");
    drop(rest);
    let disks = open(&[image], &context).unwrap();
    assert!(context.room.take(all).is_err());
    drop(disks);
    assert!(context.room.take(all).is_ok());
}

/// As many blocks as a file may have leave room for some other table.
#[test]
fn o06_one_file_of_as_many_blocks_as_there_may_be_has_room() {
    let most = stream::MOST_BLOCKS * size_of::<stream::Block>() + (MOST_POINTS as usize) * POINT;
    assert!(Room::default().take(most).is_ok());
}
