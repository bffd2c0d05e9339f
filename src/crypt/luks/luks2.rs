//! LUKS2: two copies of a header, each a binary part and JSON behind it, under one checksum.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::Header;
use super::json::{self, Metadata};
use super::layout::{self, CSUM_AT, HEADER_2_LEN, Header2, SIZES, text};
use super::places::Place;
use crate::crypt::hash::Hash;
use crate::error::{Error, Result, ResultExt, printable};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// One copy of the header.
pub(super) struct Copy {
    pub(super) fixed: Header2,
    pub(super) metadata: Metadata,
    /// What the metadata were read from, and the byte that it begins at.
    json: Vec<u8>,
    json_at: u64,
}

impl Copy {
    /// Where the metadata stand.
    pub(super) fn place(&self) -> Place<'_> {
        Place::new(&self.json, self.json_at)
    }
}

/// Whether `source` begins as a header of LUKS2 does.
pub(super) fn is_here(source: &dyn Source) -> bool {
    let start = read_vec(source, 0, 8).unwrap_or_default();
    start.starts_with(&layout::MAGIC) && start.ends_with(&[0, 2])
}

/// Where a second header stands, if one does. Where looking means unpacking all that is before it, only
/// the near places are looked at, unless the first header began there.
pub(super) fn second(source: &dyn Source) -> Option<u64> {
    /// Whoever looks for any format reads that much.
    const NEAR: u64 = 64 << 10;
    let everywhere = !source.end_is_far() || is_here(source);
    let is_there = |at: &u64| {
        let start = read_vec(source, *at, 8).unwrap_or_default();
        start.starts_with(&layout::SECOND_MAGIC) && start.ends_with(&[0, 2])
    };
    let mut places = SIZES.into_iter().filter(|at| everywhere || *at <= NEAR);
    places.find(is_there)
}

/// Reads and checks the header: the newer of two good copies, or the good one of two.
pub(super) fn read(source: &dyn Source, ignore_checksums: bool) -> Result<Header> {
    let copy = |at, magic| copy(source, at, magic, ignore_checksums);
    let first = copy(0, layout::MAGIC).context(|| "first header");
    let place = match &first {
        Ok(first) => Some(first.fixed.hdr_size.get()),
        Err(_) => second(source),
    };
    let missing = || Error::corrupt("there is none at any of its places");
    let second = place.ok_or_else(missing);
    let second = second.and_then(|at| copy(at, layout::SECOND_MAGIC));
    let second = second.context(|| "second header");
    let mut notices = Vec::new();
    let is_first_whole = first.is_ok();
    let used = match (first, second) {
        (Ok(first), Ok(second)) if second.fixed.seqid.get() > first.fixed.seqid.get() => {
            notices.push("the second header is newer, and is used".to_owned());
            second
        }
        (Ok(first), Ok(_)) => first,
        (Ok(first), Err(error)) => {
            notices.push(format!("{error}; the first one is used"));
            first
        }
        (Err(error), Ok(second)) => {
            notices.push(format!("{error}; the second one is used"));
            second
        }
        (Err(error), Err(_)) => return Err(error),
    };
    let mut header = super::metadata::header(&used, source)?;
    header.notices.extend(notices);
    header.is_first_whole = is_first_whole;
    Ok(header)
}

/// The copy at byte `at`.
fn copy(source: &dyn Source, at: u64, magic: [u8; 6], ignore_checksums: bool) -> Result<Copy> {
    let bytes = read_vec(source, at, HEADER_2_LEN)?;
    let fixed = Header2::read_from_bytes(&bytes)
        .map_err(|_| Error::corrupt("the header is cut off").at(at))?;
    check(&fixed, at, magic)?;
    let size = to_usize(fixed.hdr_size.get());
    let mut bytes = read_vec(source, at, size)?;
    let sum = check_sum(&fixed, &mut bytes).map_err(|error| error.at(at));
    if !ignore_checksums {
        sum?;
    }
    let json = bytes.get(HEADER_2_LEN..).unwrap_or_default();
    let json_at = at.saturating_add(to_u64(HEADER_2_LEN));
    Ok(Copy {
        metadata: json::read(json, json_at)?,
        json: text(json).to_vec(),
        fixed,
        json_at,
    })
}

fn check(fixed: &Header2, at: u64, magic: [u8; 6]) -> Result<()> {
    let field = |field| at.saturating_add(to_u64(field));
    if fixed.magic != magic {
        return Err(Error::corrupt("it has no magic number").at(at));
    }
    let version = fixed.version.get();
    if version != 2 {
        let at = field(offset_of!(Header2, version));
        return Err(Error::unsupported(format!("version {version} is not known")).at(at));
    }
    let size = fixed.hdr_size.get();
    if !SIZES.contains(&size) {
        let text = format!("hdr_size {size} is no power of two from 16 KiB to 4 MiB");
        return Err(Error::corrupt(text).at(field(offset_of!(Header2, hdr_size))));
    }
    let offset = fixed.hdr_offset.get();
    if offset != at || !matches!(at, 0) && at != size {
        let text = format!("hdr_offset {offset:#x} is not where the header stands");
        return Err(Error::corrupt(text).at(field(offset_of!(Header2, hdr_offset))));
    }
    Ok(())
}

/// Checks the sum over `bytes`, the whole copy, in which its own place counts as zeros.
fn check_sum(fixed: &Header2, bytes: &mut [u8]) -> Result<()> {
    let name = printable(text(&fixed.csum_alg));
    let hash = Hash::by_name(&name).context(|| "checksum")?;
    if let Some(field) = bytes.get_mut(CSUM_AT..CSUM_AT.saturating_add(fixed.csum.len())) {
        field.fill(0);
    }
    let mut sum = vec![0; hash.size()];
    hash.digest(&[bytes], &mut sum);
    match fixed.csum.starts_with(&sum) {
        true => Ok(()),
        false => {
            let error = Error::corrupt("the checksum is not that of the header");
            Err(error.hint("--ignore-checksums reads it all the same"))
        }
    }
}
