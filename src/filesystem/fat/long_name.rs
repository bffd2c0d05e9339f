//! Long names: in entries before the short one, last part first, 13 units of UTF-16 in each.

use zerocopy::FromBytes;

use super::layout::RawLongEntry;
use crate::filesystem::names::from_utf16;

/// Units in one part.
const UNITS: usize = 13;

/// The most parts of a name.
pub(super) const MOST_PARTS: u8 = 20;

/// Units in all parts.
const ROOM: usize = 260;

/// The most units of a name.
const MOST_UNITS: usize = 255;

/// LDIR_Ord: this is the last part, which comes first.
const LAST: u8 = 0x40;

/// The parts seen so far. Any that does not fit makes all of them worth nothing.
pub(super) struct LongName {
    units: [u16; ROOM],
    /// How many parts the name has.
    parts: u8,
    /// The number of the part that was seen last; 0 where none is awaited any more.
    seen: u8,
    checksum: u8,
}

impl LongName {
    /// No part yet.
    pub(super) fn new() -> Self {
        Self {
            units: [0; ROOM],
            parts: 0,
            seen: 0,
            checksum: 0,
        }
    }

    /// Forgets what was seen.
    pub(super) fn clear(&mut self) {
        self.parts = 0;
        self.seen = 0;
    }

    /// Takes the next part, an entry of 32 bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let Ok((raw, _)) = RawLongEntry::read_from_prefix(bytes) else {
            return self.clear();
        };
        let number = raw.LDIR_Ord & !LAST;
        let starts = raw.LDIR_Ord & LAST != 0;
        let follows = self.seen.checked_sub(1) == Some(number) && self.checksum == raw.LDIR_Chksum;
        if !(1..=MOST_PARTS).contains(&number) || !(starts || follows) {
            return self.clear();
        }
        if starts {
            self.parts = number;
            self.checksum = raw.LDIR_Chksum;
        }
        self.seen = number;
        let place = usize::from(number.saturating_sub(1)).saturating_mul(UNITS);
        let parts = [&raw.LDIR_Name1[..], &raw.LDIR_Name2, &raw.LDIR_Name3].concat();
        let into = self.units.get_mut(place..).unwrap_or_default();
        for (unit, value) in into.iter_mut().zip(parts) {
            *unit = value.get();
        }
    }

    /// The name, if its parts are whole and belong to the short name with that `checksum`, and if it
    /// is one: the short name is shown in its place otherwise.
    pub(super) fn name(&self, checksum: u8) -> Option<Vec<u8>> {
        if self.seen != 1 || self.checksum != checksum {
            return None;
        }
        let len = usize::from(self.parts).saturating_mul(UNITS);
        let units = self.units.get(..len)?;
        let end = units.iter().position(|unit| *unit == 0).unwrap_or(len);
        let (units, padding) = units.split_at(end);
        let is_padding = |unit: &u16| matches!(unit, 0 | 0xffff);
        if units.is_empty() || units.len() > MOST_UNITS || !padding.iter().all(is_padding) {
            return None;
        }
        let is_text = char::decode_utf16(units.iter().copied()).all(|unit| unit.is_ok());
        let name = from_utf16(units.iter().copied());
        let is_dots = matches!(&*name, b"." | b"..");
        (is_text && !is_dots && !name.contains(&b'/')).then_some(name)
    }
}
