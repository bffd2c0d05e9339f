//! Extended attributes: in the inode behind its fields, in a block that inodes may share, and long
//! values in inodes of their own.

mod absence;
mod acl;
mod entries;
mod layout;

use zerocopy::FromBytes;

pub(super) use self::absence::Absence;
use self::entries::{Entry, Limits, Value};
use self::layout::{BlockHeader, name_index};
use super::checksum::{crc32c, crc32c_around};
use super::content;
use super::core::Core;
use super::features;
use super::inode::{EA_INODE, InodeRecord};
use crate::error::{Error, Result, ResultExt, printable};
use crate::filesystem::{FileType, Request};
use crate::number::to_usize;
use crate::source::Scratch;

/// What stands before the names of each index. The kernel shows no other: `system.data` and the
/// context of an encrypted file are its own.
const PREFIXES: &[(u8, &[u8])] = &[
    (name_index::USER, b"user."),
    (name_index::POSIX_ACL_ACCESS, b"system.posix_acl_access"),
    (name_index::POSIX_ACL_DEFAULT, b"system.posix_acl_default"),
    (name_index::TRUSTED, b"trusted."),
    (name_index::SECURITY, b"security."),
    (name_index::HURD, b"gnu."),
];

/// Gives `each` the full names of the attributes of `inode`.
///
/// # Errors
/// `Corrupt`, naming the inode.
pub(super) fn names(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    each: &mut dyn FnMut(&[u8]),
) -> Result<()> {
    let block = block(core, request, inode)?;
    let mut list = |entries: Vec<Entry<'_>>| {
        for entry in entries {
            let prefix = PREFIXES.iter().find(|(index, _)| *index == entry.index);
            if let Some((_, prefix)) = prefix {
                each(&[*prefix, entry.name].concat());
            }
        }
    };
    list(located(
        inode,
        entries::in_inode(inode.tail(), limits(core)),
    )?);
    if let Some(block) = block {
        list(located(inode, block.entries(core))?);
    }
    Ok(())
}

/// The value of the attribute `name` of `inode`, as getxattr(2) gives it.
///
/// # Errors
/// `Corrupt`, naming the inode and the attribute.
pub(super) fn value(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    name: &[u8],
) -> Result<Option<Vec<u8>>> {
    let Some((index, short)) = split(name) else {
        return Ok(None);
    };
    let stored = stored(core, request, inode, index, short)
        .context(|| format!("attribute {}", printable(name)));
    let Some(stored) = located(inode, stored)? else {
        return Ok(None);
    };
    let is_list = matches!(
        index,
        name_index::POSIX_ACL_ACCESS | name_index::POSIX_ACL_DEFAULT
    );
    if !is_list || !short.is_empty() {
        return Ok(Some(stored));
    }
    located(
        inode,
        acl::to_xattr(&stored).context(|| format!("attribute {}", printable(name))),
    )
}

/// The value of `system.data`, which continues what `i_block` holds of an inline file; no caller of
/// getxattr(2) ever sees it. `None` without it, or where it is damaged.
pub(super) fn inline_data(inode: &InodeRecord) -> Option<&[u8]> {
    entries::system_data(inode.tail())
}

/// Takes one from the count of inodes that share the attribute block `block`, number `number` of
/// the volume; false where it was the last. `seed` is there where metadata has checksums.
pub(super) fn reference_dropped(block: &mut [u8], number: u64, seed: Option<u32>) -> bool {
    let count =
        BlockHeader::read_from_prefix(block).map_or(0, |(header, _)| header.h_refcount.get());
    let Some(left) = count.checked_sub(1).filter(|left| *left > 0) else {
        return false;
    };
    let mut put = |at: usize, value: u32| {
        if let Some(place) = block.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = value.to_le_bytes();
        }
    };
    put(std::mem::offset_of!(BlockHeader, h_refcount), left);
    if let Some(seed) = seed {
        let sum = block_checksum(block, number, seed);
        let at = std::mem::offset_of!(BlockHeader, h_checksum);
        if let Some(place) = block.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = sum.to_le_bytes();
        }
    }
    true
}

/// The index and the name behind the prefix. An access list with a name behind, or a user's
/// attribute without one, is damage; since it is listed it can be had.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    let mut known = PREFIXES.iter();
    known.find_map(|&(index, prefix)| Some((index, name.strip_prefix(prefix)?)))
}

/// The value as it is on disk.
fn stored(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    index: u8,
    name: &[u8],
) -> Result<Option<Vec<u8>>> {
    let inside = entries::in_inode(inode.tail(), limits(core))?;
    let named = |entry: &&Entry<'_>| entry.index == index && entry.name == name;
    if let Some(entry) = inside.iter().find(named) {
        return read(core, request, inode, entry).map(Some);
    }
    let Some(block) = block(core, request, inode)? else {
        return Ok(None);
    };
    // Blocks are sorted, and the kernel stops looking where the name would be; in one that is not,
    // what is listed can be had here all the same.
    match block.entries(core)?.iter().find(named) {
        Some(entry) => read(core, request, inode, entry).map(Some),
        None => Ok(None),
    }
}

/// An attribute block and where it is: what is wrong in it is wrong there, not in the inode.
struct Block {
    number: u64,
    offset: u64,
    bytes: Scratch,
}

impl Block {
    fn entries(&self, core: &Core) -> Result<Vec<Entry<'_>>> {
        self.located(entries::in_block(&self.bytes, limits(core)))
    }

    fn located<T>(&self, result: Result<T>) -> Result<T> {
        let context = || format!("attribute block {}", self.number);
        result.map_err(|error| error.at(self.offset).context(context()))
    }
}

/// The attribute block, its checksum verified.
fn block(core: &Core, request: &Request, inode: &InodeRecord) -> Result<Option<Block>> {
    let number = inode.file_acl(core);
    if number == 0 {
        return Ok(None);
    }
    let read = || {
        if !core.holds(number, 1) {
            return Err(Error::corrupt(format!(
                "i_file_acl {number} is outside the file system"
            )));
        }
        let block = Block {
            number,
            offset: core.superblock.block_offset(number)?,
            bytes: core.read_block(request, number)?,
        };
        block.located(verify(core, &block.bytes, number))?;
        Ok(Some(block))
    };
    located(inode, read())
}

fn verify(core: &Core, block: &[u8], number: u64) -> Result<()> {
    let Ok((header, _)) = BlockHeader::read_from_prefix(block) else {
        return Ok(());
    };
    let sum = block_checksum(block, number, core.superblock.seed);
    if !core.superblock.has_checksums() || sum == header.h_checksum.get() {
        return Ok(());
    }
    core.bad_checksum(Error::corrupt("bad checksum"))
}

/// Over the block's number and the block, with zeros where the sum itself is.
fn block_checksum(block: &[u8], number: u64, seed: u32) -> u32 {
    let hole = std::mem::offset_of!(BlockHeader, h_checksum);
    crc32c_around(crc32c(seed, &number.to_le_bytes()), block, hole)
}

fn read(
    core: &Core,
    request: &Request,
    parent: &InodeRecord,
    entry: &Entry<'_>,
) -> Result<Vec<u8>> {
    match entry.value {
        Value::Here(bytes) => Ok(bytes.to_vec()),
        Value::Inode { number, size } => {
            request.spend(1)?;
            let inode = InodeRecord::read_unlinked(core, number)?;
            check_value_inode(core, &inode, size)?;
            let mut value = vec![0; to_usize(size.into())];
            content::read(core, request, &inode, &mut value, 0)?;
            verify_value(core, parent, &inode, entry, &value)
                .context(|| format!("inode {number}"))?;
            Ok(value)
        }
    }
}

fn check_value_inode(core: &Core, inode: &InodeRecord, size: u32) -> Result<()> {
    let number = inode.number;
    let wrong = if !inode.has(EA_INODE) || inode.kind != FileType::Regular {
        "does not hold a value".to_owned()
    } else if inode.size != u64::from(size) {
        format!("holds {} bytes, not the e_value_size of {size}", inode.size)
    } else if inode.file_acl(core) != 0 {
        "holds a value, and has attributes itself".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::corrupt(wrong)
        .at(inode.offset)
        .context(format!("inode {number}")))
}

/// The value's CRC-32C is in the inode's `i_atime`, and `e_hash` is over it and the name. Lustre's
/// values have neither, but the parent's number and generation in `i_mtime` and `i_generation`.
fn verify_value(
    core: &Core,
    parent: &InodeRecord,
    inode: &InodeRecord,
    entry: &Entry<'_>,
    value: &[u8],
) -> Result<()> {
    let lustre = inode.raw.i_mtime.get() == parent.number
        && inode.raw.i_generation.get() == parent.raw.i_generation.get();
    if lustre {
        return Ok(());
    }
    let sum = crc32c(core.superblock.seed, value);
    let hashed = hash(entry.name, sum, u32::from) == entry.hash
        || hash(entry.name, sum, signed) == entry.hash;
    if sum == inode.raw.i_atime.get() && hashed {
        return Ok(());
    }
    core.bad_checksum(Error::corrupt("the value's checksum is wrong").at(inode.offset))
}

/// A byte of a name as a `char` of the machines on which that is signed.
fn signed(byte: u8) -> u32 {
    i32::from(byte.cast_signed()).cast_unsigned()
}

/// `ext4_xattr_hash_entry` for a value that is one word.
fn hash(name: &[u8], word: u32, widen: fn(u8) -> u32) -> u32 {
    let name = name
        .iter()
        .fold(0_u32, |hash, byte| hash.rotate_left(5) ^ widen(*byte));
    name.rotate_left(16) ^ word
}

fn limits(core: &Core) -> Limits {
    Limits {
        value_inodes: core.superblock.features.has(features::EA_INODE),
        first_inode: core.superblock.first_inode(),
        inodes: core.superblock.inodes(),
    }
}

fn located<T>(inode: &InodeRecord, result: Result<T>) -> Result<T> {
    let number = inode.number;
    result.map_err(|error| error.at(inode.offset).context(format!("inode {number}")))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions)]
mod tests;
