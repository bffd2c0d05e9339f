//! The collected volumes, against the hashes that lie beside them.

use imgmount::error::Kind;
use imgmount::stack::Content;

use super::{context, disk, look, plain, problem};
use crate::support::images::{self, Scratch};

fn volume(name: &str, scratch: &Scratch) -> Vec<u8> {
    let path = images::unpack(&format!("volume/luks/{name}.xz"), scratch);
    std::fs::read(path).unwrap()
}

/// The hash of the row `luks` of the volume's expected file.
fn expected(name: &str) -> String {
    let file = format!("expected/volume-luks-{name}.tsv");
    let rows = std::fs::read_to_string(images::folder().unwrap().join(file)).unwrap();
    let row = rows.lines().find(|row| row.starts_with("luks\t")).unwrap();
    row.split('\t').nth(9).unwrap().to_owned()
}

fn key_file() -> Vec<u8> {
    std::fs::read(images::folder().unwrap().join("volume/luks/keyfile1")).unwrap()
}

#[test]
fn what_is_decrypted_is_as_dissect_has_it() {
    need!(images, tool "xz");
    let scratch = Scratch::new();
    let file = key_file();
    let cases: [(&str, &[u8]); 4] = [
        ("compatimage.img", b"compatkey"),
        ("compatimage2.img", b"compatkey"),
        ("luks1_aes-cbc-essiv-sha256-sha1.img", &file),
        ("luks1_aes-xts-plain64-sha256.img", &file),
    ];
    for (name, key) in cases {
        let stack = look(volume(name, &scratch), &context(&[key]));
        assert_eq!(images::sha256_of(&plain(&stack)), expected(name), "{name}");
    }
}

/// Its Argon2 takes one GiB four times, all that the limit allows.
#[test]
fn the_usual_cost_is_within_the_limit() {
    need!(images, tool "xz");
    let name = "dissect-luks2-aes-cbc-essiv.bin";
    let image = volume(name, &Scratch::new());
    let stack = look(image, &context(&[b"password"]));
    assert_eq!(images::sha256_of(&plain(&stack)), expected(name));
}

/// Nobody but the kernel decrypts it; what comes out is the boot sector of a FAT.
#[test]
fn serpent_of_cryptsetup_is_a_fat() {
    need!(images, tool "xz");
    let image = volume("luks1_serpent-xts-plain64-sha256.img", &Scratch::new());
    let stack = look(image, &context(&[&key_file()]));
    let plain = plain(&stack);
    assert!(
        plain.starts_with(b"\xeb\x3c\x90MSDOS5.0"),
        "{:?}",
        &plain[..16]
    );
    assert_eq!(plain[510..512], [0x55, 0xaa]);
}

/// pvcreate wrote over the first header, and the second is still there.
#[test]
fn a_physical_volume_over_a_former_volume_is_shown() {
    need!(images, tool "xz");
    let image = volume("blkid-luks2-pv.img", &Scratch::new());
    let context = context(&[]);
    let stack = look(image, &context);
    let Content::Member { format, .. } = &disk(&stack).content else {
        panic!("no member");
    };
    assert_eq!(*format, "LVM2_member");
    let notices = context.notices.all();
    assert!(notices[0].contains("left of crypto_LUKS"), "{notices:?}");
}

#[test]
fn without_their_keys_they_are_locked() {
    need!(images, tool "xz");
    for name in ["luks2_mda_16", "luks2_mda_128", "compatimage.img"] {
        let image = volume(name, &Scratch::new());
        let stack = look(image.clone(), &context(&[b"wrong"]));
        let error = problem(&stack);
        assert_eq!(error.kind(), Kind::Locked, "{name}: {error}");
        assert!(disk(&stack).source.is_ok());
    }
}

/// As the manifest says of each: damaged, too small, half reencrypted.
#[test]
fn broken_headers_are_refused_by_what_is_wrong() {
    need!(images, tool "xz");
    let half = "LUKS-d238e48a-0ed3-4169-b841-f26b44693134";
    let cases = [
        ("evil_hdr-luks_hdr_damage", "keyslot 2: key-material-offset"),
        ("evil_hdr-small_luks_device", "past the end of the 1049088"),
        ("evil_hdr-stripes_payload_dmg", "keyslot 5: stripes 44944"),
        (&format!("{half}.new"), "the header is detached"),
        (&format!("{half}.org"), "past the end of the 2068480 bytes"),
    ];
    for (name, why) in cases {
        let scratch = Scratch::new();
        let path = images::unpack(&format!("hostile/cryptsetup/{name}.xz"), &scratch);
        let stack = look(std::fs::read(path).unwrap(), &context(&[b"x"]));
        let error = problem(&stack);
        assert_ne!(error.kind(), Kind::Locked, "{name}");
        assert!(error.to_string().contains(why), "{name}: {error}");
    }
}
