//! The numbers of statfs(2), as the kernel's driver computes them: free clusters are counted, and
//! the FSInfo sector, which nobody keeps right, is believed where the FAT is too large to count.

use zerocopy::FromBytes;

use super::boot_sector::Geometry;
use super::core::Core;
use super::layout::RawFsInfo;
use super::table::Table;
use crate::filesystem::chain::{FIRST, Window};
use crate::filesystem::{Request, Usage};
use crate::source::{Source, read_vec};

/// Clusters that are counted: a FAT of 256 MiB.
const MOST_COUNTED: u32 = 1 << 26;

/// The longest name in bytes, as the driver says it: 255 units of 6 bytes each.
const LONGEST_NAME: u32 = 1530;

/// The usage. What cannot be read of the FAT counts as used.
pub(super) fn usage(core: &Core) -> Usage {
    let geometry = &core.geometry;
    let counted = match geometry.clusters <= MOST_COUNTED {
        true => count(&*core.source, geometry),
        false => hint(&*core.source, geometry).unwrap_or(0),
    };
    Usage {
        block_size: u32::try_from(geometry.cluster_size()).unwrap_or(u32::MAX),
        blocks: geometry.clusters.into(),
        free: counted.into(),
        available: counted.into(),
        files: 0,
        files_free: 0,
        name_max: LONGEST_NAME,
    }
}

/// The free clusters, counted.
pub(super) fn count(source: &dyn Source, geometry: &Geometry) -> u32 {
    let (table, request) = (Table { source, geometry }, Request::new(0));
    let mut window = Window::default();
    let clusters = FIRST..geometry.clusters.saturating_add(FIRST);
    let values = clusters.map_while(|cluster| table.value(&request, &mut window, cluster).ok());
    let free = values.filter(|value| *value == 0).count();
    u32::try_from(free).unwrap_or(u32::MAX)
}

/// The free clusters by the FSInfo sector, where it has them.
pub(super) fn hint(source: &dyn Source, geometry: &Geometry) -> Option<u32> {
    let bytes = read_vec(source, geometry.information?, size_of::<RawFsInfo>()).ok()?;
    let raw = RawFsInfo::ref_from_bytes(&bytes).ok()?;
    let is_one = raw.FSI_LeadSig.get() == 0x4161_5252 && raw.FSI_StrucSig.get() == 0x6141_7272;
    let free = raw.FSI_Free_Count.get();
    (is_one && free <= geometry.clusters).then_some(free)
}
