//! The names of one directory in one buffer: a hostile image has directories of millions of names,
//! and an allocation for each costs more than what is in it. A walk keeps those of each directory on
//! its way down, for which all of them share one room.

use std::cell::Cell;
use std::rc::Rc;

use super::entries::Named;
use crate::filesystem::Inode;

/// Bytes of memory that the names of all directories that a walk is in may take: those of two million
/// files in any usual directory.
pub(crate) const MOST: usize = 160 << 20;

/// Bytes that a name takes besides its own: its [`Place`] here, and what [`super::remote::Remote`]
/// remembers of the order.
const EACH: usize = 48;

/// The room that the directories of a walk share: how much of it is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Rc<Cell<usize>>);

/// Names and what they name.
#[derive(Debug)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    places: Vec<Place>,
    room: Room,
    /// How much of the room they have taken.
    taken: usize,
}

/// Where a name is in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: usize,
    length: usize,
    inode: Inode,
}

/// There is no room for one more name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Bytes that `name` takes.
pub(crate) const fn cost(name: &[u8]) -> usize {
    name.len().saturating_add(EACH)
}

impl Room {
    fn take(&self, bytes: usize) -> Result<(), Full> {
        let taken = self.0.get().saturating_add(bytes);
        if taken > MOST {
            return Err(Full);
        }
        self.0.set(taken);
        Ok(())
    }

    fn give_back(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

impl Names {
    /// None yet, in `room`.
    pub(crate) fn new(room: &Room) -> Self {
        Self {
            bytes: Vec::new(),
            places: Vec::new(),
            room: room.clone(),
            taken: 0,
        }
    }

    /// Adds one.
    pub(crate) fn push(&mut self, name: &[u8], inode: Inode) -> Result<(), Full> {
        let cost = cost(name);
        self.room.take(cost)?;
        self.taken = self.taken.saturating_add(cost);
        self.add(name, inode);
        Ok(())
    }

    fn add(&mut self, name: &[u8], inode: Inode) {
        self.places.push(Place {
            start: self.bytes.len(),
            length: name.len(),
            inode,
        });
        self.bytes.extend_from_slice(name);
    }

    /// Takes the last one.
    pub(crate) fn pop(&mut self) -> Option<Named> {
        let place = self.places.pop()?;
        Some(Named {
            name: at(&self.bytes, place).to_vec(),
            inode: place.inode,
        })
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], Inode)> {
        let places = self.places.iter();
        places.map(|place| (at(&self.bytes, *place), place.inode))
    }

    /// Sorts them by their bytes. Of those that are the same the one that was added first stays;
    /// gives the first name that had others.
    pub(crate) fn sort(&mut self) -> Option<&[u8]> {
        let bytes = &self.bytes;
        let key = |place: &Place| (at(bytes, *place), place.start);
        self.places
            .sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        let mut twice = None;
        self.places.dedup_by(|next, first| {
            let is_again = at(bytes, *next) == at(bytes, *first);
            if is_again {
                twice.get_or_insert(*first);
            }
            is_again
        });
        twice.map(|place| at(bytes, place))
    }

    /// Leaves those that `keep` says. A buffer of which little is left is given back.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&[u8], Inode) -> bool) {
        let bytes = &self.bytes;
        self.places
            .retain(|place| keep(at(bytes, *place), place.inode));
        let left = self.places.iter().map(|place| place.length);
        if left.sum::<usize>() > self.bytes.len() / 2 {
            return;
        }
        // In the room that is taken already.
        let mut few = Self::new(&self.room);
        for (name, inode) in self.iter() {
            few.taken = few.taken.saturating_add(cost(name));
            few.add(name, inode);
        }
        self.taken = self.taken.saturating_sub(few.taken);
        *self = few;
    }

    /// Turns their order round, for [`Names::pop`].
    pub(crate) fn reverse(&mut self) {
        self.places.reverse();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.room.give_back(self.taken);
    }
}

fn at(bytes: &[u8], place: Place) -> &[u8] {
    let bytes = bytes.get(place.start..).unwrap_or_default();
    bytes.get(..place.length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_the_first_of_the_same_stays() {
        let room = Room::default();
        let mut names = Names::new(&room);
        for (name, number) in [(&b"b"[..], 1), (b"", 2), (b"ab", 3), (b"b", 4), (b"a", 5)] {
            names.push(name, Inode(number)).unwrap();
        }
        assert_eq!(names.sort(), Some(&b"b"[..]));
        let found: Vec<_> = names.iter().map(|(name, inode)| (name, inode.0)).collect();
        assert_eq!(found, [(&b""[..], 2), (b"a", 5), (b"ab", 3), (b"b", 1)]);
        names.retain(|_, inode| inode != Inode(3));
        names.retain(|_, inode| matches!(inode, Inode(1 | 5)));
        let found: Vec<_> = names.iter().map(|(name, inode)| (name, inode.0)).collect();
        assert_eq!(found, [(&b"a"[..], 5), (b"b", 1)]);
        names.reverse();
        let first = names.pop().unwrap();
        assert_eq!((first.name.as_slice(), first.inode), (&b"a"[..], Inode(5)));
        assert_eq!(names.sort(), None);
        drop(names);
        assert_eq!(room.0.get(), 0);
    }

    #[test]
    fn directories_share_a_room_and_give_it_back() {
        let room = Room::default();
        let (mut above, mut below) = (Names::new(&room), Names::new(&room));
        while above.push(&[b'n'; 4096], Inode(1)).is_ok() {}
        assert_eq!(below.push(&[b'n'; 4096], Inode(2)), Err(Full));
        let mut count = 0;
        above.retain(|_, _| {
            count += 1;
            count % 3 == 0
        });
        assert_eq!(above.taken, room.0.get());
        assert!(room.0.get() < MOST / 2);
        while below.push(&[b'n'; 4096], Inode(2)).is_ok() {}
        drop(above);
        drop(below);
        assert_eq!(room.0.get(), 0);
    }

    #[test]
    fn a_million_usual_names_have_room_and_take_no_more_than_is_counted() {
        let mut names = Names::new(&Room::default());
        let used = allocation_counter::measure(|| {
            for number in 0..1_000_000 {
                names.push(&[b'n'; 30], Inode(number)).unwrap();
            }
        });
        // A buffer that grows is twice as large as what is in it, of which a half is never touched.
        let most = u64::try_from(names.taken.saturating_mul(2)).unwrap();
        assert!(used.bytes_current <= i64::try_from(most).unwrap());
        while names.push(&[b'n'; 255], Inode(7)).is_ok() {}
        assert!(names.taken > MOST - 1000 && names.taken <= MOST);
    }
}
