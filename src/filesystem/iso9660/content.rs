//! The bytes of files, as they are stored: section by section, each in one piece or interleaved.

use super::core::Core;
use super::node::Node;
use super::record::Section;
use super::zisofs;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};

/// Reads bytes of a regular file from `offset` on; gives how many.
///
/// # Errors
/// What makes a byte of the range unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    node: &Node,
    buf: &mut [u8],
    offset: u64,
) -> Result<usize> {
    let left = node.size().saturating_sub(offset);
    let (buf, _) = buf.split_at_mut(to_usize(left.min(to_u64(buf.len()))));
    let mut at = offset;
    let mut rest = &mut *buf;
    while !rest.is_empty() {
        request.spend(1)?;
        let got = match &node.compressed {
            Some(compressed) => zisofs::read(core, node, compressed, rest, at)?,
            None => read_piece(core, node, rest, at)?,
        };
        (_, rest) = rest.split_at_mut(got);
        at = at.saturating_add(to_u64(got));
    }
    Ok(buf.len())
}

/// Reads the first part of `buf`, which has bytes of `node` as they are stored; gives its length.
fn read_piece(core: &Core, node: &Node, buf: &mut [u8], at: u64) -> Result<usize> {
    let (place, len) = place(core, node, at)?;
    let len = to_usize(len.min(to_u64(buf.len())));
    let (piece, _) = buf.split_at_mut(len);
    core.source.read_contents_at(piece, place)?;
    Ok(len)
}

/// Where byte `at` of what is stored lies, and how many bytes from there on lie in one piece and on
/// the disc.
///
/// # Errors
/// `Corrupt` past the end of the file or of the disc.
pub(super) fn place(core: &Core, node: &Node, at: u64) -> Result<(u64, u64)> {
    let behind = node.sections.partition_point(|section| section.start <= at);
    // Of sections without bytes the last one that begins here has the byte.
    let section = behind
        .checked_sub(1)
        .and_then(|index| node.sections.get(index));
    let skip = section.map_or(0, |section| at.saturating_sub(section.start));
    let Some(section) = section.filter(|section| skip < section.size) else {
        let size = node.stored_size();
        return Err(
            Error::corrupt(format!("byte {at} is past the {size} that are stored"))
                .at(node.position),
        );
    };
    let left = section.size.saturating_sub(skip);
    let found = in_section(core, section, skip, left);
    let (place, len) = found.map_err(|error| error.at(node.position))?;
    let on_disc = core.source.size().saturating_sub(place);
    if on_disc == 0 {
        let text = format!("byte {at} of the file is past the end of the image");
        return Err(Error::corrupt(text).at(place));
    }
    Ok((place, len.min(on_disc)))
}

/// The same for byte `skip` of one section, `left` bytes before its end.
fn in_section(core: &Core, section: &Section, skip: u64, left: u64) -> Result<(u64, u64)> {
    let start = section.block.saturating_mul(core.block_size());
    let Some((unit, gap)) = section.interleave else {
        return Ok((start.saturating_add(skip), left));
    };
    if section.attribute_blocks > 0 {
        return Err(Error::unsupported(
            "an interleaved file with an extended attribute record",
        ));
    }
    let unit = u64::from(unit).saturating_mul(core.block_size());
    let gap = u64::from(gap).saturating_mul(core.block_size());
    let (Some(number), Some(inside)) = (skip.checked_div(unit), skip.checked_rem(unit)) else {
        return Err(Error::corrupt("file unit size 0 of an interleaved file"));
    };
    let before = number.saturating_mul(unit.saturating_add(gap));
    let place = start.saturating_add(before).saturating_add(inside);
    Ok((place, left.min(unit.saturating_sub(inside))))
}
