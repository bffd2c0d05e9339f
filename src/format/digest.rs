//! What an image says of its files' digests: kept for who checks them.

use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, read_vec};

/// Bytes that are read and hashed at once.
const PIECE: u64 = 1 << 20;

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// What a manifest says of one file.
#[derive(Clone)]
pub struct Digest {
    /// The file's name, printable.
    pub name: String,
    /// The manifest's name, printable.
    pub manifest: String,
    /// How it is made.
    pub algorithm: Algorithm,
    /// What it should be.
    pub expected: Vec<u8>,
    /// The file.
    pub source: SharedSource,
}

impl Digest {
    /// Reads the whole file; `advance` is told of the bytes as they are read.
    ///
    /// # Errors
    /// `Corrupt` where the digest is another one; as [`crate::source::Source::read_exact_at`].
    pub fn verify(&self, advance: &mut dyn FnMut(u64)) -> Result<()> {
        let (name, found) = match self.algorithm {
            Algorithm::Sha1 => ("SHA1", self.hash::<Sha1>(advance)?),
            Algorithm::Sha256 => ("SHA256", self.hash::<Sha256>(advance)?),
            Algorithm::Sha512 => ("SHA512", self.hash::<Sha512>(advance)?),
        };
        if found == self.expected {
            return Ok(());
        }
        let (found, expected) = (hex(&found), hex(&self.expected));
        let manifest = &self.manifest;
        let text = format!("its {name} is {found}, not {expected} as {manifest} says");
        Err(Error::corrupt(text))
    }

    fn hash<H: sha2::Digest>(&self, advance: &mut dyn FnMut(u64)) -> Result<Vec<u8>> {
        let mut hash = H::new();
        let (mut offset, size) = (0, self.source.size());
        while offset < size {
            let len = size.saturating_sub(offset).min(PIECE);
            let bytes = read_vec(&*self.source, offset, to_usize(len))?;
            hash.update(&bytes);
            advance(to_u64(bytes.len()));
            offset = offset.saturating_add(len);
        }
        Ok(hash.finalize().to_vec())
    }
}

/// Only what there is no room for is cut.
fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(64);
    shown.map(|byte| format!("{byte:02x}")).collect()
}
