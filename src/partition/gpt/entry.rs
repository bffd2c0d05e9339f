//! One entry of the table: a partition.

use zerocopy::FromBytes;

use super::layout::{GptEntry, LEGACY_BIOS_BOOTABLE};
use super::types::type_name;
use crate::error::{Error, Result};
use crate::format::{Partition, guid};

/// A partition, and its place in logical blocks: the first, and the last, which is its own.
pub(super) struct Entry {
    pub(super) partition: Partition,
    first: u64,
    last: u64,
}

impl Entry {
    /// The entry in `bytes`, number `number` from 1; `None` for one that is not in use.
    pub(super) fn parse(bytes: &[u8], number: u32) -> Option<Self> {
        let (entry, _) = GptEntry::ref_from_prefix(bytes).ok()?;
        if entry.PartitionTypeGUID == [0; 16] {
            return None;
        }
        let type_id = guid(&entry.PartitionTypeGUID);
        let units: Vec<u16> = entry.PartitionName.iter().map(|unit| unit.get()).collect();
        let partition = Partition {
            number,
            type_name: type_name(&type_id).to_owned(),
            type_id,
            label: Some(text(&units)).filter(|label| !label.is_empty()),
            uuid: Some(guid(&entry.UniquePartitionGUID)),
            bootable: entry.Attributes.get() & LEGACY_BIOS_BOOTABLE != 0,
            container: false,
        };
        Some(Self {
            partition,
            first: entry.StartingLBA.get(),
            last: entry.EndingLBA.get(),
        })
    }

    /// First byte and bytes, in blocks of `sector` bytes.
    ///
    /// # Errors
    /// `Corrupt` where it ends before it starts, or no disk is that large.
    pub(super) fn range(&self, sector: u64) -> Result<(u64, u64)> {
        let (first, last) = (self.first, self.last);
        let backwards = || Error::corrupt(format!("StartingLBA {first} is over EndingLBA {last}"));
        let blocks = last.checked_sub(first).ok_or_else(backwards)?;
        let len = blocks
            .checked_add(1)
            .and_then(|count| count.checked_mul(sector));
        let too_large = || Error::corrupt(format!("LBA {first} to {last} is more than 2^64 bytes"));
        let start = first.checked_mul(sector).ok_or_else(too_large)?;
        Ok((start, len.ok_or_else(too_large)?))
    }

    /// Whether it lies within the blocks that the header says partitions may have.
    pub(super) fn is_within(&self, first_usable: u64, last_usable: u64) -> bool {
        self.first >= first_usable && self.last <= last_usable
    }
}

/// UTF-16 up to its NUL. A surrogate without its other half, which UTF-8 cannot say, stays as
/// `\ud800`.
fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0);
    let units = units.iter().copied().take(end.unwrap_or(units.len()));
    let mut text = String::new();
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(alone) => text.push_str(&format!("\\u{:04x}", alone.unpaired_surrogate())),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_nul_and_lone_surrogates_survive() {
        assert_eq!(text(&[0x45, 0x46, 0x49, 0, 0x58]), "EFI");
        assert_eq!(text(&[0xd83d, 0xdcbe]), "💾");
        assert_eq!(text(&[0xd83d, 0x41, 0xdcbe]), "\\ud83dA\\udcbe");
    }
}
