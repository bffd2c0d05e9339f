//! Floppy disks of DOS 1.x, which have no parameter block: the kernel's `dos1xfloppy`.
//!
//! What such a disk is its size says, together with the media descriptor that both copies of its
//! FAT begin with, followed by two bytes of ones. That is looked at in both places that this size
//! has them in, so that no other disk of the same size is taken for one.

use super::boot_sector::{Geometry, Root};
use super::table::Width;
use crate::error::Result;
use crate::source::Source;

/// Bytes of a sector of all of them.
const SECTOR: u64 = 512;

/// One of the formats, in sectors.
struct Format {
    sectors: u64,
    per_cluster: u64,
    entries: u64,
    media: u8,
    fat: u64,
}

/// 160 and 180 KiB on one side, 320 and 360 KiB on two.
const FORMATS: [Format; 4] = [
    Format {
        sectors: 320,
        per_cluster: 1,
        entries: 64,
        media: 0xfe,
        fat: 1,
    },
    Format {
        sectors: 360,
        per_cluster: 1,
        entries: 64,
        media: 0xfc,
        fat: 2,
    },
    Format {
        sectors: 640,
        per_cluster: 2,
        entries: 112,
        media: 0xff,
        fat: 1,
    },
    Format {
        sectors: 720,
        per_cluster: 2,
        entries: 112,
        media: 0xfd,
        fat: 2,
    },
];

/// The geometry of `source`, where it is such a disk.
///
/// # Errors
/// As [`Source::read_exact_at`].
pub(super) fn geometry(source: &dyn Source) -> Result<Option<Geometry>> {
    let size = source.size();
    let is_of_size = |format: &&Format| format.sectors.saturating_mul(SECTOR) == size;
    let Some(format) = FORMATS.iter().find(is_of_size) else {
        return Ok(None);
    };
    for copy in 0..2 {
        let sector = format.fat.saturating_mul(copy).saturating_add(1);
        let mut start = [0; 3];
        source.read_exact_at(&mut start, sector.saturating_mul(SECTOR))?;
        if start != [format.media, 0xff, 0xff] {
            return Ok(None);
        }
    }
    Ok(Some(format.geometry()))
}

impl Format {
    fn geometry(&self) -> Geometry {
        let root = self.fat.saturating_mul(2).saturating_add(1);
        let data = root.saturating_add(self.entries / 16); // 16 entries fill a sector
        let clusters = self
            .sectors
            .saturating_sub(data)
            .checked_div(self.per_cluster);
        let cluster = SECTOR.saturating_mul(self.per_cluster);
        Geometry {
            width: Width::Fat12,
            sector_size: SECTOR,
            cluster_bits: cluster.trailing_zeros(),
            fat_offset: SECTOR,
            fat_size: self.fat.saturating_mul(SECTOR),
            fats: 2,
            active: None,
            root: Root::Fixed {
                offset: root.saturating_mul(SECTOR),
                entries: self.entries,
            },
            data_offset: data.saturating_mul(SECTOR),
            clusters: u32::try_from(clusters.unwrap_or(0)).unwrap_or(0),
            information: None,
            serial: None,
            label: None,
            dirty: false,
        }
    }
}
