//! Targets of symbolic links: they lie behind the inode.

use super::core::Core;
use super::inode::InodeRecord;
use super::metadata::Place;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::to_usize;
use crate::source::zeroed;

/// Bytes of a target, as for the kernel: a page. An inode that says more is none.
pub(super) const MOST: u64 = 4096;

/// The target at `place` of the link `inode`.
///
/// # Errors
/// `Corrupt` for a target that cannot be one; what makes its metadata unreadable.
pub(super) fn target(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    place: Place,
) -> Result<Vec<u8>> {
    let what = || format!("inode {}", inode.number);
    if inode.size == 0 {
        let error = Error::corrupt("symlink_size 0");
        return Err(inode.blame(core, error).context(what()));
    }
    let mut target = zeroed(to_usize(inode.size))?; // at most MOST
    let mut reader = core.metadata.reader(request, place);
    reader.read(&mut target).context(what)?;
    if target.contains(&0) {
        let error = Error::corrupt("a NUL in the target");
        return Err(reader.began().blame(error).context(what()));
    }
    Ok(target)
}
