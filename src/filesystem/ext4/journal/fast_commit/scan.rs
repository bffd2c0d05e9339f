//! Which records count: those up to the last tail whose checksum and transaction are right.

use super::super::super::checksum::crc32c;
use super::super::edit::RawBytes;
use super::super::log::Log;
use super::super::superblock::Superblock;
use super::record::{HEADER, Tag, is_valid_len, parse, tag};
use crate::error::{Error, Result};

/// No more of the fast-commit blocks are looked at: mke2fs makes 1/64 of the log.
const MOST_BYTES: usize = 32 << 20;

/// No more records than this are kept in memory: as many as there are in 16 MiB, which mke2fs makes for
/// a large volume. Those that are more are left out with all that were committed with them.
const MOST_RECORDS: usize = 1 << 20;

/// The records behind `log` that belong to transaction `expected`, and why they are not all.
///
/// # Errors
/// Where there are fast commits of that transaction and not one is whole, as the kernel would
/// refuse the file system then.
pub(in super::super) fn scan(
    log: &Log<'_>,
    superblock: &Superblock,
    expected: u32,
    inode_size: u16,
) -> Result<(Vec<Tag>, Option<Error>)> {
    let mut scan = Scan {
        expected,
        inode_size,
        crc: 0,
        tags: Vec::new(),
        pending: Vec::new(),
        whole: 0,
        problem: None,
    };
    let most = MOST_BYTES.checked_div(log.block_size()).unwrap_or(0);
    for number in superblock
        .fast_commit
        .clone()
        .unwrap_or_default()
        .take(most)
    {
        let block = log.read(number)?;
        let first = superblock.fast_commit.as_ref().map(|blocks| blocks.start) == Some(number);
        if first && block.u16_at(0) != tag::HEAD {
            break;
        }
        if !scan.block(&block)? {
            break;
        }
    }
    Ok((scan.tags, scan.problem))
}

struct Scan {
    expected: u32,
    inode_size: u16,
    /// Of everything since the last tail.
    crc: u32,
    tags: Vec<Tag>,
    pending: Vec<Tag>,
    /// Tails that were right.
    whole: u32,
    problem: Option<Error>,
}

impl Scan {
    /// Takes a block; false where the records end.
    fn block(&mut self, block: &[u8]) -> Result<bool> {
        let mut rest = block;
        while rest.len() >= HEADER {
            let (kind, len) = (rest.u16_at(0), usize::from(rest.u16_at(2)));
            let end = HEADER.saturating_add(len);
            let (record, behind) = match rest.split_at_checked(end) {
                Some(split) if is_valid_len(kind, len, self.inode_size) => split,
                _ => return self.stop("a record with a wrong tag or length"),
            };
            let value = record.get(HEADER..).unwrap_or(&[]);
            match kind {
                tag::HEAD => {
                    if value.u32_at(0) != 0 {
                        return self.stop("fc_features has unknown bits");
                    }
                    if value.u32_at(4) != self.expected {
                        return Ok(false);
                    }
                    self.crc = crc32c(self.crc, record);
                }
                tag::TAIL => {
                    // Up to the tail's own checksum; the rest of its value fills the block.
                    let summed = record.get(..HEADER.saturating_add(4)).unwrap_or(&[]);
                    let sum = crc32c(self.crc, summed);
                    if value.u32_at(0) != self.expected || value.u32_at(4) != sum {
                        return self.stop("the tail's checksum or transaction is wrong");
                    }
                    self.tags.append(&mut self.pending);
                    self.whole = self.whole.saturating_add(1);
                    self.crc = 0;
                }
                _ => {
                    self.crc = crc32c(self.crc, record);
                    if self.tags.len().saturating_add(self.pending.len()) >= MOST_RECORDS {
                        let text = format!("over {MOST_RECORDS} records, more than are kept");
                        self.problem = Some(Error::unsupported(text));
                        return Ok(false);
                    }
                    self.pending.extend(parse(kind, value));
                }
            }
            rest = behind;
        }
        Ok(true)
    }

    /// The end of the records: what was written last did not reach the disk whole.
    fn stop(&self, why: &str) -> Result<bool> {
        if self.whole > 0 {
            return Ok(false);
        }
        Err(Error::corrupt(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn e21_records_without_number_are_refused() {
        let mut scan = Scan {
            expected: 1,
            inode_size: 256,
            crc: 0,
            tags: Vec::new(),
            pending: Vec::new(),
            whole: 0,
            problem: None,
        };
        // Sixteen bytes each: nothing is mapped at block 0 of inode 12 any more.
        let mut record = [0; 16];
        for (at, value) in [(0, tag::DEL_RANGE), (2, 12), (4, 12)] {
            record[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        let block = record.repeat(1 << 16);
        let all = MOST_RECORDS >> 16;
        for _ in 0..all {
            assert_eq!(scan.block(&block), Ok(true));
        }
        assert_eq!(scan.block(&block), Ok(false));
        let error = scan.problem.unwrap();
        assert_eq!(error.kind(), Kind::Unsupported);
        let text = "over 1048576 records";
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(scan.pending.len(), MOST_RECORDS);
    }
}
