//! The parent locator: keys and values that say where the parent is and which it is.
//! [MS-VHDX] 2.6.2.6.

use std::mem::offset_of;

use super::layout::{self, LOCATOR_TYPE, ParentLocatorEntry, ParentLocatorHeader};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Keys at most; five are known.
const MOST_KEYS: u16 = 64;

/// The keys and values.
#[derive(Clone, Debug)]
pub(super) struct Locator(Vec<(String, String)>);

impl Locator {
    /// The locator in the metadata item `bytes`, which lies at byte `at` of the file.
    ///
    /// # Errors
    /// `Unsupported` for one of another type; `Corrupt`, naming the field.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Result<Self> {
        let header: ParentLocatorHeader = layout::first(bytes, "the parent locator")?;
        if header.LocatorType != LOCATOR_TYPE {
            let text = format!("parent locator of LocatorType {}", header.LocatorType);
            return Err(Error::unsupported(text).at(at));
        }
        let count = header.KeyValueCount.get();
        let count_at = at.saturating_add(to_u64(offset_of!(ParentLocatorHeader, KeyValueCount)));
        if count > MOST_KEYS {
            let text = format!("KeyValueCount {count} of the parent locator is over {MOST_KEYS}");
            return Err(Error::corrupt(text).at(count_at));
        }
        let start = size_of::<ParentLocatorHeader>();
        let entries: Vec<ParentLocatorEntry> = layout::list(bytes, start, count.into());
        if entries.len() != usize::from(count) {
            let text = format!("KeyValueCount {count}: the parent locator is cut");
            return Err(Error::corrupt(text).at(count_at));
        }
        let pair = |(index, entry): (usize, &ParentLocatorEntry)| {
            let own = index.saturating_mul(size_of::<ParentLocatorEntry>());
            let own = at.saturating_add(to_u64(start.saturating_add(own)));
            let (key, value) = (entry.KeyOffset.get(), entry.ValueOffset.get());
            let key = text(bytes, "Key", key, entry.KeyLength.get());
            let value = text(bytes, "Value", value, entry.ValueLength.get());
            let value_at = own.saturating_add(to_u64(offset_of!(ParentLocatorEntry, ValueOffset)));
            Ok((
                key.map_err(|error| error.at(own))?,
                value.map_err(|error| error.at(value_at))?,
            ))
        };
        let pairs = entries.iter().enumerate().map(pair);
        Ok(Self(pairs.collect::<Result<_>>()?))
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

/// The UTF-16 of `len` bytes at `offset`: of a `Key` or `Value`, as `what` says.
fn text(bytes: &[u8], what: &str, offset: u32, len: u16) -> Result<String> {
    let rest = bytes.get(to_usize(offset.into())..);
    let own = rest.and_then(|rest| rest.get(..usize::from(len)));
    let outside = || {
        let text = format!("{what}Offset {offset:#x}, {what}Length {len}");
        Error::corrupt(format!("{text}: outside of the parent locator"))
    };
    let units = own.ok_or_else(outside)?.chunks_exact(2);
    let units = units.filter_map(|unit| unit.try_into().ok().map(u16::from_le_bytes));
    let units: Vec<u16> = units.collect();
    Ok(String::from_utf16_lossy(&units))
}
