//! Recovery: all three passes over the log, and their result, a list of which blocks of the volume
//! are to be read from the log instead.

use super::copied::{Copied, Newest};
use super::log::Log;
use super::revoke::{is_later, records};
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

/// Recovers `log`, whose volume has `volume_blocks` blocks.
pub(super) fn recover(log: &Log<'_>, superblock: &Superblock, volume_blocks: u64) -> Recovery {
    let scanned = scan(log, superblock);
    let mut recovery = Recovery {
        next: scanned.end,
        transactions: scanned.end.wrapping_sub(superblock.sequence),
        ..Recovery::default()
    };
    recovery.problems.extend(scanned.problem);
    let mut replay = match revoked(log, superblock, scanned.blocks, scanned.end) {
        Ok(copied) => Replay {
            log,
            superblock,
            volume_blocks,
            copied,
            problems: Vec::new(),
        },
        // Whose copies are void is not known.
        Err(error) => {
            recovery.transactions = 0;
            recovery.problems.push(error);
            return recovery;
        }
    };
    let replayed = pass(log, superblock, scanned.end, |block, at, walk| {
        replay.block(&block, at, walk)
    });
    recovery.problems.append(&mut replay.problems);
    recovery.problems.extend(replayed.err());
    match replay.copied.merged() {
        Ok(copies) => recovery.copies = copies,
        Err(error) => recovery.problems.push(error),
    }
    recovery
}

/// The second pass: what is revoked of `blocks`, of which the log has copies.
fn revoked(log: &Log<'_>, superblock: &Superblock, blocks: Vec<u64>, end: u32) -> Result<Copied> {
    let mut copied = Copied::of(blocks)?;
    pass(log, superblock, end, |block, _, walk| {
        match block {
            Block::Revoke(block) => {
                for number in records(&block, superblock)? {
                    copied.revoke(number, walk.sequence);
                }
            }
            Block::Descriptor(block) => {
                for _ in tags(&block, superblock) {
                    walk.advance()?;
                }
            }
            Block::Commit(_) => {}
        }
        Ok(())
    })?;
    Ok(copied)
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
    copied: Copied,
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
            if self.copied.is_void(tag.block, sequence) {
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
            self.copied.remember(tag.block, newest);
        }
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
