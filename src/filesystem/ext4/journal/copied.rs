//! The blocks of the volume that the log has copies of, with what is known of each: which copy is the
//! newest, and up to which transaction they are void. A block is revoked when it is freed, and may
//! belong to a file's contents then, which are not in the log. Blocks without copies may be revoked
//! as well, any number of them: nothing is kept of those.

use super::recover::Copy;
use super::revoke::is_later;
use crate::error::{Error, Kind, Result};

/// Where one block's newest copy lies.
#[derive(Clone, Copy)]
pub(super) struct Newest {
    /// The block of the volume that holds it.
    pub(super) place: u64,
    /// Its first four bytes are to be the journal's magic number.
    pub(super) escaped: bool,
}

/// All such blocks.
pub(super) struct Copied {
    /// Ascending.
    blocks: Vec<u64>,
    /// For each of them the last transaction that revokes it.
    revoked: Vec<Option<u32>>,
    /// And its newest copy.
    newest: Vec<Option<Newest>>,
}

impl Copied {
    /// Of `blocks`, in any order.
    ///
    /// # Errors
    /// `Io` where memory is short.
    pub(super) fn of(mut blocks: Vec<u64>) -> Result<Self> {
        blocks.sort_unstable();
        blocks.dedup();
        Ok(Self {
            revoked: nothing(blocks.len())?,
            newest: nothing(blocks.len())?,
            blocks,
        })
    }

    /// Transaction `sequence` revokes `block`.
    pub(super) fn revoke(&mut self, block: u64, sequence: u32) {
        if let Ok(index) = self.blocks.binary_search(&block)
            && let Some(last) = self.revoked.get_mut(index)
            && last.is_none_or(|last| is_later(sequence, last))
        {
            *last = Some(sequence);
        }
    }

    /// Whether a copy of `block` that transaction `sequence` wrote is void: it was revoked in that
    /// transaction or a later one.
    pub(super) fn is_void(&self, block: u64, sequence: u32) -> bool {
        let index = self.blocks.binary_search(&block);
        let last = index.ok().and_then(|index| *self.revoked.get(index)?);
        last.is_some_and(|last| !is_later(sequence, last))
    }

    /// `newest` takes the place of the copies of `block` so far.
    pub(super) fn remember(&mut self, block: u64, newest: Newest) {
        if let Ok(index) = self.blocks.binary_search(&block)
            && let Some(place) = self.newest.get_mut(index)
        {
            *place = Some(newest);
        }
    }

    /// Neighbouring blocks with neighbouring copies as one run.
    ///
    /// # Errors
    /// `Io` where memory is short.
    pub(super) fn merged(self) -> Result<Vec<Copy>> {
        drop(self.revoked);
        let mut copies: Vec<Copy> = Vec::new();
        let all = self.blocks.iter().zip(&self.newest);
        for (&block, newest) in all.filter_map(|(block, newest)| Some((block, (*newest)?))) {
            if let Some(last) = copies.last_mut() {
                let goes_on = last.block.checked_add(last.blocks) == Some(block)
                    && last.place.checked_add(last.blocks) == Some(newest.place);
                if goes_on && !last.escaped && !newest.escaped {
                    last.blocks = last.blocks.saturating_add(1);
                    continue;
                }
            }
            copies.try_reserve(1).map_err(short)?;
            copies.push(Copy {
                block,
                place: newest.place,
                blocks: 1,
                escaped: newest.escaped,
            });
        }
        Ok(copies)
    }
}

fn nothing<T: Clone>(len: usize) -> Result<Vec<Option<T>>> {
    let mut all = Vec::new();
    all.try_reserve_exact(len).map_err(short)?;
    all.resize(len, None);
    Ok(all)
}

/// Memory is short.
pub(super) fn short(_: std::collections::TryReserveError) -> Error {
    Error::new(Kind::Io, "no memory for what the log holds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_void_up_to_the_transaction_that_revokes_it() {
        let mut copied = Copied::of(vec![41, 40, 40]).unwrap();
        for (block, sequence) in [(40, u32::MAX), (40, 1), (40, 0), (39, 9)] {
            copied.revoke(block, sequence);
        }
        assert!(copied.is_void(40, u32::MAX) && copied.is_void(40, 1));
        assert!(!copied.is_void(40, 2) && !copied.is_void(41, 1) && !copied.is_void(39, 1));
    }

    #[test]
    fn the_last_copy_counts_and_neighbours_are_one_run() {
        let mut copied = Copied::of(vec![7, 5, 6, 9, 8]).unwrap();
        let plain = |place| Newest {
            place,
            escaped: false,
        };
        for (block, place) in [(5, 90), (5, 20), (6, 21), (7, 30), (9, 31)] {
            copied.remember(block, plain(place));
        }
        let copies = copied.merged().unwrap();
        let found: Vec<_> = copies
            .iter()
            .map(|copy| (copy.block, copy.place, copy.blocks))
            .collect();
        assert_eq!(found, [(5, 20, 2), (7, 30, 1), (9, 31, 1)]);
    }
}
