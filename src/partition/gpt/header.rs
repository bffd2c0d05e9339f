//! The header, checked, with its entries' bytes: one of the two copies of the table.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{GptEntry, GptHeader, SIGNATURE};
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// The largest array of entries that is read: 64 times what UEFI asks for.
const MOST_BYTES: u64 = 1 << 20;

/// One copy of the table whose checksums are right.
pub(super) struct Copy {
    /// Bytes of a logical block, in which all addresses count.
    pub(super) sector: u64,
    /// The header.
    pub(super) header: GptHeader,
    /// The array of entries.
    pub(super) entries: Vec<u8>,
    /// Bytes of one entry.
    pub(super) entry_size: usize,
}

/// The header at block `lba`, its fields and checksum not looked at; `None` without its magic.
pub(super) fn peek(source: &dyn Source, sector: u64, lba: u64) -> Option<GptHeader> {
    let offset = lba.checked_mul(sector)?;
    let bytes = read_vec(source, offset, size_of::<GptHeader>()).ok()?;
    let header = GptHeader::read_from_bytes(&bytes).ok()?;
    (header.Signature == SIGNATURE).then_some(header)
}

impl Copy {
    /// Reads and checks the copy whose header is at block `lba`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field.
    pub(super) fn read(source: &dyn Source, sector: u64, lba: u64) -> Result<Self> {
        let offset = lba.saturating_mul(sector);
        let no_header = || Error::corrupt("no EFI PART header").at(offset);
        let header = peek(source, sector, lba).ok_or_else(no_header)?;
        check_checksum(source, &header, sector, offset)?;
        check_fields(&header, lba, offset)?;
        let entry_size = entry_size(&header, offset)?;
        let entries = read_entries(source, &header, sector, offset)?;
        Ok(Self {
            sector,
            header,
            entries,
            entry_size,
        })
    }
}

/// `text` about the field that is so many bytes behind the header's first, which is at byte `at`.
fn wrong(text: String, at: u64, field: usize) -> Error {
    Error::corrupt(text).at(at.saturating_add(to_u64(field)))
}

fn check_checksum(source: &dyn Source, header: &GptHeader, sector: u64, at: u64) -> Result<()> {
    let size = u64::from(header.HeaderSize.get());
    let least = to_u64(size_of::<GptHeader>());
    if !(least..=sector).contains(&size) {
        let text = format!("HeaderSize {size} is not {least} to {sector}");
        return Err(wrong(text, at, offset_of!(GptHeader, HeaderSize)));
    }
    let mut bytes = read_vec(source, at, to_usize(size))?;
    if let Some(field) = bytes.get_mut(16..20) {
        field.fill(0); // The checksum is over the header with this field as zeros.
    }
    let (found, expected) = (crc32fast::hash(&bytes), header.HeaderCRC32.get());
    if found == expected {
        return Ok(());
    }
    let text = format!("HeaderCRC32 {expected:#010x} is not the header's {found:#010x}");
    Err(wrong(text, at, offset_of!(GptHeader, HeaderCRC32)))
}

fn check_fields(header: &GptHeader, lba: u64, at: u64) -> Result<()> {
    let (mine, entries) = (header.MyLBA.get(), header.PartitionEntryLBA.get());
    if mine != lba {
        let text = format!("MyLBA {mine} in the header at LBA {lba}");
        return Err(wrong(text, at, offset_of!(GptHeader, MyLBA)));
    }
    if entries < 2 {
        let text = format!("PartitionEntryLBA {entries} is the MBR's or the header's");
        return Err(wrong(text, at, offset_of!(GptHeader, PartitionEntryLBA)));
    }
    Ok(())
}

fn entry_size(header: &GptHeader, at: u64) -> Result<usize> {
    let size = header.SizeOfPartitionEntry.get();
    let least = u32::try_from(size_of::<GptEntry>()).unwrap_or(u32::MAX);
    if size < least || !size.is_multiple_of(8) {
        let text = format!("SizeOfPartitionEntry {size} is no multiple of 8 from {least} on");
        let field = offset_of!(GptHeader, SizeOfPartitionEntry);
        return Err(wrong(text, at, field));
    }
    let count = header.NumberOfPartitionEntries.get();
    let all = u64::from(size).saturating_mul(u64::from(count));
    if all > MOST_BYTES {
        let text = format!(
            "NumberOfPartitionEntries {count} of {size} bytes are more than {MOST_BYTES} bytes"
        );
        let field = offset_of!(GptHeader, NumberOfPartitionEntries);
        return Err(wrong(text, at, field));
    }
    Ok(to_usize(u64::from(size)))
}

fn read_entries(source: &dyn Source, header: &GptHeader, sector: u64, at: u64) -> Result<Vec<u8>> {
    let count = u64::from(header.NumberOfPartitionEntries.get());
    // Bounded by MOST_BYTES above.
    let len = count.saturating_mul(u64::from(header.SizeOfPartitionEntry.get()));
    let lba = header.PartitionEntryLBA.get();
    let offset = lba.saturating_mul(sector);
    if offset.saturating_add(len) > source.size() {
        let text = format!("PartitionEntryLBA {lba}: {len} bytes there are past the end");
        return Err(wrong(text, at, offset_of!(GptHeader, PartitionEntryLBA)));
    }
    let bytes = read_vec(source, offset, to_usize(len)).context(|| "entries")?;
    let (found, expected) = (
        crc32fast::hash(&bytes),
        header.PartitionEntryArrayCRC32.get(),
    );
    if found == expected {
        return Ok(bytes);
    }
    Err(Error::corrupt(format!(
        "PartitionEntryArrayCRC32 {expected:#010x} is not the entries' {found:#010x}"
    ))
    .at(offset))
}
