//! The boot sector, validated: where everything is.
//!
//! What is accepted is what the kernel's driver accepts, with the specification's own rule for the
//! kind of FAT: it is told by the number of clusters alone, never by the label in `BS_FilSysType`;
//! and what has no 16-bit size of its FAT is FAT32, however small.

use zerocopy::FromBytes;

use super::floppy;
use super::layout::{RawBootSector, RawExtended, RawFat32};
use super::table::Width;
use crate::error::{Error, Result};
use crate::filesystem::chain::FIRST;
use crate::source::Source;

/// Bytes of a directory entry.
pub(super) const SLOT: u64 = 32;

/// The most clusters of FAT12 («FAT Type Determination»).
const MOST_FAT12: u64 = 4084;

/// The most clusters of FAT16.
const MOST_FAT16: u64 = 65524;

/// The most clusters of FAT32: the numbers from 0x0FFFFFF7 on have meanings of their own.
const MOST_FAT32: u64 = 0x0fff_fff5;

/// More copies of the FAT than any program makes, so that the field is damaged.
const MOST_FATS: u8 = 8;

/// Where the root directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// In a place of its own between the FATs and the clusters: byte offset and entries.
    Fixed {
        /// Its first byte.
        offset: u64,
        /// How many entries it has room for.
        entries: u64,
    },
    /// In a chain of clusters as any directory: the first of them.
    Cluster(u32),
}

/// Where everything is, in bytes from the start of the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// FAT12, FAT16 or FAT32.
    pub(super) width: Width,
    /// Bytes in a sector: 512 to 4096.
    pub(super) sector_size: u64,
    /// The binary logarithm of a cluster's bytes: 9 to 19.
    pub(super) cluster_bits: u32,
    /// The first copy of the FAT.
    pub(super) fat_offset: u64,
    /// Bytes of one copy.
    pub(super) fat_size: u64,
    /// How many copies.
    pub(super) fats: u8,
    /// The one copy that is kept up to date; `None` where all are (BPB_ExtFlags).
    pub(super) active: Option<u8>,
    /// The root directory.
    pub(super) root: Root,
    /// Cluster 2.
    pub(super) data_offset: u64,
    /// How many clusters there are, from number 2 on.
    pub(super) clusters: u32,
    /// The FSInfo sector (FAT32).
    pub(super) information: Option<u64>,
    /// What BS_BootSig says is there: the serial number, and the label.
    pub(super) serial: Option<u32>,
    /// The label in the boot sector.
    pub(super) label: Option<[u8; 11]>,
    /// The boot sector says that the volume was not unmounted.
    pub(super) dirty: bool,
}

impl Geometry {
    /// Reads the boot sector of `source`, or knows the floppy disk that has none.
    ///
    /// # Errors
    /// `Corrupt`, naming the field that cannot be.
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        let mut sector = [0; 512];
        source
            .read_exact_at(&mut sector, 0)
            .map_err(|_| Error::corrupt("the volume is smaller than a boot sector").at(0))?;
        let raw = RawBootSector::ref_from_bytes(&sector)
            .map_err(|_| Error::corrupt("the boot sector has no 512 bytes"))?;
        match Self::of(raw) {
            Ok(geometry) => Ok(geometry),
            Err(error) => floppy::geometry(source)?.ok_or(error),
        }
    }

    /// What `raw` describes.
    ///
    /// # Errors
    /// `Corrupt`, naming the field.
    pub(super) fn of(raw: &RawBootSector) -> Result<Self> {
        let sectors = Sectors::of(raw)?;
        let width = sectors.width()?;
        let bytes = |count: u64| count.saturating_mul(sectors.size); // each below 2^48
        let (extended, fat32) = tails(raw);
        let serial = matches!(extended.BS_BootSig, 0x28 | 0x29);
        Ok(Self {
            width,
            sector_size: sectors.size,
            cluster_bits: bytes(sectors.per_cluster).trailing_zeros(),
            fat_offset: bytes(sectors.reserved),
            fat_size: bytes(sectors.fat),
            fats: raw.BPB_NumFATs,
            active: fat32.and_then(|fat32| active(raw, fat32)),
            root: match fat32 {
                Some(fat32) => Root::Cluster(root_cluster(fat32, sectors.usable(width))?),
                None => Root::Fixed {
                    offset: bytes(sectors.root_start()),
                    entries: raw.BPB_RootEntCnt.get().into(),
                },
            },
            data_offset: bytes(sectors.data_start()),
            clusters: sectors.usable(width),
            information: fat32.map(|fat32| bytes(u64::from(fat32.BPB_FSInfo.get()).max(1))),
            serial: serial.then_some(extended.BS_VolID.get()),
            label: (extended.BS_BootSig == 0x29).then_some(extended.BS_VolLab),
            dirty: extended.BS_Reserved1 & 1 != 0,
        })
    }

    /// Bytes in a cluster.
    pub(super) fn cluster_size(&self) -> u64 {
        1_u64.wrapping_shl(self.cluster_bits) // at most 2^19
    }

    /// Where the FAT's copy number `copy` begins.
    pub(super) fn fat_copy(&self, copy: u8) -> u64 {
        let skip = self.fat_size.saturating_mul(copy.into()); // below 2^47
        self.fat_offset.saturating_add(skip)
    }

    /// The first byte of `cluster`.
    ///
    /// # Errors
    /// `Corrupt` where it is the number of none.
    pub(super) fn cluster_offset(&self, cluster: u32) -> Result<u64> {
        let index = cluster.checked_sub(FIRST);
        let index = index.filter(|index| *index < self.clusters);
        let index = index.ok_or_else(|| {
            let last = self.clusters.saturating_add(1);
            Error::corrupt(format!("cluster {cluster} is not one of 2 to {last}"))
        })?;
        let offset = u64::from(index).wrapping_shl(self.cluster_bits); // below 2^47
        Ok(self.data_offset.saturating_add(offset))
    }
}

/// What holds of a field of every parameter block.
struct Rule {
    holds: bool,
    field: &'static str,
    value: u64,
    /// Its byte.
    offset: u64,
}

/// The rules by which the kernel's driver tells a parameter block.
fn rules(raw: &RawBootSector) -> [Rule; 7] {
    let size = raw.BPB_BytsPerSec.get();
    let is_size = size.is_power_of_two() && (512..=4096).contains(&size);
    let (cluster, fats, media) = (raw.BPB_SecPerClus, raw.BPB_NumFATs, raw.BPB_Media);
    let reserved = raw.BPB_RsvdSecCnt.get();
    let (fat, total) = sizes(raw);
    let rule = |holds, field, value, offset| Rule {
        holds,
        field,
        value,
        offset,
    };
    let is_media = media == 0xf0 || media >= 0xf8;
    let is_count = (1..=MOST_FATS).contains(&fats);
    [
        rule(is_size, "BPB_BytsPerSec", size.into(), 11),
        rule(
            cluster.is_power_of_two(),
            "BPB_SecPerClus",
            cluster.into(),
            13,
        ),
        rule(reserved > 0, "BPB_RsvdSecCnt", reserved.into(), 14),
        rule(is_count, "BPB_NumFATs", fats.into(), 16),
        rule(is_media, "BPB_Media", media.into(), 21),
        rule(fat > 0, "BPB_FATSz16 and BPB_FATSz32", fat, 22),
        rule(total > 0, "BPB_TotSec16 and BPB_TotSec32", total, 19),
    ]
}

/// How many of the seven rules of a parameter block hold.
pub(super) fn plausible(raw: &RawBootSector) -> usize {
    rules(raw).iter().filter(|rule| rule.holds).count()
}

/// Sectors of one FAT, and of the volume.
fn sizes(raw: &RawBootSector) -> (u64, u64) {
    let fat = match (raw.BPB_FATSz16.get(), tails(raw).1) {
        (_, Some(fat32)) => fat32.BPB_FATSz32.get(),
        (sixteen, None) => sixteen.into(),
    };
    let total = match raw.BPB_TotSec16.get() {
        0 => raw.BPB_TotSec32.get(),
        total => total.into(),
    };
    (fat.into(), total.into())
}

/// The counts of the parameter block, in sectors.
struct Sectors {
    size: u64,
    per_cluster: u64,
    reserved: u64,
    fat: u64,
    fats: u64,
    root: u64,
    total: u64,
    is_fat32: bool,
}

impl Sectors {
    /// The counts, each checked.
    fn of(raw: &RawBootSector) -> Result<Self> {
        let broken = rules(raw).into_iter().find(|rule| !rule.holds);
        if let Some(rule) = broken {
            let text = format!("{} is {}", rule.field, rule.value);
            return Err(Error::corrupt(text).at(rule.offset));
        }
        let size = u64::from(raw.BPB_BytsPerSec.get());
        let (_, fat32) = tails(raw);
        let (fat, total) = sizes(raw);
        let root = u64::from(raw.BPB_RootEntCnt.get()).saturating_mul(SLOT);
        Ok(Self {
            size,
            per_cluster: raw.BPB_SecPerClus.into(),
            reserved: raw.BPB_RsvdSecCnt.get().into(),
            fat,
            fats: raw.BPB_NumFATs.into(),
            root: root.div_ceil(size.max(1)),
            total,
            is_fat32: fat32.is_some(),
        })
    }

    fn root_start(&self) -> u64 {
        let fats = self.fat.saturating_mul(self.fats); // below 2^35
        self.reserved.saturating_add(fats)
    }

    fn data_start(&self) -> u64 {
        self.root_start().saturating_add(self.root)
    }

    /// «FAT Type Determination»: CountofClusters.
    fn clusters(&self) -> Option<u64> {
        let data = self.total.checked_sub(self.data_start())?;
        data.checked_div(self.per_cluster)
    }

    fn width(&self) -> Result<Width> {
        let start = self.data_start();
        let none = || Error::corrupt(format!("no cluster fits behind sector {start}")).at(19);
        let clusters = self.clusters().filter(|count| *count > 0);
        let width = match clusters.ok_or_else(none)? {
            _ if self.is_fat32 => Width::Fat32,
            0..=MOST_FAT12 => Width::Fat12,
            _ => Width::Fat16,
        };
        let usable = self.in_table(width);
        if usable > most(width) {
            let error = format!("{usable} clusters are too many for {}", width.name());
            return Err(Error::corrupt(error).at(32));
        }
        match usable {
            0 => Err(Error::corrupt("the FAT has no room for a cluster").at(22)),
            _ => Ok(width),
        }
    }

    /// Those clusters that the FAT has an entry for.
    fn in_table(&self, width: Width) -> u64 {
        let bits = self.fat.saturating_mul(self.size).saturating_mul(8); // below 2^48
        let entries = bits.checked_div(width.bits()).unwrap_or(0);
        let clusters = self.clusters().unwrap_or(0);
        clusters.min(entries.saturating_sub(2))
    }

    fn usable(&self, width: Width) -> u32 {
        u32::try_from(self.in_table(width)).unwrap_or(u32::MAX)
    }
}

fn most(width: Width) -> u64 {
    match width {
        Width::Fat12 => MOST_FAT12,
        Width::Fat16 => MOST_FAT16,
        Width::Fat32 => MOST_FAT32,
    }
}

/// The fields behind byte 36, as FAT12 and FAT16 have them or as FAT32 has.
fn tails(raw: &RawBootSector) -> (RawExtended, Option<RawFat32>) {
    let fat32 = RawFat32::read_from_prefix(&raw.rest).ok();
    let is_fat32 =
        |fat32: &(RawFat32, _)| raw.BPB_FATSz16.get() == 0 && fat32.0.BPB_FATSz32.get() != 0;
    if let Some((fat32, _)) = fat32.filter(is_fat32) {
        return (fat32.extended, Some(fat32));
    }
    let extended = RawExtended::read_from_prefix(&raw.rest);
    let (extended, _) = extended.expect("the rest of a sector is longer");
    (extended, None)
}

/// BPB_ExtFlags: bit 7 says that only one FAT is written, bits 0 to 3 which.
fn active(raw: &RawBootSector, fat32: RawFat32) -> Option<u8> {
    let flags = fat32.BPB_ExtFlags.get();
    let active = u8::try_from(flags & 0x0f).unwrap_or(0);
    (flags & 0x80 != 0 && active < raw.BPB_NumFATs).then_some(active)
}

fn root_cluster(fat32: RawFat32, clusters: u32) -> Result<u32> {
    let cluster = fat32.BPB_RootClus.get();
    let index = cluster.checked_sub(FIRST);
    if index.is_some_and(|index| index < clusters) {
        return Ok(cluster);
    }
    let last = clusters.saturating_add(1);
    Err(Error::corrupt(format!("BPB_RootClus {cluster} is not one of 2 to {last}")).at(44))
}
