//! A member's header, and the way from one member to the next where their headers tell it.

use crate::error::{Error, Result};
use crate::format::Context;
use crate::number::{to_u64, to_usize};
use crate::source::streamed::{Cursor, Point, SPAN};
use crate::source::{SharedSource, Source, read_vec};

/// Bytes of a header that are always there: RFC 1952, section 2.3.
pub(super) const LEN: usize = 10;

/// Bytes of the trailer: CRC32 and ISIZE.
pub(super) const TRAILER: usize = 8;

/// FLG, section 2.3.1.
const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Bytes of a name or a comment that are read at most.
const MOST_TEXT: usize = 64 << 10;

/// Members that are looked at before they have to have a size that makes sense.
const MANY: u64 = 4096;

/// Bytes that many members must have on average.
const LEAST: u64 = 512;

/// What a header says.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Its bytes.
    pub(super) len: u64,
    /// FNAME, without its zero.
    pub(super) name: Vec<u8>,
    /// The subfield that notes the size of the member: its name and its number.
    noted: Option<([u8; 2], u64)>,
}

/// Whether a member begins with `start`: ID1, ID2, CM 8, and no flag that nobody knows.
pub(super) fn is_start(start: &[u8; LEN]) -> bool {
    let [id1, id2, method, flags, ..] = start;
    [*id1, *id2, *method] == [0x1f, 0x8b, 8] && flags & RESERVED == 0
}

impl Header {
    /// The header at `offset`; `None` where there is none.
    pub(super) fn at(source: &dyn Source, offset: u64) -> Result<Option<Self>> {
        if source.size().saturating_sub(offset) < to_u64(LEN) {
            return Ok(None);
        }
        let bytes = read_vec(source, offset, LEN)?;
        let Some(start) = bytes.first_chunk().filter(|start| is_start(start)) else {
            return Ok(None);
        };
        let [_, _, _, flags, ..] = *start;
        let mut header = Self {
            len: to_u64(LEN),
            ..Self::default()
        };
        let at = |header: &Self| offset.saturating_add(header.len);
        if flags & FEXTRA != 0 {
            let len = read_vec(source, at(&header), 2)?;
            let len = len.first_chunk().map_or(0, |len| u16::from_le_bytes(*len));
            header.len = header.len.saturating_add(2);
            let extra = read_vec(source, at(&header), usize::from(len))?;
            header.noted = noted(&extra);
            header.len = header.len.saturating_add(u64::from(len));
        }
        if flags & FNAME != 0 {
            header.name = text(source, at(&header))?;
            let len = to_u64(header.name.len()).saturating_add(1);
            header.len = header.len.saturating_add(len);
        }
        if flags & FCOMMENT != 0 {
            let comment = to_u64(text(source, at(&header))?.len());
            header.len = header.len.saturating_add(comment).saturating_add(1);
        }
        if flags & FHCRC != 0 {
            header.len = header.len.saturating_add(2);
        }
        Ok(Some(header))
    }

    /// What program's members note their size so.
    pub(super) fn kind(&self) -> Option<&'static str> {
        match self.noted?.0 {
            [b'B', b'C'] => Some("bgzf"),
            _ => Some("mgzip"),
        }
    }
}

/// The subfield of a member's size. bgzip: the specification of SAM, section 4.1, BSIZE. mgzip and
/// pgzip: their source; it is the size of all or of the deflated data only, by the version.
fn noted(extra: &[u8]) -> Option<([u8; 2], u64)> {
    let mut rest = extra;
    while let [a, b, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high]));
        let (body, next) = tail.split_at_checked(len)?;
        match ([*a, *b], body) {
            ([b'B', b'C'], [low, high]) => {
                let size = u64::from(u16::from_le_bytes([*low, *high]));
                return Some(([*a, *b], size.saturating_add(1)));
            }
            ([b'M', b'Z'] | [b'I', b'G'], [a0, a1, a2, a3]) => {
                let size = u32::from_le_bytes([*a0, *a1, *a2, *a3]);
                return Some(([*a, *b], u64::from(size)));
            }
            _ => rest = next,
        }
    }
    None
}

/// The text at `offset`, up to its zero.
fn text(source: &dyn Source, offset: u64) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    while text.len() < MOST_TEXT {
        let at = offset.saturating_add(to_u64(text.len()));
        let left = source.size().saturating_sub(at).min(256);
        let piece = read_vec(source, at, to_usize(left))?;
        let zero = piece.iter().position(|byte| *byte == 0);
        text.extend(piece.iter().take(zero.unwrap_or(piece.len())));
        if zero.is_some() {
            return Ok(text);
        }
        if piece.is_empty() {
            break;
        }
    }
    Err(Error::corrupt("a name in a gzip header has no end").at(offset))
}

/// The points of a file all of whose members note their size, and what it unpacks to; `None` where
/// they don't. What follows the last member, as padding does, is no member.
pub(super) fn walk(source: &SharedSource, context: &Context) -> Result<Option<(Vec<Point>, u64)>> {
    if source.end_is_far() {
        return Ok(None);
    }
    let (mut points, mut output, mut at) = (Vec::new(), 0_u64, 0_u64);
    let mut count = 0_u64;
    let mut last = 0;
    let work = context.progress.begin(Some(source.size()));
    while let Some(header) = Header::at(&**source, at)? {
        let Some((end, size)) = end_of(&**source, at, &header)? else {
            return Ok(None);
        };
        if output.saturating_sub(last) >= SPAN / 2 {
            last = output;
            points.push(Point {
                output,
                input: at,
                state: Vec::new(),
            });
        }
        work.advance(end.saturating_sub(at));
        output = output.saturating_add(u64::from(size));
        count = count.saturating_add(1);
        if count > MANY && end < count.saturating_mul(LEAST) {
            return Ok(None);
        }
        at = end;
    }
    Ok((at > 0).then_some((points, output)))
}

/// Where the member at `at` ends, which is where the file ends or another one begins, and its
/// ISIZE.
fn end_of(source: &dyn Source, at: u64, header: &Header) -> Result<Option<(u64, u32)>> {
    let Some((name, size)) = header.noted else {
        return Ok(None);
    };
    let all = at.saturating_add(size);
    let frame = header.len.saturating_add(to_u64(TRAILER));
    let ends = match name {
        [b'B', b'C'] => [all, all],
        _ => [all, all.saturating_add(frame)],
    };
    for end in ends {
        let inside = end <= source.size() && end >= at.saturating_add(frame);
        if inside && (end == source.size() || is_member(source, end)?) {
            let isize = read_vec(source, end.saturating_sub(4), 4)?;
            let isize = isize.first_chunk().map(|isize| u32::from_le_bytes(*isize));
            return Ok(isize.map(|isize| (end, isize)));
        }
    }
    Ok(None)
}

/// Whether a member begins at `at`, or nothing but padding is there.
fn is_member(source: &dyn Source, at: u64) -> Result<bool> {
    let len = source.size().saturating_sub(at).min(to_u64(LEN));
    let start = read_vec(source, at, to_usize(len))?;
    let padding = start.iter().all(|byte| *byte == 0);
    Ok(padding || start.first_chunk().is_some_and(is_start))
}

/// What follows in the stream.
pub(super) enum Next {
    /// A member; its header was read.
    Member,
    /// Nothing, or what is no member.
    End,
}

/// Reads a member's header from `cursor`.
pub(super) fn next(cursor: &mut Cursor, source: &dyn Source) -> Result<Next> {
    let at = cursor.position();
    match Header::at(source, at)? {
        Some(header) => {
            let end = at.saturating_add(header.len);
            if end > source.size() {
                return Err(cursor.cut_off());
            }
            cursor.seek(end);
            Ok(Next::Member)
        }
        None => Ok(Next::End),
    }
}
