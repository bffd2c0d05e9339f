//! Arrays of unequal members without redundancy: one behind the other, or in stripes over all of
//! them, then over those that are larger, and so on (drivers/md/md-linear.c, drivers/md/raid0.c).

use std::num::NonZeroU64;
use std::sync::Arc;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::SharedSource;
use crate::source::mapped::{Map, Mapped, Place, Run};

/// Which member has the first chunk of a zone behind the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Order {
    /// The one whose turn it is when chunks are counted from the array's start.
    Original,
    /// The first of the zone's members.
    Alternate,
    /// Nobody says which of the two.
    Unknown,
}

/// Chunks in turn on some of the members.
#[derive(Debug, PartialEq, Eq)]
struct Zone {
    /// The first byte of it in the array, and how many.
    start: u64,
    len: NonZeroU64,
    /// Bytes of each member before it.
    before: u64,
    members: Vec<usize>,
    chunk: NonZeroU64,
    /// Which of `members` has the first chunk; `None` where nobody says.
    first: Option<u64>,
}

/// All of them, one behind the other.
struct Zones {
    zones: Vec<Zone>,
    size: u64,
}

/// `members` one behind the other.
pub(in super::super) fn linear(members: Vec<SharedSource>, cache: Arc<Cache>) -> SharedSource {
    let sizes = members.iter().map(|member| member.size());
    let zones = sizes.enumerate().filter_map(|(index, size)| {
        let len = NonZeroU64::new(size)?;
        Some(Zone {
            start: 0,
            len,
            before: 0,
            members: vec![index],
            chunk: len,
            first: Some(0),
        })
    });
    let zones = Zones::new(zones.collect());
    Arc::new(Mapped::new(zones, members, None, cache))
}

/// Chunks on `members` in turn, each of which has whole chunks only.
pub(in super::super) fn striped(
    chunk: NonZeroU64,
    order: Order,
    members: Vec<SharedSource>,
    cache: Arc<Cache>,
) -> SharedSource {
    let sizes: Vec<u64> = members.iter().map(|member| member.size()).collect();
    let zones = Zones::striped(chunk, order, &sizes);
    Arc::new(Mapped::new(zones, members, None, cache))
}

impl Zones {
    /// These, whose `start` is still to be had.
    fn new(mut zones: Vec<Zone>) -> Self {
        let mut size: u64 = 0;
        for zone in &mut zones {
            zone.start = size;
            size = size.saturating_add(zone.len.get());
        }
        Self { zones, size }
    }

    fn striped(chunk: NonZeroU64, order: Order, sizes: &[u64]) -> Self {
        let mut ends: Vec<u64> = sizes.to_vec();
        ends.sort_unstable();
        ends.dedup();
        let (mut zones, mut before, mut start): (_, u64, u64) = (Vec::new(), 0, 0);
        for end in ends {
            let members = sizes.iter().enumerate().filter(|(_, size)| **size >= end);
            let members: Vec<usize> = members.map(|(index, _)| index).collect();
            let width = to_u64(members.len());
            let len = end.saturating_sub(before).saturating_mul(width);
            if let Some(len) = NonZeroU64::new(len) {
                zones.push(Zone {
                    start,
                    len,
                    before,
                    first: first(order, start / chunk, width),
                    members,
                    chunk,
                });
                start = start.saturating_add(len.get());
            }
            before = end;
        }
        Self::new(zones)
    }
}

/// Which of a zone's `width` members has its first chunk, before which the array has `chunks`.
fn first(order: Order, chunks: u64, width: u64) -> Option<u64> {
    let original = chunks.checked_rem(width)?;
    match order {
        Order::Original => Some(original),
        Order::Alternate => Some(0),
        Order::Unknown => (original == 0).then_some(0),
    }
}

impl Zone {
    fn run_at(&self, skip: u64) -> Result<Run> {
        let first = self.first.ok_or_else(|| {
            let text = "which of two layouts the larger members have is not said";
            Error::unsupported(text)
        })?;
        let (number, inside) = (skip / self.chunk, skip % self.chunk);
        let width = to_u64(self.members.len());
        let turn = number.saturating_add(first).checked_rem(width);
        let member = turn.and_then(|turn| self.members.get(to_usize(turn)));
        let row = number.checked_div(width).unwrap_or_default();
        let offset = row.saturating_mul(self.chunk.get()).saturating_add(inside);
        let place = Place::At {
            member: *member.ok_or_else(|| Error::corrupt("a zone without members"))?,
            offset: self.before.saturating_add(offset),
        };
        super::run(place, self.chunk.get().saturating_sub(inside))
    }
}

impl Map for Zones {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let behind = self.zones.partition_point(|zone| zone.start <= offset);
        let zone = behind.checked_sub(1).and_then(|last| self.zones.get(last));
        let zone = zone.ok_or_else(|| Error::corrupt("no zone is there").at(offset))?;
        zone.run_at(offset.saturating_sub(zone.start))
            .map_err(|error| error.at(offset))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    /// What the members have, each in one word: chunks by letter.
    fn members(order: Order, sizes: &[u64]) -> String {
        let zones = Zones::striped(NonZeroU64::MIN, order, sizes);
        assert_eq!(zones.size(), sizes.iter().sum::<u64>());
        let mut words: Vec<Vec<char>> = sizes
            .iter()
            .map(|size| vec!['.'; usize::try_from(*size).unwrap()])
            .collect();
        for byte in 0..zones.size() {
            let Ok(run) = zones.run_at(byte, 0) else {
                continue;
            };
            let Place::At { member, offset } = run.place else {
                panic!("{run:?}");
            };
            words[member][usize::try_from(offset).unwrap()] =
                char::from(b'A' + u8::try_from(byte).unwrap());
        }
        let words = words.iter().map(|word| word.iter().collect::<String>());
        words.collect::<Vec<_>>().join(" ")
    }

    /// As raid0_make_request() of drivers/md/raid0.c finds them.
    #[test]
    fn zones_are_those_of_the_md_driver() {
        use Order::*;
        assert_eq!(members(Unknown, &[2, 2]), "AC BD");
        // One member is left: both layouts are the same.
        assert_eq!(members(Unknown, &[1, 3]), "A BCD");
        assert_eq!(members(Original, &[1, 3, 3]), "A BEG CDF");
        assert_eq!(members(Alternate, &[1, 3, 3]), "A BDF CEG");
        assert_eq!(members(Unknown, &[1, 3, 3]), "A B.. C..");
        assert_eq!(members(Original, &[4, 2, 4, 3]), "AEJM BF CGKL DHI");
        assert_eq!(members(Original, &[0, 2, 2]), " AC BD");
    }

    #[test]
    fn members_lie_one_behind_the_other() {
        use crate::cache::Cache;
        use crate::source::{Memory, read_vec};
        let member = |text: &str| -> SharedSource { Arc::new(Memory(text.into())) };
        let all = vec![member("abc"), member(""), member("defgh")];
        let source = linear(all, Cache::new(1 << 20));
        assert_eq!(read_vec(&*source, 0, 8), Ok(b"abcdefgh".to_vec()));
        assert_eq!(read_vec(&*source, 2, 3), Ok(b"cde".to_vec()));
    }
}
