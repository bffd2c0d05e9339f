//! Blocks: of metadata, and of data by every compressor.

use std::io::Write;

use imgmount::error::{Error, Kind};

use super::made::{BLOCK, DATA, Image, Made, NONE, field};
use super::{fails, inside, others_are_good, refused, walk_broken};
use crate::hostile::expect::blames;
use crate::hostile::walk::{Seen, walk};

/// The image, its directory's block replaced by `block` behind everything.
fn with_directory(block: &[u8]) -> (Image, u64) {
    let mut image = Made::new().image();
    let at = u64::from_le_bytes(image.bytes[40..48].try_into().unwrap()) as usize;
    image.bytes.truncate(at);
    image.bytes.extend(block);
    let end = image.bytes.len() as u64;
    image.bytes = image.with(field::BYTES_USED, &end.to_le_bytes());
    // The root has its list in this block, counted from the table's start.
    let root = u64::from_le_bytes(image.bytes[32..40].try_into().unwrap()) as usize;
    let start = (at - image.directory) as u32;
    let field = image.inodes + 2 + root + 16;
    image.bytes = image.with(field, &start.to_le_bytes());
    (image, at as u64)
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Listing the root gives an error of these words `behind` the byte where the block is.
fn list_fails(block: &[u8], words: &str, behind: u64) {
    let (image, at) = with_directory(block);
    let walk = walk_broken(&image.bytes);
    assert!(walk.refused.is_none());
    let Seen::Directory(entries, Some(error)) = &walk.nodes[""].content else {
        panic!("{words}: {:?}", walk.nodes[""]);
    };
    assert_eq!(entries.len(), 2, "nothing but the dots: {entries:?}");
    blames(error, Kind::Corrupt, &[words], at + behind);
}

#[test]
fn s02_metadata_blocks_of_sizes_that_none_has_cost_their_directory() {
    let sized = |header: u16| [&header.to_le_bytes()[..], &[0; 100]].concat();
    list_fails(&sized(0), "size 0", 0);
    list_fails(&sized(0x8000), "size 0", 0);
    list_fails(&sized(8193), "size 8193", 0);
    list_fails(&sized(0xffff), "size 32767", 0);
    // What is behind the header, and the header itself.
    list_fails(&sized(8192), "8192 bytes are past bytes_used", 2);
    list_fails(&[1], "2 bytes are past bytes_used", 0);
}

#[test]
fn s02_metadata_that_unpacks_to_too_much_or_to_nothing_costs_its_directory() {
    let packed = |bytes: &[u8]| {
        let packed = zlib(bytes);
        [&(packed.len() as u16).to_le_bytes()[..], &packed].concat()
    };
    list_fails(&packed(&[0; 8193]), "metadata block: gzip", 0);
    list_fails(&packed(&[0; 1 << 20]), "metadata block: gzip", 0);
    list_fails(&packed(&[]), "offset 0 is past the 0 bytes", 0);
    list_fails(&[100, 0].repeat(60), "metadata block: gzip", 0);
    // Garbage that says it is not compressed: a header of far too many entries.
    let garbage = [&[0x64, 0x80][..], &[0xff; 100]].concat();
    list_fails(&garbage, &(inside(0) + "a header of 4294967295"), 0);
}

#[test]
fn s02_an_offset_past_the_block_is_refused_and_shows_nothing() {
    // squashfuse issue 158: what follows the block in memory was shown.
    let image = Made::new().image();
    let root = u64::from_le_bytes(image.bytes[32..40].try_into().unwrap());
    for offset in [root + 100, 8000, 8192] {
        let bytes = image.with(field::ROOT, &offset.to_le_bytes());
        let at = image.inodes as u64;
        refused(&bytes, Kind::Corrupt, "is past the", at);
    }
    let mut made = Made::new();
    let reference = words_of(&[0, 1 << 20]);
    made.inode(
        b"past",
        1,
        &[&reference[..], &[20, 0, 0xff, 0x1f], &[1, 0, 0, 0]].concat(),
    );
    let image = made.image();
    let words = ["offset 8191 is past the"];
    fails(&image, "past", &words, image.directory as u64);
}

fn words_of(words: &[u32]) -> Vec<u8> {
    super::made::words(words)
}

#[test]
fn s05_sizes_that_no_block_has_cost_their_file() {
    let sizes = [
        (1 << 24, "a block of size 0x1000000"),
        (8192 | 1 << 24, "a block has 8192 bytes"),
        (BLOCK as u32 + 1, "size 4097 is over 4096"),
        (0x00ff_ffff, "size 16777215 is over 4096"),
        (1 << 25 | 4096, "a block of size 0x2001000"),
        (u32::MAX, "a block of size 0xffffffff"),
        (100 | 1 << 24, "a block has 100 bytes, the file 4096"),
    ];
    for (word, words) in sizes {
        let mut made = Made::new();
        made.file(b"z", DATA as u64, (NONE, 0), BLOCK as u64, &[word]);
        fails(&made.image(), "z", &[words], DATA as u64);
    }
}

#[test]
fn s05_garbage_is_refused_by_every_decoder() {
    let garbage: Vec<Vec<u8>> = vec![
        vec![0; 200],
        vec![0xff; 200],
        (0..=255).collect(),
        b"\xfd7zXZ\0\0\x01garbage".repeat(10),
        b"\x28\xb5\x2f\xfd\0\xa8\x01\0\0".to_vec(),
        b"\x78\x9c\xff\xff".repeat(20),
        [&[0x5d, 0xff, 0xff, 0xff, 0xff][..], &[0xff; 8], &[7; 90]].concat(),
    ];
    for compression in 1..=6 {
        for bytes in &garbage {
            let mut made = Made::new();
            made.compression = compression;
            let start = made.store(bytes);
            made.file(b"z", start, (NONE, 0), BLOCK as u64, &[bytes.len() as u32]);
            // What a decoder takes for less than a block is garbage all the same.
            fails(&made.image(), "z", &["inode 3: ", "block"], start);
        }
    }
}

#[test]
fn s05_blocks_that_unpack_to_more_or_less_than_the_file_has_cost_their_file() {
    for size in [0, 1, BLOCK - 1, BLOCK + 1, 1 << 20] {
        let mut made = Made::new();
        let packed = zlib(&vec![7; size]);
        let start = made.store(&packed);
        made.file(b"z", start, (NONE, 0), BLOCK as u64, &[packed.len() as u32]);
        let words = match size {
            ..BLOCK => format!("a block has {size} bytes, the file 4096 there"),
            _ => "block of data: gzip".to_owned(),
        };
        fails(&made.image(), "z", &[&words], start);
    }
}

#[test]
fn s05_a_dictionary_of_2_gib_is_not_allocated() {
    // xz: a block header whose dictionary is 2 GiB, as its checksum says.
    let mut header = vec![2, 0, 0x21, 1, 38, 0, 0, 0];
    let sum = crc32fast::hash(&header);
    header.extend(sum.to_le_bytes());
    let mut flags = b"\xfd7zXZ\0\0\x01".to_vec();
    flags.extend(crc32fast::hash(&[0, 1]).to_le_bytes());
    let xz = [flags, header, vec![1, 0, 0, 7, 0]].concat();
    let lzma = [&[0x5d, 0, 0, 0, 0x80][..], &[0xff; 8], &[0; 90]].concat();
    for (compression, bytes) in [(4, xz), (2, lzma)] {
        let mut made = Made::new();
        made.compression = compression;
        let start = made.store(&bytes);
        made.file(b"z", start, (NONE, 0), BLOCK as u64, &[bytes.len() as u32]);
        let image = made.image();
        let measured = allocation_counter::measure(|| {
            let error = failed_here(&image, "z");
            blames(&error, Kind::Corrupt, &["block of data"], start);
        });
        assert!(measured.bytes_max < 4 << 20, "{} bytes", measured.bytes_max);
    }
}

/// The error that reading `name` gives on this very thread.
fn failed_here(image: &Image, name: &str) -> Error {
    use imgmount::filesystem::{FORMATS, Request};
    let format = FORMATS
        .iter()
        .find(|format| format.name == "squashfs")
        .unwrap();
    let context = imgmount::format::Context::new(imgmount::cache::Cache::new(1 << 20));
    let source = imgmount::source::Memory(image.bytes.clone());
    let opened = (format.open)(&[std::sync::Arc::new(source)], &context).unwrap();
    let files = opened.filesystem;
    let request = Request::new(0);
    let inode = files.lookup(&request, files.root(), name.as_bytes());
    let inode = inode.unwrap().unwrap();
    let read = files.read(&request, inode, &mut [0; 100], 0);
    read.unwrap_err()
}

#[test]
fn s05_lz4_of_an_unknown_format_is_refused_and_the_known_one_is_read() {
    let mut made = Made::new();
    made.compression = 5;
    let options = |version: u32| [&[8, 0x80][..], &version.to_le_bytes(), &[0; 4]].concat();
    let image = |version: u32| {
        // The options lie where the data begin; the good files do not, then.
        let mut image = made.image();
        let at = image.bytes.len();
        image.bytes.extend(&image.bytes.clone()[DATA..DATA + 10]);
        image.bytes = image.with(DATA, &options(version));
        image.bytes = image.with(24, &(1_u16 << 10).to_le_bytes());
        assert!(at > DATA);
        image.bytes
    };
    refused(&image(2), Kind::Unsupported, "LZ4 format 2", 98);
    assert!(walk(&image(1)).refused.is_none());
    let image = Made::with_bad_block();
    fails(&image, "z", &["past bytes_used"], 1 << 62);
}

impl Made {
    /// One whose file `z` has a block past the end.
    fn with_bad_block() -> Image {
        let mut made = Self::new();
        made.long_file(b"z", (1 << 62, BLOCK as u64), (NONE, 0, NONE), &[100]);
        made.image()
    }
}

#[test]
fn s02_what_decoders_did_not_fill_is_never_shown() {
    let mut made = Made::new();
    let packed = zlib(&[7; 100]);
    let start = made.store(&packed);
    made.file(
        b"block",
        start,
        (NONE, 0),
        BLOCK as u64,
        &[packed.len() as u32],
    );
    made.fragments.push((start, packed.len() as u32));
    made.file(b"tail", 0, (1, 0), 101, &[]);
    made.file(b"tail-inside", 0, (1, 50), 50, &[]);
    let walk = walk_broken(&made.image().bytes);
    others_are_good(&walk);
    for (name, words) in [
        ("block", "a block has 100 bytes, the file 4096"),
        ("tail", "fragment 1 does not have 101 bytes at 0"),
    ] {
        let error = walk.nodes[name].error().expect("it is too long");
        blames(error, Kind::Corrupt, &[words], start);
    }
    let Seen::File(_, bytes, None) = &walk.nodes["tail-inside"].content else {
        panic!("{:?}", walk.nodes["tail-inside"]);
    };
    assert_eq!(bytes, &[7; 50]);
}
