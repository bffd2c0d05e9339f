//! Revoke records: numbers of blocks whose copies in the log are void.

use zerocopy::FromBytes;

use super::layout::RevokeHeader;
use super::superblock::Superblock;
use crate::error::{Error, Result};

/// Whether transaction `one` is later than `other`. The numbers wrap round at 2^32.
pub(super) fn is_later(one: u32, other: u32) -> bool {
    let distance = one.wrapping_sub(other);
    distance != 0 && distance < 1 << 31
}

/// The block numbers in a revoke block.
///
/// # Errors
/// `Corrupt` for an `r_count` over the block.
pub(super) fn records(block: &[u8], superblock: &Superblock) -> Result<Vec<u64>> {
    let Ok((header, _)) = RevokeHeader::read_from_prefix(block) else {
        return Ok(Vec::new());
    };
    let count = crate::number::to_usize(u64::from(header.r_count.get()));
    let tail = if superblock.has_block_checksums() {
        4
    } else {
        0
    };
    if count > block.len().saturating_sub(tail) {
        return Err(Error::corrupt(format!(
            "revoke block: r_count {count} is over the block's {} bytes",
            block.len()
        )));
    }
    let bytes = block.get(size_of::<RevokeHeader>()..count).unwrap_or(&[]);
    let width = if superblock.wide_numbers { 8 } else { 4 };
    let number = |record: &[u8]| {
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        record.iter().fold(0, fold)
    };
    Ok(bytes.chunks_exact(width).map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_later_across_the_wrap() {
        assert!(is_later(2, 1) && !is_later(1, 2) && !is_later(7, 7));
        assert!(is_later(3, u32::MAX - 3) && !is_later(u32::MAX - 3, 3));
    }
}
