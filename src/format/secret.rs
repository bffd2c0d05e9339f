//! Passphrases and keys in memory.

use std::fmt;
use std::io::{self, Read};

use crate::error::{Error, Kind, Result};
use crate::sys::LockedPages;

/// Bytes that nobody else may see: kept out of swap and core dumps, zeroed at their end, and shown
/// by no message.
pub struct Secret {
    pages: LockedPages,
    len: usize,
}

impl Secret {
    /// `len` zeros, to be filled by [`Secret::bytes_mut`].
    ///
    /// # Errors
    /// `Io` where memory is short.
    pub fn zeros(len: usize) -> Result<Self> {
        let none = |_| Error::new(Kind::Io, format!("no memory for a key of {len} bytes"));
        let pages = LockedPages::new(len).map_err(none)?;
        Ok(Self { pages, len })
    }

    /// A copy of `bytes`.
    ///
    /// # Errors
    /// As [`Secret::zeros`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let mut secret = Self::zeros(bytes.len())?;
        secret.bytes_mut().copy_from_slice(bytes);
        Ok(secret)
    }

    /// What `reader` has, at most `most` bytes of it and, with `line`, only what stands before the
    /// first line break. Read byte by byte in the latter case, so that the next line is still there.
    ///
    /// # Errors
    /// The reader's, and as [`Secret::zeros`].
    pub fn read(reader: &mut dyn Read, most: usize, line: bool) -> io::Result<Self> {
        const FIRST: usize = 4096;
        let mut secret = Self::zeros(FIRST.min(most)).map_err(io::Error::other)?;
        let mut len = 0;
        while len < most {
            if len == secret.len {
                let longer = len.saturating_mul(2).min(most);
                secret = secret.grown(longer).map_err(io::Error::other)?;
            }
            let mut room = secret.bytes_mut().get_mut(len..).unwrap_or_default();
            if line {
                room = room.get_mut(..1).unwrap_or_default();
            }
            let count = match reader.read(room) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if line && room.first() == Some(&b'\n') {
                break;
            }
            len = len.saturating_add(count);
        }
        secret.len = len;
        Ok(secret)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.pages.bytes().get(..self.len).unwrap_or_default()
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.pages
            .bytes_mut()
            .get_mut(..self.len)
            .unwrap_or_default()
    }

    /// The same with room for `len` bytes.
    fn grown(&self, len: usize) -> Result<Self> {
        let mut grown = Self::zeros(len)?;
        for (to, from) in grown.bytes_mut().iter_mut().zip(self.bytes()) {
            *to = *from;
        }
        Ok(grown)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_and_lines_up_to_their_end() {
        let long: Vec<u8> = (0..20_000_u32).map(|it| it.to_le_bytes()[0]).collect();
        let read = |bytes: &[u8], most| Secret::read(&mut &*bytes, most, false).unwrap();
        assert_eq!(read(&long, 1 << 20).bytes(), long);
        assert_eq!(read(&long, 5000).bytes(), &long[..5000]);
        assert_eq!(read(b"a\nb\n", 100).bytes(), b"a\nb\n");
        let mut lines = &b"first\nsecond"[..];
        let mut next = || Secret::read(&mut lines, 100, true).unwrap();
        assert_eq!(next().bytes(), b"first");
        assert_eq!(next().bytes(), b"second");
        assert_eq!(next().bytes(), b"");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new(b"hunter2").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
