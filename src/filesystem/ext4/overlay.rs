//! What the file system looks like besides its blocks: what the kernel's recovery changes in
//! single inodes and directories (fast commits, truncated orphans) and nothing on disk says.
//!
//! Journal replay proper needs none of this: it gives a source with the logged blocks in place, on
//! which a [`Core`](super::core::Core) is opened. `journal` and `orphan` fill an [`Overlay`] and
//! hand it to [`Core::with_overlay`](super::core::Core::with_overlay); `core`, `block_map` and
//! `directory` read it.

use std::collections::{BTreeMap, BTreeSet};

use super::block_map::BlockPlace;
use crate::filesystem::FileType;

/// Changes over the disk, by inode number.
#[derive(Clone, Default)]
pub(super) struct Overlay {
    /// The whole inode as it would lie in the inode table, `s_inode_size` bytes, its checksum not
    /// verified. Sizes, link counts and block counts after a truncation go here too.
    pub(super) inodes: BTreeMap<u32, Box<[u8]>>,
    /// Ranges of a file whose mapping is not what its extents or indirect blocks say.
    pub(super) ranges: BTreeMap<u32, Ranges>,
    /// Entries that a directory has, or has no more.
    pub(super) directories: BTreeMap<u32, DirectoryEdits>,
}

/// The remapped ranges of one file, by their first logical block. They do not overlap.
pub(super) type Ranges = BTreeMap<u64, Range>;

/// One remapped range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Blocks, at least 1. `u64::MAX` less the start is "to the end": a truncation.
    pub(super) blocks: u64,
    /// Where its first block is now.
    pub(super) place: BlockPlace,
}

/// The changes to one directory.
#[derive(Clone, Default)]
pub(super) struct DirectoryEdits {
    /// Entries on disk to leave out, by name.
    pub(super) removed: BTreeSet<Vec<u8>>,
    /// Entries that are not on disk, by name.
    pub(super) added: BTreeMap<Vec<u8>, AddedEntry>,
}

/// An entry that is not on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddedEntry {
    /// The inode it names.
    pub(super) inode: u32,
    /// The type that the entry gives.
    pub(super) kind: Option<FileType>,
}

impl DirectoryEdits {
    /// Whether an entry on disk called `name` is not to be seen.
    pub(super) fn hides(&self, name: &[u8]) -> bool {
        self.removed.contains(name) || self.added.contains_key(name)
    }
}
