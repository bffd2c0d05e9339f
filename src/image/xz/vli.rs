//! Numbers of variable length (1.2): seven bits in a byte, the lowest first.

use crate::error::{Error, Result};

/// A number whose bytes `next` gives.
///
/// # Errors
/// Those of `next`; `Corrupt` for a number of more than nine bytes, or more than it needs.
pub(super) fn read(mut next: impl FnMut() -> Result<u8>) -> Result<u64> {
    let mut value = 0;
    for place in 0..9_u32 {
        let byte = next()?;
        value |= u64::from(byte & 0x7f) << place.saturating_mul(7);
        if byte & 0x80 == 0 {
            return match byte == 0 && place > 0 {
                true => Err(Error::corrupt("a number is longer than it needs to be")),
                false => Ok(value),
            };
        }
    }
    Err(Error::corrupt("a number has more than nine bytes"))
}
