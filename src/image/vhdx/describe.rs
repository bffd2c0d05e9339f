//! What `info` says of a VHDX, without opening another file, and of its log only that it is there.

use super::header::Header;
use super::layout::{self, CREATOR, FILE_SIGNATURE};
use super::log_region;
use super::metadata::Metadata;
use super::region::Regions;
use super::table::Table;
use crate::error::Result;
use crate::format::Description;
use crate::number::to_u64;
use crate::source::Source;

/// Bytes of the largest table that is counted: that of 16 TiB in blocks of 32 MiB.
const MOST_TABLE: u64 = 4 << 20;

/// Describes the image `source`. What is damaged is left out: opening says so.
///
/// # Errors
/// None.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let mut found = Description::default();
    if let Ok(creator) = creator(source)
        && !creator.is_empty()
    {
        found.facts.push(("creator", creator));
    }
    let Ok(header) = Header::read(source) else {
        return Ok(found);
    };
    if !matches!(header.dirty(), Ok(None)) {
        found.features.push("dirty log".to_owned());
    }
    let regions = Regions::read(source, log_region(&header));
    if let Ok(regions) = regions
        && let Ok(metadata) = Metadata::read(source, regions.metadata)
    {
        add(&mut found, &metadata);
        let table = Table::new(regions.bat, &metadata).ok();
        found.allocated = table.and_then(|table| table.allocated(source, MOST_TABLE));
    }
    Ok(found)
}

fn add(found: &mut Description, metadata: &Metadata) {
    let kind = match (&metadata.parent, metadata.is_fixed) {
        (Some(_), _) => "differencing",
        (None, true) => "fixed",
        (None, false) => "dynamic",
    };
    found.features.insert(0, kind.to_owned());
    found.uuid = metadata.disk_id.map(|id| id.to_string());
    found
        .facts
        .push(("block size", metadata.block_size.to_string()));
    found
        .facts
        .push(("sector size", metadata.sector_size.to_string()));
    let Some(locator) = &metadata.parent else {
        return;
    };
    if let Some(linkage) = locator.linkages().into_iter().next() {
        found.facts.push(("parent linkage", linkage));
    }
    let path = locator.paths().into_iter().next();
    found
        .second_files
        .extend(path.map(|path| path.as_bytes().to_vec()));
}

/// 2.2.1: the program that made it, UTF-16 up to its first NUL.
fn creator(source: &dyn Source) -> Result<String> {
    let start = to_u64(FILE_SIGNATURE.len());
    let bytes = layout::read(source, start, CREATOR, "Creator")?;
    let units = bytes.chunks_exact(2);
    let units = units.filter_map(|unit| unit.try_into().ok().map(u16::from_le_bytes));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    Ok(String::from_utf16_lossy(&units))
}
