//! Chunks of one volume over another: a snapshot's exceptions, a cache's blocks that the origin
//! does not have yet. Which they are is read when the first byte is asked for.

use std::cmp::Reverse;
use std::num::NonZeroU64;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::format::{Room, Taken};
use crate::source::mapped::{Map, Place, Run};

/// How many chunks are looked at of one volume.
pub(super) const MOST_CHUNKS: u32 = 6 << 20;

/// Where a chunk is; those that follow one another, here and there, are kept as one.
struct Stretch {
    chunk: u64,
    /// The chunk of member 0 that it is in.
    place: u64,
    /// How many there are.
    count: u32,
    /// Of two about one chunk the younger counts, and of two as old the one further behind.
    age: u32,
}

impl Stretch {
    fn end(&self) -> u64 {
        self.chunk.saturating_add(self.count.into())
    }

    /// Whether `next` goes on where this ends.
    fn is_followed_by(&self, next: &Self) -> bool {
        self.chunk.checked_add(self.count.into()) == Some(next.chunk)
            && self.place.checked_add(self.count.into()) == Some(next.place)
    }
}

/// What reads all pairs.
type Read = Box<dyn Fn(&mut Pairs) -> Result<()> + Send + Sync>;

/// Pairs in the making, and then in order.
pub(super) struct Pairs {
    stretches: Vec<Stretch>,
    taken: Taken,
    looked_at: u32,
    /// Each chunk is kept by itself.
    is_single: bool,
}

impl Pairs {
    fn new(room: &Room, is_single: bool) -> Result<Self> {
        Ok(Self {
            stretches: Vec::new(),
            taken: room.take(0)?,
            looked_at: 0,
            is_single,
        })
    }

    /// One more; of two about one chunk the later counts.
    ///
    /// # Errors
    /// As [`Pairs::push_aged`].
    pub(super) fn push(&mut self, chunk: u64, place: u64) -> Result<()> {
        let age = MOST_CHUNKS.saturating_sub(self.looked_at);
        self.push_aged(chunk, place, age)
    }

    /// One more; of two about one chunk the younger counts.
    ///
    /// # Errors
    /// `Unsupported` for more than are held.
    pub(super) fn push_aged(&mut self, chunk: u64, place: u64, age: u32) -> Result<()> {
        if self.looked_at >= MOST_CHUNKS {
            let text = format!("more than {MOST_CHUNKS} chunks");
            return Err(Error::unsupported(text));
        }
        self.looked_at = self.looked_at.saturating_add(1);
        let next = Stretch {
            chunk,
            place,
            count: 1,
            age,
        };
        match self.stretches.last_mut() {
            Some(last) if !self.is_single && last.is_followed_by(&next) => {
                last.count = last.count.saturating_add(1);
            }
            _ => {
                self.grow()?;
                self.stretches.push(next);
            }
        }
        Ok(())
    }

    /// Makes room for one more, which all tables of the image have in common: the image may have
    /// thousands of volumes.
    fn grow(&mut self) -> Result<()> {
        let len = self.stretches.len();
        if len < self.stretches.capacity() {
            return Ok(());
        }
        // Doubling would take most of the room for what is not there.
        let more = (len / 8).saturating_add(64);
        self.charge(len.saturating_add(more)).map_err(|error| {
            error.hint("the kernel reads it: losetup --read-only, then vgchange --activate y")
        })?;
        self.stretches.reserve_exact(more);
        Ok(())
    }

    fn charge(&mut self, stretches: usize) -> Result<()> {
        let bytes = stretches.saturating_mul(size_of::<Stretch>());
        self.taken.resize(bytes)
    }

    /// By chunk; `None` where one is there twice and is not kept by itself.
    fn sorted(mut self) -> Result<Option<Self>> {
        let stretches = &mut self.stretches;
        stretches.sort_unstable_by_key(|it| (it.chunk, it.age, Reverse(it.place)));
        if self.is_single {
            stretches.dedup_by_key(|it| it.chunk);
        } else if stretches.is_sorted_by(|it, next| it.end() <= next.chunk) {
            // Each is there once.
        } else {
            return Ok(None);
        }
        stretches.dedup_by(|next, it| {
            let follows = it.is_followed_by(next);
            if follows {
                it.count = it.count.saturating_add(next.count);
            }
            follows
        });
        stretches.shrink_to_fit();
        self.charge(self.stretches.len())?;
        Ok(Some(self))
    }
}

/// Chunks of member 0 over the backing.
pub(super) struct Overlay {
    size: u64,
    chunk: NonZeroU64,
    room: Room,
    read: Read,
    pairs: OnceLock<Result<Pairs>>,
}

impl Overlay {
    /// Of `size` bytes, with the chunks of `chunk` bytes that `read` finds. Where they are is kept in
    /// what is left of `room`.
    pub(super) fn new(
        size: u64,
        chunk: NonZeroU64,
        room: &Room,
        read: impl Fn(&mut Pairs) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            size,
            chunk,
            room: room.clone(),
            read: Box::new(read),
            pairs: OnceLock::new(),
        }
    }

    /// Bytes that are read from the chunks of member 0.
    ///
    /// # Errors
    /// As the chunks are read.
    pub(super) fn over(&self) -> Result<u64> {
        let counts = self.stretches()?.iter().map(|it| u64::from(it.count));
        let chunks = counts.fold(0, u64::saturating_add);
        Ok(chunks.saturating_mul(self.chunk.get()))
    }

    fn stretches(&self) -> Result<&[Stretch]> {
        let pairs = self.pairs.get_or_init(|| match self.read(false)? {
            Some(pairs) => Ok(pairs),
            // A chunk twice is rare. Which of the two counts is known of each by itself only.
            None => {
                let pairs = self.read(true)?;
                pairs.ok_or_else(|| Error::corrupt("a chunk is there twice"))
            }
        });
        let pairs = pairs.as_ref().map_err(Error::clone)?;
        Ok(&pairs.stretches)
    }

    fn read(&self, is_single: bool) -> Result<Option<Pairs>> {
        let mut pairs = Pairs::new(&self.room, is_single)?;
        (self.read)(&mut pairs)?;
        pairs.sorted()
    }

    /// The chunk where `number` ends or something else begins, and where `number` is.
    fn found(&self, number: u64) -> Result<(Option<u64>, u64)> {
        let stretches = self.stretches()?;
        let behind = stretches.partition_point(|it| it.chunk <= number);
        let before = behind.checked_sub(1).and_then(|last| stretches.get(last));
        Ok(match before.filter(|it| number < it.end()) {
            Some(it) => {
                let skip = number.saturating_sub(it.chunk);
                (Some(it.place.saturating_add(skip)), it.end())
            }
            None => (None, stretches.get(behind).map_or(u64::MAX, |it| it.chunk)),
        })
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
        let overlay = Overlay::new(100, chunk, &Room::default(), |pairs| {
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

    /// So many chunks, of which each lies by itself.
    fn apart(room: &Room, count: u64) -> Overlay {
        let chunk = NonZeroU64::new(4096).unwrap();
        Overlay::new(1 << 40, chunk, room, move |pairs| {
            (0..count).try_for_each(|number| pairs.push(number.saturating_mul(2), number))
        })
    }

    #[test]
    fn three_snapshots_of_gigabytes_fit_and_thirty_do_not() {
        let room = Room::default();
        let mut all: Vec<Overlay> = (0..30).map(|_| apart(&room, 500_000)).collect();
        let read: Vec<Result<u64>> = all.iter().map(Overlay::over).collect();
        assert!(read[..3].iter().all(|it| *it == Ok(500_000 * 4096)));
        let error = read[29].as_ref().unwrap_err().to_string();
        let words = "tables of over 50331648 bytes together (the kernel reads it: ";
        assert!(error.starts_with(words), "{error}");
        assert_eq!(read.iter().filter(|it| it.is_ok()).count(), 4);
        // What one kept is another's when it is gone.
        all.truncate(1);
        let late = apart(&room, 1_000_000);
        assert_eq!(late.over(), Ok(1_000_000 * 4096));
    }

    #[test]
    fn chunks_that_follow_one_another_take_no_more_than_one() {
        let room = Room::default();
        let chunk = NonZeroU64::new(4096).unwrap();
        let all = |from: u64, step: u64| {
            Overlay::new(1 << 40, chunk, &room, move |pairs| {
                let mut numbers = (0..MOST_CHUNKS.into()).map(|it| from + it * step);
                numbers.try_for_each(|number| pairs.push(number, number))
            })
        };
        let long = all(0, 1);
        assert_eq!(long.over(), Ok(u64::from(MOST_CHUNKS) * 4096));
        assert_eq!(long.stretches().unwrap().len(), 1);
        let mut taken = room.take(48 << 20);
        assert!(taken.is_err());
        taken = room.take((48 << 20) - size_of::<Stretch>());
        assert!(taken.is_ok());
        // Nor do the others, and of what does not fit nothing is kept.
        assert!(all(0, 2).over().is_err());
    }

    #[test]
    fn the_younger_of_two_counts_also_within_a_stretch() {
        let chunk = NonZeroU64::new(10).unwrap();
        let overlay = Overlay::new(1000, chunk, &Room::default(), |pairs| {
            for number in 0..6 {
                pairs.push_aged(number, 10 + number, 5)?;
            }
            for (number, place, age) in [(2, 40, 4), (3, 41, 6), (4, 2, 5), (5, 42, 5)] {
                pairs.push_aged(number, place, age)?;
            }
            Ok(())
        });
        let places: Vec<_> = (0..7).map(|it| overlay.found(it).unwrap()).collect();
        let one = |place, end| (Some(place), end);
        let expected = [one(10, 2), one(11, 2), one(40, 3), one(13, 5), one(14, 5)];
        assert_eq!(places[..5], expected);
        assert_eq!(places[5..], [one(42, 6), (None, u64::MAX)]);
        assert_eq!(overlay.over(), Ok(60));
    }
}
