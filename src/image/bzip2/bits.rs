//! Bits of the file, the highest of each byte first: blocks begin at any of them.

use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, check_range, zeroed};

/// What a block begins with: the digits of pi.
pub(super) const BLOCK_MAGIC: u64 = 0x3141_5926_5359;
/// What stands behind the last block of a stream: the digits of pi's square root.
pub(super) const END_MAGIC: u64 = 0x1772_4538_5090;
/// The 48 bits of a magic.
const MAGIC_MASK: u64 = (1 << 48) - 1;
/// Bytes that are read at once.
const PIECE: u64 = 256 << 10;

/// `count` bits, 64 at most, from bit `at` on.
///
/// # Errors
/// `Corrupt` where the file ends before.
pub(super) fn read(source: &dyn Source, at: u64, count: u32) -> Result<u64> {
    let mut bytes = [0; 9];
    let skipped = u32::try_from(at % 8).unwrap_or(0);
    let len = to_usize(u64::from(count.saturating_add(skipped)).div_ceil(8));
    let (bytes, _) = bytes.split_at_mut(len.min(9));
    check_range(source, at / 8, bytes.len()).map_err(|_| cut_off(source))?;
    source.read_exact_at(bytes, at / 8)?;
    let all = bytes
        .iter()
        .fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
    let behind = to_u64(bytes.len()).saturating_mul(8);
    let behind = behind.saturating_sub(u64::from(skipped.saturating_add(count)));
    let mask = (1_u128 << count).wrapping_sub(1);
    Ok(u64::try_from((all >> behind) & mask).unwrap_or(0))
}

pub(super) fn cut_off(source: &dyn Source) -> Error {
    Error::corrupt("the bzip2 stream is cut off").at(source.size())
}

/// The first magic, of a block or an end, that begins at bit `from` or behind, and before bit `to`.
pub(super) fn find(source: &dyn Source, from: u64, to: u64) -> Result<Option<u64>> {
    let size = source.size();
    let mut buf = Vec::new();
    let mut start = from / 8;
    while start < size && start.saturating_mul(8) < to {
        let len = to_usize(size.saturating_sub(start).min(PIECE));
        if buf.len() != len {
            buf = zeroed(len)?;
        }
        source.read_exact_at(&mut buf, start)?;
        let first = start.saturating_mul(8);
        for bit in Magics::new(&buf) {
            let bit = first.saturating_add(bit);
            if bit >= to {
                return Ok(None);
            }
            if bit >= from {
                return Ok(Some(bit));
            }
        }
        if to_u64(len) < PIECE {
            return Ok(None);
        }
        // A magic over the end of this piece is looked for from its beginning.
        start = start.saturating_add(PIECE - 6);
    }
    Ok(None)
}

/// The bits at which a magic begins in some bytes.
struct Magics<'a> {
    bytes: &'a [u8],
    /// The byte whose fourth successor is looked at next.
    at: usize,
    /// Found at once, to be given one by one.
    shift: u32,
}

/// Whether a byte can be the third of the seven over which a magic lies, which is whole in it.
static THIRD: [bool; 256] = third();

const fn third() -> [bool; 256] {
    let mut table = [false; 256];
    let mut shift = 0;
    while shift < 8 {
        // Bits 16 to 24 of the seven bytes, where the magic begins `shift` bits after their first.
        mark(&mut table, BLOCK_MAGIC, shift);
        mark(&mut table, END_MAGIC, shift);
        shift = next(shift);
    }
    table
}

#[allow(clippy::arithmetic_side_effects)] // shift is 0 to 7
const fn next(shift: u32) -> u32 {
    shift + 1
}

#[allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing
)]
const fn mark(table: &mut [bool; 256], magic: u64, shift: u32) {
    table[((magic >> (24 + shift)) & 0xff) as usize] = true;
}

impl<'a> Magics<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            shift: 0,
        }
    }
}

impl Iterator for Magics<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let rest = self.bytes.get(self.at.saturating_add(2)..)?;
            if self.shift == 0 {
                let may_be = |byte: &u8| THIRD.get(usize::from(*byte)).copied().unwrap_or(false);
                self.at = self.at.saturating_add(rest.iter().position(may_be)?);
            }
            let window = self.bytes.get(self.at..)?;
            let window = window
                .split_at_checked(7)
                .map_or(window, |(seven, _)| seven);
            if window.len() < 6 {
                return None;
            }
            // Seven bytes, or the last six and a zero behind them.
            let bits = window
                .iter()
                .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
            let bits = if window.len() == 6 { bits << 8 } else { bits };
            while self.shift < 8 {
                let shift = self.shift;
                self.shift = shift.saturating_add(1);
                let magic = (bits >> 8_u32.saturating_sub(shift)) & MAGIC_MASK;
                let is_whole = window.len() == 7 || shift == 0;
                if is_whole && (magic == BLOCK_MAGIC || magic == END_MAGIC) {
                    let at = to_u64(self.at).saturating_mul(8);
                    return Some(at.saturating_add(u64::from(shift)));
                }
            }
            self.shift = 0;
            self.at = self.at.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use crate::source::Memory;

    #[test]
    fn a_magic_is_found_at_every_bit_also_over_the_end_of_a_piece() {
        for shift in 0..8_u32 {
            for byte in [0, 1, 100, PIECE - 7, PIECE - 6, PIECE - 5, PIECE - 1, PIECE] {
                for magic in [BLOCK_MAGIC, END_MAGIC] {
                    let mut bytes = vec![0x55; to_usize(byte)];
                    let seven = (magic << 8) >> shift;
                    bytes.extend(&seven.to_be_bytes()[1..]);
                    let at = byte * 8 + u64::from(shift);
                    let source = Memory(bytes);
                    assert_eq!(find(&source, 0, u64::MAX).unwrap(), Some(at));
                    assert_eq!(find(&source, at, at + 1).unwrap(), Some(at));
                    assert_eq!(find(&source, 0, at).unwrap(), None);
                    assert_eq!(find(&source, at + 1, u64::MAX).unwrap(), None);
                    assert_eq!(read(&source, at, 48).unwrap(), magic);
                }
            }
        }
    }
}
