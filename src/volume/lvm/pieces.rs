//! Where the bytes of a logical volume are: its segments, each on areas of other volumes, in
//! stripes or as copies.

use std::num::NonZeroU64;

use crate::error::{Error, Result};
use crate::format::Taken;
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};

/// A logical volume in pieces.
pub(super) struct Pieces {
    /// From byte 0 on, without a gap.
    pieces: Vec<Piece>,
    size: u64,
    _room: Taken,
}

/// One segment, in bytes.
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) len: NonZeroU64,
    pub(super) lies: Lies,
}

/// Where a piece lies.
pub(super) enum Lies {
    /// In chunks of so many bytes on each area in turn; one area has all of it in one piece.
    Striped(NonZeroU64, Vec<Area>),
    /// On each area, the best first.
    Copied(Vec<Area>),
    /// Nowhere: it is zeros.
    Zeros,
    /// Nowhere, and it cannot be read.
    Nowhere(Error),
}

/// Bytes of a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) member: usize,
    /// The first of them.
    pub(super) offset: u64,
}

impl Pieces {
    /// Those, which follow on each other from byte 0 on, in the room that was taken for them.
    pub(super) fn new(pieces: Vec<Piece>, room: Taken) -> Self {
        let end = |piece: &Piece| piece.start.saturating_add(piece.len.get());
        let size = pieces.last().map_or(0, end);
        Self {
            pieces,
            size,
            _room: room,
        }
    }

    fn piece_at(&self, offset: u64) -> Result<&Piece> {
        let behind = self.pieces.partition_point(|piece| piece.start <= offset);
        let piece = behind.checked_sub(1).and_then(|last| self.pieces.get(last));
        piece.ok_or_else(|| Error::corrupt("no segment is there").at(offset))
    }
}

impl Map for Pieces {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run> {
        let piece = self.piece_at(offset)?;
        let skip = offset.saturating_sub(piece.start);
        let left = piece.len.get().saturating_sub(skip);
        match &piece.lies {
            Lies::Striped(chunk, areas) => striped(*chunk, areas, skip, left),
            Lies::Copied(areas) => match areas.get(usize::from(attempt)) {
                Some(area) => run(area.at(skip), left),
                None => Err(Error::not_found(format!("no copy {attempt}"))),
            },
            Lies::Zeros => run(Place::Zeros, left),
            Lies::Nowhere(error) => Err(error.clone()),
        }
    }
}

impl Area {
    fn at(self, skip: u64) -> Place {
        Place::At {
            member: self.member,
            offset: self.offset.saturating_add(skip),
        }
    }
}

/// Where byte `skip` of a piece is whose chunks are on `areas` in turn.
fn striped(chunk: NonZeroU64, areas: &[Area], skip: u64, left: u64) -> Result<Run> {
    if let [only] = areas {
        return run(only.at(skip), left);
    }
    let (number, inside) = (skip / chunk, skip % chunk);
    let width = to_u64(areas.len());
    let area = number
        .checked_rem(width)
        .and_then(|it| areas.get(to_usize(it)));
    let area = area.ok_or_else(|| Error::corrupt("no stripes"))?;
    let row = number.checked_div(width).unwrap_or_default();
    let before = row.saturating_mul(chunk.get());
    let rest = chunk.get().saturating_sub(inside);
    run(area.at(before.saturating_add(inside)), rest.min(left))
}

fn run(place: Place, len: u64) -> Result<Run> {
    let len = NonZeroU64::new(len).ok_or_else(|| Error::corrupt("an empty run"))?;
    Ok(Run { place, len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Room;

    fn piece(start: u64, len: u64, lies: Lies) -> Piece {
        Piece {
            start,
            len: NonZeroU64::new(len).unwrap(),
            lies,
        }
    }

    fn pieces(pieces: Vec<Piece>) -> Pieces {
        Pieces::new(pieces, Room::default().take(0).unwrap())
    }

    fn area(member: usize, offset: u64) -> Area {
        Area { member, offset }
    }

    fn found(map: &Pieces, offset: u64) -> (usize, u64, u64) {
        let run = map.run_at(offset, 0).unwrap();
        match run.place {
            Place::At { member, offset } => (member, offset, run.len.get()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_linear_piece_and_then_stripes() {
        let chunk = NonZeroU64::new(10).unwrap();
        let map = pieces(vec![
            piece(0, 100, Lies::Striped(chunk, vec![area(2, 1000)])),
            piece(100, 60, Lies::Striped(chunk, vec![area(0, 5), area(1, 7)])),
            piece(160, 40, Lies::Zeros),
        ]);
        assert_eq!(map.size(), 200);
        assert_eq!(found(&map, 0), (2, 1000, 100));
        assert_eq!(found(&map, 99), (2, 1099, 1));
        assert_eq!(found(&map, 100), (0, 5, 10));
        assert_eq!(found(&map, 113), (1, 10, 7));
        assert_eq!(found(&map, 120), (0, 15, 10));
        assert_eq!(found(&map, 155), (1, 32, 5));
        assert_eq!(map.run_at(165, 0).unwrap().place, Place::Zeros);
    }

    #[test]
    fn each_copy_is_an_attempt() {
        let map = pieces(vec![piece(
            0,
            8,
            Lies::Copied(vec![area(0, 1), area(1, 2)]),
        )]);
        assert_eq!(found(&map, 3), (0, 4, 5));
        let place = map.run_at(3, 1).unwrap().place;
        assert_eq!(place, area(1, 2).at(3));
        let none = map.run_at(3, 2).unwrap_err();
        assert_eq!(none.kind(), crate::error::Kind::NotFound);
    }
}
