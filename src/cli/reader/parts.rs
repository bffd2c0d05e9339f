//! What a volume consists of, for who copies all of it: what is as it is in a file that the other
//! process has open too, that one reads by itself.

use std::num::NonZeroU32;

use super::super::remote::protocol::{MOST_PARTS, PIECE, Part};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{ExtentKind, HostBytes, Source, resize};

/// The parts of what is told, and the bytes of those that only this process can give.
struct Told<'a> {
    parts: Vec<Part>,
    buf: &'a mut Vec<u8>,
    /// How many bytes at the start of `buf` are theirs.
    count: usize,
}

/// The parts of `source` from `offset` on, as far as up to `length` bytes of them can be told at
/// once, and how many bytes of `buf` are theirs.
///
/// # Errors
/// Those of the first part; one of a later part is met again when that is asked for.
pub(in super::super) fn parts(
    source: &dyn Source,
    offset: u64,
    length: u64,
    buf: &mut Vec<u8>,
) -> Result<(Vec<Part>, usize)> {
    let end = offset.saturating_add(length).min(source.size());
    let mut told = Told {
        parts: Vec::new(),
        buf,
        count: 0,
    };
    let mut at = offset;
    while at < end && told.parts.len() < MOST_PARTS {
        match told.next(source, at, end) {
            Ok(Some(length)) => at = at.saturating_add(length),
            Ok(None) => break,
            Err(_) if !told.parts.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    if told.parts.is_empty() {
        return Err(Error::invalid("nothing is there").at(offset));
    }
    Ok((told.parts, told.count))
}

impl Told<'_> {
    /// Tells the part at `at` and gives its length; `None` where there is no room for it any more.
    fn next(&mut self, source: &dyn Source, at: u64, end: u64) -> Result<Option<u64>> {
        let extent = source.extent_at(at)?;
        if extent.kind != ExtentKind::Data {
            self.parts.push(Part::Zeros(extent.len));
            return Ok(Some(extent.len.get()));
        }
        let length = extent.len.get().min(end.saturating_sub(at));
        let host = source.host_at(at).and_then(|host| host.cut(length));
        if let Some(host) = host {
            self.add_host(host);
            return Ok(Some(host.len.get()));
        }
        let room = PIECE.saturating_sub(self.count);
        let length = to_usize(length).min(room);
        let Some(sent) = u32::try_from(length).ok().and_then(NonZeroU32::new) else {
            return Ok(None);
        };
        let count = self.count.saturating_add(length);
        if self.buf.len() < count {
            resize(self.buf, count)?;
        }
        let into = self.buf.get_mut(self.count..count).unwrap_or_default();
        source.read_exact_at(into, at)?;
        self.parts.push(Part::Sent(sent));
        self.count = count;
        Ok(Some(to_u64(length)))
    }

    /// Adds what lies in a file; what follows the part before it there is one part with it.
    fn add_host(&mut self, host: HostBytes) {
        if let Some(Part::Host(last)) = self.parts.last_mut()
            && (last.device, last.inode) == (host.device, host.inode)
            && last.offset.checked_add(last.len.get()) == Some(host.offset)
            && let Some(len) = last.len.checked_add(host.len.get())
        {
            last.len = len;
        } else {
            self.parts.push(Part::Host(host));
        }
    }
}
