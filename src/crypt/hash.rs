//! Hashes by the names that LUKS and dm-crypt give them.

use std::fmt;

use blake2::{Blake2b512, Blake2s256};
use hmac::{Hmac, SimpleHmac};
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use whirlpool::Whirlpool;

use crate::error::{Error, Result, printable};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-2 of 224 bits.
    Sha224,
    /// SHA-2 of 256 bits.
    Sha256,
    /// SHA-2 of 384 bits.
    Sha384,
    /// SHA-2 of 512 bits.
    Sha512,
    /// RIPEMD of 160 bits.
    Ripemd160,
    /// Whirlpool in its final form.
    Whirlpool,
    /// SHA-3 of 224 bits.
    Sha3_224,
    /// SHA-3 of 256 bits.
    Sha3_256,
    /// SHA-3 of 384 bits.
    Sha3_384,
    /// SHA-3 of 512 bits.
    Sha3_512,
    /// BLAKE2b of 512 bits.
    Blake2b512,
    /// BLAKE2s of 256 bits.
    Blake2s256,
}

/// Every hash, its name, and its bytes.
const ALL: [(Hash, &str, usize); 13] = [
    (Hash::Sha1, "sha1", 20),
    (Hash::Sha224, "sha224", 28),
    (Hash::Sha256, "sha256", 32),
    (Hash::Sha384, "sha384", 48),
    (Hash::Sha512, "sha512", 64),
    (Hash::Ripemd160, "ripemd160", 20),
    (Hash::Whirlpool, "whirlpool", 64),
    (Hash::Sha3_224, "sha3-224", 28),
    (Hash::Sha3_256, "sha3-256", 32),
    (Hash::Sha3_384, "sha3-384", 48),
    (Hash::Sha3_512, "sha3-512", 64),
    (Hash::Blake2b512, "blake2b-512", 64),
    (Hash::Blake2s256, "blake2s-256", 32),
];

impl Hash {
    /// The one called `name`, in either case, as cryptsetup takes it.
    ///
    /// # Errors
    /// `Unsupported` for one that is not known here.
    pub fn by_name(name: &str) -> Result<Self> {
        let mut all = ALL.iter();
        let found = all.find(|(_, known, _)| known.eq_ignore_ascii_case(name));
        let unknown = || {
            let name = printable(name.as_bytes());
            Error::unsupported(format!("hash {name} is not read"))
        };
        found.map(|(hash, _, _)| *hash).ok_or_else(unknown)
    }

    /// Bytes of a digest.
    #[must_use]
    pub fn size(self) -> usize {
        self.entry().2
    }

    fn entry(self) -> &'static (Self, &'static str, usize) {
        let found = ALL.iter().find(|(hash, _, _)| *hash == self);
        found.unwrap_or(&ALL[0])
    }

    /// The start of the digest of `parts`, one behind the other, as much as `into` has room for.
    pub fn digest(self, parts: &[&[u8]], into: &mut [u8]) {
        match self {
            Self::Sha1 => digest::<Sha1>(parts, into),
            Self::Sha224 => digest::<Sha224>(parts, into),
            Self::Sha256 => digest::<Sha256>(parts, into),
            Self::Sha384 => digest::<Sha384>(parts, into),
            Self::Sha512 => digest::<Sha512>(parts, into),
            Self::Ripemd160 => digest::<Ripemd160>(parts, into),
            Self::Whirlpool => digest::<Whirlpool>(parts, into),
            Self::Sha3_224 => digest::<Sha3_224>(parts, into),
            Self::Sha3_256 => digest::<Sha3_256>(parts, into),
            Self::Sha3_384 => digest::<Sha3_384>(parts, into),
            Self::Sha3_512 => digest::<Sha3_512>(parts, into),
            Self::Blake2b512 => digest::<Blake2b512>(parts, into),
            Self::Blake2s256 => digest::<Blake2s256>(parts, into),
        }
    }

    /// PBKDF2 (RFC 8018, 5.2) with HMAC of this hash.
    pub fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32, into: &mut [u8]) {
        // Every key length is one that HMAC takes.
        let _ = match self {
            Self::Sha1 => pbkdf2::pbkdf2::<Hmac<Sha1>>(password, salt, iterations, into),
            Self::Sha224 => pbkdf2::pbkdf2::<Hmac<Sha224>>(password, salt, iterations, into),
            Self::Sha256 => pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, iterations, into),
            Self::Sha384 => pbkdf2::pbkdf2::<Hmac<Sha384>>(password, salt, iterations, into),
            Self::Sha512 => pbkdf2::pbkdf2::<Hmac<Sha512>>(password, salt, iterations, into),
            Self::Ripemd160 => pbkdf2::pbkdf2::<Hmac<Ripemd160>>(password, salt, iterations, into),
            Self::Whirlpool => pbkdf2::pbkdf2::<Hmac<Whirlpool>>(password, salt, iterations, into),
            Self::Sha3_224 => pbkdf2::pbkdf2::<Hmac<Sha3_224>>(password, salt, iterations, into),
            Self::Sha3_256 => pbkdf2::pbkdf2::<Hmac<Sha3_256>>(password, salt, iterations, into),
            Self::Sha3_384 => pbkdf2::pbkdf2::<Hmac<Sha3_384>>(password, salt, iterations, into),
            Self::Sha3_512 => pbkdf2::pbkdf2::<Hmac<Sha3_512>>(password, salt, iterations, into),
            Self::Blake2b512 => {
                pbkdf2::pbkdf2::<SimpleHmac<Blake2b512>>(password, salt, iterations, into)
            }
            Self::Blake2s256 => {
                pbkdf2::pbkdf2::<SimpleHmac<Blake2s256>>(password, salt, iterations, into)
            }
        };
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().1)
    }
}

fn digest<D: Digest>(parts: &[&[u8]], into: &mut [u8]) {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    for (to, from) in into.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
}
