//! Whether this is one, and what `info` says of it.

use std::sync::Arc;

use super::bitmap::Bitmap;
use super::boot;
use super::core::Core;
use super::geometry::Geometry;
use super::volume::VolumeEntries;
use crate::cache::Cache;
use crate::error::Result;
use crate::filesystem::Request;
use crate::format::{Context, Description, Set};

use crate::source::{Extent, Source};

/// Bytes of the allocation bitmap that a description may cost.
const BITMAP: u32 = 16 << 10;

/// Bytes of the cache that a description needs.
const CACHE: u64 = 1 << 20;

/// A boot sector of exFAT, be it damaged: it is listed as what it is then. A volume whose boot
/// sector was overwritten is not claimed for its backup, which other formatters leave.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(boot::is_there(source)?.then_some(Set::Alone))
}

/// Label, serial number, GUID and facts, as far as a damaged volume gives them.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let geometry = boot::describe(source)?;
    let context = Context::new(Cache::new(CACHE));
    let mut core = Core::new(Arc::new(Borrowed(source)), geometry, &context);
    core.entries = VolumeEntries::find(&core, &Request::new(0)).unwrap_or_default();
    Ok(Description {
        label: core.entries.label.clone(),
        uuid: Some(uuid(core.geometry.serial)),
        features: features(&core.geometry),
        facts: facts(&core),
        allocated: allocated(&core),
        ..Description::default()
    })
}

/// As blkid spells it.
fn uuid(serial: u32) -> String {
    let text = format!("{serial:08X}");
    let (high, low) = text.split_at_checked(4).unwrap_or_default();
    format!("{high}-{low}")
}

fn features(geometry: &Geometry) -> Vec<String> {
    let texfat = (geometry.fats == 2).then_some("texfat");
    let second = geometry.second.then_some("second_fat_active");
    texfat
        .into_iter()
        .chain(second)
        .map(str::to_owned)
        .collect()
}

fn facts(core: &Core<'_>) -> Vec<(&'static str, String)> {
    let geometry = &core.geometry;
    let (major, minor) = geometry.revision;
    let mut facts = vec![
        ("revision", format!("{major}.{minor:02}")),
        ("cluster size", geometry.cluster_size().to_string()),
        ("sector size", geometry.sector_size().to_string()),
        (
            "sectors",
            (geometry.length.wrapping_shr(geometry.sector_bits)).to_string(),
        ),
        ("state", state(geometry).to_owned()),
    ];
    if let percent @ 1..=100 = geometry.percent {
        facts.push(("percent in use", percent.to_string()));
    }
    if let Some(guid) = &core.entries.guid {
        facts.push(("volume GUID", guid.clone()));
    }
    facts
}

fn state(geometry: &Geometry) -> &'static str {
    match (geometry.is_dirty, geometry.has_failed) {
        (false, false) => "clean",
        (true, false) => "not clean",
        (false, true) => "clean, with media failures",
        (true, true) => "not clean, with media failures",
    }
}

/// Bytes in use by the allocation bitmap, where that is small: an image is described whenever it is
/// opened.
fn allocated(core: &Core<'_>) -> Option<u64> {
    if core.geometry.clusters / 8 > BITMAP {
        return None;
    }
    let count = Bitmap::of(core).and_then(|bitmap| bitmap.count(&Request::new(0)));
    let bytes = u64::from(core.geometry.cluster_size());
    Some(bytes.saturating_mul(count.ok()?.into()))
}

/// The volume that a description looks at.
struct Borrowed<'a>(&'a dyn Source);

impl Source for Borrowed<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.0.extent_at(offset)
    }
}
