//! The bytes of a file, by its chain.

use super::core::Core;
use super::entry::DirectoryEntry;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};

/// Reads from byte `offset` of the file of `entry` into `buf`, up to its end; gives the number of
/// bytes.
///
/// # Errors
/// `Corrupt` where its chain breaks, or ends before the file does; what makes a cluster unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    entry: &DirectoryEntry,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = entry.size().saturating_sub(offset);
    let count = buf.len().min(to_usize(left));
    let (mut rest, _) = buf.split_at_mut(count);
    let mut offset = offset;
    while !rest.is_empty() {
        let (place, len) = piece(core, request, entry, offset)?;
        let (part, behind) = rest.split_at_mut(len.min(rest.len()));
        core.read_contents(part, place)?;
        offset = offset.saturating_add(to_u64(part.len()));
        rest = behind;
    }
    Ok(count)
}

/// Where byte `offset` of the file is on the volume, and how many bytes from there on.
fn piece(
    core: &Core,
    request: &Request,
    entry: &DirectoryEntry,
    offset: u64,
) -> Result<(u64, usize)> {
    let first = entry.first_cluster(&core.geometry);
    if first == 0 {
        return Err(Error::corrupt(format!(
            "DIR_FstClus is 0, and DIR_FileSize {}",
            entry.size()
        )));
    }
    core.place(request, first, offset)?.ok_or_else(|| {
        let size = entry.size();
        let text = format!("the chain from cluster {first} on ends before DIR_FileSize {size}");
        Error::corrupt(text)
    })
}
