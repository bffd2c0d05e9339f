//! The dynamic disk header, which dynamic and differencing disks have.

use std::mem::offset_of;

use zerocopy::{FromBytes, IntoBytes};

use super::footer::Footer;
use super::layout::{
    self, ABSOLUTE, DYNAMIC_COOKIE, DynamicHeader, ParentLocator, RELATIVE, SECTOR,
};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the longest path: of Windows', 32,767 characters.
const MOST_PATH: u32 = 65_536;

/// The header, checked.
pub(super) struct Dynamic {
    /// Where the block allocation table is.
    pub(super) table_offset: u64,
    /// Its entries.
    pub(super) entries: u64,
    /// Bytes of a block, a power of two.
    pub(super) block_size: u64,
    /// `unique_id` of the parent.
    pub(super) parent_unique_id: [u8; 16],
    raw: Box<layout::DynamicHeader>,
    offset: u64,
}

impl Dynamic {
    /// Reads the header that `footer` of `source` leads to. What is odd about it is given to
    /// `notice`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field; a wrong checksum only if `ignore_checksums` is not set.
    pub(super) fn read(
        source: &dyn Source,
        footer: &Footer,
        ignore_checksums: bool,
        notice: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let offset = footer.data_offset();
        let raw = read_raw(source, offset).map_err(|error| error.at(footer.data_offset_field()))?;
        if let Err(wrong) = check_checksum(&raw) {
            if !ignore_checksums {
                let hint = "--ignore-checksums reads it all the same";
                let at = offset.saturating_add(to_u64(offset_of!(DynamicHeader, checksum)));
                return Err(wrong.at(at).hint(hint));
            }
            notice(wrong.message());
        }
        let header = Self {
            table_offset: raw.table_offset.get(),
            entries: u64::from(raw.max_table_entries.get()),
            block_size: u64::from(raw.block_size.get()),
            parent_unique_id: raw.parent_unique_id,
            raw,
            offset,
        };
        header.check(source.size(), footer.size()?)?;
        Ok(header)
    }

    fn check(&self, file: u64, size: u64) -> Result<()> {
        let version = self.raw.header_version.get();
        if version >> 16 != 1 {
            let text = format!("header_version {version:#x} is not 1.x");
            let field = offset_of!(DynamicHeader, header_version);
            return Err(Error::unsupported(text).at(self.place(field)));
        }
        let wrong = |text: String, field: usize| Err(Error::corrupt(text).at(self.place(field)));
        let (block_size, entries) = (self.block_size, self.entries);
        if block_size < SECTOR || !block_size.is_power_of_two() {
            let text = format!("block_size {block_size} is no power of two from 512 on");
            return wrong(text, offset_of!(DynamicHeader, block_size));
        }
        if entries.saturating_mul(block_size) < size {
            let text = format!(
                "max_table_entries {entries}, blocks of {block_size} bytes, are too few for {size}"
            );
            return wrong(text, offset_of!(DynamicHeader, max_table_entries));
        }
        let bytes = entries.saturating_mul(4);
        if self.table_offset > file {
            let text = format!("table_offset {:#x} is past the end", self.table_offset);
            return wrong(text, offset_of!(DynamicHeader, table_offset));
        }
        if self.table_offset.saturating_add(bytes) > file {
            let text = format!("max_table_entries {entries} leave the file");
            return wrong(text, offset_of!(DynamicHeader, max_table_entries));
        }
        Ok(())
    }

    /// Where the byte `field` of it is in the file.
    fn place(&self, field: usize) -> u64 {
        self.offset.saturating_add(to_u64(field))
    }

    /// Bytes of the bitmap in front of each block, whole sectors.
    pub(super) fn bitmap_size(&self) -> u64 {
        let bytes = (self.block_size / SECTOR).div_ceil(8);
        bytes.div_ceil(SECTOR).saturating_mul(SECTOR)
    }

    /// The paths of the parent, best first: the relative one, the absolute one, the name.
    ///
    /// # Errors
    /// `Corrupt` for a path that is too long or leaves the file.
    pub(super) fn parent_paths(&self, source: &dyn Source) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for code in [RELATIVE, ABSOLUTE] {
            let mut locators = (0..).zip(&self.raw.parent_locators);
            if let Some((index, locator)) = locators.find(|(_, it)| it.platform_code == code) {
                let path = read_path(source, locator);
                let skip = to_u64(size_of::<ParentLocator>()).saturating_mul(index);
                let at = self.place(offset_of!(DynamicHeader, parent_locators));
                paths.push(path.map_err(|error| error.at(at.saturating_add(skip)))?);
            }
        }
        let name = self.raw.parent_unicode_name.chunks_exact(2);
        let units = name.filter_map(|unit| unit.try_into().ok().map(u16::from_be_bytes));
        paths.push(text(units));
        paths.dedup();
        paths.retain(|path| !path.is_empty());
        Ok(paths)
    }
}

fn read_raw(source: &dyn Source, offset: u64) -> Result<Box<layout::DynamicHeader>> {
    let len = size_of::<layout::DynamicHeader>();
    let end = offset.checked_add(to_u64(len));
    if end.is_none_or(|end| end > source.size()) {
        let text = format!("data_offset {offset:#x} is past the end");
        return Err(Error::corrupt(text));
    }
    let bytes = read_vec(source, offset, len)?;
    let raw = layout::DynamicHeader::read_from_bytes(&bytes);
    let raw = raw.ok().filter(|raw| raw.cookie == DYNAMIC_COOKIE);
    let raw = raw.ok_or_else(|| Error::corrupt("no cxsparse: no dynamic disk header").at(offset));
    raw.map(Box::new)
}

fn check_checksum(raw: &layout::DynamicHeader) -> Result<()> {
    let (found, expected) = (
        raw.checksum.get(),
        layout::checksum(raw.as_bytes(), raw.checksum),
    );
    match found == expected {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "the dynamic disk header's checksum is {found:#010x}, not {expected:#010x}"
        ))),
    }
}

fn read_path(source: &dyn Source, locator: &ParentLocator) -> Result<String> {
    let len = locator.platform_data_length.get();
    if len > MOST_PATH {
        let text = format!("platform_data_length {len} of a reference is over {MOST_PATH}");
        return Err(Error::corrupt(text));
    }
    let offset = locator.platform_data_offset.get();
    let end = offset.checked_add(u64::from(len));
    if end.is_none_or(|end| end > source.size()) {
        let text = format!("platform_data_offset {offset:#x} of a reference is past the end");
        return Err(Error::corrupt(text));
    }
    let bytes = read_vec(source, offset, to_usize(u64::from(len)))?;
    let units = bytes.chunks_exact(2);
    Ok(text(units.filter_map(|unit| {
        unit.try_into().ok().map(u16::from_le_bytes)
    })))
}

/// UTF-16 up to its first NUL.
fn text(units: impl Iterator<Item = u16>) -> String {
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}
