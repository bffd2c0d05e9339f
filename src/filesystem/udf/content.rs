//! The bytes of a file: in its entry, or by its extents.

use std::num::NonZeroU64;

use super::allocation::{self, Run};
use super::icb::{Allocation, FileEntry};
use super::volume::Volume;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{Request, length_to};
use crate::number::{to_u64, to_usize};
use crate::source::{Extent, ExtentKind};

/// Reads from byte `offset` on into `buf`, up to the end of the file; gives the number of bytes.
///
/// # Errors
/// What makes a byte of the range unreadable.
pub(super) fn read(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = file.size.saturating_sub(offset);
    let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut rest = buf.get_mut(..count).unwrap_or_default();
    let mut at = offset;
    while !rest.is_empty() {
        let done = read_piece(volume, request, file, rest, at)?;
        rest = rest.get_mut(done..).unwrap_or_default();
        at = at.saturating_add(to_u64(done));
    }
    Ok(count)
}

/// Reads the first part of `buf`, which is not empty, and gives its length.
fn read_piece(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    if file.allocation == Allocation::Embedded {
        let bytes = file.descriptors().get(to_usize(offset)..);
        let bytes = bytes.and_then(|bytes| bytes.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or_else(|| Error::corrupt("the file is shorter"))?);
        return Ok(buf.len());
    }
    request.spend(1)?;
    let (place, length) = match allocation::run_at(volume, request, file, offset)? {
        Run::Recorded { offset, length } => (Some(offset), length),
        Run::Allocated { length } | Run::Absent { length } => (None, length),
    };
    let count = buf.len().min(to_usize(length));
    let piece = buf.get_mut(..count).unwrap_or_default();
    match place {
        Some(place) => {
            let read = volume.source.read_exact_at(piece, place);
            read.context(|| file.icb.text())?;
        }
        None => piece.fill(0),
    }
    Ok(count)
}

/// The byte of the disk where byte `offset` of the file is; `None` where it is nowhere.
pub(super) fn place(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    offset: u64,
) -> Option<u64> {
    if file.allocation == Allocation::Embedded {
        return Some(file.embedded_at().saturating_add(offset));
    }
    match allocation::run_at(volume, request, file, offset) {
        Ok(Run::Recorded { offset, .. }) => Some(offset),
        _ => None,
    }
}

/// What lies at byte `offset`, which is inside the file, as far as the file goes on like that.
///
/// # Errors
/// `Invalid` at or past the end; what makes the descriptors unreadable.
pub(super) fn extent_at(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    offset: u64,
) -> Result<Extent> {
    let find = || allocation::stretch_at(volume, request, file, offset);
    extent(file, offset, find)
}

/// The same as far as it lies in one piece, for who wants little more than that byte.
///
/// # Errors
/// As [`extent_at`].
pub(super) fn piece_at(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    offset: u64,
) -> Result<Extent> {
    let find = || allocation::run_at(volume, request, file, offset);
    extent(file, offset, find)
}

fn extent(file: &FileEntry, offset: u64, find: impl FnOnce() -> Result<Run>) -> Result<Extent> {
    let left = length_to(offset, file.size)?;
    let (kind, length) = match file.allocation {
        Allocation::Embedded => (ExtentKind::Data, left.get()),
        _ => match find()? {
            Run::Recorded { length, .. } => (ExtentKind::Data, length),
            Run::Allocated { length } => (ExtentKind::Zeros, length),
            Run::Absent { length } => (ExtentKind::Absent, length),
        },
    };
    Ok(Extent {
        kind,
        len: NonZeroU64::new(length).unwrap_or(NonZeroU64::MIN).min(left),
    })
}
