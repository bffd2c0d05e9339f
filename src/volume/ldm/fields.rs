//! The fields of a record, one behind the other: many have their length in a byte before them, so
//! where one is depends on all before it.

use crate::error::{Error, Result};
use crate::number::to_u64;

/// Where the bytes of a record are, whose pieces lie in any order.
pub(super) struct Places {
    /// How many bytes of the record stand before a piece, and the byte of the disk that it begins at.
    pieces: Vec<(usize, u64)>,
}

impl Places {
    /// Of these pieces, one behind the other, each with its place.
    pub(super) fn new(pieces: &[(u64, &[u8])]) -> Self {
        let mut before = 0_usize;
        let place = |(at, data): &(u64, &[u8])| {
            let place = (before, *at);
            before = before.saturating_add(data.len());
            place
        };
        Self {
            pieces: pieces.iter().map(place).collect(),
        }
    }

    /// The byte of the disk that byte `position` of the record is at.
    pub(super) fn byte(&self, position: usize) -> u64 {
        let behind = self.pieces.partition_point(|(start, _)| *start <= position);
        let piece = behind
            .checked_sub(1)
            .and_then(|index| self.pieces.get(index));
        let (start, at) = piece.copied().unwrap_or_default();
        at.saturating_add(to_u64(position.saturating_sub(start)))
    }
}

/// What is left of a record.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    places: &'a Places,
    /// Where in the record the rest begins, and the field that was taken last.
    position: usize,
    last: usize,
}

impl<'a> Fields<'a> {
    /// Those in `bytes`, which begin at byte `position` of the record that is at `places`.
    pub(super) fn new(bytes: &'a [u8], places: &'a Places, position: usize) -> Self {
        Self {
            rest: bytes,
            places,
            position,
            last: position,
        }
    }

    /// The byte of the disk that the record is at.
    pub(super) fn record(&self) -> u64 {
        self.places.byte(0)
    }

    /// `error`, which is about the field that was taken last.
    pub(super) fn wrong(&self, error: Error) -> Error {
        error.at(self.places.byte(self.last))
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// `Corrupt` where the record ends before, as everywhere here.
    pub(super) fn bytes(&mut self, field: &str, len: usize) -> Result<&'a [u8]> {
        self.last = self.position;
        self.take(field, len)
    }

    fn take(&mut self, field: &str, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| {
            let left = self.rest.len();
            let text = format!("{field} of {len} bytes, and the record has {left} more");
            self.wrong(Error::corrupt(text))
        })?;
        self.rest = rest;
        self.position = self.position.saturating_add(len);
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
        self.take(field, usize::from(len))
    }

    /// A big-endian number of at most `most` bytes behind its length.
    pub(super) fn number(&mut self, field: &str, most: usize) -> Result<u64> {
        let bytes = self.counted(field)?;
        if bytes.len() > most {
            let text = format!("{field} has {} bytes, more than {most}", bytes.len());
            return Err(self.wrong(Error::corrupt(text)));
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
        in_bytes(field, sectors).map_err(|error| self.wrong(error))
    }

    /// The same in eight bytes.
    pub(super) fn fixed_sectors(&mut self, field: &str) -> Result<u64> {
        let sectors = u64::from_be_bytes(self.array(field)?);
        in_bytes(field, sectors).map_err(|error| self.wrong(error))
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
        // A record in two pieces of which the second lies before the first.
        let places = Places::new(&[(1000, &[0; 10][..]), (500, &[0; 20])]);
        let mut fields = Fields::new(
            b"\x02\x04\x2b\x03abc\0\0\x01\x03\0\0\0\0\0\0\0\x02\x01",
            &places,
            0,
        );
        assert_eq!(fields.id("id").unwrap(), 0x42b);
        assert_eq!(fields.name("name").unwrap(), "abc");
        fields.skip(2).unwrap();
        assert_eq!(fields.sectors("size").unwrap(), 3 * 512);
        assert_eq!(fields.fixed_sectors("start").unwrap(), 2 * 512);
        let end = fields.counted("hint").unwrap_err();
        assert_eq!(
            end.to_string(),
            "hint of 1 bytes, and the record has 0 more at byte 0x1fd"
        );
    }

    #[test]
    fn numbers_too_long_or_too_large_are_refused() {
        let places = Places::new(&[(1000, &[0; 20][..])]);
        let fields = |bytes: &'static [u8]| Fields::new(bytes, &places, 8);
        let long = fields(&[9; 10]).id("id").unwrap_err();
        let words = "id has 9 bytes, more than 8 at byte 0x3f0";
        assert_eq!(long.to_string(), words);
        let large = fields(&[0xff; 8]).fixed_sectors("start").unwrap_err();
        assert!(large.to_string().starts_with("start is 184467"), "{large}");
    }
}
