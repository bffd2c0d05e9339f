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
    let (mut block, mut start) = (directory.start, 0);
    let mut stop = u64::MAX;
    if let Some((count, place)) = directory.index {
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
            if &*first > name {
                stop = raw.index.get().into();
                break;
            }
            (block, start) = (raw.start_block.get(), raw.index.get().into());
        }
    }
    let mut listing = Listing::from(core, request, (inode, directory), block, start)?;
    listing.stop_at(stop);
    Ok(listing)
}
