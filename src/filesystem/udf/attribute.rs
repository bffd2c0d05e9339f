//! Extended attributes in a file entry (ECMA-167, 4/14.10): of what they can hold, device numbers
//! and the time of creation are for everybody; the rest belongs to single systems.

use super::icb::FileEntry;
use super::layout::{RawAttribute, RawDevice, RawFileTimes, RawTimestamp};
use super::tag;
use crate::number::to_usize;

/// Attributes begin behind their header descriptor.
const HEADER: usize = 24;

/// `attribute_type` of file times and of device specifications.
const FILE_TIMES: u32 = 5;
const DEVICE: u32 = 12;

/// Major and minor number of a device node.
pub(super) fn device(file: &FileEntry) -> Option<(u32, u32)> {
    let bytes = find(file.attributes(), DEVICE)?;
    let raw: RawDevice = tag::view(bytes, "device specification").ok()?;
    Some((
        raw.major_device_identification.get(),
        raw.minor_device_identification.get(),
    ))
}

/// When the file was created, as a file entry keeps it that has no field for it: the first of the
/// times, if it is there at all (ECMA-167, 4/14.10.5.6).
pub(super) fn created(file: &FileEntry) -> Option<RawTimestamp> {
    let bytes = find(file.attributes(), FILE_TIMES)?;
    let raw: RawFileTimes = tag::view(bytes, "file times").ok()?;
    let is_there = raw.file_time_existence.get() & 1 != 0 && raw.data_length.get() >= 12;
    let times = bytes.get(size_of::<RawFileTimes>()..)?;
    let time = tag::view(times, "file times").ok()?;
    is_there.then_some(time)
}

/// The first attribute of type `kind` and subtype 1.
fn find(attributes: &[u8], kind: u32) -> Option<&[u8]> {
    let mut rest = attributes.get(HEADER..)?;
    loop {
        let raw: RawAttribute = tag::view(rest, "extended attribute").ok()?;
        let length = to_usize(raw.attribute_length.get().into());
        let length = Some(length).filter(|length| *length >= size_of::<RawAttribute>())?;
        let (bytes, behind) = rest.split_at_checked(length)?;
        if raw.attribute_type.get() == kind && raw.attribute_subtype == 1 {
            return Some(bytes);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    fn attribute(kind: u32, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(12 + data.len()).unwrap();
        let head = [
            &kind.to_le_bytes()[..],
            &[1, 0, 0, 0],
            &length.to_le_bytes(),
        ];
        [&head.concat(), data].concat()
    }

    #[test]
    fn one_attribute_among_others_is_found() {
        let bytes = [
            vec![0; HEADER],
            attribute(3, &[1; 8]),
            attribute(DEVICE, &[2; 12]),
        ]
        .concat();
        assert_eq!(find(&bytes, DEVICE).unwrap().len(), 24);
        assert!(find(&bytes, FILE_TIMES).is_none());
    }

    #[test]
    fn lengths_that_lead_nowhere_end_the_search() {
        let mut bytes = [vec![0; HEADER], attribute(3, &[1; 8])].concat();
        bytes[HEADER + 8..HEADER + 12].fill(0);
        assert!(find(&bytes, DEVICE).is_none());
        bytes[HEADER + 8..HEADER + 12].fill(0xff);
        assert!(find(&bytes, DEVICE).is_none());
        assert!(find(&[], DEVICE).is_none());
    }
}
