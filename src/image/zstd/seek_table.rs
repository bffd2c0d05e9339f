//! The table at the end of a seekable file: "Zstandard Seekable Format" 0.1.0.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::contents::{Contents, Start};
use super::layout::{
    CHECKSUM_FLAG, RESERVED_BITS, SEEK_TABLE, SEEKABLE, SeekTableEntry, SeekTableFooter, Skippable,
};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the magic number and size before the table.
const HEADER: u64 = 8;

/// Bytes of the footer behind it.
const FOOTER: u64 = 9;

/// Bytes of the table that are read in one piece, which a multiple of both entry sizes is.
const PIECE: u64 = 96 << 10;

/// The frames that the seek table at the end of `source` names; `None` where there is none.
///
/// # Errors
/// `Corrupt` for a table that does not fit the file; `Unsupported` for too many frames.
pub(super) fn read(source: &dyn Source) -> Result<Option<Contents>> {
    let Some(at) = source.size().checked_sub(FOOTER) else {
        return Ok(None);
    };
    let bytes = read_vec(source, at, to_usize(FOOTER))?;
    let Ok(footer) = SeekTableFooter::ref_from_bytes(&bytes) else {
        return Ok(None);
    };
    if footer.seekable_magic_number.get() != SEEKABLE {
        return Ok(None);
    }
    let named = |error: Error| error.context("seek table");
    let table = Table::find(source, footer).map_err(named)?;
    table.frames(source).map_err(named).map(Some)
}

struct Table {
    /// Where its entries start.
    entries: u64,
    /// Bytes of one.
    entry: u64,
    count: u64,
}

impl Table {
    fn find(source: &dyn Source, footer: &SeekTableFooter) -> Result<Self> {
        let footer_at = source.size().saturating_sub(FOOTER);
        let field = |behind: usize| footer_at.saturating_add(to_u64(behind));
        let count_at = field(offset_of!(SeekTableFooter, number_of_frames));
        let descriptor = footer.seek_table_descriptor;
        if descriptor & RESERVED_BITS != 0 {
            let text = format!("Seek_Table_Descriptor {descriptor:#04x} has reserved bits");
            let at = field(offset_of!(SeekTableFooter, seek_table_descriptor));
            return Err(Error::unsupported(text).at(at));
        }
        let checksums = descriptor & CHECKSUM_FLAG != 0;
        let count = u64::from(footer.number_of_frames.get());
        let entry = if checksums { 12 } else { 8 };
        let size = count.saturating_mul(entry).saturating_add(FOOTER);
        let start = source.size().checked_sub(size.saturating_add(HEADER));
        let too_many = || {
            let text = format!("Number_Of_Frames {count} is more than the file has room for");
            Error::corrupt(text).at(count_at)
        };
        let start = start.ok_or_else(too_many)?;
        let bytes = read_vec(source, start, to_usize(HEADER))?;
        let header = Skippable::ref_from_bytes(&bytes).map_err(|_| too_many())?;
        if header.magic.get() != SEEK_TABLE || u64::from(header.size.get()) != size {
            let text = format!("Number_Of_Frames {count} does not lead to its start");
            return Err(Error::corrupt(text).at(count_at));
        }
        Ok(Self {
            entries: start.saturating_add(HEADER),
            entry,
            count,
        })
    }

    fn frames(&self, source: &dyn Source) -> Result<Contents> {
        let mut contents = Contents::default();
        let (mut input, mut output) = (0_u64, 0_u64);
        let mut at = self.entries;
        let end = self
            .entries
            .saturating_add(self.count.saturating_mul(self.entry));
        while at < end {
            let len = end.saturating_sub(at).min(PIECE);
            let bytes = read_vec(source, at, to_usize(len))?;
            for entry in bytes.chunks_exact(to_usize(self.entry)) {
                let Ok((entry, checksum)) = SeekTableEntry::ref_from_prefix(entry) else {
                    continue;
                };
                contents.add(Start { input, output })?;
                if let Some(checksum) = checksum.first_chunk() {
                    let checksum = u32::from_le_bytes(*checksum);
                    contents.checksums.push((input, checksum));
                }
                input = input.saturating_add(u64::from(entry.compressed_size.get()));
                output = output.saturating_add(u64::from(entry.decompressed_size.get()));
            }
            at = at.saturating_add(len);
        }
        let start = self.entries.saturating_sub(HEADER);
        if input != start {
            let text = format!("its frames have {input} bytes, and {start} are before it");
            return Err(Error::corrupt(text).at(self.entries));
        }
        contents.input = input;
        contents.output = output;
        Ok(contents)
    }
}

const _: () = assert!(PIECE.is_multiple_of(24) && to_u64(size_of::<SeekTableFooter>()) == FOOTER);
