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

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry of a directory that Linux 6.18 encrypted: its name on disk (debugfs), its hashes
    /// and its name (readdir(3) on a mount without the key).
    const SHORT: (&str, (u32, u32), &str) = (
        "3a74cef1a4a56fd0019bb44dd939cf4fd72effccabe435b7d55fcf5f6d96f743",
        (1_683_207_458, 2_464_759_313),
        "IrVTZBE-6ZI6dM7xpKVv0AGbtE3ZOc9P1y7_zKvkNbfVX89fbZb3Qw",
    );

    /// One whose ciphertext is over 149 bytes.
    const LONG: (&str, (u32, u32), &str) = (
        "80cf27d8a99a1830f0db8befeb4e833d30ee1aa08ec5ecc8ae43672796f61a2f055f69318abbfd80\
         2ecc52a7bb8cdf5d000442786d57c4c73ee294850a39372538a1f32f1e8f5765c8cdb09d8c693e31\
         6e20850c3ef817040f4ab4b0b189ccc6f373062c954e6b57168a9665c579d3923d2760de7b01ff22\
         46cc210706cd00647444de1c99b82b1bc6c78bc867554f099a3f130b6704329d3a699d505cbf1a83\
         f26a988edb9c2e5bdaa082faa99d7b6c319457ec1c898868d33749c88cc6dff6dff8e1fcfca141fb\
         7658daededa4a13bc9158a28835545f2886f232980d8cdeb",
        (1_898_941_402, 982_170_216),
        "2osvcWi6ijqAzyfYqZoYMPDbi-_rToM9MO4aoI7F7MiuQ2cnlvYaLwVfaTGKu_2ALsxSp7uM310ABEJ4\
         bVfExz7ilIUKOTclOKHzLx6PV2XIzbCdjGk-MW4ghQw--BcED0q0sLGJzMbzcwYslU5rVxaKlmXFedOS\
         PSdg3nsB_yJGzCEHBs0AZHRE3hyZuCsbxseLyGdVTwmaPxMLZ-d_gbt36gtWBr6WYs1wq0KfU0jyfrw_\
         vGsXD6tINdmi",
    );

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().as_chunks::<2>().0;
        let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.iter().map(|pair| byte(pair).unwrap()).collect()
    }

    #[test]
    fn names_are_those_of_the_kernel() {
        for (text, (major, minor), name) in [SHORT, LONG] {
            assert_eq!(show(&bytes(text), major, minor).unwrap(), name.as_bytes());
        }
        assert_eq!(
            show(&[7; 15], 0, 0),
            None,
            "no ciphertext is under a block of AES"
        );
    }

    #[test]
    fn a_name_finds_its_entry_and_no_other() {
        for (text, (major, _), name) in [SHORT, LONG] {
            let text = bytes(text);
            let decoded = NoKeyName::decode(name.as_bytes()).unwrap();
            assert!(decoded.hash() == major && decoded.matches(&text));
            let (mut last, mut first) = (text.clone(), text);
            *last.last_mut().unwrap() ^= 1;
            first[0] ^= 1;
            assert!(!decoded.matches(&last) && !decoded.matches(&first));
        }
        assert!(NoKeyName::decode(b"plain name").is_none());
        assert!(
            NoKeyName::decode(b"AAAAAAAAAAA").is_none(),
            "hashes and nothing else"
        );
    }
}
