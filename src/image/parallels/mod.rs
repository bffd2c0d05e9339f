//! Parallels' disks: an expanding image by itself, or the descriptor of a bundle of images.

mod descriptor;
mod expanding;
mod layout;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::descriptor::{Descriptor, Storage};
use self::expanding::{Expanding, is_expanding};
use super::{Open, xml};
use crate::error::{Error, Result, ResultExt, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::window::Window;
use crate::source::{SharedSource, Source, joined};

pub(super) const FORMAT: Format<Open> = Format {
    name: "parallels",
    claim,
    describe,
    open,
};

/// How many snapshots are listed.
const MOST_LISTED: usize = 100;

/// How far the root element may be from the start: a declaration and comments are before it.
const START: u64 = 4096;

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let claimed = is_expanding(source)? || is_descriptor(source)?;
    Ok(claimed.then_some(Set::Alone))
}

fn is_descriptor(source: &dyn Source) -> Result<bool> {
    let root = b"<Parallels_disk_image";
    if xml::start(source, 5)?.first() != Some(&b'<') {
        return Ok(false);
    }
    let start = xml::start(source, START)?;
    Ok(start.windows(root.len()).any(|window| window == root))
}

fn describe(source: &dyn Source) -> Result<Description> {
    if !is_expanding(source)? {
        let text = xml::text(source).unwrap_or_default();
        let files = descriptor::files(&text).unwrap_or_default().into_iter();
        let mut snapshots = descriptor::snapshots(&text).unwrap_or_default();
        snapshots.truncate(MOST_LISTED);
        return Ok(Description {
            features: vec!["bundle".to_owned()],
            facts: match snapshots.as_slice() {
                [] => Vec::new(),
                snapshots => vec![("snapshots", snapshots.join(", "))],
            },
            second_files: files.map(String::into_bytes).collect(),
            ..Description::default()
        });
    }
    let Ok(header) = Expanding::read(source) else {
        return Ok(Description::default());
    };
    Ok(Description {
        features: vec!["expanding".to_owned()],
        facts: vec![("cluster size", header.cluster.to_string())],
        allocated: header.allocated(source),
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let snapshot = context.options.snapshot.as_deref();
    if is_expanding(&**source)? {
        if let Some(wanted) = snapshot {
            let wanted = printable(wanted.as_bytes());
            let text = format!("--snapshot {wanted}: one file of a bundle has no snapshots");
            return Err(Error::invalid(text).hint("the bundle's DiskDescriptor.xml has"));
        }
        let disk = expanding(source, None, context)?;
        return Ok(vec![named(disk, 512)]);
    }
    let text = xml::text(&**source)?;
    let descriptor = descriptor::read(&text, snapshot)?;
    let sector_size = descriptor.sector_size;
    Ok(vec![named(bundle(&descriptor, context)?, sector_size)])
}

fn named(source: SharedSource, sector_size: u32) -> Disk {
    Disk {
        name: "disk".to_owned(),
        source,
        sector_size,
    }
}

fn expanding(
    source: &SharedSource,
    parent: Option<SharedSource>,
    context: &Context,
) -> Result<SharedSource> {
    let header = Expanding::read(&**source)?;
    if header.in_use {
        let text = "parallels: the image was in use when it was copied, or still is";
        context.notices.add(text);
    }
    Ok(header.disk(source, parent, context))
}

/// The disk that the storages make up.
fn bundle(descriptor: &Descriptor, context: &Context) -> Result<SharedSource> {
    let storages = descriptor.storages.iter();
    let parts: Result<Vec<_>> = storages.map(|it| storage(it, context)).collect();
    let disk = joined::join(parts?, context.cache.clone())?;
    let size = descriptor.sectors.saturating_mul(512);
    match disk.size() == size {
        true => Ok(disk),
        false => Err(Error::corrupt("the storages are not as large as the disk")),
    }
}

fn storage(storage: &Storage, context: &Context) -> Result<SharedSource> {
    let mut below: Option<SharedSource> = None;
    for image in &storage.images {
        let name = image.file.as_bytes();
        let file = context.file(name)?;
        let opened = match image.plain {
            true => Ok(file),
            false => expanding(&file, below.take(), context),
        };
        below = Some(opened.context(|| printable(name))?);
    }
    let disk = below.ok_or_else(|| Error::corrupt("a Storage without an Image"))?;
    let size = storage
        .end
        .saturating_sub(storage.start)
        .saturating_mul(512);
    if disk.size() < size {
        let (has, start) = (disk.size(), storage.start);
        let text = format!("the storage from sector {start} has {has} bytes, not {size}");
        return Err(Error::corrupt(text));
    }
    Ok(Arc::new(Window::new(disk, 0, size)?))
}
