//! VirtualBox's disk images: dynamic, fixed and differencing, blocks of any size, found through one
//! map that lies behind the header.

mod header;
mod layout;
mod map;
mod parent;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::header::Type;
use self::map::Blocks;
use super::Open;
use crate::error::{Error, Result, ResultExt};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::mapped::Mapped;
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "vdi",
    claim,
    describe,
    open,
};

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let (offset, magic) = layout::SIGNATURE;
    if source.size() < offset.saturating_add(8) {
        return Ok(None);
    }
    let found = read_vec(source, offset, magic.len())?;
    Ok((found == magic).then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(header) = header::read(source) else {
        return Ok(Description::default());
    };
    let (major, minor) = header.version;
    let mut description = Description {
        uuid: Some(header.own.to_string()),
        features: vec![header.image_type.name().to_owned()],
        facts: vec![
            ("version", format!("{major}.{minor}")),
            ("block size", header.block_size.to_string()),
        ],
        allocated: Some(header.allocated.saturating_mul(header.block_size)),
        ..Description::default()
    };
    if !header.comment.is_empty() {
        description.label = Some(header.comment);
    }
    if header.image_type == Type::Differencing {
        let wanted = format!("UUID {}", header.parent);
        description.second_files.push(wanted.into_bytes());
    }
    Ok(description)
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let header = header::read(&**source)?;
    let parent = match header.image_type {
        Type::Differencing => Some(parent::open(&header, context).context(|| "parent")?.source),
        _ => None,
    };
    let map = Blocks {
        header,
        source: source.clone(),
    };
    let mapped = Mapped::new(map, vec![source.clone()], parent, context.cache.clone());
    Ok(vec![Disk::alone(Arc::new(mapped))])
}
