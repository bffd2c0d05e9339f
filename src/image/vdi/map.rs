//! Where the blocks are.

use std::num::NonZeroU64;

use super::header::{Header, Type};
use super::layout::{BLOCK_FREE, BLOCK_ZERO};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::SharedSource;
use crate::source::mapped::{Map, Place, Run};

/// Entries of the block map that are looked at together.
const LOOK: u64 = 64;

/// The same, where the first of them are all holes.
const LOOK_FAR: u64 = 16 << 10;

pub(super) struct Blocks {
    pub(super) header: Header,
    pub(super) source: SharedSource,
}

impl Blocks {
    /// What the entry of block `index` says.
    fn place(&self, entry: u32, index: u64) -> Result<Place> {
        match entry {
            BLOCK_ZERO => Ok(Place::Zeros),
            BLOCK_FREE if self.header.image_type == Type::Differencing => Ok(Place::Backing),
            BLOCK_FREE => Ok(Place::Absent),
            number if u64::from(number) < self.header.allocated => Ok(Place::At {
                member: 0,
                offset: self.header.block_offset(number),
            }),
            number => {
                let allocated = self.header.allocated;
                let at = index.saturating_mul(4);
                Err(Error::corrupt(format!(
                    "block map entry {index}: {number} is not below cBlocksAllocated {allocated}"
                ))
                .at(at.saturating_add(self.header.map_offset)))
            }
        }
    }

    /// How many of `entries` lie in one piece with the first, which is at `place`.
    fn together(&self, entries: &[u32], place: Place) -> u64 {
        let Some(first) = entries.first() else {
            return 0;
        };
        let follows = |(index, entry): &(u32, &u32)| match place {
            // Extra bytes stand between the blocks.
            Place::At { .. } if self.header.block_extra > 0 => *index == 0,
            Place::At { .. } => first.checked_add(*index) == Some(**entry) && self.is_block(entry),
            _ => *entry == first,
        };
        to_u64((0..).zip(entries).take_while(follows).count())
    }

    fn is_block(&self, entry: &u32) -> bool {
        u64::from(*entry) < self.header.allocated
    }
}

impl Map for Blocks {
    fn size(&self) -> u64 {
        self.header.disk_size()
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let size = self.header.block_size;
        let past = || Error::invalid("past the block map").at(offset);
        let index = offset.checked_div(size).ok_or_else(past)?;
        let skip = offset.checked_rem(size).ok_or_else(past)?;
        let mut entries = self.header.entries(&*self.source, index, LOOK)?;
        let place = self.place(*entries.first().ok_or_else(past)?, index)?;
        let mut count = self.together(&entries, place);
        if count == LOOK && !matches!(place, Place::At { .. }) {
            entries = self.header.entries(&*self.source, index, LOOK_FAR)?;
            count = self.together(&entries, place);
        }
        let place = match place {
            Place::At { member, offset } => Place::At {
                member,
                offset: offset.saturating_add(skip),
            },
            other => other,
        };
        let len = count.saturating_mul(size).saturating_sub(skip);
        Ok(Run {
            place,
            len: NonZeroU64::new(len).ok_or_else(past)?,
        })
    }
}
