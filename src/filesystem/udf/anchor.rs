//! Anchors (ECMA-167, 3/8.4.2.1): where the volume descriptor sequences are. They are at two of the
//! sectors 256, N − 256 and N, the last; at 512 on a disc that is not closed (UDF 2.2.3).

use super::disk::{BLOCK_BITS, Disk};
use super::layout::{RawAnchor, RawExtent};
use super::{recognition, tag};
use crate::error::Error;
use crate::format::{Notices, Options};
use crate::number::to_u64;
use crate::source::Source;

/// A pair of volume descriptor sequences.
pub(super) struct Anchor {
    /// The main one.
    pub(super) main: RawExtent,
    /// Its copy.
    pub(super) reserve: RawExtent,
}

/// How far the end of an image may be from the end of the volume: the same, and what readers of
/// discs leave or lose behind the last track (as the kernel looks for it).
const BEHIND: [u64; 6] = [1, 0, 2, 3, 151, 153];

/// The disk with each block size for which there are anchors, and those, best first. A volume that
/// was formatted again with blocks of another size can keep the anchors of the first time, so the
/// sizes whose recognition sequence stands where it has to come before the others, and small ones
/// before large ones, as the kernel tries them.
pub(super) fn find<'a>(
    source: &'a dyn Source,
    options: &'a Options,
    notices: &'a Notices,
) -> impl Iterator<Item = (Disk<'a>, Vec<Anchor>)> {
    let mut sizes = BLOCK_BITS;
    sizes.sort_by_key(|block_bits| !recognition::stands(source, *block_bits));
    let disks = sizes.into_iter().map(move |block_bits| Disk {
        source,
        block_bits,
        options,
        notices,
    });
    disks
        .map(|disk| (disk, of(&disk)))
        .filter(|(_, anchors)| !anchors.is_empty())
}

/// The anchors for the block size of `disk`, best first.
pub(super) fn of(disk: &Disk<'_>) -> Vec<Anchor> {
    let places = places(disk.blocks()).into_iter();
    places.filter_map(|place| read(disk, place)).collect()
}

/// What there is to say of a volume for which [`find`] finds nothing.
pub(super) fn missing() -> Error {
    Error::corrupt(
        "no anchor at sector 256 or 512, nor at the end or 256 before it, for sectors of 512 to \
         32,768 bytes",
    )
}

/// The sectors to look at in a volume of `blocks`.
fn places(blocks: u64) -> Vec<u64> {
    let mut places = vec![256, 512];
    for behind in BEHIND {
        if let Some(last) = blocks.checked_sub(behind) {
            places.push(last);
            places.extend(last.checked_sub(256));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|place| *place > 0 && *place < blocks && seen.insert(*place));
    places
}

/// The anchor in block `place`, if there is one. What lies there otherwise is nothing to complain
/// of: most volumes have files in some of the places.
fn read(disk: &Disk<'_>, place: u64) -> Option<Anchor> {
    let head = disk.read_at(disk.offset(place), to_u64(tag::LENGTH)).ok()?;
    let tag = tag::read(&head)?;
    if tag.tag_identifier.get() != tag::kind::ANCHOR || u64::from(tag.tag_location.get()) != place {
        return None;
    }
    let (kind, block) = disk.descriptor(place).ok()?;
    let raw: RawAnchor = tag::view(&block, "anchor").ok()?;
    (kind == tag::kind::ANCHOR).then_some(Anchor {
        main: raw.main_volume_descriptor_sequence_extent,
        reserve: raw.reserve_volume_descriptor_sequence_extent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_and_what_may_lie_behind_the_end() {
        let places = places(1000);
        assert_eq!(places.first(), Some(&256));
        for place in [512, 999, 743, 998, 849] {
            assert!(places.contains(&place), "{place}");
        }
        assert!(!places.contains(&1000) && !places.contains(&0));
        assert!(super::places(0).is_empty());
    }
}
