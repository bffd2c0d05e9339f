//! Keys, and AES-CCM around them: whoever has not the right key knows it.

use super::datum::{self, Datum};
use super::layout::{self, kind};
use crate::error::{Error, Result};
use crate::format::Secret;
use aes::Aes256;
use ccm::Ccm;
use ccm::aead::inout::InOutBuf;
use ccm::aead::{AeadInOut, KeyInit};
use ccm::consts::{U12, U16};

/// Bytes of a key that seals others.
pub(super) const SEALING: usize = 32;

/// A key, and what it is for.
pub(super) struct Key {
    /// `FVE_KEY_TYPE`.
    pub(super) kind: u16,
    pub(super) bytes: Secret,
    /// Where it, or what it was sealed in, lies.
    pub(super) at: u64,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a key of type {:#06x}", self.kind)
    }
}

impl Key {
    /// The key that is `datum`.
    ///
    /// # Errors
    /// `Corrupt` where it is none; `Io` where memory is short.
    pub(super) fn parse(datum: &Datum<'_>) -> Result<Self> {
        if datum.kind != kind::KEY {
            let text = format!("a datum of type {} where a key should be", datum.kind);
            return Err(Error::corrupt(text).at(datum.at));
        }
        let (head, bytes) = datum.parse::<layout::Key>()?;
        Ok(Self {
            kind: head.KeyType.get(),
            bytes: Secret::new(bytes)?,
            at: datum.at,
        })
    }

    /// It as a key that seals others.
    ///
    /// # Errors
    /// `Corrupt` for one of another length.
    pub(super) fn sealing(&self) -> Result<&[u8; SEALING]> {
        let bytes = self.bytes.bytes();
        bytes.try_into().map_err(|_| {
            let (kind, len) = (self.kind, bytes.len());
            Error::corrupt(format!(
                "a key of type {kind:#06x} has {len} bytes, not {SEALING}"
            ))
            .at(self.at)
        })
    }
}

/// A sealed datum.
#[derive(Debug)]
pub(super) struct Sealed {
    nonce: [u8; 12],
    mac: [u8; 16],
    bytes: Vec<u8>,
    pub(super) at: u64,
}

impl Sealed {
    /// The sealed datum that is `datum`.
    ///
    /// # Errors
    /// `Corrupt` where it is too short.
    pub(super) fn parse(datum: &Datum<'_>) -> Result<Self> {
        let (head, bytes) = datum.parse::<layout::AesCcmEncrypted>()?;
        Ok(Self {
            nonce: head.Nonce,
            mac: head.MAC,
            bytes: bytes.to_vec(),
            at: datum.at,
        })
    }

    /// What is in it; `None` where `key` is the wrong one.
    ///
    /// # Errors
    /// `Corrupt` where the right key finds no key in it.
    pub(super) fn open(&self, key: &[u8; SEALING]) -> Result<Option<Key>> {
        let cipher = Ccm::<Aes256, U16, U12>::new(key.into());
        let mut bytes = Secret::new(&self.bytes)?;
        let buffer = InOutBuf::from(bytes.bytes_mut());
        let (nonce, mac) = (&self.nonce.into(), &self.mac.into());
        if cipher
            .decrypt_inout_detached(nonce, b"", buffer, mac)
            .is_err()
        {
            return Ok(None);
        }
        let datum = datum::first(bytes.bytes(), self.at);
        let none = || Error::corrupt("what is sealed is no datum").at(self.at);
        Key::parse(&datum.ok_or_else(none)?).map(Some)
    }
}
