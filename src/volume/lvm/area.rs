//! A metadata area: a header, and a ring in which each new text is written behind the one before.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::checksum::checksum;
use super::label::Range;
use super::layout::{
    FMTT_MAGIC, FMTT_VERSION, MDA_HEADER_SIZE, MdaHeader, RAW_LOCN_IGNORED, RawLocn,
};
use super::text::Text;
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the longest text that is read. LVM2's own areas have one megabyte.
pub(super) const MOST_TEXT: u64 = 16 << 20;

/// The text that is committed in the area at `range` of `source`; `None` where none is, as on a
/// physical volume in no group, or where LVM2 was told to ignore the area.
///
/// # Errors
/// `Corrupt` for an area or a text that is not whole.
pub(super) fn text(
    source: &dyn Source,
    range: Range,
    ignore_checksums: bool,
) -> Result<Option<Text>> {
    let at = range.offset;
    read(source, range, ignore_checksums).context(|| format!("metadata area at {at:#x}"))
}

fn read(source: &dyn Source, range: Range, ignore_checksums: bool) -> Result<Option<Text>> {
    let at = range.offset;
    let end = at
        .checked_add(range.size)
        .filter(|end| *end <= source.size());
    if end.is_none() || range.size <= MDA_HEADER_SIZE {
        let (size, all) = (range.size, source.size());
        let text = format!("its {size} bytes are past the end of {all}, or too few");
        return Err(Error::corrupt(text).at(range.said_at));
    }
    let header = header(source, at, ignore_checksums)?;
    let (start, size) = (header.start.get(), header.size.get());
    if (start, size) != (at, range.size) {
        let text = format!("its header says that it is at {start:#x} with {size} bytes");
        let field = match start == at {
            true => offset_of!(MdaHeader, size),
            false => offset_of!(MdaHeader, start),
        };
        return Err(Error::corrupt(text).at(at.saturating_add(to_u64(field))));
    }
    let place = Place {
        area: range,
        offset: header.committed.offset.get(),
        size: header.committed.size.get(),
    };
    let ignored = header.committed.flags.get() & RAW_LOCN_IGNORED != 0;
    if place.offset == 0 || ignored {
        return Ok(None);
    }
    let text = place.read(source)?;
    if ignore_checksums {
        return Ok(Some(text));
    }
    let (stored, found) = (header.committed.checksum.get(), checksum(&text.bytes));
    if stored != found {
        let text = format!("the text's checksum is {stored:#x}, and its bytes give {found:#x}");
        let error = Error::corrupt(text).at(at.saturating_add(place.offset));
        return Err(error.hint("--ignore-checksums reads it all the same"));
    }
    Ok(Some(text))
}

fn header(source: &dyn Source, at: u64, ignore_checksums: bool) -> Result<MdaHeader> {
    let bytes = read_vec(source, at, to_usize(MDA_HEADER_SIZE))?;
    let short = |_| Error::corrupt("cut off").at(at);
    let (header, _) = MdaHeader::read_from_prefix(&bytes).map_err(short)?;
    if &header.magic != FMTT_MAGIC {
        let at = at.saturating_add(to_u64(offset_of!(MdaHeader, magic)));
        return Err(Error::corrupt("its header has no magic").at(at));
    }
    let version = header.version.get();
    if version != FMTT_VERSION {
        let at = at.saturating_add(to_u64(offset_of!(MdaHeader, version)));
        return Err(Error::unsupported(format!("version {version}")).at(at));
    }
    let (stored, found) = (
        header.checksum_xl.get(),
        checksum(bytes.get(4..).unwrap_or_default()),
    );
    if stored != found && !ignore_checksums {
        let text = format!("checksum_xl is {stored:#x}, and its bytes give {found:#x}");
        let error = Error::corrupt(text).at(at);
        return Err(error.hint("--ignore-checksums reads it all the same"));
    }
    Ok(header)
}

/// Where a text is: from `offset` of its area on, and where the area ends, on behind its header.
struct Place {
    area: Range,
    offset: u64,
    size: u64,
}

impl Place {
    /// Where the field of the header is that is so many bytes behind `raw_locns`.
    fn field(&self, behind: usize) -> u64 {
        let locations = to_u64(offset_of!(MdaHeader, committed));
        let field = locations.saturating_add(to_u64(behind));
        self.area.offset.saturating_add(field)
    }

    fn read(&self, source: &dyn Source) -> Result<Text> {
        let ring = self.area.size.saturating_sub(MDA_HEADER_SIZE);
        let at = self.area.offset.saturating_add(self.offset);
        if self.size > MOST_TEXT {
            let text = format!("a text of {} bytes is over {MOST_TEXT}", self.size);
            return Err(Error::unsupported(text).at(self.field(offset_of!(RawLocn, size))));
        }
        let starts_inside = (MDA_HEADER_SIZE..self.area.size).contains(&self.offset);
        if self.size == 0 || self.size > ring || !starts_inside {
            let (offset, size) = (self.offset, self.size);
            let text = format!("{size} bytes at {offset:#x} do not fit into its ring");
            let field = match starts_inside {
                true => offset_of!(RawLocn, size),
                false => offset_of!(RawLocn, offset),
            };
            return Err(Error::corrupt(text).at(self.field(field)));
        }
        let first = self.size.min(self.area.size.saturating_sub(self.offset));
        let mut bytes = read_vec(source, at, to_usize(first))?;
        let rest = self.size.saturating_sub(to_u64(bytes.len()));
        let behind = self.area.offset.saturating_add(MDA_HEADER_SIZE);
        bytes.extend(read_vec(source, behind, to_usize(rest))?);
        Ok(Text {
            bytes,
            at,
            first,
            behind,
        })
    }
}
