//! Packed units of a map: unpacked once, and ahead of a sequential reader.

use std::sync::Arc;

use super::{MOST_UNIT, Map, Mapped, Place, Run};
use crate::cache::Block;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::decoded::{Decoder, undecoded};
use crate::source::head;

/// Bytes of packed units that are told as one extent: as much as anybody asks for at once.
const MOST_EXTENT: u64 = 2 << 20;

/// Unpacks the units of a map.
pub(super) struct Packed<M>(pub(super) Arc<M>);

/// A unit by its number, and the size that the map gave for it.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    number: u64,
    size: usize,
}

impl<M: Map> Decoder for Packed<M> {
    type Unit = Unit;

    fn number(unit: &Unit) -> u64 {
        unit.number
    }

    fn decode(&self, unit: &Unit) -> Result<Block> {
        let mut into = undecoded(unit.size)?;
        self.0.unpack(unit.number, &mut into)?;
        Ok(Block::from(into))
    }
}

impl<M: Map + 'static> Mapped<M> {
    /// Reads from byte `skip` of unit `number` on into `buf` as much as the unit has; gives its
    /// length. `at` is where that lies in all.
    pub(super) fn read_packed(
        &self,
        number: u64,
        skip: usize,
        buf: &mut [u8],
        at: u64,
    ) -> Result<usize> {
        let size = self.map.unit(number)?;
        let wrong = |what: String| Error::corrupt(format!("packed unit {number} {what}")).at(at);
        if size > MOST_UNIT {
            return Err(wrong(format!("of {size} bytes is over {MOST_UNIT}")));
        }
        if skip >= size {
            return Err(wrong(format!("of {size} bytes has no byte {skip}")));
        }
        let rest = size.saturating_sub(skip);
        let read = self.units.note(0, at, buf.len().min(rest));
        let next = at.saturating_add(to_u64(rest));
        self.units.ahead(read, size, self.packed_from(next));
        let block = self.units.block(&Unit { number, size }, read.visit)?;
        let from = block.get(skip..).unwrap_or(&[]);
        let len = from.len().min(buf.len());
        head(buf, len).copy_from_slice(from.split_at(len).0);
        Ok(len)
    }

    /// Where packed units end that follow each other from the run at `offset` on, which ends at `end`:
    /// as far as is worth a look. Who copies a disk asks for the extent of what he copies next, and
    /// a question for each unit would cost as much as the unit.
    pub(super) fn packed_end(&self, offset: u64, end: u64) -> u64 {
        let enough = offset.saturating_add(MOST_EXTENT).min(self.map.size());
        let mut end = end;
        while end < enough {
            match self.map.run_at(end, 0) {
                Ok(Run {
                    place: Place::Packed { .. },
                    len,
                }) => {
                    end = end.saturating_add(len.get()).min(self.map.size());
                }
                _ => break,
            }
        }
        end
    }

    /// The packed units from byte `next` on, one after the other. A run of something else ends
    /// them: the reader will come to it and go on.
    fn packed_from(&self, next: u64) -> impl Iterator<Item = Unit> {
        let mut at = next;
        std::iter::from_fn(move || {
            if at >= self.map.size() {
                return None;
            }
            let run = self.map.run_at(at, 0).ok()?;
            let Place::Packed { unit: number, skip } = run.place else {
                return None;
            };
            let size = match self.map.may_be_ahead(number) {
                true => self
                    .map
                    .unit(number)
                    .ok()
                    .filter(|size| *size <= MOST_UNIT)?,
                false => return None,
            };
            let left = to_u64(size.saturating_sub(skip)).max(1);
            at = at.saturating_add(run.len.get().min(left));
            Some(Unit { number, size })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::num::NonZeroU64;

    use super::*;
    use crate::cache::Cache;
    use crate::source::{ExtentKind, Source, extent_to};

    const UNIT: u64 = 4096;

    /// Packed units, but for one hole: unit `hole`.
    struct Units {
        count: u64,
        hole: u64,
    }

    impl Map for Units {
        fn size(&self) -> u64 {
            self.count * UNIT - 1
        }

        fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
            let (unit, skip) = (offset / UNIT, crate::number::to_usize(offset % UNIT));
            let place = match unit == self.hole {
                true => Place::Zeros,
                false => Place::Packed { unit, skip },
            };
            let len = NonZeroU64::new(UNIT - offset % UNIT).unwrap();
            Ok(Run { place, len })
        }
    }

    #[test]
    fn packed_units_that_follow_each_other_are_one_extent() {
        let mapped = |count, hole| Mapped::new(Units { count, hole }, vec![], None, Cache::new(0));
        let data = ExtentKind::Data;
        let with_hole = mapped(10, 7);
        let before = extent_to(data, UNIT + 5, 7 * UNIT);
        assert_eq!(with_hole.extent_at(UNIT + 5), before);
        let hole = extent_to(ExtentKind::Zeros, 7 * UNIT, 8 * UNIT);
        assert_eq!(with_hole.extent_at(7 * UNIT), hole);
        assert_eq!(
            with_hole.extent_at(8 * UNIT),
            extent_to(data, 8 * UNIT, 10 * UNIT - 1)
        );
        let endless = mapped(1 << 40, 1 << 41);
        assert_eq!(endless.extent_at(0), extent_to(data, 0, MOST_EXTENT));
    }
}
