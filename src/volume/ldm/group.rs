//! A group by its newest database, with the disks of it that are there: what belongs to what, and
//! what contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use super::database::Database;
use super::guid::Guid;
use super::header::Region;
use super::records::{Component, Disk, Extent, Volume};
use crate::error::{Error, Result, printable};
use crate::number::to_u64;
use crate::source::SharedSource;

/// A disk that is there.
pub(super) struct There {
    pub(super) source: SharedSource,
    /// Its number among the members.
    pub(super) member: usize,
    /// What extents lie in.
    pub(super) public: Region,
    /// Another disk's database is newer: this one was away when it was written.
    pub(super) is_behind: bool,
}

/// A group.
pub(super) struct Group {
    pub(super) database: Database,
    /// The disks that are there.
    there: BTreeMap<Guid, There>,
    /// Which disk an identifier stands for.
    disks: BTreeMap<u64, usize>,
    /// Identifiers that several objects have, and disks that are there twice.
    repeated: BTreeSet<u64>,
    doubled: BTreeSet<Guid>,
    /// Extents that have bytes in common with others, and with which.
    overlapping: BTreeMap<u64, String>,
    /// Components of each volume, and extents of each component, by their place in the database.
    components: BTreeMap<u64, Vec<usize>>,
    extents: BTreeMap<u64, Vec<usize>>,
}

/// What an extent lies on.
pub(super) enum On<'a> {
    /// A disk that is there.
    There(&'a There),
    /// One that is not.
    Missing(&'a Disk),
}

impl Group {
    pub(super) fn new(database: Database, there: BTreeMap<Guid, There>) -> Self {
        let disks = database.disks.iter().enumerate();
        let mut group = Self {
            disks: disks.map(|(index, disk)| (disk.id, index)).collect(),
            repeated: repeated(&database),
            doubled: doubled(&database.disks),
            overlapping: overlapping(&database.extents),
            components: BTreeMap::new(),
            extents: BTreeMap::new(),
            database,
            there,
        };
        for (index, component) in group.database.components.iter().enumerate() {
            let components = group.components.entry(component.volume);
            components.or_default().push(index);
        }
        for (index, extent) in group.database.extents.iter().enumerate() {
            let extents = group.extents.entry(extent.component);
            extents.or_default().push(index);
        }
        group
    }

    /// The disks that are not there.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Disk> {
        let disks = self.database.disks.iter();
        disks.filter(|disk| !self.there.contains_key(&disk.guid))
    }

    /// The disk called by `id`.
    pub(super) fn disk(&self, id: u64) -> Option<&Disk> {
        let index = self.disks.get(&id)?;
        self.database.disks.get(*index)
    }

    /// The components of a volume, as many as it says.
    ///
    /// # Errors
    /// `Corrupt` where there are more or fewer.
    pub(super) fn components(&self, volume: &Volume) -> Result<Vec<&Component>> {
        self.check_id(volume.id)?;
        let own = self.components.get(&volume.id);
        let own = own.into_iter().flatten();
        let all = &self.database.components;
        let found: Vec<&Component> = own.filter_map(|index| all.get(*index)).collect();
        check_count("components", volume.components, found.len())?;
        if found.is_empty() {
            return Err(Error::corrupt("it has no components"));
        }
        Ok(found)
    }

    /// The extents of a component, as many as it says.
    ///
    /// # Errors
    /// `Corrupt` where there are more or fewer, and where one of them cannot be.
    pub(super) fn extents(&self, component: &Component) -> Result<Vec<&Extent>> {
        self.check_id(component.id)?;
        let own = self.extents.get(&component.id);
        let own = own.into_iter().flatten();
        let all = &self.database.extents;
        let found: Vec<&Extent> = own.filter_map(|index| all.get(*index)).collect();
        check_count("extents", component.extents, found.len())?;
        if found.is_empty() {
            return Err(Error::corrupt("it has no extents"));
        }
        Ok(found)
    }

    /// What `extent` lies on.
    ///
    /// # Errors
    /// `Corrupt` where it is empty, leaves its disk, or is another's too.
    pub(super) fn on(&self, extent: &Extent) -> Result<On<'_>> {
        self.check_id(extent.id)?;
        self.check_id(extent.disk)?;
        if let Some(other) = self.overlapping.get(&extent.id) {
            return Err(Error::corrupt(format!("it overlaps extent {other}")));
        }
        let disk = self.disk(extent.disk).ok_or_else(|| {
            let id = extent.disk;
            Error::corrupt(format!("its disk {id:#x} is not in the database"))
        })?;
        if self.doubled.contains(&disk.guid) {
            let guid = disk.guid;
            return Err(Error::corrupt(format!(
                "several disks have disk_guid {guid}"
            )));
        }
        let Some(there) = self.there.get(&disk.guid) else {
            return Ok(On::Missing(disk));
        };
        let end = extent.start.checked_add(extent.size);
        let fits = end.is_some_and(|end| end <= there.public.size);
        if extent.size == 0 || !fits {
            let (start, size, all) = (extent.start, extent.size, there.public.size);
            let text = format!("{size} bytes from {start} on are not in the {all} of its disk");
            return Err(Error::corrupt(text));
        }
        Ok(On::There(there))
    }

    fn check_id(&self, id: u64) -> Result<()> {
        match self.repeated.contains(&id) {
            true => Err(Error::corrupt(format!("several objects have id {id:#x}"))),
            false => Ok(()),
        }
    }
}

fn check_count(what: &str, said: u64, found: usize) -> Result<()> {
    if said == to_u64(found) {
        return Ok(());
    }
    let text = format!("it says that it has {said} {what}, and {found} name it");
    Err(Error::corrupt(text))
}

/// The identifiers that several objects of the database have.
fn repeated(database: &Database) -> BTreeSet<u64> {
    let volumes = database.volumes.iter().map(|it| it.id);
    let components = database.components.iter().map(|it| it.id);
    let extents = database.extents.iter().map(|it| it.id);
    let disks = database.disks.iter().map(|it| it.id);
    let mut seen = BTreeSet::new();
    let all = volumes.chain(components).chain(extents).chain(disks);
    all.filter(|id| !seen.insert(*id)).collect()
}

/// The identifiers that several disks have by which they are found.
fn doubled(disks: &[Disk]) -> BTreeSet<Guid> {
    let mut seen = BTreeSet::new();
    let guids = disks.iter().map(|disk| disk.guid);
    guids.filter(|guid| !seen.insert(*guid)).collect()
}

/// The extents that share bytes of a disk with others, by identifier, each with the name of another.
fn overlapping(extents: &[Extent]) -> BTreeMap<u64, String> {
    let mut sorted: Vec<&Extent> = extents.iter().collect();
    sorted.sort_by_key(|extent| (extent.disk, extent.start));
    let mut found = BTreeMap::new();
    let mut furthest: Option<&Extent> = None;
    let end = |it: &Extent| it.start.saturating_add(it.size);
    let name = |it: &Extent| printable(it.name.as_bytes());
    for extent in sorted {
        let before = furthest.filter(|it| it.disk == extent.disk);
        if let Some(before) = before.filter(|it| end(it) > extent.start) {
            found.insert(extent.id, name(before));
            found.insert(before.id, name(extent));
        }
        let reaches = before.is_none_or(|it| end(it) < end(extent));
        furthest = if reaches { Some(extent) } else { before };
    }
    found
}
