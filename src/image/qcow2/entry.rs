//! One entry of a second-level table, and what it says of a cluster or of one of its subclusters.

use super::header::Header;
use super::layout;
use crate::error::{Error, Result};

/// Subclusters of a cluster with an extended entry ("Extended L2 Entries").
pub(super) const SUBCLUSTERS: u32 = 32;

/// An entry as it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) word: u64,
    /// The subclusters' bits, where entries are extended.
    pub(super) bitmap: Option<u64>,
    /// Where it stands in the file.
    pub(super) at: u64,
}

/// What is where an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In the backing file, if there is one.
    Nowhere,
    Zeros,
    /// The cluster lies at this byte of the data file.
    Plain(u64),
    /// The cluster is compressed; its descriptor.
    Compressed(u64),
}

impl Kind {
    /// Whether a cluster of this kind goes on where `first`, `number` clusters before it, begins.
    pub(super) fn follows(self, first: Self, number: u64, cluster: u64) -> bool {
        match (first, self) {
            (Self::Plain(first), Self::Plain(own)) => {
                let distance = number.checked_mul(cluster);
                distance.and_then(|it| first.checked_add(it)) == Some(own)
            }
            (Self::Compressed(first), Self::Compressed(own)) => number == 0 && first == own,
            (first, own) => first == own,
        }
    }
}

impl Entry {
    /// What it says of `subcluster`.
    ///
    /// # Errors
    /// `Corrupt` for reserved bits, offsets that are no whole number of clusters, and contradictions.
    pub(super) fn kind(&self, header: &Header, subcluster: u32) -> Result<Kind> {
        if self.word & layout::COMPRESSED != 0 {
            return match header.has_data_file() {
                true => Err(self.wrong("compressed, and the data are in another file")),
                false => Ok(Kind::Compressed(self.word)),
            };
        }
        if self.word & layout::L2_RESERVED != 0 {
            return Err(self.wrong("reserved bits are set"));
        }
        let offset = self.word & layout::OFFSET;
        if !offset.is_multiple_of(header.cluster().get()) {
            return Err(self.wrong("no whole number of clusters"));
        }
        // In a data file a cluster may lie at 0.
        let in_data_file = header.has_data_file() && self.word & layout::COPIED != 0;
        let place = (offset != 0 || in_data_file).then_some(offset);
        match self.bitmap {
            Some(bitmap) => self.subcluster(bitmap, subcluster, place),
            None => self.cluster(header, place),
        }
    }

    fn cluster(&self, header: &Header, place: Option<u64>) -> Result<Kind> {
        let is_zero = self.word & layout::ZERO != 0;
        match place {
            _ if is_zero && header.version < 3 => {
                Err(self.wrong("a zero cluster in version 2, which has none"))
            }
            _ if is_zero => Ok(Kind::Zeros),
            Some(offset) => Ok(Kind::Plain(offset)),
            None => Ok(Kind::Nowhere),
        }
    }

    fn subcluster(&self, bitmap: u64, subcluster: u32, place: Option<u64>) -> Result<Kind> {
        let bit = |number: u32| bitmap.checked_shr(number).unwrap_or(0) & 1 != 0;
        let is_allocated = bit(subcluster);
        let is_zero = bit(subcluster.saturating_add(SUBCLUSTERS));
        match (is_allocated, is_zero, place) {
            (true, true, _) => Err(self.wrong("a subcluster is both allocated and zero")),
            (true, false, None) => Err(self.wrong("a subcluster is allocated and has no place")),
            (true, false, Some(offset)) => Ok(Kind::Plain(offset)),
            (false, true, _) => Ok(Kind::Zeros),
            (false, false, _) => Ok(Kind::Nowhere),
        }
    }

    fn wrong(&self, why: &str) -> Error {
        let word = self.word;
        Error::corrupt(format!("L2 entry is {word:#x}: {why}")).at(self.at)
    }
}
