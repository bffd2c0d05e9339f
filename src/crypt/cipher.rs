//! Block ciphers by name. Which instructions of the processor they use is found out by the crates
//! while the program runs; their keys are wiped when they are dropped.

use std::sync::Arc;

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit, consts::U16};
use aes::{Aes128, Aes192, Aes256};
use camellia::{Camellia128, Camellia192, Camellia256};
use serpent::Serpent;
use twofish::Twofish;

use crate::error::{Error, Result, printable};

/// One block: 16 bytes, which all ciphers here have.
pub type Block = aes::Block;

/// Bytes of a block.
pub const BLOCK: usize = 16;

/// A block cipher with its key. Many blocks at once are many times faster than as many calls.
pub trait BlockCipher: Send + Sync {
    /// Encrypts each of `blocks` by itself.
    fn encrypt(&self, blocks: &mut [Block]);

    /// Decrypts each of `blocks` by itself.
    fn decrypt(&self, blocks: &mut [Block]);
}

/// A cipher that several own.
pub type SharedCipher = Arc<dyn BlockCipher>;

impl<C> BlockCipher for C
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + Send + Sync,
{
    fn encrypt(&self, blocks: &mut [Block]) {
        self.encrypt_blocks(blocks);
    }

    fn decrypt(&self, blocks: &mut [Block]) {
        self.decrypt_blocks(blocks);
    }
}

/// The cipher that the Linux kernel calls `name`, with `key`.
///
/// # Errors
/// `Unsupported` for a cipher that is not known here, `Corrupt` for a key of a length that it does
/// not have.
pub fn by_name(name: &str, key: &[u8]) -> Result<SharedCipher> {
    match (name, key.len()) {
        ("aes", 16) => new::<Aes128>(key),
        ("aes", 24) => new::<Aes192>(key),
        ("aes", 32) => new::<Aes256>(key),
        ("camellia", 16) => new::<Camellia128>(key),
        ("camellia", 24) => new::<Camellia192>(key),
        ("camellia", 32) => new::<Camellia256>(key),
        ("serpent", 16 | 24 | 32) => new::<Serpent>(key),
        ("twofish", 16 | 24 | 32) => new::<Twofish>(key),
        ("aes" | "camellia" | "serpent" | "twofish", length) => {
            let text = format!("{name} has no key of {length} bytes");
            Err(Error::corrupt(text))
        }
        _ => {
            let name = printable(name.as_bytes());
            Err(Error::unsupported(format!("cipher {name} is not read")))
        }
    }
}

fn new<C: BlockCipher + KeyInit + 'static>(key: &[u8]) -> Result<SharedCipher> {
    let cipher = C::new_from_slice(key);
    let cipher = cipher.map_err(|_| Error::corrupt("the key has a wrong length"))?;
    Ok(Arc::new(cipher))
}

/// `bytes` as whole blocks; what is behind the last of them is left out.
pub fn blocks_of(bytes: &mut [u8]) -> &mut [Block] {
    Block::slice_as_chunks_mut(bytes).0
}

/// `a ^= b`, block by block.
pub(super) fn xor(a: &mut [Block], b: &[Block]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = number_to_block(block_to_number(a) ^ block_to_number(b));
    }
}

/// The block as a number whose lowest byte stands first.
pub(super) fn block_to_number(block: &Block) -> u128 {
    u128::from_le_bytes((*block).into())
}

/// The reverse.
pub(super) fn number_to_block(number: u128) -> Block {
    number.to_le_bytes().into()
}
