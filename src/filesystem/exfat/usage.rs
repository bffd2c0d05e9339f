//! The numbers of statfs(2), as the kernel's driver gives them.

use super::bitmap::Bitmap;
use super::core::Core;
use crate::filesystem::{Request, Usage};

/// Bytes of the longest name: the driver counts six for each of 255 units.
const NAME_MAX: u32 = 255 * 6;

/// The usage, by the allocation bitmap; nothing is free where that cannot be read.
pub(super) fn usage(core: &Core<'_>) -> Usage {
    let clusters = core.geometry.clusters;
    let counted = Bitmap::of(core).and_then(|bitmap| bitmap.count(&Request::new(0)));
    let used = counted.unwrap_or_else(|error| {
        core.notice(error);
        clusters
    });
    let free = u64::from(clusters.saturating_sub(used));
    Usage {
        block_size: core.geometry.cluster_size(),
        blocks: clusters.into(),
        free,
        available: free,
        files: 0,
        files_free: 0,
        name_max: NAME_MAX,
    }
}
