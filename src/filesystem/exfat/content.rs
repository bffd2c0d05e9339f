//! The bytes of a file: from its clusters up to `ValidDataLength`, zeros behind it.

use super::core::Core;
use super::file::File;
use super::set;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{Request, length_to};
use crate::number::{to_u64, to_usize};
use crate::source::{Extent, ExtentKind};

/// Reads from byte `offset` on into `buf`, up to the end of the file; gives the number of bytes.
///
/// # Errors
/// What makes a byte of the range unreadable.
pub(super) fn read(
    core: &Core<'_>,
    request: &Request,
    file: &File,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = file.stream.length.saturating_sub(offset);
    let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    let buf = buf.get_mut(..count).unwrap_or_default();
    let written = file.valid.saturating_sub(offset).min(to_u64(count));
    let (data, zeros) = buf.split_at_mut(to_usize(written));
    file.stream
        .read(core, request, data, offset)
        .context(|| set::context(file.handle))?;
    zeros.fill(0);
    Ok(count)
}

/// What lies at byte `offset`: a hole from `ValidDataLength` on, as the kernel's driver tells
/// `SEEK_HOLE` since it uses iomap; data before.
///
/// # Errors
/// `Invalid` at or past the end.
pub(super) fn extent_at(file: &File, offset: u64) -> Result<Extent> {
    let (kind, end) = match offset < file.valid {
        true => (ExtentKind::Data, file.valid),
        false => (ExtentKind::Zeros, file.stream.length),
    };
    let len =
        length_to(offset, end).map_err(|error: Error| error.context(set::context(file.handle)))?;
    Ok(Extent { kind, len })
}
