//! Revoke records: blocks whose copies in the log are void, since the block was freed and may
//! belong to a file's contents now, which are not in the log.

use std::collections::HashMap;

use zerocopy::FromBytes;

use super::layout::RevokeHeader;
use super::superblock::Superblock;
use crate::error::{Error, Result};

/// More revoked blocks than this are not kept in memory.
const MOST: usize = 1 << 20;

/// For each revoked block the last transaction that revoked it.
#[derive(Default)]
pub(super) struct Revoked(HashMap<u64, u32>);

impl Revoked {
    /// Adds the records of the revoke block `block` of transaction `sequence`. Those past the
    /// volume's `volume_blocks` mean nothing, and there may be many.
    ///
    /// # Errors
    /// `Corrupt` as of [`records`].
    pub(super) fn add(
        &mut self,
        block: &[u8],
        sequence: u32,
        superblock: &Superblock,
        volume_blocks: u64,
    ) -> Result<()> {
        let numbers = records(block, superblock)?.into_iter();
        for number in numbers.filter(|number| *number < volume_blocks) {
            if self.0.len() >= MOST && !self.0.contains_key(&number) {
                return Err(Error::corrupt(format!("over {MOST} blocks are revoked")));
            }
            let last = self.0.entry(number).or_insert(sequence);
            if is_later(sequence, *last) {
                *last = sequence;
            }
        }
        Ok(())
    }

    /// Whether a copy of `block` that transaction `sequence` wrote is void: it was revoked in that
    /// transaction or a later one.
    pub(super) fn contains(&self, block: u64, sequence: u32) -> bool {
        let last = self.0.get(&block);
        last.is_some_and(|last| !is_later(sequence, *last))
    }
}

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

    #[test]
    fn a_copy_is_void_up_to_the_transaction_that_revokes_it() {
        let revoked = Revoked(HashMap::from([(40, 1)]));
        assert!(revoked.contains(40, u32::MAX) && revoked.contains(40, 1));
        assert!(!revoked.contains(40, 2) && !revoked.contains(41, 1));
    }
}
