//! Memory that is taken together by all that is opened in or behind one image.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Bytes of all tables that are kept: a fifth of what one image may take in all.
const MOST: usize = 48 << 20;

/// What is left for the tables that are kept whole in memory. Each may be allowed by itself, and
/// there may be many: of several disks, of what each of them lies in, of one that has many names.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<AtomicUsize>);

impl Room {
    /// Takes `bytes`, which are given back when what is returned is dropped.
    ///
    /// # Errors
    /// `Unsupported` where there are no more.
    pub fn take(&self, bytes: usize) -> Result<Taken> {
        self.count(bytes)?;
        let room = self.clone();
        Ok(Taken { room, bytes })
    }

    /// The same for a table that rightly takes more than that where it is the only one.
    ///
    /// # Errors
    /// As [`Room::take`].
    pub fn take_large(&self, bytes: usize) -> Result<Taken> {
        let order = Ordering::Relaxed;
        if self.0.compare_exchange(0, bytes, order, order).is_err() {
            self.count(bytes)?;
        }
        let room = self.clone();
        Ok(Taken { room, bytes })
    }

    /// How many bytes [`Room::take_large`] may be asked for.
    #[must_use]
    pub fn left(&self) -> usize {
        match self.0.load(Ordering::Relaxed) {
            0 => usize::MAX,
            used => MOST.saturating_sub(used),
        }
    }

    fn count(&self, bytes: usize) -> Result<()> {
        let fits = |used: usize| used.checked_add(bytes).filter(|all| *all <= MOST);
        let order = Ordering::Relaxed;
        let taken = self.0.fetch_update(order, order, fits);
        let full = |_| Error::unsupported(format!("tables of over {MOST} bytes together"));
        taken.map(drop).map_err(full)
    }
}

/// Two are one where what is taken of one is taken of the other.
impl PartialEq for Room {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Room {}

/// Bytes of a [`Room`].
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    room: Room,
    bytes: usize,
}

impl Taken {
    /// Makes them `bytes` instead, for a table that grows or has become smaller.
    ///
    /// # Errors
    /// As [`Room::take`]; nothing changes then.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.room.count(more)?,
            None => {
                let less = self.bytes.saturating_sub(bytes);
                self.room.0.fetch_sub(less, Ordering::Relaxed);
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let room = Room::default();
        let half = room.take(MOST / 2).unwrap();
        let other = room.clone().take(MOST / 2).unwrap();
        for bytes in [1, usize::MAX] {
            let error = room.take(bytes).err().unwrap();
            assert_eq!(error.kind(), Kind::Unsupported);
            let words = "tables of over 50331648 bytes together";
            assert_eq!(error.to_string(), words);
        }
        drop(half);
        assert!(room.take(MOST / 2).is_ok());
        drop(other);
    }

    #[test]
    fn one_table_may_be_larger_where_it_is_the_only_one() {
        let room = Room::default();
        assert_eq!(room.left(), usize::MAX);
        let large = room.take_large(2 * MOST).unwrap();
        assert_eq!(room.left(), 0);
        assert!(room.take_large(1).is_err() && room.take(1).is_err());
        drop(large);
        let small = room.take(10).unwrap();
        assert_eq!(room.left(), MOST - 10);
        assert!(room.take_large(MOST).is_err() && room.take_large(MOST - 10).is_ok());
        drop(small);
    }

    #[test]
    fn what_was_taken_grows_and_shrinks() {
        let room = Room::default();
        let mut taken = room.take(MOST / 2).unwrap();
        assert!(taken.resize(MOST + 1).is_err());
        assert!(room.take(MOST / 2).is_ok());
        taken.resize(MOST).unwrap();
        assert!(room.take(1).is_err());
        taken.resize(1).unwrap();
        assert!(room.take(MOST).is_err());
        assert!(room.take(MOST - 1).is_ok());
        drop(taken);
        assert!(room.take(MOST).is_ok());
    }
}
