//! The entries of one block of a directory: a chain of records, each as long as it says, up to the
//! end of the block. Record lengths are at least 12, so that the chain ends.

use zerocopy::FromBytes;

use crate::error::{Error, Result};
use crate::filesystem::FileType;
use crate::filesystem::ext4::layout::RawDirEntry;

/// The shortest record: the fixed fields and a name of up to four bytes.
const SHORTEST: usize = 12;

/// One record. An unused one names inode 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The byte in the block at which it starts.
    pub(super) start: usize,
    /// The byte behind it.
    pub(super) end: usize,
    /// The inode; 0 where the record is unused.
    pub(super) inode: u32,
    /// The name, as it is on disk: encrypted in an encrypted directory.
    pub(super) name: &'a [u8],
    /// The bytes between the name and the end of the record.
    pub(super) rest: &'a [u8],
    /// `file_type`.
    file_type: u8,
}

/// What a lookup takes from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The inode.
    pub(super) inode: u32,
    /// The type that the entry gives.
    pub(super) kind: Option<FileType>,
}

impl<'a> Record<'a> {
    /// The inode and the type.
    pub(super) fn found(&self) -> Found {
        Found {
            inode: self.inode,
            kind: self.kind(),
        }
    }

    /// A record that no disk has: `.` or `..` of an inline directory.
    pub(super) fn directory(inode: u32, name: &'a [u8]) -> Self {
        Self {
            start: 0,
            end: 0,
            inode,
            name,
            rest: &[],
            file_type: 2,
        }
    }

    /// The type that the entry gives; `None` where it gives none that is known.
    pub(super) fn kind(&self) -> Option<FileType> {
        match self.file_type {
            1 => Some(FileType::Regular),
            2 => Some(FileType::Directory),
            3 => Some(FileType::CharacterDevice),
            4 => Some(FileType::BlockDevice),
            5 => Some(FileType::Fifo),
            6 => Some(FileType::Socket),
            7 => Some(FileType::Symlink),
            _ => None,
        }
    }

    /// Whether this is `.` or `..`.
    pub(super) fn is_dots(&self) -> bool {
        matches!(self.name, b"." | b"..")
    }
}

/// The records of `bytes`, a block or the inline part of a directory whose blocks have
/// `block_size` bytes. Ends behind the first that breaks the chain, which is an error that names
/// the field, its value and the byte in the block.
pub(super) fn records(bytes: &[u8], block_size: usize) -> Records<'_> {
    Records {
        bytes,
        at: 0,
        block_size,
    }
}

/// See [`records`].
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    block_size: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let record = self.parse(rest);
        self.at = match &record {
            Ok(record) => record.end,
            Err(_) => self.bytes.len(),
        };
        Some(record)
    }
}

impl<'a> Records<'a> {
    fn parse(&self, rest: &'a [u8]) -> Result<Record<'a>> {
        let (raw, _) = RawDirEntry::ref_from_prefix(rest).map_err(|_| {
            Error::corrupt(format!(
                "directory entry at byte {} of the block is cut off",
                self.at
            ))
        })?;
        let length = record_length(raw.rec_len.get(), self.block_size);
        let name_end = usize::from(raw.name_len).saturating_add(size_of::<RawDirEntry>());
        let wrong = |what: &str| {
            Error::corrupt(format!(
                "rec_len {length} of the entry at byte {} of the block {what}",
                self.at
            ))
        };
        if length < SHORTEST || !length.is_multiple_of(4) {
            return Err(wrong("is under 12 or no multiple of 4"));
        }
        if length > rest.len() {
            return Err(wrong("leads past the block"));
        }
        if name_end > length {
            return Err(wrong(&format!(
                "is too short for name_len {}",
                raw.name_len
            )));
        }
        let name = rest.get(size_of::<RawDirEntry>()..name_end).unwrap_or(&[]);
        Ok(Record {
            start: self.at,
            end: self.at.saturating_add(length),
            inode: raw.inode.get(),
            name,
            rest: rest.get(name_end..length).unwrap_or(&[]),
            file_type: raw.file_type,
        })
    }
}

/// `rec_len` in bytes. Blocks of 64 KiB have records that 16 bits cannot count: 0 and 65535 mean
/// the whole block, and the low two bits, which are zero otherwise, are bits 16 and 17.
fn record_length(rec_len: u16, block_size: usize) -> usize {
    let length = usize::from(rec_len);
    if block_size < 0x1_0000 {
        return length;
    }
    match length {
        0 | 0xffff => block_size,
        length => length & 0xfffc | (length & 3) << 16,
    }
}

/// The byte in the directory at which the block that `byte` is in starts.
pub(super) fn block_start(byte: u64, block_size: usize) -> u64 {
    byte & !crate::number::to_u64(block_size).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of `length` bytes: `inode`, `name_len` from `name`, type 1.
    fn record(inode: u32, length: u16, name: &[u8]) -> Vec<u8> {
        let mut bytes = inode.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend([u8::try_from(name.len()).unwrap(), 1]);
        bytes.extend(name);
        bytes.resize(usize::from(length).max(bytes.len()), 0);
        bytes
    }

    fn names(bytes: &[u8]) -> (Vec<&[u8]>, Option<String>) {
        let mut names = Vec::new();
        for record in records(bytes, 4096) {
            match record {
                Ok(record) => names.push(record.name),
                Err(error) => return (names, Some(error.message().to_owned())),
            }
        }
        (names, None)
    }

    #[test]
    fn records_follow_each_other_to_the_end() {
        let block = [record(12, 12, b"a"), record(13, 40, b"longer")].concat();
        assert_eq!(names(&block), (vec![&b"a"[..], b"longer"], None));
    }

    #[test]
    fn what_is_before_a_broken_record_is_given() {
        for (length, name, what) in [
            (0, &b"b"[..], "is under 12"),
            (8, b"", "is under 12"),
            (14, b"b", "no multiple of 4"),
            (64, b"b", "leads past the block"),
            (12, b"longer", "too short for name_len 6"),
        ] {
            let mut block = [record(12, 12, b"a"), record(13, length, name)].concat();
            block.resize(12 + 40, 0);
            let (given, error) = names(&block);
            assert_eq!(given, [b"a"]);
            let error = error.expect("the record is broken");
            assert!(error.contains(what) && error.contains("byte 12"), "{error}");
        }
    }

    #[test]
    fn blocks_of_64_kib_have_lengths_of_18_bits() {
        // ext2fs_get_rec_len of e2fsprogs: 0 and 65535 are the whole block.
        assert_eq!(record_length(0, 0x1_0000), 0x1_0000);
        assert_eq!(record_length(0xffff, 0x1_0000), 0x1_0000);
        assert_eq!(record_length(12, 0x1_0000), 12);
        assert_eq!(record_length(0xfff4, 0x1_0000), 0xfff4);
        assert_eq!(record_length(0, 0x8000), 0);
    }
}
