//! Files with several names that were written already, and under which one.

use std::collections::HashMap;

use crate::filesystem::Inode;

/// Bytes of the longest path that a system call takes, and one.
const PATH_MAX: usize = 4096;

/// Bytes of memory for what is remembered: 800000 files in any usual tree. No process is to have
/// more than 256 MiB, and the names of directories have their share.
const MOST: usize = 96 << 20;

/// Bytes that a file takes besides its path.
const EACH: usize = 64;

/// What is remembered of them. A file that isn't, since no path leads to it or there are too many,
/// is written once more.
#[derive(Default)]
pub(crate) struct Links {
    written: HashMap<Inode, Box<[u8]>>,
    bytes: usize,
}

impl Links {
    /// Where `inode` was written.
    pub(crate) fn get(&self, inode: Inode) -> Option<&[u8]> {
        self.written.get(&inode).map(|path| &**path)
    }

    /// It is written at `path`.
    pub(crate) fn insert(&mut self, inode: Inode, path: &[u8]) {
        let bytes = self.bytes.saturating_add(path.len()).saturating_add(EACH);
        if path.len() < PATH_MAX && bytes <= MOST {
            self.bytes = bytes;
            self.written.insert(inode, path.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_path_leads_to_and_what_is_too_much_is_not_remembered() {
        let mut links = Links::default();
        links.insert(Inode(1), b"a");
        links.insert(Inode(2), &[b'x'; PATH_MAX]);
        assert_eq!(links.get(Inode(1)), Some(&b"a"[..]));
        assert_eq!(links.get(Inode(2)), None);
        links.bytes = MOST - EACH - 2;
        links.insert(Inode(3), b"abc");
        links.insert(Inode(4), b"ab");
        assert_eq!(
            (links.get(Inode(3)), links.get(Inode(4))),
            (None, Some(&b"ab"[..]))
        );
    }
}
