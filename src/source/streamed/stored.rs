//! The index of a stream as bytes, to be kept beside other caches of the user.
//!
//! ```text
//! magic, version                    8 bytes
//! identity                          length (8), bytes
//! end (2^64 - 1: unknown), reached  8 each
//! holes                             count (8), then first span and span behind the last
//! points                            count (8), then output, input, length of the state, state
//! CRC-32 of all that                4
//! ```
//!
//! What comes back is read as if it were hostile: anything odd, and nothing of it is used.

use super::index::{Index, Kept};
use super::{MOST_WINDOW, SPAN};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

const MAGIC: &[u8; 8] = b"imgsidx\x01";

/// `index` as bytes, for a stream of `identity`.
pub(super) fn write(index: &Index, identity: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let mut put = |number: u64| out.extend(number.to_le_bytes());
    put(to_u64(identity.len()));
    out.extend(identity);
    let mut put = |number: u64| out.extend(number.to_le_bytes());
    put(index.end.unwrap_or(u64::MAX));
    put(index.reached);
    put(to_u64(index.holes.len()));
    for (start, end) in &index.holes {
        put(*start);
        put(*end);
    }
    let own = || index.points.iter().filter(|(_, kept)| !kept.known);
    put(to_u64(own().count()));
    for (output, kept) in own() {
        let state = kept.state.as_ref().map_or(&[][..], |state| state);
        for number in [*output, kept.input, to_u64(state.len())] {
            out.extend(number.to_le_bytes());
        }
        out.extend(state);
    }
    let sum = crc32fast::hash(&out);
    out.extend(sum.to_le_bytes());
    out
}

/// Adds what `bytes` say to `index`, which is new.
///
/// # Errors
/// `Corrupt` for anything but what [`write`] makes; the index is as it was then.
pub(super) fn load(index: &mut Index, identity: &[u8], bytes: &[u8]) -> Result<()> {
    let (bytes, sum) = bytes.split_last_chunk::<4>().ok_or_else(wrong)?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*sum) {
        return Err(wrong());
    }
    let mut reader = Reader(bytes);
    let is_own = reader.take(MAGIC.len())? == MAGIC;
    let len = reader.number()?;
    if !is_own || reader.take(to_usize(len))? != identity {
        return Err(Error::corrupt("it is of another stream"));
    }
    let end = Some(reader.number()?).filter(|end| *end != u64::MAX);
    let reached = reader.number()?;
    let holes = reader.holes(reached.div_ceil(SPAN))?;
    let points = reader.points(reached)?;
    if !reader.0.is_empty() || end.is_some_and(|end| end < reached) {
        return Err(wrong());
    }
    index.set_loaded(end, reached, holes);
    for (output, kept) in points {
        index.add(output, kept);
    }
    Ok(())
}

fn wrong() -> Error {
    Error::corrupt("a stored index is damaged")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(wrong)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>().ok_or_else(wrong)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    /// Ranges in order that do not touch, none past span `most`.
    fn holes(&mut self, most: u64) -> Result<Vec<(u64, u64)>> {
        let mut holes = Vec::new();
        let mut behind = None;
        for _ in 0..self.number()? {
            let (start, end) = (self.number()?, self.number()?);
            let in_order = behind.is_none_or(|behind| start > behind);
            if !in_order || end <= start || end > most {
                return Err(wrong());
            }
            behind = Some(end);
            holes.push((start, end));
        }
        Ok(holes)
    }

    /// Points in order, none past `most`.
    fn points(&mut self, most: u64) -> Result<Vec<(u64, Kept)>> {
        let mut points = Vec::new();
        let mut last = 0;
        for _ in 0..self.number()? {
            let (output, input, len) = (self.number()?, self.number()?, self.number()?);
            if output <= last || output > most || len > MOST_WINDOW {
                return Err(wrong());
            }
            last = output;
            let state = self.take(to_usize(len))?;
            let state = (!state.is_empty()).then(|| std::sync::Arc::new(state.to_vec()));
            let known = false;
            let kept = Kept {
                input,
                state,
                known,
            };
            points.push((output, kept));
        }
        Ok(points)
    }
}
