//! The bytes of a file's directory entries, which may go on in another cluster (6.3).

use super::core::Core;
use super::handle::{ENTRY, Handle};
use super::kind;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::filesystem::chain::{FIRST, Link, Table, Window};
use crate::number::{to_u64, to_usize};
use crate::source::zeroed;

/// Entries that are read at once: those of a name of up to fifteen units.
const USUAL: u64 = 3;

/// What the file is called in messages.
pub(super) fn context(handle: Handle) -> String {
    format!("inode {}", handle.inode().0)
}

/// The File entry at `handle` and as many behind it as it says.
///
/// # Errors
/// `Corrupt` where it is no File entry, or the directory ends before the last; as for reading.
pub(super) fn read(core: &Core<'_>, request: &Request, handle: Handle) -> Result<Vec<u8>> {
    let read = || {
        let (_, skip) = start(core, handle)?;
        let left = u64::from(core.geometry.cluster_size()).saturating_sub(skip.into());
        let mut bytes = zeroed(to_usize(left.min(USUAL.saturating_mul(ENTRY))))?;
        core.source.read_exact_at(&mut bytes, handle.place)?;
        let (Some(kind), Some(count)) = (bytes.first(), bytes.get(1)) else {
            return Err(Error::corrupt("too short"));
        };
        if *kind != kind::FILE {
            return Err(Error::corrupt(format!("EntryType {kind:#04x} is no file")));
        }
        let count = *count;
        let len = u64::from(count).saturating_add(1).saturating_mul(ENTRY);
        let known = bytes.len();
        bytes.resize(to_usize(len), 0);
        if let Some(rest) = bytes.get_mut(known..) {
            let what = || format!("SecondaryCount {count}");
            read_on(core, request, handle, known, rest).context(what)?;
        }
        Ok(bytes)
    };
    read().map_err(|error| error.at(handle.place))
}

/// The cluster of `handle`, and the byte in it.
fn start(core: &Core<'_>, handle: Handle) -> Result<(u32, u32)> {
    let start = core.geometry.cluster_at(handle.place);
    start.ok_or_else(|| Error::invalid(format!("no file has the number {}", handle.inode().0)))
}

/// Fills `rest` with what is `known` bytes behind `handle`, cluster by cluster.
fn read_on(
    core: &Core<'_>,
    request: &Request,
    handle: Handle,
    known: usize,
    rest: &mut [u8],
) -> Result<()> {
    let size = u64::from(core.geometry.cluster_size());
    let (mut cluster, skip) = start(core, handle)?;
    let mut skip = u64::from(skip).saturating_add(to_u64(known));
    let mut left = rest;
    while !left.is_empty() {
        if skip >= size {
            cluster = next(core, request, handle, cluster)?;
            skip = skip.saturating_sub(size);
        }
        let len = to_u64(left.len()).min(size.saturating_sub(skip));
        let (part, behind) = left.split_at_mut(to_usize(len));
        let place = core.geometry.place(cluster).saturating_add(skip);
        core.source.read_exact_at(part, place)?;
        skip = skip.saturating_add(len);
        left = behind;
    }
    Ok(())
}

/// The cluster behind `cluster` in the directory of `handle`.
fn next(core: &Core<'_>, request: &Request, handle: Handle, cluster: u32) -> Result<u32> {
    let end = core.geometry.end();
    let next = match handle.contiguous {
        true => Link::To(cluster.saturating_add(1)),
        false => core.fat.link(request, &mut Window::default(), cluster)?,
    };
    match next {
        Link::To(next) if (FIRST..end).contains(&next) => Ok(next),
        _ => Err(Error::corrupt(
            "the set goes on past the end of the directory",
        )),
    }
}
