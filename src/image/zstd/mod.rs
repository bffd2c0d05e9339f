//! Zstandard files: an image in one frame or many, read where it lies.
//!
//! Frames are known from the seek table of a seekable file, or by going from block to block at
//! open. Inside a frame points are put as it is unpacked: see [`dictionary`].

mod bits;
mod codec;
mod contents;
mod dictionary;
mod entropy;
mod frame;
mod fse;
mod layout;
mod open_frame;
mod predefined;
mod sections;
mod seek_table;
mod stored;
#[cfg(test)]
mod tests;
mod trail;

use self::codec::Frames;
use self::contents::magic;
use self::frame::Header;
use self::layout::{MAGIC, SKIPPABLE};
use super::Open;
use super::stream::{self, Size, Stream};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::streamed::Point;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "zstd",
    claim,
    describe,
    open,
};

/// Skippable frames that may stand before the first real one.
const MOST_SKIPPED: usize = 16;

/// Where the first real frame starts.
fn first_frame(source: &dyn Source) -> Result<Option<u64>> {
    let mut at = 0_u64;
    for _ in 0..MOST_SKIPPED {
        match magic(source, at)? {
            Some((MAGIC, _)) => return Ok(Some(at)),
            Some((skippable, size)) if skippable & !0xf == SKIPPABLE => {
                at = at.saturating_add(8).saturating_add(u64::from(size));
            }
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
    if let Some(at) = first_frame(source)? {
        let header = Header::read(source, at)?;
        let window = format!("{} bytes", header.window);
        description.facts.push(("window", window));
        if header.checksum {
            description.features.push("checksum".to_owned());
        }
    }
    Ok(description)
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let contents = match seek_table::read(&**source)? {
        Some(contents) => contents,
        None => stored::walk(source, context)?,
    };
    if let Some(at) = contents.cut {
        let text = format!("zstd: the file is cut off or damaged in the block at byte {at:#x}");
        context.notices.add(text);
    }
    if let Some(at) = contents.trailing {
        let text = format!("zstd: what follows byte {at:#x} is no frame and is left out");
        context.notices.add(text);
    }
    let room = context.room.take_large(contents.memory())?;
    let known = contents.starts.iter().map(|start| Point {
        output: start.output,
        input: start.input,
        state: Vec::new(),
    });
    let stream = Stream {
        format: FORMAT.name,
        known: known.collect(),
        size: match contents.is_bound {
            true => Size::Unknown,
            false => Size::Exact(contents.output),
        },
        most: contents.output,
        codec: Box::new(Frames::new(source.clone(), contents, room)),
    };
    stream::open(
        stream,
        source,
        &[(".zst", ""), (".zstd", ""), (".tzst", ".tar")],
        context,
    )
}
