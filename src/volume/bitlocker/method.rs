//! How the sectors are encrypted: `FVE_KEY_TYPE` from 0x8000 on.

use std::fmt;
use std::sync::Arc;

use super::elephant::Elephant;
use super::sealed::Key;
use crate::crypt::SectorCipher;
use crate::crypt::cipher;
use crate::crypt::iv::{Iv, eboiv};
use crate::crypt::sectors::{self, Numbers, Sectors};
use crate::error::{Error, Result};

/// How AES is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// CBC, and the Elephant diffuser over the sector.
    Elephant,
    /// CBC.
    Cbc,
    /// XTS, with the number of the sector.
    Xts,
}

/// A mode, and bytes of AES's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) mode: Mode,
    pub(super) key: usize,
}

impl Method {
    /// The method of this number.
    ///
    /// # Errors
    /// `Unsupported` where nobody has described it.
    pub(super) fn new(number: u16) -> Result<Self> {
        let (mode, key) = match number {
            0x8000 => (Mode::Elephant, 16),
            0x8001 => (Mode::Elephant, 32),
            0x8002 => (Mode::Cbc, 16),
            0x8003 => (Mode::Cbc, 32),
            0x8004 => (Mode::Xts, 16),
            0x8005 => (Mode::Xts, 32),
            _ => {
                return Err(Error::unsupported(format!(
                    "encryption method {number:#06x}"
                )));
            }
        };
        Ok(Self { mode, key })
    }

    /// What decrypts sectors of `size` bytes, which are encrypted with `key`.
    ///
    /// # Errors
    /// `Corrupt` for a key of another length.
    pub(super) fn cipher(&self, key: &Key, size: usize) -> Result<Arc<dyn SectorCipher>> {
        let (first, second) = self.split(key)?;
        let data = cipher::by_name("aes", first)?;
        let (mode, iv) = match self.mode {
            Mode::Xts => {
                let tweak = cipher::by_name("aes", second)?;
                (sectors::Mode::Xts { data, tweak }, Iv::Plain64)
            }
            Mode::Cbc | Mode::Elephant => {
                let iv = eboiv(&data, size);
                (sectors::Mode::Cbc(data), iv)
            }
        };
        let below = Arc::new(Sectors::new(mode, iv, size, Numbers::BY_SECTOR)?);
        if self.mode != Mode::Elephant {
            return Ok(below);
        }
        let tweak = cipher::by_name("aes", second)?;
        Ok(Arc::new(Elephant { below, tweak }))
    }

    /// The parts of `key`: that of the sectors, and where the mode has one, that of the tweak.
    ///
    /// # Errors
    /// `Corrupt` for one of another length.
    fn split<'k>(&self, key: &'k Key) -> Result<(&'k [u8], &'k [u8])> {
        let bytes = key.bytes.bytes();
        let (len, second) = match self.mode {
            Mode::Cbc => (self.key, None),
            Mode::Xts => (self.key.saturating_mul(2), Some(self.key)),
            // Room for 256 bits each, however long they are.
            Mode::Elephant => (64, Some(32)),
        };
        let wrong = || {
            let text = format!("the key for {self} has {} bytes, not {len}", bytes.len());
            Error::corrupt(text).at(key.at)
        };
        if bytes.len() != len {
            return Err(wrong());
        }
        let part = |at: usize| bytes.get(at..).and_then(|rest| rest.get(..self.key));
        let first = part(0).ok_or_else(wrong)?;
        let second = second.map_or(Some(&[][..]), part);
        Ok((first, second.ok_or_else(wrong)?))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.key.saturating_mul(8);
        match self.mode {
            Mode::Elephant => write!(f, "AES-CBC {bits} with Elephant diffuser"),
            Mode::Cbc => write!(f, "AES-CBC {bits}"),
            Mode::Xts => write!(f, "AES-XTS {bits}"),
        }
    }
}
