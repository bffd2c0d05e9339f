//! The fields of a record, one behind the other: many have their length in a byte before them, so
//! where one is depends on all before it.

use crate::error::{Error, Result};

/// What is left of a record.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Those in `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// `Corrupt` where the record ends before, as everywhere here.
    pub(super) fn bytes(&mut self, field: &str, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(|| {
            let left = self.0.len();
            let text = format!("{field} of {len} bytes, and the record has {left} more");
            Error::corrupt(text)
        })?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N]> {
        let bytes = self.bytes(field, N)?;
        <[u8; N]>::try_from(bytes).map_err(|_| Error::corrupt(field))
    }

    /// Leaves out `len` bytes that say nothing.
    pub(super) fn skip(&mut self, len: usize) -> Result<()> {
        self.bytes("a field", len).map(|_| ())
    }

    /// Bytes behind their length.
    pub(super) fn counted(&mut self, field: &str) -> Result<&'a [u8]> {
        let [len] = self.array(field)?;
        self.bytes(field, usize::from(len))
    }

    /// A big-endian number of at most `most` bytes behind its length.
    pub(super) fn number(&mut self, field: &str, most: usize) -> Result<u64> {
        let bytes = self.counted(field)?;
        if bytes.len() > most {
            let text = format!("{field} has {} bytes, more than {most}", bytes.len());
            return Err(Error::corrupt(text));
        }
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number.wrapping_shl(8) | u64::from(*byte)))
    }

    /// The identifier that an object is known by.
    pub(super) fn id(&mut self, field: &str) -> Result<u64> {
        self.number(field, 8)
    }

    /// How many of something there are.
    pub(super) fn count(&mut self, field: &str) -> Result<u64> {
        self.number(field, 4)
    }

    /// A number of sectors, as bytes.
    pub(super) fn sectors(&mut self, field: &str) -> Result<u64> {
        let sectors = self.number(field, 8)?;
        in_bytes(field, sectors)
    }

    /// The same in eight bytes.
    pub(super) fn fixed_sectors(&mut self, field: &str) -> Result<u64> {
        let sectors = u64::from_be_bytes(self.array(field)?);
        in_bytes(field, sectors)
    }

    /// A name, as it is to be shown: nothing that a terminal obeys, and a part of one path.
    pub(super) fn name(&mut self, field: &str) -> Result<String> {
        Ok(shown(self.counted(field)?))
    }
}

/// The name in `bytes` with nothing in it that separates directories. Control characters are escaped
/// where a name is put into a path, or printed.
pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('/', "_")
}

fn in_bytes(field: &str, sectors: u64) -> Result<u64> {
    let bytes = sectors.checked_mul(super::layout::SECTOR);
    // What a file can have: no sum of a few of them overflows then.
    let bytes = bytes.filter(|bytes| *bytes <= u64::MAX >> 2);
    bytes.ok_or_else(|| Error::corrupt(format!("{field} is {sectors} sectors")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_one_behind_the_other() {
        let mut fields = Fields::new(b"\x02\x04\x2b\x03abc\0\0\x01\x03\0\0\0\0\0\0\0\x02\x01");
        assert_eq!(fields.id("id").unwrap(), 0x42b);
        assert_eq!(fields.name("name").unwrap(), "abc");
        fields.skip(2).unwrap();
        assert_eq!(fields.sectors("size").unwrap(), 3 * 512);
        assert_eq!(fields.fixed_sectors("start").unwrap(), 2 * 512);
        let end = fields.counted("hint").unwrap_err();
        assert_eq!(
            end.to_string(),
            "hint of 1 bytes, and the record has 0 more"
        );
    }

    #[test]
    fn numbers_too_long_or_too_large_are_refused() {
        let long = Fields::new(&[9; 10]).id("id").unwrap_err();
        assert_eq!(long.to_string(), "id has 9 bytes, more than 8");
        let large = Fields::new(&[0xff; 8]).fixed_sectors("start").unwrap_err();
        assert!(large.to_string().starts_with("start is 184467"), "{large}");
    }
}
