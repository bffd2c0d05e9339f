//! From what somebody types to a key: a million rounds of SHA-256.

use sha2::digest::generic_array::GenericArray;
use sha2::digest::typenum::U64;
use sha2::{Digest, Sha256, compress256};
use zeroize::{Zeroize, Zeroizing};

use super::sealed::SEALING;
use crate::crypt::kdf::Cost;

/// Rounds, of which Windows knows no other number.
const ROUNDS: u64 = 0x10_0000;

/// What [`stretch`] costs. A round has two blocks of SHA-256, as a round of PBKDF2 has for each block
/// of its key; so that is half of as many rounds over two blocks, of which 1,200,000 are a second.
pub(super) const COST: Cost = Cost {
    memory: 0,
    milliseconds: 440,
};

/// The initial state of SHA-256 (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A block of SHA-256's.
type Block = GenericArray<u8, U64>;

/// A hash, as SHA-256 gives it.
pub(super) type Hash = Zeroizing<[u8; SEALING]>;

/// The hash of a password, which is UTF-16 without a zero at its end.
pub(super) fn of_password(text: &str) -> Hash {
    // No character has more bytes than twice those of UTF-8, so that it never moves in memory.
    let room = text.len().saturating_mul(2);
    let mut units = Zeroizing::new(Vec::with_capacity(room));
    units.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let once: [u8; SEALING] = Sha256::digest(units.as_slice()).into();
    let once = Zeroizing::new(once);
    Zeroizing::new(Sha256::digest(*once).into())
}

/// The hash of what a recovery password stands for.
pub(super) fn of_recovery(key: &[u8; 16]) -> Hash {
    Zeroizing::new(Sha256::digest(key).into())
}

/// The key that `hash` and `salt` give.
///
/// Each round hashes 88 bytes: the hash of the round before, `hash`, `salt` and the number of the
/// round. That is two blocks of SHA-256, of which only the first half of one and a number in the
/// other change: they are compressed as they stand, without a hasher's state in between.
pub(super) fn stretch(hash: &Hash, salt: &[u8; 16]) -> Hash {
    let mut blocks = [Block::default(); 2];
    let [first, second] = &mut blocks;
    put(first, 32, &**hash);
    put(second, 0, salt);
    // The end of the message, and its length in bits.
    put(second, 24, &[0x80]);
    put(second, 56, &(88_u64 * 8).to_be_bytes());
    let mut last = Hash::new([0; SEALING]);
    for round in 0..ROUNDS {
        let [first, second] = &mut blocks;
        put(first, 0, &*last);
        put(second, 16, &round.to_le_bytes());
        let mut state = INITIAL;
        compress256(&mut state, &blocks);
        for (bytes, word) in last.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
    }
    blocks.iter_mut().for_each(|block| block.zeroize());
    last
}

fn put(block: &mut Block, at: usize, bytes: &[u8]) {
    let place = block
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..bytes.len()));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}
