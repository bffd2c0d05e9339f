//! Directories: blocks of entries, with or without a hash tree over them, or inline.

mod checksum;
mod entry;
mod linear;

use std::ops::ControlFlow;

use super::core::Core;
use super::features;
use super::inode::InodeRecord;
use super::overlay::DirectoryEdits;
use crate::error::{Error, Result};
use crate::filesystem::{Entry, Inode, Request};
use crate::number::to_usize;

/// In a cursor: a block before it could not be read, which the end of the listing has to say.
const DAMAGED: u64 = 1 << 62;

/// In a cursor: the rest are the entries that recovery added, from this one on.
const ADDED: u64 = 1 << 61;

/// The number of the inode that `name` is in `dir`; `None` where there is none.
///
/// # Errors
/// What makes the directory unreadable, where `name` may be in what cannot be read; `Corrupt` for
/// a number that no file can have.
pub(super) fn lookup(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    name: &[u8],
) -> Result<Option<u32>> {
    let edits = core.overlay.directories.get(&dir.number);
    if let Some(added) = edits.and_then(|edits| edits.added.get(name)) {
        return Ok(Some(added.inode));
    }
    if edits.is_some_and(|edits| edits.removed.contains(name)) {
        return Ok(None);
    }
    let mut found = None;
    let walked = linear::walk(core, request, dir, 0, &mut |record, _, _| {
        if record.name != name {
            return ControlFlow::Continue(());
        }
        found = Some(record.inode);
        ControlFlow::Break(())
    })?;
    match (found, walked.damage) {
        (Some(number), _) => Ok(Some(number)),
        (None, Some(damage)) => Err(damage),
        (None, None) => Ok(None),
    }
}

/// Gives `each` the entries from `cursor` on.
///
/// # Errors
/// What makes an entry unreadable, once those that can be read were given.
pub(super) fn read(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    cursor: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> Result<()> {
    let edits = core.overlay.directories.get(&dir.number);
    let (carried, position) = (cursor & DAMAGED, cursor & !DAMAGED);
    let mut damage = None;
    if position & ADDED == 0 {
        let has_type = core.superblock.features.has(features::FILETYPE);
        let walked = linear::walk(
            core,
            request,
            dir,
            position,
            &mut |record, next, damaged| {
                if edits.is_some_and(|edits| edits.hides(record.name)) {
                    return ControlFlow::Continue(());
                }
                let entry = Entry {
                    name: record.name,
                    inode: Inode(record.inode.into()),
                    kind: record.kind().filter(|_| has_type),
                    next: next | if damaged { DAMAGED } else { carried },
                };
                flow(each(entry))
            },
        )?;
        if walked.stopped {
            return Ok(());
        }
        damage = walked.damage;
    }
    let carried = if damage.is_some() { DAMAGED } else { carried };
    if edits.is_some_and(|edits| added(edits, position, carried, each).is_break()) {
        return Ok(());
    }
    match damage {
        Some(damage) => Err(damage),
        None if carried != 0 => {
            let error =
                Error::corrupt("blocks of the directory could not be read: entries are missing");
            Err(error
                .at(dir.offset)
                .context(format!("inode {}", dir.number)))
        }
        None => Ok(()),
    }
}

/// Gives `each` the entries that recovery added, from `position` on.
fn added(
    edits: &DirectoryEdits,
    position: u64,
    carried: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> ControlFlow<()> {
    let first = if position & ADDED == 0 {
        0
    } else {
        position & !ADDED
    };
    for (index, (name, added)) in (0_u64..).zip(&edits.added).skip(to_usize(first)) {
        let next = ADDED | index.saturating_add(1);
        flow(each(Entry {
            name,
            inode: Inode(added.inode.into()),
            kind: added.kind,
            next: next | carried,
        }))?;
    }
    ControlFlow::Continue(())
}

fn flow(goes_on: bool) -> ControlFlow<()> {
    if goes_on {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}
