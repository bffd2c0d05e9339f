//! Packed units of a map: unpacked once, and ahead of a sequential reader.

use std::sync::Arc;

use super::{MOST_UNIT, Map, Mapped, Place};
use crate::cache::Block;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::decoded::{Decoder, undecoded};
use crate::source::head;

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
