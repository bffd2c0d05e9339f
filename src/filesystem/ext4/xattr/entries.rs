//! The list of attributes in an inode or in a block, checked as the kernel checks it before it
//! believes any of it (`check_xattrs` in `fs/ext4/xattr.c`).

use zerocopy::FromBytes;

use super::layout::{BlockHeader, MAGIC, RawEntry, name_index};
use crate::error::{Error, Result, printable};
use crate::number::to_usize;

/// `EXT4_XATTR_SIZE_MAX`: no value is longer.
const LONGEST_VALUE: u32 = 1 << 24;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// `e_name_index`: the namespace.
    pub(super) index: u8,
    /// The name behind its namespace's prefix.
    pub(super) name: &'a [u8],
    pub(super) value: Value<'a>,
    pub(super) hash: u32,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Beside the entries.
    Here(&'a [u8]),
    /// The contents of another inode.
    Inode { number: u32, size: u32 },
}

/// What the file system allows besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Feature `ea_inode`.
    pub(super) value_inodes: bool,
    /// `s_first_ino` and `s_inodes_count`: value inodes are within.
    pub(super) first_inode: u32,
    pub(super) inodes: u32,
}

/// The attributes in `area`, what an inode has behind `i_extra_isize`. Empty where none were ever
/// written.
///
/// # Errors
/// `Corrupt`, naming the entry and the field.
pub(super) fn in_inode(area: &[u8], limits: Limits) -> Result<Vec<Entry<'_>>> {
    match area.split_first_chunk() {
        Some((magic, entries)) if *magic == MAGIC.to_le_bytes() => {
            parse(entries, entries, 0, limits)
        }
        _ => Ok(Vec::new()),
    }
}

/// The value of `system.data` in `area`, the rest of an inline file: it lies nowhere else, and what
/// is wrong with attributes behind it does not matter. `None` without it, or where it is damaged.
pub(super) fn system_data(area: &[u8]) -> Option<&[u8]> {
    let values = area.strip_prefix(&MAGIC.to_le_bytes())?;
    let limits = Limits {
        value_inodes: false,
        first_inode: 0,
        inodes: 0,
    };
    let mut rest = values;
    while *rest.first_chunk::<4>()? != [0; 4] {
        let (raw, name, behind) = split_entry(rest).ok()?;
        if raw.e_name_index == name_index::SYSTEM && name == b"data" {
            return match value(&raw, values, 0, limits) {
                Ok(Value::Here(bytes)) => Some(bytes),
                _ => None,
            };
        }
        rest = behind;
    }
    None
}

/// The attributes in `block`, a whole attribute block.
///
/// # Errors
/// `Corrupt`, naming the entry and the field.
pub(super) fn in_block(block: &[u8], limits: Limits) -> Result<Vec<Entry<'_>>> {
    let (header, entries) = BlockHeader::read_from_prefix(block)
        .map_err(|_| Error::corrupt("an attribute block is cut short"))?;
    let (magic, blocks) = (header.h_magic.get(), header.h_blocks.get());
    if magic != MAGIC {
        return Err(Error::corrupt(format!(
            "h_magic {magic:#x} is not {MAGIC:#x}"
        )));
    }
    if blocks != 1 {
        return Err(Error::corrupt(format!("h_blocks {blocks} is not 1")));
    }
    parse(entries, block, size_of::<BlockHeader>(), limits)
}

/// Parses `entries`, which begin `start` bytes into `values`, what value offsets count from.
fn parse<'a>(
    entries: &'a [u8],
    values: &'a [u8],
    start: usize,
    limits: Limits,
) -> Result<Vec<Entry<'a>>> {
    let mut raws = Vec::new();
    let mut rest = entries;
    loop {
        let Some(first) = rest.first_chunk::<4>() else {
            return Err(Error::corrupt("the attribute names have no end"));
        };
        if *first == [0; 4] {
            break;
        }
        let (raw, name, behind) = split_entry(rest)?;
        raws.push((raw, name));
        rest = behind;
    }
    // Values lie behind the four zero bytes that end the names.
    let names_end = values.len().saturating_sub(rest.len()).saturating_add(4);
    debug_assert!(names_end >= start);
    let entry = |&(raw, name): &(RawEntry, &'a [u8])| {
        let value = value(&raw, values, names_end, limits)
            .map_err(|error| error.context(format!("attribute {}", printable(name))))?;
        Ok(Entry {
            index: raw.e_name_index,
            name,
            value,
            hash: raw.e_hash.get(),
        })
    };
    raws.iter().map(entry).collect()
}

/// The entry at the start of `bytes`, its name, and what follows.
fn split_entry(bytes: &[u8]) -> Result<(RawEntry, &[u8], &[u8])> {
    let (raw, rest) = RawEntry::read_from_prefix(bytes)
        .map_err(|_| Error::corrupt("an attribute's entry is cut short"))?;
    let len = usize::from(raw.e_name_len);
    let parts = rest.get(..len).zip(rest.get(len.next_multiple_of(4)..));
    let (name, behind) = parts.ok_or_else(|| {
        Error::corrupt(format!(
            "e_name_len {len} leads past the end of the attributes"
        ))
    })?;
    if name.contains(&0) {
        let name = printable(name);
        return Err(Error::corrupt(format!("the name «{name}» has a NUL")));
    }
    Ok((raw, name, behind))
}

fn value<'a>(
    raw: &RawEntry,
    values: &'a [u8],
    names_end: usize,
    limits: Limits,
) -> Result<Value<'a>> {
    let (size, number) = (raw.e_value_size.get(), raw.e_value_inum.get());
    if size > LONGEST_VALUE {
        return Err(Error::corrupt(format!(
            "e_value_size {size} is over {LONGEST_VALUE}"
        )));
    }
    if number != 0 {
        let known = (limits.first_inode..=limits.inodes).contains(&number);
        return if limits.value_inodes && known {
            Ok(Value::Inode { number, size })
        } else {
            Err(Error::corrupt(format!(
                "e_value_inum {number} can't hold a value"
            )))
        };
    }
    if size == 0 {
        return Ok(Value::Here(&[]));
    }
    let (start, len) = (usize::from(raw.e_value_offs.get()), to_usize(size.into()));
    let padded = start.checked_add(len.next_multiple_of(4));
    let end = start.checked_add(len);
    match (padded, end) {
        (Some(padded), Some(end)) if start >= names_end && padded <= values.len() => {
            values.get(start..end).map(Value::Here)
        }
        _ => None,
    }
    .ok_or_else(|| {
        Error::corrupt(format!(
            "e_value_offs {start} with e_value_size {size} is outside the values"
        ))
    })
}
