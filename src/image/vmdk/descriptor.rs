//! The text descriptor: what kind of disk it is, the extents that it consists of, its parent.
//! "Virtual Disk Format 5.0", section "The Descriptor File". It is not case-sensitive; lines that
//! begin with `#` are comments, but for the first, which is the magic.

use super::extent_line::{self, Line};
use crate::error::{Error, Result, printable};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Bytes of the largest descriptor. VMware's have about one hundred for each extent.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// Bytes of the longest line: two paths, and more than any of Windows or Linux.
const MOST_LINE: usize = 16 << 10;

/// Extents of a disk at most: 8 TiB in files of 2 GiB.
const MOST_EXTENTS: usize = 4096;

/// Entries of header and disk database at most.
const MOST_ENTRIES: usize = 4096;

/// Bytes of an old text that may be left behind a newer one's end.
const MOST_LEFT: usize = 16;

/// The first line.
pub(super) const MAGIC: &[u8] = b"# Disk DescriptorFile";

/// `parentCID` of a disk without a parent.
const NO_PARENT: u32 = u32::MAX;

/// A descriptor, its lines told apart. What its values mean is checked by who needs them.
pub(super) struct Descriptor {
    entries: Vec<(String, Vec<u8>)>,
    /// The extents, in the order in which they make up the disk.
    pub(super) extents: Vec<Line>,
}

/// Whether `head`, the first bytes of a file, begin like a descriptor: white space may stand
/// before the magic, in any case.
pub(super) fn is_descriptor(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let magic = text.trim_ascii_start().get(..MAGIC.len());
    magic.is_some_and(|magic| magic.eq_ignore_ascii_case(MAGIC))
}

/// Whether `head` begins like a descriptor in UTF-16.
pub(super) fn is_utf16(head: &[u8]) -> bool {
    let (text, first) = match head {
        [0xff, 0xfe, text @ ..] => (text, 0),
        [0xfe, 0xff, text @ ..] => (text, 1),
        _ => return false,
    };
    let letters: Vec<u8> = text.iter().skip(first).step_by(2).copied().collect();
    is_descriptor(&letters)
}

impl Descriptor {
    /// The descriptor that is all of `source`.
    ///
    /// # Errors
    /// `Corrupt` for more than 1 MiB, and as [`Descriptor::parse`].
    pub(super) fn read_file(source: &dyn Source) -> Result<Self> {
        let size = source.size();
        if size > MOST_BYTES {
            let text = format!("the descriptor has {size} bytes, over {MOST_BYTES}");
            return Err(Error::corrupt(text));
        }
        let bytes = read_vec(source, 0, crate::number::to_usize(size))?;
        // QEMU fills its descriptors up with NULs; and where a new CID has fewer digits than the
        // one before, what is left of the old text's end stands behind the first.
        let mut parts = bytes.splitn(2, |byte| *byte == 0);
        let (text, rest) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
        if rest.iter().filter(|byte| **byte != 0).count() > MOST_LEFT {
            return Self::parse(&bytes, 0);
        }
        Self::parse(text, 0)
    }

    /// The descriptor `text`, which begins at byte `start` of the file.
    ///
    /// # Errors
    /// `Corrupt`, naming the line and where it begins.
    pub(super) fn parse(text: &[u8], start: u64) -> Result<Self> {
        if is_utf16(text) {
            return Err(Error::corrupt("the descriptor is in UTF-16").at(start));
        }
        if !is_descriptor(text) {
            return Err(Error::corrupt("no \"# Disk DescriptorFile\" at its start").at(start));
        }
        let mut at = start;
        let mut found = Self {
            entries: Vec::new(),
            extents: Vec::new(),
        };
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let name = |error: Error| error.context(format!("line {}", index.saturating_add(1)));
            let added = found.add(line.trim_ascii(), at);
            added.map_err(|error| name(error).at(at))?;
            at = at.saturating_add(to_u64(line.len()).saturating_add(1));
        }
        Ok(found)
    }

    fn add(&mut self, line: &[u8], at: u64) -> Result<()> {
        if line.len() > MOST_LINE {
            let text = format!("{} bytes are over {MOST_LINE}", line.len());
            return Err(Error::corrupt(text));
        }
        if line.contains(&0) {
            return Err(Error::corrupt("a NUL in the descriptor"));
        }
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        if let Some(extent) = extent_line::parse(line, at)? {
            if self.extents.len() >= MOST_EXTENTS {
                return Err(Error::corrupt(format!("more than {MOST_EXTENTS} extents")));
            }
            self.extents.push(extent);
        } else if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
            let (key, value) = line.split_at(equals);
            let key = printable(key.trim_ascii()).to_ascii_lowercase();
            let value = value.get(1..).unwrap_or(&[]);
            self.add_entry(key, unquoted(value.trim_ascii()).to_vec())?;
        }
        Ok(())
    }

    /// The first of several of one name counts.
    fn add_entry(&mut self, key: String, value: Vec<u8>) -> Result<()> {
        if self.entries.len() >= MOST_ENTRIES {
            return Err(Error::corrupt(format!("more than {MOST_ENTRIES} entries")));
        }
        self.entries.push((key, value));
        Ok(())
    }

    /// The value of `key`, which is in lower case.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(own, _)| own == key);
        found.map(|(_, value)| value.as_slice())
    }

    /// The value of `key` as text that is safe to print.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(printable)
    }

    /// `version`, of the descriptor and not of its extents.
    ///
    /// # Errors
    /// `Corrupt` where it is no number, `Unsupported` over 3.
    pub(super) fn version(&self) -> Result<u32> {
        let Some(version) = self.text("version") else {
            return Ok(1);
        };
        match version.parse() {
            Ok(number @ 1..=3) => Ok(number),
            Ok(number) => {
                let text = format!("version {number} of the descriptor is not 1 to 3");
                Err(Error::unsupported(text))
            }
            Err(_) => Err(Error::corrupt(format!("version {version} is no number"))),
        }
    }

    /// `createType`.
    ///
    /// # Errors
    /// `Corrupt` where it is missing.
    pub(super) fn create_type(&self) -> Result<String> {
        let found = self.text("createtype").filter(|found| !found.is_empty());
        found.ok_or_else(|| Error::corrupt("no createType in the descriptor"))
    }

    /// `CID`, which changes whenever the disk is written after it was opened.
    ///
    /// # Errors
    /// `Corrupt` where it is no hexadecimal number.
    pub(super) fn cid(&self) -> Result<Option<u32>> {
        self.hex("cid", "CID")
    }

    /// The CID that the parent had; `None` for a disk without a parent.
    ///
    /// # Errors
    /// As [`Descriptor::cid`].
    pub(super) fn parent_cid(&self) -> Result<Option<u32>> {
        let cid = self.hex("parentcid", "parentCID")?;
        Ok(cid.filter(|cid| *cid != NO_PARENT))
    }

    fn hex(&self, key: &str, name: &str) -> Result<Option<u32>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let number = u32::from_str_radix(&text, 16);
        let wrong = |_| Error::corrupt(format!("{name} {text} is no hexadecimal number"));
        number.map(Some).map_err(wrong)
    }

    /// The encoding of names in it, where it says one.
    pub(super) fn encoding(&self) -> Option<&[u8]> {
        self.get("encoding").or_else(|| self.get("ddb.encoding"))
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"");
    let inner = inner.and_then(|inner| inner.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    fn parse(text: &str) -> Result<Descriptor> {
        Descriptor::parse(text.as_bytes(), 0)
    }

    #[test]
    fn case_white_space_and_quotes_do_not_matter() {
        let text = " \r\n#  comment\n".to_owned()
            + "Version = 2\r\ncid=00C0ffee\nPARENTCID = \"ffffffff\"\ncreatetype = vmfs\n"
            + "rw 8 flat \"a b.vmdk\" 0\nddb.UUID = \"60 00\"\nCID=1\nnonsense\n";
        assert!(parse(&text).is_err(), "the first line is the magic");
        let found = parse(&format!("\u{feff}\n  # dISK dESCRIPTORfILE\r\n{text}")).unwrap();
        assert_eq!(found.version(), Ok(2));
        assert_eq!(found.cid(), Ok(Some(0x00c0_ffee)), "the first counts");
        assert_eq!(found.parent_cid(), Ok(None));
        assert_eq!(found.create_type(), Ok("vmfs".to_owned()));
        assert_eq!(found.get("ddb.uuid"), Some(&b"60 00"[..]));
        assert_eq!(found.extents.len(), 1);
        assert_eq!(found.extents[0].name, b"a b.vmdk");
    }

    #[test]
    fn what_is_wrong_is_said_by_line() {
        let wrong = |text: &str| parse(&format!("# Disk DescriptorFile\n{text}"));
        let error = |text: &str| wrong(text).err().unwrap().to_string();
        assert_eq!(
            error("\na\0b"),
            "line 3: a NUL in the descriptor at byte 0x17"
        );
        assert!(error(&"x".repeat(1 << 17)).contains("are over 16384"));
        assert!(error(&"RW 1 ZERO\n".repeat(5000)).contains("more than 4096 extents"));
        assert!(error(&"a=b\n".repeat(5000)).contains("more than 4096 entries"));
        let found = wrong("version=4\nCID=xyz\n").unwrap();
        assert!(found.version().is_err() && found.cid().is_err());
        assert!(found.create_type().is_err());
        assert_eq!(found.parent_cid(), Ok(None));
    }

    #[test]
    fn what_is_left_of_an_old_text_is_no_line_of_the_new() {
        let read = |text: &str| Descriptor::read_file(&Memory(text.as_bytes().to_vec()));
        let text = "# Disk DescriptorFile\nCID=1234567\nRW 8 ZERO\n".to_owned();
        let filled = text.clone() + "\0O\n\0\0\0";
        assert_eq!(read(&filled).unwrap().extents.len(), 1);
        let more = text + "\0RW 8 ZERO\nRW 8 ZERO\n";
        let error = read(&more).err().unwrap().to_string();
        assert!(error.contains("a NUL"), "{error}");
    }

    #[test]
    fn utf_16_is_named_and_large_files_are_not_read() {
        let mut wide = vec![0xff, 0xfe];
        wide.extend(MAGIC.iter().flat_map(|byte| [*byte, 0]));
        assert!(is_utf16(&wide) && !is_descriptor(&wide));
        let error = Descriptor::parse(&wide, 512).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the descriptor is in UTF-16 at byte 0x200"
        );
        let mut large = MAGIC.to_vec();
        large.resize(2 << 20, b'\n');
        assert!(Descriptor::read_file(&Memory(large)).is_err());
    }
}
