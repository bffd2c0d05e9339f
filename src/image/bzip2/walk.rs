//! From one block to the next, over the ends of streams.

use super::bits::{self, BLOCK_MAGIC, END_MAGIC};
use crate::error::{Error, Result};
use crate::source::Source;

/// Streams without a block that may follow one another.
const MOST_EMPTY: usize = 10_000;

/// What a stream begins with, but for the digit of its block size.
const SIGNATURE: &[u8; 3] = b"BZh";
/// Bits of a stream's header.
const HEADER: u64 = 32;

/// The bit at which the next block begins, where a magic stands at bit `at`; `None` behind the last.
///
/// # Errors
/// `Corrupt` where neither a block nor the end of a stream is there.
pub(super) fn next_block(source: &dyn Source, at: u64) -> Result<Option<u64>> {
    let mut at = at;
    for _ in 0..MOST_EMPTY {
        match bits::read(source, at, 48)? {
            BLOCK_MAGIC => return Ok(Some(at)),
            END_MAGIC => {}
            _ => {
                let text = "neither a bzip2 block nor the end of a stream is here";
                return Err(Error::corrupt(text).at(at / 8));
            }
        }
        // Behind the magic stands the CRC of the stream, and then up to seven bits of nothing.
        let next = at.saturating_add(48 + 32).div_ceil(8);
        if !is_stream(source, next)? {
            return Ok(None);
        }
        at = next.saturating_mul(8).saturating_add(HEADER);
    }
    let text = format!("more than {MOST_EMPTY} empty streams");
    Err(Error::unsupported(text).at(at / 8))
}

/// Whether a stream begins at byte `at`. What is no stream there is left alone, as bzip2 does.
pub(super) fn is_stream(source: &dyn Source, at: u64) -> Result<bool> {
    let left = source.size().saturating_sub(at);
    if left < 4 + 10 {
        return Ok(false);
    }
    let mut header = [0; 4];
    source.read_exact_at(&mut header, at)?;
    let [signature @ .., digit] = header;
    if signature != *SIGNATURE || !digit.is_ascii_digit() || digit == b'0' {
        return Ok(false);
    }
    let first = at.saturating_mul(8).saturating_add(HEADER);
    let magic = bits::read(source, first, 48)?;
    Ok(magic == BLOCK_MAGIC || magic == END_MAGIC)
}

/// The bit at which the first block begins.
///
/// # Errors
/// As [`next_block`].
pub(super) fn first_block(source: &dyn Source) -> Result<Option<u64>> {
    next_block(source, HEADER)
}
