//! Volumes that cryptsetup and qemu-img encrypt here, from bytes that are known. Neither needs
//! device mapper for it: cryptsetup reencrypts files by itself when it is told to.

use std::path::{Path, PathBuf};

use super::{context, look, look_with, plain};
use crate::support::command::Run;
use crate::support::images::Scratch;

/// The passphrase of all that is made here.
pub const KEY: &[u8] = b"correct horse";

/// Bytes of what is encrypted.
const LEN: usize = 256 << 10;

/// No two sectors are equal, and none has a pattern that a wrong place would give too.
pub fn bytes() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..LEN / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// The passphrase in a file.
pub fn key_file(scratch: &Scratch) -> PathBuf {
    let path = scratch.join("key");
    std::fs::write(&path, KEY).unwrap();
    path
}

pub fn cryptsetup(words: &str) -> Run {
    Run::new("cryptsetup").arg("-q").words(words)
}

/// What a cheap key derivation is to cryptsetup.
pub const CHEAP: &str = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000";

/// `plain` encrypted by cryptsetup with these `words`: the header, and the data.
pub fn encrypted(words: &str, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let scratch = Scratch::new();
    let (data, header) = (scratch.join("data"), scratch.join("header"));
    std::fs::write(&data, plain).unwrap();
    cryptsetup("reencrypt --encrypt --force-offline-reencrypt --resilience none")
        .words(words)
        .arg("--key-file")
        .arg(key_file(&scratch))
        .arg("--header")
        .arg(&header)
        .arg(&data)
        .run();
    (std::fs::read(header).unwrap(), std::fs::read(data).unwrap())
}

/// Every cipher that it has without a kernel, each in another size of sectors, and every key
/// derivation and hash, each with another cipher.
#[test]
fn luks2_is_what_cryptsetup_encrypted() {
    need!(tool "cryptsetup");
    let cases = [
        "-c aes-xts-plain64 -s 512 --sector-size 512",
        "-c aes-xts-plain64 -s 256 --sector-size 4096",
        "-c aes-xts-plain -s 512 --sector-size 2048",
        "-c aes-xts-essiv:sha256 -s 512 --sector-size 1024",
        "-c aes-cbc-essiv:sha256 -s 128 --sector-size 512",
        "-c aes-cbc-essiv:sha256 -s 256 --sector-size 4096",
        "-c aes-cbc-plain64 -s 192 --sector-size 2048",
        "-c aes-cbc-plain64be -s 256 --sector-size 512",
        "-c aes-cbc-plain -s 256 --sector-size 1024",
        "-c aes-cbc-benbi -s 128 --sector-size 512",
        "-c aes-cbc-null -s 128 --sector-size 512",
        "-c aes-ctr-plain64 -s 256 --sector-size 512",
        "-c camellia-cbc-plain64 -s 256 --sector-size 512",
        "-c aes-ecb -s 128 --sector-size 4096",
    ];
    let derivations = [
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --hash sha1",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1001 --hash sha224",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1002 --hash sha256",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1003 --hash sha384",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1004 --hash sha512",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1005 --hash ripemd160",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1006 --hash whirlpool",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1007 --hash sha3-224",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1008 --hash sha3-256",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1009 --hash sha3-384",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --hash sha3-512",
        "--pbkdf pbkdf2 --pbkdf-force-iterations 1000 --hash blake2b-512",
        "--pbkdf argon2i --pbkdf-force-iterations 4 --pbkdf-memory 32 --pbkdf-parallel 1",
        "--pbkdf argon2id --pbkdf-force-iterations 5 --pbkdf-memory 1000 --pbkdf-parallel 4",
    ];
    let expected = bytes();
    for (case, derivation) in cases.iter().zip(derivations) {
        let (header, data) = encrypted(&format!("{case} {derivation}"), &expected);
        assert!(data != expected, "{case}");
        let stack = look_with(header, data, &context(&[KEY]));
        assert!(plain(&stack) == expected, "{case} {derivation}");
    }
}

/// The ciphers that cryptsetup leaves to the kernel, and others, as QEMU writes them. It takes a second
/// or two for each to find out how fast this machine is.
#[test]
fn luks1_is_what_qemu_encrypted() {
    need!(tool "qemu-img");
    let scratch = Scratch::new();
    let expected = bytes();
    let raw = scratch.join("raw");
    std::fs::write(&raw, &expected).unwrap();
    let cases = [
        "aes-256,cipher-mode=xts,ivgen-alg=plain,hash-alg=sha1",
        "aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha224",
        "serpent-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=ripemd160",
        "serpent-128,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha384",
        "twofish-128,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256",
        "twofish-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha512",
    ];
    for case in cases {
        let image = qemu(&raw, case, &scratch);
        let stack = look(std::fs::read(image).unwrap(), &context(&[KEY]));
        assert!(plain(&stack) == expected, "{case}");
    }
}

fn qemu(raw: &Path, case: &str, scratch: &Scratch) -> PathBuf {
    let image = scratch.join("luks");
    let file = key_file(scratch);
    Run::new("qemu-img")
        .words("convert -f raw -O luks --object")
        .arg(format!("secret,id=s,file={}", file.display()))
        .arg("-o")
        .arg(format!("key-secret=s,iter-time=10,cipher-alg={case}"))
        .arg(raw)
        .arg(&image)
        .run();
    image
}
