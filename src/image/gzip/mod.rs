//! gzip (RFC 1952): one member or several, what pigz, bgzip and mgzip write, read from anywhere.
//!
//! bgzip and mgzip note the size of every member in its header, so that the members can be found
//! without decoding them; each is a point to start from. In everything else points are put between
//! the blocks of deflate: 32 KiB of window, the bits of a byte that are left over, and the CRC-32
//! so far, so that the checksum of a member is checked wherever its end is reached.

mod inflate;
mod member;
#[cfg(test)]
mod tests;

use self::inflate::Gzip;
use self::member::Header;
use super::Open;
use super::stream::{self, Size, Stream};
use crate::error::{Error, Result, printable};
use crate::format::{Context, Description, Disk, Format, Set};
use crate::number::to_u64;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "gzip",
    claim,
    describe,
    open,
};

/// What one byte can unpack to at most: a length of 258 in two bits.
const MOST_RATIO: u64 = 1032;

const SUFFIXES: [(&str, &str); 5] = [
    (".gz", ""),
    (".tgz", ".tar"),
    (".taz", ".tar"),
    (".bgz", ""),
    (".z", ""),
];

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let mut start = [0; member::LEN];
    if source.size() < to_u64(start.len()) {
        return Ok(None);
    }
    source.read_exact_at(&mut start, 0)?;
    Ok(member::is_start(&start).then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(Some(header)) = Header::at(source, 0) else {
        return Ok(Description::default());
    };
    let mut description = Description::default();
    if let Some(kind) = header.kind() {
        description.facts.push(("variant", kind.to_owned()));
    }
    if !header.name.is_empty() {
        let name = printable(&header.name);
        description.facts.push(("original name", name));
    }
    Ok(description)
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let (known, size) = match member::walk(source, context)? {
        Some((known, size)) => (known, Size::Exact(size)),
        None => (Vec::new(), last_size(&**source)?),
    };
    let stream = Stream {
        format: "gzip",
        codec: Box::new(Gzip::new(source.clone())),
        known,
        size,
        most: source.size().saturating_mul(MOST_RATIO),
    };
    stream::open(stream, source, &SUFFIXES, context)
}

/// ISIZE of the last member, which the file ends with. A CRC and an ISIZE of zeros are padding.
fn last_size(source: &dyn Source) -> Result<Size> {
    let end = source.size();
    if source.end_is_far() || end < 18 {
        return Ok(Size::Unknown);
    }
    let mut trailer = [0; 8];
    source.read_exact_at(&mut trailer, end.saturating_sub(8))?;
    let [_, _, _, _, a, b, c, d] = trailer;
    Ok(match trailer {
        [0, 0, 0, 0, 0, 0, 0, 0] => Size::Unknown,
        _ => Size::Low(u32::from_le_bytes([a, b, c, d])),
    })
}
