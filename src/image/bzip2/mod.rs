//! A bzip2 file: streams of blocks that each decode by themselves (the format is described by
//! bzip2's own source and by Joe Tsai's "BZIP2: Format Specification").

mod bits;
mod block;
mod decoder;
mod measure;
#[cfg(test)]
mod tests;
mod walk;

use self::decoder::Bzip2;
use super::Open;
use super::stream::{self, Size, Stream};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "bzip2",
    claim,
    describe,
    open,
};

/// Names of compressed files, and of what is in them.
const SUFFIXES: &[(&str, &str)] = &[
    (".bz2", ""),
    (".bz", ""),
    (".tbz2", ".tar"),
    (".tbz", ".tar"),
    (".tb2", ".tar"),
];

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(walk::is_stream(source, 0)?.then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let mut header = [0; 4];
    source.read_exact_at(&mut header, 0)?;
    let [.., digit] = header;
    let digit = char::from(digit);
    Ok(Description {
        facts: vec![("block size", format!("{digit}00000 bytes"))],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    walk::first_block(&**source)?;
    let codec = Bzip2 {
        source: source.clone(),
    };
    let stream = Stream {
        format: FORMAT.name,
        codec: Box::new(codec),
        known: Vec::new(),
        size: Size::Unknown,
        most: most(source.size()),
    };
    stream::open(stream, source, SUFFIXES, context)
}

/// Bytes that a file of `packed` bytes unpacks to at most. No block takes less than 20 bytes, and of
/// its 900,000 bytes every five stand for a run of 259 at most.
fn most(packed: u64) -> u64 {
    let blocks = (packed / 20).saturating_add(1);
    blocks.saturating_mul(900_000 / 5 * 259)
}
