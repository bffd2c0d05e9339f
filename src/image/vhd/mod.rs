//! VHD, the disks of Virtual PC, older Hyper-V and Azure: the bytes of a disk and a footer, or blocks
//! that are found through a table. Microsoft, "Virtual Hard Disk Image Format Specification", 2006.

mod describe;
mod disk;
mod dynamic;
mod footer;
mod layout;
mod parent;

use std::sync::Arc;

use self::dynamic::Dynamic;
use self::footer::{Footer, Kind};
use super::Open;
use crate::error::{Error, Result};
use crate::format::{Context, Disk, Format, Set};
use crate::source::mapped::Mapped;
use crate::source::window::Window;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "vhd",
    claim,
    describe: describe::describe,
    open,
};

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if footer::is_at_start(source)? {
        return Ok(Some(Set::Alone));
    }
    // An end that cannot be read says nothing about the rest.
    let is_trailer = !source.end_is_far() && matches!(footer::is_at_end(source), Ok(true));
    Ok(is_trailer.then_some(Set::Trailer))
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let found = footer::find(&**source, context.options.ignore_checksums)?;
    if let Some(notice) = found.notice {
        context.notices.add(format!("vhd: {notice}"));
    }
    let footer = found.footer;
    if footer.is_saved_state() {
        context
            .notices
            .add("vhd: saved_state: its machine is suspended, and may have more in its memory");
    }
    let disk = match footer.kind()? {
        Kind::Fixed => open_fixed(source, &footer)?,
        kind => open_dynamic(source, &footer, kind, context)?,
    };
    Ok(vec![Disk::alone(disk)])
}

fn open_fixed(source: &SharedSource, footer: &Footer) -> Result<SharedSource> {
    let (size, there) = (footer.size()?, footer.offset());
    if size > there {
        let text = format!("current_size {size} is over the {there} bytes before the footer");
        return Err(Error::corrupt(text)
            .at(footer.current_size_field())
            .hint("--format raw takes its bytes as the disk"));
    }
    Ok(Arc::new(Window::new(source.clone(), 0, size)?))
}

fn open_dynamic(
    source: &SharedSource,
    footer: &Footer,
    kind: Kind,
    context: &Context,
) -> Result<SharedSource> {
    let ignore = context.options.ignore_checksums;
    let mut notice = |text: &str| context.notices.add(format!("vhd: {text}"));
    let header = Dynamic::read(&**source, footer, ignore, &mut notice)?;
    let parent = match kind {
        Kind::Differencing => Some(parent::open(&header, &**source, context)?),
        _ => None,
    };
    let map = disk::Disk {
        source: source.clone(),
        header,
        size: footer.size()?,
        is_differencing: parent.is_some(),
    };
    let cache = context.cache.clone();
    Ok(Arc::new(Mapped::new(
        map,
        vec![source.clone()],
        parent,
        cache,
    )))
}
