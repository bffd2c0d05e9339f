//! Directories that are read in pieces, whatever becomes of a part of one.

use crate::error::Result;
use crate::number::to_usize;

/// Bytes that a medium loses at once, at the least.
const SECTOR: u64 = 512;

/// What `read` gives for `len` bytes; where those cannot be read, for the first `least` of them. So
/// what is lost is what is damaged, wherever a listing is taken up again.
///
/// # Errors
/// What makes the first `least` bytes unreadable.
pub(super) fn piece<T>(len: usize, least: usize, read: impl Fn(usize) -> Result<T>) -> Result<T> {
    match read(len) {
        Err(_) if len > least => read(least),
        result => result,
    }
}

/// Bytes from byte `offset` of the volume to the end of its sector.
pub(super) fn left_in_sector(offset: u64) -> usize {
    to_usize(SECTOR.saturating_sub(offset % SECTOR))
}
