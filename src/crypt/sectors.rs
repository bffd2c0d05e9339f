//! Sectors in the modes that chain or tweak their blocks: XTS, CBC, and each block by itself.

use std::num::NonZeroUsize;

use super::SectorCipher;
use super::cipher::{self, BLOCK, Block, SharedCipher, blocks_of, xor};
use super::iv::Iv;
use super::xts;
use crate::error::{Error, Result};
use crate::number::to_u64;

/// Bytes that are decrypted in one go, and the largest sector: few enough to stay in the
/// processor's nearest cache together with as many bytes of tweaks, enough for the widest
/// instructions to be of use.
const GROUP: usize = 4096;

/// Sectors whose vectors are made in one go.
const VECTORS: usize = 128;

/// Blocks of a group.
const GROUP_BLOCKS: usize = GROUP / BLOCK;

/// How blocks are chained.
pub enum Mode {
    /// IEEE 1619: each block between two additions of its tweak.
    Xts {
        /// For the data.
        data: SharedCipher,
        /// For the vectors.
        tweak: SharedCipher,
    },
    /// Each block added to the ciphertext before it.
    Cbc(SharedCipher),
    /// Each block by itself.
    Ecb(SharedCipher),
    /// The vector, counted up as a number whose highest byte stands first, encrypted and added.
    Ctr(SharedCipher),
}

impl Mode {
    /// The mode that the Linux kernel calls `mode`, of the cipher that it calls `cipher`.
    ///
    /// # Errors
    /// `Unsupported` for a cipher or mode that is not known here, `Corrupt` for a key of a wrong
    /// length.
    pub fn by_name(cipher: &str, mode: &str, key: &[u8]) -> Result<Self> {
        match mode {
            "xts" => {
                let (data, tweak) = key.split_at(key.len() / 2);
                Ok(Self::Xts {
                    data: cipher::by_name(cipher, data)?,
                    tweak: cipher::by_name(cipher, tweak)?,
                })
            }
            "cbc" => Ok(Self::Cbc(cipher::by_name(cipher, key)?)),
            "ecb" => Ok(Self::Ecb(cipher::by_name(cipher, key)?)),
            "ctr" => Ok(Self::Ctr(cipher::by_name(cipher, key)?)),
            _ => {
                let mode = crate::error::printable(mode.as_bytes());
                Err(Error::unsupported(format!(
                    "cipher mode {mode} is not read"
                )))
            }
        }
    }
}

/// Which number makes a sector's vector: `first + step * sector`.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// That of sector 0.
    pub first: u64,
    /// From one sector to the next: 1, or how many units of 512 bytes a larger sector has.
    pub step: u64,
}

impl Numbers {
    /// Sectors counted by themselves.
    pub const BY_SECTOR: Self = Self { first: 0, step: 1 };

    /// Sectors of `sector_size` bytes counted in units of 512 bytes, the first of which is `first`.
    #[must_use]
    pub fn by_512(first: u64, sector_size: usize) -> Self {
        let step = to_u64(sector_size / 512).max(1);
        Self { first, step }
    }
}

/// Sectors of one size in one mode.
pub struct Sectors {
    mode: Mode,
    iv: Iv,
    sector_size: NonZeroUsize,
    numbers: Numbers,
}

impl Sectors {
    /// Sectors of `sector_size` bytes.
    ///
    /// # Errors
    /// `Corrupt` for a size that is no whole number of blocks, or over 4,096.
    pub fn new(mode: Mode, iv: Iv, sector_size: usize, numbers: Numbers) -> Result<Self> {
        let is_good = sector_size <= GROUP && sector_size.is_multiple_of(BLOCK);
        let checked = NonZeroUsize::new(sector_size).filter(|_| is_good);
        let sector_size = checked.ok_or_else(|| {
            let text = format!("sector size {sector_size} is no multiple of 16 up to {GROUP}");
            Error::corrupt(text)
        })?;
        Ok(Self {
            mode,
            iv,
            sector_size,
            numbers,
        })
    }

    /// Decrypts as many sectors as there are `vectors`.
    fn decrypt_with(&self, vectors: &mut [Block], sectors: &mut [u8]) {
        if let Mode::Xts { tweak, .. } = &self.mode {
            tweak.encrypt(vectors);
        }
        let in_group = (GROUP / self.sector_size).max(1);
        let groups = sectors.chunks_mut(in_group.saturating_mul(self.sector_size()));
        for (vectors, group) in vectors.chunks(in_group).zip(groups) {
            let group = blocks_of(group);
            let blocks = self.sector_size() / BLOCK;
            match &self.mode {
                Mode::Xts { data, .. } => decrypt_xts(&**data, vectors, blocks, group),
                Mode::Cbc(data) => decrypt_cbc(&**data, vectors, blocks, group),
                Mode::Ecb(data) => data.decrypt(group),
                Mode::Ctr(data) => decrypt_ctr(&**data, vectors, blocks, group),
            }
        }
    }
}

impl SectorCipher for Sectors {
    fn sector_size(&self) -> usize {
        self.sector_size.get()
    }

    fn decrypt(&self, first_sector: u64, sectors: &mut [u8]) {
        let left_over = sectors.len() % self.sector_size;
        let whole = sectors.len().saturating_sub(left_over);
        let (sectors, _) = sectors.split_at_mut(whole);
        let mut sector = first_sector;
        let mut vectors = [Block::default(); VECTORS];
        for piece in sectors.chunks_mut(VECTORS.saturating_mul(self.sector_size())) {
            let count = piece.len() / self.sector_size;
            let (vectors, _) = vectors.split_at_mut(count.min(VECTORS));
            let Numbers { first, step } = self.numbers;
            let number = first.wrapping_add(sector.wrapping_mul(step));
            self.iv.fill(number, step, vectors);
            self.decrypt_with(vectors, piece);
            sector = sector.wrapping_add(to_u64(count));
        }
    }
}

/// `group`, at most [`GROUP`] bytes, of sectors of `blocks` each.
fn decrypt_xts(
    data: &dyn cipher::BlockCipher,
    vectors: &[Block],
    blocks: usize,
    group: &mut [Block],
) {
    let mut tweaks = [Block::default(); GROUP_BLOCKS];
    for (tweaks, vector) in tweaks.chunks_mut(blocks).zip(vectors) {
        xts::expand(vector, tweaks);
    }
    xor(group, &tweaks);
    data.decrypt(group);
    xor(group, &tweaks);
}

fn decrypt_cbc(
    data: &dyn cipher::BlockCipher,
    vectors: &[Block],
    blocks: usize,
    group: &mut [Block],
) {
    // What each block is added to: the block before it, the vector at the start of a sector.
    let mut before = [Block::default(); GROUP_BLOCKS];
    for (before, block) in before.iter_mut().skip(1).zip(&*group) {
        *before = *block;
    }
    for (before, vector) in before.chunks_mut(blocks).zip(vectors) {
        if let Some(first) = before.first_mut() {
            *first = *vector;
        }
    }
    data.decrypt(group);
    xor(group, &before);
}

fn decrypt_ctr(
    data: &dyn cipher::BlockCipher,
    vectors: &[Block],
    blocks: usize,
    group: &mut [Block],
) {
    let mut stream = [Block::default(); GROUP_BLOCKS];
    for (stream, vector) in stream.chunks_mut(blocks).zip(vectors) {
        let mut counter = u128::from_be_bytes((*vector).into());
        for block in stream {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
    }
    let (stream, _) = stream.split_at_mut(group.len().min(GROUP_BLOCKS));
    data.encrypt(stream);
    xor(group, stream);
}
