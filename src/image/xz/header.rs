//! Block Header (3.1): which filters a block went through.

use super::filter::{self, Filter};
use super::layout::{block_flags, filter_id};
use super::lzma2::Kept;
use super::vli;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the largest dictionary that is allocated.
const MOST_DICTIONARY: u32 = 128 << 20;

/// What a Block Header says.
pub(super) struct Header {
    /// Bytes of it.
    pub(super) len: u64,
    /// Compressed Size, where it is given.
    pub(super) compressed: Option<u64>,
    /// Uncompressed Size, where it is given.
    pub(super) uncompressed: Option<u64>,
    /// Bytes of LZMA2's dictionary.
    pub(super) dictionary: u32,
    /// The filters before LZMA2, in the order in which they were applied: ID and properties.
    filters: Vec<(u64, Vec<u8>)>,
}

impl Header {
    /// The header at byte `at`.
    ///
    /// # Errors
    /// `Corrupt` for what is no header; `Unsupported` for filters that are not known and for a
    /// dictionary over 128 MiB.
    pub(super) fn read(source: &dyn Source, at: u64) -> Result<Self> {
        let mut first = [0];
        source.read_exact_at(&mut first, at)?;
        let [first] = first;
        let len = u64::from(first).saturating_add(1).saturating_mul(4);
        if first == 0 {
            return Err(Error::corrupt("no block header is there").at(at));
        }
        let bytes = read_vec(source, at, to_usize(len))?;
        let (fields, crc32) = bytes.split_at(bytes.len().saturating_sub(4));
        if crc32fast::hash(fields).to_le_bytes() != *crc32 {
            return Err(Error::corrupt("the block header's CRC32 is wrong").at(at));
        }
        let mut fields = Kept(fields.get(1..).unwrap_or(&[]));
        parse(&mut fields, len).map_err(|error| error.at(at))
    }

    /// The filters before LZMA2, the last that was applied first.
    pub(super) fn filters(&self) -> Result<Vec<Filter>> {
        let filters = self.filters.iter().rev();
        filters.map(|(id, bytes)| Filter::new(*id, bytes)).collect()
    }

    /// The names of all filters, as in `x86, lzma2`.
    pub(super) fn names(&self) -> String {
        let names = self.filters.iter().map(|(id, _)| filter::name(*id));
        let names: Vec<&str> = names.chain(["lzma2"]).collect();
        names.join(", ")
    }
}

fn parse(fields: &mut Kept<'_>, len: u64) -> Result<Header> {
    let cut = || Error::corrupt("the block header is cut off");
    let flags = fields.byte().ok_or_else(cut)?;
    if flags & block_flags::RESERVED != 0 {
        return Err(Error::unsupported(format!("block_flags {flags:#x}")));
    }
    let mut number = || vli::read(|| fields.byte().ok_or_else(cut));
    let compressed = match flags & block_flags::COMPRESSED_SIZE {
        0 => None,
        _ => Some(number()?),
    };
    let uncompressed = match flags & block_flags::UNCOMPRESSED_SIZE {
        0 => None,
        _ => Some(number()?),
    };
    let mut filters = Vec::new();
    for _ in 0..=flags & block_flags::FILTERS {
        let id = vli::read(|| fields.byte().ok_or_else(cut))?;
        let size = vli::read(|| fields.byte().ok_or_else(cut))?;
        let properties = fields.take(to_usize(size)).ok_or_else(cut)?;
        filters.push((id, properties.to_vec()));
    }
    if fields.0.iter().any(|byte| *byte != 0) {
        return Err(Error::unsupported("the block header's padding is not zero"));
    }
    let dictionary = match filters.pop() {
        Some((filter_id::LZMA2, properties)) => dictionary(&properties)?,
        Some((id, _)) => {
            let name = filter::name(id);
            let text = format!("filter {name} ({id:#x}) is last, where lzma2 is expected");
            return Err(Error::unsupported(text));
        }
        None => return Err(cut()),
    };
    Ok(Header {
        len,
        compressed,
        uncompressed,
        dictionary,
        filters,
    })
}

/// Bytes of the dictionary, from LZMA2's one byte of properties (5.3.1).
fn dictionary(properties: &[u8]) -> Result<u32> {
    let &[bits @ 0..=40] = properties else {
        return Err(Error::corrupt(format!("lzma2 properties {properties:x?}")));
    };
    let shift = u32::from(bits / 2).saturating_add(11);
    let size = u64::from(2 | (bits & 1)) << shift;
    match u32::try_from(size) {
        Ok(size) if size <= MOST_DICTIONARY => Ok(size),
        _ => {
            let size = size.min(u64::from(u32::MAX)) >> 20;
            let text = format!("window: the dictionary of {size} MiB is over 128 MiB");
            let hint = "xz -dc unpacks it, and packs it again with a smaller --lzma2=dict";
            Err(Error::unsupported(text).hint(hint))
        }
    }
}

/// What must agree of a header and the index.
pub(super) fn compare(header: &Header, unpadded: u64, check: usize, unpacked: u64) -> Result<u64> {
    let packed = unpadded
        .checked_sub(header.len)
        .and_then(|rest| rest.checked_sub(to_u64(check)));
    let differ = || Error::corrupt("the sizes in the block header are not those in the index");
    let packed = packed.ok_or_else(differ)?;
    let same = header.compressed.is_none_or(|size| size == packed)
        && header.uncompressed.is_none_or(|size| size == unpacked);
    same.then_some(packed).ok_or_else(differ)
}
