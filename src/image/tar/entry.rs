//! One member after the other: headers, and what stands in front of them for long names.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{BLOCK, GNU, GnuFields, Header, SparseHeader, USTAR};
use super::number::{checksum_holds, number, text};
use super::pax::Pax;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of an extended header or a long name.
const MOST_EXTENDED: u64 = 1 << 20;

/// Bytes of a name.
const LONGEST_NAME: usize = 4096;

/// Blocks that GNU tar writes at least; its end-of-archive marker is within the last of them.
const RECORD: u64 = 20 * BLOCK;

/// Where GNU's `realsize` stands in a header.
const REAL_SIZE: u64 = 483;

/// How many headers of more sparse pieces one member may have: a million pieces.
const MOST_SPARSE_HEADERS: u64 = 50_000;

/// A regular file in the archive, or another name of one.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Without `./` in front.
    pub(super) name: Vec<u8>,
    /// The name of the member before it that it is a link of, which has its bytes.
    pub(super) link: Option<Vec<u8>>,
    /// Where its bytes are.
    pub(super) offset: u64,
    /// How many are there; it may have more, as holes.
    pub(super) stored: u64,
    pub(super) sparse: Sparse,
}

/// How a member's holes are told.
#[derive(Clone, Debug)]
pub(super) enum Sparse {
    /// There are none.
    No,
    /// In its header, which is there, and in those that follow.
    Old { header: u64, real_size: u64 },
    /// In the extended headers, of which the first stands at byte `header`.
    Map { header: u64, real_size: u64 },
    /// In front of its bytes, as text.
    Front { real_size: u64 },
}

impl Member {
    /// Bytes of it, with its holes.
    pub(super) fn size(&self) -> u64 {
        match self.sparse {
            Sparse::No => self.stored,
            Sparse::Old { real_size, .. }
            | Sparse::Map { real_size, .. }
            | Sparse::Front { real_size } => real_size,
        }
    }
}

/// What stands at a place of the archive.
enum Next {
    End,
    Entry(Box<Header>),
}

/// Walks over the members of an archive.
pub(super) struct Walk<'a> {
    source: &'a dyn Source,
    at: u64,
    /// Goes on where the rest cannot hold more than the archive's end, though that means unpacking
    /// everything before it.
    thorough: bool,
    /// Headers that may still be read.
    headers_left: u64,
}

impl<'a> Walk<'a> {
    /// Over at most `headers` of them.
    pub(super) fn new(source: &'a dyn Source, thorough: bool, headers: u64) -> Self {
        Self {
            source,
            at: 0,
            thorough,
            headers_left: headers,
        }
    }

    /// The next regular file or link of one.
    pub(super) fn next(&mut self) -> Result<Option<Member>> {
        let found = self.with_map()?;
        Ok(found.map(|(member, _)| member))
    }

    /// The next member, and the numbers of its `GNU.sparse.map`.
    fn with_map(&mut self) -> Result<Option<(Member, Vec<u64>)>> {
        let (mut pax, mut first) = (Pax::default(), self.at);
        loop {
            let at = self.at;
            let Next::Entry(header) = self.header()? else {
                return Ok(None);
            };
            let size_at = at.saturating_add(to_u64(offset_of!(Header, size)));
            let size = number(&header.size, "size").map_err(|error| error.at(size_at))?;
            match header.typeflag {
                b'x' | b'X' => pax.add(&self.extended(size)?).map_err(|e| e.at(at))?,
                b'g' => self.skip(size)?,
                b'K' => pax.long_link = Some(text(&self.extended(size)?).to_vec()),
                b'L' => pax.long_name = Some(text(&self.extended(size)?).to_vec()),
                b'0' | b'7' | 0 => {
                    let map = std::mem::take(&mut pax.map);
                    let member = self.regular(&header, first, size, pax)?;
                    return Ok(Some((member, map)));
                }
                b'S' => {
                    let member = self.old_sparse(&header, at, size, pax.long_name)?;
                    return Ok(Some((member, Vec::new())));
                }
                // A link has a size in some archives, and no bytes.
                b'1' => {
                    let member = self.link(&header, pax)?;
                    return Ok(Some((member, Vec::new())));
                }
                _ => {
                    self.skip(pax.size.unwrap_or(size))?;
                    (pax, first) = (Pax::default(), self.at);
                }
            }
        }
    }

    fn header(&mut self) -> Result<Next> {
        let left = self.source.size().saturating_sub(self.at);
        let done = !self.thorough && self.source.end_is_far() && left <= RECORD && self.at > 0;
        if left < BLOCK || done {
            return Ok(Next::End);
        }
        let at = self.at;
        let bytes = read_vec(self.source, at, to_usize(BLOCK))?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Next::End);
        }
        let header = Header::read_from_bytes(&bytes);
        let header = header.map_err(|_| Error::corrupt("no whole header").at(at))?;
        if !checksum_holds(&header, &bytes) {
            return Err(Error::corrupt("header: chksum is wrong").at(at));
        }
        self.at = at.saturating_add(BLOCK);
        let left = self.headers_left.checked_sub(1);
        let many = || Error::unsupported("an archive of too many members").at(at);
        self.headers_left = left.ok_or_else(many)?;
        Ok(Next::Entry(Box::new(header)))
    }

    /// Steps over `size` bytes and their padding.
    fn skip(&mut self, size: u64) -> Result<()> {
        let padded = size.checked_next_multiple_of(BLOCK);
        let end = padded.and_then(|padded| self.at.checked_add(padded));
        let past = || Error::corrupt(format!("size {size} is past the end")).at(self.at);
        self.at = end.ok_or_else(past)?;
        Ok(())
    }

    /// The bytes of an extended header or long name.
    fn extended(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > MOST_EXTENDED {
            let text = format!("size {size} of an extended header is over {MOST_EXTENDED}");
            return Err(Error::corrupt(text).at(self.at));
        }
        let bytes = read_vec(self.source, self.at, to_usize(size));
        let past = |_| Error::corrupt("an extended header is cut off").at(self.at);
        let bytes = bytes.map_err(past)?;
        self.skip(size)?;
        Ok(bytes)
    }

    /// A member whose extended headers, if it has any, begin at byte `first`.
    fn regular(&mut self, header: &Header, first: u64, size: u64, pax: Pax) -> Result<Member> {
        let stored = pax.size.unwrap_or(size);
        let offset = self.at;
        self.skip(stored)?;
        let real_size = pax.real_size.unwrap_or(stored);
        let sparse = match pax.version {
            None => Sparse::No,
            Some((0, _)) => Sparse::Map {
                header: first,
                real_size,
            },
            Some((1, 0)) => Sparse::Front { real_size },
            Some((major, minor)) => {
                let text = format!("GNU.sparse {major}.{minor}, which is not supported");
                return Err(Error::unsupported(text).at(offset));
            }
        };
        let name = pax.sparse_name.or(pax.path).or(pax.long_name);
        Ok(Member {
            name: own_name(name.unwrap_or_else(|| short_name(header)), offset)?,
            link: None,
            offset,
            stored,
            sparse,
        })
    }

    /// A member of type 1, whose header is just before.
    fn link(&self, header: &Header, pax: Pax) -> Result<Member> {
        let name = pax.path.or(pax.long_name);
        let link = pax.link_path.or(pax.long_link);
        let link = link.unwrap_or_else(|| text(&header.linkname).to_vec());
        Ok(Member {
            name: own_name(name.unwrap_or_else(|| short_name(header)), self.at)?,
            link: Some(own_name(link, self.at)?),
            offset: self.at,
            stored: 0,
            sparse: Sparse::No,
        })
    }

    /// A member of type S: its holes are in the header, and in more of them behind it.
    fn old_sparse(
        &mut self,
        header: &Header,
        at: u64,
        size: u64,
        long_name: Option<Vec<u8>>,
    ) -> Result<Member> {
        let fields = gnu_fields(header)?;
        let size_at = at.saturating_add(REAL_SIZE);
        let real_size = number(&fields.realsize, "realsize").map_err(|error| error.at(size_at))?;
        let mut extended = fields.isextended != 0;
        let mut count = 0_u64;
        while extended {
            let bytes = read_vec(self.source, self.at, to_usize(BLOCK));
            let cut = |_| Error::corrupt("the sparse map is cut off").at(self.at);
            let bytes = bytes.map_err(cut)?;
            let more = SparseHeader::read_from_bytes(&bytes);
            let more = more.map_err(|_| Error::corrupt("no whole header").at(self.at))?;
            extended = more.isextended != 0;
            self.skip(BLOCK)?;
            count = count.saturating_add(1);
            if count > MOST_SPARSE_HEADERS {
                return Err(Error::corrupt("the sparse map has too many segments").at(at));
            }
        }
        let offset = self.at;
        self.skip(size)?;
        let name = long_name.unwrap_or_else(|| text(&header.name).to_vec());
        Ok(Member {
            name: own_name(name, offset)?,
            link: None,
            offset,
            stored: size,
            sparse: Sparse::Old {
                header: at,
                real_size,
            },
        })
    }
}

/// The numbers of the `GNU.sparse.map` in the extended headers from byte `header` on: offset, bytes,
/// offset, … They are read again when they are wanted, since together those of all members may be
/// far longer than what is known of the members else.
pub(super) fn sparse_map(source: &dyn Source, header: u64) -> Result<Vec<u64>> {
    let mut walk = Walk {
        source,
        at: header,
        thorough: true,
        headers_left: u64::MAX,
    };
    let found = walk.with_map()?;
    Ok(found.map(|(_, map)| map).unwrap_or_default())
}

/// GNU's fields behind the common ones.
pub(super) fn gnu_fields(header: &Header) -> Result<GnuFields> {
    let bytes = [&header.prefix[..], &header.padding[..]].concat();
    GnuFields::read_from_bytes(&bytes).map_err(|_| Error::corrupt("no GNU header"))
}

fn short_name(header: &Header) -> Vec<u8> {
    let (name, prefix) = (text(&header.name), text(&header.prefix));
    match header.magic.starts_with(USTAR) && !prefix.is_empty() {
        true => [prefix, b"/", name].concat(),
        false => name.to_vec(),
    }
}

fn own_name(name: Vec<u8>, at: u64) -> Result<Vec<u8>> {
    if name.len() > LONGEST_NAME {
        let len = name.len();
        let text = format!("path of {len} bytes is over {LONGEST_NAME}");
        return Err(Error::corrupt(text).at(at));
    }
    let mut name = name.as_slice();
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    Ok(name.to_vec())
}

/// Whether `source` starts with a header that can only be tar's. Archives of before POSIX have no
/// magic: the checksum has to hold in any case.
pub(super) fn is_archive(source: &dyn Source) -> Result<bool> {
    if source.size() < BLOCK {
        return Ok(false);
    }
    let bytes = read_vec(source, 0, to_usize(BLOCK))?;
    let Ok(header) = Header::read_from_bytes(&bytes) else {
        return Ok(false);
    };
    let magic = header.magic.starts_with(USTAR) || header.magic == GNU;
    let old = || {
        let numbers = [&header.mode[..], &header.size, &header.mtime];
        let blank = header.magic.iter().chain(&header.prefix);
        !text(&header.name).is_empty()
            && matches!(header.typeflag, 0 | b'0'..=b'2')
            && numbers
                .iter()
                .all(|field| field.iter().any(u8::is_ascii_digit))
            && numbers.iter().all(|field| number(field, "").is_ok())
            && blank.into_iter().all(|byte| *byte == 0)
    };
    Ok(to_u64(bytes.len()) == BLOCK && checksum_holds(&header, &bytes) && (magic || old()))
}
