//! How LUKS writes down a cipher, its mode and its vectors: `aes-xts-plain64`, or in the words of the
//! kernel's crypto API `capi:xts(aes)-plain64`.

use std::fmt;
use std::sync::Arc;

use super::SectorCipher;
use super::iv::Iv;
use super::sectors::{Mode, Numbers, Sectors};
use crate::error::{Error, Result, printable};

/// The cipher that leaves everything as it is.
const NULL: &str = "cipher_null";

/// A cipher, its mode and its vectors, not yet known to exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    cipher: String,
    mode: String,
    iv: String,
}

impl Spec {
    /// Reads `text`. A mode without vectors has zeros.
    ///
    /// # Errors
    /// `Corrupt` where there is no mode.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            let text = printable(text.as_bytes());
            Error::corrupt(format!(
                "cipher \"{text}\" is not of the form cipher-mode-iv"
            ))
        };
        let (cipher, mode, iv) = match text.strip_prefix("capi:") {
            Some(text) => {
                let (mode, rest) = text.split_once('(').ok_or_else(wrong)?;
                let (cipher, iv) = rest.split_once(')').ok_or_else(wrong)?;
                (cipher, mode, iv.strip_prefix('-').unwrap_or(iv))
            }
            None => {
                let (cipher, rest) = text.split_once('-').ok_or_else(wrong)?;
                let (mode, iv) = rest.split_once('-').unwrap_or((rest, ""));
                (cipher, mode, iv)
            }
        };
        Ok(Self {
            cipher: cipher.to_owned(),
            mode: mode.to_owned(),
            iv: iv.to_owned(),
        })
    }

    /// Whether it encrypts nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.cipher == NULL
    }

    /// Sectors of `sector_size` bytes under `key`, the first of which has vector number `first`, in
    /// units of 512 bytes.
    ///
    /// # Errors
    /// `Unsupported` for a cipher, mode or vectors that are not known here; `Corrupt` for a key of a
    /// length that the cipher does not have.
    pub fn sectors(
        &self,
        key: &[u8],
        sector_size: usize,
        first: u64,
    ) -> Result<Arc<dyn SectorCipher>> {
        if self.is_null() {
            return Ok(Arc::new(Plain { sector_size }));
        }
        let iv = match self.iv.as_str() {
            "" => Iv::Null,
            // dm-crypt multiplies the number, which LUKS counts in 512 bytes, by the sector's size:
            // of larger ones that is no offset, and there is nobody to compare it with.
            "eboiv" if sector_size > 512 => {
                let text =
                    format!("vectors eboiv with sectors of {sector_size} bytes are not read");
                return Err(Error::unsupported(text));
            }
            name => Iv::by_name(name, &self.cipher, key)?,
        };
        let mode = Mode::by_name(&self.cipher, &self.mode, key)?;
        let numbers = Numbers::by_512(first, sector_size);
        Ok(Arc::new(Sectors::new(mode, iv, sector_size, numbers)?))
    }

    /// Fails where [`Spec::sectors`] would for a key of `len` bytes, whatever they are, and such
    /// sectors.
    ///
    /// # Errors
    /// Its own.
    pub fn check(&self, len: usize, sector_size: usize) -> Result<()> {
        self.sectors(&crate::source::zeroed(len)?, sector_size, 0)
            .map(|_| ())
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cipher, mode, iv } = self;
        let between = if iv.is_empty() { "" } else { "-" };
        let text = format!("{cipher}-{mode}{between}{iv}");
        f.write_str(&printable(text.as_bytes()))
    }
}

/// Sectors that nobody encrypted.
struct Plain {
    sector_size: usize,
}

impl SectorCipher for Plain {
    fn sector_size(&self) -> usize {
        self.sector_size
    }

    fn decrypt(&self, _first_sector: u64, _sectors: &mut [u8]) {}
}
