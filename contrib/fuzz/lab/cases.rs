//! The number of a case becomes an image: which field, which value, or what else is done to which
//! seed. The same number under the same seed of the generator gives the same image.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::family::{Family, Field, Order, Seed, Structure};
use super::numbers::Numbers;
use super::oracle::Reference;
use super::record::Piece;
use super::values::{self, Place, Value};

/// A seed, and what is known of it.
#[derive(Serialize, Deserialize)]
pub struct Prepared {
    pub seed: Seed,
    pub structures: Vec<Structure>,
    pub reference: Reference,
}

/// A broken image.
pub struct Case {
    /// Which of the seeds it was made from.
    pub seed: usize,
    /// What was done: `superblock.s_log_block_size = 0x80000000, sealed`.
    pub what: String,
    pub files: Vec<Vec<u8>>,
    /// The bytes that are not those of the seed.
    pub touched: Vec<Piece>,
    /// A file was cut off: what it held at its end may be missed by anybody.
    pub is_cut: bool,
    /// It is opened without regard to checksums.
    pub ignores_checksums: bool,
}

/// Ten cases in a row: what is done in each.
const ROUND: [Kind; 10] = [
    Kind::Field,
    Kind::Word,
    Kind::Field,
    Kind::Swap,
    Kind::Field,
    Kind::Word,
    Kind::Field,
    Kind::Cut,
    Kind::Field,
    Kind::Flips,
];

/// How many of them are fields.
const FIELDS: u64 = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Field,
    Word,
    Swap,
    Cut,
    Flips,
}

/// An image in the making.
struct Making<'a> {
    family: &'a dyn Family,
    prepared: &'a Prepared,
    numbers: Numbers,
    files: Vec<Vec<u8>>,
    what: String,
}

/// The case `number` of `family` under the generator's `seed`.
pub fn make(family: &dyn Family, seeds: &[Prepared], seed: u64, number: u64) -> Option<Case> {
    let index = (number % seeds.len().max(1) as u64) as usize;
    let prepared = seeds.get(index)?;
    let nth = number / seeds.len() as u64;
    let files = prepared.seed.files.iter();
    let mut making = Making {
        family,
        prepared,
        numbers: Numbers::of(family.name(), seed, number),
        files: files.map(|(_, bytes)| bytes.clone()).collect(),
        what: String::new(),
    };
    let kind = ROUND[(nth % ROUND.len() as u64) as usize];
    let earlier = ROUND.iter().take((nth % ROUND.len() as u64) as usize);
    let earlier = earlier.filter(|kind| **kind == Kind::Field).count() as u64;
    let done = match kind {
        Kind::Field => making.field(seed, nth / ROUND.len() as u64 * FIELDS + earlier),
        Kind::Word => making.words(),
        Kind::Swap => making.swap(),
        Kind::Cut => making.cut(),
        Kind::Flips => making.flips(),
    };
    // What does not work with this seed, or changes nothing of it, is flips instead.
    if !done || making.touched().is_empty() {
        making.flips();
    }
    Some(Case {
        seed: index,
        touched: making.touched(),
        is_cut: making.is_cut(),
        ignores_checksums: kind != Kind::Field && making.numbers.below(4) == 0,
        what: format!("{}: {}", prepared.seed.name, making.what),
        files: making.files,
    })
}

impl Making<'_> {
    /// The `nth` of all fields and values, in an order that the seed of the generator says. From the
    /// second round through them on another field is set too, which may be any; and before that, one
    /// time in four, one of the same structure.
    fn field(&mut self, seed: u64, nth: u64) -> bool {
        let structures = &self.prepared.structures;
        let fields = structures.iter().map(|structure| structure.fields.len());
        let total = fields.sum::<usize>() as u64 * values::ALL.len() as u64;
        if total == 0 {
            return self.word();
        }
        let chosen = permuted(nth % total, total, seed);
        let done = self.nth_field(chosen);
        if nth >= total {
            let second = self.numbers.below(total);
            self.nth_field(second);
        } else if self.numbers.below(4) == 0 {
            self.beside(chosen);
        }
        done
    }

    /// Another field of the structure that the `chosen` one is in.
    fn beside(&mut self, chosen: u64) -> bool {
        let mut first = 0;
        for structure in &self.prepared.structures {
            let many = structure.fields.len() as u64 * values::ALL.len() as u64;
            if chosen < first + many {
                let other = first + self.numbers.below(many);
                return self.nth_field(other);
            }
            first += many;
        }
        false
    }

    fn nth_field(&mut self, chosen: u64) -> bool {
        let prepared = self.prepared;
        let value = values::ALL[(chosen % values::ALL.len() as u64) as usize];
        let index = (chosen / values::ALL.len() as u64) as usize;
        let all = prepared.structures.iter();
        let all =
            all.flat_map(|structure| structure.fields.iter().map(move |field| (structure, field)));
        let Some((structure, field)) = all.clone().nth(index) else {
            return false;
        };
        let place = Place {
            own: structure.range.start,
            parent: structure.parent.unwrap_or(0),
        };
        let name = format!("{}.{}", structure.name, field.name);
        self.set(structure.file, field, value, &place, &name)
    }

    /// Sets a field, and the checksums over it but for one time in eight.
    fn set(&mut self, file: usize, field: &Field, value: Value, place: &Place, name: &str) -> bool {
        let Some(bytes) = self.files.get_mut(file) else {
            return false;
        };
        let Some(before) = values::read(bytes, field) else {
            return false;
        };
        let mut number = value.number(before, field.width, place, &mut self.numbers);
        if number == before {
            number = Value::Random.number(before, field.width, place, &mut self.numbers);
        }
        values::write(bytes, field, number);
        self.say(&format!("{name} = {number:#x}"));
        self.seal_mostly(file, field.offset..field.offset + u64::from(field.width));
        true
    }

    fn seal_mostly(&mut self, file: usize, touched: Range<u64>) {
        if self.numbers.below(8) > 0 {
            let structures = &self.prepared.structures;
            self.family
                .seal(&mut self.files, structures, (file, touched));
        }
    }

    fn say(&mut self, what: &str) {
        if !self.what.is_empty() {
            self.what.push_str(", ");
        }
        self.what.push_str(what);
    }

    /// One word, or a few.
    fn words(&mut self) -> bool {
        let many = [1, 1, 2, 4][self.numbers.below(4) as usize];
        (0..many).fold(false, |done, _| self.word() || done)
    }

    /// A word that our readers look at, whatever it may mean.
    fn word(&mut self) -> bool {
        let prepared = self.prepared;
        let Some((file, range)) = self.numbers.choose(&prepared.reference.seen).cloned() else {
            return false;
        };
        let width = [1, 2, 4, 8][self.numbers.below(4) as usize];
        let words = (range.end - range.start).div_ceil(width).max(1);
        let offset = (range.start / width + self.numbers.below(words)) * width;
        let field = Field {
            name: String::new(),
            offset,
            width: width as u8,
            order: [Order::Little, Order::Big][self.numbers.below(2) as usize],
        };
        let value = values::ALL[self.numbers.below(values::ALL.len() as u64) as usize];
        let place = Place {
            own: range.start,
            parent: offset,
        };
        let name = format!("file {file} at {offset:#x}, {width} bytes");
        self.set(file, &field, value, &place, &name)
    }

    /// One structure in another one's place: two of a kind change places, or one is repeated.
    fn swap(&mut self) -> bool {
        let structures = &self.prepared.structures;
        let Some(one) = self.numbers.choose(structures) else {
            return self.word();
        };
        let kind = |structure: &Structure| {
            let words = structure.name.rsplit_once(' ');
            words.map_or(structure.name.clone(), |(kind, _)| kind.to_owned())
        };
        let like = |other: &&Structure| {
            other.file == one.file && other.range != one.range && kind(other) == kind(one)
        };
        let mut others: Vec<&Structure> = structures.iter().filter(like).collect();
        if others.is_empty() {
            let elsewhere = |other: &&Structure| other.range != one.range && other.file == one.file;
            others = structures.iter().filter(elsewhere).collect();
        }
        let Some(other) = self.numbers.choose(&others) else {
            return self.word();
        };
        let len =
            (one.range.end - one.range.start).min(other.range.end - other.range.start) as usize;
        let (here, there) = (one.range.start as usize, other.range.start as usize);
        let bytes = &mut self.files[one.file];
        if here.max(there) + len > bytes.len() {
            return false;
        }
        let (first, second) = (
            bytes[here..][..len].to_vec(),
            bytes[there..][..len].to_vec(),
        );
        bytes[there..][..len].copy_from_slice(&first);
        let changes = self.numbers.below(2) == 0;
        if changes {
            bytes[here..][..len].copy_from_slice(&second);
        }
        let verb = ["copied over", "changed with"][usize::from(changes)];
        self.say(&format!("{} {verb} {}", one.name, other.name));
        self.seal_mostly(one.file, other.range.start..other.range.start + len as u64);
        self.seal_mostly(one.file, one.range.start..one.range.start + len as u64);
        true
    }

    /// Cut off: at a sector or at a structure, or anywhere.
    fn cut(&mut self) -> bool {
        let file = self.numbers.below(self.files.len() as u64) as usize;
        let size = self.files[file].len() as u64;
        let structures = self.prepared.structures.iter().filter(|it| it.file == file);
        let starts: Vec<u64> = structures.map(|structure| structure.range.start).collect();
        let at = match self.numbers.below(4) {
            0 => self.numbers.below(64) * 512,
            1 => self.numbers.below(size),
            2 => self.numbers.below(size) / 512 * 512,
            _ => self.numbers.choose(&starts).copied().unwrap_or(size / 2),
        };
        if at >= size {
            return false;
        }
        self.files[file].truncate(at as usize);
        self.say(&format!("file {file} cut off at {at:#x}"));
        true
    }

    /// Bits flipped: half of the time in what our readers look at.
    fn flips(&mut self) -> bool {
        let flips = [1, 2, 8, 64][self.numbers.below(4) as usize];
        let is_seen = self.numbers.below(2) == 0;
        let mut places = Vec::new();
        for _ in 0..flips {
            let seen = self.numbers.choose(&self.prepared.reference.seen).cloned();
            let (file, range) = match seen.filter(|_| is_seen) {
                Some(piece) => piece,
                None => {
                    let file = self.numbers.below(self.files.len() as u64) as usize;
                    (file, 0..self.files[file].len() as u64)
                }
            };
            let at = range.start + self.numbers.below(range.end - range.start);
            let bit = self.numbers.below(8);
            if let Some(byte) = self.files[file].get_mut(at as usize) {
                *byte ^= 1 << bit;
                places.push(format!("{file}:{at:#x}.{bit}"));
            }
        }
        let shown: Vec<_> = places.iter().take(8).cloned().collect();
        self.say(&format!(
            "{} bits flipped: {}",
            places.len(),
            shown.join(" ")
        ));
        !places.is_empty()
    }

    fn is_cut(&self) -> bool {
        let seed = self.prepared.seed.files.iter();
        seed.zip(&self.files)
            .any(|((_, before), after)| after.len() < before.len())
    }

    /// What is not as in the seed.
    fn touched(&self) -> Vec<Piece> {
        let seed = self.prepared.seed.files.iter().zip(&self.files).enumerate();
        let mut touched = Vec::new();
        for (file, ((_, before), after)) in seed {
            differences(file, before, after, &mut touched);
            if after.len() != before.len() {
                let (short, long) = (after.len().min(before.len()), after.len().max(before.len()));
                touched.push((file, short as u64..long as u64));
                // Of a disk in parts, what lies in those behind has moved.
                let behind = self.prepared.seed.files.iter().enumerate().skip(file + 1);
                touched.extend(behind.map(|(file, (_, bytes))| (file, 0..bytes.len() as u64)));
            }
        }
        touched
    }
}

/// The runs of bytes in which two files differ.
fn differences(file: usize, before: &[u8], after: &[u8], touched: &mut Vec<Piece>) {
    const BLOCK: usize = 4096;
    let blocks = before.chunks(BLOCK).zip(after.chunks(BLOCK)).enumerate();
    for (block, (before, after)) in blocks.filter(|(_, (before, after))| before != after) {
        let bytes = before.iter().zip(after).enumerate();
        for (at, _) in bytes.filter(|(_, (before, after))| before != after) {
            let at = (block * BLOCK + at) as u64;
            match touched.last_mut() {
                Some((last, range)) if *last == file && range.end == at => range.end += 1,
                _ => touched.push((file, at..at + 1)),
            }
        }
    }
}

/// The place of `nth` in an order of the numbers below `total` that `seed` says.
fn permuted(nth: u64, total: u64, seed: u64) -> u64 {
    let mut numbers = Numbers::of("order", seed, total);
    let mut step = numbers.below(total) | 1;
    while gcd(step, total) != 1 {
        step += 2;
    }
    let product = u128::from(nth) * u128::from(step) + u128::from(numbers.below(total));
    (product % u128::from(total)) as u64
}

fn gcd(one: u64, other: u64) -> u64 {
    match other {
        0 => one,
        _ => gcd(other, one % other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::families;
    use super::*;

    /// Disks of the family that needs no tools to make its own.
    fn prepared() -> (&'static dyn Family, Vec<Prepared>) {
        let mut all = families::ALL.iter();
        let family = *all.find(|family| family.name() == "ldm").expect("a family");
        let prepared = super::super::run::prepare(family, None);
        (family, prepared)
    }

    #[test]
    fn a_number_is_one_image_and_it_is_broken() {
        let (family, seeds) = prepared();
        let make = |number| make(family, &seeds, 7, number).expect("a case");
        let mut all = std::collections::BTreeSet::new();
        for number in 0..60 {
            let (case, again) = (make(number), make(number));
            assert!(
                case.files == again.files && case.what == again.what,
                "{}",
                case.what
            );
            assert!(!case.touched.is_empty(), "{}", case.what);
            let sound = &seeds[case.seed].seed.files;
            for (file, range) in &case.touched {
                let of = |bytes: &[u8]| {
                    bytes
                        .get(range.start as usize..range.end as usize)
                        .map(<[u8]>::to_vec)
                };
                let differs = of(&sound[*file].1) != of(&case.files[*file]);
                assert!(differs || case.is_cut, "{}: {range:?}", case.what);
            }
            all.insert(case.files);
        }
        assert!(all.len() > 55, "{} of 60", all.len());
    }

    #[test]
    fn every_field_and_value_comes_once_before_any_comes_twice() {
        for total in [1, 2, 12, 13, 1000] {
            let order = (0..total).map(|nth| permuted(nth, total, 3));
            let places: std::collections::BTreeSet<u64> = order.collect();
            assert_eq!(places, (0..total).collect());
        }
    }

    #[test]
    fn what_differs_is_told_to_the_byte() {
        let before = vec![0; 10_000];
        let mut after = before.clone();
        for at in [0, 4095, 4096, 9_999] {
            after[at] = 1;
        }
        let mut touched = Vec::new();
        differences(2, &before, &after, &mut touched);
        assert_eq!(touched, [(2, 0..1), (2, 4095..4097), (2, 9_999..10_000)]);
    }
}
