//! The replayed volume as a [`Map`]: blocks that the log holds newer contents of are read from the
//! log, all others from where they are. Nothing is copied; a run of blocks costs one entry.

use std::num::NonZeroU64;

use super::layout::MAGIC;
use super::recover::Copy;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Place, Run};
use crate::source::{SharedSource, read_vec};

/// The map. Its one member is the volume itself.
pub(super) struct ReplayMap {
    volume: SharedSource,
    block_size: usize,
    /// Ascending and disjoint.
    copies: Vec<Copy>,
}

impl ReplayMap {
    pub(super) fn new(volume: SharedSource, block_size: usize, copies: Vec<Copy>) -> Self {
        Self {
            volume,
            block_size,
            copies,
        }
    }

    fn bytes(&self, blocks: u64) -> u64 {
        blocks.saturating_mul(to_u64(self.block_size))
    }

    /// The part of `copy` from byte `skip` on.
    fn copied(&self, index: usize, copy: &Copy, skip: u64) -> Run {
        let place = if copy.escaped {
            Place::Packed {
                unit: to_u64(index),
                skip: to_usize(skip),
            }
        } else {
            Place::At {
                member: 0,
                offset: self.bytes(copy.place).saturating_add(skip),
            }
        };
        let len = self.bytes(copy.blocks).saturating_sub(skip);
        run(place, len)
    }
}

fn run(place: Place, len: u64) -> Run {
    let len = NonZeroU64::new(len).unwrap_or(NonZeroU64::MIN);
    Run { place, len }
}

impl Map for ReplayMap {
    fn size(&self) -> u64 {
        self.volume.size()
    }

    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run> {
        if attempt > 0 {
            return Err(Error::not_found("there is no second copy").at(offset));
        }
        let behind = self
            .copies
            .partition_point(|copy| self.bytes(copy.block) <= offset);
        if let Some(index) = behind.checked_sub(1)
            && let Some(copy) = self.copies.get(index)
        {
            let skip = offset.saturating_sub(self.bytes(copy.block));
            if skip < self.bytes(copy.blocks) {
                return Ok(self.copied(index, copy, skip));
            }
        }
        let end = self
            .copies
            .get(behind)
            .map_or(self.size(), |copy| self.bytes(copy.block));
        let place = Place::At { member: 0, offset };
        Ok(run(place, end.saturating_sub(offset)))
    }

    fn unit(&self, unit: u64) -> Result<usize> {
        match self.copies.get(to_usize(unit)) {
            Some(copy) if copy.escaped => Ok(self.block_size),
            _ => Err(Error::corrupt(format!("log copy {unit} is not escaped"))),
        }
    }

    /// Puts the magic number back that the log must not show: it would be taken for a block of
    /// the journal's own.
    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let copy = self.copies.get(to_usize(unit));
        let copy = copy.ok_or_else(|| Error::corrupt(format!("there is no log copy {unit}")))?;
        let block = read_vec(&*self.volume, self.bytes(copy.place), into.len())?;
        into.copy_from_slice(&block);
        if let Some(start) = into.first_chunk_mut() {
            *start = MAGIC.to_be_bytes();
        }
        Ok(())
    }
}
