//! Directories: blocks of entries, with or without a hash tree over them, or inline.

mod checksum;
mod entry;
pub(super) mod hash;
mod htree;
mod linear;
mod name;
mod show;

use std::ops::ControlFlow;

use self::name::Wanted;
use self::show::Names;
use super::core::Core;
use super::features;
use super::inode::{self, InodeRecord};
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
    let Some(wanted) = Wanted::new(dir, name) else {
        return Ok(None);
    };
    match find(core, request, dir, &wanted)? {
        Some(number) => check_number(core, dir, name, number).map(Some),
        None => Ok(None),
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
    let (carried, position) = (cursor & DAMAGED, cursor & !DAMAGED);
    let mut damage = None;
    if position & ADDED == 0 {
        let walked = read_disk(core, request, dir, cursor, each)?;
        if walked.stopped {
            return Ok(());
        }
        damage = walked.damage;
    }
    let carried = if damage.is_some() { DAMAGED } else { carried };
    let edits = core.overlay.directories.get(&dir.number);
    if edits.is_some_and(|edits| read_added(edits, position, carried, each).is_break()) {
        return Ok(());
    }
    match damage {
        Some(damage) => Err(damage),
        None if carried != 0 => {
            let error =
                Error::corrupt("blocks of the directory cannot be read: entries are missing");
            Err(error
                .at(dir.offset)
                .context(format!("inode {}", dir.number)))
        }
        None => Ok(()),
    }
}

/// The entries on disk, without those that recovery took away.
fn read_disk(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    cursor: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> Result<linear::Walked> {
    let (carried, position) = (cursor & DAMAGED, cursor & !DAMAGED);
    let edits = core.overlay.directories.get(&dir.number);
    let has_type = core.superblock.features.has(features::FILETYPE);
    let names = Names::of(core, request, dir);
    linear::walk(
        core,
        request,
        dir,
        position,
        &mut |record, next, damaged| {
            if edits.is_some_and(|edits| edits.hides(record.name)) {
                return ControlFlow::Continue(());
            }
            let Some(name) = names.of_record(record) else {
                return ControlFlow::Continue(());
            };
            flow(each(Entry {
                name: &name,
                inode: Inode(record.inode.into()),
                kind: record.kind().filter(|_| has_type),
                next: next | if damaged { DAMAGED } else { carried },
            }))
        },
    )
}

/// The entries that recovery added, from `position` on.
fn read_added(
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

/// By the hash tree, where there is one and it is of use; otherwise one by one.
fn find(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    wanted: &Wanted<'_>,
) -> Result<Option<u32>> {
    if has_hash_tree(core, dir) && !wanted.is_dots() {
        match htree::lookup(core, request, dir, wanted) {
            Ok(found) => return Ok(found),
            Err(error) => {
                let error = error.context(format!("ext4: inode {}", dir.number));
                core.notices
                    .add(format!("{error}: the entries are searched one by one"));
            }
        }
    }
    find_linear(core, request, dir, wanted)
}

fn find_linear(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    wanted: &Wanted<'_>,
) -> Result<Option<u32>> {
    let mut found = None;
    let walked = linear::walk(core, request, dir, 0, &mut |record, _, _| {
        if !wanted.matches(record.name) {
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

fn has_hash_tree(core: &Core, dir: &InodeRecord) -> bool {
    dir.has(inode::INDEX) && core.superblock.features.has(features::DIR_INDEX) && !dir.is_inline()
}

/// `number`, if a file can have it: the root, or one behind the reserved ones.
fn check_number(core: &Core, dir: &InodeRecord, name: &[u8], number: u32) -> Result<u32> {
    let most = core.superblock.inodes();
    if number == inode::ROOT || (core.superblock.first_inode()..=most).contains(&number) {
        return Ok(number);
    }
    let error = Error::corrupt(format!(
        "entry «{}» leads to inode {number}, which is reserved or over {most}",
        crate::error::printable(name)
    ));
    Err(error
        .at(dir.offset)
        .context(format!("inode {}", dir.number)))
}
