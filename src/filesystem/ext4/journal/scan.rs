//! The walk along the log, and the first pass of recovery: where the last whole transaction ends.
//!
//! The rules are those of the kernel's `fs/jbd2/recovery.c`, since what it replays is what people
//! see after a crash. A transaction is any number of descriptor blocks (each followed by the
//! copies it tells of) and revoke blocks, all with the transaction's number, and a commit block.
//! The log ends at the first block that is none of these or has another number.

use zerocopy::FromBytes;

use super::super::checksum::crc32c_around;
use super::copied::short;
use super::crc32_be::crc32_be;
use super::layout::{CommitHeader, JournalHeader, MAGIC, block_type};
use super::log::Log;
use super::revoke;
use super::superblock::{Checksums, Superblock};
use super::tags::{tags, verify_tail};
use crate::error::{Error, Result};

/// `h_chksum_type` and `h_chksum_size` of a version 1 checksum.
const COMMIT_CRC32: (u8, u8) = (1, 4);

/// Copies of more blocks than this are not looked up in the log: twice as many as a log of 4 GiB can
/// hold. It ends before the transaction with the next one.
pub(super) const MOST_COPIES: usize = 1 << 21;

/// A block of the log that belongs to the transaction that the walk is at.
pub(super) enum Block {
    /// Copies follow.
    Descriptor(Vec<u8>),
    /// Revoke records.
    Revoke(Vec<u8>),
    /// The transaction is whole.
    Commit(Vec<u8>),
}

/// A walk along the log from its oldest block on.
pub(super) struct Walk<'a> {
    log: &'a Log<'a>,
    superblock: &'a Superblock,
    /// The transaction it is at.
    pub(super) sequence: u32,
    next: u32,
    /// Log blocks that may still be passed: it goes round in the log more than twice only where the
    /// log bites its tail.
    left: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(log: &'a Log<'a>, superblock: &'a Superblock) -> Self {
        Self {
            log,
            superblock,
            sequence: superblock.sequence,
            next: superblock.start,
            left: u64::from(superblock.last.saturating_sub(superblock.first)).saturating_mul(2),
        }
    }

    /// The next block of the transaction; `None` where the log ends.
    ///
    /// # Errors
    /// Where a block cannot be read, or the log goes round without an end.
    pub(super) fn next_block(&mut self) -> Result<Option<Block>> {
        let at = self.place();
        self.block_here().map_err(|error| error.at(at))
    }

    /// The byte of the volume where the block is that the walk is at; 0 for one that is nowhere.
    pub(super) fn place(&self) -> u64 {
        self.log.place(self.next).unwrap_or(0)
    }

    fn block_here(&mut self) -> Result<Option<Block>> {
        let number = self.next;
        let block = self.log.read(number)?;
        let Ok((header, _)) = JournalHeader::read_from_prefix(&block) else {
            return Ok(None);
        };
        if header.h_magic.get() != MAGIC || header.h_sequence.get() != self.sequence {
            return Ok(None);
        }
        self.advance()?;
        Ok(match header.h_blocktype.get() {
            block_type::DESCRIPTOR => Some(Block::Descriptor(block)),
            block_type::REVOKE => Some(Block::Revoke(block)),
            block_type::COMMIT => Some(Block::Commit(block)),
            _ => None,
        })
    }

    /// The number of the log block that the walk is at, which it then passes.
    ///
    /// # Errors
    /// `Corrupt` where every block of the log was passed already.
    pub(super) fn advance(&mut self) -> Result<u32> {
        let number = self.next;
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            Error::corrupt(format!("the log has no end, transaction {}", self.sequence))
        })?;
        let next = number.saturating_add(1);
        self.next = if next >= self.superblock.last {
            self.superblock.first
        } else {
            next
        };
        Ok(number)
    }
}

/// What the first pass found.
pub(super) struct Scan {
    /// The first transaction that is not replayed.
    pub(super) end: u32,
    /// What ended the log before its time, if anything did.
    pub(super) problem: Option<Error>,
    /// The blocks of the volume that it has copies of, in no order.
    pub(super) blocks: Vec<u64>,
}

/// Finds the end of the log. Where the kernel would refuse the file system, because a block of the
/// log is damaged and not just old, the log ends before the transaction it is in.
pub(super) fn scan(log: &Log<'_>, superblock: &Superblock) -> Scan {
    let mut pass = Pass {
        walk: Walk::new(log, superblock),
        log,
        superblock,
        end: None,
        rejected: None,
        crc: !0,
        suspicious: None,
        last_commit: 0,
        blocks: Vec::new(),
    };
    let problem = loop {
        match pass.step() {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
    };
    let rejected = pass.rejected.map(|(sequence, at)| {
        let transaction = format!("transaction {sequence}");
        let error = Error::corrupt("the commit block's checksum is wrong");
        error.context(transaction).at(at)
    });
    Scan {
        end: pass
            .end
            .map_or(pass.walk.sequence, |(sequence, _)| sequence),
        problem: problem.or(rejected),
        blocks: pass.blocks,
    }
}

struct Pass<'a> {
    walk: Walk<'a>,
    log: &'a Log<'a>,
    superblock: &'a Superblock,
    /// Set by a commit block whose checksum is wrong, and where that is.
    end: Option<(u32, u64)>,
    /// The same, where that means damage: with asynchronous commits, a commit block may reach the
    /// disk before what it commits, so that the last one in the log may well be wrong.
    rejected: Option<(u32, u64)>,
    /// Version 1: the checksum of the transaction so far.
    crc: u32,
    /// A block of this transaction with a wrong checksum: it is left over from an earlier round of
    /// the log, or damaged. The commit time tells which.
    suspicious: Option<u32>,
    last_commit: u64,
    blocks: Vec<u64>,
}

impl Pass<'_> {
    /// Takes one block; false at the end of the log.
    fn step(&mut self) -> Result<bool> {
        let (number, at) = (self.walk.next, self.walk.place());
        let stepped = match self.walk.next_block()? {
            None => Ok(false),
            Some(Block::Descriptor(block)) => {
                self.check_tail(&block, number);
                self.descriptor(&block).map(|()| true)
            }
            Some(Block::Revoke(block)) => {
                self.check_tail(&block, number);
                revoke::records(&block, self.superblock).map(|_| true)
            }
            Some(Block::Commit(block)) => self.commit(&block, at),
        };
        stepped.map_err(|error| error.at(at))
    }

    fn check_tail(&mut self, block: &[u8], at: u32) {
        if !verify_tail(block, self.superblock) {
            self.suspicious.get_or_insert(at);
        }
    }

    /// Passes the copies; version 1 sums them up.
    fn descriptor(&mut self, block: &[u8]) -> Result<()> {
        let sums = self.superblock.checksums == Checksums::Transaction && self.end.is_none();
        if sums {
            self.crc = crc32_be(self.crc, block);
        }
        for tag in tags(block, self.superblock) {
            let number = self.walk.advance()?;
            self.remember(tag.block)?;
            if sums {
                self.crc = crc32_be(self.crc, &self.log.read(number)?);
            }
        }
        Ok(())
    }

    /// # Errors
    /// `Unsupported` past [`MOST_COPIES`]; `Io` where memory is short.
    fn remember(&mut self, block: u64) -> Result<()> {
        if self.blocks.len() >= MOST_COPIES {
            let text = format!("the log holds over {MOST_COPIES} copies, more than are kept");
            let transaction = format!("transaction {}", self.walk.sequence);
            return Err(Error::unsupported(text).context(transaction));
        }
        self.blocks.try_reserve(1).map_err(short)?;
        self.blocks.push(block);
        Ok(())
    }

    fn commit(&mut self, block: &[u8], at: u64) -> Result<bool> {
        let sequence = self.walk.sequence;
        let Ok((header, _)) = CommitHeader::read_from_prefix(block) else {
            return Ok(false);
        };
        let time = header.h_commit_sec.get();
        if let Some(number) = self.suspicious {
            // An older time than the transaction before it: left over, the log just ends here.
            return if time < self.last_commit {
                Ok(false)
            } else {
                let error = Error::corrupt("the block's checksum is wrong");
                let place = format!("transaction {sequence}: journal block {number}");
                Err(error.context(place).at(self.log.place(number)?))
            };
        }
        if self.superblock.checksums == Checksums::Transaction && self.end.is_some() {
            self.rejected = self.end;
            return Ok(true); // its blocks were not summed up; the next block has another number
        }
        if !self.is_valid(&header, block) {
            if time < self.last_commit {
                return Ok(false);
            }
            self.end = Some((sequence, at));
            if !self.superblock.async_commit {
                self.rejected = self.end;
                return Ok(true);
            }
        }
        self.crc = !0;
        self.last_commit = time;
        self.walk.sequence = sequence.wrapping_add(1);
        Ok(true)
    }

    fn is_valid(&self, header: &CommitHeader, block: &[u8]) -> bool {
        let stored = header.h_chksum.first().map_or(0, |word| word.get());
        let kind = (header.h_chksum_type, header.h_chksum_size);
        match self.superblock.checksums {
            Checksums::None => true,
            Checksums::Transaction => {
                (kind == COMMIT_CRC32 && stored == self.crc) || (kind == (0, 0) && stored == 0)
            }
            Checksums::V2 | Checksums::V3 => self.has_valid_crc32c(block, stored),
        }
    }

    /// Over the whole block, or over the header with zeros behind it: a commit block may have
    /// reached the disk in its first sectors only.
    fn has_valid_crc32c(&self, block: &[u8], stored: u32) -> bool {
        let hole = std::mem::offset_of!(CommitHeader, h_chksum);
        let seed = self.superblock.seed;
        if crc32c_around(seed, block, hole) == stored {
            return true;
        }
        let mut partial = vec![0; block.len()];
        let header = block.get(..size_of::<CommitHeader>()).unwrap_or(&[]);
        if let Some(start) = partial.get_mut(..header.len()) {
            start.copy_from_slice(header);
        }
        crc32c_around(seed, &partial, hole) == stored
    }
}
