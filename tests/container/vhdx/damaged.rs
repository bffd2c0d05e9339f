//! HOSTILE H08 to H10 and H13: damaged disks, made from disks that are whole by changing a field.

use std::path::{Path, PathBuf};
use std::time::Instant;

use imgmount::error::Kind;
use imgmount::service::open::open;

use super::{
    FILE_PARAMETERS, HEADERS, LOGICAL_SECTOR_SIZE, REGIONS, VIRTUAL_DISK_SIZE, Vhdx, convert,
    notices, options,
};
use crate::container::guest::Random;
use crate::container::{compare, compare_range, disk, guest, refused_at};
use crate::support::images::Scratch;

const SIZE: u64 = 5 << 20;

fn made(scratch: &Scratch) -> (PathBuf, PathBuf, Vhdx) {
    let raw = guest::disk(scratch, SIZE, 111);
    let image = convert(&raw, "disk.vhdx", "block_size=1M", scratch);
    let vhdx = Vhdx::of(&image);
    (raw, image, vhdx)
}

#[test]
fn h08_headers() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image, whole) = made(&scratch);
    for at in HEADERS {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.0[at + 100] ^= 1;
        vhdx.write(&image);
        compare(&disk(&image), &raw);
        assert!(notices(&image)[0].contains("Checksum is wrong"));
    }
    let mut vhdx = Vhdx(whole.0.clone());
    for at in HEADERS {
        vhdx.0[at + 100] ^= 1;
    }
    let first = HEADERS[0] as u64;
    vhdx.write(&image);
    let words = "both headers: the header's Checksum is wrong";
    refused_at(&image, Kind::Corrupt, first, words);
    for at in HEADERS {
        vhdx.put(at, &[0; 4]);
    }
    vhdx.write(&image);
    refused_at(&image, Kind::Corrupt, first, "both headers: no head");
    let mut vhdx = Vhdx(whole.0.clone());
    vhdx.put_headers(8, &7_u64.to_le_bytes());
    vhdx.put(HEADERS[0] + 16, &[1; 16]);
    vhdx.mend(HEADERS[0], 4096);
    vhdx.write(&image);
    let words = "SequenceNumber 7, and differ";
    refused_at(&image, Kind::Corrupt, first, words);
    let mut vhdx = Vhdx(whole.0.clone());
    vhdx.put_headers(66, &[2, 0]);
    vhdx.write(&image);
    let number = |at: &usize| whole.get64(at + 8);
    let newer = HEADERS.into_iter().max_by_key(number).unwrap();
    let at = newer as u64 + 66;
    refused_at(&image, Kind::Unsupported, at, "Version 2 is not 1");
}

#[test]
fn h09_regions() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image, whole) = made(&scratch);
    for at in REGIONS {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.0[at + 40_000] ^= 1;
        vhdx.write(&image);
        compare(&disk(&image), &raw);
        assert!(notices(&image)[0].contains("region table's Checksum"));
    }
    // Entry 0 has FileOffset at 32, Length at 40, Required at 44; the next one follows.
    let cases: [(usize, &[u8], &str); 9] = [
        (8, &2048_u32.to_le_bytes(), "EntryCount 2048"),
        (8, &[0xff; 4], "EntryCount 4294967295"),
        (8, &[0; 4], "no BAT region"),
        (32, &(1_u64 << 40).to_le_bytes(), ": past the end"),
        (32, &[0; 8], "not in whole MiB"),
        (32, &(1_u64 << 20).to_le_bytes(), "overlap: log"),
        (32, &(3_u64 << 20).to_le_bytes(), "overlap"),
        (40, &[1, 0, 0x10, 0], "not in whole MiB"),
        (40, &[0, 0, 0xf0, 0xff], ": past the end"),
    ];
    for (field, bytes, what) in cases {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.put_regions(field, bytes);
        assert!(vhdx.0 != whole.0, "{what}: nothing was changed");
        vhdx.write(&image);
        // Of two regions that overlap, the second's entry.
        let at = match what {
            "no BAT region" => 0,
            "overlap" => 64,
            _ => field,
        };
        refused_at(&image, Kind::Corrupt, (REGIONS[0] + at) as u64, what);
    }
    let mut vhdx = Vhdx(whole.0.clone());
    vhdx.put_regions(80, &[7; 16]);
    vhdx.put_regions(96, &(64_u64 << 20).to_le_bytes());
    vhdx.put_regions(104, &(1_u64 << 20 | 1 << 32).to_le_bytes());
    vhdx.put_regions(8, &3_u32.to_le_bytes());
    vhdx.write(&image);
    let words = "required region 07070707-0707";
    refused_at(&image, Kind::Unsupported, REGIONS[0] as u64 + 80, words);
    vhdx.put_regions(108, &[0; 4]);
    vhdx.write(&image);
    compare(&disk(&image), &raw);
}

#[test]
fn h10_metadata() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image, whole) = made(&scratch);
    let table = whole.metadata();
    let (entry, _) = whole.item(VIRTUAL_DISK_SIZE);
    let item = |first: u32| whole.item(first).1;
    let cases: [(usize, &[u8], &str); 14] = [
        (table, b"x", "no metadata table"),
        (table + 10, &2048_u16.to_le_bytes(), "EntryCount 2048"),
        (table + 10, &[0, 0], "no metadata item FileParameters"),
        (entry + 16, &[0xff; 4], "outside of the region"),
        (entry + 16, &[0; 4], "outside of the region"),
        (entry + 20, &[0xff; 4], "outside of the region"),
        (entry + 20, &[7, 0, 0, 0], "VirtualDiskSize is not 8 bytes"),
        (entry, &[9; 16], "required metadata item 09090909"),
        (item(LOGICAL_SECTOR_SIZE), &[0; 4], "LogicalSectorSize 0 is"),
        (
            item(LOGICAL_SECTOR_SIZE),
            &[1, 2, 0, 0],
            "LogicalSectorSize 513 is",
        ),
        (item(FILE_PARAMETERS), &[0; 4], "BlockSize 0 is"),
        (
            item(FILE_PARAMETERS),
            &[0, 0, 0x30, 0],
            "BlockSize 3145728 is",
        ),
        (
            item(VIRTUAL_DISK_SIZE),
            &[0xff; 8],
            "VirtualDiskSize 18446744073709551615",
        ),
        (
            item(VIRTUAL_DISK_SIZE),
            &(1_u64 << 45).to_le_bytes(),
            "a BAT of 1048576 bytes is too small",
        ),
    ];
    for (at, bytes, what) in cases {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.put(at, bytes);
        assert!(vhdx.0 != whole.0, "{what}: nothing was changed");
        vhdx.write(&image);
        let kind = match what.starts_with("required") {
            true => Kind::Unsupported,
            false => Kind::Corrupt,
        };
        // The field's own place, or that of the table for what is not there; of a table that is too
        // small, the table's; of an item that is too short, the item's.
        let place = match what {
            what if what.starts_with("a BAT") => whole.bat(),
            what if what.contains("is not 8 bytes") => item(VIRTUAL_DISK_SIZE),
            what if what.starts_with("no metadata") => table,
            _ => at,
        };
        refused_at(&image, kind, place as u64, what);
    }
    // An item that nobody has to know.
    let mut vhdx = Vhdx(whole.0.clone());
    let (entry, _) = whole.item(0xbeca_12ab);
    vhdx.put(entry, &[9; 16]);
    vhdx.put(entry + 24, &[2, 0, 0, 0]);
    vhdx.write(&image);
    compare(&disk(&image), &raw);
    let mut vhdx = Vhdx(whole.0.clone());
    let at = vhdx.item(FILE_PARAMETERS).1;
    vhdx.put(at + 4, &[2, 0, 0, 0]);
    vhdx.write(&image);
    let words = "no metadata item Parent Locator";
    refused_at(&image, Kind::Corrupt, table as u64, words);
}

#[test]
fn h13_block_states() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let (raw, image, whole) = made(&scratch);
    let entry = whole.bat() + 8;
    let bits = whole.get64(entry) & !7;
    let outside = (1_u64 << 40) | 6;
    let cases = [
        (bits | 4, "has payload block state 4"),
        (bits | 5, "has payload block state 5"),
        (bits | 7, "is partially present, and there is no parent"),
        (6, "is outside of the file's"),
        (outside, "is outside of the file's"),
        (u64::MAX - 1, "is outside of the file's"),
    ];
    for (value, what) in cases {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.put(entry, &value.to_le_bytes());
        vhdx.write(&image);
        let disk = disk(&image);
        let file = std::fs::File::open(&raw).unwrap();
        for (at, len) in [(0, 1 << 20), (2 << 20, 3 << 20)] {
            compare_range(&disk, &file, at, len);
        }
        let failed = disk
            .read_exact_at(&mut [0; 512], (1 << 20) + 700)
            .unwrap_err();
        let found = (failed.kind(), failed.offset());
        assert_eq!(found, (Kind::Corrupt, Some(entry as u64)), "{failed}");
        let text = failed.to_string();
        assert!(text.contains("block 1: ") && text.contains(what), "{text}");
        assert!(text.contains(&format!("BAT entry {value:#x}")), "{text}");
        assert_eq!(disk.extent_at(1 << 20).unwrap_err(), failed);
    }
    for state in 0..4 {
        let mut vhdx = Vhdx(whole.0.clone());
        vhdx.put(entry, &(bits | state).to_le_bytes());
        vhdx.write(&image);
        let mut buf = vec![1; 1 << 20];
        disk(&image).read_exact_at(&mut buf, 1 << 20).unwrap();
        assert!(buf.iter().all(|byte| *byte == 0), "state {state}");
    }
}

/// Changes what is not data, again and again: no panic, no hang, and each open and read ends.
#[test]
fn flipped_bytes() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 300 << 10, 112);
    let image = convert(&raw, "disk.vhdx", "block_size=1M", &scratch);
    let whole = Vhdx::of(&image);
    let (bat, metadata) = (whole.bat(), whole.metadata());
    let mut random = Random(6);
    let start = Instant::now();
    let mut opened = 0;
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    for _ in 0..400 {
        let mut vhdx = Vhdx(whole.0.clone());
        for _ in 0..1 + random.below(3) {
            let bytes = random.bytes(1, false);
            match random.below(6) {
                0 => vhdx.put_headers(random.below(80) as usize, &bytes),
                1 => vhdx.put_regions(random.below(80) as usize, &bytes),
                2 => vhdx.put(metadata + random.below(232) as usize, &bytes),
                3 => vhdx.put(metadata + (64 << 10) + random.below(64) as usize, &bytes),
                4 => vhdx.put(bat + random.below(16) as usize, &bytes),
                _ => vhdx.put(random.below(1 << 20) as usize, &bytes),
            }
        }
        use std::os::unix::fs::FileExt;
        file.write_all_at(&vhdx.0, 0).unwrap();
        opened += usize::from(try_to_read(&image, &mut random));
    }
    assert!(opened > 0);
    assert!(start.elapsed().as_secs() < 300);
}

fn try_to_read(image: &Path, random: &mut Random) -> bool {
    let Ok(opened) = open(image, &options(true, false)) else {
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
