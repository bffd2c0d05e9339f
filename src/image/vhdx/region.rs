//! The region tables, which are alike: where the metadata and the block allocation table are.
//! [MS-VHDX] 2.2.3.

use std::mem::offset_of;

use super::layout::{
    self, BAT_REGION, Guid, METADATA_REGION, MOST_ENTRIES, REGION_SIGNATURE, REGION_TABLES,
    RegionTableEntry, RegionTableHeader, TABLE_SIZE,
};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::Source;

/// By what regions are aligned, and the least offset of one.
const MIB: u64 = 1 << 20;

/// A range of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// The regions that are known.
#[derive(Clone, Debug)]
pub(super) struct Regions {
    pub(super) bat: Region,
    pub(super) metadata: Region,
    /// What is wrong with the other table.
    pub(super) notice: Option<String>,
}

impl Regions {
    /// The regions of `source`, whose log is at `log`.
    ///
    /// # Errors
    /// `Corrupt` where neither table is valid, and for regions that leave the file or overlap;
    /// `Unsupported` for one that is required and not known.
    pub(super) fn read(source: &dyn Source, log: Region) -> Result<Self> {
        let [first, second] = REGION_TABLES.map(|offset| read_one(source, offset));
        let (entries, offset, notice) = match (first, second) {
            (Ok(entries), Ok(_)) => (entries, REGION_TABLES[0], None),
            (Ok(entries), Err(error)) => {
                let notice = format!("{error}, the first is used");
                (entries, REGION_TABLES[0], Some(notice))
            }
            (Err(error), Ok(entries)) => {
                let notice = format!("{error}, the second is used");
                (entries, REGION_TABLES[1], Some(notice))
            }
            (Err(error), Err(_)) => return Err(error.context("both region tables")),
        };
        check(&entries, offset, source.size(), log)?;
        Ok(Self {
            bat: find(&entries, BAT_REGION, "BAT").map_err(|error| error.at(offset))?,
            metadata: find(&entries, METADATA_REGION, "metadata")
                .map_err(|error| error.at(offset))?,
            notice,
        })
    }
}

fn read_one(source: &dyn Source, offset: u64) -> Result<Vec<RegionTableEntry>> {
    let bytes = layout::read(source, offset, TABLE_SIZE, "region table")?;
    let header: RegionTableHeader = layout::first(&bytes, "region table")?;
    if header.Signature != REGION_SIGNATURE {
        return Err(Error::corrupt("no regi: no region table").at(offset));
    }
    if !layout::is_intact(&bytes, header.Checksum) {
        return Err(Error::corrupt("the region table's Checksum is wrong").at(offset));
    }
    let count = u64::from(header.EntryCount.get());
    if count > MOST_ENTRIES {
        let text = format!("EntryCount {count} of the region table is over {MOST_ENTRIES}");
        let at = offset.saturating_add(to_u64(offset_of!(RegionTableHeader, EntryCount)));
        return Err(Error::corrupt(text).at(at));
    }
    let start = size_of::<RegionTableHeader>();
    Ok(layout::list(&bytes, start, count))
}

/// Refuses what the `entries` of the table at byte `table` say, each error at the field that does.
fn check(entries: &[RegionTableEntry], table: u64, file: u64, log: Region) -> Result<()> {
    let mut ranges = vec![(log, "log".to_owned(), table)];
    for (index, entry) in entries.iter().enumerate() {
        let own = index.saturating_mul(size_of::<RegionTableEntry>());
        let own = own.saturating_add(size_of::<RegionTableHeader>());
        let at = |field: usize| table.saturating_add(to_u64(own.saturating_add(field)));
        let offset_at = at(offset_of!(RegionTableEntry, FileOffset));
        let length_at = at(offset_of!(RegionTableEntry, Length));
        let guid = entry.Guid;
        let is_known = guid == BAT_REGION || guid == METADATA_REGION;
        if !is_known && entry.Required.get() & 1 == 1 {
            return Err(Error::unsupported(format!("required region {guid}")).at(at(0)));
        }
        let region = Region {
            offset: entry.FileOffset.get(),
            len: u64::from(entry.Length.get()),
        };
        let wrong = |why: &str, at: u64| {
            let (offset, len) = (region.offset, region.len);
            let text = format!("region {guid}: FileOffset {offset:#x}, Length {len:#x}: {why}");
            Err(Error::corrupt(text).at(at))
        };
        if !region.offset.is_multiple_of(MIB) || region.offset < MIB {
            return wrong("not in whole MiB", offset_at);
        }
        if !region.len.is_multiple_of(MIB) {
            return wrong("not in whole MiB", length_at);
        }
        let end = region.offset.checked_add(region.len);
        if is_known && end.is_none_or(|end| end > file) {
            let is_long = region.offset < file;
            return wrong("past the end", if is_long { length_at } else { offset_at });
        }
        ranges.push((region, guid.to_string(), offset_at));
    }
    ranges.retain(|(region, ..)| region.len > 0);
    ranges.sort_by_key(|(region, ..)| region.offset);
    for pair in ranges.windows(2) {
        if let [(before, one, first), (behind, other, second)] = pair
            && before.offset.saturating_add(before.len) > behind.offset
        {
            let text = format!("regions overlap: {one} and {other}");
            // The log has no entry here.
            return Err(Error::corrupt(text).at(*first.max(second)));
        }
    }
    Ok(())
}

fn find(entries: &[RegionTableEntry], guid: Guid, name: &str) -> Result<Region> {
    let mut entries = entries.iter();
    let entry = entries.find(|entry| entry.Guid == guid);
    let entry = entry.ok_or_else(|| Error::corrupt(format!("no {name} region")))?;
    Ok(Region {
        offset: entry.FileOffset.get(),
        len: u64::from(entry.Length.get()),
    })
}
