//! Descriptor tags (ECMA-167, 3/7.2): every descriptor says what it is, where it is, and has a
//! checksum of the tag and one of what follows it.

use zerocopy::FromBytes;

use super::layout::RawTag;
use crate::error::{Error, Result};

/// ECMA-167, 3/7.2.1 and 4/7.2.1.
pub(super) mod kind {
    pub(in super::super) const SPARING_TABLE: u16 = 0;
    pub(in super::super) const PRIMARY: u16 = 1;
    pub(in super::super) const ANCHOR: u16 = 2;
    pub(in super::super) const POINTER: u16 = 3;
    pub(in super::super) const PARTITION: u16 = 5;
    pub(in super::super) const LOGICAL_VOLUME: u16 = 6;
    pub(in super::super) const TERMINATING: u16 = 8;
    pub(in super::super) const INTEGRITY: u16 = 9;
    pub(in super::super) const FILE_SET: u16 = 256;
    pub(in super::super) const FILE_IDENTIFIER: u16 = 257;
    pub(in super::super) const ALLOCATION_EXTENT: u16 = 258;
    pub(in super::super) const INDIRECT: u16 = 259;
    pub(in super::super) const FILE_ENTRY: u16 = 261;
    pub(in super::super) const UNALLOCATED_SPACE: u16 = 263;
    pub(in super::super) const SPACE_BITMAP: u16 = 264;
    pub(in super::super) const EXTENDED_FILE_ENTRY: u16 = 266;
}

/// The polynomial of ITU-T V.41, from zero (ECMA-167, 3/7.2.6).
const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);

/// How long a tag is.
pub(super) const LENGTH: usize = size_of::<RawTag>();

/// What to do about a wrong checksum.
pub(super) const HINT: &str = "--ignore-checksums reads it all the same";

/// What is wrong with a tag.
pub(super) enum Fault {
    /// Not the descriptor that should be here.
    Other(Error),
    /// The right one, but its bytes are not those that were written.
    Checksum(Error),
}

impl Fault {
    /// The error, whichever it is.
    pub(super) fn error(self) -> Error {
        match self {
            Self::Other(error) | Self::Checksum(error) => error,
        }
    }
}

/// The identifier of the tag that `bytes` start with, after checking the tag, that it stands at
/// `location`, and the bytes behind it. `known` are the bytes the CRC may cover at most.
pub(super) fn check(bytes: &[u8], location: u32) -> std::result::Result<u16, Fault> {
    let tag = sound(bytes, location)?;
    check_body(&tag, bytes)?;
    Ok(tag.tag_identifier.get())
}

/// The tag, checked by itself.
fn sound(bytes: &[u8], location: u32) -> std::result::Result<RawTag, Fault> {
    let tag = read(bytes).ok_or_else(|| Fault::Other(Error::corrupt("no room for a tag")))?;
    let found = tag.tag_location.get();
    if found != location {
        let text = format!("tag_location {found} where block {location} is");
        return Err(Fault::Other(Error::corrupt(text)));
    }
    if !matches!(tag.descriptor_version.get(), 2 | 3) {
        let text = format!(
            "descriptor_version {} is neither 2 nor 3",
            tag.descriptor_version
        );
        return Err(Fault::Other(Error::corrupt(text)));
    }
    check_sum(&tag, bytes)?;
    Ok(tag)
}

/// Whether the checksum of the tag itself is right.
pub(super) fn check_sum(tag: &RawTag, bytes: &[u8]) -> std::result::Result<(), Fault> {
    let sum = checksum(bytes);
    if sum == tag.tag_checksum {
        return Ok(());
    }
    let text = format!("tag_checksum {} is not {sum}", tag.tag_checksum);
    Err(Fault::Checksum(Error::corrupt(text)))
}

/// Whether the CRC of what is behind the tag is right; it may cover all of `bytes`, but no more.
pub(super) fn check_body(tag: &RawTag, bytes: &[u8]) -> std::result::Result<(), Fault> {
    let length = usize::from(tag.descriptor_crc_length.get());
    let body = bytes.get(LENGTH..).and_then(|rest| rest.get(..length));
    let Some(body) = body else {
        let text = format!("descriptor_crc_length {length} leaves the descriptor");
        return Err(Fault::Checksum(Error::corrupt(text)));
    };
    let crc = CRC.checksum(body);
    if crc == tag.descriptor_crc.get() {
        return Ok(());
    }
    let text = format!(
        "descriptor_crc {:#06x} is not {crc:#06x}",
        tag.descriptor_crc
    );
    Err(Fault::Checksum(Error::corrupt(text)))
}

/// Steps of a request that the CRC of `covered` bytes takes.
pub(super) fn steps(covered: u64) -> u64 {
    covered / 64
}

/// The tag that `bytes` start with, unchecked.
pub(super) fn read(bytes: &[u8]) -> Option<RawTag> {
    RawTag::read_from_prefix(bytes).ok().map(|(tag, _)| tag)
}

/// The sum of the tag's bytes without the one that holds it.
fn checksum(bytes: &[u8]) -> u8 {
    let tag = bytes.iter().take(LENGTH).enumerate();
    let others = tag.filter(|(index, _)| *index != 4);
    others.fold(0, |sum, (_, byte)| sum.wrapping_add(*byte))
}

/// The structure that `bytes` start with.
///
/// # Errors
/// `Corrupt` where they are too few; `what` names it.
pub(super) fn view<T: FromBytes>(bytes: &[u8], what: &str) -> Result<T> {
    let (raw, _) = T::read_from_prefix(bytes)
        .map_err(|_| Error::corrupt(format!("{what} leaves its {} bytes", bytes.len())))?;
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a volume made by mkudffs: its anchor, up to the two extents.
    const ANCHOR: [u8; 16] = [2, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0];

    #[test]
    fn a_tag_at_another_place_or_of_another_version_is_not_the_one() {
        let mut tag = ANCHOR;
        tag[4] = checksum(&tag);
        assert!(matches!(check(&tag, 256), Ok(kind::ANCHOR)));
        assert!(matches!(check(&tag, 257), Err(Fault::Other(_))));
        tag[2] = 4;
        assert!(matches!(check(&tag, 256), Err(Fault::Other(_))));
    }

    #[test]
    fn one_flipped_bit_in_tag_or_body_is_noticed() {
        let mut bytes = [&ANCHOR[..], b"123456789"].concat();
        bytes[10] = 9;
        bytes[8..10].copy_from_slice(&0x31c3_u16.to_le_bytes()); // the catalogue's check value
        bytes[4] = checksum(&bytes);
        assert!(matches!(check(&bytes, 256), Ok(kind::ANCHOR)));
        bytes[20] ^= 1;
        assert!(matches!(check(&bytes, 256), Err(Fault::Checksum(_))));
        bytes[20] ^= 1;
        bytes[7] ^= 1;
        assert!(matches!(check(&bytes, 256), Err(Fault::Checksum(_))));
    }
}
