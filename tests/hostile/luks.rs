//! LUKS by HOSTILE.md: costs without end, headers that overlap or do not end, ciphers that encrypt
//! nothing; and mutants.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use imgmount::error::{Error, Kind};
use imgmount::format::{Context, KdfLimit, Options};
use serde_json::{Value, json};

use super::expect::check;
use super::flips::Numbers;
use crate::support::cut::cut;
use crate::support::images::Scratch;
use crate::volume::luks::headers::{SMALL, edit, formatted, json};
use crate::volume::luks::made::{CHEAP, KEY, cryptsetup, key_file};
use crate::volume::luks::{context, look, plain, problem};

/// That `image` is refused who has its key, for a reason of `kind` whose text holds `words`, at byte
/// `at`; and not as it is locked, but where it costs too much.
pub fn refused(image: Vec<u8>, kind: Kind, words: &str, at: impl Into<Option<usize>>) {
    let error = refused_in(image, &context(&[KEY]));
    check(&error, kind, &[words], at.into());
}

/// Where the value at `path`, a JSON pointer, stands in the first header of `image`, whose JSON was
/// written by [`edit`]: all that stands before it is the same with any other value.
pub fn place(image: &[u8], path: &str) -> usize {
    let mut json = json(image);
    *json.pointer_mut(path).expect(path) = "HERE".into();
    4096 + json.to_string().find("\"HERE\"").unwrap()
}

fn refused_in(image: Vec<u8>, context: &Context) -> Error {
    let error = problem(&look(image, context));
    // What costs too much stays locked; all else is damage, or not read.
    let is_dear = error.to_string().contains("--kdf-limit");
    assert_eq!(error.kind() == Kind::Locked, is_dear, "{error}");
    error
}

fn with_limit(memory: u64, seconds: u32) -> Context {
    Context {
        options: Options {
            kdf_limit: KdfLimit { memory, seconds },
            ..Options::default()
        },
        ..context(&[KEY])
    }
}

/// `image` with its JSON changed.
pub fn changed(image: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut mutant = image.to_vec();
    edit(&mut mutant, change);
    // Written anew by us without a change, the text may differ too.
    assert!(json(&mutant) != json(image), "nothing was changed");
    mutant
}

#[test]
fn k01_fields_of_luks1_out_of_bounds_are_refused_before_any_key_is_made() {
    need!(tool "cryptsetup");
    let image = formatted("--type luks1 -c aes-xts-plain64 -s 256");
    plain(&look(image.clone(), &context(&[KEY])));
    let slot = 208;
    let (corrupt, dear) = (Kind::Corrupt, Kind::Locked);
    // The field, its value, what is said, and the byte that is told, where one is: data in another
    // image is no damage of this one.
    let cases: [(usize, u32, Kind, &str, Option<usize>); 12] = [
        (
            104,
            u32::MAX,
            corrupt,
            "segment 0: offset 0x1fffffffe00 lies past",
            Some(104),
        ),
        (104, 0, Kind::Unsupported, "the header is detached", None),
        (
            104,
            16,
            corrupt,
            "key-material-offset 0x1000 reaches into the data at payload-offset 0x2000",
            Some(slot + 40),
        ),
        (
            108,
            1 << 31,
            corrupt,
            "key size 2147483648 is not 1 to 512",
            Some(108),
        ),
        (108, 513, corrupt, "key size 513 is not 1 to 512", Some(108)),
        (108, 0, corrupt, "key size 0 is not 1 to 512", Some(108)),
        (
            slot + 44,
            0,
            corrupt,
            "keyslot 0: stripes 0 is not 4000",
            Some(slot + 44),
        ),
        (
            slot + 48 + 44,
            1 << 31,
            corrupt,
            "keyslot 1: stripes 2147483648",
            Some(slot + 48 + 44),
        ),
        (
            slot + 4,
            u32::MAX,
            dear,
            "keyslot 0: KDF cost exceeds --kdf-limit: pbkdf2",
            Some(slot + 4),
        ),
        (
            slot + 40,
            u32::MAX,
            corrupt,
            "keyslot 0: key-material-offset 0x1fffffffe00",
            Some(slot + 40),
        ),
        (
            164,
            u32::MAX,
            dear,
            "digest: KDF cost exceeds --kdf-limit: pbkdf2",
            Some(164),
        ),
        (slot, 7, corrupt, "keyslot 0: active 0x7", Some(slot)),
    ];
    for (at, value, kind, why, told) in cases {
        let mut changed = image.clone();
        changed[at..at + 4].copy_from_slice(&value.to_be_bytes());
        assert!(changed != image, "nothing was changed");
        refused(changed, kind, why, told);
    }
    let twelve_millions = |more: u32| {
        let mut image = image.clone();
        image[slot + 4..slot + 8].copy_from_slice(&(12_000_000 + more).to_be_bytes());
        let limit = with_limit(1 << 30, 5);
        let error = refused_in(image, &limit);
        let words = ["keyslot 0: ", "--kdf-limit 1024M:1"];
        check(&error, Kind::Locked, &words, Some(slot + 4));
        error.to_string()
    };
    assert!(twelve_millions(0).contains(" 10 s at byte 0xd4 (--kdf-limit 1024M:10"));
    assert!(twelve_millions(1000).contains(" 11 s at byte 0xd4 (--kdf-limit 1024M:11"));
}

#[test]
fn k03_argon2_beyond_the_limit_is_refused_with_what_would_allow_it() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let argon2 = |time: u32, memory: u32, cpus: u32| {
        let kdf = json!({"type": "argon2id", "time": time, "memory": memory, "cpus": cpus,
                         "salt": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="});
        let mutant = changed(&image, |json| json["keyslots"]["0"]["kdf"] = kdf);
        let error = refused_in(mutant.clone(), &context(&[KEY]));
        let at = place(&mutant, "/keyslots/0/kdf");
        let words = "keyslot 0: KDF cost exceeds --kdf-limit: argon2id, ";
        check(&error, Kind::Locked, &[words], Some(at));
        error.to_string()
    };
    let error = argon2(4, 64 << 20, 4);
    let cost = "4 passes over 67108864 KiB, 4 lanes, 65536 MiB, 256 s at byte";
    assert!(error.contains(cost), "{error}");
    let hint = "(--kdf-limit 65536M:256 allows it)";
    assert!(error.ends_with(hint), "{error}");
    let error = argon2(1_000_000_000, 1024, 4);
    assert!(error.contains("1000000000 passes over 1024 KiB"), "{error}");
    let error = argon2(1, 1024, 1_000_000);
    let lanes = "1 passes over 1024 KiB, 1000000 lanes, 7813 MiB";
    assert!(error.contains(lanes), "{error}");
}

#[test]
fn k04_32_keyslots_at_the_limit_are_not_all_tried() {
    need!(tool "cryptsetup");
    let image = many_keyslots(&formatted(SMALL), 1_000_000, 1_000);
    let error = refused_in(image, &with_limit(1 << 30, 1));
    let why = "exceeds 4 times --kdf-limit: of the keyslots 0, 1, 2, 3 were tried with this key, \
               not 4, 5, 6,";
    // No keyslot by itself is to blame.
    check(&error, Kind::Locked, &[why], None);
}

/// The digest is worked out after each keyslot, and for each key: whoever makes that one dear gains
/// nothing.
#[test]
fn k04_cheap_keyslots_under_a_dear_digest_are_not_all_tried_nor_with_all_keys() {
    need!(tool "cryptsetup");
    let image = many_keyslots(&formatted(SMALL), 1_000, 1_000_000);
    let why = "of the keyslots 0, 1, 2, 3 were tried with this key, not 4, 5, 6,";
    for keys in [&[&b"a"[..]][..], &[b"a\n", b"b", b"c"]] {
        let mut context = context(keys);
        context.options.kdf_limit.seconds = 1;
        let start = Instant::now();
        let error = refused_in(image.clone(), &context);
        check(&error, Kind::Locked, &[why], None);
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn k04_tries_on_all_containers_together_have_an_end() {
    need!(tool "cryptsetup");
    let image = many_keyslots(&formatted(SMALL), 1_000_000, 1_000);
    let context = with_limit(1 << 30, 1);
    // What containers before this one have cost: a second and a half is left.
    assert!(context.keys.spend(14_500, 16_000));
    for tried in [
        "s 0 were tried with this key, not 1, 2,",
        "s none was tried with this key, not 0,",
    ] {
        let why =
            "KDF cost of all tries on all containers exceeds 16 times --kdf-limit: of the keyslot";
        let error = refused_in(image.clone(), &context);
        check(&error, Kind::Locked, &[&format!("{why}{tried}")], None);
    }
}

/// Who has a container's key has not made it to keep himself waiting.
#[test]
fn k04_containers_that_are_opened_count_for_no_other() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let context = with_limit(1 << 30, 1);
    // What others have cost: a keyslot and its digest are at least two milliseconds.
    assert!(context.keys.spend(15_990, 16_000));
    for _ in 0..10 {
        plain(&look(image.clone(), &context));
    }
}

/// `image` with the same keyslot 32 times, of so many iterations, as its digest is.
fn many_keyslots(image: &[u8], iterations: u32, digest: u32) -> Vec<u8> {
    changed(image, |json| {
        let slot = json["keyslots"]["0"].clone();
        for number in 0..32_u64 {
            let mut slot = slot.clone();
            slot["kdf"]["iterations"] = iterations.into();
            slot["kdf"]["salt"] = "AAAA".into();
            let offset = 32768 + number * 131_072;
            slot["area"]["offset"] = offset.to_string().into();
            slot["area"]["size"] = "131072".into();
            json["keyslots"][number.to_string()] = slot;
        }
        let numbers: Vec<String> = (0..32).map(|it| it.to_string()).collect();
        json["digests"]["0"]["keyslots"] = numbers.into();
        json["digests"]["0"]["iterations"] = digest.into();
    })
}

#[test]
fn a_keyslot_that_is_refused_keeps_no_other_key_from_being_tried() {
    need!(tool "cryptsetup");
    for kind in ["--type luks1", SMALL] {
        let scratch = Scratch::new();
        let path = scratch.join("image");
        std::fs::write(&path, formatted(kind)).unwrap();
        let second = scratch.file("second", 0);
        std::fs::write(&second, "k1").unwrap();
        let add = cryptsetup("luksAddKey").words(CHEAP).arg("--key-file");
        add.arg(key_file(&scratch)).arg(&path).arg(&second).run();
        let mut image = std::fs::read(&path).unwrap();
        match kind {
            SMALL => edit(&mut image, |json| {
                json["keyslots"]["0"]["kdf"]["iterations"] = u32::MAX.into();
            }),
            _ => image[212..216].copy_from_slice(&u32::MAX.to_be_bytes()),
        }
        for keys in [&[&b"k1"[..]][..], &[b"k1\n"], &[b"bad", b"k1"]] {
            plain(&look(image.clone(), &context(keys)));
        }
        let error = refused_in(image, &context(&[b"bad"])).to_string();
        assert!(error.contains("keyslot 0: KDF cost exceeds"), "{error}");
    }
}

#[test]
fn k05_ciphers_that_encrypt_nothing_or_are_not_known_are_named() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let segment = |name: &'static str| {
        changed(&image, |json| {
            json["segments"]["0"]["encryption"] = name.into()
        })
    };
    let context = context(&[KEY]);
    let stack = look(segment("cipher_null-ecb"), &context);
    assert!(plain(&stack) == image[9216 * 512..]);
    let notices = context.notices.all();
    assert!(notices[0].contains("NOTHING IS ENCRYPTED"), "{notices:?}");
    let cases = [
        ("anubis-xts-plain64", "cipher anubis is not read"),
        ("aes-lrw-benbi", "cipher mode lrw is not read"),
        ("aes-xts-lmk", "vectors lmk are not read"),
        ("aes-cbc-essiv:md5", "hash md5 is not read"),
    ];
    for (name, why) in cases {
        let mutant = segment(name);
        let at = place(&mutant, "/segments/0");
        refused(mutant, Kind::Unsupported, why, at);
    }
    let none = segment("serpent");
    let at = place(&none, "/segments/0/encryption");
    let words = "segment 0: cipher \"serpent\" is not of the form cipher-mode-iv";
    refused(none, Kind::Corrupt, words, at);
    let large = changed(&image, |json| {
        json["segments"]["0"]["encryption"] = "aes-cbc-eboiv".into();
        json["segments"]["0"]["sector_size"] = 4096.into();
    });
    let why = "segment 0: vectors eboiv with sectors of 4096 bytes are not read";
    let at = place(&large, "/segments/0");
    refused(large.clone(), Kind::Unsupported, why, at);
    plain(&look(
        changed(&large, |json| {
            json["segments"]["0"]["sector_size"] = 512.into();
        }),
        &context,
    ));
    let open = changed(&image, |json| {
        json["keyslots"]["0"]["area"]["encryption"] = "cipher_null-ecb".into();
    });
    let at = place(&open, "/keyslots/0/area/encryption");
    let words = "keyslot 0: it is not encrypted (cipher_null), so that any key would open it";
    refused(open, Kind::Unsupported, words, at);
}

#[test]
fn k06_segments_past_the_end_and_sectors_of_513_bytes_are_refused() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let with = |key: &'static str, value: Value, kind: Kind, words: &str| {
        let mutant = changed(&image, |json| json["segments"]["0"][key] = value);
        let at = place(&mutant, &format!("/segments/0/{key}"));
        refused(mutant, kind, &format!("segment 0: {words}"), at);
    };
    let far = || Value::from("1099511627776");
    let (corrupt, unsupported) = (Kind::Corrupt, Kind::Unsupported);
    let words = "offset 0x10000000000 lies past the end of the 5242880 bytes";
    with("offset", far(), corrupt, words);
    let words = "size 1099511627776 reaches past the end of the 5242880 bytes";
    with("size", far(), corrupt, words);
    for size in ["1000", "0"] {
        let words = format!("size {size} is no whole number of sectors");
        with("size", size.into(), corrupt, &words);
    }
    let words = "offset 4718593 is no whole number of sectors";
    with("offset", "4718593".into(), corrupt, words);
    for size in [0_u64, 513, 8192, 1 << 31] {
        let words = format!("sector_size {size} is not 512, 1024");
        with("sector_size", size.into(), corrupt, &words);
    }
    let words = "hw-opal-crypt: the drive itself encrypts";
    with("type", "hw-opal-crypt".into(), unsupported, words);
    let words = "type strange is not read";
    with("type", "strange".into(), unsupported, words);
    let words = "integrity hmac(sha256) is not read";
    with(
        "integrity",
        json!({"type": "hmac(sha256)"}),
        unsupported,
        words,
    );
}

#[test]
fn k08_a_damaged_first_header_leaves_the_second() {
    need!(tool "cryptsetup");
    let image = formatted(SMALL);
    let before = plain(&look(image.clone(), &context(&[KEY])));
    for (range, why) in [(448..512, "the checksum"), (0..4096, "no magic number")] {
        let mut image = image.clone();
        image[range].fill(0x55);
        image[510..512].fill(0);
        let context = context(&[KEY]);
        assert!(plain(&look(image, &context)) == before);
        let notices = context.notices.all();
        let has = notices
            .iter()
            .any(|it| it.contains(why) && it.ends_with("the second one is used"));
        assert!(has, "{notices:?}");
    }
    let mut second = image.clone();
    second[16384 + 300] ^= 1;
    let told = context(&[KEY]);
    assert!(plain(&look(second.clone(), &told)) == before);
    assert!(told.notices.all()[0].contains("second header: the checksum"));
    second[300] ^= 1;
    let words = "first header: the checksum is not that of the header";
    refused(second.clone(), Kind::Corrupt, words, 0);
    let mut ignoring = with_limit(1 << 30, 10);
    ignoring.options.ignore_checksums = true;
    assert!(plain(&look(second, &ignoring)) == before);
}

#[test]
fn k09_a_reencryption_in_progress_is_refused_by_name() {
    need!(tool "cryptsetup");
    let scratch = Scratch::new();
    let path = scratch.join("image");
    std::fs::write(&path, formatted(SMALL)).unwrap();
    let init = cryptsetup("reencrypt --init-only --pbkdf-force-iterations 1000 --pbkdf pbkdf2");
    init.arg("--key-file")
        .arg(key_file(&scratch))
        .arg(&path)
        .run();
    let begun = std::fs::read(&path).unwrap();
    let of = |name: &str| format!("reencryption in progress ({name}");
    let mandatory = b"\"mandatory\":";
    let at = begun
        .windows(mandatory.len())
        .position(|it| it == mandatory);
    let at = at.unwrap() + mandatory.len();
    refused(
        begun.clone(),
        Kind::Unsupported,
        &of("online-reencrypt"),
        at,
    );
    let mutant = changed(&begun, |json| {
        json["config"]["requirements"] = json!({});
    });
    let slots = json(&mutant)["keyslots"].clone();
    let mut slots = slots.as_object().unwrap().iter();
    let slot = slots
        .find(|(_, slot)| slot["type"] == "reencrypt")
        .unwrap()
        .0;
    let at = place(&mutant, &format!("/keyslots/{slot}"));
    refused(mutant, Kind::Unsupported, &of("its keyslot is there"), at);
    let mutant = changed(&formatted(SMALL), |json| {
        json["config"]["requirements"] = json!({"mandatory": ["time-travel"]});
    });
    let at = place(&mutant, "/config/requirements/mandatory");
    let words = "requirement time-travel is not known";
    refused(mutant, Kind::Unsupported, words, at);
    let mut old = formatted("--type luks1");
    old[4..6].copy_from_slice(&[0xde, 0xad]);
    refused(old, Kind::Unsupported, &of("LUKS1"), 0);
}

#[test]
fn mutants_end_in_a_volume_or_an_error() {
    need!(tool "cryptsetup");
    let seeds = ["--type luks1 -c aes-cbc-essiv:sha256 -s 128", SMALL].map(formatted);
    let mut numbers = Numbers(2000);
    for round in 0..super::mutants::count() / 10 {
        let mut image = seeds[round % 2].clone();
        let mut changes = Vec::new();
        for _ in 0..=numbers.below(4) {
            let at = [0, 4096, 16384][numbers.below(3)] + numbers.below(1024);
            let old = image[at];
            // Digits become digits as often as anything.
            image[at] = match old {
                b'0'..=b'9' if numbers.below(2) == 0 => b'0' + numbers.below(10) as u8,
                _ => [old ^ (1 << numbers.below(8)), 0, 0xff, b'"'][numbers.below(4)],
            };
            changes.push((at, image[at]));
        }
        let mut context = with_limit(1 << 20, 1);
        context.options.ignore_checksums = true;
        let opened = catch_unwind(AssertUnwindSafe(|| look(image, &context)));
        assert!(opened.is_ok(), "mutant {round}: {changes:?}");
    }
}

#[test]
fn g02_containers_that_were_cut() {
    need!(tool "cryptsetup");
    for kind in ["--type luks1", SMALL] {
        let image = formatted(kind);
        // The disk, and what is decrypted.
        assert_eq!(
            cut(&image, |bytes| look(bytes.to_vec(), &context(&[KEY]))),
            2
        );
    }
}
