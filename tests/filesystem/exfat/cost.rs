//! What reading costs, in bytes of the image below the cache.

use imgmount::filesystem::FileSystem;

use super::written::{Device, Mounted};
use crate::support::command::Run;
use crate::support::counted::{MIB, Opened, blocks_of, bytes_of};
use crate::support::images::Scratch;

/// A card of 32 GB: opened for its boot region, its up-case table and the start of its root
/// directory, beside what is read to see what else the image might be.
#[test]
fn a_card_of_32_gigabytes_opens_for_a_few_blocks() {
    need!(tool "mkfs.exfat");
    let scratch = Scratch::new();
    let image = scratch.file("card", 32_000_000_000);
    Run::new("mkfs.exfat")
        .arg("-L")
        .arg("CARD")
        .arg(&image)
        .run();
    let opened = Opened::new(&image);
    let bytes = bytes_of(&opened.opening);
    blocks_of(&opened.opening);
    println!("{bytes} bytes to open it");
    assert!(bytes <= MIB / 2, "{bytes} bytes");
    assert_eq!(opened.find_all(), 1);
    // The bitmap, once.
    opened.take();
    for _ in 0..2 {
        let usage = opened.tree.usage_of(opened.tree.root());
        assert!(usage.free > usage.blocks - 10);
    }
    let bytes = bytes_of(&opened.take());
    assert!(bytes <= MIB / 4, "{bytes} bytes");
}

/// find(1) reads the entries of directories once, and little else.
#[test]
fn find_reads_directories_once() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse");
    let scratch = Scratch::new();
    let image = scratch.file("image", 1024 * MIB);
    Run::new("mkfs.exfat").arg(&image).run();
    let mounted = Mounted::new(Device::new(&image, 512), &scratch.join("mnt"));
    let (folders, files) = (8, 1000);
    for folder in 0..folders {
        let folder = mounted.at.join(format!("folder {folder}"));
        std::fs::create_dir(&folder).unwrap();
        for file in 0..files {
            std::fs::File::create(folder.join(format!("file {file}"))).unwrap();
        }
    }
    drop(mounted);
    let opened = Opened::new(&image);
    assert_eq!(opened.find_all(), 1 + folders + folders * files);
    let reads = opened.take();
    blocks_of(&reads);
    // Each file has three entries of 32 bytes.
    let entries = (folders * files * 96) as u64;
    let bytes = bytes_of(&reads);
    println!("{bytes} bytes for {entries} bytes of entries");
    assert!(bytes * 10 < entries * 12, "{bytes} bytes for {entries}");
}

/// A seek in a large file that has a chain does not read its FAT again.
#[test]
fn a_chain_is_read_once() {
    need!(loop, fuse, tool "mkfs.exfat", tool "mount.exfat-fuse");
    use std::os::unix::fs::FileExt;
    let scratch = Scratch::new();
    let image = scratch.file("image", 256 * MIB);
    Run::new("mkfs.exfat").words("-c 4K").arg(&image).run();
    let mounted = Mounted::new(Device::new(&image, 512), &scratch.join("mnt"));
    let files = ["a", "b"].map(|name| std::fs::File::create(mounted.at.join(name)).unwrap());
    for round in 0..40_u64 {
        for file in &files {
            file.write_all_at(&vec![round as u8 + 1; MIB as usize], round * MIB)
                .unwrap();
            file.sync_all().unwrap();
        }
    }
    drop((files, mounted));
    let opened = Opened::new(&image);
    let file = opened.find("b");
    let read = |offset: u64| {
        let mut byte = [0];
        let request = crate::support::counted::request();
        opened.tree.read(&request, file, &mut byte, offset).unwrap();
        assert_eq!(u64::from(byte[0]), offset / MIB + 1);
        bytes_of(&opened.take())
    };
    // 10,240 links of four bytes, and the block.
    let first = read(39 * MIB);
    assert!(first < 200 << 10, "{first} bytes");
    for offset in [0, 5, 17, 38] {
        let again = read(offset * MIB);
        assert!(again <= 16 << 10, "{again} bytes at {offset} MiB");
    }
}
