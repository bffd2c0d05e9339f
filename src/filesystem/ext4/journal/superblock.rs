//! The journal's superblock: where the log begins, which transaction is the first in it, and how
//! its blocks are laid out.

use zerocopy::{FromBytes, IntoBytes};

use super::super::checksum::{crc32c, crc32c_around};
use super::layout::{JournalSuperblock, MAGIC, block_type};
use super::log::Log;
use crate::error::{Error, Result};

const COMPAT_CHECKSUM: u32 = 1;
const INCOMPAT_REVOKE: u32 = 1;
const INCOMPAT_64BIT: u32 = 2;
const INCOMPAT_ASYNC_COMMIT: u32 = 4;
const INCOMPAT_CSUM_V2: u32 = 8;
const INCOMPAT_CSUM_V3: u32 = 16;
const INCOMPAT_FAST_COMMIT: u32 = 32;
const INCOMPAT_KNOWN: u32 = INCOMPAT_REVOKE
    | INCOMPAT_64BIT
    | INCOMPAT_ASYNC_COMMIT
    | INCOMPAT_CSUM_V2
    | INCOMPAT_CSUM_V3
    | INCOMPAT_FAST_COMMIT;

/// `s_checksum_type` of CRC-32C, the only one there is for versions 2 and 3.
const CHECKSUM_CRC32C: u8 = 4;
/// `JBD2_MIN_JOURNAL_BLOCKS`: a log is never made shorter than this by fast-commit blocks.
const LEAST_BLOCKS: u32 = 1024;
/// `JBD2_DEFAULT_FAST_COMMIT_BLOCKS`, meant by an `s_num_fc_blks` of 0.
const DEFAULT_FAST_COMMIT_BLOCKS: u32 = 256;

/// How the blocks of the log are checksummed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksums {
    /// Not at all.
    None,
    /// One CRC-32 over a whole transaction, in its commit block.
    Transaction,
    /// CRC-32C in each block of the journal's own, and 16 bits of it in each tag.
    V2,
    /// As version 2, with the whole CRC-32C in each tag.
    V3,
}

/// What the superblock says, checked.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    /// Log blocks are numbered `first..last`; the log goes on at `first` behind its last block.
    pub(super) first: u32,
    pub(super) last: u32,
    /// Where the oldest transaction begins; 0 where the log is empty.
    pub(super) start: u32,
    /// The number of the oldest transaction.
    pub(super) sequence: u32,
    /// The fast-commit blocks behind the log, as block numbers of the journal.
    pub(super) fast_commit: Option<std::ops::Range<u32>>,
    pub(super) checksums: Checksums,
    /// What checksums of version 2 and 3 start from.
    pub(super) seed: u32,
    pub(super) wide_numbers: bool,
    pub(super) async_commit: bool,
}

impl Superblock {
    /// Reads and checks block 0 of the journal.
    ///
    /// # Errors
    /// `Corrupt`, naming the field that the kernel would refuse it for; `Unsupported` for an
    /// unknown incompatible feature.
    pub(super) fn read(log: &Log<'_>) -> Result<Self> {
        let block = log.read(0)?;
        let (raw, _) = JournalSuperblock::read_from_prefix(&block)
            .map_err(|_| Error::corrupt("the journal's blocks are under 1024 bytes"))?;
        Self::parse(&raw, log.blocks(), log.block_size()).map_err(|error| match log.place(0) {
            Ok(offset) => error.at(offset),
            Err(_) => error,
        })
    }

    fn parse(raw: &JournalSuperblock, blocks: u32, block_size: usize) -> Result<Self> {
        let version_2 = check_header(raw)?;
        check_size(raw, blocks, block_size)?;
        let (compat, incompat) = if version_2 {
            (raw.s_feature_compat.get(), raw.s_feature_incompat.get())
        } else {
            (0, 0)
        };
        let checksums = checksums(raw, compat, incompat)?;
        let (last, fast_commit) = areas(raw, incompat);
        let start = raw.s_start.get();
        if start != 0 && !(raw.s_first.get()..raw.s_maxlen.get()).contains(&start) {
            return Err(Error::corrupt(format!(
                "s_start {start} is outside the log, which has blocks {} to {}",
                raw.s_first, raw.s_maxlen
            )));
        }
        Ok(Self {
            first: raw.s_first.get(),
            last,
            start,
            sequence: raw.s_sequence.get(),
            fast_commit,
            checksums,
            seed: crc32c(!0, &raw.s_uuid),
            wide_numbers: incompat & INCOMPAT_64BIT != 0,
            async_commit: incompat & INCOMPAT_ASYNC_COMMIT != 0,
        })
    }

    /// Whether descriptor, revoke and commit blocks carry a CRC-32C.
    pub(super) fn has_block_checksums(&self) -> bool {
        matches!(self.checksums, Checksums::V2 | Checksums::V3)
    }
}

/// Whether it is version 2.
fn check_header(raw: &JournalSuperblock) -> Result<bool> {
    let magic = raw.s_header.h_magic.get();
    if magic != MAGIC {
        return Err(Error::corrupt(format!(
            "h_magic {magic:#x} is not {MAGIC:#x}"
        )));
    }
    match raw.s_header.h_blocktype.get() {
        block_type::SUPERBLOCK_V1 => Ok(false),
        block_type::SUPERBLOCK_V2 => Ok(true),
        other => Err(Error::corrupt(format!(
            "h_blocktype {other} is no superblock's"
        ))),
    }
}

fn check_size(raw: &JournalSuperblock, blocks: u32, block_size: usize) -> Result<()> {
    let (first, len) = (raw.s_first.get(), raw.s_maxlen.get());
    if usize::try_from(raw.s_blocksize.get()) != Ok(block_size) {
        return Err(Error::corrupt(format!(
            "s_blocksize {} is not the file system's {block_size}",
            raw.s_blocksize
        )));
    }
    if len > blocks {
        return Err(Error::corrupt(format!(
            "s_maxlen {len} is over the journal's {blocks} blocks"
        )));
    }
    if first == 0 || first >= len {
        return Err(Error::corrupt(format!(
            "s_first {first} is outside the journal's {len} blocks"
        )));
    }
    Ok(())
}

fn checksums(raw: &JournalSuperblock, compat: u32, incompat: u32) -> Result<Checksums> {
    let unknown = incompat & !INCOMPAT_KNOWN;
    if unknown != 0 {
        return Err(Error::unsupported(format!(
            "s_feature_incompat has the unknown bits {unknown:#x}"
        )));
    }
    let v1 = compat & COMPAT_CHECKSUM != 0;
    let v2 = incompat & INCOMPAT_CSUM_V2 != 0;
    let v3 = incompat & INCOMPAT_CSUM_V3 != 0;
    let kind = match (v1, v2, v3) {
        (false, false, false) => return Ok(Checksums::None),
        (true, false, false) => return Ok(Checksums::Transaction),
        (false, true, false) => Checksums::V2,
        (false, false, true) => Checksums::V3,
        _ => return Err(Error::corrupt("more than one version of checksums is set")),
    };
    if raw.s_checksum_type != CHECKSUM_CRC32C {
        return Err(Error::corrupt(format!(
            "s_checksum_type {} is not {CHECKSUM_CRC32C}",
            raw.s_checksum_type
        )));
    }
    let stored = raw.s_checksum.get();
    let hole = std::mem::offset_of!(JournalSuperblock, s_checksum);
    if crc32c_around(!0, raw.as_bytes(), hole) != stored {
        return Err(Error::corrupt(format!("s_checksum {stored:#x} is wrong")));
    }
    Ok(kind)
}

/// The end of the log, and the fast-commit blocks behind it. As in the kernel, the first of them
/// lies one block behind that end.
fn areas(raw: &JournalSuperblock, incompat: u32) -> (u32, Option<std::ops::Range<u32>>) {
    let len = raw.s_maxlen.get();
    if incompat & INCOMPAT_FAST_COMMIT == 0 {
        return (len, None);
    }
    let count = match raw.s_num_fc_blks.get() {
        0 => DEFAULT_FAST_COMMIT_BLOCKS,
        count => count,
    };
    let last = match len.checked_sub(count) {
        Some(last) if last >= LEAST_BLOCKS => last,
        _ => len,
    };
    (last, Some(last.saturating_add(1)..len))
}
