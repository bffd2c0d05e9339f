//! The integrity check of a block (2.1.1.2 and 3.4). It goes on where a decoder goes on, so that a
//! block is checked at its end also when it was not read in one go.

use std::sync::LazyLock;

use sha2::digest::generic_array::GenericArray;

use super::lzma2::Kept;
use crate::error::{Error, Result};
use crate::number::to_u64;

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    None,
    Crc32,
    Crc64,
    Sha256,
    /// One of those that are reserved; it is so many bytes long, and not verified.
    Other(u8, usize),
}

impl Check {
    /// From Stream Flags.
    pub(super) fn new(flags: [u8; 2]) -> Result<Self> {
        let [first, kind] = flags;
        if first != 0 || kind > 0x0f {
            let text = format!("stream_flags {first:#04x} {kind:#04x} are not known");
            return Err(Error::unsupported(text));
        }
        Ok(match kind {
            0 => Self::None,
            1 => Self::Crc32,
            4 => Self::Crc64,
            10 => Self::Sha256,
            2 | 3 => Self::Other(kind, 4),
            5 | 6 => Self::Other(kind, 8),
            7..=9 => Self::Other(kind, 16),
            11 | 12 => Self::Other(kind, 32),
            _ => Self::Other(kind, 64),
        })
    }

    /// Bytes that it takes in the file.
    pub(super) fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc32 => 4,
            Self::Crc64 => 8,
            Self::Sha256 => 32,
            Self::Other(_, len) => len,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Crc32 => "CRC32".to_owned(),
            Self::Crc64 => "CRC64".to_owned(),
            Self::Sha256 => "SHA-256".to_owned(),
            Self::Other(kind, _) => format!("unknown ({kind:#x})"),
        }
    }
}

/// A check under way.
pub(super) enum Sum {
    Nothing,
    Crc32(crc32fast::Hasher),
    Crc64(u64),
    Sha256(Box<Sha256>),
}

impl Sum {
    pub(super) fn new(check: Check) -> Self {
        match check {
            Check::None | Check::Other(..) => Self::Nothing,
            Check::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Check::Crc64 => Self::Crc64(0),
            Check::Sha256 => Self::Sha256(Box::new(Sha256::new())),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Crc32(sum) => sum.update(bytes),
            Self::Crc64(sum) => *sum = crc64(*sum, bytes),
            Self::Sha256(sum) => sum.update(bytes),
        }
    }

    /// Whether `stored`, the field in the file, is the check of all that came.
    pub(super) fn is(&self, stored: &[u8]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Crc32(sum) => sum.clone().finalize().to_le_bytes() == *stored,
            Self::Crc64(sum) => sum.to_le_bytes() == *stored,
            Self::Sha256(sum) => sum.finish() == *stored,
        }
    }

    /// Appends what is needed to go on.
    pub(super) fn keep(&self, into: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Crc32(sum) => into.extend(sum.clone().finalize().to_le_bytes()),
            Self::Crc64(sum) => into.extend(sum.to_le_bytes()),
            Self::Sha256(sum) => sum.keep(into),
        }
    }

    /// Takes back what [`Sum::keep`] gave for a check of the same kind.
    pub(super) fn restore(&mut self, kept: &mut Kept<'_>) -> Option<()> {
        match self {
            Self::Nothing => {}
            Self::Crc32(sum) => *sum = crc32fast::Hasher::new_with_initial(kept.word()?),
            Self::Crc64(sum) => *sum = kept.long()?,
            Self::Sha256(sum) => sum.restore(kept)?,
        }
        Some(())
    }
}

/// ECMA-182, bits reversed.
const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

/// For each byte, eight times: what it does to the sum from so many bytes further on.
static TABLES: LazyLock<[[u64; 256]; 8]> = LazyLock::new(tables);

fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0_u64; 256]; 8];
    let mut before: [u64; 256] = std::array::from_fn(to_u64);
    for table in &mut tables {
        for (slot, value) in table.iter_mut().zip(before) {
            *slot = (0..8).fold(value, |sum, _| {
                (sum >> 1) ^ (POLYNOMIAL & (sum & 1).wrapping_neg())
            });
        }
        before = *table;
    }
    tables
}

/// The CRC64 of what had `sum`, and `bytes` behind it.
fn crc64(sum: u64, bytes: &[u8]) -> u64 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &*TABLES;
    let look = |table: &[u64; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
    let mut sum = !sum;
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let [a, b, c, d, e, f, g, h] = (sum ^ u64::from_le_bytes(*eight)).to_le_bytes();
        sum = look(t7, a) ^ look(t6, b) ^ look(t5, c) ^ look(t4, d);
        sum ^= look(t3, e) ^ look(t2, f) ^ look(t1, g) ^ look(t0, h);
    }
    for byte in rest {
        let [low, ..] = sum.to_le_bytes();
        sum = look(t0, low ^ byte) ^ (sum >> 8);
    }
    !sum
}

/// SHA-256 whose state can be written down, which that of the `sha2` crate can't: only its
/// compression function is used.
pub(super) struct Sha256 {
    state: [u32; 8],
    len: u64,
    block: [u8; 64],
}

impl Sha256 {
    fn new() -> Self {
        Self {
            state: [
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ],
            len: 0,
            block: [0; 64],
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let filled = crate::number::to_usize(self.len % 64);
            if filled == 0 && rest.len() >= 64 {
                let (blocks, tail) = rest.as_chunks::<64>();
                for block in blocks {
                    compress(&mut self.state, block);
                }
                self.len = self
                    .len
                    .wrapping_add(to_u64(rest.len().saturating_sub(tail.len())));
                rest = tail;
                continue;
            }
            let room = self.block.get_mut(filled..).unwrap_or(&mut []);
            let len = room.len().min(rest.len());
            let (now, later) = rest.split_at(len);
            room.split_at_mut(len).0.copy_from_slice(now);
            self.len = self.len.wrapping_add(to_u64(len));
            if self.len.is_multiple_of(64) {
                compress(&mut self.state, &self.block);
            }
            rest = later;
        }
    }

    fn finish(&self) -> [u8; 32] {
        let mut end = Self { ..*self };
        let bits = self.len.wrapping_mul(8);
        end.update(&[0x80]);
        while end.len % 64 != 56 {
            end.update(&[0]);
        }
        end.update(&bits.to_be_bytes());
        let mut digest = [0; 32];
        for (four, word) in digest.chunks_exact_mut(4).zip(end.state) {
            four.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }

    fn keep(&self, into: &mut Vec<u8>) {
        for word in self.state {
            into.extend(word.to_le_bytes());
        }
        into.extend(self.len.to_le_bytes());
        into.extend(self.block);
    }

    fn restore(&mut self, kept: &mut Kept<'_>) -> Option<()> {
        for word in &mut self.state {
            *word = kept.word()?;
        }
        self.len = kept.long()?;
        self.block = kept.array()?;
        Some(())
    }
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    sha2::compress256(state, std::slice::from_ref(GenericArray::from_slice(block)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc64_is_that_of_the_catalogue() {
        assert_eq!(crc64(0, b"123456789"), 0x995d_c9bb_df19_39fa);
        assert_eq!(crc64(crc64(0, b"1234"), b"56789"), crc64(0, b"123456789"));
        let long: Vec<u8> = (0..=255).cycle().take(1003).collect();
        let slow = long.iter().fold(0, |sum, byte| crc64(sum, &[*byte]));
        assert_eq!(crc64(0, &long), slow);
    }

    #[test]
    fn sha256_is_that_of_the_crate_in_any_pieces() {
        use sha2::Digest;
        let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for len in [0, 1, 55, 56, 63, 64, 65, 127, 128, 1000, 5000] {
            for piece in [1, 7, 64, 100, 5000] {
                let mut sum = Sha256::new();
                for part in bytes[..len].chunks(piece) {
                    sum.update(part);
                }
                assert_eq!(sum.finish()[..], sha2::Sha256::digest(&bytes[..len])[..]);
            }
        }
    }
}
