//! The parent of a differencing image, which is named by its UUID alone.

use super::header::{self, Header, Uuid};
use crate::error::{Error, Result, printable};
use crate::format::{Context, Disk};

/// How many neighbours are looked into.
const MOST_LOOKED_AT: usize = 256;

/// The disk that `header`'s image stands on.
pub(super) fn open(header: &Header, context: &Context) -> Result<Disk> {
    let wanted = header.parent;
    if wanted == Uuid::NIL || wanted == header.own {
        let text = format!("uuidLinkage {wanted} is no other image");
        return Err(Error::corrupt(text));
    }
    for name in candidates(wanted, context)? {
        if let Some(parent) = looked_at(&name, context)
            && parent.own == wanted
        {
            check_unchanged(header, &parent, &name, context)?;
            return context.disk(&name, Some("vdi"));
        }
    }
    let text = format!("the parent image, a .vdi with the UUID {wanted}, is not beside this one");
    Err(Error::not_found(text).hint("put it there, or link it there by `ln`"))
}

/// The names beside the image that may be the parent's, those that VirtualBox gives snapshots first.
fn candidates(wanted: Uuid, context: &Context) -> Result<Vec<Vec<u8>>> {
    let mut names = context.neighbours.names()?;
    names.retain(|name| is_vdi(name) && *name != context.origin.name);
    let named = wanted.to_string();
    names.sort_by_key(|name| !String::from_utf8_lossy(name).contains(&named));
    if names.len() > MOST_LOOKED_AT {
        let count = names.len();
        context.notices.add(format!(
            "vdi: the parent is looked for in {MOST_LOOKED_AT} of {count} neighbours"
        ));
        names.truncate(MOST_LOOKED_AT);
    }
    Ok(names)
}

fn is_vdi(name: &[u8]) -> bool {
    let ending = name
        .len()
        .checked_sub(4)
        .and_then(|start| name.get(start..));
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case(b".vdi"))
}

/// The header of the neighbour `name`; one that is no sound VDI is not the parent.
fn looked_at(name: &[u8], context: &Context) -> Option<Header> {
    let file = context.file(name).ok()?;
    super::claim(&*file).ok().flatten()?;
    header::read(&*file).ok()
}

/// A parent that was written since the child was made shows a mixture of both.
fn check_unchanged(child: &Header, parent: &Header, name: &[u8], context: &Context) -> Result<()> {
    let (expected, found) = (child.parent_modified, parent.modified);
    if expected == Uuid::NIL || expected == found {
        return Ok(());
    }
    let name = printable(name);
    let text =
        format!("the parent {name} was changed since: its uuidModify is {found}, not {expected}");
    if context.options.ignore_checksums {
        context.notices.add(format!("vdi: {text}"));
        return Ok(());
    }
    Err(Error::corrupt(text).hint("--ignore-checksums reads it all the same"))
}
