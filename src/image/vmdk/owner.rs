//! An extent that was opened by itself: which descriptor beside it names it.

use super::voice::Voice;
use super::{names, parent};
use crate::error::{Error, printable};
use crate::format::Context;

/// Descriptors that are looked into at most.
const MOST_LOOKED_AT: usize = 64;

/// The refusal of an extent, naming the file to open instead, if one is found.
pub(super) fn refuse(context: &Context) -> Error {
    let error = Error::unsupported("it is an extent of a disk and not the disk");
    match find(context) {
        Some(name) => error.hint(format!("{} names it: open that", printable(&name))),
        None => error.hint(
            "the descriptor that names it is not beside it; \
             --format vmdk shows this extent by itself",
        ),
    }
}

/// The refusal of a change tracking file, which holds no bytes of a disk.
pub(super) fn refuse_change_tracking(context: &Context) -> Error {
    let error = Error::unsupported("it is a change tracking file and not a disk");
    let own = &context.origin.name;
    let end = own.len().saturating_sub(b"-ctk.vmdk".len());
    match own.split_at_checked(end) {
        Some((stem, b"-ctk.vmdk")) if !stem.is_empty() => {
            let disk = printable(stem);
            error.hint(format!("{disk}.vmdk is the disk"))
        }
        _ => error,
    }
}

fn find(context: &Context) -> Option<Vec<u8>> {
    let own = context.origin.name.as_slice();
    let mut beside = context.neighbours.names().ok()?;
    beside.retain(|name| name != own && is_vmdk(name));
    // The descriptor of `disk-s001.vmdk` is `disk.vmdk`: who shares most with it comes first.
    beside.sort_by_key(|name| (std::cmp::Reverse(shared(name, own)), name.len()));
    let names_it = |name: &&Vec<u8>| {
        let file = context.file(name).ok()?;
        let descriptor = parent::descriptor(&*file).ok()?;
        let mut extents = descriptor.extents.iter();
        let names = |extent: &[u8]| {
            let all = names::candidates(&descriptor, extent, &Voice::default());
            all.iter().any(|name| names::last_part(name) == own)
        };
        extents.any(|extent| names(&extent.name)).then_some(())
    };
    let mut looked_at = beside.iter().take(MOST_LOOKED_AT);
    looked_at.find(|name| names_it(name).is_some()).cloned()
}

fn is_vmdk(name: &[u8]) -> bool {
    let end = name.len().saturating_sub(b".vmdk".len());
    let suffix = name.get(end..).unwrap_or(&[]);
    suffix.eq_ignore_ascii_case(b".vmdk")
}

/// How many bytes both begin with.
fn shared(name: &[u8], other: &[u8]) -> usize {
    let pairs = name.iter().zip(other);
    pairs.take_while(|(own, other)| own == other).count()
}
