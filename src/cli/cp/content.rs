//! The contents of one file, holes kept as holes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::entries::request;
use super::Fault;
use crate::error::Error;
use crate::filesystem::{FileSystem, Inode};
use crate::number::{to_u64, to_usize};
use crate::source::ExtentKind;

/// Bytes read and written at a time.
const CHUNK: u64 = 1 << 20;

/// Copies `size` bytes of `file` into the empty `out`; calls `advance` with each number of bytes
/// that is done. What is before a byte that cannot be read stays in `out`.
pub(super) fn copy(
    filesystem: &dyn FileSystem,
    file: Inode,
    size: u64,
    out: &File,
    mut advance: impl FnMut(u64),
) -> Result<(), Fault> {
    let mut buf = vec![0; to_usize(size.min(CHUNK))];
    let mut offset = 0_u64;
    while offset < size {
        let extent = filesystem.extent_at(&request(), file, offset)?;
        let end = offset.saturating_add(extent.len.get()).min(size);
        match extent.kind {
            ExtentKind::Data => data(filesystem, file, offset..end, out, &mut buf, &mut advance)?,
            _ => advance(end.saturating_sub(offset)),
        }
        offset = end;
    }
    out.set_len(size)
        .map_err(|error| Fault::host("set the size", &error))
}

fn data(
    filesystem: &dyn FileSystem,
    file: Inode,
    range: std::ops::Range<u64>,
    out: &File,
    buf: &mut [u8],
    advance: &mut impl FnMut(u64),
) -> Result<(), Fault> {
    let mut offset = range.start;
    while offset < range.end {
        let length = to_usize(range.end.saturating_sub(offset)).min(buf.len());
        let part = buf.get_mut(..length).unwrap_or_default();
        let count = filesystem.read(&request(), file, part, offset)?;
        if count == 0 {
            let error = Error::corrupt("the file ends before its size").at(offset);
            return Err(Fault::Image(error));
        }
        let read = part.get(..count).unwrap_or_default();
        out.write_all_at(read, offset)
            .map_err(|error| Fault::host("write", &error))?;
        advance(to_u64(count));
        offset = offset.saturating_add(to_u64(count));
    }
    Ok(())
}
