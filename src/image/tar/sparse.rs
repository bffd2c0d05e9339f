//! A member with holes: where its pieces are.

use std::num::NonZeroU64;
use std::ops::Range;

use zerocopy::FromBytes;

use super::entry::{Member, Sparse, gnu_fields, sparse_map};
use super::layout::{self, BLOCK, Header, SparseHeader};
use super::number::number;
use super::pax::{MOST_NUMBERS, decimal};
use crate::error::{Error, Result};
use crate::format::{Room, Taken};
use crate::number::to_usize;
use crate::source::mapped::{Map, Place, Run};
use crate::source::{Source, read_vec};

/// Bytes of the text that a map may be: each number has a newline, and few have twenty digits.
const LONGEST_TEXT: u64 = 32 << 20;

/// The pieces of a member.
pub(super) struct Pieces {
    size: u64,
    /// In order: where in the member, how many bytes, and where in the archive.
    pieces: Vec<Piece>,
    _room: Taken,
}

struct Piece {
    start: u64,
    len: u64,
    at: u64,
}

impl Pieces {
    /// Those of `member`.
    pub(super) fn read(source: &dyn Source, member: &Member, room: &Room) -> Result<Self> {
        let (numbers, size, offset) = match &member.sparse {
            Sparse::No => (vec![0, member.stored], member.stored, member.offset),
            Sparse::Old { header, real_size } => (old(source, *header)?, *real_size, member.offset),
            Sparse::Map { header, real_size } => {
                let numbers = sparse_map(source, *header)?;
                (numbers, *real_size, member.offset)
            }
            Sparse::Front { real_size } => {
                let (numbers, behind) = front(source, member)?;
                (numbers, *real_size, member.offset.saturating_add(behind))
            }
        };
        let end = member.offset.saturating_add(member.stored);
        Self::new(&numbers, size, offset..end, room)
    }

    /// From `numbers`, pairs of offset and length; their bytes are those of `own`.
    fn new(numbers: &[u64], size: u64, own: Range<u64>, room: &Room) -> Result<Self> {
        let Range { start: mut at, end } = own;
        let (pairs, odd) = numbers.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(Error::corrupt("the sparse map ends within a segment"));
        }
        let room = room.take(pairs.len().saturating_mul(size_of::<Piece>()))?;
        let (mut pieces, mut before) = (Vec::new(), 0_u64);
        for (index, [start, len]) in pairs.iter().copied().enumerate() {
            let wrong = |what: &str| {
                let text = format!("sparse segment {index} of {len} bytes at {start} {what}");
                Error::corrupt(text)
            };
            let own_end = start.checked_add(len).filter(|end| *end <= size);
            let own_end = own_end.ok_or_else(|| wrong("leaves the file"))?;
            if start < before {
                return Err(wrong("overlaps the one before"));
            }
            before = own_end;
            if len > 0 {
                pieces.push(Piece { start, len, at });
            }
            let behind = at.checked_add(len).filter(|at| *at <= end);
            at = behind.ok_or_else(|| wrong("has no bytes in the archive"))?;
        }
        Ok(Self {
            size,
            pieces,
            _room: room,
        })
    }
}

/// The numbers in the header at `at` and those behind it.
fn old(source: &dyn Source, at: u64) -> Result<Vec<u64>> {
    let bytes = read_vec(source, at, to_usize(BLOCK))?;
    let header = Header::read_from_bytes(&bytes);
    let header = header.map_err(|_| Error::corrupt("no whole header").at(at))?;
    let fields = gnu_fields(&header)?;
    let mut numbers = Vec::new();
    add(&mut numbers, &fields.sparse)?;
    let (mut extended, mut next) = (fields.isextended != 0, at);
    while extended && numbers.len() < MOST_NUMBERS {
        next = next.saturating_add(BLOCK);
        let bytes = read_vec(source, next, to_usize(BLOCK))?;
        let more = SparseHeader::read_from_bytes(&bytes);
        let more = more.map_err(|_| Error::corrupt("no whole header").at(next))?;
        add(&mut numbers, &more.sparse)?;
        extended = more.isextended != 0;
    }
    Ok(numbers)
}

/// Adds the pieces that are in use.
fn add(numbers: &mut Vec<u64>, pieces: &[layout::Sparse]) -> Result<()> {
    for piece in pieces {
        // The first that is not used ends them.
        if piece.offset.first() == Some(&0) || piece.numbytes.first() == Some(&0) {
            return Ok(());
        }
        numbers.push(number(&piece.offset, "sparse offset")?);
        numbers.push(number(&piece.numbytes, "sparse numbytes")?);
    }
    Ok(())
}

/// The numbers in front of the member's bytes, and how many bytes they take: how many pieces there
/// are, then their offsets and lengths, a line each.
fn front(source: &dyn Source, member: &Member) -> Result<(Vec<u64>, u64)> {
    let wrong = |what: &str| Error::corrupt(format!("the sparse map {what}")).at(member.offset);
    let (mut numbers, mut line) = (Vec::new(), Vec::new());
    let mut wanted = None;
    let mut read = 0_u64;
    while read < member.stored.min(LONGEST_TEXT) {
        let at = member.offset.saturating_add(read);
        let block = read_vec(source, at, to_usize(BLOCK)).map_err(|_| wrong("is cut off"))?;
        read = read.saturating_add(BLOCK);
        for byte in block {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Err(wrong("has a line that is no number"));
                }
                continue;
            }
            let value = decimal(&line).ok_or_else(|| wrong("has a line that is no number"))?;
            line.clear();
            match wanted {
                None => wanted = Some(to_usize(value).saturating_mul(2)),
                Some(_) => numbers.push(value),
            }
            if wanted.is_some_and(|wanted| wanted > MOST_NUMBERS) {
                return Err(wrong("has too many segments"));
            }
            if Some(numbers.len()) == wanted {
                return Ok((numbers, read));
            }
        }
    }
    Err(wrong("has no end"))
}

impl Map for Pieces {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let next = self.pieces.partition_point(|piece| piece.start <= offset);
        let own = next.checked_sub(1).and_then(|own| self.pieces.get(own));
        let inside = |piece: &&Piece| offset < piece.start.saturating_add(piece.len);
        let (place, end) = match own.filter(inside) {
            Some(piece) => {
                let skip = offset.saturating_sub(piece.start);
                let place = Place::At {
                    member: 0,
                    offset: piece.at.saturating_add(skip),
                };
                (place, piece.start.saturating_add(piece.len))
            }
            None => {
                let next = self.pieces.get(next);
                (Place::Zeros, next.map_or(self.size, |next| next.start))
            }
        };
        let len = NonZeroU64::new(end.saturating_sub(offset));
        Ok(Run {
            place,
            len: len.ok_or_else(|| Error::invalid("past the end").at(offset))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o03_segments_out_of_order_or_outside_are_refused() {
        let of = |numbers: &[u64]| Pieces::new(numbers, 1000, 512..612, &Room::default());
        assert!(of(&[0, 50, 100, 50, 1000, 0]).is_ok());
        let of_51 = "sparse segment 1 of 51 bytes at 100 has no bytes in the archive";
        for (bad, words) in [
            (&[0, 50, 40, 50][..], "segment 1 of 50 bytes at 40 overlaps"),
            (&[0, 101], "segment 0 of 101 bytes at 0 has no bytes"),
            (&[0], "the sparse map ends within a segment"),
            (&[950, 51], "segment 0 of 51 bytes at 950 leaves the file"),
            (&[u64::MAX, 2], "at 18446744073709551615 leaves the file"),
            (&[0, 50, 100, 51], of_51),
        ] {
            let error = of(bad).err().unwrap();
            assert_eq!(error.kind(), crate::error::Kind::Corrupt, "{error}");
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }
}
