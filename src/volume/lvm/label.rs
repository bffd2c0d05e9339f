//! The label of a physical volume: who it is, and where its metadata are.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::checksum::checksum;
use super::layout::{
    DiskLocn, LABEL_CRC_SKIP, LABEL_ID, LABEL_SCAN_SECTORS, LVM2_LABEL, LabelHeader, PvHeader,
    SECTOR,
};
use super::uuid::Uuid;
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// A range in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) size: u64,
    /// Where the label says so.
    pub(super) said_at: u64,
}

/// What a label says.
#[derive(Debug)]
pub(super) struct Label {
    /// The physical volume's own identifier.
    pub(super) uuid: Uuid,
    /// Its size in bytes when it was made.
    pub(super) device_size: u64,
    /// Where texts are kept; none where other physical volumes keep them.
    pub(super) metadata_areas: Vec<Range>,
}

/// The first label of `source`, and the sector it lies in. `None` where there is none: one that
/// says that it is of another sector is of something else that begins near by, as a partition.
///
/// # Errors
/// As [`Source::read_exact_at`], where no other sector has one.
pub(super) fn sector(source: &dyn Source) -> Result<Option<(u64, Vec<u8>)>> {
    let mut bad = None;
    for number in 0..LABEL_SCAN_SECTORS {
        let at = number.saturating_mul(SECTOR);
        if at.saturating_add(SECTOR) > source.size() {
            break;
        }
        let bytes = match read_vec(source, at, to_usize(SECTOR)) {
            Ok(bytes) => bytes,
            Err(error) => {
                bad = bad.or(Some(error));
                continue;
            }
        };
        let header = LabelHeader::read_from_prefix(&bytes);
        let is_label = |header: &LabelHeader| {
            (&header.id, &header.r#type) == (LABEL_ID, LVM2_LABEL)
                && header.sector_xl.get() == number
        };
        if header.is_ok_and(|(header, _)| is_label(&header)) {
            return Ok(Some((at, bytes)));
        }
    }
    bad.map_or(Ok(None), Err)
}

/// Reads the label of `source`.
///
/// # Errors
/// `Corrupt` for one that is not whole, and where there is none.
pub(super) fn read(source: &dyn Source, ignore_checksums: bool) -> Result<Label> {
    let found = sector(source)?;
    let (at, bytes) = found.ok_or_else(|| Error::corrupt("there is no label"))?;
    parse(at, &bytes, ignore_checksums).context(|| "label")
}

fn parse(at: u64, bytes: &[u8], ignore_checksums: bool) -> Result<Label> {
    let short = || Error::corrupt("cut off").at(at);
    let (header, _) = LabelHeader::read_from_prefix(bytes).map_err(|_| short())?;
    let covered = bytes.get(LABEL_CRC_SKIP..).ok_or_else(short)?;
    let (stored, found) = (header.crc_xl.get(), checksum(covered));
    if stored != found && !ignore_checksums {
        let text = format!("crc_xl is {stored:#x}, and its bytes give {found:#x}");
        let field = to_u64(offset_of!(LabelHeader, crc_xl));
        let error = Error::corrupt(text).at(at.saturating_add(field));
        return Err(error.hint("--ignore-checksums reads it all the same"));
    }
    let offset = header.offset_xl.get();
    let start = to_usize(u64::from(offset));
    let outside = || {
        let text = format!("offset_xl is {offset}, outside its sector");
        Error::corrupt(text).at(at.saturating_add(20))
    };
    let rest = bytes.get(start..).ok_or_else(outside)?;
    let (physical, lists) = PvHeader::read_from_prefix(rest).map_err(|_| outside())?;
    let uuid = Uuid::parse(&physical.pv_uuid).ok_or_else(|| {
        let at = at.saturating_add(to_u64(start));
        Error::corrupt("pv_uuid is no identifier").at(at)
    })?;
    let behind = |lists: &[u8]| {
        let before = bytes.len().saturating_sub(lists.len());
        at.saturating_add(to_u64(before))
    };
    let (_, lists) = locations(lists, behind(lists));
    let (metadata_areas, _) = locations(lists, behind(lists));
    Ok(Label {
        uuid,
        device_size: physical.device_size_xl.get(),
        metadata_areas,
    })
}

/// The list at the start of `bytes`, which are at byte `at`, and what stands behind it. The sector
/// ends one too.
fn locations(bytes: &[u8], at: u64) -> (Vec<Range>, &[u8]) {
    let (mut list, mut rest) = (Vec::new(), bytes);
    while let Ok((location, behind)) = DiskLocn::read_from_prefix(rest) {
        let before = bytes.len().saturating_sub(rest.len());
        rest = behind;
        if location.offset.get() == 0 {
            return (list, rest);
        }
        list.push(Range {
            offset: location.offset.get(),
            size: location.size.get(),
            said_at: at.saturating_add(to_u64(before)),
        });
    }
    (list, &[])
}
