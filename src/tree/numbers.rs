//! Node numbers: what the kernel calls a file by, which is also the inode number that people see.
//!
//! A number can be turned back into (volume, inode) by its bits alone wherever they fit, so that
//! nothing is kept for a file that was looked up. Where they don't, a table keeps the number from
//! the first lookup to the last forget.
//!
//! | number                       | what it is                                                    |
//! |------------------------------|---------------------------------------------------------------|
//! | 1                            | the root of the tree, and nothing else                        |
//! | direct: 2 to 2^63 - 1        | the file's own number: its handle, or what the table says      |
//! | direct: 2^63 + handle        | a file whose own number is 0, 1, over 2^63 or somebody else's  |
//! | volumes: 2 to 2^48 - 1       | a directory, link or raw file that the tree adds               |
//! | volumes: (v + 1) 2^48 + handle | a file of volume v                                          |
//! | 2^63 + 2^62 + a hash         | a handle that does not fit: in the table                       |

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::filesystem::Inode;
use crate::lock::lock;
use crate::number::{to_u64, to_usize};

/// Bits of a handle beside a volume's number.
const HANDLE_BITS: u32 = 48;
/// Marks a number that is not the file's own.
const FOREIGN: u64 = 1 << 63;
/// With [`FOREIGN`]: only the table knows what it is.
const HASHED: u64 = 1 << 62;

/// The root of the tree.
pub(super) const ROOT: u64 = 1;

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// An entry of the tree's own top, by its index; the root is 0.
    Top(usize),
    /// A file of a volume.
    File { volume: usize, inode: Inode },
}

/// The numbers of one tree.
pub(super) struct Numbers {
    direct: bool,
    table: Mutex<Table>,
    /// Entries in the table: while there are none, nobody takes the lock.
    len: AtomicUsize,
}

#[derive(Default)]
struct Table {
    by_number: HashMap<u64, Kept>,
    by_file: HashMap<(usize, Inode), u64>,
}

impl Table {
    /// Gives memory back when most of what was kept is forgotten: a map keeps its room by itself,
    /// and a `find` over millions of files would hold it for as long as the mount lasts.
    fn shrink(&mut self) {
        const LEAST: usize = 1024;
        let (len, room) = (self.by_number.len(), self.by_number.capacity());
        if room > LEAST && len < room / 8 {
            let enough = len.saturating_mul(2);
            self.by_number.shrink_to(enough);
            self.by_file.shrink_to(enough);
        }
    }
}

struct Kept {
    volume: usize,
    inode: Inode,
    lookups: u64,
}

impl Numbers {
    pub(super) fn new(direct: bool) -> Self {
        Self {
            direct,
            table: Mutex::default(),
            len: AtomicUsize::new(0),
        }
    }

    /// The number of a file, as far as it can be told without keeping it. `own` is the number the
    /// file system gives it; it counts in direct layout only.
    pub(super) fn number(&self, volume: usize, inode: Inode, own: u64) -> u64 {
        if let Some(kept) = self.kept(volume, inode) {
            return kept;
        }
        match self.wish(volume, inode, own) {
            Wish::Plain(number) | Wish::Table(number) => number,
        }
    }

    /// The number of a file, counted once: [`Numbers::forget`] gives it back. `is_other` says
    /// whether a handle that equals a number is a file by itself, whose number it then is.
    pub(super) fn hand_out(
        &self,
        volume: usize,
        inode: Inode,
        own: u64,
        is_other: impl FnOnce(Inode) -> bool,
    ) -> u64 {
        match self.wish(volume, inode, own) {
            Wish::Plain(number) if !self.is_kept_for_another(number, volume, inode) => number,
            Wish::Table(number) => {
                let known = self.kept(volume, inode).is_some();
                let free = known || !self.direct || number & FOREIGN != 0;
                if free || !is_other(Inode(number)) {
                    self.keep(volume, inode, number)
                } else {
                    self.hand_out_foreign(volume, inode)
                }
            }
            Wish::Plain(_) => self.hand_out_foreign(volume, inode),
        }
    }

    /// What `number` stands for; none for one that was never given.
    pub(super) fn target(&self, number: u64) -> Option<Target> {
        if number == ROOT {
            return Some(Target::Top(0));
        }
        if self.len.load(Ordering::Acquire) > 0
            && let Some(kept) = self.lock().by_number.get(&number)
        {
            let (volume, inode) = (kept.volume, kept.inode);
            return Some(Target::File { volume, inode });
        }
        if number == 0 || number & (FOREIGN | HASHED) == FOREIGN | HASHED {
            return None;
        }
        Some(if self.direct {
            let inode = Inode(number & !FOREIGN);
            Target::File { volume: 0, inode }
        } else {
            volumes_target(number)?
        })
    }

    /// Takes back `count` lookups of `number`.
    pub(super) fn forget(&self, number: u64, count: u64) {
        if self.len.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut table = self.lock();
        let Some(kept) = table.by_number.get_mut(&number) else {
            return;
        };
        kept.lookups = kept.lookups.saturating_sub(count);
        if kept.lookups == 0 {
            let file = (kept.volume, kept.inode);
            table.by_number.remove(&number);
            table.by_file.remove(&file);
            table.shrink();
            self.len.store(table.by_number.len(), Ordering::Release);
        }
    }

    /// How many numbers the table keeps.
    pub(super) fn kept_count(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn wish(&self, volume: usize, inode: Inode, own: u64) -> Wish {
        if !self.direct {
            return match volumes_number(volume, inode) {
                Some(number) => Wish::Plain(number),
                None => Wish::Table(hash(volume, inode)),
            };
        }
        match own {
            0 | ROOT | FOREIGN.. => foreign(volume, inode),
            _ if own == inode.0 => Wish::Plain(own),
            _ => Wish::Table(own),
        }
    }

    fn hand_out_foreign(&self, volume: usize, inode: Inode) -> u64 {
        match foreign(volume, inode) {
            Wish::Plain(number) => number,
            Wish::Table(number) => self.keep(volume, inode, number),
        }
    }

    fn kept(&self, volume: usize, inode: Inode) -> Option<u64> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.lock().by_file.get(&(volume, inode)).copied()
    }

    fn is_kept_for_another(&self, number: u64, volume: usize, inode: Inode) -> bool {
        self.len.load(Ordering::Acquire) > 0
            && self
                .lock()
                .by_number
                .get(&number)
                .is_some_and(|kept| (kept.volume, kept.inode) != (volume, inode))
    }

    /// Keeps `number` for the file, or the next free hashed one, and counts it.
    fn keep(&self, volume: usize, inode: Inode, number: u64) -> u64 {
        let mut table = self.lock();
        if let Some(number) = table.by_file.get(&(volume, inode)).copied() {
            if let Some(kept) = table.by_number.get_mut(&number) {
                kept.lookups = kept.lookups.saturating_add(1);
            }
            return number;
        }
        let mut number = number;
        let mut next = hash(volume, inode);
        // Ends: the table is far smaller than the 2^62 hashed numbers.
        while table.by_number.contains_key(&number) {
            number = next;
            next = next.wrapping_add(1) | FOREIGN | HASHED;
        }
        let lookups = 1;
        table.by_number.insert(
            number,
            Kept {
                volume,
                inode,
                lookups,
            },
        );
        table.by_file.insert((volume, inode), number);
        self.len.store(table.by_number.len(), Ordering::Release);
        number
    }

    /// A holder that panicked left both maps whole: each change is two inserts or two removals.
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

/// The number a file should have, and whether its bits are enough to find the file again.
enum Wish {
    Plain(u64),
    Table(u64),
}

fn foreign(volume: usize, inode: Inode) -> Wish {
    if inode.0 < HASHED {
        Wish::Plain(inode.0 | FOREIGN)
    } else {
        Wish::Table(hash(volume, inode))
    }
}

fn volumes_number(volume: usize, inode: Inode) -> Option<u64> {
    let high = to_u64(volume).checked_add(1)?;
    let fits = high < 1 << (62 - HANDLE_BITS) && inode.0 < 1 << HANDLE_BITS;
    fits.then_some(high << HANDLE_BITS | inode.0)
}

fn volumes_target(number: u64) -> Option<Target> {
    let low = number & ((1 << HANDLE_BITS) - 1);
    Some(match (number >> HANDLE_BITS).checked_sub(1) {
        None => Target::Top(to_usize(low.checked_sub(1)?)),
        Some(volume) => Target::File {
            volume: to_usize(volume),
            inode: Inode(low),
        },
    })
}

/// The same number for the same file in every mount: the finaliser of splitmix64.
fn hash(volume: usize, inode: Inode) -> u64 {
    let mut bits = inode.0 ^ to_u64(volume).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) | FOREIGN | HASHED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(volume: usize, inode: u64) -> Option<Target> {
        let inode = Inode(inode);
        Some(Target::File { volume, inode })
    }

    #[test]
    fn in_direct_layout_a_file_keeps_its_own_number_and_nothing_is_kept() {
        let numbers = Numbers::new(true);
        assert_eq!(numbers.hand_out(0, Inode(12), 12, |_| true), 12);
        assert_eq!(numbers.target(12), file(0, 12));
        assert_eq!(numbers.kept_count(), 0);
    }

    #[test]
    fn own_numbers_0_and_1_and_over_2_to_63_never_become_the_root() {
        let numbers = Numbers::new(true);
        for own in [0, 1, FOREIGN, u64::MAX] {
            for handle in [0, 1, 77, HASHED, FOREIGN, u64::MAX] {
                let number = numbers.hand_out(0, Inode(handle), own, |_| true);
                assert!(number >= FOREIGN, "{own} {handle}: {number:#x}");
                assert_eq!(numbers.target(number), file(0, handle));
            }
        }
    }

    #[test]
    fn a_number_other_than_the_handle_is_kept_until_it_is_forgotten() {
        let numbers = Numbers::new(true);
        assert_eq!(numbers.hand_out(0, Inode(0x60_0020), 5, |_| false), 5);
        assert_eq!(numbers.hand_out(0, Inode(0x60_0020), 5, |_| false), 5);
        assert_eq!(numbers.target(5), file(0, 0x60_0020));
        numbers.forget(5, 1);
        assert_eq!(numbers.target(5), file(0, 0x60_0020));
        numbers.forget(5, 1);
        assert_eq!(numbers.kept_count(), 0);
    }

    #[test]
    fn u09_a_million_numbers_that_are_forgotten_leave_no_memory_behind() {
        const COUNT: u64 = 1_000_000;
        let numbers = Numbers::new(true);
        let room = || {
            let table = numbers.lock();
            table.by_number.capacity().max(table.by_file.capacity())
        };
        for _ in 0..2 {
            for own in 2..COUNT {
                let handle = Inode(COUNT + own);
                assert_eq!(numbers.hand_out(0, handle, own, |_| false), own);
            }
            assert!(room() >= numbers.kept_count());
            for own in 2..COUNT {
                numbers.forget(own, 1);
            }
            assert_eq!(numbers.kept_count(), 0);
            assert!(room() < 10_000, "{}", room());
        }
    }

    #[test]
    fn two_files_with_one_number_get_two() {
        let numbers = Numbers::new(true);
        let first = numbers.hand_out(0, Inode(100), 5, |_| false);
        let second = numbers.hand_out(0, Inode(200), 5, |_| false);
        let third = numbers.hand_out(0, Inode(5), 5, |_| false);
        let fourth = numbers.hand_out(0, Inode(300), 6, |other| other == Inode(6));
        let expected = [(first, 100), (second, 200), (third, 5), (fourth, 300)];
        assert_eq!(first, 5);
        for (number, handle) in expected {
            assert_eq!(numbers.target(number), file(0, handle));
        }
    }

    #[test]
    fn in_volumes_layout_bits_tell_the_volume_and_a_large_handle_has_a_stable_number() {
        let (one, two) = (Numbers::new(false), Numbers::new(false));
        let large = Inode(1 << 50);
        for numbers in [&one, &two] {
            assert_eq!(numbers.hand_out(2, Inode(11), 0, |_| true), 3 << 48 | 11);
            assert_eq!(numbers.target(3 << 48 | 11), file(2, 11));
        }
        let number = one.hand_out(2, large, 0, |_| true);
        assert_eq!(number, two.hand_out(2, large, 0, |_| true));
        assert_eq!(one.target(number), file(2, 1 << 50));
        assert_eq!(one.target(7), Some(Target::Top(6)));
        one.forget(number, 1);
        assert_eq!(one.target(number), None);
    }
}
