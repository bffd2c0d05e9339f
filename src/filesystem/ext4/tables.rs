//! Where each group's inode table is, kept once somebody has asked: every inode is found by it.
//!
//! What is kept is 8 bytes for each group of a part of the disk that was used, whatever the size of
//! the file system: 16 TiB of 128 MiB groups are 1 MiB, where all of them are used. A hostile one can
//! have 2^32 groups of a block and inodes in all of them: those in parts past [`MOST_PIECES`] are
//! looked up each time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::core::Core;
use super::group::Group;
use crate::error::{Error, Kind, Result};
use crate::number::to_usize;

/// Groups whose places are kept in one piece.
const PIECE: u32 = 512;

/// Pieces that are listed together.
const PIECES: u32 = 512;

/// No more pieces than this are kept, 16 MiB: 256 TiB of the usual groups. A list counts as well.
const MOST_PIECES: u32 = 1 << 12;

/// As many pieces take the memory of a list.
const PIECES_OF_A_LIST: u32 = 3;

/// The places of [`PIECE`] groups, 0 where nobody has asked.
type Piece = Box<[AtomicU64]>;

/// The places of the inode tables, as far as they are known. No lock: whoever comes to a group at
/// the same time as another reads the same descriptor.
pub(super) struct Tables {
    lists: Vec<OnceLock<Box<[OnceLock<Piece>]>>>,
    /// How many pieces there are, and what takes as much.
    pieces: AtomicU32,
}

impl Tables {
    /// None is known of a file system of `groups` groups.
    ///
    /// # Errors
    /// `Io` where memory is short.
    pub(super) fn new(groups: u32) -> Result<Self> {
        let count = to_usize(groups.div_ceil(PIECE).div_ceil(PIECES).into());
        let mut lists = Vec::new();
        lists
            .try_reserve_exact(count)
            .map_err(|_| Error::new(Kind::Io, "no memory for the places of inode tables"))?;
        lists.resize_with(count, OnceLock::new);
        Ok(Self {
            lists,
            pieces: AtomicU32::new(0),
        })
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

    /// `None` where there is no room for it.
    fn place(&self, group: u32) -> Option<&AtomicU64> {
        let (number, within) = (group / PIECE, group % PIECE);
        let list = self.lists.get(to_usize((number / PIECES).into()))?;
        let list = match list.get() {
            Some(list) => list,
            None => {
                self.is_room().then_some(())?;
                list.get_or_init(|| {
                    self.pieces.fetch_add(PIECES_OF_A_LIST, Ordering::Relaxed);
                    (0..PIECES).map(|_| OnceLock::new()).collect()
                })
            }
        };
        let piece = list.get(to_usize((number % PIECES).into()))?;
        let piece = match piece.get() {
            Some(piece) => piece,
            None => {
                self.is_room().then_some(())?;
                piece.get_or_init(|| {
                    self.pieces.fetch_add(1, Ordering::Relaxed);
                    (0..PIECE).map(|_| AtomicU64::new(0)).collect()
                })
            }
        };
        piece.get(to_usize(within.into()))
    }

    fn is_room(&self) -> bool {
        self.pieces.load(Ordering::Relaxed) < MOST_PIECES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e02_any_number_of_groups_takes_little_memory() {
        let tables = Tables::new(u32::MAX).expect("memory");
        assert!(tables.lists.capacity() <= 1 << 14);
        // One group in each piece, and again.
        for group in (0..=u32::MAX).step_by(to_usize(PIECE.into())) {
            if let Some(place) = tables.place(group) {
                place.store(7, Ordering::Relaxed);
            }
        }
        let used = tables.pieces.load(Ordering::Relaxed);
        assert!((MOST_PIECES..MOST_PIECES + 4).contains(&used), "{used}");
        let known = |group| {
            tables
                .place(group)
                .map(|place| place.load(Ordering::Relaxed))
        };
        assert_eq!(known(0), Some(7));
        assert_eq!(known(1), Some(0));
        let lists = MOST_PIECES / PIECES * PIECES_OF_A_LIST;
        assert_eq!(known((MOST_PIECES - lists - 1) * PIECE), Some(7));
        assert_eq!(known(MOST_PIECES * PIECE), None);
    }

    #[test]
    fn e02_groups_far_from_one_another_take_no_more() {
        let tables = Tables::new(u32::MAX).expect("memory");
        for group in (0..=u32::MAX).step_by(to_usize((PIECE * PIECES).into())) {
            tables.place(group);
        }
        let bytes = |list: &OnceLock<Box<[OnceLock<Piece>]>>| {
            let pieces = list.get()?;
            let found = pieces.iter().filter(|piece| piece.get().is_some()).count();
            Some(size_of_val(&**pieces) + found * to_usize(PIECE.into()) * 8)
        };
        let all: usize = tables.lists.iter().filter_map(bytes).sum();
        assert!((15 << 20..17 << 20).contains(&all), "{all}");
    }
}
