//! What a user gets, by every verb and in a mount.

use serde_json::json;

use super::made::{self, Made, SIZE, UUID, external, file};
use crate::support::command::{Run, imgmount};
use crate::support::images::{self, Scratch, sha256_of};

#[test]
fn a_volume_is_unlocked_by_its_key_file_and_stays_locked_without() {
    let scratch = Scratch::new();
    let made = Made {
        protectors: vec![external(0x0200), external(0x0500)],
        ..Made::default()
    };
    let (image, key) = (scratch.join("usb.img"), scratch.join("usb.BEK"));
    std::fs::write(&image, made.disk()).unwrap();
    std::fs::write(&key, file(0x0200)).unwrap();
    let list = imgmount().arg("ls").arg(&image).text();
    assert_eq!(list, "by-uuid\ndisk.img\n");
    let info = imgmount().arg("info").arg(&image).text();
    for line in [
        "BitLocker",
        UUID,
        "encryption: AES-XTS 128",
        "protector 0: startup key eeee0200-eeee-eeee-eeee-eeeeeeeeeeee; ",
        "protector 1: TPM and PIN eeee0500-eeee-eeee-eeee-eeeeeeeeeeee",
        "locked: no key was given (it wants a startup key file, not what else protects it: \
         TPM and PIN",
    ] {
        assert!(info.contains(line), "{line}\n{info}");
    }
    let out = scratch.join("out.raw");
    let convert = imgmount().arg("convert").arg(&image).arg("bitlocker");
    convert.arg(&out).arg("--key").arg(&key).run();
    assert_eq!(std::fs::read(&out).unwrap(), made.plain());
    let info = imgmount()
        .args(["info", "--json", "--key"])
        .arg(&key)
        .arg(&image);
    let info: serde_json::Value = serde_json::from_slice(&info.stdout()).unwrap();
    let text = info.to_string();
    let first = json!({"start": 0, "length": 8192, "kind": "AES-XTS 128", "facts": {},
                       "on": [{"member": "disk", "offset": made::BLOCK}]});
    assert!(text.contains(&first.to_string()), "{text}");
    need!(fuse);
    let run = imgmount().args(["run", "--key"]).arg(&key).arg(&image);
    let run = run.args(["--", "sha256sum", "{}/bitlocker.img"]).text();
    assert!(run.starts_with(&sha256_of(&made.plain())), "{run}");
    assert_eq!(std::fs::metadata(&out).unwrap().len(), SIZE as u64);
}

#[test]
fn a_recovery_password_in_a_file_converts_a_collected_volume() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let image = images::unpack("volume/bitlocker/bitlk-aes-xts-128.img.xz", &scratch);
    let digits = "235818-357951-253979-013365-241120-245575-342914-591910\n";
    let (key, out) = (scratch.join("recovery.txt"), scratch.join("out.raw"));
    std::fs::write(&key, digits).unwrap();
    let before = images::sha256(&image);
    let convert = imgmount().arg("convert").arg(&image).arg("bitlocker");
    convert.arg(&out).arg("--key").arg(&key).run();
    let expected = "674e3a976927fd62f3fc26df2c695cac75b8d364e3b45393717efa971f16db0f";
    assert_eq!(images::sha256(&out), expected);
    assert_eq!(images::sha256(&image), before);
    // A mistyped group is told, and what is wrong is no damage.
    std::fs::write(&key, digits.replace("013365", "013356")).unwrap();
    let info = imgmount()
        .arg("info")
        .arg("--key")
        .arg(&key)
        .arg(&image)
        .output();
    let words = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(words.contains("mistyped: group 4"), "{words}");
    assert!(
        words.contains("locked: the key does not open it"),
        "{words}"
    );
    assert_eq!(info.status.code(), Some(3));
}

#[test]
fn a_volume_in_a_partition_is_named_after_it() {
    need!(tool "sfdisk");
    let scratch = Scratch::new();
    let image = scratch.file("disk.raw", 4 << 20);
    let script = scratch.join("script");
    std::fs::write(
        &script,
        "label: gpt\nstart=2048, size=512\nstart=4096, size=512\n",
    )
    .unwrap();
    let line = format!("sfdisk -q {} < {}", image.display(), script.display());
    Run::new("sh").args(["-c", &line]).run();
    let disk = Made::default().disk();
    let mut bytes = std::fs::read(&image).unwrap();
    for start in [2048, 4096] {
        bytes[start * 512..][..SIZE].copy_from_slice(&disk);
    }
    std::fs::write(&image, bytes).unwrap();
    let list = imgmount().arg("ls").arg(&image).text();
    for name in ["bitlocker-p1.img", "bitlocker-p2.img", "p1.img"] {
        assert!(list.lines().any(|line| line == name), "{list}");
    }
}
