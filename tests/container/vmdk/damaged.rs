//! HOSTILE V01 to V11: what must come of damaged and malicious disks. Everything is made from disks
//! that are whole, by changing a field.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::Kind::{self, Corrupt, Unsupported};
use imgmount::service::open::{Options, open};

use super::generate::{self, put32, put64};
use super::{convert, error};
use crate::container::{compare, compare_range, converted, disk, guest, refused_at};
use crate::hostile::expect::check;
use crate::support::images::Scratch;

const SIZE: u64 = 5 * 1024 * 1024;

/// Offsets of the fields of `SparseExtentHeader`.
const VERSION: usize = 4;
const FLAGS: usize = 8;
const CAPACITY: usize = 12;
const GRAIN_SIZE: usize = 20;
const DESCRIPTOR_OFFSET: usize = 28;
const DESCRIPTOR_SIZE: usize = 36;
const PER_TABLE: usize = 44;
const REDUNDANT: usize = 48;
const DIRECTORY: usize = 56;
const ALGORITHM: usize = 77;

/// A disk in memory that is changed and written.
struct Made {
    scratch: Scratch,
    bytes: Vec<u8>,
    image: PathBuf,
    raw: PathBuf,
}

impl Made {
    fn new(options: &str) -> Self {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, SIZE, 41);
        let image = convert(&raw, "disk.vmdk", options, &scratch);
        let bytes = std::fs::read(&image).unwrap();
        Self {
            scratch,
            bytes,
            image,
            raw,
        }
    }

    /// Writes the disk, changed by `change`.
    fn write(&self, change: impl FnOnce(&mut Vec<u8>)) -> &Path {
        let mut bytes = self.bytes.clone();
        change(&mut bytes);
        assert!(bytes != self.bytes, "nothing was changed");
        std::fs::write(&self.image, bytes).unwrap();
        &self.image
    }

    /// The disk, changed by `change`, is refused with an error of `kind` that says `words`, of byte
    /// `at` where it is of one.
    fn refused(
        &self,
        kind: Kind,
        at: Option<usize>,
        words: &str,
        change: impl FnOnce(&mut Vec<u8>),
    ) {
        let error = error(self.write(change));
        assert!(error.to_string().contains(words), "{words}: {error}");
        let at = at.map(|at| at as u64);
        assert_eq!((error.kind(), error.offset()), (kind, at), "{error}");
    }

    /// The disk, changed by `change`, is refused with an error of `kind` that says `words` and that
    /// the field at byte `at` is wrong.
    fn refused_at(&self, at: usize, kind: Kind, words: &str, change: impl FnOnce(&mut Vec<u8>)) {
        refused_at(self.write(change), kind, at as u64, words);
    }

    fn get64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    fn get32(&self, at: usize) -> u64 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap()).into()
    }

    /// The byte offset of grain table 0.
    fn table(&self) -> usize {
        self.get32(self.get64(DIRECTORY) as usize * 512) as usize * 512
    }

    /// The first grain that is there, and the sector that its entry has.
    fn first_grain(&self) -> (usize, u64) {
        let entry = |grain| self.get32(self.table() + grain * 4);
        let mut there = (0..).filter(|grain| entry(*grain) > 1);
        let grain = there.next().unwrap();
        (grain, entry(grain))
    }

    /// `damaged` grain alone cannot be read, for what is at byte `at` of the file; every other byte
    /// is as it was.
    fn only(&self, grain: usize, error: &str, at: usize) {
        let disk = disk(&self.image);
        let file = std::fs::File::open(&self.raw).unwrap();
        let mut offset = 0;
        while offset < disk.size() {
            let len = (disk.size() - offset).min(64 << 10);
            if offset == grain as u64 * (64 << 10) {
                let mut buf = vec![0; len as usize];
                let failed = disk.read_exact_at(&mut buf, offset).unwrap_err();
                let found = (failed.kind(), failed.offset());
                assert_eq!(found, (Kind::Corrupt, Some(at as u64)), "{failed}");
                assert!(failed.to_string().contains(error), "{error}: {failed}");
            } else {
                compare_range(&disk, &file, offset, len);
            }
            offset += len;
        }
    }
}

#[test]
fn v01_grain_size() {
    need!(tool "qemu-img");
    let made = Made::new("");
    for size in [0, 3, 1 << 16, 1 << 40, u64::MAX] {
        let words = format!("grainSize {size} is not");
        let put = |bytes: &mut Vec<u8>| put64(bytes, GRAIN_SIZE, size);
        made.refused_at(GRAIN_SIZE, Kind::Corrupt, &words, put);
    }
}

#[test]
fn v02_entries_per_table() {
    need!(tool "qemu-img");
    let made = Made::new("");
    for count in [0, 513, 1 << 31, 0xffff_ffff] {
        let words = format!("numGTEsPerGT {count} is not");
        let put = |bytes: &mut Vec<u8>| put32(bytes, PER_TABLE, count);
        made.refused_at(PER_TABLE, Kind::Corrupt, &words, put);
    }
}

#[test]
fn v03_capacity() {
    need!(tool "qemu-img");
    let made = Made::new("");
    for sectors in [1 << 63, 1 << 54, u64::MAX] {
        let words = format!("capacity of {sectors} sectors");
        let put = |bytes: &mut Vec<u8>| put64(bytes, CAPACITY, sectors);
        made.refused_at(CAPACITY, Kind::Corrupt, &words, put);
    }
    // A size that could be, whose directory cannot.
    let put = |bytes: &mut Vec<u8>| put64(bytes, CAPACITY, 1 << 53);
    made.refused_at(DIRECTORY, Kind::Corrupt, "the grain directory's", put);
}

#[test]
fn v04_directory() {
    need!(tool "qemu-img");
    let made = Made::new("");
    for sector in [0, 1 << 20, 1 << 62, u64::MAX - 1] {
        let words = format!("gdOffset {:#x}: ", sector.saturating_mul(512));
        made.refused_at(DIRECTORY, Kind::Corrupt, &words, |bytes| {
            put64(bytes, DIRECTORY, sector);
            put64(bytes, REDUNDANT, sector);
        });
    }
    // A table that is the directory itself: its entries are what they are, and lead somewhere.
    let at = made.get64(DIRECTORY) as usize * 512;
    let own = made.get64(DIRECTORY);
    let image = made.write(|bytes| {
        put32(bytes, at, own);
        put64(bytes, REDUNDANT, own);
    });
    let expected = converted(image, "-f vmdk", &made.scratch);
    compare(&disk(image), &expected);
    // An entry that leads nowhere, in a disk that has no copy of it.
    let (grain, _) = made.first_grain();
    let entry = made.table() + grain * 4;
    made.write(|bytes| {
        put64(bytes, REDUNDANT, 1 << 40);
        put32(bytes, entry, 0xffff_fff0);
    });
    made.only(grain, "grain table entry 0xfffffff0 leads out", entry);
    made.write(|bytes| {
        put64(bytes, REDUNDANT, 1 << 40);
        put32(bytes, at, 0xffff_fff0);
    });
    let error = disk(&made.image).read_exact_at(&mut [0; 512], 0);
    let error = error.unwrap_err();
    let found = (error.kind(), error.offset());
    assert_eq!(found, (Kind::Corrupt, Some(at as u64)), "{error}");
    let words = "extent 1: grain directory entry 0xfffffff0 leads out";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn v04_redundant_directory() {
    need!(tool "qemu-img");
    let made = Made::new("");
    let directory = made.get64(DIRECTORY) as usize * 512;
    let (grain, _) = made.first_grain();
    let table = made.table();
    // What is changed, where, and the new value, of 64 bits for the header's fields.
    let changes = [
        ("gdOffset", DIRECTORY, 1 << 40),
        ("no gdOffset", DIRECTORY, 0),
        ("no table", directory, 0),
        ("table", directory, 0xffff_fff0),
        ("grain", table + grain * 4, 0xffff_fff0),
    ];
    for (name, at, value) in changes {
        let image = made.write(|bytes| match at {
            DIRECTORY => put64(bytes, at, value),
            _ => put32(bytes, at, value),
        });
        compare(&disk(image), &made.raw);
        let opened = open(image, &Options::default()).unwrap();
        let disk = opened.stack.disks[0].source.clone().unwrap();
        disk.read_exact_at(&mut vec![0; SIZE as usize], 0).unwrap();
        let notices = opened.notices.all();
        let told = notices.iter().any(|notice| notice.contains("redundant"));
        assert!(told, "{name}: {notices:?}");
    }
    // Where the copy has no such grain either, that grain alone is damaged, and no hole.
    let copy = made.get64(REDUNDANT) as usize * 512;
    let copy = u32::from_le_bytes(*made.bytes[copy..].first_chunk().unwrap()) as usize * 512;
    let entry = copy + grain * 4;
    made.write(|bytes| {
        put32(bytes, directory, 0);
        put32(bytes, entry, 0xffff_fff0);
    });
    made.only(grain, "grain table entry 0xfffffff0 leads out", entry);
    // And with the copy damaged instead, the first serves.
    let image = made.write(|bytes| put64(bytes, REDUNDANT, 1 << 40));
    compare(&disk(image), &made.raw);
}

#[test]
fn v05_descriptor_place() {
    need!(tool "qemu-img");
    let made = Made::new("");
    for size in [1 << 32, 2049, u64::MAX] {
        let words = format!("descriptorSize {size} sectors are over 1048576 bytes");
        let put = |bytes: &mut Vec<u8>| put64(bytes, DESCRIPTOR_SIZE, size);
        made.refused_at(DESCRIPTOR_SIZE, Kind::Corrupt, &words, put);
    }
    for offset in [1 << 40, u64::MAX] {
        let words = format!("descriptorOffset {offset} is past the end");
        let put = |bytes: &mut Vec<u8>| put64(bytes, DESCRIPTOR_OFFSET, offset);
        made.refused_at(DESCRIPTOR_OFFSET, Kind::Corrupt, &words, put);
    }
    // Where other bytes are, and where there are zeros.
    let directory = made.get64(DIRECTORY);
    let words = "no \"# Disk DescriptorFile\" at its start";
    let put = |bytes: &mut Vec<u8>| put64(bytes, DESCRIPTOR_OFFSET, directory);
    made.refused_at(directory as usize * 512, Kind::Corrupt, words, put);
    let words = "it is an extent of a disk and not the disk";
    let put = |bytes: &mut Vec<u8>| put64(bytes, DESCRIPTOR_OFFSET, 3);
    made.refused(Kind::Unsupported, None, words, put);
}

#[test]
fn v06_descriptor_text() {
    need!(tool "qemu-img");
    let made = Made::new("subformat=monolithicFlat");
    let text = String::from_utf8(made.bytes.clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with("RW ")).unwrap();
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let case = |kind, at, words: &str, bytes: Vec<u8>| {
        made.refused(kind, at, words, |all| *all = bytes);
    };
    let change = |from: &str, to: &str| text.replace(from, to).into_bytes();
    // The second line begins behind the magic.
    let second = Some(22);
    let words = "no createType in the descriptor";
    case(Corrupt, None, words, change("createType", "other"));
    let words = "line 2: a NUL in the descriptor";
    case(Corrupt, second, words, change("version", "ver\0sion"));
    let words = "the descriptor is in UTF-16";
    case(Corrupt, Some(0), words, [b"\xff\xfe", &wide[..]].concat());
    let words = "bytes, over 1048576";
    let long = change("version", &"x".repeat(1 << 20));
    case(Corrupt, None, words, long);
    let words = "line 2: 524290 bytes are over 16384";
    let long = change("version", &"x".repeat(1 << 19));
    case(Corrupt, second, words, long);
    let at = text.find(line).unwrap() + 4096 * "RW 1 ZERO\n".len();
    let words = "more than 4096 extents";
    let many = change(line, &"RW 1 ZERO\n".repeat(100_000));
    case(Corrupt, Some(at), words, many);
    case(Corrupt, None, "no extents", change(line, ""));
    let words = "version 9 of the descriptor is not 1 to 3";
    case(Unsupported, None, words, change("version=1", "version=9"));
}

#[test]
fn v07_extents_elsewhere() {
    let scratch = Scratch::new();
    let folder = scratch.folder("folder");
    std::fs::write(scratch.join("secret"), [1; 512]).unwrap();
    std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
    let names = [
        "/etc/shadow",
        "../secret",
        "link",
        "/dev/zero",
        "nbd://host/x",
        "\\\\.\\PhysicalDrive0",
    ];
    for name in names {
        for kind in ["FLAT", "SPARSE"] {
            let line = format!("RW 1 {kind} \"{name}\"");
            let image = generate::descriptor(&folder.join("disk.vmdk"), "monolithicFlat", &line);
            let error = error(&image);
            let text = std::fs::read_to_string(&image).unwrap();
            // What a device of Windows leaves of its name is beside the image, where it is not.
            let expected = match name.starts_with('\\') {
                true => Kind::NotFound,
                false => Kind::Refused,
            };
            let words = ["extent 1: ", name.trim_start_matches("\\\\.\\")];
            check(&error, expected, &words, text.find(&line));
        }
    }
    // The image's own directory is no other one.
    std::fs::write(folder.join("own"), [2; 512]).unwrap();
    let own = folder.join("own");
    let line = format!("RW 1 FLAT \"{}\" 0", own.display());
    let image = generate::descriptor(&folder.join("disk.vmdk"), "monolithicFlat", &line);
    compare(&disk(&image), &own);
}

#[test]
fn v08_extents_that_do_not_fit() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    std::fs::write(scratch.join("flat"), vec![3; 100 * 512]).unwrap();
    let path = scratch.join("disk.vmdk");
    // The last line is the one that does not fit.
    let case = |lines: &str, words: &str| {
        let image = generate::descriptor(&path, "custom", lines);
        let text = std::fs::read_to_string(&image).unwrap();
        let last = lines.lines().next_back().unwrap();
        check(&error(&image), Kind::Corrupt, &[words], text.rfind(last));
    };
    let two = |first: &str, second: &str, words: &str| {
        case(&format!("RW {first}\nRW {second}"), words);
    };
    let words = "extents 1 and 2 overlap in their file";
    two("50 FLAT \"flat\" 0", "50 FLAT \"flat\" 49", words);
    let words = "extents 2 and 1 overlap in their file";
    two("50 FLAT \"flat\" 50", "51 FLAT \"flat\" 0", words);
    // One name may be written in several ways.
    let words = "extents 1 and 2 overlap in their file";
    two("50 FLAT \"flat\" 0", "50 FLAT \"./flat\" 49", words);
    let lines = "RW 50 FLAT \"flat\" 0\nRW 50 FLAT \"./flat\" 50";
    let image = generate::descriptor(&path, "custom", lines);
    compare(&disk(&image), &scratch.join("flat"));
    let words = "extent 1: its file of 51200 bytes ends before its offset 51200";
    case("RW 50 FLAT \"flat\" 100", words);
    let most = format!("{} ZERO", i64::MAX as u64 / 512);
    two(&most, &most, "extent 2: the extents are too large in sum");
    let kinds = generate::kinds(100, 1);
    std::fs::write(scratch.join("sparse"), generate::cowd(100, 1, &kinds, 1)).unwrap();
    let words = "its line says 51712 bytes and its header 51200, which is a gap";
    case("RW 101 VMFSSPARSE \"sparse\"", words);
    let words = "its line says 50688 bytes and its header 51200, which is an overlap";
    case("RW 99 VMFSSPARSE \"sparse\"", words);
    // A sparse extent takes all of its file.
    let whole = "100 VMFSSPARSE \"sparse\"";
    two(whole, whole, "extents 1 and 2 overlap in their file");
    two(whole, "1 FLAT \"./sparse\" 3", "extents 1 and 2 overlap");
    case("RW 50 SPARSE \"flat\"", "its file is no sparse extent");
    // A file that was cut: what is there can be read.
    let image = generate::descriptor(&path, "custom", "RW 101 FLAT \"flat\" 0\nRW 9 ZERO");
    let opened = disk(&image);
    opened.read_exact_at(&mut [0; 51_200], 0).unwrap();
    opened.read_exact_at(&mut [0; 9 * 512], 101 * 512).unwrap();
    let error = opened.read_exact_at(&mut [0; 2], 51_199).unwrap_err();
    let found = (error.kind(), error.offset());
    assert_eq!(found, (Kind::Corrupt, Some(51_200)), "{error}");
    let words = "the file of extent 1 has 51200 of its 51712 bytes";
    assert!(error.to_string().contains(words), "{error}");
    let image = generate::descriptor(&path, "custom", "NOACCESS 10 FLAT \"nothing\"\nRW 9 ZERO");
    let error = disk(&image).read_exact_at(&mut [0; 1], 0).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
}

/// Gives the stream its footer, as a program that writes without seeking does.
fn with_footer(bytes: &mut Vec<u8>, change: impl FnOnce(&mut [u8])) {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    let mut end = vec![0; 3 * 512];
    put32(&mut end, 12, 3);
    put64(&mut end, 0, 1);
    let header = bytes[..512].to_vec();
    end[512..1024].copy_from_slice(&header);
    change(&mut end);
    // qemu-img ends its streams with an end marker of its own.
    bytes.extend(end);
    put64(bytes, DIRECTORY, u64::MAX);
}

#[test]
fn v10_footers() {
    need!(tool "qemu-img");
    let made = Made::new("subformat=streamOptimized");
    let image = made.write(|bytes| with_footer(bytes, |_| {}));
    let expected = converted(image, "-f vmdk", &made.scratch);
    compare(&disk(image), &expected);
    compare(&disk(image), &made.raw);
    let footer = 512;
    // What is changed, the offset that is told, and what is said.
    let changes: [(usize, u64, usize, &str); 8] = [
        (8, 1 << 31, 0, "its marker has type 3 and size 2147483648"),
        (12, 2, 0, "its marker has type 2 and size 0"),
        (footer, 0, footer, "none is at the end of the file: no KDMV"),
        (
            footer + DIRECTORY,
            u64::MAX,
            footer + DIRECTORY,
            "and the footer that another one does",
        ),
        (
            footer + CAPACITY,
            8,
            footer + CAPACITY,
            "capacity is 10240 in the header and 8 in the footer",
        ),
        (
            footer + GRAIN_SIZE,
            64,
            footer + GRAIN_SIZE,
            "grainSize is 128 in the header and 64 in the footer",
        ),
        (1024 + 8, 1 << 31, 1024, "of type 0, size 2147483648"),
        (1024 + 12, 1, 1024, "a marker of type 1, size 0 and 0"),
    ];
    let start = made.bytes.len().next_multiple_of(512);
    for (at, value, told, words) in changes {
        let put = |end: &mut [u8]| match at {
            8 | 12 | 512 | 1032 | 1036 => put32(end, at, value),
            _ => put64(end, at, value),
        };
        made.refused_at(start + told, Kind::Corrupt, words, |bytes| {
            with_footer(bytes, put);
        });
    }
    let start = made.bytes.len() - 3 * 512;
    let put = |bytes: &mut Vec<u8>| put64(bytes, DIRECTORY, u64::MAX);
    made.refused_at(start, Kind::Corrupt, "is the file complete?", put);
    for (at, value, words) in [
        (FLAGS, 0x3_0003 | 1 << 20, "incompatible flag, bit 20"),
        (VERSION, 4, "version 4 is not"),
        (VERSION, 0, "version 0 is not"),
    ] {
        let put = |bytes: &mut Vec<u8>| put32(bytes, at, value);
        made.refused_at(at, Kind::Unsupported, words, put);
    }
    let put = |value: u8| move |bytes: &mut Vec<u8>| bytes[ALGORITHM] = value;
    let words = "compressAlgorithm 2 is not known";
    made.refused_at(ALGORITHM, Kind::Unsupported, words, put(2));
    let words = "compressAlgorithm 0 and flags 0x30003 contradict";
    made.refused_at(ALGORITHM, Kind::Corrupt, words, put(0));
}

#[test]
fn v10_packed_grains() {
    need!(tool "qemu-img");
    let made = Made::new("subformat=streamOptimized");
    let (grain, sector) = made.first_grain();
    let marker = sector as usize * 512;
    for size in [0, 1 << 31, 0xffff_ffff, 200 << 10] {
        made.write(|bytes| put32(bytes, marker + 8, size));
        let words = format!("a packed grain's size {size} is not 1 to 131072 bytes");
        made.only(grain, &words, marker);
    }
    made.write(|bytes| bytes[marker + 40] ^= 0x55);
    made.only(grain, "a packed grain", marker);
    let more = "a packed grain has more bytes than a grain's 65536";
    for (inflates, words) in [
        (65_535, "a packed grain has 65535 bytes where 65536 are"),
        (65_537, more),
        (64 << 20, more),
    ] {
        let packed = zlib(&vec![0; inflates]);
        made.write(|bytes| {
            let end = bytes.len().next_multiple_of(512);
            bytes.resize(end, 0);
            bytes.extend((grain as u64 * 128).to_le_bytes());
            bytes.extend((packed.len() as u32).to_le_bytes());
            bytes.extend(&packed);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            put32(bytes, made.table() + grain * 4, end as u64 / 512);
        });
        made.only(grain, words, made.bytes.len().next_multiple_of(512));
    }
}

#[test]
fn a_last_grain_that_does_not_fill_its_sector() {
    need!(tool "qemu-img");
    let mut made = Made::new("subformat=streamOptimized");
    std::fs::write(&made.raw, [[1; 64 << 10], [2; 64 << 10]].concat()).unwrap();
    convert(
        &made.raw,
        "disk.vmdk",
        "subformat=streamOptimized",
        &made.scratch,
    );
    made.bytes = std::fs::read(&made.image).unwrap();
    let marker = made.get32(made.table() + 4) as usize * 512;
    let size = made.get32(marker + 8) as usize;
    assert!((1..500).contains(&size), "the last grain is a sector");
    let image = made.write(|bytes| bytes.truncate(marker + 12 + size));
    compare(&disk(image), &made.raw);
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

#[test]
fn v11_entries_all_equal() {
    need!(tool "qemu-img");
    let made = Made::new("");
    let (_, sector) = made.first_grain();
    let (table, grains) = (made.table(), SIZE.div_ceil(64 << 10) as usize);
    let image = made.write(|bytes| {
        (0..grains).for_each(|grain| put32(bytes, table + grain * 4, sector));
    });
    let expected = converted(image, "-f vmdk", &made.scratch);
    compare(&disk(image), &expected);
}

#[test]
fn v11_tables_all_equal() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = scratch.file("guest.raw", 100 << 20);
    let file = std::fs::File::options().write(true).open(&raw).unwrap();
    for part in 0..4_u64 {
        let bytes = [part as u8 + 1; 64 << 10];
        file.write_all_at(&bytes, part << 25 | 1 << 20).unwrap();
    }
    let image = convert(&raw, "disk.vmdk", "", &scratch);
    let mut bytes = std::fs::read(&image).unwrap();
    let before = bytes.clone();
    for field in [DIRECTORY, REDUNDANT] {
        let at = u64::from_le_bytes(*bytes[field..].first_chunk().unwrap()) as usize * 512;
        let first = bytes[at..at + 4].to_vec();
        (1..4).for_each(|table| bytes[at + table * 4..][..4].copy_from_slice(&first));
    }
    assert!(bytes != before, "nothing was changed");
    std::fs::write(&image, bytes).unwrap();
    let disk = disk(&image);
    compare(&disk, &converted(&image, "-f vmdk", &scratch));
    let mut last = [0; 512];
    disk.read_exact_at(&mut last, 3 << 25 | 1 << 20).unwrap();
    assert_eq!(last, [1; 512]);
}

#[test]
fn v11_a_packed_grain_that_is_another_one() {
    need!(tool "qemu-img");
    let made = Made::new("subformat=streamOptimized");
    let (grain, sector) = made.first_grain();
    let table = made.table();
    let other = made.get32(table + (grain + 1) * 4);
    assert!(other > 1 && other != sector);
    made.write(|bytes| put32(bytes, table + grain * 4, other));
    let words = format!("where sector {} was expected", grain * 128);
    made.only(grain, &words, other as usize * 512);
}
