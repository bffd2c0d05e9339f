//! One expanding image: its header, and where its clusters are.

use std::num::NonZeroU64;
use std::sync::Arc;

use zerocopy::FromBytes;

use super::layout::{Header, IN_USE, MAGIC_CLUSTERS, MAGIC_SECTORS};
use crate::error::{Error, Result};
use crate::format::Context;
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Mapped, Place, Run};
use crate::source::{SharedSource, Source, read_vec};

const SECTOR: u64 = 512;

/// Sectors of the largest cluster: QEMU's bound.
const MOST_TRACKS: u32 = 0x7fff_ffff / 513;

/// Entries of the table that are looked at together, and where the first are all holes.
const LOOK: u64 = 64;
const LOOK_FAR: u64 = 16 << 10;

/// The header, checked.
#[derive(Clone, Debug)]
pub(super) struct Expanding {
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Bytes of a cluster.
    pub(super) cluster: NonZeroU64,
    /// Entries of the table.
    entries: u64,
    /// Bytes that an entry counts.
    unit: u64,
    pub(super) in_use: bool,
}

/// Whether `source` starts with either magic.
pub(super) fn is_expanding(source: &dyn Source) -> Result<bool> {
    if source.size() < 16 {
        return Ok(false);
    }
    let magic = read_vec(source, 0, 16)?;
    Ok(magic == MAGIC_SECTORS || magic == MAGIC_CLUSTERS)
}

impl Expanding {
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        if source.size() < TABLE {
            return Err(Error::corrupt("the header is cut off"));
        }
        let bytes = read_vec(source, 0, to_usize(TABLE))?;
        let header = Header::read_from_bytes(&bytes);
        let header = header.map_err(|_| Error::corrupt("no whole header"))?;
        if header.version.get() != 2 {
            let text = format!("version {} is not 2", header.version.get());
            return Err(Error::unsupported(text).at(16));
        }
        let tracks = header.tracks.get();
        let cluster = NonZeroU64::new(u64::from(tracks).saturating_mul(SECTOR));
        let wrong = || Error::corrupt(format!("tracks {tracks} is not 1 to {MOST_TRACKS}")).at(28);
        let cluster = cluster.filter(|_| tracks <= MOST_TRACKS);
        let cluster = cluster.ok_or_else(wrong)?;
        let entries = u64::from(header.nb_bat_entries.get());
        let table_end = TABLE.saturating_add(entries.saturating_mul(4));
        if table_end > source.size() {
            let text = format!("nb_bat_entries {entries}: the table is cut off");
            return Err(Error::corrupt(text).at(32));
        }
        let sectors = header.nb_sectors.get();
        let (sectors, unit) = match header.magic == MAGIC_CLUSTERS {
            true => (sectors, cluster.get()),
            // The upper half was not always cleared.
            false => (sectors & 0xffff_ffff, SECTOR),
        };
        let size = sectors.checked_mul(SECTOR).filter(|size| *size > 0);
        let wrong = || Error::corrupt(format!("nb_sectors {sectors} is no size")).at(36);
        Ok(Self {
            size: size.filter(|size| *size < 1 << 62).ok_or_else(wrong)?,
            cluster,
            entries,
            unit,
            in_use: header.in_use.get() == IN_USE,
        })
    }

    /// Bytes of clusters that are in the file; `None` where the table is too long to count.
    pub(super) fn allocated(&self, source: &dyn Source) -> Option<u64> {
        let entries = self.table(source, 0, self.entries.min(1 << 20)).ok()?;
        let used = entries.iter().filter(|entry| **entry != 0).count();
        let all = to_u64(entries.len()) == self.entries;
        all.then_some(to_u64(used).saturating_mul(self.cluster.get()))
    }

    fn table(&self, source: &dyn Source, first: u64, count: u64) -> Result<Vec<u32>> {
        let count = count.min(self.entries.saturating_sub(first));
        if count == 0 {
            return Ok(Vec::new()); // So far behind the table the file may have ended.
        }
        let offset = TABLE.saturating_add(first.saturating_mul(4));
        let bytes = read_vec(source, offset, to_usize(count.saturating_mul(4)))?;
        let (entries, _) = bytes.as_chunks::<4>();
        Ok(entries.iter().copied().map(u32::from_le_bytes).collect())
    }

    /// The disk in `source`; what is not in it is in `parent`.
    pub(super) fn disk(
        self,
        source: &SharedSource,
        parent: Option<SharedSource>,
        context: &Context,
    ) -> SharedSource {
        let hole = match parent {
            Some(_) => Place::Backing,
            None => Place::Absent,
        };
        let map = Clusters {
            header: self,
            source: source.clone(),
            hole,
        };
        let members = vec![source.clone()];
        Arc::new(Mapped::new(map, members, parent, context.cache.clone()))
    }
}

const TABLE: u64 = to_u64(size_of::<Header>());

struct Clusters {
    header: Expanding,
    source: SharedSource,
    hole: Place,
}

impl Clusters {
    /// How many of `entries` lie in one piece with the first.
    fn together(&self, entries: &[u32]) -> u64 {
        let Some(first) = entries.first().copied().map(u64::from) else {
            return 0;
        };
        let cluster = self.header.cluster.get();
        let step = cluster.checked_div(self.header.unit).unwrap_or(1);
        let expected = |index: u64| match first {
            0 => Some(0),
            _ => index.checked_mul(step)?.checked_add(first),
        };
        let same = (0..).zip(entries);
        let same = same.take_while(|(index, entry)| expected(*index) == Some(u64::from(**entry)));
        to_u64(same.count())
    }
}

impl Map for Clusters {
    fn size(&self) -> u64 {
        self.header.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let past = || Error::invalid("past the end").at(offset);
        let cluster = self.header.cluster;
        let (index, skip) = (offset / cluster, offset % cluster);
        let mut entries = self.header.table(&*self.source, index, LOOK)?;
        let Some(first) = entries.first().copied().map(u64::from) else {
            // QEMU takes what the table does not reach for holes.
            let len = NonZeroU64::new(self.header.size.saturating_sub(offset));
            return Ok(Run {
                place: self.hole,
                len: len.ok_or_else(past)?,
            });
        };
        let mut count = self.together(&entries);
        if count == LOOK && first == 0 {
            entries = self.header.table(&*self.source, index, LOOK_FAR)?;
            count = self.together(&entries);
        }
        let place = match first.saturating_mul(self.header.unit) {
            0 => self.hole,
            at => Place::At {
                member: 0,
                offset: at.saturating_add(skip),
            },
        };
        let len = count.saturating_mul(cluster.get()).saturating_sub(skip);
        Ok(Run {
            place,
            len: NonZeroU64::new(len).ok_or_else(past)?,
        })
    }
}
