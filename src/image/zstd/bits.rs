//! Bits in both directions: forwards in table descriptions, backwards in the sequences (RFC 8878,
//! 4.1).

use crate::number::to_usize;

/// The `len` bits of `bytes` from bit `at` on, at most 56; zeros past the end.
fn bits(bytes: &[u8], at: usize, len: u32) -> u64 {
    let rest = bytes.get(at >> 3..).unwrap_or_default();
    let word = match rest.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => {
            let mut word = [0; 8];
            for (into, from) in word.iter_mut().zip(rest) {
                *into = *from;
            }
            u64::from_le_bytes(word)
        }
    };
    let mask = (1_u64 << (len & 63)).wrapping_sub(1);
    word >> (at & 7) & mask
}

/// From the first bit on.
pub(super) struct Forward<'bytes> {
    bytes: &'bytes [u8],
    at: usize,
}

impl<'bytes> Forward<'bytes> {
    pub(super) fn new(bytes: &'bytes [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `len` bits; zeros past the end, as [`Forward::used`] shows.
    pub(super) fn take(&mut self, len: u32) -> u64 {
        let value = bits(self.bytes, self.at, len);
        self.at = self.at.saturating_add(to_usize(u64::from(len)));
        value
    }

    /// Gives back one bit.
    pub(super) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// Bytes that were used, the last of them perhaps in part; `None` past the end.
    pub(super) fn used(&self) -> Option<usize> {
        let used = self.at.div_ceil(8);
        (used <= self.bytes.len()).then_some(used)
    }
}

/// From the last bit on: the highest bit that is set in the last byte marks the end.
pub(super) struct Backward<'bytes> {
    bytes: &'bytes [u8],
    left: usize,
}

impl<'bytes> Backward<'bytes> {
    /// `None` for a stream without its mark.
    pub(super) fn new(bytes: &'bytes [u8]) -> Option<Self> {
        let last = bytes.last().filter(|last| **last != 0)?;
        let padding = to_usize(u64::from(last.leading_zeros())).checked_add(1)?;
        let left = bytes.len().checked_mul(8)?.checked_sub(padding)?;
        Some(Self { bytes, left })
    }

    /// The next `len` bits; `None` where fewer are left.
    pub(super) fn take(&mut self, len: u32) -> Option<u64> {
        self.left = self.left.checked_sub(to_usize(u64::from(len)))?;
        Some(bits(self.bytes, self.left, len))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }
}

/// The number of the highest bit that is set in `value`, which is not 0.
pub(super) fn highest_bit(value: u64) -> u32 {
    value.max(1).ilog2()
}
