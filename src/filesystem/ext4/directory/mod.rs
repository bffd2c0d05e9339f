//! Directories: blocks of entries, with or without a hash tree over them, or inline.

mod checksum;
mod entry;
pub(super) mod hash;
mod htree;
mod linear;
mod name;
mod show;

use std::ops::ControlFlow;

use self::entry::{Found, Record};
use self::name::Wanted;
use self::show::Names;
use super::core::Core;
use super::features;
use super::inode::{self, InodeRecord};
use crate::error::{Error, Result};
use crate::filesystem::{DAMAGED, Entry, Inode, Request};

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
    let Some(wanted) = Wanted::new(dir, name) else {
        return Ok(None);
    };
    let Some(found) = find(core, request, dir, &wanted)? else {
        return Ok(None);
    };
    check_number(core, dir, name, found.inode)?;
    check_kind(core, request, name, found);
    Ok(Some(found.inode))
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
    let has_type = core.superblock.features.has(features::FILETYPE);
    let names = Names::of(core, request, dir);
    let mut visit = |record: &Record<'_>, next, damaged| {
        let Some(name) = names.of_record(record) else {
            return ControlFlow::Continue(());
        };
        flow(each(Entry {
            name: &name,
            inode: Inode(record.inode.into()),
            kind: record.kind().filter(|_| has_type),
            next: next | if damaged { DAMAGED } else { carried },
        }))
    };
    let walked = linear::walk(core, request, dir, position, &mut visit)?;
    match walked.damage {
        _ if walked.stopped => Ok(()),
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
) -> Result<Option<Found>> {
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
) -> Result<Option<Found>> {
    let mut found = None;
    let walked = linear::walk(core, request, dir, 0, &mut |record, _, _| {
        if !wanted.matches(record.name) {
            return ControlFlow::Continue(());
        }
        found = Some(record.found());
        ControlFlow::Break(())
    })?;
    match (found, walked.damage) {
        (Some(found), _) => Ok(Some(found)),
        (None, Some(damage)) => Err(damage),
        (None, None) => Ok(None),
    }
}

fn has_hash_tree(core: &Core, dir: &InodeRecord) -> bool {
    dir.has(inode::INDEX) && core.superblock.features.has(features::DIR_INDEX) && !dir.is_inline()
}

fn check_number(core: &Core, dir: &InodeRecord, name: &[u8], number: u32) -> Result<()> {
    if core.superblock.can_be_named(number) {
        return Ok(());
    }
    let error = Error::corrupt(format!(
        "entry «{}» leads to inode {number}, which is reserved or over {}",
        crate::error::printable(name),
        core.superblock.inodes()
    ));
    Err(error
        .at(dir.offset)
        .context(format!("inode {}", dir.number)))
}

/// Where the entry and the inode differ in the type, the inode is right, and a notice says so.
fn check_kind(core: &Core, request: &Request, name: &[u8], found: Found) {
    let Ok(inode) = core.inode(request, found.inode) else {
        return; // whoever asks for the inode is told what is wrong with it
    };
    let differs = found.kind.is_some_and(|kind| kind != inode.kind);
    if differs && core.superblock.features.has(features::FILETYPE) {
        let (name, kind) = (crate::error::printable(name), inode.kind);
        let text = format!("entry «{name}» gives another type than the inode, which is {kind:?}");
        let error = Error::corrupt(text).at(inode.offset);
        let error = error.context(format!("ext4: inode {}", inode.number));
        core.notices.add(error.to_string());
    }
}
