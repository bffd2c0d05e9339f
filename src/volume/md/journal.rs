//! The journal of a RAID 4, 5 or 6: what is written goes there first, and some of it may be nowhere
//! else (drivers/md/raid5-cache.c).

use zerocopy::FromBytes;

use super::Found;
use super::layout::{R5LOG_MAGIC, R5lMetaBlock, SECTOR};
use super::superblock::{Role, Superblock};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Bytes of a meta block, and from one to the next where nothing lies between them.
const BLOCK: u64 = 4096;

/// How many empty records are looked at. A journal that was emptied has one.
const MOST_EMPTY: usize = 16;

/// Whether all that the array was given is on its members.
///
/// # Errors
/// `Unsupported` where the journal may hold more, or is not there.
pub(super) fn check(found: &[Found], newest: &Superblock) -> Result<()> {
    let is_journal = |it: &&Found| {
        let superblock = &it.superblock;
        let is_new = superblock.events.saturating_add(1) >= newest.events;
        newest.role(superblock.number) == Role::Journal && is_new
    };
    let hint = "--no-replay shows what the members have";
    let Some(journal) = found.iter().find(is_journal) else {
        let text = "its journal is missing, and may hold what the members lack";
        return Err(Error::unsupported(text).hint(hint));
    };
    match holds_writes(&journal.superblock, &*journal.source) {
        Ok(false) => Ok(()),
        Ok(true) => {
            let text = "its journal holds writes that the members may lack";
            Err(Error::unsupported(text).hint(hint))
        }
        Err(error) => Err(error.context("journal").hint(hint)),
    }
}

/// Whether there is a record with data where the journal begins.
fn holds_writes(superblock: &Superblock, device: &dyn Source) -> Result<bool> {
    let (start, len) = superblock.data;
    let mut at = superblock.recovered.unwrap_or_default();
    let mut expected = None;
    for _ in 0..MOST_EMPTY {
        let Some(block) = block(device, start, at)? else {
            return Ok(false);
        };
        if expected.is_some_and(|expected| expected != block.seq.get()) {
            return Ok(false);
        }
        if u64::from(block.meta_size.get()) > to_u64(size_of::<R5lMetaBlock>()) {
            return Ok(true);
        }
        expected = block.seq.get().checked_add(1);
        at = at.saturating_add(BLOCK);
        if at >= len {
            at = 0;
        }
    }
    Ok(false)
}

/// The meta block at byte `at` of the journal, if one was written there.
fn block(device: &dyn Source, start: u64, at: u64) -> Result<Option<R5lMetaBlock>> {
    let bytes = read_vec(device, start.saturating_add(at), size_of::<R5lMetaBlock>())?;
    let block = R5lMetaBlock::read_from_bytes(&bytes).ok();
    Ok(block.filter(|block| {
        let is_here = block.position.get().checked_mul(SECTOR) == Some(at);
        block.magic.get() == R5LOG_MAGIC && block.version == 1 && is_here
    }))
}
