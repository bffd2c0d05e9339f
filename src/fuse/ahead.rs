//! Which files will be asked for next: most are read in the order in which they were listed, a name
//! that is looked up is mostly that of a file to be read, and a directory that was listed is gone
//! into. The host is told of them ([`crate::filesystem::FileSystem::ahead`]) once the kernel has
//! its answer, so that nobody waits for it.

use std::sync::Mutex;

use smallvec::SmallVec;

use crate::lock::lock;
use crate::number::{to_u64, to_usize};

/// Files that were listed and are remembered, 8 bytes each.
const LISTED: usize = 1 << 14;

/// Slots by which a listed file is found again: so many that few have to share one.
const SLOTS: usize = LISTED << 2;

/// Readers that are followed at a time.
const READERS: usize = 8;

/// A reader may leave out as many files less one, and is followed all the same.
const STRIDE: u64 = 4;

/// Files of which the host is told before they are read.
const AHEAD: usize = 8;

/// Files that were looked up and are remembered until they are read.
const LOOKED_UP: usize = 256;

/// Looked-up files by which it is judged whether such files are read.
const SAMPLE: u32 = 64;

/// Node numbers of files to tell the host of.
pub(super) type Next = SmallVec<[u64; AHEAD]>;

/// What was listed and looked up, and who reads it.
#[derive(Default)]
pub(super) struct Ahead {
    order: Mutex<Order>,
    guesses: Mutex<Guesses>,
}

impl Ahead {
    /// The files `nodes` were listed, in this order.
    pub(super) fn listed(&self, nodes: &[u64]) {
        let mut order = lock(&self.order);
        nodes.iter().for_each(|node| order.push(*node));
    }

    /// The file `node` was looked up. Whether it is likely to be read.
    pub(super) fn looked_up(&self, node: u64) -> bool {
        lock(&self.guesses).looked_up(node)
    }

    /// The start of file `node` was read. Those that are likely to be next.
    pub(super) fn read(&self, node: u64) -> Next {
        lock(&self.guesses).read(node);
        lock(&self.order).read(node)
    }
}

/// Files in the order in which they were listed, and how far each reader is.
#[derive(Default)]
struct Order {
    /// A ring once it is full.
    nodes: Vec<u64>,
    /// How many were ever listed: the place of the next.
    count: u64,
    /// For each slot, where in `nodes` the file is that came to it last.
    slots: Vec<u16>,
    readers: [Reader; READERS],
    /// Whose turn it is to be forgotten.
    oldest: usize,
}

/// Places in the order, counted from 1: 0 is nowhere.
#[derive(Clone, Copy, Default)]
struct Reader {
    /// Of the file that was read last.
    at: u64,
    /// Of the last file the host was told of.
    told: u64,
}

impl Order {
    fn push(&mut self, node: u64) {
        let place = to_usize(self.count) % LISTED;
        match self.nodes.get_mut(place) {
            Some(there) => *there = node,
            None => self.nodes.push(node),
        }
        self.count = self.count.saturating_add(1);
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
        }
        if let Some(slot) = self.slots.get_mut(slot_of(node)) {
            *slot = u16::try_from(place).unwrap_or(0);
        }
    }

    /// How many of the first are not remembered any more.
    fn forgotten(&self) -> u64 {
        self.count.saturating_sub(to_u64(LISTED))
    }

    /// Who stands at `place`, unless that is forgotten or to come.
    fn at(&self, place: u64) -> Option<u64> {
        let index = place.checked_sub(1)?;
        let is_kept = (self.forgotten()..self.count).contains(&index);
        let kept = self.nodes.get(to_usize(index) % LISTED);
        kept.copied().filter(|_| is_kept)
    }

    /// Where `node` stands, unless another has taken its slot since.
    fn place_of(&self, node: u64) -> Option<u64> {
        let index = u64::from(*self.slots.get(slot_of(node))?);
        // Places are counted from 1, and this is the last of those that are kept there.
        let since = self.count.checked_sub(index)?.checked_sub(1)?;
        let behind = to_usize(since) % LISTED;
        let place = self.count.saturating_sub(to_u64(behind));
        (self.at(place) == Some(node)).then_some(place)
    }

    fn read(&mut self, node: u64) -> Next {
        let is_next = |reader: &Reader| {
            let places = reader.at..=reader.at.saturating_add(STRIDE);
            let mut found = places.filter(|place| reader.at != 0 && self.at(*place) == Some(node));
            found.next()
        };
        let followed = self.readers.iter().enumerate();
        let mut followed = followed.filter_map(|(index, it)| Some((index, is_next(it)?)));
        match followed.next() {
            Some((index, place)) => self.follow(index, place),
            None => {
                self.begin(node);
                Next::new()
            }
        }
    }

    /// Reader `index` has come to `place`.
    fn follow(&mut self, index: usize, place: u64) -> Next {
        let Some(reader) = self.readers.get_mut(index) else {
            return Next::new();
        };
        let from = reader.told.max(place).saturating_add(1);
        let to = place.saturating_add(to_u64(AHEAD)).min(self.count);
        let is_the_same = reader.at == place;
        reader.at = place;
        if is_the_same {
            return Next::new();
        }
        reader.told = reader.told.max(to);
        (from..=to).filter_map(|place| self.at(place)).collect()
    }

    /// Somebody has read a file that nobody was followed to: perhaps the first of many. One whose slot
    /// another has taken since is none; it may be one of the next.
    fn begin(&mut self, node: u64) {
        let Some(at) = self.place_of(node) else {
            return;
        };
        if let Some(reader) = self.readers.get_mut(self.oldest) {
            *reader = Reader { at, told: 0 };
        }
        self.oldest = self.oldest.saturating_add(1) % READERS;
    }
}

/// The slot of a file: the golden ratio's bits spread the numbers of neighbours evenly.
fn slot_of(node: u64) -> usize {
    to_usize(node.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) % SLOTS
}

/// Whether files that are looked up are then read: so for who opens them, and not for who asks for
/// their attributes alone.
struct Guesses {
    /// Those of which the host was told, each in the place that its number says.
    nodes: [u64; LOOKED_UP],
    told: u32,
    read: u32,
    passed: u32,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            nodes: [0; LOOKED_UP],
            told: 0,
            read: 0,
            passed: 0,
        }
    }
}

impl Guesses {
    fn looked_up(&mut self, node: u64) -> bool {
        let were_right = self.told < SAMPLE || self.read.saturating_mul(2) >= self.told;
        self.passed = self.passed.saturating_add(1) % 16;
        // Now and then one is tried again.
        if !were_right && self.passed != 0 {
            return false;
        }
        if self.told >= SAMPLE.saturating_mul(4) {
            self.told /= 2;
            self.read /= 2;
        }
        self.told = self.told.saturating_add(1);
        if let Some(place) = self.nodes.get_mut(to_usize(node) % LOOKED_UP) {
            *place = node;
        }
        true
    }

    fn read(&mut self, node: u64) {
        let place = self.nodes.get_mut(to_usize(node) % LOOKED_UP);
        if let Some(place) = place.filter(|place| **place == node) {
            *place = 0;
            self.read = self.read.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    fn list(ahead: &Ahead, nodes: std::ops::Range<u64>) {
        ahead.listed(&nodes.collect::<Vec<_>>());
    }

    #[test]
    fn who_reads_in_the_order_of_the_list_is_followed_and_each_file_told_of_once() {
        let ahead = Ahead::default();
        list(&ahead, 100..120);
        assert!(ahead.read(100).is_empty(), "one file is no order");
        assert_eq!(ahead.read(101).to_vec(), (102..110).collect::<Vec<_>>());
        assert!(ahead.read(101).is_empty(), "the same again");
        assert_eq!(ahead.read(102).to_vec(), [110]);
        assert_eq!(ahead.read(105).to_vec(), [111, 112, 113], "some left out");
        assert!(ahead.read(119).is_empty(), "a leap is another reader");
        assert_eq!(ahead.read(106).to_vec(), [114], "the first is still there");
        assert!(ahead.read(7).is_empty(), "it was not listed");
    }

    #[test]
    fn the_end_of_the_list_and_what_is_forgotten_are_not_told_of() {
        let ahead = Ahead::default();
        list(&ahead, 1..4);
        ahead.read(1);
        assert_eq!(ahead.read(2).to_vec(), [3]);
        assert!(ahead.read(3).is_empty());
        let many = to_u64(LISTED);
        list(&ahead, 1000..1000 + many);
        assert!(ahead.read(2).is_empty());
        assert!(ahead.read(3).is_empty(), "both are forgotten");
        ahead.read(2000);
        assert_eq!(ahead.read(2001).len(), 8);
    }

    #[test]
    fn almost_all_that_were_listed_last_can_be_the_first_of_many() {
        let many = to_u64(LISTED);
        let groups = (0..many).map(|number| (number % 64) * 8192 + number / 64 + 11);
        let nodes: Vec<u64> = groups.collect();
        let mut order = Order::default();
        nodes.iter().for_each(|node| order.push(*node));
        let found = nodes.iter().filter(|node| {
            let before = order.oldest;
            order.begin(**node);
            order.oldest != before
        });
        let found = to_u64(found.count());
        assert!(found * 10 > many * 8, "{found} of {many}");
    }

    #[test]
    fn eight_readers_are_followed_at_a_time() {
        let ahead = Ahead::default();
        list(&ahead, 1..1001);
        let starts = (0..8).map(|reader| 1 + reader * 100);
        for start in starts.clone() {
            assert!(ahead.read(start).is_empty());
        }
        for start in starts {
            assert_eq!(ahead.read(start + 1).len(), 8, "from {start}");
        }
    }

    #[test]
    fn files_that_are_looked_up_and_never_read_are_soon_only_tried() {
        let ahead = Ahead::default();
        let told = (1..=1000).filter(|node| ahead.looked_up(*node)).count();
        assert!((64..64 + 70).contains(&told), "{told}");
        let ahead = Ahead::default();
        for node in 1..=1000 {
            assert!(ahead.looked_up(node), "{node}");
            ahead.read(node);
        }
    }

    #[test]
    fn who_begins_to_read_is_believed_again() {
        let ahead = Ahead::default();
        let look = |node| {
            let told = ahead.looked_up(node);
            ahead.read(node);
            told
        };
        for node in 1..=1000 {
            let _ = ahead.looked_up(node);
        }
        let told = (2000..6000).map(look).filter(|told| *told).count();
        assert!(told > 2000, "{told}");
        assert!(look(9999));
    }
}
