//! Android's sparse images, by img2simg.

use std::os::unix::fs::FileExt;

use imgmount::service::open::{Options, open};
use imgmount::source::ExtentKind;

use super::{compare, disk, guest};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// A disk with pages of one repeated word as well.
fn sparse(scratch: &Scratch, block: &str, seed: u64) -> [std::path::PathBuf; 2] {
    let raw = guest::disk(scratch, 4 << 20, seed);
    let file = std::fs::File::options().write(true).open(&raw).unwrap();
    let words = [1, 2, 3, 4].repeat(50_000);
    file.write_all_at(&words, 1 << 20).unwrap();
    let image = scratch.join("disk.simg");
    let img2simg = Run::new("img2simg").arg(&raw).arg(&image);
    img2simg.arg(block).run();
    [raw, image]
}

#[test]
fn images_of_img2simg() {
    need!(tool "img2simg");
    for (seed, block) in [(1, "4096"), (2, "1024"), (3, "65536"), (4, "1048576")] {
        let scratch = Scratch::new();
        let [raw, image] = sparse(&scratch, block, seed);
        let disk = disk(&image);
        compare(&disk, &raw);
        let (mut at, mut holes) = (0, 0);
        while at < disk.size() {
            let extent = disk.extent_at(at).unwrap();
            if extent.kind != ExtentKind::Data {
                holes += extent.len.get();
            }
            at += extent.len.get();
        }
        assert!(holes > 0 || block == "1048576", "no holes with {block}");
    }
}

#[test]
fn damaged_headers_and_chunks_are_refused_by_field() {
    need!(tool "img2simg");
    let scratch = Scratch::new();
    let [_, image] = sparse(&scratch, "4096", 5);
    let good = std::fs::read(&image).unwrap();
    for (offset, bytes, text) in [
        (4, &[2, 0][..], "major_version 2"),
        (8, &[27, 0], "file_hdr_sz 27"),
        (10, &[11, 0], "chunk_hdr_sz 11"),
        (12, &[0, 0, 0, 0], "blk_sz 0"),
        (12, &[2, 16, 0, 0], "blk_sz 4098"),
        (12, &[0, 0, 0, 0x80], "blk_sz 2147483648"),
        (16, &[0, 0, 0, 0], "total_blks 0"),
        (16, &[1, 0, 0, 0], "is too much"),
        (20, &[0xff, 0xff, 0xff, 0xff], "total_chunks 4294967295"),
        (28, &[0xc9, 0xca], "chunk_type 0xcac9"),
        (32, &[0xff, 0xff, 0xff, 0x7f], "chunk 0: total_sz"),
    ] {
        let mut bad = good.clone();
        bad[offset..offset + bytes.len()].copy_from_slice(bytes);
        std::fs::write(&image, bad).unwrap();
        let error = open(&image, &Options::default()).err().expect(text);
        assert!(error.to_string().contains(text), "{error}");
    }
    std::fs::write(&image, &good[..good.len() - 100]).unwrap();
    let error = open(&image, &Options::default()).err().unwrap();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn flipped_bits_are_read_or_refused() {
    need!(tool "img2simg");
    let scratch = Scratch::new();
    let [_, image] = sparse(&scratch, "4096", 6);
    let good = std::fs::read(&image).unwrap();
    let mut buf = vec![0; 300_000];
    for at in 0..44 {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&image, bytes).unwrap();
            let Ok(opened) = open(&image, &Options::default()) else {
                continue;
            };
            for disk in &opened.stack.disks {
                let disk = disk.source.as_ref().unwrap();
                let len = disk.size().min(300_000) as usize;
                let _ = disk.read_exact_at(&mut buf[..len], disk.size() - len as u64);
            }
        }
    }
}
