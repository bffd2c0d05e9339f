//! What a user gets: a file in a file system on a logical volume in an encrypted partition.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::made::{CHEAP, KEY, bytes, cryptsetup, key_file};
use crate::support::command::{Run, imgmount};
use crate::support::images::{self, Scratch};

/// A disk with a GPT, whose only partition cryptsetup encrypted with a volume group in it.
fn nested(scratch: &Scratch) -> PathBuf {
    let part = crate::volume::lvm::group(scratch);
    let file = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
    file.set_len(40 << 20).unwrap();
    let words = "reencrypt --encrypt --type luks2 --force-offline-reencrypt --resilience none \
                 --reduce-device-size 32M --key-file";
    let encrypt = cryptsetup(words).arg(key_file(scratch));
    encrypt.words(CHEAP).arg(&part).run();
    let disk = scratch.file("disk.raw", 42 << 20);
    let script = scratch.join("script");
    std::fs::write(&script, "label: gpt\nstart=2048, size=81920\n").unwrap();
    let sfdisk = format!("sfdisk -q {} < {}", disk.display(), script.display());
    Run::new("sh").arg("-c").arg(sfdisk).run();
    let disk_file = std::fs::OpenOptions::new().write(true).open(&disk).unwrap();
    let all = std::fs::read(part).unwrap();
    disk_file.write_all_at(&all, 1 << 20).unwrap();
    disk
}

/// The fixture of the format: opened without a key, it is named.
pub fn fixture(scratch: &Scratch) -> PathBuf {
    let image = scratch.join("luks.img");
    std::fs::write(&image, super::headers::formatted(super::headers::SMALL)).unwrap();
    image
}

#[test]
fn a_file_on_a_logical_volume_in_an_encrypted_partition_is_read() {
    need!(tool "cryptsetup", tool "qemu-img", tool "sfdisk", tool "gzip");
    let scratch = Scratch::new();
    let disk = nested(&scratch);
    let key = scratch.join("key");
    let numbers = imgmount().arg("cat").arg(&disk).arg("vg0/root/numbers");
    let numbers = numbers.arg("--key").arg(&key).stdout();
    let expected: String = (1..=4000).map(|number| format!("{number}\n")).collect();
    assert!(numbers == expected.as_bytes());
    let qcow2 = scratch.join("disk.qcow2");
    let convert = Run::new("qemu-img").words("convert -f raw -O qcow2");
    convert.arg(&disk).arg(&qcow2).run();
    let numbers = imgmount().arg("cat").arg(&qcow2).arg("vg0/root/numbers");
    let numbers = numbers.arg("--key").arg(&key).stdout();
    assert!(numbers == expected.as_bytes());
    let info = imgmount().arg("info").arg(&disk);
    let info = info.arg("--key").arg(&key).text();
    assert!(info.contains("aes-xts-plain64 on p1 at "), "{info}");
    let list = imgmount().arg("ls").arg(&disk);
    let list = list.arg("--key").arg(&key).text();
    let names: Vec<&str> = list.lines().collect();
    for name in ["luks-p1.img", "p1.img", "vg0"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

/// Locked is no failure unless it is to be one; a wrong key is.
#[test]
fn k07_a_wrong_key_is_told_apart_from_damage_by_its_status() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = fixture(&scratch);
    let wrong = scratch.join("wrong");
    std::fs::write(&wrong, "wrong").unwrap();
    let status = |words: &str, key: Option<&std::path::Path>| {
        let mut run = imgmount().arg("info").arg(&image).words(words);
        if let Some(key) = key {
            run = run.arg("--key").arg(key);
        }
        run.output().status.code()
    };
    assert_eq!(status("--no-ask", None), Some(0));
    assert_eq!(status("--no-ask --strict", None), Some(3));
    assert_eq!(status("--no-ask", Some(&wrong)), Some(3));
    let right = scratch.join("key");
    std::fs::write(&right, KEY).unwrap();
    assert_eq!(status("--no-ask --strict", Some(&right)), Some(0));
}

/// As much at once as is split over the processors, and past the cache.
#[test]
fn a_whole_volume_is_converted() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let plain = bytes().repeat(12);
    let words = format!("-c aes-xts-plain64 -s 512 {CHEAP}");
    let (header, data) = super::made::encrypted(&words, &plain);
    let [image, head, out] = ["luks", "header", "out"].map(|name| scratch.join(name));
    std::fs::write(&image, data).unwrap();
    std::fs::write(&head, header).unwrap();
    key_file(&scratch);
    let convert = imgmount().arg("convert").arg(&image).arg("luks").arg(&out);
    let convert = convert.arg("--header").arg(&head);
    convert.arg("--key").arg(scratch.join("key")).run();
    assert!(images::sha256(&out) == images::sha256_of(&plain));
}
