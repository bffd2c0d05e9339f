//! The metadata region: a table of items, and the items. [MS-VHDX] 2.6.

use std::mem::offset_of;

use super::layout::{
    self, FILE_PARAMETERS, Guid, HAS_PARENT, IS_REQUIRED, LEAVE_BLOCK_ALLOCATED,
    LOGICAL_SECTOR_SIZE, METADATA_SIGNATURE, MOST_ENTRIES, MetadataTableEntry, MetadataTableHeader,
    PARENT_LOCATOR, PHYSICAL_SECTOR_SIZE, TABLE_SIZE, VIRTUAL_DISK_ID, VIRTUAL_DISK_SIZE,
};
use super::locator::Locator;
use super::region::Region;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::Source;

/// Bytes of the largest disk, 64 TiB.
const MOST_SIZE: u64 = 64 << 40;
/// Bytes of a block.
const BLOCK_SIZES: std::ops::RangeInclusive<u64> = 1 << 20..=256 << 20;
/// Bytes of the largest item.
const MOST_ITEM: u32 = 1 << 20;

/// What the metadata say of the disk.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    /// Bytes of a block, a power of two.
    pub(super) block_size: u64,
    /// Blocks stay allocated: a fixed disk.
    pub(super) is_fixed: bool,
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Bytes of a logical sector: 512 or 4096.
    pub(super) sector_size: u32,
    /// What identifies the disk, whatever files it is in.
    pub(super) disk_id: Option<Guid>,
    /// Where the parent of a differencing disk is.
    pub(super) parent: Option<Locator>,
}

impl Metadata {
    /// The metadata in `region` of `source`.
    ///
    /// # Errors
    /// `Corrupt`, naming the item; `Unsupported` for one that is required and not known.
    pub(super) fn read(source: &dyn Source, region: Region) -> Result<Self> {
        let table = Table::read(source, region)?;
        table.check_known()?;
        let (block_size, flags) = table.file_parameters()?;
        let sector_size = table.sector_size(LOGICAL_SECTOR_SIZE, "LogicalSectorSize")?;
        table.sector_size(PHYSICAL_SECTOR_SIZE, "PhysicalSectorSize")?;
        let parent = match flags & HAS_PARENT != 0 {
            true => Some(Locator::parse(
                &table.item(PARENT_LOCATOR, "Parent Locator")?,
                table.place(PARENT_LOCATOR),
            )?),
            false => None,
        };
        let disk_id = match table.entry(VIRTUAL_DISK_ID) {
            Some(_) => Some(layout::first(
                &table.item(VIRTUAL_DISK_ID, "VirtualDiskId")?,
                "VirtualDiskId",
            )?),
            None => None,
        };
        Ok(Self {
            block_size,
            is_fixed: flags & LEAVE_BLOCK_ALLOCATED != 0,
            size: table.size(sector_size)?,
            sector_size,
            disk_id,
            parent,
        })
    }
}

struct Table<'a> {
    source: &'a dyn Source,
    region: Region,
    entries: Vec<MetadataTableEntry>,
}

impl<'a> Table<'a> {
    fn read(source: &'a dyn Source, region: Region) -> Result<Self> {
        let bytes = layout::read(source, region.offset, TABLE_SIZE, "metadata table")?;
        let header: MetadataTableHeader = layout::first(&bytes, "metadata table")?;
        if header.Signature != METADATA_SIGNATURE {
            return Err(Error::corrupt("no metadata table").at(region.offset));
        }
        let count = u64::from(header.EntryCount.get());
        if count > MOST_ENTRIES {
            let text = format!("EntryCount {count} of the metadata table is over {MOST_ENTRIES}");
            let at = to_u64(offset_of!(MetadataTableHeader, EntryCount));
            return Err(Error::corrupt(text).at(region.offset.saturating_add(at)));
        }
        Ok(Self {
            source,
            region,
            entries: layout::list(&bytes, size_of::<MetadataTableHeader>(), count),
        })
    }

    fn check_known(&self) -> Result<()> {
        const KNOWN: [Guid; 6] = [
            FILE_PARAMETERS,
            VIRTUAL_DISK_SIZE,
            VIRTUAL_DISK_ID,
            LOGICAL_SECTOR_SIZE,
            PHYSICAL_SECTOR_SIZE,
            PARENT_LOCATOR,
        ];
        let mut entries = self.entries.iter();
        let unknown =
            entries.find(|it| it.Flags.get() & IS_REQUIRED != 0 && !KNOWN.contains(&it.ItemId));
        match unknown {
            None => Ok(()),
            Some(entry) => {
                let text = format!("required metadata item {}", entry.ItemId);
                Err(Error::unsupported(text).at(self.field(entry.ItemId, 0)))
            }
        }
    }

    fn entry(&self, id: Guid) -> Option<&MetadataTableEntry> {
        self.entries.iter().find(|entry| entry.ItemId == id)
    }

    fn item(&self, id: Guid, name: &str) -> Result<Vec<u8>> {
        let wrong = |text: String| Error::corrupt(text).at(self.region.offset);
        let entry = self.entry(id);
        let entry = entry.ok_or_else(|| wrong(format!("no metadata item {name}")))?;
        let (offset, len) = (entry.Offset.get(), entry.Length.get());
        let end = u64::from(offset).saturating_add(len.into());
        let begins = (to_u64(TABLE_SIZE)..self.region.len).contains(&offset.into());
        if len > MOST_ITEM || !begins || end > self.region.len {
            let text = format!("metadata item {name}: Offset {offset:#x}, Length {len:#x}");
            let field = match begins {
                true => offset_of!(MetadataTableEntry, Length),
                false => offset_of!(MetadataTableEntry, Offset),
            };
            let error = Error::corrupt(format!("{text}: outside of the region"));
            return Err(error.at(self.field(id, field)));
        }
        let at = self.region.offset.saturating_add(offset.into());
        layout::read(self.source, at, to_usize(len.into()), name)
    }

    fn number<const N: usize>(&self, id: Guid, name: &str) -> Result<[u8; N]> {
        let bytes = self.item(id, name)?;
        let bytes = bytes.first_chunk::<N>();
        let cut = || Error::corrupt(format!("metadata item {name} is not {N} bytes"));
        bytes.copied().ok_or_else(|| cut().at(self.place(id)))
    }

    /// The byte `field` of the first entry of the item `id`; where the table is for one that there
    /// is not.
    fn field(&self, id: Guid, field: usize) -> u64 {
        let index = self.entries.iter().position(|entry| entry.ItemId == id);
        let own = index.map_or(0, |index| {
            let before = index.saturating_mul(size_of::<MetadataTableEntry>());
            let before = before.saturating_add(size_of::<MetadataTableHeader>());
            before.saturating_add(field)
        });
        self.region.offset.saturating_add(to_u64(own))
    }

    /// Where the item `id` is in the file; where the table is for one that there is not.
    fn place(&self, id: Guid) -> u64 {
        let offset = self.entry(id).map_or(0, |entry| entry.Offset.get());
        self.region.offset.saturating_add(offset.into())
    }

    /// Bytes of a block, and the flags.
    fn file_parameters(&self) -> Result<(u64, u32)> {
        let item: [u8; 8] = self.number(FILE_PARAMETERS, "FileParameters")?;
        let item = u64::from_le_bytes(item);
        let block_size = item & u64::from(u32::MAX);
        if !BLOCK_SIZES.contains(&block_size) || !block_size.is_power_of_two() {
            let text = format!("BlockSize {block_size} is no power of two from 1 MiB to 256 MiB");
            return Err(Error::corrupt(text).at(self.place(FILE_PARAMETERS)));
        }
        Ok((block_size, u32::try_from(item >> 32).unwrap_or(0)))
    }

    fn sector_size(&self, id: Guid, name: &str) -> Result<u32> {
        match u32::from_le_bytes(self.number(id, name)?) {
            size @ (512 | 4096) => Ok(size),
            other => {
                let text = format!("{name} {other} is not 512 or 4096");
                Err(Error::corrupt(text).at(self.place(id)))
            }
        }
    }

    fn size(&self, sector_size: u32) -> Result<u64> {
        let size = u64::from_le_bytes(self.number(VIRTUAL_DISK_SIZE, "VirtualDiskSize")?);
        let rest = size.checked_rem(sector_size.into()).unwrap_or(0);
        if size > MOST_SIZE || rest != 0 {
            let text = format!("VirtualDiskSize {size} is over 64 TiB or no whole sectors");
            return Err(Error::corrupt(text).at(self.place(VIRTUAL_DISK_SIZE)));
        }
        Ok(size)
    }
}
