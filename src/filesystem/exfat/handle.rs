//! The handle of a file: where its first directory entry lies, and what leads on from there.

use crate::filesystem::Inode;

/// Bytes of a directory entry.
pub(super) const ENTRY: u64 = 32;

/// The root directory, which has no entry.
pub(super) const ROOT: Inode = Inode(1);

/// Where a file's first directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    /// The byte of the volume, a multiple of [`ENTRY`].
    pub(super) place: u64,
    /// Whether the directory has no chain in the FAT: the file's entries may go on in the next
    /// cluster.
    pub(super) contiguous: bool,
}

impl Handle {
    /// The file's number: twice the number of its first entry, counted from the start of the
    /// volume, and 1 more in a directory without a chain. The boot region keeps it above 700.
    pub(super) fn inode(self) -> Inode {
        let number = self.place / ENTRY;
        Inode(number << 1 | u64::from(self.contiguous))
    }

    /// The other way round.
    pub(super) fn of(inode: Inode) -> Self {
        Self {
            place: (inode.0 >> 1).saturating_mul(ENTRY),
            contiguous: inode.0 & 1 != 0,
        }
    }
}
