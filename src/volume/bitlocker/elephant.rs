//! The Elephant diffuser, which Windows Vista to 8 put over AES-CBC: Niels Ferguson, «AES-CBC +
//! Elephant diffuser: A Disk Encryption Algorithm for Windows Vista», Microsoft, 2006.

use std::sync::Arc;

use crate::crypt::SectorCipher;
use crate::crypt::cipher::{BLOCK, Block, SharedCipher};
use crate::number::to_u64;

/// Cycles of the two diffusers.
const A_CYCLES: usize = 5;
const B_CYCLES: usize = 3;

/// Four words: what the diffusers rotate by repeats after as many.
type Four = [u32; 4];

/// Fours of the largest sector.
const MOST_FOURS: usize = 256;

/// AES-CBC under the diffuser.
pub(super) struct Elephant {
    /// AES-CBC, which decrypts whole sectors.
    pub(super) below: Arc<dyn SectorCipher>,
    /// What the sector keys are encrypted with.
    pub(super) tweak: SharedCipher,
}

impl SectorCipher for Elephant {
    fn sector_size(&self) -> usize {
        self.below.sector_size()
    }

    fn decrypt(&self, first_sector: u64, sectors: &mut [u8]) {
        self.below.decrypt(first_sector, sectors);
        let size = self.sector_size();
        let mut fours = [Four::default(); MOST_FOURS];
        for (number, sector) in (first_sector..).zip(sectors.chunks_exact_mut(size)) {
            let key = self.sector_key(number.wrapping_mul(to_u64(size)));
            let (fours, _) = fours.split_at_mut((size / BLOCK).min(MOST_FOURS));
            load(fours, sector);
            diffuse_b(fours);
            diffuse_a(fours);
            for (four, key) in fours.iter_mut().zip(key.iter().cycle()) {
                four.iter_mut()
                    .zip(key)
                    .for_each(|(word, key)| *word ^= key);
            }
            store(fours, sector);
        }
    }
}

impl Elephant {
    /// The key of the sector at byte `offset`: that, and the same with a bit more, encrypted.
    fn sector_key(&self, offset: u64) -> [Four; 2] {
        let block = |last: u128| Block::from((u128::from(offset) | last << 120).to_le_bytes());
        let mut blocks = [block(0), block(0x80)];
        self.tweak.encrypt(&mut blocks);
        let mut key = [Four::default(); 2];
        for (four, block) in key.iter_mut().zip(&blocks) {
            load(std::slice::from_mut(four), block);
        }
        key
    }
}

/// Decryption through A. The words stand in a ring; to each is added the one two before it,
/// combined with the one five before it, which is rotated.
fn diffuse_a(fours: &mut [Four]) {
    let [.., mut before, mut last] = *fours else {
        return;
    };
    for _ in 0..A_CYCLES {
        for four in &mut *fours {
            let [a, b, c, d] = four;
            let [p, q, r, s] = last;
            *a = a.wrapping_add(r ^ before[3].rotate_left(9));
            *b = b.wrapping_add(s ^ p);
            *c = c.wrapping_add(*a ^ q.rotate_left(13));
            *d = d.wrapping_add(*b ^ r);
            (before, last) = (last, *four);
        }
    }
}

/// Decryption through B: the same with the words behind.
fn diffuse_b(fours: &mut [Four]) {
    let count = fours.len();
    let at = |fours: &[Four], index: usize| {
        let index = index.checked_sub(count).unwrap_or(index);
        fours.get(index).copied().unwrap_or_default()
    };
    for _ in 0..B_CYCLES {
        for index in 0..count {
            let [p, q, r, s] = at(fours, index.saturating_add(1));
            let [after, ..] = at(fours, index.saturating_add(2));
            let Some([a, b, c, d]) = fours.get_mut(index) else {
                return;
            };
            *a = a.wrapping_add(*c ^ q);
            *b = b.wrapping_add(*d ^ r.rotate_left(10));
            *c = c.wrapping_add(p ^ s);
            *d = d.wrapping_add(q ^ after.rotate_left(25));
        }
    }
}

fn load(fours: &mut [Four], bytes: &[u8]) {
    for (four, bytes) in fours.iter_mut().zip(bytes.as_chunks::<BLOCK>().0) {
        for (word, bytes) in four.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
}

fn store(fours: &[Four], bytes: &mut [u8]) {
    for (four, bytes) in fours.iter().zip(bytes.as_chunks_mut::<BLOCK>().0) {
        for (word, bytes) in four.iter().zip(bytes.as_chunks_mut::<4>().0) {
            *bytes = word.to_le_bytes();
        }
    }
}
