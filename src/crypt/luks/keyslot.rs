//! Keyslots: each holds the volume's key, encrypted with what is derived from one passphrase.

use super::merge;
use crate::crypt::hash::Hash;
use crate::crypt::kdf::{Cost, Kdf};
use crate::crypt::spec::Spec;
use crate::error::{Error, Result};
use crate::format::{KdfLimit, Secret};
use crate::number::{to_u64, to_usize};
use crate::source::Source;

/// Bytes of the longest key, as in cryptsetup.
pub(super) const MOST_KEY: u32 = 512;

/// Bytes of the sectors in which the split key is encrypted.
const SECTOR: usize = 512;

/// In which order keyslots are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    Ignore,
    Normal,
    Prefer,
}

/// A keyslot that may be tried.
#[derive(Clone, Debug)]
pub(super) struct Keyslot {
    pub(super) number: u32,
    pub(super) priority: Priority,
    /// Bytes of the key that it holds.
    pub(super) key_size: usize,
    pub(super) kdf: Kdf,
    /// Where the header has what it costs.
    pub(super) kdf_at: u64,
    /// The hash of the anti-forensic splitter.
    pub(super) hash: Hash,
    pub(super) area: Area,
}

/// Where a keyslot's bytes are, and what they are encrypted with.
#[derive(Clone, Debug)]
pub(super) struct Area {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) cipher: Spec,
    /// Where the header names the cipher.
    pub(super) cipher_at: u64,
    /// Bytes of the key that a passphrase becomes.
    pub(super) key_size: usize,
}

impl Keyslot {
    /// Refuses what cannot be a keyslot; where the header says so is known to the caller. `key_size`
    /// and the area's are bounded by [`MOST_KEY`].
    pub(super) fn check(&self, source: &dyn Source) -> Result<()> {
        let Area { offset, size, .. } = self.area;
        let needed = to_u64(self.split_len());
        if size < needed {
            let text = format!("its area of {size} bytes is too small for {needed}");
            return Err(Error::corrupt(text));
        }
        let end = offset.checked_add(to_u64(self.area_len()));
        if end.is_none_or(|end| end > source.size()) {
            let all = source.size();
            let text = format!("its area lies past the end of the {all} bytes");
            return Err(Error::corrupt(text));
        }
        self.area.cipher.check(self.area.key_size, SECTOR)
    }

    /// Bytes of all stripes.
    fn split_len(&self) -> usize {
        self.key_size.saturating_mul(merge::stripes())
    }

    /// The same in whole sectors.
    fn area_len(&self) -> usize {
        self.split_len().next_multiple_of(SECTOR)
    }

    /// What trying a passphrase costs.
    pub(super) fn check_cost(&self, limit: &KdfLimit) -> Result<Cost> {
        let cost = self.kdf.check(self.area.key_size, limit);
        cost.map_err(|error| error.at(self.kdf_at))
    }

    /// What the keyslot holds, if `passphrase` is its own; else something else.
    pub(super) fn open(&self, source: &dyn Source, passphrase: &Secret) -> Result<Secret> {
        let key = self.kdf.derive(passphrase, self.area.key_size)?;
        let mut split = Secret::zeros(self.area_len())?;
        source.read_exact_at(split.bytes_mut(), self.area.offset)?;
        let sectors = self.area.cipher.sectors(key.bytes(), SECTOR, 0)?;
        sectors.decrypt(0, split.bytes_mut());
        merge::merge(&split, self.key_size, self.hash)
    }
}

/// How the volume's key is known to be right.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    pub(super) kdf: Kdf,
    /// Where the header has what it costs.
    pub(super) kdf_at: u64,
    pub(super) value: Vec<u8>,
    /// The numbers of the keyslots whose key it is of.
    pub(super) keyslots: Vec<u32>,
    /// The numbers of the segments that the key is for.
    pub(super) segments: Vec<u32>,
}

impl Digest {
    /// Whether `key` is the one.
    pub(super) fn is_of(&self, key: &Secret) -> Result<bool> {
        let found = self.kdf.derive(key, self.value.len())?;
        Ok(found.bytes() == self.value)
    }
}

/// A key's length from disk.
pub(super) fn key_size(size: u32) -> Result<usize> {
    match size {
        1..=MOST_KEY => Ok(to_usize(u64::from(size))),
        _ => Err(Error::corrupt(format!(
            "key size {size} is not 1 to {MOST_KEY} bytes"
        ))),
    }
}
