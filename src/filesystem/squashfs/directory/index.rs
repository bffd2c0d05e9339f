//! The index of a large directory: for each metadata block of its list, the first name of a run in
//! that block.

use super::super::core::Core;
use super::super::inode::{Directory, InodeRecord};
use super::super::layout::RawIndex;
use super::listing::Listing;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::to_usize;

/// Bytes of a name.
const MOST_NAME: usize = 256;

/// A place of the index.
struct Found {
    /// The metadata block of the run, counted from the start of the directory table.
    block: u32,
    /// The byte of the list at which the run begins.
    start: u64,
    /// The name of its first entry; empty for the first run of all.
    name: Vec<u8>,
    /// The byte of the list at which the run of the next place begins.
    stop: u64,
}

/// The entries among which `name` has to be.
///
/// # Errors
/// What makes the index unreadable.
pub(super) fn listing<'a>(
    core: &'a Core,
    request: &'a Request,
    (inode, directory): (&InodeRecord, &Directory),
    name: &[u8],
) -> Result<Listing<'a>> {
    let found = search(core, request, directory, |_, first| first > name)?;
    let Found { block, start, .. } = found;
    let mut listing = Listing::from(core, request, (inode, directory), block, start)?;
    listing.stop_at(found.stop);
    Ok(listing)
}

/// The entries from a run on that begins at byte `at` of the list or before: from the last place of
/// the index that does, or from the first run where the index is no help.
///
/// # Errors
/// As [`Listing::from`].
pub(super) fn listing_at<'a>(
    core: &'a Core,
    request: &'a Request,
    of: (&InodeRecord, &Directory),
    at: u64,
) -> Result<Listing<'a>> {
    if at > 0
        && let Ok(found) = search(core, request, of.1, |start, _| start > at)
        && let Ok(listing) = checked(core, request, of, &found)
    {
        return Ok(listing);
    }
    Listing::from(core, request, of, of.1.start, 0)
}

/// The entries from `found` on, if the first has the name that the index says.
fn checked<'a>(
    core: &'a Core,
    request: &'a Request,
    of: (&InodeRecord, &Directory),
    found: &Found,
) -> Result<Listing<'a>> {
    let open = || Listing::from(core, request, of, found.block, found.start);
    let is_first = |name: &[u8]| found.start == 0 || name == found.name;
    match open()?.next()? {
        Some(listed) if is_first(listed.name) => open(),
        _ => Err(Error::corrupt("the index is not that of the list")),
    }
}

/// The last place of the index of which, and of those before it, `is_behind` does not say by the
/// byte of the list and the name that it is too far.
fn search(
    core: &Core,
    request: &Request,
    directory: &Directory,
    is_behind: impl Fn(u64, &[u8]) -> bool,
) -> Result<Found> {
    let mut found = Found {
        block: directory.start,
        start: 0,
        name: Vec::new(),
        stop: u64::MAX,
    };
    let Some((count, place)) = directory.index else {
        return Ok(found);
    };
    let mut reader = core.metadata.reader(request, place);
    let mut first = [0; MOST_NAME];
    for number in 0..count {
        request.spend(1)?;
        let raw: RawIndex = reader.value()?;
        let len = to_usize(raw.size.get().into()).saturating_add(1);
        let began = reader.began();
        let wrong = || Error::corrupt(format!("index {number}: a name of {len} bytes"));
        let first = first.get_mut(..len).ok_or_else(|| began.blame(wrong()))?;
        reader.read(first)?;
        let start = raw.index.get().into();
        if is_behind(start, first) {
            found.stop = start;
            break;
        }
        found.block = raw.start_block.get();
        found.start = start;
        found.name.clear();
        found.name.extend_from_slice(first);
    }
    Ok(found)
}
