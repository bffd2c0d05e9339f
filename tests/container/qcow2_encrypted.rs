//! Encrypted qcow2 as qemu-img writes it, against what qemu-img decrypts.

use std::path::{Path, PathBuf};

use imgmount::error::Kind;
use imgmount::service::keys::ForVolume;
use imgmount::service::open::{Options, open};

use super::{compare, disk_with, guest};
use crate::hostile::expect::check;
use crate::support::command::Run;
use crate::support::images::Scratch;

const SIZE: u64 = 3 << 20;

/// The passphrase's file.
fn key(scratch: &Scratch) -> PathBuf {
    let path = scratch.join("key");
    std::fs::write(&path, "open sesame, it is longer than sixteen").unwrap();
    path
}

fn options(key: &Path) -> Options {
    let mut options = Options::default();
    options.keys.files = vec![ForVolume {
        subject: None,
        path: key.to_owned(),
    }];
    options
}

fn secret(scratch: &Scratch) -> String {
    format!("secret,id=s,file={}", key(scratch).display())
}

/// A new image of `format` that is called `name`, with these options besides the key's.
fn created(scratch: &Scratch, name: &str, format: &str, more: &str) -> PathBuf {
    let image = scratch.join(name);
    let time = if format == "luks" {
        ",encrypt.iter-time=10"
    } else {
        ""
    };
    Run::new("qemu-img")
        .words("create -q -f qcow2 --object")
        .arg(secret(scratch))
        .arg("-o")
        .arg(format!(
            "encrypt.format={format},encrypt.key-secret=s{time}{more}"
        ))
        .arg(&image)
        .arg(SIZE.to_string())
        .run();
    image
}

/// The image as qemu names it with its key.
fn named(image: &Path) -> String {
    let file = image.display();
    format!("driver=qcow2,encrypt.key-secret=s,file.filename={file}")
}

/// Writes what `from` has into the image that is there.
fn fill(scratch: &Scratch, image: &Path, from: &Path) {
    Run::new("qemu-img")
        .words("convert -n -f raw --object")
        .arg(secret(scratch))
        .arg(from)
        .arg("--target-image-opts")
        .arg(named(image))
        .run();
}

/// What qemu-img decrypts, with these words besides.
fn theirs(scratch: &Scratch, options: &str, words: &str) -> PathBuf {
    let raw = scratch.join("theirs.raw");
    Run::new("qemu-img")
        .words("convert -O raw --object")
        .arg(secret(scratch))
        .words(words)
        .arg("--image-opts")
        .arg(options)
        .arg(&raw)
        .run();
    raw
}

fn agrees(scratch: &Scratch, image: &Path) {
    let ours = disk_with(image, &options(&key(scratch)));
    compare(&ours, &theirs(scratch, &named(image), ""));
}

#[test]
fn luks_and_aes_of_every_cluster_size_are_decrypted_as_by_qemu() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, SIZE, 21);
    let cases = [
        ("luks", ""),
        (
            "luks",
            ",cluster_size=512,encrypt.cipher-alg=serpent-256,encrypt.hash-alg=sha512",
        ),
        (
            "luks",
            ",cluster_size=2097152,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256",
        ),
        ("luks", ",extended_l2=on"),
        ("aes", ""),
        ("aes", ",cluster_size=512"),
        ("aes", ",extended_l2=on"),
        ("aes", ",compat=0.10,cluster_size=2097152"),
    ];
    for (format, more) in cases {
        let image = created(&scratch, "disk.qcow2", format, more);
        fill(&scratch, &image, &raw);
        agrees(&scratch, &image);
    }
}

/// A backing file has a key of its own, here the same; a snapshot has the disk's.
#[test]
fn backing_files_and_snapshots_are_decrypted() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    for format in ["luks", "aes"] {
        let (first, second) = (guest::disk(&scratch, SIZE, 5), scratch.join("second"));
        std::fs::copy(&first, &second).unwrap();
        let base = created(&scratch, "base.qcow2", format, "");
        fill(&scratch, &base, &first);
        let snapshot = Run::new("qemu-img")
            .words("snapshot --object")
            .arg(secret(&scratch));
        snapshot
            .words("-c first --image-opts")
            .arg(named(&base))
            .run();
        let top = ",backing_file=base.qcow2,backing_fmt=qcow2";
        let image = {
            let image = scratch.join("top.qcow2");
            let time = if format == "luks" {
                ",encrypt.iter-time=10"
            } else {
                ""
            };
            let create = Run::new("qemu-img").words("create -q -u -f qcow2 --object");
            let options = format!("encrypt.format={format},encrypt.key-secret=s{time}{top}");
            let create = create.arg(secret(&scratch)).arg("-o").arg(options);
            create.arg(&image).arg(SIZE.to_string()).run();
            image
        };
        let ours = disk_with(&image, &options(&key(&scratch)));
        compare(&ours, &first);
        let write = Run::new("qemu-io").words("--object").arg(secret(&scratch));
        let write = write.words("-c").arg("write -P 0x5a 1000k 300k");
        let with_backing = format!("{},backing.encrypt.key-secret=s", named(&image));
        write.arg("--image-opts").arg(&with_backing).run();
        let ours = disk_with(&image, &options(&key(&scratch)));
        compare(&ours, &theirs(&scratch, &with_backing, ""));
        let mut of_snapshot = options(&key(&scratch));
        of_snapshot.format.snapshot = Some("first".to_owned());
        compare(&disk_with(&base, &of_snapshot), &first);
    }
}

#[test]
fn without_its_key_it_is_locked() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let wrong = scratch.join("wrong");
    std::fs::write(&wrong, "wrong").unwrap();
    let luks = created(&scratch, "disk.qcow2", "luks", "");
    for options in [Options::default(), options(&wrong)] {
        let error = open(&luks, &options).err().unwrap();
        assert_eq!(error.kind(), Kind::Locked, "{error}");
    }
    let aes = created(&scratch, "aes.qcow2", "aes", "");
    let error = open(&aes, &Options::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::Locked, "{error}");
    // Nothing tells that it is wrong.
    let image = open(&aes, &options(&wrong)).unwrap();
    let mut sector = [1; 512];
    let source = image.stack.disks[0].source.clone().unwrap();
    source.read_exact_at(&mut sector, 0).unwrap();
    assert_eq!(sector, [0; 512]);
    let notices = image.notices.all();
    assert!(
        notices
            .iter()
            .any(|it| it.contains("cannot tell a wrong passphrase"))
    );
}

/// What the header extension says of LUKS, by HOSTILE.md.
#[test]
fn q21_luks_past_the_end_of_the_file_is_refused() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = created(&scratch, "disk.qcow2", "luks", "");
    let good = std::fs::read(&image).unwrap();
    let magic = 0x0537_be77_u32.to_be_bytes();
    let at = good.windows(4).position(|it| it == magic).unwrap() + 8;
    let luks = u64::from_be_bytes(good[at..at + 8].try_into().unwrap()) as usize;
    let cases = [
        (
            at,
            u64::MAX,
            at,
            "at 0xffffffffffffffff is past the end of the file",
        ),
        (
            at,
            1 << 40,
            at,
            "at 0x10000000000 is past the end of the file",
        ),
        (at + 8, 1 << 40, at + 8, "of 1099511627776 bytes at 0x"),
        (
            at + 8,
            600,
            luks + 248,
            "keyslot 0: its area lies past the end of the 600 bytes",
        ),
        (at + 8, 591, at + 8, "of 591 bytes at 0x"),
        (at + 8, 0, at + 8, "of 0 bytes at 0x"),
    ];
    for (at, value, blamed, why) in cases {
        let mut bad = good.clone();
        bad[at..at + 8].copy_from_slice(&value.to_be_bytes());
        assert!(bad != good, "{why}: nothing was changed");
        std::fs::write(&image, bad).unwrap();
        let error = open(&image, &options(&key(&scratch))).err().unwrap();
        check(&error, Kind::Corrupt, &["LUKS: ", why], Some(blamed));
    }
}

/// What is wrong in the header of LUKS is told of the byte of the file that it is at.
#[test]
fn q21_fields_of_luks_are_at_bytes_of_the_file() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let image = created(&scratch, "disk.qcow2", "luks", "");
    let good = std::fs::read(&image).unwrap();
    let luks = good
        .windows(6)
        .position(|it| it == b"LUKS\xba\xbe")
        .unwrap();
    assert!(luks > 0);
    // version, cipher-name, which the first keyslot has too, key-bytes, mk-digest-iterations, and
    // the place of that keyslot's material.
    let cases = [
        (6, &[0, 9][..], 6, "version"),
        (8, b"none", 248, "cipher none"),
        (108, &[0xff; 4], 108, "key size"),
        (164, &[0; 4], 164, "mk-digest-iter"),
        (208 + 40, &[0xff; 4], 248, "key-material-offset"),
    ];
    for (field, bytes, blamed, word) in cases {
        let mut bad = good.clone();
        bad[luks + field..luks + field + bytes.len()].copy_from_slice(bytes);
        std::fs::write(&image, bad).unwrap();
        let error = open(&image, &options(&key(&scratch))).err().unwrap();
        let found = (error.offset(), error.to_string().contains(word));
        assert_eq!(found, (Some((luks + blamed) as u64), true), "{error}");
        let info = Run::new("qemu-img").words("convert -O raw --object");
        let info = info.arg(secret(&scratch)).arg("--image-opts");
        let theirs = info.arg(named(&image)).arg("/dev/null").output();
        assert!(!theirs.status.success(), "{word}: qemu-img reads it");
    }
}
