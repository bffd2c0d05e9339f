//! How each part of a volume that encrypts on write is kept.

use super::bitmap::{self, Bitmap};
use super::{OnWrite, log};
use crate::error::{Error, Result, ResultExt};
use crate::format::{Room, Taken};
use crate::number::to_usize;
use crate::source::Source;

/// Chunks that are looked at to see how far the same holds.
const AHEAD: u64 = 1024;

/// How bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kept {
    /// Encrypted.
    Encrypted,
    /// As they are.
    Plain,
    /// Either, in a chunk that was being moved.
    Moving,
    /// No bitmap says it.
    Unknown,
}

/// The chunks of a volume.
#[derive(Debug)]
pub(in super::super) struct Chunks {
    /// Bytes of each.
    size: u64,
    /// By their start, each behind the end of the one before.
    regions: Vec<Region>,
    /// What is wrong with those that are not among them, and with logs.
    pub(in super::super) damage: Vec<Error>,
    _taken: Vec<Taken>,
}

#[derive(Debug)]
struct Region {
    bitmap: Bitmap,
    /// From a byte to another, what was being moved.
    moving: Option<(u64, u64)>,
}

impl Chunks {
    /// Reads the bitmaps of `information`; a sector has `sector` bytes.
    ///
    /// # Errors
    /// `Corrupt` for chunks that are no sectors.
    pub(in super::super) fn read(
        source: &dyn Source,
        information: &OnWrite,
        sector: u64,
        ignore_checksums: bool,
        room: &Room,
    ) -> Result<Self> {
        let size = information.chunk;
        if size == 0 || size.checked_rem(sector) != Some(0) {
            let text = format!("ChunkSize is {size}, no multiple of the sector's {sector} bytes");
            return Err(Error::corrupt(text));
        }
        let mut chunks = Self {
            size,
            regions: Vec::new(),
            damage: Vec::new(),
            _taken: Vec::new(),
        };
        for at in &information.bitmaps {
            let found = Bitmap::read(source, *at, size, ignore_checksums);
            if let Err(error) = found.and_then(|bitmap| chunks.add(source, bitmap, *at, room)) {
                chunks.damage.push(error.context(bitmap::called(*at)));
            }
        }
        Ok(chunks)
    }

    fn add(&mut self, source: &dyn Source, bitmap: Bitmap, at: u64, room: &Room) -> Result<()> {
        let end = self.regions.last().map_or(0, |last| last.bitmap.end);
        if bitmap.start < end {
            let text = format!(
                "RegionOffset is {:#x}, and the region before ends at {end:#x}",
                bitmap.start
            );
            return Err(Error::corrupt(text).at(at));
        }
        self._taken.push(room.take(bitmap.bits.len())?);
        let moving = log::moving(source, bitmap.log).context(|| "log");
        let moving = moving.unwrap_or_else(|error| {
            self.damage.push(error.context(bitmap::called(at)));
            None
        });
        let moving = moving.map(|(start, len)| (start, start.saturating_add(len)));
        self.regions.push(Region { bitmap, moving });
        Ok(())
    }

    /// Whether anything is encrypted.
    pub(in super::super) fn has_encrypted(&self) -> bool {
        let mut bits = self.regions.iter().flat_map(|region| &region.bitmap.bits);
        bits.any(|byte| *byte != 0)
    }

    /// How the byte `at` is kept, and for how many bytes from there on that holds at least.
    pub(in super::super) fn at(&self, at: u64) -> (Kept, u64) {
        let next = self
            .regions
            .partition_point(|region| region.bitmap.start <= at);
        let region = next.checked_sub(1).and_then(|last| self.regions.get(last));
        let Some(region) = region.filter(|region| at < region.bitmap.end) else {
            let end = self.regions.get(next);
            let end = end.map_or(u64::MAX, |region| region.bitmap.start);
            return (Kept::Unknown, end.saturating_sub(at));
        };
        let start = region.bitmap.start;
        let first = at.saturating_sub(start).checked_div(self.size);
        let first = first.unwrap_or_default();
        let kept = self.chunk(region, first);
        let after = first.saturating_add(1);
        let same = (after..after.saturating_add(AHEAD))
            .find(|index| self.chunk(region, *index) != kept)
            .unwrap_or(after.saturating_add(AHEAD));
        let end = start.saturating_add(same.saturating_mul(self.size));
        (kept, end.min(region.bitmap.end).saturating_sub(at))
    }

    /// How the chunk of that number in its region is kept.
    fn chunk(&self, region: &Region, index: u64) -> Kept {
        let start = index.saturating_mul(self.size);
        let start = start.saturating_add(region.bitmap.start);
        let end = start.saturating_add(self.size);
        if region
            .moving
            .is_some_and(|(from, to)| from < end && start < to)
        {
            return Kept::Moving;
        }
        let byte = region.bitmap.bits.get(to_usize(index.wrapping_shr(3)));
        match byte.is_some_and(|byte| byte.wrapping_shr(bit(index)) & 1 == 1) {
            true => Kept::Encrypted,
            false => Kept::Plain,
        }
    }
}

/// Which bit of its byte stands for the chunk.
fn bit(index: u64) -> u32 {
    u32::try_from(index & 7).unwrap_or_default()
}
