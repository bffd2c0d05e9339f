//! A directory entry: what is known of a file besides its long name.

use zerocopy::FromBytes;

use super::boot_sector::{Geometry, Root};
use super::code_page::CodePage;
use super::layout::RawEntry;
use super::table::Width;
use crate::error::{Error, Result};

/// DIR_Attr: nobody is to write it.
pub(super) const READ_ONLY: u8 = 0x01;
/// DIR_Attr: it is the volume's label.
const VOLUME_ID: u8 = 0x08;
/// DIR_Attr: it is a directory.
pub(super) const DIRECTORY: u8 = 0x10;
/// DIR_Attr: the bits that have a meaning.
const MEANING: u8 = 0x3f;
/// DIR_Attr of a part of a long name, which no file has.
const LONG_NAME: u8 = 0x0f;

/// DIR_NTRes: the name proper is lower case.
const LOWER_BASE: u8 = 0x08;
/// DIR_NTRes: the extension is.
const LOWER_EXTENSION: u8 = 0x10;

/// DIR_Name\[0\]: nobody uses this entry.
const FREE: u8 = 0xe5;
/// DIR_Name\[0\]: stands for 0xe5, which is a letter in some code pages.
const ESCAPED: u8 = 0x05;

/// What an entry is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It and all behind it were never used.
    Last,
    /// It is free.
    Free,
    /// It holds a part of the long name of a file further on.
    LongName,
    /// It is the volume's label.
    Label,
    /// `.` or `..`.
    Dot,
    /// A file, or a directory.
    File,
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectoryEntry {
    /// Its bytes.
    pub(super) raw: RawEntry,
}

impl DirectoryEntry {
    /// From the first 32 of `bytes`.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let (raw, _) = RawEntry::read_from_prefix(bytes).ok()?;
        Some(Self { raw })
    }

    /// What it is there for.
    pub(super) fn purpose(&self) -> Use {
        let [first, ..] = self.raw.DIR_Name;
        let attributes = self.raw.DIR_Attr & MEANING;
        match first {
            0 => Use::Last,
            FREE => Use::Free,
            _ if attributes == LONG_NAME => Use::LongName,
            _ if attributes & VOLUME_ID != 0 => Use::Label,
            _ if self.raw.DIR_Name == *b".          " => Use::Dot,
            _ if self.is_parent() => Use::Dot,
            _ => Use::File,
        }
    }

    /// Whether it is `..`.
    pub(super) fn is_parent(&self) -> bool {
        self.raw.DIR_Name == *b"..         "
    }

    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        self.raw.DIR_Attr & DIRECTORY != 0
    }

    /// DIR_Attr, as `FAT_IOCTL_GET_ATTRIBUTES` gives it.
    pub(super) fn attributes(&self) -> u8 {
        self.raw.DIR_Attr & MEANING
    }

    /// Bytes of the file; directories keep none.
    pub(super) fn size(&self) -> u64 {
        self.raw.DIR_FileSize.get().into()
    }

    /// The first cluster, 0 for none.
    pub(super) fn first_cluster(&self, geometry: &Geometry) -> u32 {
        let low = u32::from(self.raw.DIR_FstClusLO.get());
        match geometry.width {
            Width::Fat32 => u32::from(self.raw.DIR_FstClusHI.get()) << 16 | low,
            // What OS/2 and others keep in the other half is none of it.
            Width::Fat12 | Width::Fat16 => low,
        }
    }

    /// The first cluster of a directory, which is neither the root's nor missing.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn directory_cluster(&self, geometry: &Geometry) -> Result<u32> {
        let cluster = self.first_cluster(geometry);
        geometry.cluster_offset(cluster)?;
        if geometry.root == Root::Cluster(cluster) {
            return Err(Error::corrupt(format!(
                "cluster {cluster} is the root directory's"
            )));
        }
        Ok(cluster)
    }

    /// DIR_Name with its first byte as it is meant.
    pub(super) fn label(&self) -> [u8; 11] {
        let mut name = self.raw.DIR_Name;
        if let [first @ ESCAPED, ..] = &mut name {
            *first = FREE;
        }
        name
    }

    /// The short name as it is shown, empty where all of it is spaces.
    pub(super) fn short_name(&self, code_page: &CodePage) -> String {
        let name = self.label();
        let (base, extension) = name.split_at(8);
        let case = self.raw.DIR_NTRes;
        let mut text = String::new();
        code_page.decode(part(base), case & LOWER_BASE != 0, &mut text);
        let extension = part(extension);
        if !extension.is_empty() {
            text.push('.');
            code_page.decode(extension, case & LOWER_EXTENSION != 0, &mut text);
        }
        text
    }

    /// The sum of the short name that the parts of its long name carry («ChkSum»).
    pub(super) fn checksum(&self) -> u8 {
        let add = |sum: u8, byte: &u8| sum.rotate_right(1).wrapping_add(*byte);
        self.raw.DIR_Name.iter().fold(0, add)
    }
}

/// `bytes` up to a NUL, without the spaces behind.
fn part(bytes: &[u8]) -> &[u8] {
    let used = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let end = used.iter().rposition(|byte| *byte != b' ');
    let len = end.map_or(0, |last| last.saturating_add(1));
    used.get(..len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8; 11], case: u8) -> DirectoryEntry {
        let mut bytes = [0; 32];
        bytes[..11].copy_from_slice(name);
        bytes[12] = case;
        DirectoryEntry::new(&bytes).unwrap()
    }

    fn shown(name: &[u8; 11], case: u8) -> String {
        let page = CodePage::named(None).unwrap();
        entry(name, case).short_name(&page)
    }

    #[test]
    fn short_names_are_two_parts_each_with_its_case() {
        assert_eq!(shown(b"README  TXT", 0), "README.TXT");
        assert_eq!(shown(b"README  TXT", 0x08), "readme.TXT");
        assert_eq!(shown(b"README  TXT", 0x10), "README.txt");
        assert_eq!(shown(b"README  TXT", 0x18), "readme.txt");
        assert_eq!(shown(b"NOEXT      ", 0x10), "NOEXT");
        assert_eq!(shown(b"A B     C D", 0), "A B.C D");
        assert_eq!(shown(b"        TXT", 0), ".TXT");
        assert_eq!(shown(b"           ", 0), "");
        assert_eq!(shown(b"AB\0CD   X\0Y", 0), "AB.X");
    }

    #[test]
    fn byte_5_is_byte_e5() {
        assert_eq!(shown(b"\x05BC     TXT", 0), "σBC.TXT");
        assert_eq!(entry(b"\x05BC     TXT", 0).purpose(), Use::File);
        assert_eq!(entry(b"\xe5BC     TXT", 0).purpose(), Use::Free);
    }

    #[test]
    fn the_sum_is_that_of_the_specification() {
        // As mtools writes it for the alias of `longfilename.txt`.
        assert_eq!(entry(b"LONGFI~1TXT", 0).checksum(), 0xd4);
    }
}
