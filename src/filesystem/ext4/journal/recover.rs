//! Recovery: all three passes over the log, and their result, a list of which blocks of the volume
//! are to be read from the log instead.

use std::collections::BTreeMap;

use super::log::Log;
use super::revoke::{Revoked, is_later};
use super::scan::{Block, Walk, scan};
use super::superblock::Superblock;
use super::tags::{tags, verify_tail};
use crate::error::{Error, Result, ResultExt};

/// A run of blocks of the volume whose newest contents lie in one piece in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// The first block of the volume that is copied.
    pub(super) block: u64,
    /// The block of the volume, inside the journal, that holds its copy.
    pub(super) place: u64,
    /// How many blocks; 1 where `escaped`.
    pub(super) blocks: u64,
    /// The copy's first four bytes are to be the journal's magic number.
    pub(super) escaped: bool,
}

/// What recovery found.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// Ascending and disjoint.
    pub(super) copies: Vec<Copy>,
    /// Transactions replayed.
    pub(super) transactions: u32,
    /// The number of the first transaction that is not in the log: that of fast commits.
    pub(super) next: u32,
    /// What was left out and why: the kernel would refuse to mount.
    pub(super) problems: Vec<Error>,
}

impl Recovery {
    /// Number of blocks that are read from the log.
    pub(super) fn blocks(&self) -> u64 {
        self.copies.iter().map(|copy| copy.blocks).sum()
    }
}

/// Copies of more blocks than this are not looked up in the log: four times as many as the largest
/// log that mke2fs makes by itself can hold.
pub(super) const MOST_BLOCKS: usize = 1 << 20;

/// Where one block's newest copy lies.
#[derive(Clone, Copy)]
struct Newest {
    place: u64,
    escaped: bool,
}

/// Recovers `log`, whose volume has `volume_blocks` blocks.
pub(super) fn recover(log: &Log<'_>, superblock: &Superblock, volume_blocks: u64) -> Recovery {
    let scanned = scan(log, superblock);
    let mut recovery = Recovery {
        next: scanned.end,
        transactions: scanned.end.wrapping_sub(superblock.sequence),
        ..Recovery::default()
    };
    recovery.problems.extend(scanned.problem);
    let mut revoked = Revoked::default();
    let collect = |block: Block, _: u64, walk: &mut Walk<'_>| match block {
        Block::Revoke(block) => revoked.add(&block, walk.sequence, superblock, volume_blocks),
        Block::Descriptor(block) => {
            for _ in tags(&block, superblock) {
                walk.advance()?;
            }
            Ok(())
        }
        Block::Commit(_) => Ok(()),
    };
    let collected = pass(log, superblock, scanned.end, collect);
    recovery.problems.extend(collected.err());
    let mut replay = Replay {
        log,
        superblock,
        volume_blocks,
        revoked: &revoked,
        newest: BTreeMap::new(),
        problems: Vec::new(),
    };
    let replayed = pass(log, superblock, scanned.end, |block, at, walk| {
        replay.block(&block, at, walk)
    });
    recovery.problems.append(&mut replay.problems);
    recovery.problems.extend(replayed.err());
    recovery.copies = merge(&replay.newest);
    recovery
}

/// Walks from the start of the log to transaction `end`; `each` gets each block, and the byte of the
/// volume where it is.
fn pass(
    log: &Log<'_>,
    superblock: &Superblock,
    end: u32,
    mut each: impl FnMut(Block, u64, &mut Walk<'_>) -> Result<()>,
) -> Result<()> {
    let mut walk = Walk::new(log, superblock);
    while is_later(end, walk.sequence) {
        let at = walk.place();
        let Some(block) = walk.next_block()? else {
            break;
        };
        let commit = matches!(block, Block::Commit(_));
        each(block, at, &mut walk).map_err(|error| error.at(at))?;
        if commit {
            walk.sequence = walk.sequence.wrapping_add(1);
        }
    }
    Ok(())
}

struct Replay<'a> {
    log: &'a Log<'a>,
    superblock: &'a Superblock,
    volume_blocks: u64,
    revoked: &'a Revoked,
    newest: BTreeMap<u64, Newest>,
    /// Damaged copies, of which the first few are kept.
    problems: Vec<Error>,
}

impl Replay<'_> {
    fn block(&mut self, block: &Block, at: u64, walk: &mut Walk<'_>) -> Result<()> {
        let Block::Descriptor(block) = block else {
            return Ok(());
        };
        let sequence = walk.sequence;
        if !verify_tail(block, self.superblock) {
            return Err(Error::corrupt("a descriptor block's checksum is wrong"))
                .context(|| format!("transaction {sequence}"));
        }
        for tag in tags(block, self.superblock) {
            let number = walk.advance()?;
            if self.revoked.contains(tag.block, sequence) {
                continue;
            }
            if let Err(error) = self.check(&tag, number, sequence) {
                self.report(error.context(format!("transaction {sequence}")).at(at));
                continue;
            }
            let newest = Newest {
                place: self.log.physical(number)?,
                escaped: tag.escaped,
            };
            self.remember(tag.block, newest)?;
        }
        Ok(())
    }

    /// # Errors
    /// `Corrupt` past [`MOST_BLOCKS`].
    fn remember(&mut self, block: u64, newest: Newest) -> Result<()> {
        if self.newest.len() >= MOST_BLOCKS && !self.newest.contains_key(&block) {
            return Err(Error::corrupt(format!(
                "the log holds copies of over {MOST_BLOCKS} blocks"
            )));
        }
        self.newest.insert(block, newest);
        Ok(())
    }

    /// Fails for a copy that is not to be used.
    fn check(&self, tag: &super::tags::Tag, number: u32, sequence: u32) -> Result<()> {
        if tag.block >= self.volume_blocks {
            return Err(Error::corrupt(format!(
                "t_blocknr {} is past the end of {} blocks",
                tag.block, self.volume_blocks
            )));
        }
        if !self.superblock.has_block_checksums() {
            return self.log.physical(number).map(|_| ());
        }
        let copy = self.log.read(number)?;
        if tag.verify(&copy, sequence, self.superblock) {
            return Ok(());
        }
        let block = tag.block;
        Err(Error::corrupt(format!(
            "the copy of block {block} has a wrong checksum, the block is left as it was"
        ))
        .at(self.log.place(number)?))
    }

    fn report(&mut self, error: Error) {
        const MOST: usize = 16;
        if self.problems.len() < MOST {
            self.problems.push(error);
        }
    }
}

/// Neighbouring blocks with neighbouring copies as one run.
fn merge(newest: &BTreeMap<u64, Newest>) -> Vec<Copy> {
    let mut copies: Vec<Copy> = Vec::new();
    for (&block, copy) in newest {
        if let Some(last) = copies.last_mut() {
            let goes_on = last.block.checked_add(last.blocks) == Some(block)
                && last.place.checked_add(last.blocks) == Some(copy.place);
            if goes_on && !last.escaped && !copy.escaped {
                last.blocks = last.blocks.saturating_add(1);
                continue;
            }
        }
        copies.push(Copy {
            block,
            place: copy.place,
            blocks: 1,
            escaped: copy.escaped,
        });
    }
    copies
}
