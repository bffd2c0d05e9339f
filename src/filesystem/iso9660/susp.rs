//! The System Use Sharing Protocol (IEEE P1281): entries one behind the other in what a directory
//! record has left, and on through continuation areas.

use zerocopy::FromBytes;

use super::layout::{RawContinuation, RawEntry};
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::to_usize;
use crate::source::{Source, read_vec};

/// Where continuation areas are.
pub(super) struct Blocks<'a> {
    /// The disc.
    pub(super) source: &'a dyn Source,
    /// The logarithm of the logical block's size.
    pub(super) bits: u32,
}

/// How many continuation areas one record may have, as in the kernel.
const MOST_AREAS: usize = 32;

/// One entry.
pub(super) struct Entry<'a> {
    /// Its two letters.
    pub(super) signature: [u8; 2],
    /// Its version.
    pub(super) version: u8,
    /// What is behind its first four bytes.
    pub(super) data: &'a [u8],
}

/// Gives `each` the entries of `area`, and of the areas that it goes on in, until a terminator (ST).
///
/// # Errors
/// `Corrupt` for an entry that does not fit its area, and an area that does not fit its block.
pub(super) fn entries(
    blocks: &Blocks<'_>,
    request: &Request,
    area: &[u8],
    each: &mut dyn FnMut(&Entry<'_>),
) -> Result<()> {
    let mut next = in_area(area, each)?;
    for _ in 0..MOST_AREAS {
        let Some(raw) = next else {
            return Ok(());
        };
        request.spend(1)?;
        let area = continuation(blocks, &raw)?;
        next = in_area(&area, each)?;
    }
    match next {
        None => Ok(()),
        Some(_) => Err(Error::corrupt(format!(
            "more than {MOST_AREAS} continuation areas (CE)"
        ))),
    }
}

/// The entries of one area; gives where they go on.
pub(super) fn in_area(
    area: &[u8],
    each: &mut dyn FnMut(&Entry<'_>),
) -> Result<Option<RawContinuation>> {
    let mut rest = area;
    let mut next = None;
    // A byte of padding may be left, and whole areas are zeros where nobody uses them.
    while let Ok((raw, _)) = RawEntry::read_from_prefix(rest) {
        if raw.signature == [0, 0] {
            break;
        }
        let length = usize::from(raw.length);
        let (entry, behind) = rest
            .split_at_checked(length)
            .filter(|_| length >= size_of::<RawEntry>())
            .ok_or_else(|| misfit(raw.signature, length, rest.len()))?;
        rest = behind;
        let data = entry.get(size_of::<RawEntry>()..).unwrap_or_default();
        match &raw.signature {
            b"ST" => break,
            b"CE" => {
                let parsed = RawContinuation::read_from_prefix(data);
                let (area, _) = parsed.map_err(|_| misfit(raw.signature, length, length))?;
                next = Some(area);
            }
            signature => each(&Entry {
                signature: *signature,
                version: raw.version,
                data,
            }),
        }
    }
    Ok(next)
}

fn misfit(signature: [u8; 2], length: usize, left: usize) -> Error {
    let name = crate::error::printable(&signature);
    Error::corrupt(format!(
        "System Use entry {name} of {length} bytes, where {left} are left"
    ))
}

/// The bytes of a continuation area. It lies in one block, so it is never large.
fn continuation(blocks: &Blocks<'_>, raw: &RawContinuation) -> Result<Vec<u8>> {
    let (block, offset, length) = (raw.block.get(), raw.offset.get(), raw.length.get());
    let end = u64::from(offset).saturating_add(length.into());
    if end > 1_u64.wrapping_shl(blocks.bits) {
        return Err(Error::corrupt(format!(
            "continuation area (CE) of {length} bytes at byte {offset} of block {block}"
        )));
    }
    let start = u64::from(block).wrapping_shl(blocks.bits); // below 2^43
    let place = start.saturating_add(offset.into());
    read_vec(blocks.source, place, to_usize(length.into())).map_err(|_| {
        let text = format!("continuation area (CE) in block {block} cannot be read");
        Error::corrupt(text).at(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(area: &[u8]) -> Result<(Vec<String>, bool)> {
        let mut found = Vec::new();
        let next = in_area(area, &mut |entry| {
            let name = String::from_utf8_lossy(&entry.signature).into_owned();
            found.push(format!("{name}{}", entry.data.len()));
        })?;
        Ok((found, next.is_some()))
    }

    #[test]
    fn entries_end_with_padding_a_terminator_or_zeros() {
        let found = |area: &[u8]| names(area).unwrap();
        assert_eq!(found(b""), (vec![], false));
        assert_eq!(found(b"PD\x06\x01ab\0"), (vec!["PD2".to_owned()], false));
        assert_eq!(found(b"ST\x04\x01PX\x05\x01"), (vec![], false));
        assert_eq!(found(&[0; 40]), (vec![], false));
        let mut area = b"CE\x1c\x01".to_vec();
        area.resize(28, 0);
        area.extend(b"NM\x05\x01\0");
        assert_eq!(found(&area), (vec!["NM1".to_owned()], true));
    }

    #[test]
    fn entries_that_do_not_fit_are_named() {
        for (area, text) in [
            (
                &b"NM\x09\x01\0ab"[..],
                "System Use entry NM of 9 bytes, where 7 are left",
            ),
            (
                b"NM\x03\x01\0ab",
                "System Use entry NM of 3 bytes, where 7 are left",
            ),
            (
                b"CE\x08\x01abcd",
                "System Use entry CE of 8 bytes, where 8 are left",
            ),
        ] {
            assert_eq!(names(area).unwrap_err().message(), text);
        }
    }
}
