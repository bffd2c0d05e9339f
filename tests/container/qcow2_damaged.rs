//! qcow2 images with one field changed: HOSTILE Q01 to Q10 and Q14 to Q22.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use imgmount::service::open::{Options, open};

use super::{disk, flips, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 2 << 20;

/// A random disk as qcow2, by qemu-img with `options`.
fn made(scratch: &Scratch, options: &str) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, 1);
    let image = scratch.join("disk.qcow2");
    let convert = Run::new("qemu-img").words("convert -f raw -O qcow2");
    convert.words(options).arg(raw).arg(&image).run();
    image
}

fn patch(image: &Path, offset: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(image).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn number(image: &Path, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    let file = std::fs::File::open(image).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    u64::from_be_bytes(bytes)
}

/// Every change of `patches` is refused with its word.
fn refused(options: &str, patches: &[(u64, &[u8], &str)]) {
    for (offset, bytes, word) in patches {
        let scratch = Scratch::new();
        let image = made(&scratch, options);
        patch(&image, *offset, bytes);
        let error = open(&image, &Options::default()).err();
        let text = error
            .unwrap_or_else(|| panic!("{word}: it opens"))
            .to_string();
        assert!(text.contains(word), "{word}: {text}");
    }
}

/// `patches` cost the first cluster, and nothing else.
fn costs_the_first_cluster(options: &str, level: u8, entries: &[u64]) {
    let scratch = Scratch::new();
    let image = made(&scratch, options);
    let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
    let l1 = number(&image, 40);
    let at = match level {
        1 => l1,
        _ => number(&image, l1) & 0x00ff_ffff_ffff_fe00,
    };
    for entry in entries {
        patch(&image, at, &entry.to_be_bytes());
        let disk = disk(&image);
        let error = disk.read_exact_at(&mut [0; 512], 0);
        let error = error.err().unwrap_or_else(|| panic!("{entry:#x} is read"));
        assert_eq!(error.kind(), Kind::Corrupt, "{entry:#x}: {error}");
        if level == 2 {
            let mut rest = vec![0; SIZE as usize - (64 << 10)];
            disk.read_exact_at(&mut rest, 64 << 10).unwrap();
            assert!(rest == raw[64 << 10..], "{entry:#x}");
        }
    }
}

/// It is read whole, with a notice that has `word` in it.
fn read_with_notice(offset: u64, bytes: &[u8], word: &str) {
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(&image, offset, bytes);
    let opened = open(&image, &Options::default()).ok().unwrap();
    let notices = opened.notices.all();
    assert!(
        word.is_empty() || notices.iter().any(|it| it.contains(word)),
        "{notices:?}"
    );
    super::compare(&disk(&image), &scratch.join("guest.raw"));
}

#[test]
fn q01_cluster_bits() {
    need!(tool "qemu-img");
    for bits in [0, 8, 22, 31, 63] {
        refused("", &[(23, &[bits], &format!("cluster_bits {bits} "))]);
    }
}

#[test]
fn q02_version() {
    need!(tool "qemu-img");
    refused("", &[(7, &[0], "version 0 "), (7, &[4], "version 4 ")]);
    // Version 1 is another format, whose header this is not.
    refused("", &[(7, &[1], "qcow")]);
}

#[test]
fn q03_size() {
    need!(tool "qemu-img");
    refused("", &[(24, &[0xff; 8], "size"), (24, &[0x80, 0], "size")]);
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(&image, 24, &(SIZE - 100).to_be_bytes());
    assert_eq!(disk(&image).size(), SIZE);
}

#[test]
fn q04_l1_size() {
    need!(tool "qemu-img");
    for bytes in [[0x7f, 0xff, 0xff, 0xff], [0xff; 4], [0; 4]] {
        refused("", &[(36, &bytes, "l1_size ")]);
    }
}

#[test]
fn q05_l1_table_offset() {
    need!(tool "qemu-img");
    for offset in [0x30001_u64, 1 << 40, (1 << 63) - 65536, 0, 8] {
        refused("", &[(40, &offset.to_be_bytes(), "l1_table_offset ")]);
    }
}

#[test]
fn q06_refcount_table() {
    need!(tool "qemu-img");
    read_with_notice(56, &[0xff; 4], "");
    read_with_notice(48, &[0x7f; 8], "");
}

#[test]
fn q07_snapshots() {
    need!(tool "qemu-img");
    for (offset, bytes) in [(60, &[0xff; 4][..]), (60, &[0, 0, 0, 1, 0x7f, 0, 0, 0])] {
        read_with_notice(offset, bytes, "snapshots");
        let scratch = Scratch::new();
        let image = made(&scratch, "");
        patch(&image, offset, bytes);
        let mut options = Options::default();
        options.format.snapshot = Some("1".to_owned());
        assert!(open(&image, &options).is_err());
    }
}

#[test]
fn q08_header_length() {
    need!(tool "qemu-img");
    for length in [0xffff_ffff_u32, 103, 0] {
        refused("", &[(100, &length.to_be_bytes(), "header_length ")]);
    }
}

#[test]
fn q09_header_extensions() {
    need!(tool "qemu-img");
    refused("", &[(116, &[0x7f, 0xff, 0xff, 0xff], "header extension")]);
    // As many empty ones as there is room for.
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    patch(&image, 112, &[0, 0, 0, 9, 0, 0, 0, 0].repeat(8000));
    super::compare(&disk(&image), &scratch.join("guest.raw"));
}

#[test]
fn q10_backing_file_size() {
    need!(tool "qemu-img");
    let name = |offset: u64, size: u32| [&offset.to_be_bytes()[..], &size.to_be_bytes()].concat();
    refused("", &[(8, &name(300, 0xffff_ffff), "backing_file_size ")]);
    refused("", &[(8, &name(300, 1024), "backing_file_size ")]);
    refused("", &[(8, &name(1 << 16, 9), "backing_file_offset ")]);
}

#[test]
fn q14_incompatible_features() {
    need!(tool "qemu-img");
    refused("", &[(72, &[0x80], "bit 63"), (79, &[0x20], "bit 5")]);
    refused("", &[(79, &[4], "data file")]);
}

#[test]
fn q15_l1_entries() {
    need!(tool "qemu-img");
    costs_the_first_cluster("", 1, &[1 << 50, 1 << 9, 1 << 60, 1]);
}

#[test]
fn q16_shared_tables_and_clusters() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "");
    let l2 = number(&image, number(&image, 40)) & 0x00ff_ffff_ffff_fe00;
    let entry = number(&image, l2);
    for index in 0..SIZE >> 16 {
        patch(&image, l2 + index * 8, &entry.to_be_bytes());
    }
    let raw = super::converted(&image, "-f qcow2", &scratch);
    super::compare(&disk(&image), &raw);
}

#[test]
fn q17_l2_entries() {
    need!(tool "qemu-img");
    costs_the_first_cluster("", 2, &[0x8000_0000_0000_0200, 1 << 57, 1 << 50, 2]);
}

#[test]
fn q18_compressed_clusters() {
    need!(tool "qemu-img");
    // Past the end of the file; at what is no deflate.
    let entries = [1 << 62 | 1 << 50, 1 << 62 | 0x3fff << 48 | 4, 1 << 62];
    costs_the_first_cluster("-c", 2, &entries);
    costs_the_first_cluster("-c -o compression_type=zstd", 2, &entries);
}

#[test]
fn q19_compression_type() {
    need!(tool "qemu-img");
    refused(
        "",
        &[
            (104, &[5], "compression_type 5"),
            (104, &[1], "compression_type 1"),
        ],
    );
}

#[test]
fn q20_extended_l2() {
    need!(tool "qemu-img");
    refused("-o cluster_size=4096", &[(79, &[0x10], "cluster_bits 12 ")]);
    let scratch = Scratch::new();
    let image = made(&scratch, "-o extended_l2=on");
    let l2 = number(&image, number(&image, 40)) & 0x00ff_ffff_ffff_fe00;
    patch(&image, l2 + 8, &[0xff; 8]);
    let error = disk(&image).read_exact_at(&mut [0; 512], 0).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
}

#[test]
fn q21_crypt_method() {
    need!(tool "qemu-img");
    refused(
        "",
        &[
            (35, &[1], "locked: no key was given"),
            (35, &[2], "no header extension says where LUKS is"),
            (35, &[9], "crypt_method 9"),
        ],
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
