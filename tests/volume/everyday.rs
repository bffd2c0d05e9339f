//! What people open with one command as ordinary users: the disk of a virtual machine whose root is
//! a logical volume, with encryption beneath, a snapshot of a thin volume. The images stay as they
//! were, to their times.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::lvm::made::{EXTENT, Physical, START, hidden, linear, logical, segment, text};
use super::lvm::{NUMBERS, group, thin};
use super::md;
use crate::support::command::Run;
use crate::support::images::{self, Scratch};
use crate::support::user::User;

/// What a file is, as far as a reader must not change it.
fn state(path: &Path) -> (String, i64, i64, i64, i64) {
    let found = path.metadata().unwrap();
    let (modified, changed) = (found.mtime(), found.ctime());
    let (part, other) = (found.mtime_nsec(), found.ctime_nsec());
    (images::sha256(path), modified, part, changed, other)
}

/// The hash of the file at `path` of the image, mounted by an ordinary user with `options`.
fn hash_of(user: &User, image: &Path, options: &[&str], path: &str) -> String {
    hash_over(user, &[image], options, path)
}

/// The same of several images, whichever is named first.
fn hash_over(user: &User, images: &[&Path], options: &[&str], path: &str) -> String {
    images.iter().for_each(|image| user.give(image));
    let states = || images.iter().map(|image| state(image)).collect::<Vec<_>>();
    let before = states();
    let mut words = options.to_vec();
    for other in &images[1..] {
        words.extend(["--with", other.to_str().unwrap()]);
    }
    let script = format!("sha256sum \"$1\"/{path}");
    let said = user.facts_with(images[0], &words, &script);
    assert_eq!(states(), before, "an image has changed");
    said.split(' ').next().unwrap_or_default().to_owned()
}

/// A disk with a GPT and `part` in its only partition, which is this much larger.
fn disk(user: &User, name: &str, part: &Path, more: u64) -> PathBuf {
    const BEFORE: u64 = 1 << 20;
    let size = part.metadata().unwrap().len() + more;
    let disk = user.home.join(name);
    std::fs::File::create(&disk)
        .and_then(|file| file.set_len(size + 2 * BEFORE))
        .unwrap();
    let script = format!("label: gpt\nstart=2048, size={}\n", size / 512);
    Run::new("sh")
        .args(["-c", &format!("printf '{script}' | sfdisk -q \"$1\""), "sh"])
        .arg(&disk)
        .run();
    write_at(&disk, BEFORE, &std::fs::read(part).unwrap());
    disk
}

fn write_at(path: &Path, offset: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

#[test]
fn a_disk_whose_root_is_a_logical_volume() {
    need!(fuse, tool "gzip", tool "sfdisk");
    let user = User::new();
    let disk = disk(&user, "disk.raw", &group(&user.scratch), 0);
    assert_eq!(hash_of(&user, &disk, &[], "vg0/root/numbers"), NUMBERS);
}

/// `plain` as LUKS2 of cryptsetup's making, opened by the key file `key`.
fn encrypted(plain: &Path, scratch: &Scratch) -> PathBuf {
    let path = scratch.join("luks");
    std::fs::copy(plain, &path).unwrap();
    let size = path.metadata().unwrap().len();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(size + (32 << 20)).unwrap();
    std::fs::write(scratch.join("key"), "open sesame").unwrap();
    Run::new("cryptsetup")
        .words("-q reencrypt --encrypt --type luks2 --reduce-device-size 32M")
        .words("--pbkdf argon2id --pbkdf-memory 4096 --pbkdf-force-iterations 4")
        .words("--pbkdf-parallel 1 --key-file")
        .arg(scratch.join("key"))
        .arg(&path)
        .run();
    path
}

#[test]
fn a_qcow2_with_luks2_beneath_lvm() {
    need!(fuse, tool "cryptsetup", tool "gzip", tool "qemu-img", tool "sfdisk");
    let user = User::new();
    let luks = encrypted(&group(&user.scratch), &user.scratch);
    let raw = disk(&user, "raw", &luks, 0);
    let image = user.home.join("disk.qcow2");
    Run::new("qemu-img")
        .words("convert -O qcow2")
        .arg(&raw)
        .arg(&image)
        .run();
    let key = user.scratch.join("key");
    let option = format!("p1:{}", key.display());
    let options = ["--key", option.as_str()];
    assert_eq!(
        hash_of(&user, &image, &options, "vg0/root/numbers"),
        NUMBERS
    );
}

/// An ext4 of 4 MiB that holds a file `news` of this text, and one that is the same in all.
fn file_system(scratch: &Scratch, name: &str, news: &str) -> Vec<u8> {
    let folder = scratch.folder(name);
    std::fs::write(folder.join("same"), vec![b's'; 1 << 20]).unwrap();
    std::fs::write(folder.join("news"), news).unwrap();
    let image = scratch.join(&format!("{name}.ext4"));
    Run::new("mke2fs")
        .words("-q -t ext4 -b 4096 -U 6b6d9a52-7c0b-4b3b-8d0e-0c7d2a3f4e5b -E")
        .words("hash_seed=6b6d9a52-7c0b-4b3b-8d0e-0c7d2a3f4e5b -d")
        .arg(&folder)
        .arg(&image)
        .arg("4M")
        .run();
    std::fs::read(image).unwrap()
}

/// A group with a pool, the thin volume `now` and its snapshot `before`, with these contents: what
/// both have in common is in the pool once.
fn thin_pool(scratch: &Scratch, now: &[u8], before: &[u8]) -> Vec<u8> {
    let chunk = thin::CHUNK as usize;
    let (mut data, mut volumes) = (Vec::new(), Vec::new());
    let mut known = BTreeMap::new();
    for (device, bytes) in [(1, now), (2, before)] {
        let mut mappings = BTreeMap::new();
        for (block, piece) in (0_u64..).zip(bytes.chunks(chunk)) {
            if piece.iter().any(|byte| *byte != 0) {
                let place = *known.entry((block, piece)).or_insert_with(|| {
                    data.extend_from_slice(piece);
                    (data.len() / chunk) as u64 - 1
                });
                mappings.insert(block, place);
            }
        }
        volumes.push((device, mappings));
    }
    let apart: usize = volumes.iter().map(|(_, it)| it.len()).sum();
    assert!(known.len() < apart, "nothing is shared");
    let metadata = thin::metadata(scratch, &volumes, 1 << 20);
    let extents = |bytes: usize| bytes as u64 / EXTENT;
    let (meta, count) = (extents(metadata.len()), extents(data.len()));
    let size = extents(now.len());
    let body = |device| {
        let body = format!("thin_pool = \"pool\"\ntransaction_id = 0\ndevice_id = {device}");
        segment(0, size, &format!("type = \"thin\"\n{body}"))
    };
    let pool = "type = \"thin-pool\"\nmetadata = \"pool_tmeta\"\npool = \"pool_tdata\"\n\
                transaction_id = 3\nchunk_size = 128";
    let volumes = [
        logical("pool", &[segment(0, count, pool)]),
        hidden("pool_tmeta", &[linear(0, meta, "\"pv0\", 0")]),
        hidden(
            "pool_tdata",
            &[linear(0, count, &format!("\"pv0\", {meta}"))],
        ),
        logical("now", &[body(1)]),
        logical("before", &[body(2)]),
    ];
    let text = text(1, "a", meta + count, "", &volumes.concat());
    let mut bytes = Physical::new('a', &text).head();
    bytes.resize(START as usize, 0);
    bytes.extend(metadata);
    bytes.extend(data);
    bytes
}

#[test]
fn a_snapshot_of_a_thin_volume() {
    need!(fuse, tool "mke2fs", tool "sfdisk", tool "thin_restore");
    let user = User::new();
    let now = file_system(&user.scratch, "now", "after the change\n");
    let before = file_system(&user.scratch, "before", "before the change\n");
    let group = user.scratch.join("group");
    std::fs::write(&group, thin_pool(&user.scratch, &now, &before)).unwrap();
    let disk = disk(&user, "disk.raw", &group, 0);
    for (volume, text) in [("now", "after"), ("before", "before")] {
        let news = hash_of(&user, &disk, &[], &format!("vg0/{volume}/news"));
        let expected = format!("{text} the change\n");
        assert_eq!(news, images::sha256_of(expected.as_bytes()));
        let same = hash_of(&user, &disk, &[], &format!("vg0/{volume}/same"));
        assert_eq!(same, images::sha256_of(&vec![b's'; 1 << 20]));
    }
}

#[test]
fn a_bitlocker_disk_by_its_recovery_key() {
    need!(fuse, images, tool "xz");
    let user = User::new();
    let unpacked = images::unpack(
        "volume/bitlocker/bitlk-togo-aes-xts-128.img.xz",
        &user.scratch,
    );
    let image = user.home.join("stick.img");
    std::fs::rename(unpacked, &image).unwrap();
    let digits = "243067-548680-059818-148852-287771-550088-628265-631653\n";
    let key = user.scratch.join("recovery.txt");
    std::fs::write(&key, digits).unwrap();
    let options = ["--key", key.to_str().unwrap()];
    // What cryptsetup's own tests have for all bytes of the unlocked volume.
    let expected = "5954795eb41764b59a10d86c26fd3b43fb6d89f433c8edc1e8fd48067d198591";
    let found = hash_of(&user, &image, &options, "bitlocker.img");
    assert_eq!(found, expected);
}

#[test]
fn a_raid5_from_three_of_its_four_images_in_any_order() {
    need!(fuse, tool "mke2fs");
    let user = User::new();
    let (data, hash) = md::ext4(&user.scratch, 3 << 20);
    let array = md::Array::new("1.2", 5, 2, 65536, 4);
    let all = md::images(&user.scratch, &array, "012P 12P0 2P01 P012", &data);
    for order in [[0, 1, 2], [3, 1, 0], [2, 3, 1]] {
        let images = order.map(|number: usize| all[number].as_path());
        assert_eq!(hash_over(&user, &images, &[], "md0/numbers"), hash);
    }
}

#[test]
fn a_raid6_without_two_of_its_images() {
    need!(fuse, tool "mke2fs");
    let user = User::new();
    let (data, hash) = md::ext4(&user.scratch, 3 << 20);
    let array = md::Array::new("1.0", 6, 2, 65536, 5);
    let rows = "Q012P 012PQ 12PQ0 2PQ01 PQ012";
    let all = md::images(&user.scratch, &array, rows, &data);
    for order in [[4, 2, 0], [1, 3, 2]] {
        let images = order.map(|number: usize| all[number].as_path());
        assert_eq!(hash_over(&user, &images, &[], "md0/numbers"), hash);
    }
}
