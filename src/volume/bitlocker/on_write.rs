//! What a volume that encrypts on write keeps beside its metadata: bitmaps of what is encrypted, and
//! logs. It stays when the volume is decrypted, and is shown as zeros like the metadata.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{EOW_BITMAP_SIGNATURE, EOW_SIGNATURE, EowBitmap, EowInformation};
use crate::error::{Error, Result, ResultExt};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// First byte and length of each area, by all `copies` that are whole; a sector has `sector` bytes.
///
/// # Errors
/// `Corrupt`, naming the field of the first copy that cannot be, where none is whole.
pub(super) fn areas(source: &dyn Source, copies: [u64; 2], sector: u64) -> Result<Vec<(u64, u64)>> {
    let read = |at| read(source, at, sector).context(|| "encrypt-on-write information");
    match copies.map(read) {
        [Ok(first), Ok(second)] => Ok([first, second].concat()),
        [Ok(areas), Err(_)] | [Err(_), Ok(areas)] => Ok(areas),
        [Err(error), Err(_)] => Err(error),
    }
}

fn read(source: &dyn Source, at: u64, sector: u64) -> Result<Vec<(u64, u64)>> {
    let head = read_vec(source, at, size_of::<EowInformation>())?;
    let (raw, _) = EowInformation::ref_from_prefix(&head)
        .map_err(|_| Error::corrupt("it is cut off").at(at))?;
    if &raw.HeaderSignature != EOW_SIGNATURE {
        return Err(Error::corrupt("it has no signature FVE-EOW").at(at));
    }
    let places = places(source, raw, at)?;
    let size = u64::from(raw.Size.get()).next_multiple_of(sector.max(1));
    let log = u64::from(raw.ConvLogSize.get());
    let mut areas = vec![(at, size)];
    for place in places {
        areas.extend(bitmap(source, place, log).context(|| format!("bitmap at {place:#x}"))?);
    }
    Ok(areas)
}

/// Where the bitmaps are.
fn places(source: &dyn Source, raw: &EowInformation, at: u64) -> Result<Vec<u64>> {
    let size = usize::from(raw.Size.get());
    let head = size_of::<EowInformation>();
    if usize::from(raw.HeaderSize.get()) != head || size < head {
        let text = format!("HeaderSize {} and Size {size}", raw.HeaderSize.get());
        let field = to_u64(offset_of!(EowInformation, HeaderSize));
        return Err(Error::corrupt(text).at(at.saturating_add(field)));
    }
    let mut bytes = read_vec(source, at, size)?;
    let field = offset_of!(EowInformation, Crc32);
    if let Some(sum) = bytes.get_mut(field..).and_then(|rest| rest.get_mut(..4)) {
        sum.fill(0);
    }
    let (stored, found) = (raw.Crc32.get(), crc32fast::hash(&bytes));
    if stored != found {
        let text = format!("Crc32 is {stored:#010x}, and its bytes give {found:#010x}");
        return Err(Error::corrupt(text).at(at.saturating_add(to_u64(field))));
    }
    let places = bytes.get(head..).unwrap_or_default().as_chunks().0;
    Ok(places.iter().map(|it| u64::from_le_bytes(*it)).collect())
}

/// The bitmap at byte `at` and its log, which has `log` bytes.
fn bitmap(source: &dyn Source, at: u64, log: u64) -> Result<[(u64, u64); 2]> {
    let head = read_vec(source, at, size_of::<EowBitmap>())?;
    let (raw, _) =
        EowBitmap::ref_from_prefix(&head).map_err(|_| Error::corrupt("it is cut off").at(at))?;
    if &raw.HeaderSignature != EOW_BITMAP_SIGNATURE {
        return Err(Error::corrupt("it has no signature FVE-EOWBM").at(at));
    }
    Ok([(at, raw.Size.get().into()), (raw.ConvLogOffset.get(), log)])
}
