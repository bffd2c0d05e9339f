//! Where a file has data, and the map of it that the sparse format 1.0 of GNU tar writes in front of
//! the data (GNU tar manual, "Storing Sparse Files", PAX Format, Version 1.0).

use super::super::entries::request;
use crate::error::Result;
use crate::filesystem::{FileSystem, Inode};
use crate::number::to_u64;
use crate::source::ExtentKind;

/// Bytes in a block of an archive.
pub(super) const BLOCK: u64 = 512;

/// More pieces than this are not told apart: what is left of the file is data then.
const MOST: usize = 1 << 20;

/// The data of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pieces {
    /// Offset and bytes of each, in order.
    pub(super) data: Vec<(u64, u64)>,
    /// Whether any of the file's bytes is in none of them.
    pub(super) has_holes: bool,
}

/// Where the `size` bytes of `file` have data.
///
/// # Errors
/// As [`FileSystem::extent_at`].
pub(super) fn pieces(filesystem: &dyn FileSystem, file: Inode, size: u64) -> Result<Pieces> {
    let mut data: Vec<(u64, u64)> = Vec::new();
    let (mut offset, mut covered) = (0_u64, 0_u64);
    while offset < size {
        let rest = size.saturating_sub(offset);
        let (kind, len) = if data.len() < MOST {
            let extent = filesystem.extent_at(&request(), file, offset)?;
            (extent.kind, extent.len.get().min(rest))
        } else {
            (ExtentKind::Data, rest)
        };
        if kind == ExtentKind::Data {
            covered = covered.saturating_add(len);
            match data.last_mut() {
                Some((start, before)) if start.saturating_add(*before) == offset => {
                    *before = before.saturating_add(len);
                }
                _ => data.push((offset, len)),
            }
        }
        offset = offset.saturating_add(len);
    }
    let has_holes = covered < size;
    Ok(Pieces { data, has_holes })
}

/// The map of a sparse file of `size` bytes, padded to whole blocks.
pub(super) fn map(pieces: &[(u64, u64)], size: u64) -> Vec<u8> {
    let mut text = String::new();
    let ends_in_hole = pieces
        .last()
        .is_none_or(|(start, len)| start.saturating_add(*len) < size);
    let count = to_u64(pieces.len()).saturating_add(u64::from(ends_in_hole));
    let mut line = |number: u64| {
        text.push_str(&number.to_string());
        text.push('\n');
    };
    line(count);
    for (start, len) in pieces {
        line(*start);
        line(*len);
    }
    // An empty piece at the end says how long the file is: that is what GNU tar writes.
    if ends_in_hole {
        line(size);
        line(0);
    }
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Memory, file};
    use super::*;

    #[test]
    fn pieces_are_what_lies_between_holes() {
        let mut memory = Memory::default();
        let mut node = file(&[1; 100]);
        node.holes = vec![0..10, 40..50, 90..100];
        let inode = memory.add(b"f", node);
        let found = pieces(&memory, inode, 100).expect("it is good");
        assert_eq!(found.data, [(10, 30), (50, 40)]);
        assert!(found.has_holes);
        let whole = memory.add(b"g", file(&[1; 100]));
        let found = pieces(&memory, whole, 100).expect("it is good");
        assert_eq!((found.data, found.has_holes), (vec![(0, 100)], false));
    }

    #[test]
    fn a_map_says_how_many_then_where_and_how_long() {
        let text = |map: Vec<u8>| {
            let (text, padding) = map.split_at(map.iter().position(|byte| *byte == 0).expect("0"));
            assert!(padding.iter().all(|byte| *byte == 0));
            assert_eq!(map.len() % 512, 0);
            String::from_utf8_lossy(text).into_owned()
        };
        assert_eq!(text(map(&[(10, 30), (50, 50)], 100)), "2\n10\n30\n50\n50\n");
        assert_eq!(text(map(&[(10, 30)], 100)), "2\n10\n30\n100\n0\n");
        assert_eq!(text(map(&[], 100)), "1\n100\n0\n");
    }
}
