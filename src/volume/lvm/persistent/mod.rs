//! What the kernel's persistent-data library keeps on disk for thin pools and caches: blocks of
//! 4 KiB with a checksum, in trees whose keys are numbers, and arrays on top of those
//! (drivers/md/persistent-data). All is read as it is needed, through the one cache.

mod array;
mod layout;
mod tree;

use zerocopy::FromBytes;

pub(super) use self::array::array_values;
use self::layout::BlockHeader;
pub(super) use self::tree::{Found, Tree};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of a block.
pub(super) const BLOCK: u64 = 4096;

/// Block number `number` of the metadata `source`; `salt` differs by what it is.
///
/// # Errors
/// `Corrupt` for one that is not there, is another, or whose checksum is wrong.
pub(super) fn block(source: &dyn Source, number: u64, salt: u32) -> Result<Vec<u8>> {
    let at = number.checked_mul(BLOCK);
    let inside = |at: &u64| {
        at.checked_add(BLOCK)
            .is_some_and(|end| end <= source.size())
    };
    let at = at.filter(inside).ok_or_else(|| {
        let text = format!("metadata block {number} is past the end");
        Error::corrupt(text).at(number.saturating_mul(BLOCK))
    })?;
    let bytes = read_vec(source, at, to_usize(BLOCK))?;
    let wrong = |why: String| Error::corrupt(format!("metadata block {number}: {why}")).at(at);
    let (header, _) =
        BlockHeader::read_from_prefix(&bytes).map_err(|_| wrong("cut off".to_owned()))?;
    let stored = header.csum.get();
    let found = !crc32c::crc32c(bytes.get(4..).unwrap_or_default()) ^ salt;
    if stored != found {
        return Err(wrong(format!(
            "its checksum is {stored:#x}, and its bytes give {found:#x}"
        )));
    }
    Ok(bytes)
}

/// That a block says of itself, so many bytes behind its start, that it is number `number`.
fn check_number(said: u64, number: u64, field: usize) -> Result<()> {
    if said == number {
        return Ok(());
    }
    let text = format!("metadata block {number} says that it is {said}");
    let at = number.saturating_mul(BLOCK).saturating_add(to_u64(field));
    Err(Error::corrupt(text).at(at))
}
