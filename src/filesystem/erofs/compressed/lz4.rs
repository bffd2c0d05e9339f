//! LZ4 blocks: all of one, which the crate decodes fastest; or the first bytes of one, with which
//! the crate would not stop.

use super::unpack::{too_long, too_short};
use crate::error::{Error, Result};

/// The shortest match.
const SHORTEST: usize = 4;
/// A length in a token that goes on in the bytes behind it.
const LONG: usize = 15;

/// Unpacks `packed` into all of `into`.
///
/// # Errors
/// `Corrupt` where it is damaged, or unpacks to less or more.
pub(super) fn all(packed: &[u8], into: &mut [u8]) -> Result<()> {
    use lz4_flex::block::DecompressError;
    let len = into.len();
    match lz4_flex::block::decompress_into(packed, into) {
        Ok(got) if got == len => Ok(()),
        Ok(got) => Err(too_short(got, len)),
        Err(DecompressError::OutputTooSmall { .. }) => Err(too_long(len)),
        Err(error) => Err(Error::corrupt(error.to_string())),
    }
}

/// Unpacks into all of `into` as much as it takes of `packed`, behind which anything may stand.
///
/// # Errors
/// `Corrupt` where it is damaged, or unpacks to less.
pub(super) fn first(packed: &[u8], into: &mut [u8]) -> Result<()> {
    let mut input = Input(packed);
    let mut at = 0;
    while at < into.len() {
        let token = usize::from(input.byte()?);
        let literals = input.length(token >> 4)?;
        at = put(
            into,
            at,
            input.take(literals, into.len().saturating_sub(at))?,
        );
        if at == into.len() {
            break;
        }
        if input.0.is_empty() {
            return Err(too_short(at, into.len()));
        }
        let distance = usize::from(u16::from_le_bytes([input.byte()?, input.byte()?]));
        let len = input.length(token & 15)?.saturating_add(SHORTEST);
        at = repeat(into, at, distance, len)?;
    }
    Ok(())
}

/// Copies `bytes`, which fit, to `at`.
fn put(into: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let end = at.saturating_add(bytes.len());
    if let Some(to) = into.get_mut(at..end) {
        to.copy_from_slice(bytes);
    }
    end
}

/// Copies `len` bytes, or as many as fit, from `distance` before `at`; they may overlap.
fn repeat(into: &mut [u8], at: usize, distance: usize, len: usize) -> Result<usize> {
    let start = at.checked_sub(distance).filter(|_| distance > 0);
    let start = start.ok_or_else(|| Error::corrupt(format!("distance {distance} at byte {at}")))?;
    let end = at.saturating_add(len).min(into.len());
    let mut at = at;
    while at < end {
        // What has been copied is there to be copied again: each round doubles it.
        let len = at.saturating_sub(start).min(end.saturating_sub(at));
        into.copy_within(start..start.saturating_add(len), at);
        at = at.saturating_add(len);
    }
    Ok(end)
}

/// What is left of a block.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (byte, rest) = self.0.split_first().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn length(&mut self, length: usize) -> Result<usize> {
        let mut length = length;
        if length < LONG {
            return Ok(length);
        }
        loop {
            let byte = self.byte()?;
            length = length.saturating_add(byte.into());
            if byte != u8::MAX {
                return Ok(length);
            }
        }
    }

    /// `len` bytes; fewer where `most` are wanted, or where the block is cut off behind them.
    fn take(&mut self, len: usize, most: usize) -> Result<&'a [u8]> {
        let wanted = len.min(most);
        let (bytes, rest) = self.0.split_at_checked(wanted).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn cut() -> Error {
    Error::corrupt("it is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Vec<u8> {
        let words = (0..2000_u32).map(|number| format!("word {} ", number % 37));
        words.collect::<String>().into_bytes()
    }

    #[test]
    fn the_first_bytes_of_a_block_are_those_of_all_of_it() {
        let text = text();
        let packed = lz4_flex::block::compress(&text);
        for len in (0..text.len()).step_by(61).chain([text.len()]) {
            let mut into = vec![0xa5; len];
            // With what follows in its block, and with nothing behind it.
            let behind = [&packed[..], &[0; 100]].concat();
            first(&behind, &mut into).expect("good");
            assert!(into == text[..len], "{len} bytes");
            first(&packed, &mut into).expect("good");
            assert!(into == text[..len], "{len} bytes");
        }
    }

    #[test]
    fn what_is_short_long_cut_or_points_back_too_far_is_corrupt() {
        let text = text();
        let packed = lz4_flex::block::compress(&text);
        let len = text.len();
        assert!(first(&packed, &mut vec![0; len.saturating_add(1)]).is_err());
        assert!(all(&packed, &mut vec![0; len.saturating_add(1)]).is_err());
        assert!(all(&packed, &mut vec![0; len.saturating_sub(1)]).is_err());
        for cut in 0..packed.len() {
            assert!(first(&packed[..cut], &mut vec![0; len]).is_err(), "{cut}");
        }
        for distance in [0_u8, 2, 255] {
            let back = [0x10, b'a', distance, 0];
            assert!(first(&back, &mut [0; 5]).is_err(), "{distance}");
        }
        let overlapping = [0x10, b'a', 1, 0];
        let mut into = [0; 5];
        first(&overlapping, &mut into).expect("one byte, again and again");
        assert_eq!(&into, b"aaaaa");
    }
}
