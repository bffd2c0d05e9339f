//! Where each group's inode table is, kept once somebody has asked: every inode is found by it.
//!
//! What is kept is 8 bytes for each group of a part of the disk that was used, whatever the size of
//! the file system: 16 TiB of 128 MiB groups are 1 MiB, where all of them are used.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::core::Core;
use super::group::Group;
use super::superblock::Superblock;
use crate::error::{Error, Kind, Result};
use crate::number::to_usize;

/// Groups whose places are kept in one piece.
const PIECE: u32 = 512;

/// The places of the inode tables, as far as they are known. No lock: whoever comes to a group at
/// the same time as another reads the same descriptor.
pub(super) struct Tables(Vec<OnceLock<Box<[AtomicU64]>>>);

impl Tables {
    /// None is known.
    ///
    /// # Errors
    /// `Io` where memory is short.
    pub(super) fn new(superblock: &Superblock) -> Result<Self> {
        let pieces = to_usize(superblock.groups.div_ceil(PIECE).into());
        let mut list = Vec::new();
        list.try_reserve_exact(pieces)
            .map_err(|_| Error::new(Kind::Io, "no memory for the places of inode tables"))?;
        list.resize_with(pieces, OnceLock::new);
        Ok(Self(list))
    }

    /// The first block of the inode table of `group`.
    ///
    /// # Errors
    /// As [`Group::read`].
    pub(super) fn of(&self, core: &Core, group: u32) -> Result<u64> {
        let Some(place) = self.place(group) else {
            return Ok(Group::read(core, group)?.inode_table);
        };
        // No inode table is at block 0: 0 says that nobody has asked yet. A table that a hostile
        // image puts there is looked up each time.
        match place.load(Ordering::Relaxed) {
            0 => {
                let table = Group::read(core, group)?.inode_table;
                place.store(table, Ordering::Relaxed);
                Ok(table)
            }
            known => Ok(known),
        }
    }

    fn place(&self, group: u32) -> Option<&AtomicU64> {
        let piece = self.0.get(to_usize((group / PIECE).into()))?;
        let piece = piece.get_or_init(|| (0..PIECE).map(|_| AtomicU64::new(0)).collect());
        piece.get(to_usize((group % PIECE).into()))
    }
}
