//! Against published vectors. Where the standard has none for a cipher, those of the same key, place
//! and plaintext as made by Botan 2.19.

use std::sync::Arc;

use super::cipher::{self, Block};
use super::decrypted::Decrypted;
use super::iv::{self, Iv};
use super::sectors::{Mode, Numbers, Sectors};
use super::*;
use crate::number::to_u64;
use crate::source::{Memory, Source};

/// Of IEEE 1619's vectors 10 and up: digits of e and of pi.
const E: &str = "2718281828459045235360287471352662497757247093699959574966967627";
const PI: &str = "3141592653589793238462643383279502884197169399375105820974944592";

/// IEEE 1619-2007, annex B, vector 10: data unit number 0xff, all bytes in turn, twice.
const VECTOR_10: &str = "\
    1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b\
    5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd\
    5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0\
    c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca\
    2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0\
    b5781c34803fa75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f\
    93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec\
    583e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a\
    84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a02b140f1\
    505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae\
    9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f90c29\
    a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac\
    6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07059f\
    645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed4385\
    1ad77f16f541dfd269d50d6a5f14fb0aab1cbb4c1550be97f7ab4066193c4caa\
    773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// `text` decrypted as sector `number`, all of it one sector.
fn decrypted(cipher: &str, mode: &str, iv: Iv, key: &str, number: u64, text: &str) -> Vec<u8> {
    let mut text = bytes(text);
    let mode = Mode::by_name(cipher, mode, &bytes(key)).unwrap();
    let sectors = Sectors::new(mode, iv, text.len(), Numbers::BY_SECTOR).unwrap();
    sectors.decrypt(number, &mut text);
    text
}

fn counting(len: usize) -> Vec<u8> {
    (0..=255).cycle().take(len).collect()
}

#[test]
fn xts_is_that_of_ieee_1619() {
    let xts = |key: &str, number, text| decrypted("aes", "xts", Iv::Plain64, key, number, text);
    let zeros = "00".repeat(32);
    let text = "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e";
    assert_eq!(xts(&zeros, 0, text), [0; 32]);
    let key = "11".repeat(16) + &"22".repeat(16);
    let text = "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0";
    assert_eq!(xts(&key, 0x33_3333_3333, text), [0x44; 32]);
    let key = E.to_owned() + PI;
    assert_eq!(xts(&key, 0xff, VECTOR_10), counting(512));
}

#[test]
fn xts_and_cbc_over_other_ciphers_are_those_of_botan() {
    let long = E.to_owned() + PI;
    let cases = [
        (
            "serpent",
            "xts",
            "2bc9b46b1094a932aab020c6443d741f7501a7f6f5f7621b801b82cb0159917f",
        ),
        (
            "serpent",
            "cbc",
            "f398359d2dfb4e4dfb94881ecb3b0dc3248df9fcf9a600bd9056d127342507db",
        ),
        (
            "twofish",
            "xts",
            "d74b937d13a2a2e135397188761ec9ea86adf314483d5ee9e92db25659359dec",
        ),
        (
            "twofish",
            "cbc",
            "73d2ea0215c2cce648cfb2a8191f506ca256c5acaaf77f05e6d8dab8d67a5610",
        ),
        (
            "camellia",
            "xts",
            "49cdb8bf2f7337289a7f6e5755b807884a0d8b5560edb67bf174ac96057b32ca",
        ),
        (
            "camellia",
            "cbc",
            "847c6dc8db1a7a15ccf969901f31883a4fc28021f503c61f97a2066d38bc32d0",
        ),
        (
            "aes",
            "cbc",
            "012b57e99228b022b92c85ade3d00b211d882a5d01645960b9c41e63be16e5b9",
        ),
    ];
    for (cipher, mode, text) in cases {
        let key = if mode == "xts" { &long } else { E };
        let plain = decrypted(cipher, mode, Iv::Plain64, key, 0xff, text);
        assert_eq!(plain, counting(32), "{cipher}-{mode}");
    }
}

/// NIST SP 800-38A: F.1.1, F.2.1 and F.5.1, whose vectors are given here by their number.
#[test]
fn ecb_cbc_and_ctr_are_those_of_nist() {
    const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
    const PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
    let ecb = "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf";
    assert_eq!(decrypted("aes", "ecb", Iv::Null, KEY, 0, ecb), bytes(PLAIN));
    let decrypt = |mode: Mode, vector: u128, text: &str| {
        // A cipher that encrypts the number to the vector that is wanted.
        struct Fixed(u128);
        impl cipher::BlockCipher for Fixed {
            fn encrypt(&self, blocks: &mut [Block]) {
                blocks.fill(self.0.to_be_bytes().into());
            }
            fn decrypt(&self, _: &mut [Block]) {}
        }
        let mut text = bytes(text);
        let iv = Iv::Essiv(Arc::new(Fixed(vector)));
        let sectors = Sectors::new(mode, iv, text.len(), Numbers::BY_SECTOR).unwrap();
        sectors.decrypt(0, &mut text);
        text
    };
    let mode = |name| Mode::by_name("aes", name, &bytes(KEY)).unwrap();
    let cbc = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2";
    let vector = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f;
    assert_eq!(decrypt(mode("cbc"), vector, cbc), bytes(PLAIN));
    let ctr = "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff";
    let vector = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feff;
    assert_eq!(decrypt(mode("ctr"), vector, ctr), bytes(PLAIN));
}

#[test]
fn vectors_are_those_of_dm_crypt() {
    let number = 0x0102_0304_0506_0708;
    let vector = |iv: Iv| -> [u8; 16] {
        let mut vectors = [Block::default(); 3];
        iv.fill(number - 2, 1, &mut vectors);
        vectors[2].into()
    };
    assert_eq!(vector(Iv::Null), [0; 16]);
    assert_eq!(
        vector(Iv::Plain)[..],
        bytes("08070605000000000000000000000000")
    );
    assert_eq!(
        vector(Iv::Plain64)[..],
        bytes("08070605040302010000000000000000")
    );
    assert_eq!(
        vector(Iv::Plain64Be)[..],
        bytes("00000000000000000102030405060708")
    );
    assert_eq!(
        vector(Iv::Benbi)[..],
        bytes("000000000000000020406080a0c0e101")
    );
    // The number encrypted with the SHA-256 of the key, and its offset with the key itself.
    let key = bytes(E);
    let essiv = vector(Iv::by_name("essiv:sha256", "aes", &key).unwrap());
    assert_eq!(essiv[..], bytes("20e738bb182afdb31b0fb496b7c5f3f0"));
    let cipher = cipher::by_name("aes", &key).unwrap();
    assert_eq!(
        vector(iv::eboiv(&cipher, 512))[..],
        bytes("3c377e174c96bc726b55d01502536ec6")
    );
}

#[test]
fn many_sectors_at_once_are_as_each_alone() {
    for (mode, size) in [
        ("xts", 512),
        ("xts", 4096),
        ("cbc", 512),
        ("cbc", 2048),
        ("ctr", 1024),
    ] {
        let key = bytes(&(E.to_owned() + PI));
        let key = if mode == "xts" { &key[..] } else { &key[..32] };
        let iv = Iv::by_name("essiv:sha256", "aes", &key[..32]).unwrap();
        let mode = Mode::by_name("aes", mode, key).unwrap();
        let sectors = Sectors::new(mode, iv, size, Numbers::by_512(7, size)).unwrap();
        let mut at_once = counting(300 * size + 100);
        let mut alone = at_once.clone();
        sectors.decrypt(5, &mut at_once);
        for (number, sector) in (5..).zip(alone.chunks_mut(size)) {
            sectors.decrypt(number, sector);
        }
        assert_eq!(at_once, alone);
        assert_eq!(
            at_once[300 * size..],
            counting(300 * size + 100)[300 * size..]
        );
    }
}

#[test]
fn a_source_gives_any_range_of_what_it_decrypts() {
    const LEN: usize = (2 << 20) + 700;
    for size in [512, 4096] {
        let mode = Mode::by_name("aes", "xts", &bytes(&(E.to_owned() + PI))).unwrap();
        let numbers = Numbers::by_512(3, size);
        let cipher = Arc::new(Sectors::new(mode, Iv::Plain64, size, numbers).unwrap());
        let mut plain = counting(LEN);
        cipher.decrypt(9, &mut plain);
        plain.truncate(LEN / size * size);
        let below = Arc::new(Memory(counting(LEN)));
        let source = Decrypted::new(below, cipher, 9).unwrap();
        assert_eq!(source.size(), to_u64(plain.len()));
        let end = plain.len();
        let ranges = [
            (0, end),
            (0, 1),
            (1, 700),
            (511, 513),
            (512, 4096),
            (4095, 1 << 20),
        ];
        for (from, len) in ranges.into_iter().chain([(end - 1, 1), (end - 5000, 5000)]) {
            let mut buf = vec![0; len];
            source.read_exact_at(&mut buf, to_u64(from)).unwrap();
            assert!(buf == plain[from..from + len], "{len} bytes at {from}");
        }
        assert!(source.read_exact_at(&mut [0; 2], to_u64(end) - 1).is_err());
    }
}

#[test]
fn what_is_not_known_is_named() {
    let text = |error: crate::error::Error| error.to_string();
    let cipher = |name: &str, len| text(cipher::by_name(name, &vec![0; len]).err().unwrap());
    assert_eq!(cipher("anubis", 16), "cipher anubis is not read");
    assert_eq!(cipher("aes", 17), "aes has no key of 17 bytes");
    let mode = Mode::by_name("aes", "lrw", &[0; 48]);
    assert_eq!(text(mode.err().unwrap()), "cipher mode lrw is not read");
    let iv = Iv::by_name("lmk", "aes", &[0; 32]);
    assert_eq!(
        text(iv.err().unwrap()),
        "initialisation vectors lmk are not read"
    );
}
