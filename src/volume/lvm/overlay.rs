//! Chunks of one volume over another: a snapshot's exceptions, a cache's blocks that the origin
//! does not have yet. Which they are is read when the first byte is asked for.

use std::num::NonZeroU64;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::mapped::{Map, Place, Run};

/// How many chunks are held: 16 bytes each.
pub(super) const MOST_CHUNKS: usize = 6 << 20;

/// A chunk, and the chunk of member 0 that it is in.
pub(super) type Pair = (u64, u64);

/// What reads all pairs.
type Read = Box<dyn Fn(&mut Pairs) -> Result<()> + Send + Sync>;

/// Pairs in the making.
#[derive(Default)]
pub(super) struct Pairs(Vec<Pair>);

impl Pairs {
    /// One more; of two about one chunk the later counts.
    ///
    /// # Errors
    /// `Unsupported` for more than are held.
    pub(super) fn push(&mut self, chunk: u64, place: u64) -> Result<()> {
        if self.0.len() >= MOST_CHUNKS {
            return Err(too_many());
        }
        self.0.push((chunk, place));
        Ok(())
    }

    /// By chunk, each once.
    fn sorted(mut self) -> Vec<Pair> {
        // The sort is stable, and of equal ones the first is kept.
        self.0.reverse();
        self.0.sort_by_key(|(chunk, _)| *chunk);
        self.0.dedup_by_key(|(chunk, _)| *chunk);
        self.0
    }
}

/// For more chunks than are held.
pub(super) fn too_many() -> Error {
    Error::unsupported(format!("more than {MOST_CHUNKS} chunks"))
}

/// Chunks of member 0 over the backing.
pub(super) struct Overlay {
    size: u64,
    chunk: NonZeroU64,
    read: Read,
    pairs: OnceLock<Result<Vec<Pair>>>,
}

impl Overlay {
    /// Of `size` bytes, with the chunks of `chunk` bytes that `read` finds.
    pub(super) fn new(
        size: u64,
        chunk: NonZeroU64,
        read: impl Fn(&mut Pairs) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            size,
            chunk,
            read: Box::new(read),
            pairs: OnceLock::new(),
        }
    }

    /// Bytes that are read from the chunks of member 0.
    ///
    /// # Errors
    /// As the chunks are read.
    pub(super) fn over(&self) -> Result<u64> {
        let chunks = to_u64(self.pairs()?.len());
        Ok(chunks.saturating_mul(self.chunk.get()))
    }

    fn pairs(&self) -> Result<&[Pair]> {
        let read = self.pairs.get_or_init(|| {
            let mut pairs = Pairs::default();
            (self.read)(&mut pairs)?;
            Ok(pairs.sorted())
        });
        read.as_deref().map_err(Error::clone)
    }

    /// The chunk where `number` ends or something else begins, and where `number` is.
    fn found(&self, number: u64) -> Result<(Option<u64>, u64)> {
        let pairs = self.pairs()?;
        let index = pairs.partition_point(|(chunk, _)| *chunk < number);
        let from = pairs.get(index..).unwrap_or_default();
        match from.first() {
            Some((chunk, place)) if *chunk == number => {
                let rest = from.iter().zip(0_u64..);
                let follows = |((chunk, at), behind): &(&Pair, u64)| {
                    Some(*chunk) == number.checked_add(*behind)
                        && Some(*at) == place.checked_add(*behind)
                };
                let count = to_u64(rest.take_while(follows).count());
                Ok((Some(*place), number.saturating_add(count)))
            }
            next => Ok((None, next.map_or(u64::MAX, |(chunk, _)| *chunk))),
        }
    }
}

impl Map for Overlay {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (number, skip) = (offset / self.chunk, offset % self.chunk);
        let (found, end) = self.found(number)?;
        let place = match found {
            Some(place) => Place::At {
                member: 0,
                offset: place.saturating_mul(self.chunk.get()).saturating_add(skip),
            },
            None => Place::Backing,
        };
        let end = end.saturating_mul(self.chunk.get()).min(self.size);
        let len = NonZeroU64::new(end.saturating_sub(offset));
        let len = len.ok_or_else(|| Error::corrupt("an empty run"))?;
        Ok(Run { place, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_lie_together_are_one_run_and_the_later_counts() {
        let chunk = NonZeroU64::new(10).unwrap();
        let overlay = Overlay::new(100, chunk, |pairs| {
            for (chunk, place) in [(5, 9), (2, 7), (3, 8), (5, 1)] {
                pairs.push(chunk, place)?;
            }
            Ok(())
        });
        let found = |offset| {
            let run = overlay.run_at(offset, 0).unwrap();
            let place = match run.place {
                Place::At { offset, .. } => Some(offset),
                _ => None,
            };
            (place, run.len.get())
        };
        assert_eq!(found(0), (None, 20));
        assert_eq!(found(20), (Some(70), 20));
        assert_eq!(found(35), (Some(85), 5));
        assert_eq!(found(49), (None, 1));
        assert_eq!(found(50), (Some(10), 10));
        assert_eq!(found(60), (None, 40));
    }
}
