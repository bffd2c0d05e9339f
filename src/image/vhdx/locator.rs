//! The parent locator: keys and values that say where the parent is and which it is.
//! [MS-VHDX] 2.6.2.6.

use super::layout::{self, LOCATOR_TYPE, ParentLocatorEntry, ParentLocatorHeader};
use crate::error::{Error, Result};
use crate::number::to_usize;

/// Keys at most; five are known.
const MOST_KEYS: u16 = 64;

/// The keys and values.
#[derive(Clone, Debug)]
pub(super) struct Locator(Vec<(String, String)>);

impl Locator {
    /// The locator in the metadata item `bytes`.
    ///
    /// # Errors
    /// `Unsupported` for one of another type; `Corrupt`, naming the field.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let header: ParentLocatorHeader = layout::first(bytes, "the parent locator")?;
        if header.LocatorType != LOCATOR_TYPE {
            let text = format!("parent locator of LocatorType {}", header.LocatorType);
            return Err(Error::unsupported(text));
        }
        let count = header.KeyValueCount.get();
        if count > MOST_KEYS {
            let text = format!("KeyValueCount {count} of the parent locator is over {MOST_KEYS}");
            return Err(Error::corrupt(text));
        }
        let start = size_of::<ParentLocatorHeader>();
        let entries: Vec<ParentLocatorEntry> = layout::list(bytes, start, count.into());
        if entries.len() != usize::from(count) {
            return Err(Error::corrupt("the parent locator is cut"));
        }
        let pair = |entry: &ParentLocatorEntry| {
            Some((
                text(bytes, entry.KeyOffset.get(), entry.KeyLength.get())?,
                text(bytes, entry.ValueOffset.get(), entry.ValueLength.get())?,
            ))
        };
        let pairs: Option<Vec<_>> = entries.iter().map(pair).collect();
        let outside = || Error::corrupt("a key or value of the parent locator is outside of it");
        Ok(Self(pairs.ok_or_else(outside)?))
    }

    fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let (_, value) = pairs.find(|(own, _)| own == key)?;
        (!value.is_empty()).then_some(value)
    }

    /// The paths of the parent, best first.
    pub(super) fn paths(&self) -> Vec<&str> {
        let keys = ["relative_path", "volume_path", "absolute_win32_path"];
        keys.iter().filter_map(|key| self.get(key)).collect()
    }

    /// What `DataWriteGuid` of the parent may be, without braces, in lower case.
    pub(super) fn linkages(&self) -> Vec<String> {
        let keys = ["parent_linkage", "parent_linkage2"];
        let values = keys.iter().filter_map(|key| self.get(key));
        let bare = |value: &str| value.trim_matches(['{', '}']).to_ascii_lowercase();
        values.map(bare).collect()
    }
}

/// The UTF-16 of `len` bytes at `offset`.
fn text(bytes: &[u8], offset: u32, len: u16) -> Option<String> {
    let rest = bytes.get(to_usize(offset.into())..)?;
    let units = rest.get(..usize::from(len))?.chunks_exact(2);
    let units = units.filter_map(|unit| unit.try_into().ok().map(u16::from_le_bytes));
    let units: Vec<u16> = units.collect();
    Some(String::from_utf16_lossy(&units))
}
