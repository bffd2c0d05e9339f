//! What everything in this reader stands on: the bytes and the superblock.
//!
//! Opening goes through several of them: `journal` finds the log with one on the volume as it lies,
//! and gives a source on which nothing is left to recover; the last one is opened on that, since
//! the superblock may have been in the log.

use std::sync::Arc;

use super::ahead::Ahead;
use super::backup;
use super::inode::InodeRecord;
use super::recent::Recent;
use super::superblock::{self, Superblock};
use super::tables::Tables;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::format::{Context, Notices, Options};
use crate::source::{Scratch, SharedSource, read_scratch};

/// An open file system.
pub(super) struct Core {
    /// Its bytes, after replay where there was one.
    pub(super) source: SharedSource,
    /// The superblock.
    pub(super) superblock: Superblock,
    /// Where the inode tables are.
    pub(super) tables: Tables,
    /// What was asked for before it is wanted.
    pub(super) ahead: Ahead,
    /// What was read last.
    pub(super) recent: Recent,
    /// The user's choices.
    pub(super) options: Options,
    /// Where to say what is odd but no error.
    pub(super) notices: Arc<Notices>,
}

impl Core {
    /// Opens `source` by its superblock, or by a backup of it where there is none.
    ///
    /// # Errors
    /// As [`backup::find`].
    pub(super) fn open(source: SharedSource, context: &Context) -> Result<Self> {
        let superblock = backup::find(&*source, context)?;
        Ok(Self {
            source,
            tables: Tables::new(superblock.groups)?,
            ahead: Ahead::new(),
            recent: Recent::new(),
            superblock,
            options: context.options.clone(),
            notices: context.notices.clone(),
        })
    }

    /// Block `number`, for one step of the request's budget.
    ///
    /// # Errors
    /// `Corrupt` past the end of the file system; as [`crate::source::Source::read_exact_at`].
    pub(super) fn read_block(&self, request: &Request, number: u64) -> Result<Scratch> {
        request.spend(1)?;
        let offset = self.superblock.block_offset(number)?;
        read_scratch(&*self.source, offset, self.superblock.block_size())
    }

    /// Inode `number`, for one step of the request's budget.
    ///
    /// # Errors
    /// As [`InodeRecord::read`].
    pub(super) fn inode(&self, request: &Request, number: u32) -> Result<InodeRecord> {
        request.spend(1)?;
        self.recent
            .inode(number, || InodeRecord::read(self, number))
    }

    /// Whether `blocks` blocks from `start` on can be part of a file: inside the file system and
    /// behind the superblock.
    pub(super) fn holds(&self, start: u64, blocks: u64) -> bool {
        let end = start.checked_add(blocks);
        start > self.superblock.first_data_block
            && end.is_some_and(|end| end <= self.superblock.blocks)
    }

    /// A wrong checksum: an error, or a notice where the user wants to read all the same.
    ///
    /// # Errors
    /// `error` itself, with the hint that goes with it.
    pub(super) fn bad_checksum(&self, error: Error) -> Result<()> {
        if self.options.ignore_checksums {
            self.notices.add(error.context("ext4").to_string());
            return Ok(());
        }
        Err(error.hint(superblock::HINT))
    }
}

#[cfg(test)]
mod tests {
    use super::Core;

    #[test]
    fn it_is_small_since_it_is_handed_on_by_way_of_the_stack() {
        let size = size_of::<Core>();
        assert!(size <= 2048, "{size} bytes are a page fault for each 4 KiB");
    }
}
