//! The table of contents of a private region: where in it the database is.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::header::{self, Header, Region};
use super::layout::{BLOCK, CONFIG, CONTENTS, Contents, ContentsRegion};
use crate::error::{Error, Result, ResultExt};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Where copies usually are, in sectors of the private region: at its start, and before the private
/// header at its end.
const USUAL: [u64; 4] = [1, 2, 2045, 2046];

const _: () = assert!(size_of::<Contents>() == 0x68);

/// Where the database of the disk with `header` lies: by the newest table of contents that is whole.
/// What is wrong with others goes to `damage`.
///
/// # Errors
/// `Corrupt` where none is whole: what is wrong with the first.
pub(super) fn database(
    source: &dyn Source,
    header: &Header,
    ignore_checksums: bool,
    damage: &mut Vec<Error>,
) -> Result<Region> {
    let mut sectors: Vec<u64> = header.contents.into_iter().chain(USUAL).collect();
    sectors.sort_unstable();
    sectors.dedup();
    let mut newest: Option<(u64, Region)> = None;
    let mut errors = Vec::new();
    for at in sectors.iter().filter_map(|it| header.private_sector(*it)) {
        match read(source, at, header, ignore_checksums) {
            None => {}
            Some(Ok(found)) => newest = newest.max_by_sequence(found),
            Some(Err(error)) => errors.push(error),
        }
    }
    match newest {
        Some((_, region)) => {
            damage.append(&mut errors);
            Ok(region)
        }
        None if errors.is_empty() => {
            let error = Error::corrupt("there is no table of contents (TOCBLOCK)");
            Err(error.at(header.private.start))
        }
        None => Err(errors.swap_remove(0)),
    }
}

/// The newer of two.
trait Newest {
    fn max_by_sequence(self, other: (u64, Region)) -> Self;
}

impl Newest for Option<(u64, Region)> {
    fn max_by_sequence(self, other: (u64, Region)) -> Self {
        match self {
            Some(known) if known.0 >= other.0 => Some(known),
            _ => Some(other),
        }
    }
}

/// The sequence number of the table at byte `at` of the disk, and its database's place; `None` where
/// there is no table.
fn read(
    source: &dyn Source,
    at: u64,
    header: &Header,
    ignore_checksums: bool,
) -> Option<Result<(u64, Region)>> {
    let bytes = read_vec(source, at, BLOCK).ok()?;
    let (contents, _) = Contents::read_from_prefix(&bytes).ok()?;
    if contents.signature != *CONTENTS {
        return None;
    }
    let checked = header::check(&bytes, "checksum", ignore_checksums);
    let region = checked.and_then(|()| config(&contents, header, at));
    let found = region.map(|region| (contents.update_sequence.get(), region));
    let found = found.map_err(|error| error.at(at));
    Some(found.context(|| "TOCBLOCK"))
}

/// The region with the database, as `contents` at byte `at` lists it.
fn config(contents: &Contents, header: &Header, at: u64) -> Result<Region> {
    let list = at.saturating_add(to_u64(offset_of!(Contents, regions)));
    let mut regions = contents.regions.iter().zip(0_u64..);
    let found = regions.find(|(region, _)| region.name == *CONFIG);
    let none = || Error::corrupt("it lists no region \"config\"").at(list);
    let (found, index) = found.ok_or_else(none)?;
    let (first, count) = (found.start.get(), found.size.get());
    let outside = || {
        let size = header.private.size;
        let text = format!("config, {count} sectors from {first} on, is not in the private region");
        let field = match header.private_sector(first) {
            None => offset_of!(ContentsRegion, start),
            Some(_) => offset_of!(ContentsRegion, size),
        };
        let skip = index.saturating_mul(to_u64(size_of::<ContentsRegion>()));
        let at = list.saturating_add(skip).saturating_add(to_u64(field));
        Error::corrupt(format!("{text} of {size} bytes")).at(at)
    };
    let last = first.checked_add(count).and_then(|end| end.checked_sub(1));
    let last = last.filter(|_| count > 0).ok_or_else(outside)?;
    let start = header.private_sector(first).ok_or_else(outside)?;
    let end = header.private_sector(last).ok_or_else(outside)?;
    let size = end.saturating_sub(start).saturating_add(header.sector);
    Ok(Region { start, size })
}
