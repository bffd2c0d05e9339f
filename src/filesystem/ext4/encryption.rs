//! Encrypted names as the kernel shows them without the key (fscrypt's no-key names): the hash of
//! the entry, which a hash tree finds it by, and its ciphertext, in base64 without padding, letters
//! as in URLs. Ciphertext past 149 bytes is there as its SHA-256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::inode::InodeRecord;
use crate::error::{Error, Result};

/// The longest ciphertext that a name holds whole.
const WHOLE: usize = 149;

/// The shortest ciphertext that there is: one block of AES.
const SHORTEST: usize = 16;

/// Bytes of the two hashes in front.
const HASHES: usize = 8;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// A name without its key.
pub(super) struct NoKeyName {
    hash: u32,
    start: Vec<u8>,
    rest: Option<Vec<u8>>,
}

impl NoKeyName {
    /// The name that [`show`] gave; `None` for what it never gives.
    pub(super) fn decode(name: &[u8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(name).ok()?;
        let (hashes, text) = bytes.split_at_checked(HASHES)?;
        let hash = u32::from_le_bytes(*hashes.first_chunk()?);
        let (start, rest) = text.split_at_checked(WHOLE).unwrap_or((text, &[]));
        if start.is_empty() || !matches!(rest.len(), 0 | DIGEST) {
            return None;
        }
        Some(Self {
            hash,
            start: start.to_vec(),
            rest: (!rest.is_empty()).then(|| rest.to_vec()),
        })
    }

    /// The hash that the entry is under.
    pub(super) fn hash(&self) -> u32 {
        self.hash
    }

    /// Whether it stands for the entry whose name on disk is `text`.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match &self.rest {
            None => self.start == text,
            Some(digest) => text.split_at_checked(WHOLE).is_some_and(|(start, rest)| {
                !rest.is_empty() && start == self.start && Sha256::digest(rest)[..] == digest[..]
            }),
        }
    }
}

/// The name of an entry whose ciphertext is `text` and whose hashes are `major` and `minor`; `None`
/// for what is too short to be one.
pub(super) fn show(text: &[u8], major: u32, minor: u32) -> Option<Vec<u8>> {
    if text.len() < SHORTEST {
        return None;
    }
    let mut bytes = Vec::with_capacity(HASHES.saturating_add(text.len()));
    bytes.extend_from_slice(&major.to_le_bytes());
    bytes.extend_from_slice(&minor.to_le_bytes());
    let (start, rest) = text.split_at_checked(WHOLE).unwrap_or((text, &[]));
    bytes.extend_from_slice(start);
    if !rest.is_empty() {
        bytes.extend_from_slice(&Sha256::digest(rest));
    }
    Some(URL_SAFE_NO_PAD.encode(bytes).into_bytes())
}

/// The target of the encrypted link `inode` as the kernel shows it; `stored` is
/// `struct fscrypt_symlink_data`: the length of the ciphertext in 16 bits, and the ciphertext.
///
/// # Errors
/// `Corrupt` where it is cut off or too short.
pub(super) fn show_target(inode: &InodeRecord, stored: &[u8]) -> Result<Vec<u8>> {
    let text = || {
        let (length, rest) = stored.split_first_chunk::<2>()?;
        rest.get(..u16::from_le_bytes(*length).into())
    };
    text().and_then(|text| show(text, 0, 0)).ok_or_else(|| {
        let error = Error::corrupt("an encrypted target of no possible length").at(inode.offset);
        error.context(format!("inode {}: symbolic link", inode.number))
    })
}
