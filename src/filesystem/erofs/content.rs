//! The content of files, directories and links, whatever its layout.

use super::chunks;
use super::compressed;
use super::core::Core;
use super::inode::{InodeRecord, Layout};
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{Request, length_to};
use crate::number::{to_u64, to_usize};
use crate::source::{Extent, ExtentKind, extent_to};

/// Reads from byte `offset` of `inode` into `buf`; gives the number of bytes, less than
/// `buf.len()` only at the end of the file.
///
/// # Errors
/// What makes a byte of the range unreadable, naming the inode.
pub(super) fn read(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = to_usize(inode.size.saturating_sub(offset));
    let (buf, _) = buf.split_at_mut(left.min(buf.len()));
    let len = buf.len();
    fill(core, request, inode, buf, offset).context(|| super::inode::name(inode.nid))?;
    Ok(len)
}

/// Fills all of `buf` from byte `offset` of `inode`.
///
/// # Errors
/// As [`read`]; `Corrupt` past the end.
pub(super) fn read_exact(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    buf: &mut [u8],
    offset: u64,
) -> Result<()> {
    let wanted = buf.len();
    match read(core, request, inode, buf, offset)? {
        len if len == wanted => Ok(()),
        _ => Err(Error::corrupt(format!(
            "{wanted} bytes at {offset:#x} are past the end of {} bytes",
            inode.size
        ))
        .at(inode.offset)
        .context(super::inode::name(inode.nid))),
    }
}

/// Fills `buf`, all of it before the end of the file.
fn fill(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    buf: &mut [u8],
    offset: u64,
) -> Result<()> {
    if inode.is_compressed() {
        return compressed::read(core, request, inode, buf, offset);
    }
    let mut rest = buf;
    let mut at = offset;
    while !rest.is_empty() {
        request.spend(1)?;
        let piece = piece_at(core, request, inode, at)?;
        let len = to_usize(piece.len).min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        match piece.place {
            Place::Hole => now.fill(0),
            Place::Data { device, offset } => {
                let read = core.devices.read_chunk(device, now, offset);
                read.map_err(|error| error.at(inode.offset))?;
            }
            Place::Metadata(offset) => {
                core.read_metadata(request, inode.in_metabox(), now, offset)?
            }
        }
        rest = later;
        at = at.saturating_add(to_u64(len));
    }
    Ok(())
}

/// A stretch of a file that is not compressed, from the byte that was asked for.
pub(super) struct Piece {
    pub(super) place: Place,
    /// Bytes, at least 1; may reach past the end of the file.
    pub(super) len: u64,
}

/// Where it is.
pub(super) enum Place {
    /// Nowhere: zeros.
    Hole,
    /// On a device, by the number that chunks have for it.
    Data { device: u16, offset: u64 },
    /// Among the metadata, behind the inode.
    Metadata(u64),
}

/// Where byte `at` of `inode` lies, if that is in the one space or among the metadata: what errors
/// about it say.
pub(super) fn address(core: &Core, request: &Request, inode: &InodeRecord, at: u64) -> Option<u64> {
    match piece_at(core, request, inode, at).ok()?.place {
        Place::Data { device: 0, offset } | Place::Metadata(offset) => Some(offset),
        Place::Data { .. } | Place::Hole => None,
    }
}

/// What holds byte `at` of `inode`, which is before its end.
fn piece_at(core: &Core, request: &Request, inode: &InodeRecord, at: u64) -> Result<Piece> {
    let piece = piece_by_layout(core, request, inode, at);
    piece.map_err(|error| error.at(inode.offset))
}

fn piece_by_layout(core: &Core, request: &Request, inode: &InodeRecord, at: u64) -> Result<Piece> {
    match inode.layout {
        Layout::Chunks(chunks) => chunks::piece_at(core, request, inode, chunks, at),
        Layout::Inline(start) => {
            let bits = core.superblock.block_bits;
            // The last block, whole or not, is behind the inode.
            let tail = inode.size.saturating_sub(1) >> bits << bits;
            match at.checked_sub(tail) {
                Some(skip) => inline(core, inode, tail, skip),
                None => flat(core, start, at, tail),
            }
        }
        Layout::Plain(Some(start)) => flat(core, start, at, inode.size),
        Layout::Plain(None) | Layout::Full | Layout::Compact => Ok(Piece {
            place: Place::Hole,
            len: inode.size.saturating_sub(at),
        }),
    }
}

/// Blocks one after the other, up to byte `end` of the file.
fn flat(core: &Core, start: u64, at: u64, end: u64) -> Result<Piece> {
    let offset = core.superblock.block_offset(start)?.checked_add(at);
    let offset = offset.ok_or_else(|| Error::corrupt(format!("block {start} is on no device")))?;
    let place = Place::Data { device: 0, offset };
    Ok(Piece {
        place,
        len: end.saturating_sub(at),
    })
}

/// The tail behind the inode, which lies in one block.
fn inline(core: &Core, inode: &InodeRecord, tail: u64, skip: u64) -> Result<Piece> {
    let len = inode.size.saturating_sub(tail);
    let start = inode.end();
    if core.superblock.in_block(start).saturating_add(len) > core.superblock.block_size() {
        let text = format!("{len} bytes behind the inode cross into another block");
        return Err(Error::corrupt(text).at(start));
    }
    Ok(Piece {
        place: Place::Metadata(start.saturating_add(skip)),
        len: len.saturating_sub(skip),
    })
}

/// What lies at byte `offset` of `inode`.
///
/// # Errors
/// `Invalid` at or past the end; what makes the inode's own tables unreadable.
pub(super) fn extent_at(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    offset: u64,
) -> Result<Extent> {
    length_to(offset, inode.size)?;
    let read = || {
        if inode.is_compressed() {
            return compressed::hole_at(core, request, inode, offset);
        }
        request.spend(1)?;
        let piece = piece_at(core, request, inode, offset)?;
        let end = offset.saturating_add(piece.len).min(inode.size);
        match piece.place {
            Place::Hole => extent_to(ExtentKind::Zeros, offset, end),
            Place::Data { .. } | Place::Metadata(_) => extent_to(ExtentKind::Data, offset, end),
        }
    };
    read().context(|| super::inode::name(inode.nid))
}
