//! Sparing tables (UDF 2.2.12): which packets of a rewritable disc went bad, and where their
//! contents are now.

use std::collections::BTreeMap;

use super::disk::{Disk, length};
use super::layout::{RawSparableMap, RawSpared, RawSparingTable};
use super::tag::{self, kind};
use crate::error::{Error, Result, ResultExt};
use crate::number::to_u64;

/// Original locations from here on say that an entry is free or its spare packet bad.
const NOT_IN_USE: u32 = 0xffff_fff0;

/// The packets in use instead of others.
pub(super) struct Sparing {
    /// Blocks in a packet.
    packet: u32,
    /// Sector on the disk by the packet's first block in the partition.
    spared: BTreeMap<u32, u32>,
}

impl Sparing {
    /// The newest of the tables that `map` names.
    ///
    /// # Errors
    /// `Corrupt` where no table can be read.
    pub(super) fn read(disk: &Disk<'_>, map: &RawSparableMap) -> Result<Self> {
        let packet = map.packet_length.get().into();
        if packet == 0 {
            return Err(Error::corrupt("packet_length of a sparable partition is 0"));
        }
        let count = usize::from(map.number_of_sparing_tables).min(4);
        let mut newest: Option<(u32, BTreeMap<u32, u32>)> = None;
        let mut failure = Error::corrupt("a sparable partition without a sparing table");
        for location in map.locations_of_sparing_tables.iter().take(count) {
            match table(disk, location.get()).context(|| "sparing table") {
                Ok(table) if newest.as_ref().is_none_or(|old| old.0 < table.0) => {
                    newest = Some(table)
                }
                Ok(_) => {}
                Err(error) => {
                    disk.notice(&error);
                    failure = error;
                }
            }
        }
        let (_, spared) = newest.ok_or(failure)?;
        Ok(Self { packet, spared })
    }

    /// Where block `block` is now and how many of its packet follow, if it was moved.
    pub(super) fn spared(&self, block: u32) -> Option<(u64, u64)> {
        let within = block.checked_rem(self.packet)?;
        let packet = self.spared.get(&block.checked_sub(within)?)?;
        let left = self.packet.saturating_sub(within);
        Some((
            u64::from(*packet).saturating_add(within.into()),
            left.into(),
        ))
    }

    /// How many blocks from `block` on are where they always were, at least 1.
    pub(super) fn unspared(&self, block: u32) -> u64 {
        let next = self.spared.range(block..).next();
        next.map_or(u64::MAX, |(next, _)| {
            next.saturating_sub(block).max(1).into()
        })
    }
}

/// Sequence number and entries of the table in sector `location`.
fn table(disk: &Disk<'_>, location: u32) -> Result<(u32, BTreeMap<u32, u32>)> {
    let offset = disk.offset(location.into());
    let head = disk.read(location.into())?;
    let raw: RawSparingTable = tag::view(&head, "sparing table")?;
    if !raw
        .sparing_identifier
        .identifier
        .starts_with(b"*UDF Sparing Table")
    {
        return Err(Error::corrupt("no sparing identifier").at(offset));
    }
    let entries = u64::from(raw.reallocation_table_length.get());
    let size = entries
        .saturating_mul(to_u64(size_of::<RawSpared>()))
        .saturating_add(to_u64(size_of::<RawSparingTable>()));
    let bytes = disk.read_at(offset, size.max(length(&head)))?; // at most 512 KiB
    if disk.checked(&bytes, location, offset)? != kind::SPARING_TABLE {
        return Err(Error::corrupt("its tag is another descriptor's").at(offset));
    }
    let mut spared = BTreeMap::new();
    for index in 0..entries {
        let at = index
            .saturating_mul(to_u64(size_of::<RawSpared>()))
            .saturating_add(to_u64(size_of::<RawSparingTable>()));
        let bytes = bytes.get(crate::number::to_usize(at)..).unwrap_or_default();
        let entry: RawSpared = tag::view(bytes, "sparing table entry")?;
        if entry.original_location.get() < NOT_IN_USE {
            spared.insert(entry.original_location.get(), entry.mapped_location.get());
        }
    }
    Ok((raw.sequence_number.get(), spared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_moves_as_a_whole_and_its_neighbours_stay() {
        let sparing = Sparing {
            packet: 32,
            spared: BTreeMap::from([(64, 1000), (128, 2000)]),
        };
        assert_eq!(sparing.spared(63), None);
        assert_eq!(sparing.spared(64), Some((1000, 32)));
        assert_eq!(sparing.spared(95), Some((1031, 1)));
        assert_eq!(sparing.spared(96), None);
        assert_eq!(sparing.unspared(0), 64);
        assert_eq!(sparing.unspared(96), 32);
        assert_eq!(sparing.unspared(160), u64::MAX);
    }
}
