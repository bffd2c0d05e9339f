//! Partition maps (ECMA-167, 3/10.7; UDF 2.2.8 to 2.2.10): the ways in which a partition's blocks
//! lie on the disk.

use std::collections::BTreeMap;

use super::disk::Disk;
use super::layout::{
    RawLogicalVolume, RawMap1, RawMap2, RawMetadataMap, RawPartition, RawSparableMap,
};
use super::metadata::Metadata;
use super::sparing::Sparing;
use super::tag;
use super::vat::Vat;
use super::volume::Volume;
use crate::error::{Error, Result, ResultExt};

/// Partition maps at most. UDF has one or two.
const MOST_MAPS: u32 = 64;

/// A partition of the volume.
pub(super) struct Partition {
    /// How its blocks are found.
    pub(super) kind: Kind,
    /// Its first sector on the disk.
    pub(super) start: u64,
    /// Its length in blocks.
    pub(super) length: u64,
    /// The volume of the set, and the number, by which its descriptor is told.
    identity: (u16, u16),
    /// Its descriptor.
    pub(super) descriptor: RawPartition,
}

/// How blocks are found.
pub(super) enum Kind {
    /// One behind the other.
    Physical,
    /// The same, but for packets that went bad.
    Sparable(Sparing),
    /// Each by a table that is written anew when a block changes.
    Virtual(Box<Vat>),
    /// In a file of another partition.
    Metadata(Metadata),
    /// By a table or a file that is not read yet.
    Unread,
}

/// What a virtual partition is called in `info`.
pub(super) const VIRTUAL: &str = "virtual";

impl Map {
    fn name(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Sparable(_) => "sparable",
            Self::Virtual => VIRTUAL,
            Self::Metadata(_) => "metadata",
        }
    }
}

/// The kinds of the partition maps in `block`, as far as they are known, for `info`.
pub(super) fn names(logical: &RawLogicalVolume, block: &[u8]) -> Vec<&'static str> {
    let maps = split(logical, block).unwrap_or_default();
    let name = |bytes| parse(bytes).map_or("unknown", |(map, _)| map.name());
    maps.into_iter().map(name).collect()
}

/// A partition map.
#[derive(Clone, Copy)]
enum Map {
    Physical,
    Sparable(RawSparableMap),
    Virtual,
    Metadata(RawMetadataMap),
}

/// Reads the partition maps in `block`, which holds the descriptor `logical`, into `volume`, which
/// has none yet.
///
/// # Errors
/// `Unsupported` for a map of a kind that UDF does not know; `Corrupt` where maps contradict each
/// other, or where what finds a partition's blocks cannot be read.
pub(super) fn load(
    volume: &mut Volume,
    logical: &RawLogicalVolume,
    block: &[u8],
    descriptors: &BTreeMap<u16, RawPartition>,
) -> Result<()> {
    let mut maps = Vec::new();
    for bytes in split(logical, block)? {
        let (map, identity) = parse(bytes)?;
        let descriptor = descriptors
            .get(&identity.1)
            .ok_or_else(|| Error::corrupt(format!("no descriptor of partition {}", identity.1)))?;
        maps.push(map);
        volume.partitions.push(Partition {
            kind: first_kind(&volume.disk(), map)?,
            start: descriptor.partition_starting_location.get().into(),
            length: descriptor.partition_length.get().into(),
            identity,
            descriptor: *descriptor,
        });
    }
    for (reference, map) in (0_u16..).zip(maps) {
        let found = match map {
            Map::Physical | Map::Sparable(_) => continue,
            Map::Virtual => Vat::read(volume, below(volume, reference)?)
                .map(|table| Kind::Virtual(Box::new(table))),
            Map::Metadata(raw) => {
                Metadata::read(volume, &raw, below(volume, reference)?).map(Kind::Metadata)
            }
        };
        let found = found.context(|| format!("partition {reference}"))?;
        if let Some(partition) = volume.partitions.get_mut(usize::from(reference)) {
            partition.kind = found;
        }
    }
    Ok(())
}

/// The partition on the same part of the disk in which the blocks of partition `reference` are.
fn below(volume: &Volume, reference: u16) -> Result<u16> {
    let identity = volume.partition(reference)?.identity;
    let is_below = |partition: &Partition| {
        partition.identity == identity
            && matches!(partition.kind, Kind::Physical | Kind::Sparable(_))
    };
    let found = volume.partitions.iter().position(is_below);
    let found = found.and_then(|index| u16::try_from(index).ok());
    found.ok_or_else(|| Error::corrupt("no physical partition holds its blocks"))
}

/// The maps as bytes.
fn split<'a>(logical: &RawLogicalVolume, block: &'a [u8]) -> Result<Vec<&'a [u8]>> {
    let count = logical.number_of_partition_maps.get();
    if !(1..=MOST_MAPS).contains(&count) {
        let text = format!("number_of_partition_maps {count} is not 1 to {MOST_MAPS}");
        return Err(Error::corrupt(text));
    }
    let length = logical.map_table_length.get();
    let table = block.get(size_of::<RawLogicalVolume>()..);
    let table = table.and_then(|table| table.get(..usize::try_from(length).ok()?));
    let mut rest = table
        .ok_or_else(|| Error::corrupt(format!("map_table_length {length} leaves the block")))?;
    let mut maps = Vec::new();
    for index in 0..count {
        let length = usize::from(rest.get(1).copied().unwrap_or(0));
        match rest.split_at_checked(length.max(1)) {
            Some((map, behind)) if length >= 2 => {
                maps.push(map);
                rest = behind;
            }
            _ => {
                let text = format!("length {length} of partition map {index} leaves the table");
                return Err(Error::corrupt(text));
            }
        }
    }
    Ok(maps)
}

/// A map, and by what its partition is told.
fn parse(bytes: &[u8]) -> Result<(Map, (u16, u16))> {
    match bytes.first() {
        Some(1) => {
            let raw: RawMap1 = tag::view(bytes, "partition map")?;
            let identity = (raw.volume_sequence_number.get(), raw.partition_number.get());
            Ok((Map::Physical, identity))
        }
        Some(2) => {
            let raw: RawMap2 = tag::view(bytes, "partition map")?;
            let identity = (raw.volume_sequence_number.get(), raw.partition_number.get());
            Ok((parse_type_2(&raw, bytes)?, identity))
        }
        other => {
            let kind = other.copied().unwrap_or(0);
            Err(Error::unsupported(format!("partition map type {kind}")))
        }
    }
}

fn parse_type_2(raw: &RawMap2, bytes: &[u8]) -> Result<Map> {
    let identifier = &raw.partition_type_identifier.identifier;
    if identifier.starts_with(b"*UDF Virtual Partition") {
        Ok(Map::Virtual)
    } else if identifier.starts_with(b"*UDF Sparable Partition") {
        tag::view(bytes, "sparable partition map").map(Map::Sparable)
    } else if identifier.starts_with(b"*UDF Metadata Partition") {
        tag::view(bytes, "metadata partition map").map(Map::Metadata)
    } else {
        let name = crate::error::printable(identifier.trim_ascii_end());
        let name = name.trim_end_matches("\\x00");
        Err(Error::unsupported(format!(
            "partition map of type \"{name}\""
        )))
    }
}

/// What can be known before any partition is readable.
fn first_kind(disk: &Disk<'_>, map: Map) -> Result<Kind> {
    match map {
        Map::Physical => Ok(Kind::Physical),
        Map::Sparable(raw) => Sparing::read(disk, &raw).map(Kind::Sparable),
        Map::Virtual | Map::Metadata(_) => Ok(Kind::Unread),
    }
}
