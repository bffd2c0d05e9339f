//! Headers of cryptsetup's making, and changed by us so that their checksums are right again; what a
//! user may do to them with cryptsetup.

use imgmount::error::Kind;
use imgmount::stack::Content;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::made::{CHEAP, KEY, bytes, cryptsetup, key_file};
use super::{context, disk, look, look_with, plain, problem};
use crate::support::images::Scratch;

/// Bytes of one copy of the header, and of its binary part.
const COPY: usize = 16 << 10;
const BINARY: usize = 4096;

/// An image that `cryptsetup luksFormat` formats with these `words`, and 64 KiB of data in it.
pub fn formatted(words: &str) -> Vec<u8> {
    let scratch = Scratch::new();
    let image = scratch.file("image", 0);
    format(words, &image, &scratch);
    std::fs::read(&image).unwrap()
}

fn format(words: &str, image: &std::path::Path, scratch: &Scratch) {
    let size = if words.contains("luks1") {
        (2 << 20) + 65536
    } else {
        5 << 20
    };
    std::fs::File::create(image).unwrap().set_len(size).unwrap();
    cryptsetup("luksFormat")
        .words(words)
        .words(CHEAP)
        .arg(image)
        .arg(key_file(scratch))
        .run();
}

/// LUKS2 with room for 32 keyslots of 32 bytes; the data begins at 4.5 MiB.
pub const SMALL: &str = "--type luks2 -c aes-xts-plain64 -s 256 --luks2-metadata-size 16k \
                         --luks2-keyslots-size 4194304 --offset 9216";

/// The JSON of the first header.
pub fn json(image: &[u8]) -> Value {
    let text = &image[BINARY..COPY];
    let end = text.iter().position(|byte| *byte == 0).unwrap();
    serde_json::from_slice(&text[..end]).unwrap()
}

/// Puts `text` into both headers, with right checksums.
pub fn set_json(image: &mut [u8], text: &[u8]) {
    for at in [0, COPY] {
        let copy = &mut image[at..at + COPY];
        copy[BINARY..].fill(0);
        copy[BINARY..BINARY + text.len()].copy_from_slice(text);
        mend(copy);
    }
}

/// Makes the checksum of a copy right.
pub fn mend(copy: &mut [u8]) {
    copy[448..512].fill(0);
    let sum = Sha256::digest(&*copy);
    copy[448..480].copy_from_slice(&sum);
}

/// Changes the JSON of both headers.
pub fn edit(image: &mut [u8], change: impl FnOnce(&mut Value)) {
    let mut value = json(image);
    change(&mut value);
    set_json(image, value.to_string().as_bytes());
}

fn facts(stack: &imgmount::stack::Stack) -> Vec<String> {
    let (Content::Locked { description, .. } | Content::Table { description, .. }) =
        &disk(stack).content
    else {
        panic!("{}", problem(stack));
    };
    let facts = description.facts.iter();
    facts
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

#[test]
fn every_keyslot_opens_it_but_the_ignored() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = scratch.join("image");
    format(SMALL, &image, &scratch);
    let keys: Vec<_> = (1..4)
        .map(|number| {
            let key = scratch.join(&format!("key{number}"));
            std::fs::write(&key, format!("key {number}")).unwrap();
            let add = cryptsetup("luksAddKey").words(CHEAP).arg("--key-file");
            add.arg(key_file(&scratch)).arg(&image).arg(&key).run();
            std::fs::read(&key).unwrap()
        })
        .collect();
    let priority = |slot: &str, name: &str| {
        let words = format!("config --key-slot {slot} --priority {name}");
        cryptsetup(&words).arg(&image).run();
    };
    priority("2", "prefer");
    priority("3", "ignore");
    let bytes = std::fs::read(&image).unwrap();
    for key in [KEY, &keys[0], &keys[1]] {
        plain(&look(bytes.clone(), &context(&[key])));
    }
    let stack = look(bytes.clone(), &context(&[&keys[2]]));
    assert_eq!(problem(&stack).kind(), Kind::Locked);
    let facts = facts(&stack);
    let has = |start: &str, end: &str| {
        facts
            .iter()
            .any(|fact| fact.starts_with(start) && fact.ends_with(end))
    };
    assert!(
        has("keyslot: 2: pbkdf2 with sha256, 1000", ", preferred"),
        "{facts:?}"
    );
    assert!(has("keyslot: 3: ", ", ignored"), "{facts:?}");
}

#[test]
fn a_changed_key_and_a_new_volume_key_are_taken() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = scratch.join("image");
    format(SMALL, &image, &scratch);
    let before = plain(&look(std::fs::read(&image).unwrap(), &context(&[KEY])));
    let new = scratch.join("new");
    std::fs::write(&new, "another").unwrap();
    let change = cryptsetup("luksChangeKey").words(CHEAP).arg("--key-file");
    change.arg(key_file(&scratch)).arg(&image).arg(&new).run();
    let all = std::fs::read(&image).unwrap();
    assert_eq!(
        problem(&look(all.clone(), &context(&[KEY]))).kind(),
        Kind::Locked
    );
    assert!(plain(&look(all, &context(&[b"another"]))) == before);
    let words =
        "reencrypt --force-offline-reencrypt --resilience none -c aes-cbc-essiv:sha256 -s 256";
    let reencrypt = cryptsetup(words).words(CHEAP).arg("--key-file");
    reencrypt.arg(&new).arg(&image).run();
    let all = std::fs::read(&image).unwrap();
    let stack = look(all, &context(&[b"another"]));
    assert!(
        facts(&stack)
            .contains(&"segment: 0: crypt, aes-cbc-essiv:sha256, sectors of 512 bytes".to_owned())
    );
    assert!(plain(&stack) == before);
}

#[test]
fn what_a_header_says_of_itself_is_told() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let image = scratch.join("image");
    let words = format!(
        "{SMALL} --label vault --subsystem backup --uuid 01234567-89ab-cdef-0123-456789abcdef"
    );
    format(&words, &image, &scratch);
    let token = scratch.join("token");
    std::fs::write(
        &token,
        r#"{"type":"tpm-of-theirs","keyslots":["0"],"blob":1}"#,
    )
    .unwrap();
    let import = cryptsetup("token import --json-file").arg(&token);
    import.arg(&image).run();
    let mut bytes = std::fs::read(&image).unwrap();
    edit(&mut bytes, |json| {
        json["config"]["flags"] = serde_json::json!(["allow-discards"])
    });
    let stack = look(bytes, &context(&[]));
    let Content::Locked { description, .. } = &disk(&stack).content else {
        panic!("not locked");
    };
    assert_eq!(description.label.as_deref(), Some(&b"vault"[..]));
    let uuid = description.uuid.as_deref();
    assert_eq!(uuid, Some("01234567-89ab-cdef-0123-456789abcdef"));
    assert_eq!(description.features, ["allow-discards"]);
    let facts = facts(&stack);
    for fact in ["subsystem: backup", "token: 0: tpm-of-theirs, keyslots 0"] {
        assert!(facts.contains(&fact.to_owned()), "{facts:?}");
    }
}

/// The header alone, as cryptsetup saves it, opens the volume whose own is gone.
#[test]
fn a_saved_header_serves_as_a_detached_one() {
    need!(tool "cryptsetup");
    for kind in ["--type luks1", SMALL] {
        let scratch = Scratch::new();
        let image = scratch.join("image");
        format(kind, &image, &scratch);
        let mut all = std::fs::read(&image).unwrap();
        let before = plain(&look(all.clone(), &context(&[KEY])));
        let saved = scratch.join("saved");
        let backup = cryptsetup("luksHeaderBackup --header-backup-file");
        backup.arg(&saved).arg(&image).run();
        all[..64 << 10].fill(0);
        let saved = std::fs::read(saved).unwrap();
        assert!(plain(&look_with(saved, all, &context(&[KEY]))) == before);
    }
}

/// The words of the kernel's crypto API for the same cipher.
#[test]
fn the_kernels_names_of_ciphers_are_known() {
    need!(tool "cryptsetup");
    let mut image = formatted(SMALL);
    let before = plain(&look(image.clone(), &context(&[KEY])));
    edit(&mut image, |json| {
        json["segments"]["0"]["encryption"] = "capi:xts(aes)-plain64".into();
    });
    assert!(plain(&look(image, &context(&[KEY]))) == before);
}

#[test]
fn k05_segments_follow_each_other_and_plain_ones_need_no_key_and_are_told() {
    need!(tool "cryptsetup");
    let mut image = formatted(SMALL);
    let start = 9216 * 512;
    let data = bytes();
    image.truncate(start);
    image.extend_from_slice(&data);
    let whole = plain(&look(image.clone(), &context(&[KEY])));
    edit(&mut image, |json| {
        let mut first = json["segments"]["0"].take();
        first["size"] = "65536".into();
        let mut second = first.clone();
        second["offset"] = (start + 65536).to_string().into();
        second["size"] = "dynamic".into();
        second["iv_tweak"] = "128".into();
        let linear =
            serde_json::json!({"type": "linear", "offset": start.to_string(), "size": "512"});
        json["segments"] = serde_json::json!({"0": first, "1": second, "2": linear});
        json["digests"]["0"]["segments"] = serde_json::json!(["0", "1"]);
    });
    let stack = look(image.clone(), &context(&[KEY]));
    assert!(plain(&stack) == [&whole[..], &data[..512]].concat());
    edit(&mut image, |json| {
        let linear = json["segments"]["2"].take();
        json["segments"] = serde_json::json!({"0": linear});
    });
    // Whoever swapped the header could have wanted that.
    let none = context(&[]);
    assert!(plain(&look(image, &none)) == data[..512]);
    let is_said = |text: &String| text.contains("the type is linear: NOTHING IS ENCRYPTED");
    assert!(
        none.notices.all().iter().any(is_said),
        "{:?}",
        none.notices.all()
    );
}
