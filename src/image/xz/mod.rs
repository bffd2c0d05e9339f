//! An xz file: streams of blocks, each with an index of them (The .xz File Format, version 1.2.1).
//!
//! The index makes every block a place to start from. Within a block, which may be the whole disk,
//! the decoder's own state is kept here and there.

mod block;
mod check;
mod decoder;
mod filter;
mod header;
mod index;
mod input;
mod layout;
mod lzma2;
mod stream;
#[cfg(test)]
mod tests;
mod vli;

use std::sync::Arc;

use self::check::Check;
use self::decoder::Xz;
use self::header::Header;
use self::stream::Blocks;
use super::Open;
use super::stream::{Size, Stream};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::streamed::Point;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "xz",
    claim,
    describe,
    open,
};

/// Names of compressed files, and of what is in them.
const SUFFIXES: &[(&str, &str)] = &[(".xz", ""), (".txz", ".tar")];

/// Blocks that are kept as points at most.
const MOST_POINTS: u64 = 1 << 16;
/// Bytes that one takes where it is kept, with its share of a tree's node.
const POINT: usize = 64;
/// Bytes between two points at least, which is the least that is decoded at once.
const SPACING: u64 = 256 << 10;

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if source.size() < layout::EDGE {
        return Ok(None);
    }
    let mut magic = [0; 6];
    source.read_exact_at(&mut magic, 0)?;
    Ok((magic == layout::HEADER_MAGIC).then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let blocks = stream::find(source)?;
    let mut facts = vec![
        ("streams", blocks.streams().to_string()),
        ("blocks", blocks.len().to_string()),
        ("unpacked", format!("{} bytes", blocks.size)),
    ];
    if let Some((first, _)) = blocks.get(0) {
        let header = Header::read(source, first.input)?;
        facts.push(("filters", header.names()));
        facts.push(("dictionary", format!("{} bytes", header.dictionary)));
    }
    let checks = blocks.checks().into_iter().map(Check::name);
    Ok(Description {
        features: checks.collect(),
        facts,
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let blocks = Arc::new(stream::find(&**source)?);
    if let Some((first, _)) = blocks.get(0) {
        Header::read(&**source, first.input)?.filters()?;
    }
    for check in blocks.checks() {
        if let Check::Other(..) = check {
            let name = check.name();
            let text = format!("the check is {name}, and what it protects is not verified");
            context.notices.add(text);
        }
    }
    let known = points(&blocks);
    let of_points = known.len().saturating_mul(POINT);
    let room = context.room.take(blocks.memory().saturating_add(of_points));
    let stream = Stream {
        format: FORMAT.name,
        known,
        size: Size::Exact(blocks.size),
        most: u64::MAX,
        codec: Box::new(Xz {
            source: source.clone(),
            blocks,
            _room: room?,
        }),
    };
    super::stream::open(stream, source, SUFFIXES, context)
}

/// The beginnings of blocks. Of very many small ones only some: a decoder goes on through the rest.
fn points(blocks: &Blocks) -> Vec<Point> {
    let spacing = SPACING.max(blocks.size / MOST_POINTS);
    let mut points: Vec<Point> = Vec::new();
    for block in blocks.iter() {
        let last = points.last().map_or(0, |point| point.output);
        if block.output.saturating_sub(last) >= spacing {
            points.push(Point {
                output: block.output,
                input: block.input,
                state: Vec::new(),
            });
        }
    }
    points
}
