//! What of a map lies in files of the host as it is.

use super::{Map, Mapped, Place};
use crate::source::HostBytes;

impl<M: Map + 'static> Mapped<M> {
    /// Where the run at `offset` is in a file, by the first copy: the others are for what cannot be
    /// read there.
    pub(super) fn host_below(&self, offset: u64) -> Option<HostBytes> {
        let run = self.map.run_at(offset, 0).ok()?;
        let (below, at) = match run.place {
            Place::At { member, offset: at } => (self.members.get(member)?, at),
            Place::Backing => (self.backing.as_ref()?, offset),
            Place::Zeros | Place::Absent | Place::Packed { .. } => return None,
        };
        let left = self.map.size().saturating_sub(offset);
        below.host_at(at)?.cut(run.len.get().min(left))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::io::Write;
    use std::num::NonZeroU64;
    use std::sync::Arc;

    use super::super::Run;
    use super::*;
    use crate::cache::Cache;
    use crate::error::{Error, Result};
    use crate::source::{Memory, SharedSource, Source, file};

    /// Ten bytes in each place; the last run reaches past the end.
    struct Places(Vec<Place>);

    impl Map for Places {
        fn size(&self) -> u64 {
            10 * crate::number::to_u64(self.0.len()) - 2
        }

        fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
            let place = self.0.get(crate::number::to_usize(offset / 10));
            let skip = offset % 10;
            let place = match *place.ok_or_else(|| Error::corrupt("nowhere"))? {
                Place::At { member, offset } => Place::At {
                    member,
                    offset: offset + skip,
                },
                place => place,
            };
            let len = NonZeroU64::new(10 - skip).unwrap();
            Ok(Run { place, len })
        }
    }

    /// A file of 25 bytes.
    fn file() -> SharedSource {
        let mut named = tempfile::tempfile().unwrap();
        named.write_all(&[7; 25]).unwrap();
        Arc::new(file::File::new(named).unwrap())
    }

    #[test]
    fn a_run_is_where_its_member_or_the_backing_file_is() {
        let at = |member, offset| Place::At { member, offset };
        let packed = Place::Packed { unit: 0, skip: 0 };
        let places = [
            at(0, 3),
            at(0, 20),
            at(1, 0),
            at(9, 0),
            at(0, 25),
            Place::Zeros,
            Place::Absent,
            packed,
            Place::Backing,
            at(0, 0),
        ];
        let members: Vec<SharedSource> = vec![file(), Arc::new(Memory(vec![7; 25]))];
        let backing: SharedSource = file();
        let with = |backing| {
            let (map, cache) = (Places(places.to_vec()), Cache::new(0));
            Mapped::new(map, members.clone(), backing, cache)
        };
        let mapped = with(None);
        let host = |offset| mapped.host_at(offset).map(|it| (it.offset, it.len.get()));
        assert_eq!(host(0), Some((3, 10)));
        assert_eq!(host(4), Some((7, 6)));
        // As much as the file has.
        assert_eq!(host(10), Some((20, 5)));
        for nowhere in [15, 20, 30, 40, 50, 60, 70, 80, 98, 100, u64::MAX] {
            assert_eq!(host(nowhere), None, "{nowhere}");
        }
        // As much as the map has.
        assert_eq!(host(90), Some((0, 8)));
        // The backing file is too short for byte 80.
        assert_eq!(with(Some(backing)).host_at(80), None);
        let map = Places(vec![Place::Backing; 2]);
        let mapped = Mapped::new(map, Vec::new(), Some(file()), Cache::new(0));
        let found = mapped.host_at(11).map(|it| (it.offset, it.len.get()));
        assert_eq!(found, Some((11, 7)));
    }
}
