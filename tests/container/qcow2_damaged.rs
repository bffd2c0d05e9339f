//! qcow2 images with one field changed: HOSTILE Q01 to Q10 and Q14 to Q22.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::Kind::{self, Corrupt, Unsupported};
use imgmount::service::open::{Options, open};

use super::{disk, flips, guest, patch, refused_at};
use crate::hostile::expect::{blames, names};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 2 << 20;

/// Options of an image whose clusters are compressed by zstd.
const ZSTD: &str = "-c -o compression_type=zstd";

/// A random disk as qcow2, by qemu-img with `options`.
fn made(scratch: &Scratch, options: &str) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, 1);
    let image = scratch.join("disk.qcow2");
    let convert = Run::new("qemu-img").words("convert -f raw -O qcow2");
    convert.words(options).arg(raw).arg(&image).run();
    image
}

fn number(image: &Path, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    let file = std::fs::File::open(image).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    u64::from_be_bytes(bytes)
}

/// Every change of `patches` is refused with its kind and words, at the byte of its field.
fn refused(options: &str, patches: &[(u64, &[u8], Kind, u64, &str)]) {
    for (offset, bytes, kind, at, words) in patches {
        let scratch = Scratch::new();
        let image = made(&scratch, options);
        patch(&image, *offset, bytes);
        refused_at(&image, *kind, *at, words);
    }
}

/// What must come of an entry: its value, the byte that is blamed, `None` for the entry's own, and
/// words of the error.
type Case<'a> = (u64, Option<u64>, &'a str);

/// Each of `entries` as the first of the table at `level` costs what it leads to, and nothing else.
fn costs_the_first(options: &str, level: u8, entries: &[Case<'_>]) {
    let scratch = Scratch::new();
    let image = made(&scratch, options);
    let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
    let cluster = 1 << (number(&image, 16) & 0xff);
    let l1 = number(&image, 40);
    let (at, damaged) = match level {
        1 => (l1, cluster * (cluster / 8)),
        _ => (number(&image, l1) & 0x00ff_ffff_ffff_fe00, cluster),
    };
    for (entry, blamed, words) in entries {
        patch(&image, at, &entry.to_be_bytes());
        let disk = disk(&image);
        let error = disk.read_exact_at(&mut [0; 512], 0);
        let error = error.err().unwrap_or_else(|| panic!("{entry:#x} is read"));
        blames(&error, Corrupt, &[words], blamed.unwrap_or(at));
        let start = damaged.min(SIZE);
        let mut rest = vec![0; (SIZE - start) as usize];
        disk.read_exact_at(&mut rest, start).unwrap();
        assert!(rest == raw[start as usize..], "{entry:#x}");
    }
}

/// It is read whole, with a notice that has `word` in it.
fn read_with_notice(offset: u64, bytes: &[u8], word: &str) {
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(&image, offset, bytes);
    let opened = open(&image, &Options::default()).ok().unwrap();
    let notices = opened.notices.all();
    assert!(notices.iter().any(|it| it.contains(word)), "{notices:?}");
    super::compare(&disk(&image), &scratch.join("guest.raw"));
}

#[test]
fn q01_cluster_bits() {
    need!(tool "qemu-img");
    for bits in [0, 8, 22, 31, 63] {
        let words = format!("cluster_bits {bits} ");
        refused("", &[(23, &[bits], Corrupt, 20, &words)]);
    }
}

#[test]
fn q02_version() {
    need!(tool "qemu-img");
    refused(
        "",
        &[
            (7, &[0], Unsupported, 4, "version 0 "),
            (7, &[4], Unsupported, 4, "version 4 "),
        ],
    );
    // Version 1 is another format, whose header this is not.
    refused("", &[(7, &[1], Corrupt, 32, "qcow: cluster_bits 0 ")]);
}

#[test]
fn q03_size() {
    need!(tool "qemu-img");
    refused(
        "",
        &[
            (24, &[0xff; 8], Corrupt, 24, "size 18446744073709551615 "),
            (24, &[0x80, 0], Corrupt, 24, "size 92233720368"),
        ],
    );
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(&image, 24, &(SIZE - 100).to_be_bytes());
    super::compare(&disk(&image), &scratch.join("guest.raw"));
}

#[test]
fn q04_l1_size() {
    need!(tool "qemu-img");
    for bytes in [[0x7f, 0xff, 0xff, 0xff], [0xff; 4], [0; 4]] {
        refused("", &[(36, &bytes, Corrupt, 36, "l1_size ")]);
    }
}

#[test]
fn q05_l1_table_offset() {
    need!(tool "qemu-img");
    for offset in [0x30001_u64, 1 << 40, (1 << 63) - 65536, 0, 8] {
        let words = format!("l1_table_offset {offset:#x} ");
        refused("", &[(40, &offset.to_be_bytes(), Corrupt, 40, &words)]);
    }
}

#[test]
fn q06_refcount_table() {
    need!(tool "qemu-img");
    let words = "refcount_table_clusters 4294967295 are no table up to 8 MiB";
    read_with_notice(56, &[0xff; 4], words);
    let words = "refcount_table_offset 0x7f7f7f7f7f7f7f7f is no cluster of the file";
    read_with_notice(48, &[0x7f; 8], words);
}

#[test]
fn q07_snapshots() {
    need!(tool "qemu-img");
    let past = 0x7f00_0000_0000_0000;
    for (offset, bytes, at, words) in [
        (60, &[0xff; 4][..], 60, "nb_snapshots 4294967295 is over"),
        (
            60,
            &[0, 0, 0, 1, 0x7f, 0, 0, 0],
            past,
            "snapshots_offset: the snapshot table leaves the file",
        ),
    ] {
        read_with_notice(offset, bytes, words);
        let scratch = Scratch::new();
        let image = made(&scratch, "");
        patch(&image, offset, bytes);
        let mut options = Options::default();
        options.format.snapshot = Some("1".to_owned());
        let error = open(&image, &options).err().unwrap();
        blames(&error, Corrupt, &[words], at);
    }
}

#[test]
fn q08_header_length() {
    need!(tool "qemu-img");
    for length in [0xffff_ffff_u32, 103, 0] {
        let words = format!("header_length {length} ");
        refused("", &[(100, &length.to_be_bytes(), Corrupt, 100, &words)]);
    }
}

#[test]
fn q09_header_extensions() {
    need!(tool "qemu-img");
    let words = "header extension 0x6803f857 has 2147483647 bytes";
    refused("", &[(116, &[0x7f, 0xff, 0xff, 0xff], Corrupt, 112, words)]);
    // As many empty ones as there is room for.
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(
        &image,
        112,
        &[0, 0, 0, 9, 0, 0, 0, 0].repeat((65536 - 112) / 8),
    );
    super::compare(&disk(&image), &scratch.join("guest.raw"));
    // One whose bytes begin in the first cluster and end behind it.
    patch(&image, 65536 - 8, &[0, 0, 0, 9, 0, 0, 0, 1]);
    let words = "header extension 0x9 has 1 bytes and leaves its cluster";
    refused_at(&image, Corrupt, 65536 - 8, words);
}

#[test]
fn q10_backing_file_size() {
    need!(tool "qemu-img");
    let name = |offset: u64, size: u32| [&offset.to_be_bytes()[..], &size.to_be_bytes()].concat();
    let case = |name: &[u8], at, words| refused("", &[(8, name, Corrupt, at, words)]);
    case(&name(300, 0xffff_ffff), 16, "backing_file_size 4294967295 ");
    case(&name(300, 1024), 16, "backing_file_size 1024 ");
    case(&name(1 << 16, 9), 8, "backing_file_offset 0x10000");
}

#[test]
fn q12_backing_loops() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = |name: &str, backing: &str| {
        let create = Run::new("qemu-img").words("create -q -u -f qcow2 -F qcow2 -b");
        let path = scratch.join(name);
        create.arg(backing).arg(&path).arg("1M").run();
        path
    };
    let start = std::time::Instant::now();
    let looped = |path: &Path, words: &[&str]| {
        let error = open(path, &Options::default()).err().unwrap();
        names(&error, Unsupported, words);
        names(
            &error,
            Unsupported,
            &["is the image itself or stands on it: backing loop"],
        );
    };
    looped(
        &image("own.qcow2", "own.qcow2"),
        &["backing file: own.qcow2"],
    );
    let first = image("a.qcow2", "b.qcow2");
    image("b.qcow2", "a.qcow2");
    looped(
        &first,
        &["backing file: b.qcow2: ", "backing file: a.qcow2"],
    );
    let linked = image("linked.qcow2", "other.qcow2");
    std::fs::hard_link(&linked, scratch.join("other.qcow2")).unwrap();
    looped(&linked, &["backing file: other.qcow2"]);
    // A symbolic link is not followed, wherever it leads.
    let symbolic = image("symbolic.qcow2", "link.qcow2");
    std::os::unix::fs::symlink("symbolic.qcow2", scratch.join("link.qcow2")).unwrap();
    let error = open(&symbolic, &Options::default()).err().unwrap();
    names(&error, Kind::Refused, &["link.qcow2"]);
    assert!(start.elapsed().as_secs() < 20, "it hangs");
}

#[test]
fn q14_incompatible_features() {
    need!(tool "qemu-img");
    for bit in [5, 6, 20, 40, 62, 63] {
        let word = (1_u64 << bit).to_be_bytes();
        let words = format!("incompatible feature bit {bit} is not known");
        refused("", &[(72, &word, Unsupported, 72, &words)]);
    }
    let words = "data file: there is no name of it";
    refused("", &[(79, &[4], Corrupt, 72, words)]);
    // The image's own name for it, of which the terminal gets no control byte.
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    let bytes = std::fs::read(&image).unwrap();
    let names = bytes
        .windows(4)
        .position(|it| it == [0x68, 0x03, 0xf8, 0x57]);
    let entry = names.unwrap() as u64 + 8;
    patch(&image, entry, b"\0\x07an \x1b[31mevil\nname\0");
    patch(&image, 72, &(1_u64 << 7).to_be_bytes());
    refused_at(
        &image,
        Unsupported,
        72,
        r#"bit 7 ("an \x1b[31mevil\x0aname") is not known"#,
    );
}

#[test]
fn q15_l1_entries() {
    need!(tool "qemu-img");
    let reserved = "reserved bits are set";
    // Clusters of 512 bytes, so that there are other tables; and such as are larger than an offset's
    // unit.
    let far: Case<'_> = (1 << 50, None, "L1 entry 0 is 0x4000000000000: past the end");
    let cases = [far, (1 << 60, None, reserved), (1, None, reserved)];
    costs_the_first("-o cluster_size=512", 1, &cases);
    let odd = (1 << 9, None, "0x200: no whole number of clusters");
    costs_the_first("", 1, &[odd, far]);
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    let l1 = number(&image, 40);
    // The L1 table as a second table.
    patch(&image, l1, &(1 << 63 | l1).to_be_bytes());
    let error = disk(&image).read_exact_at(&mut [0; 512], 0).unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (Corrupt, Some(l1)),
        "{error}"
    );
    assert!(
        error.to_string().contains("in the L1 table itself"),
        "{error}"
    );
    // The header is at byte 0, which stands for no table.
    patch(&image, l1, &(1_u64 << 63).to_be_bytes());
    let raw = super::converted(&image, "-f qcow2", &scratch);
    super::compare(&disk(&image), &raw);
}

#[test]
fn q16_shared_tables_and_clusters() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    let l2 = number(&image, number(&image, 40)) & 0x00ff_ffff_ffff_fe00;
    let entry = number(&image, l2);
    for index in 1..SIZE >> 16 {
        patch(&image, l2 + index * 8, &entry.to_be_bytes());
    }
    let raw = super::converted(&image, "-f qcow2", &scratch);
    super::compare(&disk(&image), &raw);
    // And all entries of the L1 table lead to one L2 table.
    let scratch = Scratch::new();
    let image = made(&scratch, "-o cluster_size=512");
    let l1 = number(&image, 40);
    let first = number(&image, l1);
    for index in 1..SIZE / 512 / 64 {
        patch(&image, l1 + index * 8, &first.to_be_bytes());
    }
    let raw = super::converted(&image, "-f qcow2", &scratch);
    super::compare(&disk(&image), &raw);
}

#[test]
fn q17_l2_entries() {
    need!(tool "qemu-img");
    let reserved = "reserved bits are set";
    let cases = [
        (0x8000_0000_0000_0200, None, "no whole number of clusters"),
        (1 << 57, None, reserved),
        (
            1 << 50,
            Some(1 << 50),
            "a cluster at 0x4000000000000 lies past",
        ),
        (2, None, reserved),
    ];
    costs_the_first("", 2, &cases);
}

#[test]
fn q18_compressed_clusters() {
    need!(tool "qemu-img");
    let past = |offset: u64| {
        let words = "a compressed cluster at 0x";
        (1 << 62 | offset, Some(offset), words)
    };
    // Past the end of the file; at what is no stream.
    for (options, words) in [
        ("-c", "compressed cluster: deflate: "),
        (ZSTD, "compressed cluster: zstd: "),
    ] {
        let cases = [
            past(1 << 50),
            past(0x3f << 48 | 4),
            (1 << 62, Some(0), words),
        ];
        costs_the_first(options, 2, &cases);
    }
}

/// An image whose first cluster is what `packed` unpacks to, which lies at the end of the file and is
/// said to be of 128 KiB; and where it lies.
fn with_first(scratch: &Scratch, options: &str, packed: &[u8]) -> (PathBuf, u64) {
    let image = made(scratch, options);
    let l2 = number(&image, number(&image, 40)) & 0x00ff_ffff_ffff_fe00;
    let end = std::fs::metadata(&image).unwrap().len();
    let end = end.next_multiple_of(512);
    patch(&image, end, packed);
    patch(&image, l2, &(1 << 62 | 0xff << 54 | end).to_be_bytes());
    (image, end)
}

#[test]
fn q18_what_compressed_clusters_unpack_to() {
    need!(tool "qemu-img");
    let deflated = |bytes: &[u8]| {
        let level = flate2::Compression::fast();
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(65537).collect();
    let short = "compressed cluster: it unpacks to 65535 bytes, not 65536";
    let long = "compressed cluster: it unpacks to more than 65536 bytes";
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..]; 9].concat();
    // No single segment, window descriptor 21 << 3: 2^31 bytes.
    let wide = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];
    let cut = |mut packed: Vec<u8>| {
        packed.truncate(packed.len() / 2);
        packed
    };
    let cases = [
        ("-c", deflated(&bytes[..65535]), short),
        ("-c", deflated(&bytes), long),
        ("-c", vec![0xff; 600], "compressed cluster: deflate: "),
        ("-c", cut(deflated(&bytes[..65536])), "compressed cluster: "),
        (ZSTD, zstd(&bytes[..65535]), short),
        (ZSTD, zstd(&bytes), long),
        (ZSTD, vec![0xff; 600], "compressed cluster: zstd: "),
        (ZSTD, cut(zstd(&bytes[..65536])), "compressed cluster: "),
        (ZSTD, skippable, "compressed cluster: it unpacks to 0 bytes"),
        (
            ZSTD,
            wide,
            "compressed cluster: zstd: Frame requires too much memory",
        ),
    ];
    for (options, packed, words) in cases {
        let scratch = Scratch::new();
        let (image, at) = with_first(&scratch, options, &packed);
        let disk = disk(&image);
        let mut buf = vec![0; 512];
        let mut read = Ok(());
        let used = allocation_counter::measure(|| read = disk.read_exact_at(&mut buf, 0));
        blames(&read.unwrap_err(), Corrupt, &[words], at);
        assert!(used.bytes_max < 1 << 20, "{} bytes", used.bytes_max);
        let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
        let mut rest = vec![0; SIZE as usize - 65536];
        disk.read_exact_at(&mut rest, 65536).unwrap();
        assert!(rest == raw[65536..], "{words}");
    }
    // What is said to end behind the file, and ends in it, is read.
    for (options, packed) in [
        ("-c", deflated(&bytes[..65536])),
        (ZSTD, zstd(&bytes[..65536])),
    ] {
        let scratch = Scratch::new();
        let (image, _) = with_first(&scratch, options, &packed);
        let raw = super::converted(&image, "-f qcow2", &scratch);
        super::compare(&disk(&image), &raw);
        let raw = std::fs::read(raw).unwrap();
        assert!(raw[..65536] == bytes[..65536], "it is the cluster");
    }
}

#[test]
fn q19_compression_type() {
    need!(tool "qemu-img");
    refused(
        "",
        &[
            (104, &[5], Unsupported, 104, "compression_type 5 "),
            (104, &[1], Corrupt, 104, "compression_type 1 "),
        ],
    );
}

#[test]
fn q20_extended_l2() {
    need!(tool "qemu-img");
    let patch_of_bit_4 = (79, &[0x10][..], Corrupt, 20, "cluster_bits 12 ");
    refused("-o cluster_size=4096", &[patch_of_bit_4]);
    let scratch = Scratch::new();
    let image = made(&scratch, "-o extended_l2=on");
    let l2 = number(&image, number(&image, 40)) & 0x00ff_ffff_ffff_fe00;
    patch(&image, l2 + 8, &[0xff; 8]);
    let disk = disk(&image);
    let error = disk.read_exact_at(&mut [0; 512], 0).unwrap_err();
    let words = "a subcluster is both allocated and zero";
    blames(&error, Corrupt, &["L2 entry is 0x", words], l2);
    let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
    let mut rest = vec![0; SIZE as usize - 65536];
    disk.read_exact_at(&mut rest, 65536).unwrap();
    assert!(rest == raw[65536..]);
}

#[test]
fn q21_crypt_method() {
    need!(tool "qemu-img");
    refused(
        "",
        &[
            (
                35,
                &[2],
                Corrupt,
                32,
                "no header extension says where LUKS is",
            ),
            (35, &[9], Unsupported, 32, "crypt_method 9 "),
        ],
    );
    // What would open with a key is not damaged, and has no place.
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(&image, 35, &[1]);
    let error = open(&image, &Options::default()).err().unwrap();
    assert_eq!(
        (error.kind(), error.offset()),
        (Kind::Locked, None),
        "{error}"
    );
}

#[test]
fn q22_dirty_and_corrupt_bits() {
    need!(tool "qemu-img");
    read_with_notice(79, &[1], "dirty");
    read_with_notice(79, &[2], "corrupt");
}

#[test]
fn a_snapshot_of_a_format_that_keeps_none_is_refused() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    let mut options = Options::default();
    options.format.snapshot = Some("first".to_owned());
    let error = open(&scratch.join("guest.raw"), &options).err().unwrap();
    assert!(error.to_string().contains("keeps no snapshots"), "{error}");
    let error = open(&image, &options).err().unwrap();
    assert!(
        error.to_string().contains("no snapshot is called that"),
        "{error}"
    );
}

#[test]
fn changed_bytes() {
    need!(tool "qemu-img");
    for (options, metadata) in [("", 400 << 10), ("-c -o compression_type=zstd", 400 << 10)] {
        let scratch = Scratch::new();
        let image = made(&scratch, options);
        flips::flip(&image, metadata, 4, 400);
    }
}
