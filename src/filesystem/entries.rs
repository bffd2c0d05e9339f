//! Lists of entries, read in pieces: FAT and exFAT.

use crate::error::Result;
use crate::number::to_usize;

/// Bytes that a medium loses at once, at the least.
const SECTOR: u64 = 512;

/// What `read` gives for `len` bytes at byte `offset` of the volume; where those cannot be read, for
/// the part of them that is in the first sector. So what is lost is what is damaged, wherever a
/// listing is taken up again.
///
/// # Errors
/// What makes the first sector unreadable.
pub(super) fn entries_at(
    offset: u64,
    len: usize,
    read: impl Fn(usize) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let sector = to_usize(SECTOR.saturating_sub(offset % SECTOR));
    match read(len) {
        Err(_) if len > sector => read(sector),
        result => result,
    }
}
