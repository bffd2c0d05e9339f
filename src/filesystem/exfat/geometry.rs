//! Where everything is, by the boot sector's fields: checked once, so that no cluster's place can
//! overflow and no size is zero.

use super::layout::RawBootSector;
use crate::error::{Error, Result};
use crate::filesystem::chain::FIRST;

/// `VolumeFlags` (3.1.13): the second FAT and the second bitmap are in use.
const ACTIVE_FAT: u16 = 1;
/// `VolumeFlags`: it was not unmounted.
const VOLUME_DIRTY: u16 = 2;
/// `VolumeFlags`: the medium has reported failures.
const MEDIA_FAILURE: u16 = 4;

/// The largest `ClusterCount` (3.1.9).
const MOST_CLUSTERS: u32 = u32::MAX - 10;

/// The layout of one volume.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    /// log2 of the bytes in a sector: 9 to 12.
    pub(super) sector_bits: u32,
    /// log2 of the bytes in a cluster: 9 to 25.
    pub(super) cluster_bits: u32,
    /// The byte at which the FAT in use starts.
    pub(super) fat_start: u64,
    /// The byte at which the cluster heap starts.
    pub(super) heap_start: u64,
    /// Clusters in all, at least 1.
    pub(super) clusters: u32,
    /// The first cluster of the root directory.
    pub(super) root: u32,
    /// `VolumeLength` in bytes.
    pub(super) length: u64,
    /// 1 or 2, with TexFAT.
    pub(super) fats: u8,
    /// Whether the second FAT and the second bitmap are in use.
    pub(super) second: bool,
    /// It was not unmounted.
    pub(super) is_dirty: bool,
    /// The medium has reported failures.
    pub(super) has_failed: bool,
    /// `VolumeSerialNumber`.
    pub(super) serial: u32,
    /// `PercentInUse`: 0 to 100; drivers that know nothing of it leave 0 or 255.
    pub(super) percent: u8,
    /// `FileSystemRevision`: major, minor.
    pub(super) revision: (u8, u8),
}

impl Geometry {
    /// Checks the fields of `raw`.
    ///
    /// # Errors
    /// `Corrupt`, naming the field and its value; `Unsupported` for another major revision.
    pub(super) fn new(raw: &RawBootSector) -> Result<Self> {
        check_constants(raw)?;
        let sector_bits = sector_bits(raw)?;
        let cluster_bits = cluster_bits(raw, sector_bits)?;
        let fats = fats(raw)?;
        let flags = raw.VolumeFlags.get();
        let second = flags & ACTIVE_FAT != 0 && fats == 2;
        let bytes = |sectors: u32| u64::from(sectors).wrapping_shl(sector_bits); // below 2^44
        let fat_length = bytes(raw.FatLength.get());
        let first_fat = bytes(raw.FatOffset.get());
        let geometry = Self {
            sector_bits,
            cluster_bits,
            fat_start: match second {
                true => first_fat.saturating_add(fat_length),
                false => first_fat,
            },
            heap_start: bytes(raw.ClusterHeapOffset.get()),
            clusters: raw.ClusterCount.get(),
            root: raw.FirstClusterOfRootDirectory.get(),
            length: volume_length(raw, sector_bits)?,
            fats,
            second,
            is_dirty: flags & VOLUME_DIRTY != 0,
            has_failed: flags & MEDIA_FAILURE != 0,
            percent: raw.PercentInUse,
            serial: raw.VolumeSerialNumber.get(),
            revision: revision(raw)?,
        };
        geometry.check_regions(raw, first_fat, fat_length)?;
        Ok(geometry)
    }

    /// Whether `other` lays the same volume out the same way, whatever its state.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        let layout = |geometry: &Self| {
            let bits = (geometry.sector_bits, geometry.cluster_bits);
            let sizes = (geometry.length, geometry.clusters, geometry.fats);
            let places = (geometry.heap_start, geometry.root);
            (bits, sizes, places, geometry.serial)
        };
        layout(self) == layout(other)
    }

    /// Bytes in a sector: 512 to 4096.
    pub(super) fn sector_size(&self) -> u32 {
        1_u32.wrapping_shl(self.sector_bits)
    }

    /// Bytes in a cluster: 512 to 32 MiB.
    pub(super) fn cluster_size(&self) -> u32 {
        1_u32.wrapping_shl(self.cluster_bits)
    }

    /// The number behind the last cluster.
    pub(super) fn end(&self) -> u32 {
        self.clusters.saturating_add(FIRST)
    }

    /// The byte at which `cluster` starts, which exists.
    pub(super) fn place(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster.saturating_sub(FIRST));
        let inside = index.wrapping_shl(self.cluster_bits); // below 2^57
        self.heap_start.saturating_add(inside)
    }

    /// The cluster that byte `offset` of the volume lies in, and the byte in it.
    pub(super) fn cluster_at(&self, offset: u64) -> Option<(u32, u32)> {
        let inside = offset.checked_sub(self.heap_start)?;
        let index = u32::try_from(inside.wrapping_shr(self.cluster_bits)).ok()?;
        let cluster = index.checked_add(FIRST)?;
        let mask = u64::from(self.cluster_size()).saturating_sub(1);
        let skip = u32::try_from(inside & mask).ok()?;
        (cluster < self.end()).then_some((cluster, skip))
    }

    /// How many clusters `bytes` bytes fill.
    pub(super) fn clusters_for(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster_size().into())
    }

    fn check_regions(&self, raw: &RawBootSector, fat: u64, fat_length: u64) -> Result<()> {
        let (offset, length) = (raw.FatOffset.get(), raw.FatLength.get());
        if offset < 24 {
            return Err(wrong("FatOffset", offset, "below 24"));
        }
        let fats = fat_length.saturating_mul(self.fats.into());
        if fat.saturating_add(fats) > self.heap_start {
            let heap = raw.ClusterHeapOffset.get();
            return Err(Error::corrupt(format!(
                "FatOffset {offset} and {} times FatLength {length} are past ClusterHeapOffset {heap}",
                self.fats
            )));
        }
        if !(1..=MOST_CLUSTERS).contains(&self.clusters) {
            return Err(wrong("ClusterCount", self.clusters, "not 1 to 4294967285"));
        }
        if u64::from(self.end()).saturating_mul(4) > fat_length {
            let clusters = self.clusters;
            return Err(Error::corrupt(format!(
                "FatLength {length} is too small for ClusterCount {clusters}"
            )));
        }
        if self.place(self.end()) > self.length {
            let clusters = self.clusters;
            return Err(Error::corrupt(format!(
                "ClusterCount {clusters} is past the end of the volume of {} bytes",
                self.length
            )));
        }
        if !(FIRST..self.end()).contains(&self.root) {
            let name = "FirstClusterOfRootDirectory";
            return Err(wrong(name, self.root, "no cluster of the volume"));
        }
        Ok(())
    }
}

fn wrong(field: &str, value: impl std::fmt::Display, why: &str) -> Error {
    Error::corrupt(format!("{field} {value} is {why}"))
}

fn check_constants(raw: &RawBootSector) -> Result<()> {
    let signature = raw.BootSignature.get();
    if signature != 0xaa55 {
        let value = format!("{signature:#06x}");
        return Err(wrong("BootSignature", value, "not 0xaa55"));
    }
    if raw.MustBeZero.iter().any(|byte| *byte != 0) {
        return Err(Error::corrupt("MustBeZero holds other bytes"));
    }
    Ok(())
}

fn revision(raw: &RawBootSector) -> Result<(u8, u8)> {
    let [minor, major] = raw.FileSystemRevision.get().to_le_bytes();
    if major == 1 {
        return Ok((major, minor));
    }
    let text = format!("FileSystemRevision {major}.{minor:02} is not 1");
    Err(Error::unsupported(text))
}

fn sector_bits(raw: &RawBootSector) -> Result<u32> {
    match raw.BytesPerSectorShift {
        shift @ 9..=12 => Ok(shift.into()),
        shift => Err(wrong("BytesPerSectorShift", shift, "not 9 to 12")),
    }
}

fn cluster_bits(raw: &RawBootSector, sector_bits: u32) -> Result<u32> {
    let shift = raw.SectorsPerClusterShift;
    let most = 25_u32.saturating_sub(sector_bits);
    match u32::from(shift) {
        bits if bits <= most => Ok(sector_bits.saturating_add(bits)),
        _ => {
            let why = format!("over {most}");
            Err(wrong("SectorsPerClusterShift", shift, &why))
        }
    }
}

fn fats(raw: &RawBootSector) -> Result<u8> {
    match raw.NumberOfFats {
        fats @ 1..=2 => Ok(fats),
        fats => Err(wrong("NumberOfFats", fats, "not 1 or 2")),
    }
}

fn volume_length(raw: &RawBootSector, sector_bits: u32) -> Result<u64> {
    let sectors = raw.VolumeLength.get();
    let size = 1_u64.wrapping_shl(sector_bits);
    let length = sectors.checked_mul(size);
    length.ok_or_else(|| wrong("VolumeLength", sectors, "over 2^64 bytes"))
}
