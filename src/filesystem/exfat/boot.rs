//! The boot region: its sectors, their sum, and the copy behind it (3).

use zerocopy::FromBytes;

use super::checksum;
use super::geometry::Geometry;
use super::layout::RawBootSector;
use crate::error::{Error, Result, ResultExt};
use crate::format::Context;
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// `FileSystemName`.
const NAME: &[u8; 8] = b"EXFAT   ";

/// Sectors of a boot region; the last holds the sum of the others.
pub(super) const SECTORS: u64 = 12;

/// What the user can do about a wrong checksum.
pub(super) const HINT: &str = "--ignore-checksums reads it all the same";

/// Whether `source` starts with the boot sector of an exFAT volume, be it damaged.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn is_there(source: &dyn Source) -> Result<bool> {
    let Some(raw) = raw_at(source, 0)? else {
        return Ok(false);
    };
    Ok(raw.FileSystemName == *NAME)
}

/// The geometry by the main boot region, or by its copy, with a notice, where the main one is
/// damaged: what fsck.exfat would put back. The kernel's driver reads no copy.
///
/// # Errors
/// `Corrupt`, naming the field of the main region, where neither can be used.
pub(super) fn read(source: &dyn Source, context: &Context) -> Result<Geometry> {
    let main = region(source, 0).context(|| "main boot region");
    let error = match main {
        Ok(geometry) => return Ok(geometry),
        Err(error) => error,
    };
    if let Some(geometry) = copy(source) {
        context
            .notices
            .add(format!("exfat: {error}: the backup boot region is used"));
        return Ok(geometry);
    }
    if !context.options.ignore_checksums {
        return Err(error);
    }
    let geometry = sector(source, 0).map_err(|_| error.clone())?;
    context.notices.add(format!("exfat: {error}"));
    Ok(geometry)
}

/// As [`read`], for a description: a wrong sum does not matter.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn describe(source: &dyn Source) -> Result<Geometry> {
    let good = region(source, 0).ok().or_else(|| copy(source));
    good.map_or_else(|| sector(source, 0), Ok)
}

/// The geometry by the backup boot region, wherever the size of its sectors has it.
fn copy(source: &dyn Source) -> Option<Geometry> {
    let shifts = 9_u32..=12;
    let mut starts = shifts.map(|shift| (shift, SECTORS.wrapping_shl(shift)));
    starts.find_map(|(shift, start)| {
        let geometry = region(source, start).ok()?;
        (geometry.sector_bits == shift).then_some(geometry)
    })
}

/// The geometry by the region at byte `start`, whose sum is right.
///
/// # Errors
/// `Corrupt`, naming the field; as [`Source::read_exact_at`].
pub(super) fn region(source: &dyn Source, start: u64) -> Result<Geometry> {
    let geometry = sector(source, start)?;
    verify(source, start, geometry.sector_size())?;
    Ok(geometry)
}

fn sector(source: &dyn Source, start: u64) -> Result<Geometry> {
    let raw = raw_at(source, start)?;
    let raw = raw.ok_or_else(|| Error::corrupt("too short for a boot sector").at(start))?;
    if raw.FileSystemName != *NAME {
        let name = crate::error::printable(&raw.FileSystemName);
        return Err(Error::corrupt(format!("FileSystemName is \"{name}\"")).at(start));
    }
    Geometry::new(&raw).map_err(|error| error.at(start))
}

fn raw_at(source: &dyn Source, start: u64) -> Result<Option<RawBootSector>> {
    let mut bytes = [0; size_of::<RawBootSector>()];
    let end = start.saturating_add(to_u64(bytes.len()));
    if end > source.size() {
        return Ok(None);
    }
    source.read_exact_at(&mut bytes, start)?;
    Ok(RawBootSector::read_from_bytes(&bytes).ok())
}

/// Compares the sum of the region at byte `start` with the one it holds: over and over, to the end
/// of its last sector.
fn verify(source: &dyn Source, start: u64, sector_size: u32) -> Result<()> {
    let size = u64::from(sector_size);
    let len = size.saturating_mul(SECTORS);
    let bytes = read_vec(source, start, to_usize(len))
        .map_err(|_| Error::corrupt("too short for a boot region").at(start))?;
    let counted = size.saturating_mul(SECTORS.saturating_sub(1));
    let (sectors, stored) = bytes
        .split_at_checked(to_usize(counted))
        .unwrap_or_default();
    let sum = checksum::boot(sectors);
    let (words, _) = stored.as_chunks();
    let wrong = words.iter().zip(0_u64..);
    let wrong = wrong.map(|(word, index)| (u32::from_le_bytes(*word), index));
    let Some((word, index)) = wrong.into_iter().find(|(word, _)| *word != sum) else {
        return Ok(());
    };
    let place = start.saturating_add(counted);
    let error = Error::corrupt(format!("boot checksum {word:#010x} should be {sum:#010x}"));
    Err(error
        .at(place.saturating_add(index.saturating_mul(4)))
        .hint(HINT))
}
