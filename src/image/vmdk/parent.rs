//! The parent of a delta disk. "Virtual Disk Format 5.0", section "The Header" of the descriptor:
//! `parentFileNameHint` says where it is, and `parentCID` what its CID was when the child was made.
//!
//! A parent whose CID has changed was written since, and the child's grains lie on another disk than
//! the one they were made for. Bytes would be wrong and nothing would show it; so that is refused, as
//! VMware and QEMU do, and only who wants it gets it.

use super::descriptor::Descriptor;
use super::voice::Voice;
use super::{Head, hosted, names};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::Context;
use crate::source::{SharedSource, Source};

/// The parent's disk; `None` for a disk without one.
///
/// # Errors
/// `Corrupt` where its name is missing or its CID is another one; as [`Context::disk`].
pub(super) fn open(descriptor: &Descriptor, context: &Context) -> Result<Option<SharedSource>> {
    let hint = descriptor.get("parentfilenamehint");
    let hint = hint.filter(|hint| !hint.is_empty());
    let (cid, hint) = match (descriptor.parent_cid()?, hint) {
        (None, None) => return Ok(None),
        (None, Some(hint)) => match descriptor.get("parentcid") {
            Some(_) => return Ok(None), // ffffffff: there is none, whatever is hinted.
            None => (None, hint),
        },
        (Some(cid), Some(hint)) => (Some(cid), hint),
        (Some(cid), None) => {
            let text = format!("parentCID {cid:08x} and no parentFileNameHint");
            return Err(Error::corrupt(text));
        }
    };
    let names = names::candidates(descriptor, hint, &Voice::of(context));
    let shown = || format!("parent {}", printable(hint));
    let opened = names::first(&names, |name| {
        let file = context.file(name)?;
        check_cid(cid, &*file, context)?;
        context.disk(name, Some("vmdk"))
    });
    let disk = opened.context(shown)?;
    Ok(Some(disk.source))
}

fn check_cid(expected: Option<u32>, parent: &dyn Source, context: &Context) -> Result<()> {
    let found = descriptor(parent)?.cid()?;
    if expected.is_some() && expected == found {
        return Ok(());
    }
    let shown = |cid: Option<u32>| cid.map_or("missing".to_owned(), |cid| format!("{cid:08x}"));
    let text = format!(
        "parentCID is {} and the parent's CID {}: it was changed after this disk was made from it",
        shown(expected),
        shown(found)
    );
    if context.options.ignore_checksums {
        Voice::of(context).say(&text);
        return Ok(());
    }
    Err(Error::corrupt(text).hint("--ignore-checksums reads it all the same"))
}

/// The descriptor of the disk in `source`.
///
/// # Errors
/// `Corrupt` where it is no disk, or an extent without a descriptor; as the descriptor's own.
pub(super) fn descriptor(source: &dyn Source) -> Result<Descriptor> {
    let found = match Head::of(source)? {
        Some(Head::Text) => Some(Descriptor::read_file(source)?),
        Some(Head::Hosted) => hosted::descriptor(source, &hosted::header(source)?)?,
        _ => None,
    };
    found.ok_or_else(|| Error::corrupt("it has no VMDK descriptor"))
}
