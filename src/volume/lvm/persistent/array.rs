//! An array: blocks of values, found by a tree of their numbers.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{ARRAY_CSUM_XOR, ArrayBlock};
use super::tree::Tree;
use super::{BLOCK, block, check_number};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::SharedSource;

/// Bytes before the values.
const HEADER: usize = 24;

/// How many values of 8 bytes a block has room for.
const ROOM: u64 = (BLOCK - to_u64(HEADER)) / 8;

/// Hands the first `count` values, each of 8 bytes, of the array at block `root` to `each`.
///
/// # Errors
/// `Corrupt` for a block that makes no sense, and for an array that is shorter. Only the last block
/// may have fewer values than fit: the kernel finds a value's block by dividing (`dm_array_get_value`),
/// and an array of blocks with one each would take hundreds of times as long to read.
pub(in super::super) fn array_values(
    source: &SharedSource,
    root: u64,
    count: u64,
    each: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    let tree = Tree::of_numbers(source.clone(), root);
    let mut next = 0;
    let mut number = 0;
    while next < count {
        let place = tree.one(number)?.ok_or_else(|| {
            let text = format!("an array of {count} values ends at {next}");
            Error::corrupt(text)
        })?;
        let values = values(source, place)?;
        let len = to_u64(values.len());
        if len < ROOM.min(count.saturating_sub(next)) {
            let text = format!("block {number} of an array of {count} values has only {len}");
            return Err(Error::corrupt(text).at(place.saturating_mul(BLOCK)));
        }
        for value in values {
            if next < count {
                each(next, value)?;
            }
            next = next.saturating_add(1);
        }
        number = number.saturating_add(1);
    }
    Ok(())
}

fn values(source: &SharedSource, number: u64) -> Result<Vec<u64>> {
    let bytes = block(&**source, number, ARRAY_CSUM_XOR)?;
    let wrong = |why: &str| {
        let text = format!("metadata block {number}: {why}");
        Error::corrupt(text).at(number.saturating_mul(BLOCK))
    };
    let (header, _) = ArrayBlock::read_from_prefix(&bytes).map_err(|_| wrong("cut off"))?;
    check_number(
        header.blocknr.get(),
        number,
        offset_of!(ArrayBlock, blocknr),
    )?;
    let (count, size) = (header.nr_entries.get(), header.value_size.get());
    if size != 8 || u64::from(count) > ROOM || count > header.max_entries.get() {
        return Err(wrong(&format!("{count} values of {size} bytes do not fit")));
    }
    let values = bytes.get(HEADER..).unwrap_or_default().as_chunks::<8>().0;
    let values = values.iter().take(to_usize(u64::from(count)));
    Ok(values.map(|value| u64::from_le_bytes(*value)).collect())
}
