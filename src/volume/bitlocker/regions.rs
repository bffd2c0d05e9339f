//! Where the bytes of the unlocked volume are: its first sectors are somewhere else, the metadata
//! are zeros, and behind the point that a conversion has come to nothing is encrypted, or what the
//! bitmaps of one that encrypts on write do not say to be.

use std::mem::offset_of;
use std::num::NonZeroU64;

use super::information::Version;
use super::layout;
use super::metadata::Metadata;
use super::on_write::{Chunks, Kept};
use super::state::State;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::mapped::{Map, Place, Run};

/// Bytes at the start of a volume of Vista's that are not encrypted.
const VISTA_PLAIN: u64 = 8192;

/// What of the volume is shown in place of what lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// What lies from this byte on, encrypted as that is.
    Elsewhere(u64),
    /// What lies there, which is not encrypted.
    Plain,
    /// The boot sector as it was.
    Header,
    /// Zeros.
    Zeros,
    /// What a log has, which nobody has described.
    Logged,
}

/// From a byte to another, and what is shown there.
#[derive(Clone, Copy, Debug)]
struct Region {
    start: u64,
    end: u64,
    shown: Shown,
}

/// The unlocked volume over the locked one, the same decrypted, and the boot sector of Vista's.
pub(super) struct Regions {
    size: u64,
    /// The first byte that is not encrypted.
    plain_from: u64,
    /// Of a volume that encrypts on write.
    chunks: Option<Chunks>,
    /// By their start; of two over one byte the first counts.
    regions: Vec<Region>,
}

/// What there is at a byte.
enum Found {
    At(Place),
    /// What was being moved when the machine stopped.
    Interrupted,
    /// What no bitmap tells of.
    Unknown,
}

impl Regions {
    /// The members that it maps: the locked volume, the same decrypted, and the boot sector as it
    /// was.
    pub(super) const PLAIN: usize = 0;
    pub(super) const DECRYPTED: usize = 1;
    pub(super) const HEADER: usize = 2;

    /// Those of a volume of `size` bytes, of which `hidden`, first byte and length each, are shown
    /// as zeros too. Where there are `chunks`, they say what is encrypted.
    ///
    /// # Errors
    /// `Corrupt` for places that are outside the volume or no sectors, naming the field and its
    /// byte.
    pub(super) fn new(
        metadata: &Metadata,
        hidden: &[(u64, u64)],
        chunks: Option<Chunks>,
        size: u64,
    ) -> Result<Self> {
        let sector = metadata.boot.sector;
        let information = &metadata.information;
        let mut regions = Vec::new();
        let mut add = |start: u64, len: u64, shown| {
            let end = start.saturating_add(len).min(size);
            if start < end {
                regions.push(Region { start, end, shown });
            }
        };
        // Says of an error which byte of the metadata its field is.
        let at = |field: usize| {
            let place = information.place.saturating_add(to_u64(field));
            move |error: Error| error.at(place)
        };
        match information.version {
            Version::Vista { .. } => {
                add(0, to_u64(super::boot_sector::SIZE), Shown::Header);
                add(0, VISTA_PLAIN, Shown::Plain);
            }
            Version::Seven { block, size: len } => {
                is_inside("VirtualizedBlockOffset", block, len, sector, size)
                    .map_err(at(offset_of!(layout::Information, VirtualizedBlockOffset)))?;
                add(0, len, Shown::Elsewhere(block));
                // It is kept free even if there is nothing in it.
                add(block, len.max(sector), Shown::Zeros);
            }
        }
        let first = offset_of!(layout::Information, InformationOffset);
        for (copy, field) in information.copies.into_iter().zip((first..).step_by(8)) {
            is_whole("InformationOffset", copy, sector).map_err(at(field))?;
            let area = information.area.next_multiple_of(sector.max(1));
            add(copy, area, Shown::Zeros);
        }
        for (start, len) in hidden {
            add(*start, *len, Shown::Zeros);
        }
        let State {
            plain_from, logged, ..
        } = information.state;
        if let Some(from) = plain_from.filter(|from| *from < size) {
            is_whole("StateOffset", from, sector)
                .map_err(at(offset_of!(layout::Information, StateOffset)))?;
            add(from, logged, Shown::Logged);
        }
        // What is no sector any more is nobody's.
        let rest = size.checked_rem(sector).unwrap_or_default();
        add(size.saturating_sub(rest), rest, Shown::Plain);
        Ok(Self {
            size,
            plain_from: plain_from.unwrap_or(u64::MAX),
            chunks,
            regions,
        })
    }

    /// Whether any byte of it is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        match &self.chunks {
            Some(chunks) => chunks.has_encrypted(),
            None => self.plain_from > 0,
        }
    }

    /// Why the bytes at `offset` cannot be read, if so, and for how many that holds.
    pub(super) fn unreadable(&self, offset: u64) -> Option<(&'static str, u64)> {
        match self.find(offset) {
            (Found::At(_), _) => None,
            (Found::Interrupted, len) => Some(("interrupted conversion", len)),
            (Found::Unknown, len) => Some(("without a bitmap", len)),
        }
    }

    /// What is shown at `offset`, and where something else begins.
    fn at(&self, offset: u64) -> (Option<Region>, u64) {
        let holds = |region: &&Region| (region.start..region.end).contains(&offset);
        let before = |at: usize| self.regions.get(..at).unwrap_or_default();
        let starts = |regions: &[Region]| {
            let later = regions.iter().map(|region| region.start);
            later.filter(|start| *start > offset).min()
        };
        let found = self.regions.iter().position(|region| holds(&region));
        let region = found.and_then(|index| self.regions.get(index)).copied();
        let next = starts(before(found.unwrap_or(self.regions.len())));
        let end = region.map_or(self.size, |region| region.end);
        (region, next.map_or(end, |next| next.min(end)))
    }

    /// The bytes from `at` on, of which `len` are asked for, as they are encrypted or not.
    fn stored(&self, at: u64, len: u64) -> (Found, u64) {
        let is_plain = at >= self.plain_from;
        let (kept, left) = match &self.chunks {
            Some(chunks) => chunks.at(at),
            None if is_plain => (Kept::Plain, len),
            None => (Kept::Encrypted, self.plain_from.saturating_sub(at)),
        };
        let member = |member| Found::At(Place::At { member, offset: at });
        let found = match kept {
            Kept::Encrypted => member(Self::DECRYPTED),
            Kept::Plain => member(Self::PLAIN),
            Kept::Unknown if is_plain => member(Self::PLAIN),
            Kept::Moving => Found::Interrupted,
            Kept::Unknown => Found::Unknown,
        };
        (found, len.min(left))
    }

    /// What there is at `offset`, and for how many bytes.
    fn find(&self, offset: u64) -> (Found, u64) {
        let (region, end) = self.at(offset);
        let len = end.saturating_sub(offset);
        let at = |member| (Found::At(Place::At { member, offset }), len);
        match region.map(|region| region.shown) {
            None => self.stored(offset, len),
            Some(Shown::Elsewhere(start)) => self.stored(start.saturating_add(offset), len),
            Some(Shown::Plain) => at(Self::PLAIN),
            Some(Shown::Header) => at(Self::HEADER),
            Some(Shown::Zeros) => (Found::At(Place::Zeros), len),
            Some(Shown::Logged) => (Found::Interrupted, len),
        }
    }
}

impl Map for Regions {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (place, len) = match self.find(offset) {
            (Found::At(place), len) => (place, len),
            (Found::Interrupted, _) => {
                let text = "it was being encrypted or decrypted when the machine stopped";
                return Err(Error::unsupported(text).at(offset));
            }
            (Found::Unknown, _) => {
                let text = "no whole bitmap says whether it is encrypted";
                return Err(Error::corrupt(text).at(offset));
            }
        };
        let len = NonZeroU64::new(len).ok_or_else(|| Error::corrupt("an empty run"))?;
        Ok(Run { place, len })
    }
}

fn is_whole(field: &str, at: u64, sector: u64) -> Result<()> {
    if at.checked_rem(sector) == Some(0) {
        return Ok(());
    }
    let text = format!("{field} is {at:#x}, no multiple of the sector's {sector} bytes");
    Err(Error::corrupt(text))
}

fn is_inside(field: &str, at: u64, len: u64, sector: u64, size: u64) -> Result<()> {
    is_whole(field, at, sector)?;
    match at.checked_add(len) {
        Some(end) if at < size && end <= size => Ok(()),
        _ => {
            let text =
                format!("{field} is {at:#x}, and its {len} bytes are past the volume's {size}");
            Err(Error::corrupt(text))
        }
    }
}
