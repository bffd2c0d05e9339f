//! Where the clusters are: two levels of tables, read as they are needed.
//!
//! Of the first level one entry at a time is looked at, of the second as many as lie together, so
//! that a run is as long as what is contiguous on disk.

use std::num::NonZeroU64;

use super::entry::{Entry, Kind, SUBCLUSTERS};
use super::header::{Compression, Header, Table};
use super::{layout, unpack};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{Scratch, SharedSource, read_packed, read_vec};

/// Entries of a table that are looked at together.
const LOOK: u64 = 64;

/// The same, where the first of them are all holes.
const LOOK_FAR: u64 = 16 << 10;

/// Entries of a second-level table that lie together. Each is taken apart when it is come to: what is
/// compressed is one cluster by itself, and the others need not be looked at.
struct Entries {
    bytes: Vec<u8>,
    /// The byte that they begin at.
    at: u64,
    /// Bytes of each.
    width: u64,
}

impl Entries {
    fn count(&self) -> u64 {
        to_u64(self.bytes.len())
            .checked_div(self.width)
            .unwrap_or(0)
    }

    fn iter(&self) -> impl Iterator<Item = Entry> {
        let entries = self.bytes.chunks_exact(to_usize(self.width)).zip(0_u64..);
        entries.map(|(bytes, number)| {
            let word = |at: usize| {
                let bytes = bytes.get(at..at.saturating_add(8));
                bytes.and_then(|bytes| bytes.try_into().ok())
            };
            Entry {
                word: word(0).map_or(0, u64::from_be_bytes),
                bitmap: word(8).map(u64::from_be_bytes),
                at: self.at.saturating_add(number.saturating_mul(self.width)),
            }
        })
    }
}

/// The clusters of the disk, or of a snapshot.
pub(super) struct Clusters {
    pub(super) header: Header,
    /// The disk's own, or the snapshot's.
    pub(super) l1: Table,
    pub(super) size: u64,
    pub(super) image: SharedSource,
    /// What holds the plain clusters: the image, or its data file.
    pub(super) data: SharedSource,
    /// Its number among the members.
    pub(super) data_member: usize,
    pub(super) has_backing: bool,
}

impl Clusters {
    /// What is where nothing is.
    fn nowhere(&self) -> Place {
        match self.has_backing {
            true => Place::Backing,
            false => Place::Absent,
        }
    }

    /// The second-level table of first-level entry `index`; `None` where there is none.
    fn l2_table(&self, index: u64) -> Result<Option<u64>> {
        let [entry] = self.l1_entries(index, 1)?[..] else {
            return Ok(None);
        };
        let at = self.l1.offset.saturating_add(index.saturating_mul(8));
        let wrong = |why: &str| {
            let text = format!("L1 entry {index} is {entry:#x}: {why}");
            Error::corrupt(text).at(at)
        };
        if entry & layout::L1_RESERVED != 0 {
            return Err(wrong("reserved bits are set"));
        }
        let offset = entry & layout::OFFSET;
        if offset == 0 {
            return Ok(None);
        }
        if !offset.is_multiple_of(self.header.cluster().get()) {
            return Err(wrong("no whole number of clusters"));
        }
        if offset >= self.image.size() {
            return Err(wrong("past the end of the file"));
        }
        let l1_end = self.l1.entries.saturating_mul(8);
        let l1_end = self.l1.offset.saturating_add(l1_end);
        if (self.l1.offset..l1_end).contains(&offset) {
            return Err(wrong("in the L1 table itself"));
        }
        Ok(Some(offset))
    }

    fn l1_entries(&self, index: u64, count: u64) -> Result<Vec<u64>> {
        let at = self.l1.offset.saturating_add(index.saturating_mul(8));
        // The end of a table that the disk does not need may be cut off.
        let there = self.image.size().saturating_sub(at) / 8;
        let count = count.min(self.l1.entries.saturating_sub(index)).min(there);
        if count == 0 {
            let text = format!("L1 table is cut off before entry {index}");
            return Err(Error::corrupt(text).at(at));
        }
        let bytes = read_vec(&*self.image, at, super::header::table_bytes(count))?;
        let (entries, _) = bytes.as_chunks::<8>();
        Ok(entries.iter().map(|it| u64::from_be_bytes(*it)).collect())
    }

    /// How many entries from `index` on name no second-level table, the first of them not asked.
    fn empty_l1_entries(&self, index: u64) -> Result<u64> {
        let entries = self.l1_entries(index, LOOK)?;
        let is_empty = |entry: &&u64| **entry == 0;
        let mut count = entries.iter().take_while(is_empty).count();
        if to_u64(count) == LOOK {
            let entries = self.l1_entries(index, LOOK_FAR)?;
            count = entries.iter().take_while(is_empty).count();
        }
        Ok(to_u64(count).max(1))
    }

    /// `count` entries of the table at byte `table` from entry `index` on, at most.
    fn l2_entries(&self, table: u64, index: u64, count: u64) -> Result<Entries> {
        let width = self.header.l2_entry();
        let count = count.min(self.header.l2_entries().get().saturating_sub(index));
        let at = table.saturating_add(index.saturating_mul(width));
        // The last table of a file may be cut where nothing is used any more.
        let there = self.image.size().saturating_sub(at).checked_div(width);
        let len = to_usize(count.min(there.unwrap_or(0)).saturating_mul(width));
        let bytes = read_vec(&*self.image, at, len)?;
        if bytes.is_empty() {
            let text = format!("L2 table at {table:#x} is cut off before entry {index}");
            return Err(Error::corrupt(text).at(at));
        }
        Ok(Entries { bytes, at, width })
    }

    /// The run from byte `skip` of entry `index` of a table on.
    fn run_in(&self, table: u64, index: u64, skip: u64) -> Result<Run> {
        let mut entries = self.l2_entries(table, index, LOOK)?;
        let first = self.kind_of(entries.iter().next(), skip)?;
        let mut len = self.together(&entries, first, skip)?;
        let looked = entries.count().saturating_mul(self.header.cluster().get());
        if len.saturating_add(skip) == looked && !matches!(first, Kind::Plain(_)) {
            entries = self.l2_entries(table, index, LOOK_FAR)?;
            len = self.together(&entries, first, skip)?;
        }
        self.run(first, skip, len)
    }

    fn kind_of(&self, entry: Option<Entry>, skip: u64) -> Result<Kind> {
        let entry = entry.ok_or_else(|| Error::corrupt("no L2 entry"))?;
        entry.kind(&self.header, self.subcluster(skip))
    }

    /// The subcluster at byte `skip` of a cluster; 0 where there are none.
    fn subcluster(&self, skip: u64) -> u32 {
        let size = self.header.subcluster();
        let number = skip.checked_div(size).unwrap_or(0);
        match self.header.has_extended_l2() {
            true => u32::try_from(number).unwrap_or(0),
            false => 0,
        }
    }

    /// Bytes from `skip` on that go on as `first` begins.
    fn together(&self, entries: &Entries, first: Kind, skip: u64) -> Result<u64> {
        let cluster = self.header.cluster().get();
        let (parts, part) = match self.header.has_extended_l2() {
            true => (SUBCLUSTERS, self.header.subcluster()),
            false => (1, cluster),
        };
        let mut end = 0_u64;
        for (entry, number) in entries.iter().zip(0_u64..) {
            let from = if number == 0 {
                self.subcluster(skip)
            } else {
                0
            };
            for subcluster in from..parts {
                let kind = entry.kind(&self.header, subcluster);
                // What is wrong further on is said when it is come to.
                let goes_on = kind.is_ok_and(|kind| kind.follows(first, number, cluster));
                if !goes_on {
                    return Ok(end.saturating_sub(skip));
                }
                let start = number.saturating_mul(cluster);
                end = start
                    .saturating_add(part.saturating_mul(u64::from(subcluster).saturating_add(1)));
            }
            if matches!(first, Kind::Compressed(_)) {
                break;
            }
        }
        Ok(end.saturating_sub(skip))
    }

    fn run(&self, kind: Kind, skip: u64, len: u64) -> Result<Run> {
        let run = |place, len: u64| match NonZeroU64::new(len) {
            Some(len) => Ok(Run { place, len }),
            None => Err(Error::corrupt("an empty run")),
        };
        match kind {
            Kind::Nowhere => run(self.nowhere(), len),
            Kind::Zeros => run(Place::Zeros, len),
            Kind::Compressed(unit) => {
                let skip = to_usize(skip);
                run(Place::Packed { unit, skip }, len)
            }
            Kind::Plain(cluster) => {
                let offset = cluster.saturating_add(skip);
                let size = self.data.size();
                if cluster >= size {
                    let text = format!("a cluster at {cluster:#x} lies past the {size} bytes");
                    return Err(Error::corrupt(text).at(cluster));
                }
                let member = self.data_member;
                // The file may end inside its last cluster: what is missing is zeros.
                match size.checked_sub(offset) {
                    Some(there) if there > 0 => run(Place::At { member, offset }, len.min(there)),
                    _ => run(
                        Place::Zeros,
                        self.header.cluster().get().saturating_sub(skip),
                    ),
                }
            }
        }
    }
}

impl Map for Clusters {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let cluster = self.header.cluster();
        let (number, skip) = (offset / cluster, offset % cluster);
        let per_table = self.header.l2_entries();
        let (l1_index, l2_index) = (number / per_table, number % per_table);
        if let Some(table) = self.l2_table(l1_index)? {
            return self.run_in(table, l2_index, skip);
        }
        let covered = per_table.saturating_mul(cluster);
        let empty = self.empty_l1_entries(l1_index)?;
        let empty = empty.saturating_mul(covered.get());
        let len = empty.saturating_sub(offset % covered);
        self.run(Kind::Nowhere, 0, len)
    }

    fn unit(&self, _unit: u64) -> Result<usize> {
        Ok(to_usize(self.header.cluster().get()))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let packed = self.packed(unit)?;
        let unpacked = match self.header.compression {
            Compression::Zlib => unpack::deflate(&packed, into),
            Compression::Zstd => unpack::zstd(&packed, into),
        };
        let (at, _) = self.packed_place(unit);
        unpacked.map_err(|error| error.at(at).context("compressed cluster"))
    }
}

impl Clusters {
    /// Offset and bytes of a compressed cluster, from its descriptor ("Compressed Clusters
    /// Descriptor"): the last of its sectors may not be its own.
    fn packed_place(&self, descriptor: u64) -> (u64, u64) {
        let shift = 70_u32.saturating_sub(self.header.cluster_bits);
        let mask = 1_u64
            .checked_shl(shift)
            .map_or(u64::MAX, |bit| bit.wrapping_sub(1));
        let offset = descriptor & mask;
        let more = (descriptor & !layout::COMPRESSED & !layout::COPIED)
            .checked_shr(shift)
            .unwrap_or(0);
        let sectors = more.saturating_add(1).saturating_mul(512);
        (offset, sectors.saturating_sub(offset % 512))
    }

    fn packed(&self, descriptor: u64) -> Result<Scratch> {
        let (offset, len) = self.packed_place(descriptor);
        let there = self.image.size().saturating_sub(offset);
        if there == 0 {
            let text = format!("a compressed cluster at {offset:#x} lies past the end of the file");
            return Err(Error::corrupt(text).at(offset));
        }
        read_packed(&*self.image, offset, to_usize(len.min(there)))
    }
}
