//! What this copy has made: it replaces what was in DEST before, and nothing of its own.

use std::collections::HashMap;

use crate::filesystem::Inode;
use crate::format::Identity;

/// Files that are remembered, in a hundred MiB. Of those behind them none is linked to, and one
/// that gets the name of another is not noticed.
const MOST: usize = 2 << 20;

/// The files of this host that were made, each with the one of the image that it is a copy of.
#[derive(Default)]
pub(super) struct Made(HashMap<Identity, Inode>);

impl Made {
    /// `copy` was made of `original`.
    pub(super) fn insert(&mut self, copy: Identity, original: Inode) {
        if self.0.len() < MOST {
            self.0.insert(copy, original);
        }
    }

    /// `copy` is gone.
    pub(super) fn remove(&mut self, copy: Identity) {
        self.0.remove(&copy);
    }

    /// What `copy` is a copy of.
    pub(super) fn original(&self, copy: Identity) -> Option<Inode> {
        self.0.get(&copy).copied()
    }
}
