//! HOSTILE H01 to H07: damaged disks, made from disks that are whole by changing a field.

use std::path::{Path, PathBuf};
use std::time::Instant;

use imgmount::error::Kind;
use imgmount::service::open::{Options, open};

use super::{
    CURRENT_SIZE, DATA_OFFSET, DISK_TYPE, HEADER, Vhd, convert, ignoring, notices, refused,
};
use crate::container::guest::Random;
use crate::container::{compare, compare_range, disk, disk_with, guest, refused_at};
use crate::support::images::{self, Scratch};
use crate::support::library;

const SIZE: u64 = 5 << 20;
/// The offset of the footer's field `checksum`.
const CHECKSUM: usize = 64;

fn made(options: &str, scratch: &Scratch) -> (PathBuf, PathBuf) {
    let raw = guest::disk(scratch, SIZE, 91);
    let options = format!("force_size=on,subformat={options}");
    let image = convert(&raw, "disk.vhd", &options, scratch);
    (raw, image)
}

#[test]
fn h01_footers() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image) = made("dynamic", &scratch);
    let whole = Vhd::of(&image).0;
    let end = whole.len() - 512;
    let cases: [(&str, &[usize]); 5] = [
        ("at the end is damaged", &[end + 100]),
        ("at the end is missing", &[end]),
        ("copy at the start is damaged", &[100]),
        ("copy at the start is damaged", &[0]),
        ("checksum is 0x", &[100, end + 100]),
    ];
    for (says, places) in cases {
        let mut vhd = Vhd(whole.clone());
        for at in places {
            vhd.0[*at] ^= 0x55;
        }
        vhd.write(&image);
        if places.len() == 1 {
            compare(&disk(&image), &raw);
            let notices = notices(&image);
            assert!(
                notices.len() == 1 && notices[0].contains(says),
                "{notices:?}"
            );
        } else {
            // The copy at the start is the one that is told of.
            refused_at(&image, Kind::Corrupt, CHECKSUM as u64, says);
            let why = refused(&image);
            assert!(why.contains("--ignore-checksums"), "{why}");
            compare(&disk_with(&image, &ignoring()), &raw);
        }
    }
    // Cut inside the footer.
    std::fs::write(&image, &whole[..end + 200]).unwrap();
    compare(&disk(&image), &raw);
    assert!(notices(&image)[0].contains("missing"));
}

#[test]
fn h01_footer_of_a_fixed_disk() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image) = made("fixed", &scratch);
    let mut vhd = Vhd::of(&image);
    let end = vhd.0.len() - 512;
    vhd.0[end + 100] ^= 1;
    vhd.write(&image);
    let at = (end + CHECKSUM) as u64;
    refused_at(&image, Kind::Corrupt, at, "the footer's checksum is 0x");
    compare(&disk_with(&image, &ignoring()), &raw);
}

#[test]
fn h02_disk_type() {
    need!(tool "qemu-img");
    for kind in ["dynamic", "fixed"] {
        let scratch = Scratch::new();
        let (_, image) = made(kind, &scratch);
        let mut vhd = Vhd::of(&image);
        let footer = if kind == "fixed" { SIZE } else { 0 };
        for disk_type in [0, 1, 5, 7, u32::MAX] {
            vhd.put_footer(DISK_TYPE, &disk_type.to_be_bytes());
            vhd.write(&image);
            let words = format!("disk_type {disk_type} is");
            refused_at(&image, Kind::Unsupported, footer + DISK_TYPE as u64, &words);
        }
    }
}

#[test]
fn h03_table() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (_, image) = made("dynamic", &scratch);
    let unsupported = "header_version 0x20000";
    let cases: [(usize, &[u8], &str); 6] = [
        (16, &[0xff; 8], "table_offset 0xffffffffffffffff is past"),
        (
            16,
            &[0, 0, 0, 0, 1, 0, 0, 0],
            "table_offset 0x1000000 is past",
        ),
        (
            28,
            &[0xff; 4],
            "max_table_entries 4294967295 leave the file",
        ),
        (
            28,
            &[0, 0, 0, 2],
            "max_table_entries 2, blocks of 2097152 bytes, are too few",
        ),
        (24, &[0, 2, 0, 0], unsupported),
        (0, b"x", "no cxsparse"),
    ];
    for (field, bytes, says) in cases {
        let mut vhd = Vhd::of(&image);
        let whole = Vhd(vhd.0.clone());
        vhd.put_header(field, bytes);
        assert!(vhd.0 != whole.0, "{says}: nothing was changed");
        vhd.write(&image);
        let kind = match says == unsupported {
            true => Kind::Unsupported,
            false => Kind::Corrupt,
        };
        refused_at(&image, kind, (HEADER + field) as u64, says);
        whole.write(&image);
    }
    for offset in [1_u64 << 40, u64::MAX, u64::MAX - 1000] {
        let mut vhd = Vhd::of(&image);
        vhd.put_footer(DATA_OFFSET, &offset.to_be_bytes());
        vhd.write(&image);
        let words = format!("data_offset {offset:#x} is past");
        refused_at(&image, Kind::Corrupt, DATA_OFFSET as u64, &words);
    }
}

#[test]
fn h03_sizes() {
    need!(tool "qemu-img");
    for kind in ["dynamic", "fixed"] {
        let scratch = Scratch::new();
        let (_, image) = made(kind, &scratch);
        let mut vhd = Vhd::of(&image);
        for size in [SIZE + (2 << 20), 1 << 40, 1 << 63, u64::MAX] {
            vhd.put_footer(CURRENT_SIZE, &size.to_be_bytes());
            vhd.write(&image);
            match kind {
                // It cannot be this disk's footer, and the bytes before it are a disk all the same.
                "fixed" if size < 1 << 63 => {
                    let opened = library::open_with(&image, &Options::default());
                    assert_eq!(opened.stack.image_format(), "raw");
                }
                "fixed" => {
                    let words = format!("current_size of {} sectors", size / 512);
                    refused_at(&image, Kind::Corrupt, SIZE + CURRENT_SIZE as u64, &words);
                }
                _ if size <= 1 << 40 => {
                    let words = format!(
                        "max_table_entries 3, blocks of 2097152 bytes, are too few for {size}"
                    );
                    refused_at(&image, Kind::Corrupt, (HEADER + 28) as u64, &words);
                }
                _ => {
                    let words = format!("current_size of {} sectors", size / 512);
                    refused_at(&image, Kind::Corrupt, CURRENT_SIZE as u64, &words);
                }
            }
        }
    }
}

#[test]
fn h03_header_checksum() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image) = made("dynamic", &scratch);
    let mut vhd = Vhd::of(&image);
    vhd.0[HEADER + 900] ^= 1;
    vhd.write(&image);
    refused_at(
        &image,
        Kind::Corrupt,
        HEADER as u64 + 36,
        "header's checksum",
    );
    compare(&disk_with(&image, &ignoring()), &raw);
}

#[test]
fn h04_block_size() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (_, image) = made("dynamic", &scratch);
    let mut vhd = Vhd::of(&image);
    for size in [0_u32, 1, 256, 3 << 20, u32::MAX] {
        vhd.put_header(32, &size.to_be_bytes());
        vhd.write(&image);
        let words = format!("block_size {size} is");
        refused_at(&image, Kind::Corrupt, HEADER as u64 + 32, &words);
    }
}

#[test]
fn h07_table_entries() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image) = made("dynamic", &scratch);
    for entry in [0_u32, 0x7fff_ffff, 0xffff_fffe] {
        let whole = Vhd::of(&image);
        let mut vhd = Vhd(whole.0.clone());
        vhd.put(3 * 512 + 4, &entry.to_be_bytes());
        vhd.write(&image);
        let disk = disk(&image);
        let file = std::fs::File::open(&raw).unwrap();
        for (block, len) in [(0, 2 << 20), (2, 1 << 20)] {
            compare_range(&disk, &file, block << 21, len);
        }
        let failed = disk
            .read_exact_at(&mut [0; 512], (2 << 20) + 700)
            .unwrap_err();
        let found = (failed.kind(), failed.offset());
        assert_eq!(found, (Kind::Corrupt, Some(3 * 512 + 4)), "{failed}");
        let words = format!("block 1: BAT entry {entry:#x} leads to no block");
        assert!(failed.to_string().contains(&words), "{failed}");
        assert_eq!(disk.extent_at(2 << 20).unwrap_err(), failed);
        whole.write(&image);
    }
}

/// The file ends in a block: the sectors before that are read.
#[test]
fn h07_cut_file() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image) = made("dynamic", &scratch);
    let vhd = Vhd::of(&image);
    let last = (0..3).max_by_key(|block| match vhd.get32(3 * 512 + block * 4) {
        0xffff_ffff => 0,
        entry => entry,
    });
    let last = last.unwrap();
    let data = vhd.get32(3 * 512 + last * 4) * 512 + 512;
    std::fs::write(&image, &vhd.0[..data + 10_000]).unwrap();
    let disk = disk(&image);
    let file = std::fs::File::open(&raw).unwrap();
    compare_range(&disk, &file, (last as u64) << 21, 10_000);
    let mut buf = [0; 512];
    let failed = disk.read_exact_at(&mut buf, ((last as u64) << 21) + 10_100);
    let failed = failed.unwrap_err();
    let found = (failed.kind(), failed.offset());
    let entry = 3 * 512 + last as u64 * 4;
    assert_eq!(found, (Kind::Corrupt, Some(entry)), "{failed}");
    assert!(failed.to_string().contains("leads to no block"), "{failed}");
}

/// What the guest of a fixed disk writes does not change what it is.
#[test]
fn a_footer_at_the_start_of_a_fixed_disk() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image) = made("fixed", &scratch);
    let mut vhd = Vhd::of(&image);
    let footer = vhd.0[vhd.0.len() - 512..].to_vec();
    vhd.put(0, &footer);
    vhd.write(&image);
    let mut bytes = std::fs::read(&raw).unwrap();
    bytes[..512].copy_from_slice(&footer);
    std::fs::write(&raw, bytes).unwrap();
    compare(&disk(&image), &raw);
}

/// Changes what is not data, again and again: no panic, no hang, and each open and read ends.
#[test]
fn flipped_bytes() {
    need!(tool "qemu-img");
    for kind in ["dynamic", "fixed"] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, 300 << 10, 92);
        let options = format!("force_size=on,subformat={kind}");
        let image = convert(&raw, "disk.vhd", &options, &scratch);
        let whole = Vhd::of(&image).0;
        let mut random = Random(5);
        let start = Instant::now();
        let mut opened = 0;
        for _ in 0..500 {
            let mut vhd = Vhd(whole.clone());
            for _ in 0..1 + random.below(3) {
                // Footers, header, table; the checksums are made right again.
                let (at, bytes) = (random.below(1200) as usize, random.bytes(1, false));
                match at {
                    0..88 => vhd.put_footer(at, &bytes),
                    88..600 if kind == "dynamic" => vhd.put_header(at - 88, &bytes),
                    _ => vhd.put(3 * 512 + at % 16, &bytes),
                }
            }
            vhd.write(&image);
            opened += usize::from(try_to_read(&image, &mut random));
        }
        assert!(opened > 0);
        assert!(start.elapsed().as_secs() < 300);
    }
}

fn try_to_read(image: &Path, random: &mut Random) -> bool {
    let Ok(opened) = open(image, &ignoring()) else {
        return false;
    };
    for disk in opened
        .stack
        .disks
        .iter()
        .filter_map(|it| it.source.as_ref().ok())
    {
        for _ in 0..8 {
            let offset = random.below(disk.size().max(1));
            let len = (disk.size() - offset.min(disk.size())).min(1 + random.below(200 << 10));
            let _ = disk.read_exact_at(&mut vec![0; len as usize], offset);
            let _ = disk.extent_at(offset);
        }
    }
    true
}

#[test]
fn collected_hostile_files_end_at_once() {
    need!(images);
    let folder = images::folder().unwrap().join("hostile/vhd-fuzz");
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let scratch = Scratch::new();
        let image = images::unpack(&format!("hostile/vhd-fuzz/{name}"), &scratch);
        let start = Instant::now();
        let _ = open(&image, &Options::default());
        assert!(start.elapsed().as_secs() < 5, "{name}");
        count += 1;
    }
    assert!(count >= 9, "{count}");
}
