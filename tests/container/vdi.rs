//! VirtualBox's images against qemu-img, which makes and reads those of 1 MiB blocks.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use imgmount::error::Kind::{self, Corrupt, Unsupported};
use imgmount::service::open::{Options, open};

use super::{compare, compare_holes, converted, disk, guest, patch, refused_at};
use crate::hostile::expect::blames;
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 9 * 1024 * 1024 + 512;

/// A VDI of a random disk, by qemu-img with `options`.
fn made(scratch: &Scratch, options: &str, seed: u64) -> PathBuf {
    let raw = guest::disk(scratch, SIZE, seed);
    let image = scratch.join("disk.vdi");
    Run::new("qemu-img")
        .words("convert -f raw -O vdi")
        .words(options)
        .arg(raw)
        .arg(&image)
        .run();
    image
}

fn word(image: &Path, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    let file = std::fs::File::open(image).unwrap();
    file.read_exact_at(&mut bytes, offset).unwrap();
    u32::from_le_bytes(bytes)
}

/// An image whose field at byte `offset` was overwritten with `bytes` is refused with `words`, at
/// byte `at`.
fn refused(offset: u64, bytes: &[u8], kind: Kind, at: u64, words: &str) {
    let scratch = Scratch::new();
    let image = made(&scratch, "", 5);
    patch(&image, offset, bytes);
    refused_at(&image, kind, at, words);
}

#[test]
fn dynamic_and_fixed_images_are_as_qemu_img_reads_them() {
    need!(tool "qemu-img", tool "qemu-io");
    for (seed, options) in [(1, ""), (2, "-o static=on"), (3, "-S 0")] {
        let scratch = Scratch::new();
        let image = made(&scratch, options, seed);
        guest::overwrite(&image, "vdi", SIZE, seed + 10, 40);
        let raw = converted(&image, "-f vdi", &scratch);
        let disk = disk(&image);
        compare(&disk, &raw);
        compare_holes(&disk, &image, "-f vdi");
    }
}

fn put(image: &Path, offset: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(image).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// The disk `raw` in blocks of `block_size`, in reverse order and with zeros marked as such: no tool
/// writes other blocks than those of 1 MiB.
fn in_blocks(raw: &Path, block_size: usize, scratch: &Scratch) -> PathBuf {
    let bytes = std::fs::read(raw).unwrap();
    let count = bytes.len().div_ceil(block_size);
    let (mut map, mut data) = (vec![0xffff_fffe_u32; count], Vec::new());
    for (index, block) in bytes.chunks(block_size).enumerate().rev() {
        if block.iter().any(|byte| *byte != 0) {
            map[index] = (data.len() / block_size) as u32;
            data.extend_from_slice(block);
            data.resize(data.len().next_multiple_of(block_size), 0xee);
        }
    }
    let image = scratch.join("blocks.vdi");
    Run::new("qemu-img")
        .words("create -q -f vdi")
        .arg(&image)
        .arg(bytes.len().to_string())
        .run();
    let offset = (512 + map.len() * 4).next_multiple_of(512) as u32;
    let allocated = (data.len() / block_size) as u32;
    put(&image, 340, &512u32.to_le_bytes());
    put(&image, 344, &offset.to_le_bytes());
    put(&image, 376, &(block_size as u32).to_le_bytes());
    put(&image, 384, &(count as u32).to_le_bytes());
    put(&image, 388, &allocated.to_le_bytes());
    for (index, entry) in map.iter().enumerate() {
        put(&image, 512 + index as u64 * 4, &entry.to_le_bytes());
    }
    put(&image, u64::from(offset), &data);
    image
}

#[test]
fn blocks_of_any_size() {
    need!(tool "qemu-img");
    for (seed, block_size) in [
        (1, 512),
        (2, 4096),
        (3, 64 << 10),
        (4, 1 << 20),
        (5, 8 << 20),
    ] {
        let scratch = Scratch::new();
        let raw = guest::disk(&scratch, SIZE, seed);
        let image = in_blocks(&raw, block_size, &scratch);
        if block_size == 1 << 20 {
            super::compare(&disk(&image), &converted(&image, "-f vdi", &scratch));
        }
        compare(&disk(&image), &raw);
    }
}

#[test]
fn a_chain_of_differencing_images() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let base = made(&scratch, "", 7);
    let raw = scratch.join("guest.raw");
    let mut parent = base;
    for level in 0..3_u8 {
        // All of its blocks are free, then some are written.
        let child = scratch.join(&format!("child{level}.vdi"));
        Run::new("qemu-img")
            .words("create -q -f vdi")
            .arg(&child)
            .arg(SIZE.to_string())
            .run();
        let name = |path: &Path| path.to_str().unwrap().to_owned();
        let write = format!("write -P {} {}M 1M", 0x40 + level, level * 2 + 1);
        for (image, format) in [(name(&child), "vdi"), (name(&raw), "raw")] {
            let io = Run::new("qemu-io").args(["-f", format, "-c", &write]);
            io.arg(image).run();
        }
        let mut uuids = [0; 32];
        let file = std::fs::File::open(&parent).unwrap();
        file.read_exact_at(&mut uuids, 392).unwrap();
        patch(&child, 76, &[4]);
        patch(&child, 424, &uuids);
        compare(&disk(&child), &raw);
        parent = child;
    }
    std::fs::rename(&parent, scratch.join("alone")).unwrap();
    std::fs::remove_file(scratch.join("child0.vdi")).unwrap();
    let error = open(&scratch.join("alone"), &Options::default()).err();
    let text = error.unwrap().to_string();
    assert!(text.contains("parent: ") && text.contains("UUID"), "{text}");
}

#[test]
fn d01_block_size() {
    need!(tool "qemu-img");
    for size in [0_u32, (1 << 20) - 1, 1 << 31] {
        let words = format!("cbBlock {size} ");
        refused(376, &size.to_le_bytes(), Corrupt, 376, &words);
    }
}

#[test]
fn d02_blocks_in_image() {
    need!(tool "qemu-img");
    refused(384, &9_u32.to_le_bytes(), Corrupt, 368, "cBlocks 9");
    let most = 0x1fff_ff81_u32;
    refused(384, &most.to_le_bytes(), Corrupt, 384, "cBlocks 0x1fffff81");
}

#[test]
fn d03_size_of_512_tib() {
    need!(tool "qemu-img");
    let size = 1_u64 << 49;
    refused(
        368,
        &size.to_le_bytes(),
        Corrupt,
        368,
        "cbDisk 562949953421312",
    );
    refused(368, &[0; 8], Corrupt, 368, "cbDisk is 0");
}

#[test]
fn d04_a_block_map_entry_past_the_blocks_costs_its_own_range() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "", 6);
    let raw = std::fs::read(scratch.join("guest.raw")).unwrap();
    let map = u64::from(word(&image, 340));
    patch(&image, map + 4 * 3, &word(&image, 388).to_le_bytes());
    let disk = disk(&image);
    let mut buf = vec![0; 1 << 20];
    for index in 0..9_u64 {
        let at = index << 20;
        match disk.read_exact_at(&mut buf, at) {
            Ok(()) => assert!(index != 3 && buf == raw[at as usize..][..1 << 20]),
            Err(error) => {
                assert_eq!(index, 3, "{error}");
                blames(&error, Corrupt, &["block map entry 3: "], map + 4 * 3);
            }
        }
    }
}

#[test]
fn d05_two_entries_for_one_block() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = made(&scratch, "", 6);
    let map = u64::from(word(&image, 340));
    patch(&image, map + 4, &word(&image, map).to_le_bytes());
    compare(&disk(&image), &converted(&image, "-f vdi", &scratch));
}

#[test]
fn d06_version_and_header_size() {
    need!(tool "qemu-img");
    refused(68, &[1, 0, 2, 0], Unsupported, 68, "u32Version 2.1");
    refused(72, &383_u32.to_le_bytes(), Corrupt, 72, "cbHeader 383");
    let words = "lies in the header of cbHeader 4096";
    refused(72, &0x1000_u32.to_le_bytes(), Corrupt, 340, words);
    refused(76, &3_u32.to_le_bytes(), Unsupported, 76, "u32Type 3");
    let words = "cBlocksAllocated 4294967295 is over";
    refused(388, &[0xff; 4], Corrupt, 388, words);
    let words = "offData 0x200 lies before the end of the block map";
    refused(344, &512_u32.to_le_bytes(), Corrupt, 344, words);
}
