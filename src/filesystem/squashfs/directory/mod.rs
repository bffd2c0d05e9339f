//! Directories: listed in order, and looked up by the index of the large ones.
//!
//! A cursor is the byte of the list at which a run begins and the number of an entry in it, so that
//! it is found again without a table. What comes before it is walked from the nearest place that the
//! index has, as by the kernel: from wherever somebody reads, there are only entries of the directory.
//! `.` and `..` are not stored; they come first, as from the kernel.

mod index;
mod listing;

use self::listing::Listed;
use super::core::Core;
use super::inode::{Directory, InodeRecord};
use crate::error::{Error, Result, ResultExt, printable};
use crate::filesystem::{Entry, FileType, Inode, Request};

/// The cursors before those of stored entries: behind `.` and behind `..`.
const BEHIND_DOT: u64 = 1;
const BEHIND_DOTS: u64 = 2;

/// Marks the handle of a directory's parent, where it is not known which inode has its number.
pub(super) const PARENT: u64 = 1 << 48;

/// Gives `each` the entries from `cursor` on.
///
/// # Errors
/// What makes the rest unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    (inode, directory): (&InodeRecord, &Directory),
    cursor: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> Result<()> {
    let kind = Some(FileType::Directory);
    let own = Inode(inode.reference);
    let mut dot = |name: &[u8], inode, next| {
        each(Entry {
            name,
            inode,
            kind,
            next,
        })
    };
    if cursor < BEHIND_DOT && !dot(b".", own, BEHIND_DOT) {
        return Ok(());
    }
    if cursor < BEHIND_DOTS && !dot(b"..", parent(core, request, inode, directory), BEHIND_DOTS) {
        return Ok(());
    }
    let what = || format!("inode {}", inode.number);
    read_stored(core, request, (inode, directory), cursor, each).context(what)
}

fn read_stored(
    core: &Core,
    request: &Request,
    (inode, directory): (&InodeRecord, &Directory),
    cursor: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> Result<()> {
    let first = position(cursor);
    // No byte of the list says that a run begins there, so runs are come to from one that does.
    let mut listing = index::listing_at(core, request, (inode, directory), first.0)?;
    listing.skip_to(first)?;
    while let Some(listed) = listing.next()? {
        if !is_name(core, inode, &listed) {
            continue;
        }
        let next = cursor_behind(&listed);
        let (name, inode, kind) = (listed.name, listed.inode, listed.kind);
        if !each(Entry {
            name,
            inode,
            kind,
            next,
        }) {
            break;
        }
    }
    Ok(())
}

/// The entry `name`.
///
/// # Errors
/// What makes the part of the directory unreadable in which the name would be.
pub(super) fn lookup(
    core: &Core,
    request: &Request,
    (inode, directory): (&InodeRecord, &Directory),
    name: &[u8],
) -> Result<Option<Inode>> {
    let find = || -> Result<Option<Inode>> {
        let mut listing = index::listing(core, request, (inode, directory), name)?;
        while let Some(listed) = listing.next()? {
            if listed.name == name && is_name(core, inode, &listed) {
                return Ok(Some(listed.inode));
            }
            // Names are sorted, at least by their first byte, which is what the kernel counts on.
            if listed.name.first() > name.first() {
                break;
            }
        }
        Ok(None)
    };
    find().context(|| format!("inode {}", inode.number))
}

/// The directory that `inode` is in. Its number is stored; which inode has it, the table of inode
/// numbers tells, where there is one.
fn parent(core: &Core, request: &Request, inode: &InodeRecord, directory: &Directory) -> Inode {
    let root = core.superblock.raw.root_inode.get();
    if inode.reference == root {
        return Inode(root);
    }
    let number = u64::from(directory.parent).checked_sub(1);
    let found = number.zip(core.tables.inodes.as_ref());
    let found = found.and_then(|(number, table)| {
        let reference: [u8; 8] = table.entry(core, request, number).ok()?;
        let reference = u64::from_le_bytes(reference);
        let parent = InodeRecord::read(core, request, Inode(reference)).ok()?;
        let holds = parent.number == directory.parent && parent.kind == FileType::Directory;
        holds.then_some(Inode(reference))
    });
    found.unwrap_or(Inode(inode.reference | PARENT))
}

/// Whether an entry has a name that a file can have; what has none is left out and said once.
fn is_name(core: &Core, inode: &InodeRecord, listed: &Listed<'_>) -> bool {
    let name = listed.name;
    if !name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b".." {
        return true;
    }
    let text = format!("an entry is left out: its name is {}", printable(name));
    let error = listed.place.blame(Error::corrupt(text));
    let error = error.context(format!("inode {}", inode.number));
    core.notices.add(error.context("squashfs").to_string());
    false
}

fn cursor_behind(listed: &Listed<'_>) -> u64 {
    let number = u64::from(listed.number).saturating_add(1);
    let position = listed.run.saturating_mul(512).saturating_add(number);
    position.saturating_add(BEHIND_DOTS)
}

/// The run and the number of the first entry behind `cursor`.
fn position(cursor: u64) -> (u64, u32) {
    let position = cursor.saturating_sub(BEHIND_DOTS);
    let number = u32::try_from(position % 512).unwrap_or(0);
    (position / 512, number)
}
