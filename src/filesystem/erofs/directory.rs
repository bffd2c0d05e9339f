//! Directories: blocks of entries, sorted by name, in blocks and from block to block. A block has
//! its entries first, then their names; the first entry's name says how many there are.

use std::borrow::Cow;

use zerocopy::FromBytes;

use super::content;
use super::core::Core;
use super::inode::{self, InodeRecord};
use super::layout::RawEntry;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::names;
use crate::filesystem::{Entry, FileType, Request};
use crate::number::{to_u64, to_usize};

/// Bytes of an entry without its name.
const SIZE: usize = size_of::<RawEntry>();
/// The longest name.
pub(super) const NAME_MAX: u32 = 255;

/// A block of entries.
struct Block<'a> {
    core: &'a Core,
    request: &'a Request,
    dir: &'a InodeRecord,
    bytes: Vec<u8>,
    /// Its place in the directory.
    start: u64,
    /// How many entries it has: at least 1.
    count: usize,
}

/// An entry of a block.
struct Found<'a> {
    name: &'a [u8],
    nid: u64,
    kind: Option<FileType>,
}

/// The entry `name` of `dir`: by binary search over the blocks, then in one.
///
/// # Errors
/// What makes a block on the way unreadable.
pub(super) fn lookup(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    name: &[u8],
) -> Result<Option<u64>> {
    if name == b"." && dir.dot_omitted {
        return Ok(Some(dir.nid));
    }
    let search = || {
        let found = search(core, request, dir, name)?;
        match found {
            None if name.contains(&b'\\') => escaped(core, request, dir, name),
            found => Ok(found),
        }
    };
    search().context(|| inode::name(dir.nid))
}

fn search(core: &Core, request: &Request, dir: &InodeRecord, name: &[u8]) -> Result<Option<u64>> {
    let (mut low, mut high) = (0, dir.size.div_ceil(core.superblock.block_size()));
    // The last block that begins with the name or one before it.
    let mut candidate = None;
    while low < high {
        request.spend(1)?;
        let middle = low.midpoint(high);
        let block = Block::read(core, request, dir, middle)?;
        if block.entry(0)?.name <= name {
            candidate = Some(block);
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    candidate.map_or(Ok(None), |block| block.find(name))
}

/// Gives `each` the entries of `dir` from `cursor` on. A cursor is 1 more than the place of the
/// next entry in the directory; 0 starts, with the directory itself where it does not list that.
///
/// # Errors
/// What makes the rest unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    cursor: u64,
    each: &mut dyn FnMut(Entry<'_>) -> bool,
) -> Result<()> {
    if cursor == 0 && dir.dot_omitted {
        let own = Entry {
            name: b".",
            inode: core.handle(dir.nid),
            kind: Some(FileType::Directory),
            next: 1,
        };
        if !each(own) {
            return Ok(());
        }
    }
    let start = cursor.saturating_sub(1);
    let given = walk(core, request, dir, start, &mut |found, next| {
        request.spend(1)?;
        Ok(each(Entry {
            name: &shown(found.name),
            inode: core.handle(found.nid),
            kind: found.kind,
            next: next.saturating_add(1),
        }))
    });
    given.context(|| inode::name(dir.nid))
}

/// Gives `each` the entries of `dir` from `place` on, and the place behind each, until it says that
/// it is enough.
fn walk(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    place: u64,
    each: &mut dyn FnMut(&Found<'_>, u64) -> Result<bool>,
) -> Result<()> {
    let mut place = place;
    while place < dir.size {
        let block = Block::read(core, request, dir, place >> core.superblock.block_bits)?;
        let first = to_usize(core.superblock.in_block(place)).div_ceil(SIZE);
        place = block.start.saturating_add(core.superblock.block_size());
        for number in first..block.count {
            let behind = number.saturating_add(1);
            let next = match behind < block.count {
                true => block
                    .start
                    .saturating_add(to_u64(behind.saturating_mul(SIZE))),
                false => place,
            };
            if !each(&block.entry(number)?, next)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The name as people see it: escaped where it cannot be one.
fn shown(name: &[u8]) -> Cow<'_, [u8]> {
    match name {
        b"." | b".." => Cow::Borrowed(name),
        _ => names::usable(Cow::Borrowed(name)),
    }
}

/// The entry that is shown as `name` because it cannot be called what it is.
fn escaped(core: &Core, request: &Request, dir: &InodeRecord, name: &[u8]) -> Result<Option<u64>> {
    let mut nid = None;
    walk(core, request, dir, 0, &mut |found, _| {
        request.spend(1)?;
        if let Cow::Owned(shown) = shown(found.name)
            && shown == name
        {
            nid = Some(found.nid);
        }
        Ok(nid.is_none())
    })?;
    Ok(nid)
}

impl<'a> Block<'a> {
    /// Block `number` of `dir`, one that it has.
    fn read(
        core: &'a Core,
        request: &'a Request,
        dir: &'a InodeRecord,
        number: u64,
    ) -> Result<Self> {
        let size = core.superblock.block_size();
        let start = number.saturating_mul(size);
        let len = to_usize(size.min(dir.size.saturating_sub(start)));
        let mut bytes = crate::source::zeroed(len)?;
        content::read_exact(core, request, dir, &mut bytes, start)?;
        let mut block = Self {
            core,
            request,
            dir,
            bytes,
            start,
            count: 1,
        };
        let names = usize::from(block.raw(0)?.nameoff.get());
        if names < SIZE || names >= len {
            return Err(block.wrong(0, &format!("nameoff {names} of {len}")));
        }
        block.count = names / SIZE;
        Ok(block)
    }

    fn raw(&self, number: usize) -> Result<&RawEntry> {
        let at = number.saturating_mul(SIZE);
        let bytes = self.bytes.get(at..).unwrap_or(&[]);
        let raw = RawEntry::ref_from_prefix(bytes);
        let (raw, _) = raw.map_err(|_| self.wrong(number, "it is cut off"))?;
        Ok(raw)
    }

    /// Entry `number`, one that the block has.
    fn entry(&self, number: usize) -> Result<Found<'_>> {
        let raw = self.raw(number)?;
        let from = usize::from(raw.nameoff.get());
        let next = number.saturating_add(1);
        let name = if next < self.count {
            let to = usize::from(self.raw(next)?.nameoff.get());
            if from <= self.bytes.len() && !(from..=self.bytes.len()).contains(&to) {
                // Its own name begins in the block, so it is the next one's that does not follow.
                return Err(self.wrong(next, &format!("nameoff {to} after {from}")));
            }
            self.bytes.get(from..to)
        } else {
            // The last name ends with the block, or with zeros before that.
            let rest = self.bytes.get(from..);
            rest.and_then(|rest| rest.split(|byte| *byte == 0).next())
        };
        let name = name.filter(|name| to_u64(name.len()) <= NAME_MAX.into());
        let name = name.ok_or_else(|| self.wrong(number, &format!("nameoff {from}")))?;
        Ok(Found {
            name,
            nid: raw.nid.get(),
            kind: kind(raw.file_type),
        })
    }

    /// The number of the entry `name`, by binary search.
    fn find(&self, name: &[u8]) -> Result<Option<u64>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            let found = self.entry(middle)?;
            match found.name.cmp(name) {
                std::cmp::Ordering::Equal => return Ok(Some(found.nid)),
                std::cmp::Ordering::Less => low = middle.saturating_add(1),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    fn wrong(&self, number: usize, what: &str) -> Error {
        let start = self.start;
        let text = format!("directory: entry {number} of the block at {start}: {what}");
        let place = start.saturating_add(to_u64(number.saturating_mul(SIZE)));
        let at =
            content::address(self.core, self.request, self.dir, place).unwrap_or(self.dir.offset);
        Error::corrupt(text).at(at)
    }
}

/// `file_type` of an entry.
fn kind(number: u8) -> Option<FileType> {
    Some(match number {
        1 => FileType::Regular,
        2 => FileType::Directory,
        3 => FileType::CharacterDevice,
        4 => FileType::BlockDevice,
        5 => FileType::Fifo,
        6 => FileType::Socket,
        7 => FileType::Symlink,
        _ => return None,
    })
}
