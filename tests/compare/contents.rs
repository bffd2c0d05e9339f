//! Files of every layout: small, sparse, fragmented, preallocated, punched, far beyond 4 GiB.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::workload::allow;

/// The smallest and the largest common block size.
const SMALL: u64 = 1 << 10;
const LARGE: u64 = 4 << 10;

/// Fills `folder` with one file of each kind.
pub fn everything(folder: &Path) {
    sizes(folder);
    holes(folder);
    far(folder);
    fragments(folder);
    preallocated(folder);
    changed(folder);
}

/// As [`everything`], without what only the kernel makes and what is too far to be copied.
pub fn portable(folder: &Path) {
    sizes(folder);
    holes(folder);
    fragments(folder);
}

/// `length` bytes that are nowhere zero and differ from place to place.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 | 1
    };
    (0..length).map(|_| next()).collect()
}

fn create(folder: &Path, name: &str) -> File {
    File::create_new(folder.join(name)).unwrap()
}

/// Writes `length` bytes of pattern at `offset`; some feature sets cannot reach that far.
fn write(file: &File, offset: u64, length: usize) {
    let data = pattern(offset, length);
    let error = |error: std::io::Error| Errno::from_io_error(&error).unwrap();
    allow(file.write_all_at(&data, offset).map_err(error));
}

/// Around the sizes at which contents move out of the inode and into more blocks.
fn sizes(folder: &Path) {
    for size in [
        0, 1, 59, 60, 61, 100, 150, 160, 200, 500, 900, 1023, 1024, 1025, 4095, 4096, 4097,
    ] {
        write(&create(folder, &format!("size-{size}")), 0, size);
    }
    write(&create(folder, "size-300k"), 0, 300_000);
}

fn holes(folder: &Path) {
    create(folder, "hole-only").set_len(10 << 20).unwrap();
    create(folder, "hole-tiny").set_len(40).unwrap();
    let file = create(folder, "hole-first");
    write(&file, 1 << 20, 100);
    let file = create(folder, "hole-last");
    write(&file, 0, 5000);
    file.set_len(3 << 20).unwrap();
    let file = create(folder, "hole-unaligned");
    write(&file, 3333, 10_000);
    write(&file, 77_777, 3);
    file.set_len(123_456).unwrap();
}

/// One block each where single, double and triple indirect blocks begin and end, for both block
/// sizes, and further than 32 bits of bytes reach.
fn far(folder: &Path) {
    let file = create(folder, "indirect");
    for block in [SMALL, LARGE] {
        let per_block = block / 4;
        let ends = [12, 12 + per_block, 12 + per_block + per_block * per_block];
        for end in ends {
            write(&file, (end - 1) * block, 2 * block as usize);
        }
    }
    let file = create(folder, "over-4g");
    for offset in [0, (4 << 30) - 10, (4 << 30) + 12_345, 6 << 30] {
        write(&file, offset, 100);
    }
    allow(rustix::fs::ftruncate(&file, 8 << 30));
    let file = create(folder, "largest");
    write(&file, (16 << 40) - 2 * LARGE, 10);
}

/// More extents than the inode holds, and than one block of the extent tree holds where blocks
/// are small; and two files whose blocks alternate on the disk.
fn fragments(folder: &Path) {
    let file = create(folder, "every-other-block");
    for number in 0..500 {
        write(&file, number * 2 * LARGE, 5);
    }
    let (one, other) = (create(folder, "fragments-a"), create(folder, "fragments-b"));
    for number in 0..12 {
        for file in [&one, &other] {
            write(file, number * LARGE, LARGE as usize);
            file.sync_data().unwrap();
        }
    }
}

/// Unwritten extents: alone, written into, behind the end.
fn preallocated(folder: &Path) {
    let allocate = |file: &File, flags, offset, length| {
        allow(rustix::fs::fallocate(file, flags, offset, length));
    };
    let none = FallocateFlags::empty();
    allocate(&create(folder, "allocated"), none, 0, 1 << 20);
    let file = create(folder, "allocated-written");
    allocate(&file, none, 0, 1 << 20);
    write(&file, 200_000, 5000);
    write(&file, (1 << 20) - 10, 10);
    let file = create(folder, "allocated-behind");
    write(&file, 0, 1000);
    allocate(&file, FallocateFlags::KEEP_SIZE, 0, 1 << 20);
    let file = create(folder, "allocated-only-behind");
    allocate(&file, FallocateFlags::KEEP_SIZE, 8 << 20, 1 << 20);
}

/// Files that were cut, punched, shifted and grown again.
fn changed(folder: &Path) {
    let file = create(folder, "punched");
    write(&file, 0, 400_000);
    file.sync_all().unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for number in 0..10 {
        allow(rustix::fs::fallocate(&file, punch, number * 40_000, 8192));
    }
    let shifts = [
        ("zeroed", FallocateFlags::ZERO_RANGE),
        ("collapsed", FallocateFlags::COLLAPSE_RANGE),
        ("inserted", FallocateFlags::INSERT_RANGE),
    ];
    for (name, mode) in shifts {
        let file = create(folder, name);
        write(&file, 0, 512 << 10);
        file.sync_all().unwrap();
        allow(rustix::fs::fallocate(&file, mode, 128 << 10, 128 << 10));
    }
    let file = create(folder, "cut-and-grown");
    write(&file, 0, 100_000);
    file.set_len(50_001).unwrap();
    file.set_len(90_000).unwrap();
    let gone = folder.join("gone");
    write(&File::create(&gone).unwrap(), 0, 200_000);
    fs::remove_file(gone).unwrap();
}
