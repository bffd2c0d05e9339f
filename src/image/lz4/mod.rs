//! LZ4 files: an image in frames of blocks that are packed one by one.
//!
//! Independent blocks, which is what the `lz4` command makes unless told otherwise, are packed
//! units of a map. Linked ones are a stream.

mod blocks;
mod header;
mod independent;
mod layout;
mod length;
mod linked;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::blocks::{Blocks, magic};
use self::header::Header;
use self::independent::Independent;
use self::layout::{LEGACY, MAGIC, SKIPPABLE};
use self::linked::Linked;
use super::Open;
use super::stream::{self, Size, Stream};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::mapped::Mapped;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "lz4",
    claim,
    describe,
    open,
};

/// What the name of the file ends in.
const SUFFIXES: &[(&str, &str)] = &[(".lz4", "")];

/// Skippable frames that may stand before the first real one.
const MOST_SKIPPED: usize = 16;

/// Where the first real frame starts, and its magic number.
fn first_frame(source: &dyn Source) -> Result<Option<(u64, u32)>> {
    let mut at = 0_u64;
    for _ in 0..MOST_SKIPPED {
        match magic(source, at)? {
            Some((skippable, size)) if skippable & !0xf == SKIPPABLE => {
                at = at.saturating_add(8).saturating_add(u64::from(size));
            }
            Some((found @ (MAGIC | LEGACY), _)) => return Ok(Some((at, found))),
            _ => break,
        }
    }
    Ok(None)
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(first_frame(source)?.map(|_| Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let mut description = Description::default();
    match first_frame(source)? {
        Some((at, MAGIC)) => {
            let header = Header::read(source, at)?;
            let block = format!("{} bytes", header.most_block);
            description.facts.push(("block size", block));
            let features = [
                (header.linked, "linked blocks"),
                (header.block_checksum, "block checksums"),
                (header.content_checksum, "content checksum"),
            ];
            for (_, name) in features.iter().filter(|(there, _)| *there) {
                description.features.push((*name).to_owned());
            }
        }
        _ => description.features.push("legacy".to_owned()),
    }
    Ok(description)
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let blocks = Blocks::read(&**source, &context.room)?;
    if let Some(at) = blocks.cut {
        context.notices.add(format!(
            "lz4: the file is cut off in the block at byte {at:#x}"
        ));
    }
    if let Some(at) = blocks.trailing {
        context.notices.add(format!(
            "lz4: what follows byte {at:#x} is no frame and is left out"
        ));
    }
    if blocks.are_linked() {
        let stream = Stream {
            format: FORMAT.name,
            known: linked::known(&blocks),
            size: Size::Exact(blocks.size),
            most: blocks.size,
            codec: Box::new(Linked::new(source.clone(), blocks)),
        };
        return stream::open(stream, source, SUFFIXES, context);
    }
    let map = Independent::new(source.clone(), blocks);
    let unpacked = Mapped::new(map, vec![source.clone()], None, context.cache.clone());
    let name = context.origin.name.as_slice();
    let inside = name.strip_suffix(b".lz4").unwrap_or(name);
    context.inside(Arc::new(unpacked), inside, None)
}
