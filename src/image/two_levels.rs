//! Clusters found through two levels of tables of 64-bit entries: what qcow and QED have in common.
//!
//! Of the first level one entry at a time is looked at, of the second as many as lie together, so
//! that a run is as long as what is contiguous on disk, and no table is held.

use std::num::NonZeroU64;

use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{SharedSource, Source, read_vec};

/// Entries of a table that are looked at together.
const LOOK: u64 = 64;

/// The same, where the first of them are all holes.
const LOOK_FAR: u64 = 16 << 10;

/// Bytes of second-level tables that are read to count what is allocated.
const MOST_COUNTED: u64 = 16 << 20;

/// What an entry of a second-level table says of its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cluster {
    /// In the backing file, if there is one.
    Nowhere,
    Zeros,
    /// It lies at this byte of the file.
    Plain(u64),
    /// It is compressed; the entry as it stands.
    Compressed(u64),
}

/// What an entry says, or why it cannot be.
pub(super) type Decoded<T> = std::result::Result<T, String>;

/// What a format says of its entries.
pub(super) trait Entries: Send + Sync {
    /// An entry as it lies in the file.
    fn word(bytes: [u8; 8]) -> u64;

    /// What `entry` of a second-level table says.
    ///
    /// # Errors
    /// Why it cannot be.
    fn cluster(&self, entry: u64) -> Decoded<Cluster>;

    /// The place of the second-level table that `entry`, which is not 0, of the first level names.
    ///
    /// # Errors
    /// Why it cannot be.
    fn table(&self, entry: u64) -> Decoded<u64>;

    /// Unpacks the compressed cluster of `entry`.
    ///
    /// # Errors
    /// As [`Map::unpack`].
    fn unpack(&self, image: &dyn Source, entry: u64, into: &mut [u8]) -> Result<()>;
}

/// The sizes that the header gives, all checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Bytes of a cluster.
    pub(super) cluster: u64,
    /// Where the first-level table lies.
    pub(super) l1_offset: u64,
    /// Entries of a second-level table.
    pub(super) l2_entries: u64,
}

impl Shape {
    /// Bytes of the disk behind one entry of the first level.
    fn covered(&self) -> u64 {
        self.cluster.saturating_mul(self.l2_entries).max(1)
    }

    /// Entries of the first level that the disk needs.
    pub(super) fn l1_entries(&self) -> u64 {
        self.size.div_ceil(self.covered())
    }
}

/// The clusters of a disk.
pub(super) struct TwoLevels<E> {
    pub(super) shape: Shape,
    pub(super) entries: E,
    pub(super) image: SharedSource,
    pub(super) has_backing: bool,
}

impl<E: Entries> TwoLevels<E> {
    fn read(&self, table: u64, all: u64, index: u64, count: u64) -> Result<Vec<u64>> {
        read::<E>(&*self.image, table, all, index, count)
    }

    fn l1(&self, index: u64, count: u64) -> Result<Vec<u64>> {
        let shape = &self.shape;
        self.read(shape.l1_offset, shape.l1_entries(), index, count)
    }

    /// The second-level table behind entry `index` of the first; `None` where there is none.
    fn table(&self, index: u64) -> Result<Option<u64>> {
        let entry = self.l1(index, 1)?.first().copied().unwrap_or(0);
        if entry == 0 {
            return Ok(None);
        }
        let table = self.entries.table(entry);
        let table = table.map_err(|why| wrong("L1", entry, &why, self.shape.l1_offset, index))?;
        Ok(Some(table))
    }

    /// How many entries of the first level are 0 from `index` on, which is.
    fn empty(&self, index: u64) -> Result<u64> {
        let zeros = |entries: &[u64]| to_u64(entries.iter().take_while(|it| **it == 0).count());
        let mut count = zeros(&self.l1(index, LOOK)?);
        if count == LOOK {
            count = zeros(&self.l1(index, LOOK_FAR)?);
        }
        Ok(count.max(1))
    }

    /// The run from byte `skip` of the cluster of entry `index` on.
    fn run_in(&self, table: u64, index: u64, skip: u64) -> Result<Run> {
        let read = |count| self.read(table, self.shape.l2_entries, index, count);
        let mut entries = read(LOOK)?;
        let entry = entries.first().copied().unwrap_or(0);
        let first = self.entries.cluster(entry);
        let first = first.map_err(|why| wrong("L2", entry, &why, table, index))?;
        let mut count = self.together(&entries, first);
        if count == LOOK && !matches!(first, Cluster::Plain(_)) {
            entries = read(LOOK_FAR)?;
            count = self.together(&entries, first);
        }
        let len = count.saturating_mul(self.shape.cluster);
        self.run(first, skip, len.saturating_sub(skip))
    }

    /// How many of `entries` go on as `first`, the first of them, begins.
    fn together(&self, entries: &[u64], first: Cluster) -> u64 {
        if matches!(first, Cluster::Compressed(_)) {
            return 1;
        }
        let goes_on = |(entry, number): &(&u64, u64)| {
            let distance = number.saturating_mul(self.shape.cluster);
            // What is wrong further on is said when it is come to.
            match (first, self.entries.cluster(**entry)) {
                (Cluster::Plain(first), Ok(Cluster::Plain(own))) => {
                    first.checked_add(distance) == Some(own)
                }
                (first, own) => own == Ok(first),
            }
        };
        to_u64(entries.iter().zip(0..).take_while(goes_on).count())
    }

    fn run(&self, kind: Cluster, skip: u64, len: u64) -> Result<Run> {
        let run = |place, len: u64| match NonZeroU64::new(len) {
            Some(len) => Ok(Run { place, len }),
            None => Err(Error::corrupt("an empty run")),
        };
        match kind {
            Cluster::Nowhere if self.has_backing => run(Place::Backing, len),
            Cluster::Nowhere => run(Place::Absent, len),
            Cluster::Zeros => run(Place::Zeros, len),
            Cluster::Compressed(unit) => {
                let skip = to_usize(skip);
                run(Place::Packed { unit, skip }, len)
            }
            Cluster::Plain(cluster) => {
                let offset = cluster.saturating_add(skip);
                let size = self.image.size();
                if cluster >= size {
                    let text = format!("a cluster at {cluster:#x} lies past the {size} bytes");
                    return Err(Error::corrupt(text).at(cluster));
                }
                // The file may end inside its last cluster: what is missing is zeros.
                match size.saturating_sub(offset) {
                    0 => run(Place::Zeros, self.shape.cluster.saturating_sub(skip)),
                    there => run(Place::At { member: 0, offset }, len.min(there)),
                }
            }
        }
    }
}

/// `count` entries at most of the table at byte `table`, which has `all`, from `index` on.
fn read<E: Entries>(
    image: &dyn Source,
    table: u64,
    all: u64,
    index: u64,
    count: u64,
) -> Result<Vec<u64>> {
    let at = table.saturating_add(index.saturating_mul(8));
    // The last table of a file may be cut off behind what is in use.
    let there = image.size().saturating_sub(at) / 8;
    let count = count.min(all.saturating_sub(index)).min(there);
    if count == 0 {
        let text = format!("the table at {table:#x} is cut off before entry {index}");
        return Err(Error::corrupt(text).at(at));
    }
    let bytes = read_vec(image, at, to_usize(count.saturating_mul(8)))?;
    let (entries, _) = bytes.as_chunks::<8>();
    Ok(entries.iter().map(|bytes| E::word(*bytes)).collect())
}

/// Bytes of the clusters in use; `None` where counting them takes too much.
pub(super) fn allocated<E: Entries>(image: &dyn Source, shape: &Shape, of: &E) -> Option<u64> {
    let (tables, all) = (shape.l1_entries(), shape.l2_entries);
    if tables == 0 {
        return Some(0);
    }
    if tables > MOST_COUNTED / 8 {
        return None;
    }
    let mut tables = read::<E>(image, shape.l1_offset, tables, 0, tables).ok()?;
    tables.retain(|entry| *entry != 0);
    if to_u64(tables.len()).saturating_mul(all) > MOST_COUNTED / 8 {
        return None;
    }
    let mut count = 0_u64;
    for entry in tables {
        let table = of.table(entry).ok()?;
        let entries = read::<E>(image, table, all, 0, all).ok()?;
        let holds = |entry: &&u64| {
            let cluster = of.cluster(**entry);
            matches!(cluster, Ok(Cluster::Plain(_) | Cluster::Compressed(_)))
        };
        count = count.saturating_add(to_u64(entries.iter().filter(holds).count()));
    }
    Some(count.saturating_mul(shape.cluster))
}

fn wrong(level: &str, entry: u64, why: &str, table: u64, index: u64) -> Error {
    let text = format!("{level} entry {index} is {entry:#x}: {why}");
    Error::corrupt(text).at(table.saturating_add(index.saturating_mul(8)))
}

impl<E: Entries> Map for TwoLevels<E> {
    fn size(&self) -> u64 {
        self.shape.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let shape = &self.shape;
        let no_size = || Error::corrupt("clusters of no size");
        let cluster = NonZeroU64::new(shape.cluster).ok_or_else(no_size)?;
        let covered = NonZeroU64::new(shape.covered()).ok_or_else(no_size)?;
        let (index, inside) = (offset / covered, offset % covered);
        if let Some(table) = self.table(index)? {
            return self.run_in(table, inside / cluster, inside % cluster);
        }
        let empty = self.empty(index)?.saturating_mul(covered.get());
        self.run(Cluster::Nowhere, 0, empty.saturating_sub(inside))
    }

    fn unit(&self, _unit: u64) -> Result<usize> {
        Ok(to_usize(self.shape.cluster))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        self.entries.unpack(&*self.image, unit, into)
    }
}
