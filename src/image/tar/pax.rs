//! Extended headers: `LENGTH KEYWORD=VALUE\n`, each for the next member (POSIX.1-2024, `pax`,
//! "pax Extended Header"), with GNU tar's keywords for sparse members.

use crate::error::{Error, Result};
use crate::number::to_usize;

/// What the extended headers in front of a member say of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    /// The path of the member that this one is a link of.
    pub(super) link_path: Option<Vec<u8>>,
    /// The same two as GNU tar's own headers have them; records win.
    pub(super) long_name: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// `GNU.sparse.name`: the member's, whose `path` is another then.
    pub(super) sparse_name: Option<Vec<u8>>,
    /// `GNU.sparse.size` or `GNU.sparse.realsize`: bytes with the holes.
    pub(super) real_size: Option<u64>,
    /// `GNU.sparse.major` and `.minor`, or 0 and 1 where only a map or pieces are there.
    pub(super) version: Option<(u64, u64)>,
    /// `GNU.sparse.map`, or the pieces of version 0.0 in the same form: offset, bytes, offset, …
    pub(super) map: Vec<u64>,
}

/// How many numbers a sparse map may have.
pub(super) const MOST_NUMBERS: usize = 2 << 20;

impl Pax {
    /// Adds the records in `bytes`; later ones win.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        // What is behind the last record is padding.
        while rest.first().is_some_and(|first| *first != 0) {
            let wrong = || Error::corrupt("pax record has no valid length");
            let space = rest.iter().position(|byte| *byte == b' ');
            let (length, _) = rest
                .split_at_checked(space.ok_or_else(wrong)?)
                .ok_or_else(wrong)?;
            let behind = length.len().saturating_add(1);
            let length = to_usize(decimal(length).ok_or_else(wrong)?);
            let (record, next) = rest.split_at_checked(length).ok_or_else(wrong)?;
            let record = record.get(behind..).ok_or_else(wrong)?;
            let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = record
                .split_at_checked(equals.ok_or_else(wrong)?)
                .ok_or_else(wrong)?;
            self.set(key, value.get(1..).unwrap_or_default())?;
            rest = next;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let number = || {
            let wrong = || {
                let key = crate::error::printable(key);
                Error::corrupt(format!("pax {key} is no number"))
            };
            decimal(value).ok_or_else(wrong)
        };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link_path = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.real_size = Some(number()?),
            b"GNU.sparse.major" => self.version = Some((number()?, self.minor())),
            b"GNU.sparse.minor" => self.version = Some((self.major(), number()?)),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                self.version.get_or_insert((0, 0));
                self.push(number()?)?;
            }
            b"GNU.sparse.map" => {
                self.version.get_or_insert((0, 1));
                self.map.clear();
                for part in value.split(|byte| *byte == b',') {
                    let wrong = || Error::corrupt("GNU.sparse.map is no list of numbers");
                    self.push(decimal(part).ok_or_else(wrong)?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, number: u64) -> Result<()> {
        if self.map.len() >= MOST_NUMBERS {
            return Err(Error::corrupt("GNU.sparse.map has too many segments"));
        }
        self.map.push(number);
        Ok(())
    }

    fn major(&self) -> u64 {
        self.version.map_or(0, |(major, _)| major)
    }

    fn minor(&self) -> u64 {
        self.version.map_or(0, |(_, minor)| minor)
    }
}

/// Decimal digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_damaged_ones_refused() {
        let mut pax = Pax::default();
        pax.add(b"11 path=ab\n13 size=1234\n22 GNU.sparse.major=1\n\0\0")
            .unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"ab"[..]));
        assert_eq!((pax.size, pax.version), (Some(1234), Some((1, 0))));
        for bad in [
            &b"99 path=ab\n"[..],
            b"x path=ab\n",
            b"1",
            b"2 path",
            b"11 path=abc",
            b"18446744073709551615 path=ab\n",
            b"13 size=12x4\n",
        ] {
            assert!(Pax::default().add(bad).is_err(), "{bad:?}");
        }
    }
}
