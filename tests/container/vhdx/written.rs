//! What qemu-img writes: every subformat and option, disks overwritten by qemu-io.

use std::path::Path;

use imgmount::source::ExtentKind;

use super::{HEADERS, LOGICAL_SECTOR_SIZE, PHYSICAL_SECTOR_SIZE, Vhdx, convert, notices};
use crate::container::{compare, compare_random, converted, disk, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;
use crate::support::library;
use imgmount::service::open::Options;

/// Data, zeros and holes, of a size that no block ends at.
const SIZE: u64 = 9 * 1024 * 1024 + 3 * 512;

fn compare_with_qemu(image: &Path, scratch: &Scratch) {
    let expected = converted(image, "-f vhdx", scratch);
    compare(&disk(image), &expected);
}

fn written(options: &str) {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 101);
    let image = convert(&raw, "disk.vhdx", options, &scratch);
    compare(&disk(&image), &raw);
    assert_eq!(notices(&image), [""; 0]);
    for seed in 0..2 {
        guest::overwrite(&image, "vhdx", SIZE, seed, 40);
        compare_with_qemu(&image, &scratch);
    }
}

#[test]
fn dynamic() {
    need!(tool "qemu-img", tool "qemu-io");
    written("");
    written("subformat=dynamic,block_size=1M");
    written("block_size=2M,log_size=3M");
}

#[test]
fn block_state_zero() {
    need!(tool "qemu-img", tool "qemu-io");
    written("block_size=1M,block_state_zero=on");
    written("block_size=1M,block_state_zero=off");
}

#[test]
fn fixed() {
    need!(tool "qemu-img", tool "qemu-io");
    written("subformat=fixed,block_size=1M");
    written("subformat=fixed,block_size=16M");
}

/// qemu-img has no map of a VHDX. Blocks that nobody wrote are holes all the same, whole and in few
/// pieces, also where the entries of sector bitmaps are in between.
#[test]
fn large_and_sparse() {
    need!(tool "qemu-img", tool "qemu-io");
    for (size, options) in [
        ("3T", ""),
        ("64T", "block_size=256M"),
        ("20G", "block_size=1M"),
    ] {
        let scratch = Scratch::new();
        let image = scratch.join("disk.vhdx");
        let mut create = Run::new("qemu-img").words("create -q -f vhdx");
        if !options.is_empty() {
            create = create.args(["-o", options]);
        }
        create.arg(&image).arg(size).run();
        let places = [
            ("0", 0),
            ("19G", 19 << 30),
            ("4095M", 4095 << 20),
            ("4100M", 4100_u64 << 20),
        ];
        let mut io = Run::new("qemu-io").words("-f vhdx");
        for (number, (place, _)) in places.iter().enumerate() {
            io = io.args(["-c", &format!("write -P {} {place} 64k", number + 1)]);
        }
        io.arg(&image).run();
        let disk = disk(&image);
        for (number, (_, at)) in places.iter().enumerate() {
            let mut buf = vec![0; 64 << 10];
            disk.read_exact_at(&mut buf, *at).unwrap();
            assert!(buf.iter().all(|byte| *byte == number as u8 + 1));
        }
        let (mut at, mut data, mut pieces) = (0, 0, 0);
        while at < disk.size() {
            let extent = disk.extent_at(at).unwrap();
            if extent.kind == ExtentKind::Data {
                data += extent.len.get();
            }
            at += extent.len.get();
            pieces += 1;
        }
        assert!((256 << 10..2 << 20).contains(&data), "{data}");
        // A piece ends with its chunk, which is of 4 GiB, or with 64 blocks.
        assert!(pieces < 17_000, "{pieces}");
    }
}

#[test]
fn sectors_of_4096_bytes() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let size = 24 << 20;
    let raw = guest::disk(&scratch, size, 102);
    let image = convert(&raw, "disk.vhdx", "block_size=1M", &scratch);
    let mut vhdx = Vhdx::of(&image);
    for item in [LOGICAL_SECTOR_SIZE, PHYSICAL_SECTOR_SIZE] {
        let at = vhdx.item(item).1;
        vhdx.put(at, &4096_u32.to_le_bytes());
    }
    vhdx.write(&image);
    // As many blocks as one chunk has in either case, so that the table is the same.
    compare(&disk(&image), &raw);
    let opened = library::open_with(&image, &Options::default());
    assert_eq!(opened.stack.disks.len(), 1);
}

/// Disk2VHD writes both headers alike.
#[test]
fn h08_identical_headers() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 103);
    let image = convert(&raw, "disk.vhdx", "", &scratch);
    let mut vhdx = Vhdx::of(&image);
    let header = vhdx.0[HEADERS[1]..HEADERS[1] + 4096].to_vec();
    vhdx.put(HEADERS[0], &header);
    vhdx.write(&image);
    compare(&disk(&image), &raw);
    assert_eq!(notices(&image), [""; 0]);
}

#[test]
fn from_several_threads() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 40 << 20, 104);
    let image = convert(&raw, "disk.vhdx", "block_size=1M", &scratch);
    let disk = disk(&image);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (disk, raw) = (&disk, &raw);
            scope.spawn(move || {
                compare_random(disk, &std::fs::File::open(raw).unwrap(), seed, 60);
            });
        }
    });
}
