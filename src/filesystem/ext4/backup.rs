//! Finds the superblock: at byte 1024, or, where zeros took its place, one of the copies that the
//! groups 1, 3, 5, 7, 9 … keep.
//!
//! Old copies outlive a file system that another one was made over, so a copy counts only if it is
//! where it says it is, and if the first group's descriptor and the root directory still bear it
//! out.

use zerocopy::FromBytes;

use super::group::Group;
use super::layout::{RawInode, RawSuperblock};
use super::superblock::{MAGIC, PLACE, Superblock};
use crate::error::{Error, Result};
use crate::format::Context;
use crate::source::Source;

/// The first groups that keep a copy under `sparse_super`.
const GROUPS: [u32; 8] = [1, 3, 5, 7, 9, 25, 27, 49];

/// The superblock of `source`: the one at byte 1024, or with a notice a copy of it.
///
/// # Errors
/// `Corrupt`, naming the field that is wrong; `Unsupported`, naming the feature.
pub(super) fn find(source: &dyn Source, context: &Context) -> Result<Superblock> {
    let mut mismatch = |error: Error| {
        if !context.options.ignore_checksums {
            return Err(error);
        }
        context
            .notices
            .add(error.context("ext4: superblock").to_string());
        Ok(())
    };
    let primary = Superblock::read(source, PLACE, &mut mismatch);
    match primary {
        Err(error) if is_blank(source)? => {
            let copy = copy(source)?.ok_or(error)?;
            let place = copy.offset;
            context.notices.add(format!(
                "ext4: the superblock is blank; its copy at byte {place:#x} is used"
            ));
            Ok(copy)
        }
        other => other,
    }
}

/// The raw bytes at byte 1024, where the source is that long.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn primary(source: &dyn Source) -> Result<Option<RawSuperblock>> {
    raw_at(source, PLACE)
}

/// The first copy of the superblock that what it describes bears out; `None` unless byte 1024 is
/// blank, and where it would take unpacking a stream of unknown length to look.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn copy(source: &dyn Source) -> Result<Option<Superblock>> {
    if source.end_is_far() || !is_blank(source)? {
        return Ok(None);
    }
    for block_bits in 10..=16 {
        for group in GROUPS {
            let copy = copy_at(source, block_bits, group)?;
            if copy.is_some() {
                return Ok(copy);
            }
        }
    }
    Ok(None)
}

/// Whether the boot block and the superblock's place hold nothing.
fn is_blank(source: &dyn Source) -> Result<bool> {
    let mut bytes = [0; 2048];
    if source.size() < 2048 {
        return Ok(false);
    }
    source.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}

fn copy_at(source: &dyn Source, block_bits: u32, group: u32) -> Result<Option<Superblock>> {
    // As mke2fs lays it out: a group is what one block of bitmap counts; 1 KiB blocks start at 1.
    let start = if block_bits == 10 { 1 } else { 0 };
    let block = u64::from(group)
        .wrapping_shl(block_bits)
        .saturating_mul(8)
        .saturating_add(start);
    let offset = block.wrapping_shl(block_bits); // at most 49 << 35
    let Some(raw) = raw_at(source, offset)? else {
        return Ok(None);
    };
    // Old versions of mke2fs left the number of the group at 0 in every copy.
    let here = [0, group].contains(&u32::from(raw.s_block_group_nr.get()));
    let size = raw.s_log_block_size.get().checked_add(10) == Some(block_bits);
    if raw.s_magic.get() != MAGIC || !here || !size {
        return Ok(None);
    }
    let read = Superblock::read(source, offset, &mut Err);
    Ok(read
        .ok()
        .filter(|superblock| is_borne_out(source, superblock)))
}

/// Whether the first group's descriptor leads to a root directory.
fn is_borne_out(source: &dyn Source, superblock: &Superblock) -> bool {
    let root = || {
        let table = Group::peek(source, superblock, 0)?.inode_table;
        let offset = superblock
            .block_offset(table)?
            .saturating_add(superblock.inode_size.into());
        let mut bytes = [0; size_of::<RawInode>()];
        source.read_exact_at(&mut bytes, offset)?;
        Ok::<_, Error>(RawInode::read_from_bytes(&bytes).ok())
    };
    let is_directory =
        |inode: RawInode| inode.i_mode.get() >> 12 == 4 && inode.i_links_count.get() > 1;
    root().ok().flatten().is_some_and(is_directory)
}

fn raw_at(source: &dyn Source, offset: u64) -> Result<Option<RawSuperblock>> {
    let mut bytes = [0; size_of::<RawSuperblock>()];
    let end = offset.saturating_add(crate::number::to_u64(bytes.len()));
    if end > source.size() {
        return Ok(None);
    }
    source.read_exact_at(&mut bytes, offset)?;
    Ok(RawSuperblock::read_from_bytes(&bytes).ok())
}
