//! The journal inside an image: fields by name, big endian, and the checksums over them (v3).

use super::Image;
use super::checksum::crc32c;
use super::fields::{Field, find};

const SUPERBLOCK: &[Field] = &[
    ("h_blocktype", 0x4, 4),
    ("s_blocksize", 0xc, 4),
    ("s_maxlen", 0x10, 4),
    ("s_first", 0x14, 4),
    ("s_sequence", 0x18, 4),
    ("s_start", 0x1c, 4),
    ("s_feature_incompat", 0x28, 4),
    ("s_checksum_type", 0x50, 1),
];

/// The first tag (v3) of a descriptor block.
const DESCRIPTOR: &[Field] = &[
    ("h_sequence", 0x8, 4),
    ("t_blocknr", 0xc, 4),
    ("t_flags", 0x10, 4),
    ("t_blocknr_high", 0x14, 4),
    ("t_checksum", 0x18, 4),
];

const REVOKE: &[Field] = &[
    ("h_sequence", 0x8, 4),
    ("r_count", 0xc, 4),
    ("block", 0x10, 8),
];

const COMMIT: &[Field] = &[
    ("h_sequence", 0x8, 4),
    ("h_chksum", 0x10, 4),
    ("h_commit_sec", 0x30, 8),
];

/// A block of the journal by its number in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Superblock,
    Descriptor(u64),
    Revoke(u64),
    Commit(u64),
}

/// The journal of an image whose journal is inode 8.
pub struct Journal<'a>(pub &'a mut Image);

impl Journal<'_> {
    /// Where the journal's block `number` lies in the image, in bytes.
    pub fn offset(&self, number: u64) -> usize {
        self.0.block_offset(self.0.nth_block(8, number))
    }

    fn number(log: Log) -> u64 {
        match log {
            Log::Superblock => 0,
            Log::Descriptor(number) | Log::Revoke(number) | Log::Commit(number) => number,
        }
    }

    /// Changes a field and mends the block's checksum.
    pub fn set(&mut self, log: Log, name: &str, value: u64) -> &mut Self {
        self.set_raw(log, name, value);
        self.mend(log);
        self
    }

    /// Changes a field and leaves the checksum.
    pub fn set_raw(&mut self, log: Log, name: &str, value: u64) -> &mut Self {
        let table = match log {
            Log::Superblock => SUPERBLOCK,
            Log::Descriptor(_) => DESCRIPTOR,
            Log::Revoke(_) => REVOKE,
            Log::Commit(_) => COMMIT,
        };
        let (offset, width) = find(table, name);
        let at = self.offset(Self::number(log)) + offset;
        let old = self.0.bytes[at..at + width].to_vec();
        let new = &value.to_be_bytes()[8 - width..];
        assert_ne!(old, new, "{log:?} {name} is so in the seed");
        self.0.bytes[at..at + width].copy_from_slice(new);
        self
    }

    fn seed(&self) -> u32 {
        let at = self.offset(0) + 0x30;
        crc32c(!0, &self.0.bytes[at..at + 16])
    }

    /// Recomputes the checksum of a block.
    pub fn mend(&mut self, log: Log) {
        let at = self.offset(Self::number(log));
        let size = self.0.block_size();
        let (seed, len, sum_at) = match log {
            Log::Superblock => (!0, 1024, 0xfc),
            Log::Descriptor(_) | Log::Revoke(_) => (self.seed(), size, size - 4),
            Log::Commit(_) => (self.seed(), size, 0x10),
        };
        let sum_at = at + sum_at;
        self.0.bytes[sum_at..sum_at + 4].fill(0);
        let sum = crc32c(seed, &self.0.bytes[at..at + len]);
        self.0.bytes[sum_at..sum_at + 4].copy_from_slice(&sum.to_be_bytes());
    }

    /// Recomputes the checksum of the first tag of the descriptor in block `number`, over the
    /// transaction's number and the block that follows.
    pub fn mend_tag(&mut self, number: u64) {
        let (at, data) = (self.offset(number), self.offset(number + 1));
        let sum = crc32c(self.seed(), &self.0.bytes[at + 8..at + 12]);
        let sum = crc32c(sum, &self.0.bytes[data..data + self.0.block_size()]);
        self.0.bytes[at + 0x18..at + 0x1c].copy_from_slice(&sum.to_be_bytes());
        self.mend(Log::Descriptor(number));
    }
}
