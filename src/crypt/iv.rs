//! Initialisation vectors: what makes equal sectors at different places differ. As the Linux
//! kernel's dm-crypt names and makes them (`drivers/md/dm-crypt.c`).

use std::sync::Arc;

use super::cipher::{self, Block, SharedCipher};
use super::hash::Hash;
use crate::error::{Error, Result, printable};
use crate::format::Secret;
use crate::number::to_u64;

/// How many blocks of 16 bytes the unit has in which sectors are counted.
const BLOCKS_OF_512: u64 = 32;

/// How a sector's number becomes its vector.
#[derive(Clone)]
pub enum Iv {
    /// Zeros.
    Null,
    /// The number's low 32 bits, lowest byte first.
    Plain,
    /// All 64 bits, lowest byte first.
    Plain64,
    /// All 64 bits in the last eight bytes, highest byte first.
    Plain64Be,
    /// As [`Iv::Plain64`], then encrypted with a hash of the key.
    Essiv(SharedCipher),
    /// The first byte's offset in the volume, lowest byte first, then encrypted with the key:
    /// BitLocker's CBC.
    Eboiv {
        /// The data's own cipher.
        cipher: SharedCipher,
        /// Bytes from one number to the next.
        unit: u64,
    },
    /// The number of the first 16-byte block from 1 on, in the last eight bytes, highest byte first.
    Benbi,
}

impl Iv {
    /// The vectors that dm-crypt calls `name`, of sectors counted in 512 bytes that `cipher`
    /// encrypts with `key`.
    ///
    /// # Errors
    /// `Unsupported` for those that are not known here.
    pub fn by_name(name: &str, cipher: &str, key: &[u8]) -> Result<Self> {
        match name.split_once(':') {
            None => match name {
                "null" => Ok(Self::Null),
                "plain" => Ok(Self::Plain),
                "plain64" => Ok(Self::Plain64),
                "plain64be" => Ok(Self::Plain64Be),
                "benbi" => Ok(Self::Benbi),
                "eboiv" => Ok(Self::Eboiv {
                    cipher: cipher::by_name(cipher, key)?,
                    unit: 512,
                }),
                _ => Err(unknown(name)),
            },
            Some(("essiv", hash)) => {
                let hash = Hash::by_name(hash)?;
                let mut salt = Secret::zeros(hash.size())?;
                hash.digest(&[key], salt.bytes_mut());
                Ok(Self::Essiv(cipher::by_name(cipher, salt.bytes())?))
            }
            Some(_) => Err(unknown(name)),
        }
    }

    /// The vectors of the numbers `first`, `first + step` and so on. Numbers wrap, as dm-crypt's do.
    pub fn fill(&self, first: u64, step: u64, vectors: &mut [Block]) {
        for (index, vector) in vectors.iter_mut().enumerate() {
            let number = first.wrapping_add(to_u64(index).wrapping_mul(step));
            *vector = self.plain(number);
        }
        if let Self::Essiv(cipher) | Self::Eboiv { cipher, .. } = self {
            cipher.encrypt(vectors);
        }
    }

    /// The vector before it is encrypted, where it is.
    fn plain(&self, number: u64) -> Block {
        let little = |number: u64| cipher::number_to_block(u128::from(number));
        let big = |number: u64| Block::from(u128::from(number).to_be_bytes());
        match self {
            Self::Null => little(0),
            Self::Plain => little(number & u64::from(u32::MAX)),
            Self::Plain64 | Self::Essiv(_) => little(number),
            Self::Plain64Be => big(number),
            Self::Eboiv { unit, .. } => little(number.wrapping_mul(*unit)),
            Self::Benbi => {
                let blocks = number.wrapping_mul(BLOCKS_OF_512);
                big(blocks.wrapping_add(1))
            }
        }
    }
}

fn unknown(name: &str) -> Error {
    let name = printable(name.as_bytes());
    Error::unsupported(format!("initialisation vectors {name} are not read"))
}

/// The vectors of BitLocker's CBC over sectors of `sector_size` bytes.
#[must_use]
pub fn eboiv(cipher: &SharedCipher, sector_size: usize) -> Iv {
    Iv::Eboiv {
        cipher: Arc::clone(cipher),
        unit: to_u64(sector_size),
    }
}
