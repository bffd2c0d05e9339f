#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

use super::*;
use crate::cache::Cache;
use crate::error::Kind;
use crate::format::testing::RawOnly;
use crate::source::{Memory, read_vec};

/// A header as POSIX has it, its checksum right.
fn header(name: &str, size: &[u8], kind: u8) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[100..107].copy_from_slice(b"0000644");
    bytes[124..124 + size.len()].copy_from_slice(size);
    bytes[136..147].copy_from_slice(b"00000000000");
    bytes[156] = kind;
    bytes[257..265].copy_from_slice(b"ustar\x0000");
    summed(bytes)
}

fn summed(mut header: Vec<u8>) -> Vec<u8> {
    header[148..156].fill(b' ');
    let sum: u64 = header[..512].iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn open_archive(parts: &[Vec<u8>]) -> Result<Vec<Disk>> {
    let bytes = [parts.concat(), vec![0; 1024]].concat();
    let context = Context {
        images: Arc::new(RawOnly),
        ..Context::new(Cache::new(1 << 20))
    };
    open(&[Arc::new(Memory(bytes))], &context)
}

fn only(parts: &[Vec<u8>]) -> Vec<u8> {
    let disks = open_archive(parts).unwrap();
    let disk = &disks[0].source;
    read_vec(&**disk, 0, disk.size() as usize).unwrap()
}

/// The archive is refused as damaged, with `words`, at byte `at`.
fn refused(parts: &[Vec<u8>], words: &str, at: u64) {
    let error = open_archive(parts).err().unwrap();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.offset(), Some(at), "{error}");
}

#[test]
fn a_size_in_base_256_and_one_that_a_pax_header_gives() {
    let size = b"\x80\0\0\0\0\0\0\0\0\0\0\x03";
    assert_eq!(only(&[header("a", size, b'0'), padded(b"abc")]), b"abc");
    let record = b"10 size=3\n";
    let pax = [header("x", b"00000000012", b'x'), padded(record)].concat();
    let file = [header("a", b"0", b'0'), padded(b"abc")].concat();
    assert_eq!(only(&[pax, file]), b"abc");
}

#[test]
fn o03_sizes_that_are_no_sizes() {
    const SIZE: u64 = 124;
    for (size, text, at) in [
        (&b"\xff".repeat(12)[..], "size is negative", SIZE),
        (
            b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
            "size 18446744073709551615 is past the end",
            512,
        ),
        (
            b"\x80\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff",
            "size is over 2^64",
            SIZE,
        ),
        (b"777777777777", "size 68719476735 is past the end", 512),
        (b"8888", "size is no octal number", SIZE),
    ] {
        refused(&[header("a", size, b'0'), padded(b"abc")], text, at);
    }
}

#[test]
fn o03_a_pax_path_of_1_gib() {
    refused(
        &[header("x", b"10000000000", b'x'), padded(b"abc")],
        "size 1073741824 of an extended header",
        512,
    );
    let name = format!("{} path={}\n", 9005 + 11, "n".repeat(9005 + 11 - 11));
    let size = format!("{:011o}", name.len());
    let long = [header("x", size.as_bytes(), b'x'), padded(name.as_bytes())].concat();
    let at = long.len() as u64 + 512;
    refused(
        &[long, header("a", b"0", b'0')],
        "path of 9005 bytes is over",
        at,
    );
}

#[test]
fn o03_sparse_maps_of_a_thousand_million_segments() {
    let records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n28 GNU.sparse.realsize=4096\n";
    let size = format!("{:011o}", records.len());
    let pax = [header("x", size.as_bytes(), b'x'), padded(records)].concat();
    let map = b"1000000000\n0\n512\n";
    let file = [header("a", b"00000001000", b'0'), padded(map)].concat();
    let at = pax.len() as u64 + 512;
    let many = "the sparse map has too many segments";
    refused(&[pax, file], many, at);
    // An old one that goes on to the end of the archive.
    let mut old = header("a", b"0", b'S');
    old[257..265].copy_from_slice(b"ustar  \0");
    old[482] = 1;
    let mut more = vec![b'0'; 512];
    more[504] = 1;
    refused(&[summed(old), more.repeat(60_000)], many, 0);
}

#[test]
fn an_archive_of_before_posix() {
    let mut old = header("disk", b"3", 0);
    old[257..265].fill(0);
    let bytes = [summed(old), padded(b"abc")].concat();
    assert_eq!(claim(&Memory(bytes.clone())), Ok(Some(Set::Alone)));
    assert_eq!(only(&[bytes]), b"abc");
    for other in [vec![0; 512], vec![b'0'; 512], vec![0xff; 600]] {
        assert_eq!(claim(&Memory(other)), Ok(None));
    }
}

#[test]
fn flipped_bits_are_read_or_refused() {
    let pax = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n28 GNU.sparse.realsize=4096\n";
    let size = format!("{:011o}", pax.len());
    let parts = [
        header("x", size.as_bytes(), b'x'),
        padded(pax),
        header("a", b"00000002000", b'0'),
        padded(b"2\n0\n256\n1024\n256\n"),
        vec![7; 512],
    ];
    let good = parts.concat();
    assert_eq!(only(std::slice::from_ref(&good)).len(), 4096);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            for start in [0, 1024] {
                let own = summed(bytes[start..start + 512].to_vec());
                bytes[start..start + 512].copy_from_slice(&own);
            }
            for disk in open_archive(&[bytes]).into_iter().flatten() {
                let len = disk.source.size().min(8192) as usize;
                let _ = read_vec(&*disk.source, 0, len);
            }
        }
    }
}

/// An extended header that says `map`, in front of a member called `name` of `stored` bytes.
fn mapped(name: &str, map: &str, real_size: usize, stored: usize) -> Vec<u8> {
    let record = |key: &str, value: &str| {
        // The length counts itself, which is of seven digits here.
        let own = key.len() + value.len() + 10;
        format!("{own:07} {key}={value}\n").into_bytes()
    };
    let records = [
        record("GNU.sparse.size", &real_size.to_string()),
        record("GNU.sparse.map", map),
    ]
    .concat();
    let size = format!("{:011o}", records.len());
    let file = header(name, format!("{stored:011o}").as_bytes(), b'0');
    [
        header("x", size.as_bytes(), b'x'),
        padded(&records),
        file,
        vec![7; stored.next_multiple_of(512)],
    ]
    .concat()
}

fn archive(parts: &[Vec<u8>]) -> SharedSource {
    Arc::new(Memory([parts.concat(), vec![0; 1024]].concat()))
}

#[test]
fn o03_a_wrong_segment_is_told_of_its_member() {
    let part = mapped("a", "0,50,40,50", 1000, 100);
    let at = part.len() as u64 - 512;
    let words = "a: sparse segment 1 of 50 bytes at 40 overlaps the one before";
    refused(&[part], words, at);
}

#[test]
fn o03_sparse_maps_of_many_members_are_not_kept() {
    // Pieces of nothing: a third of a million numbers in 1 MiB.
    let map = format!("100,3{}", ",103,0".repeat(170_000));
    let members = (0..16).map(|number| mapped(&format!("m{number}"), &map, 1000, 3));
    let source = archive(&members.collect::<Vec<_>>());
    let context = Context::new(Cache::new(1 << 20));
    let mut listed = None;
    let used = allocation_counter::measure(|| {
        listed = Some(Archive::read(&source, &context, true).unwrap());
    });
    assert!(used.bytes_max < 12 << 20, "{} bytes", used.bytes_max);
    let listed = listed.unwrap();
    for name in ["m0", "m15"] {
        let member = listed.bytes(name.as_bytes()).unwrap().unwrap();
        let bytes = read_vec(&*member, 0, 1000).unwrap();
        assert_eq!(bytes[98..105], [0, 0, 7, 7, 7, 0, 0]);
        assert_eq!(member.size(), 1000);
    }
}

#[test]
fn o03_o04_pieces_are_in_memory_once_however_often_a_member_is_named() {
    let pieces = 80_000;
    let map: Vec<String> = (0..pieces)
        .map(|piece| format!("{},1", piece * 2))
        .collect();
    let source = archive(&[mapped("a", &map.join(","), pieces * 2, pieces)]);
    let listed = Archive::read(&source, &Context::new(Cache::new(1 << 20)), true).unwrap();
    let mut all = Vec::new();
    let used = allocation_counter::measure(|| {
        all.extend((0..100).map(|_| listed.named(b"./a").unwrap().unwrap()));
    });
    assert!(used.bytes_max < 16 << 20, "{} bytes", used.bytes_max);
    assert_eq!(read_vec(&*all[99], 0, 4).unwrap(), [7, 0, 7, 0]);
}

#[test]
fn o03_pieces_of_all_open_members_are_bounded() {
    let pieces = 1_000_000;
    let map = (0..pieces).map(|piece| format!("{}\n1\n", piece * 2));
    let map = format!("{pieces}\n{}", map.collect::<String>());
    let records = format!(
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n31 GNU.sparse.realsize={}\n",
        pieces * 2
    );
    let body = [padded(map.as_bytes()), vec![7; pieces]].concat();
    let member = |name: &str| {
        let size = format!("{:011o}", records.len());
        let own = format!("{:011o}", body.len());
        [
            header("x", size.as_bytes(), b'x'),
            padded(records.as_bytes()),
            header(name, own.as_bytes(), b'0'),
            padded(&body),
        ]
        .concat()
    };
    let source = archive(&[member("a"), member("b"), member("c")]);
    let context = Context::new(Cache::new(1 << 20));
    let listed = Archive::read(&source, &context, true).unwrap();
    let first = listed.bytes(b"a").unwrap().unwrap();
    // Also of an archive within another, which is opened by itself.
    let inner = Archive::read(&source, &context.clone(), true).unwrap();
    let _second = inner.bytes(b"a").unwrap().unwrap();
    let error = listed.bytes(b"c").err().unwrap();
    let at = 2 * member("a").len() as u64 + 1536;
    assert_eq!(
        (error.kind(), error.offset()),
        (Kind::Unsupported, Some(at))
    );
    let words = "c: tables of over 50331648 bytes together";
    assert!(error.to_string().contains(words), "{error}");
    // Those that nobody has open any more do not count.
    drop(first);
    assert!(listed.bytes(b"c").unwrap().is_some());
}

#[test]
fn members_are_found_among_many_and_the_last_of_one_name_counts() {
    let name = |number: usize| format!("{number:08}");
    let mut members: Vec<_> = (0..50_000)
        .map(|it| header(&name(it), b"0", b'0'))
        .collect();
    members.push([header(&name(7), b"3", b'0'), padded(b"abc")].concat());
    let source = archive(&members);
    let listed = Archive::read(&source, &Context::new(Cache::new(1 << 20)), true).unwrap();
    let started = std::time::Instant::now();
    for number in 50_000..80_000 {
        assert!(!listed.holds(name(number).as_bytes()).unwrap());
    }
    assert!(started.elapsed().as_secs() < 10, "it hangs");
    let last = listed.bytes(name(7).as_bytes()).unwrap().unwrap();
    assert_eq!(read_vec(&*last, 0, 3).unwrap(), b"abc");
}

#[test]
fn images_that_stand_on_many_files_are_told_from_many_members_in_time() {
    let lines = |from: usize| -> String {
        let lines = (from..from + 4096).map(|it| format!("RW 1 FLAT \"{it:08}.img\" 0\n"));
        lines.collect()
    };
    let mut members = Vec::new();
    for number in 0..32 {
        let text = format!(
            "# Disk DescriptorFile\ncreateType=\"custom\"\n{}",
            lines(1_000_000 + number * 4096)
        );
        let name = format!("{number}.vmdk");
        let size = format!("{:011o}", text.len());
        members.push(header(&name, size.as_bytes(), b'0'));
        members.push(padded(text.as_bytes()));
    }
    for number in 0..20_000 {
        members.push(header(&format!("{number:08}.img"), b"1", b'0'));
        members.push(padded(b"x"));
    }
    let started = std::time::Instant::now();
    let error = open_archive(&members).err().unwrap();
    assert!(started.elapsed().as_secs() < 20, "it hangs");
    assert_eq!(error.kind(), Kind::Unsupported);
    let words = "it holds 20032 images, over 64";
    assert!(error.to_string().contains(words), "{error}");
}

/// A header of a link called `name`.
fn link(name: &str, target: &str) -> Vec<u8> {
    let mut bytes = header(name, b"0", b'1');
    bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
    summed(bytes)
}

#[test]
fn a_link_has_the_bytes_of_the_last_file_of_that_name_before_it() {
    let file = |name: &str, bytes: &[u8]| [header(name, b"3", b'0'), padded(bytes)].concat();
    let parts = [
        link("early.img", "a.img"),
        link("./self.img", "self.img"),
        file("./a.img", b"abc"),
        link("first.img", "a.img"),
        link("again.img", "./first.img"),
        file("a.img", b"xyz"),
        link("second.img", "a.img"),
        link("nothing.img", "b.img"),
    ];
    let bytes = [parts.concat(), vec![0; 1024]].concat();
    let context = Context {
        images: Arc::new(RawOnly),
        ..Context::new(Cache::new(1 << 20))
    };
    let source: SharedSource = Arc::new(Memory(bytes));
    let archive = Archive::read(&source, &context, false).unwrap();
    for (name, expected) in [
        ("a.img", b"xyz"),
        ("first.img", b"abc"),
        ("again.img", b"abc"),
        ("second.img", b"xyz"),
    ] {
        let bytes = archive.bytes(name.as_bytes()).unwrap().unwrap();
        assert_eq!(read_vec(&*bytes, 0, 3).unwrap(), expected, "{name}");
    }
    for name in ["early.img", "self.img", "nothing.img"] {
        assert!(archive.bytes(name.as_bytes()).unwrap().is_none(), "{name}");
    }
    assert_eq!(archive.files().count(), 5);
    let said = "tar: early.img is left out: it is a link of a.img, which is no file before it, and \
                so are 2 more";
    assert_eq!(context.notices.all(), [said]);
}
