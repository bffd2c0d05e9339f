//! The disk as a map: its extents one after the other.

use std::num::NonZeroU64;

use super::grain::{self, Packing};
use super::layout::SECTOR;
use super::sparse::{Form, Grain, Sparse};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};

/// A disk made of extents.
pub(super) struct Disk {
    extents: Vec<Extent>,
    size: u64,
    unwritten: Place,
}

/// One extent, at its place on the disk.
pub(super) struct Extent {
    /// The first byte of the disk that it holds.
    pub(super) start: u64,
    /// How many.
    pub(super) size: u64,
    /// How.
    pub(super) holds: Holds,
}

/// How an extent holds its bytes.
pub(super) enum Holds {
    /// As they are, in a member from byte `offset` on, which has `there` of them.
    Flat {
        /// Index into the members.
        member: usize,
        /// Where the extent begins in it.
        offset: u64,
        /// Bytes that the file has from there on.
        there: u64,
    },
    /// In grains.
    Sparse {
        /// Index into the members.
        member: usize,
        /// The tables.
        sparse: Sparse,
    },
    /// They are zeros.
    Zeros,
    /// They must not be read: `NOACCESS`.
    Nothing,
}

impl Disk {
    /// The disk of `extents`, in order and without gaps. What no extent has is the parent's, if
    /// there is one.
    pub(super) fn new(extents: Vec<Extent>, has_parent: bool) -> Self {
        let end = |last: &Extent| last.start.saturating_add(last.size);
        Self {
            size: extents.last().map_or(0, end),
            extents,
            unwritten: match has_parent {
                true => Place::Backing,
                false => Place::Absent,
            },
        }
    }

    /// The extent that holds byte `offset`, its number, and the byte's offset in it.
    fn extent(&self, offset: u64) -> Result<(&Extent, usize, u64)> {
        let number = self.extents.partition_point(|it| it.start <= offset);
        let extent = number.checked_sub(1).and_then(|it| self.extents.get(it));
        let within = extent.map(|extent| (extent, offset.saturating_sub(extent.start)));
        match within {
            Some((extent, within)) if within < extent.size => Ok((extent, number, within)),
            _ => Err(Error::invalid("past the end of the disk").at(offset)),
        }
    }

    /// The compressed grain that is unit `unit`, the number of its first sector on the disk: its
    /// extent, its packing, and its first byte in the extent.
    fn packed(&self, unit: u64) -> Result<(&Sparse, Packing, u64)> {
        let (extent, _, within) = self.extent(unit.saturating_mul(SECTOR))?;
        match &extent.holds {
            Holds::Sparse { sparse, .. } => match sparse.form {
                Form::Sectors {
                    packing: Some(packing),
                    ..
                } => Ok((sparse, packing, within)),
                _ => Err(no_unit(unit)),
            },
            _ => Err(no_unit(unit)),
        }
    }
}

fn no_unit(unit: u64) -> Error {
    Error::corrupt(format!("no packed grain at sector {unit}"))
}

impl Extent {
    fn run_at(&self, within: u64, number: usize, unwritten: Place) -> Result<(Place, u64)> {
        let left = self.size.saturating_sub(within);
        match &self.holds {
            Holds::Zeros => Ok((Place::Zeros, left)),
            Holds::Nothing => {
                let text = format!("extent {number} is NOACCESS, {} bytes", self.size);
                Err(Error::new(Kind::Denied, text))
            }
            Holds::Flat {
                member,
                offset,
                there,
            } => {
                let at = offset.saturating_add(within);
                let len = there.saturating_sub(within).min(left);
                if len == 0 {
                    let text = format!(
                        "the file of extent {number} has {there} of its {} bytes",
                        self.size
                    );
                    return Err(Error::corrupt(text).at(at));
                }
                let place = Place::At {
                    member: *member,
                    offset: at,
                };
                Ok((place, len))
            }
            Holds::Sparse { member, sparse } => {
                let found = sparse.run_at(within);
                let found = found.context(|| format!("extent {number}"))?;
                let place = match found.grain {
                    Grain::Absent => unwritten,
                    Grain::Zeros => Place::Zeros,
                    Grain::At(offset) => Place::At {
                        member: *member,
                        offset,
                    },
                    Grain::Packed(_) => self.packed_place(sparse, within),
                };
                Ok((place, found.len.min(left)))
            }
        }
    }

    fn packed_place(&self, sparse: &Sparse, within: u64) -> Place {
        let skip = within.checked_rem(sparse.grain).unwrap_or(0);
        let first = self.start.saturating_add(within).saturating_sub(skip);
        Place::Packed {
            unit: first.checked_div(SECTOR).unwrap_or(0),
            skip: to_usize(skip),
        }
    }
}

impl Map for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (extent, number, within) = self.extent(offset)?;
        let (place, len) = extent.run_at(within, number, self.unwritten)?;
        Ok(Run {
            place,
            len: NonZeroU64::new(len).unwrap_or(NonZeroU64::MIN),
        })
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        let (sparse, _, start) = self.packed(unit)?;
        let left = sparse.capacity.saturating_sub(start);
        Ok(to_usize(sparse.grain.min(left)))
    }

    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let (sparse, packing, start) = self.packed(unit)?;
        debug_assert!(to_u64(into.len()) <= sparse.grain);
        match sparse.run_at(start)?.grain {
            Grain::Packed(at) => grain::unpack(sparse, packing, at, start, into),
            _ => Err(no_unit(unit)),
        }
    }
}
