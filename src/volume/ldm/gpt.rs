//! Where a GPT has the private region of a dynamic disk: the partition that only the Logical Disk
//! Manager looks into. Of the table no more is read than that takes; whether it is sound is for its
//! own reader to say, and what is found here has checksums of its own.

use super::header::Region;
use crate::number::to_usize;
use crate::source::{Source, read_vec};

/// `5808c8aa-7e8f-42e0-85d2-e1e90434cfb3`, "Microsoft LDM metadata", as it lies in the table.
const METADATA: [u8; 16] = [
    0xaa, 0xc8, 0x08, 0x58, 0x8f, 0x7e, 0xe0, 0x42, 0x85, 0xd2, 0xe1, 0xe9, 0x04, 0x34, 0xcf, 0xb3,
];

/// Bytes of the largest table that is looked through.
const MOST: u64 = 1 << 20;

/// The partition's place in bytes, with sectors of `sector` bytes: by the table at the start of
/// `source`, or by the copy at its end where that is not whole.
pub(super) fn private_region(source: &dyn Source, sector: u64) -> Option<Region> {
    let first = in_table(source, sector, 1);
    if let Some(Table { region, .. }) = first.as_ref().filter(|it| it.is_whole) {
        return *region;
    }
    let last = source.size().checked_div(sector)?.checked_sub(1)?;
    let copy = match source.end_is_far() {
        true => None,
        false => in_table(source, sector, last),
    };
    let mut tables = first.into_iter().chain(copy);
    tables.find_map(|table| table.region)
}

/// What a table says.
struct Table {
    region: Option<Region>,
    /// Whether its entries are those that it has the checksum of.
    is_whole: bool,
}

/// The table whose header is at `lba`, if there is one.
fn in_table(source: &dyn Source, sector: u64, lba: u64) -> Option<Table> {
    let header = read_vec(source, lba.checked_mul(sector)?, 92).ok()?;
    if !header.starts_with(b"EFI PART") {
        return None;
    }
    let at = number(&header, 72, 8)?.checked_mul(sector)?;
    let (count, size) = (number(&header, 80, 4)?, number(&header, 84, 4)?);
    let len = count.checked_mul(size)?;
    if size < 128 || len > MOST {
        return None;
    }
    let entries = read_vec(source, at, to_usize(len)).ok()?;
    let checksum = number(&header, 88, 4)?;
    let mut list = entries.chunks_exact(to_usize(size));
    let entry = list.find(|entry| entry.starts_with(&METADATA));
    Some(Table {
        region: entry.and_then(|entry| region(entry, sector)),
        is_whole: u64::from(crc32fast::hash(&entries)) == checksum,
    })
}

/// Where the partition of an entry lies.
fn region(entry: &[u8], sector: u64) -> Option<Region> {
    let (first, last) = (number(entry, 32, 8)?, number(entry, 40, 8)?);
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    Some(Region {
        start: first.checked_mul(sector)?,
        size: sectors.checked_mul(sector)?,
    })
}

/// The little-endian number of `len` bytes at `at`.
fn number(bytes: &[u8], at: u64, len: u64) -> Option<u64> {
    let field = bytes.get(to_usize(at)..to_usize(at.checked_add(len)?))?;
    let bytes = field.iter().rev();
    Some(bytes.fold(0, |number, byte| number.wrapping_shl(8) | u64::from(*byte)))
}
