//! What a volume that encrypts on write keeps beside its metadata: bitmaps of what is encrypted, and
//! logs. It stays when the volume is decrypted, and is shown as zeros like the metadata.

mod bitmap;
mod chunks;
mod log;

pub(super) use self::chunks::{Chunks, Kept};

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{EOW_SIGNATURE, EowInformation};
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// What leads to the bitmaps.
#[derive(Debug)]
pub(super) struct OnWrite {
    /// First byte and length of each area of all copies that are whole.
    pub(super) areas: Vec<(u64, u64)>,
    /// What is wrong with bitmaps whose areas are not known.
    pub(super) damage: Vec<Error>,
    /// Where the bitmaps are.
    bitmaps: Vec<u64>,
    /// Bytes of a chunk.
    chunk: u64,
}

impl OnWrite {
    /// Reads what lies at `copies`; a sector has `sector` bytes.
    ///
    /// # Errors
    /// `Corrupt`, naming the field of the first copy that cannot be, where none is whole.
    pub(super) fn read(source: &dyn Source, copies: [u64; 2], sector: u64) -> Result<Self> {
        let read = |at| read(source, at, sector).context(|| "encrypt-on-write information");
        match copies.map(read) {
            [Ok(mut first), Ok(second)] => {
                first.areas.extend(second.areas);
                Ok(first)
            }
            [Ok(found), Err(_)] | [Err(_), Ok(found)] => Ok(found),
            [Err(error), Err(_)] => Err(error),
        }
    }
}

fn read(source: &dyn Source, at: u64, sector: u64) -> Result<OnWrite> {
    let head = read_vec(source, at, size_of::<EowInformation>())?;
    let (raw, _) = EowInformation::ref_from_prefix(&head)
        .map_err(|_| Error::corrupt("it is cut off").at(at))?;
    if &raw.HeaderSignature != EOW_SIGNATURE {
        return Err(Error::corrupt("it has no signature FVE-EOW").at(at));
    }
    let bitmaps = places(source, raw, at)?;
    let size = u64::from(raw.Size.get()).next_multiple_of(sector.max(1));
    let log = u64::from(raw.ConvLogSize.get());
    let (mut areas, mut damage) = (vec![(at, size)], Vec::new());
    for place in &bitmaps {
        match bitmap::head(source, *place).context(|| bitmap::called(*place)) {
            Ok(bitmap) => {
                areas.push((*place, bitmap.Size.get().into()));
                areas.push((bitmap.ConvLogOffset.get(), log));
            }
            Err(error) => damage.push(error),
        }
    }
    Ok(OnWrite {
        areas,
        damage,
        bitmaps,
        chunk: raw.ChunkSize.get().into(),
    })
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
    let field = offset_of!(EowInformation, Crc32);
    let bytes = checked(source, at, to_u64(size), field, false)?;
    let places = bytes.get(head..).unwrap_or_default().as_chunks().0;
    Ok(places.iter().map(|it| u64::from_le_bytes(*it)).collect())
}

/// The `size` bytes from `at` on. The checksum at `field` of them is of all of them, itself as zero.
///
/// # Errors
/// `Corrupt` where it is not, unless that is to be ignored.
fn checked(source: &dyn Source, at: u64, size: u64, field: usize, ignore: bool) -> Result<Vec<u8>> {
    let bytes = read_vec(source, at, to_usize(size))?;
    let (before, rest) = bytes.split_at_checked(field).unwrap_or((&bytes, &[]));
    let (stored, behind) = rest.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let mut hasher = crc32fast::Hasher::new();
    for part in [before, &[0; 4], behind] {
        hasher.update(part);
    }
    let (stored, found) = (u32::from_le_bytes(*stored), hasher.finalize());
    if stored == found || ignore {
        return Ok(bytes);
    }
    let text = format!("Crc32 is {stored:#010x}, and its bytes give {found:#010x}");
    Err(Error::corrupt(text).at(at.saturating_add(to_u64(field))))
}
