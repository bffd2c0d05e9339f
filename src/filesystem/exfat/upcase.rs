//! The up-case table (7.2): which letters are the same in names.

use std::sync::{Arc, LazyLock};

use super::checksum;
use super::core::Core;
use super::recommended::RANGES;
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::format::{Room, Taken};
use crate::number::to_usize;
use crate::source::zeroed;

/// Bytes of a table at most: a word for each of the 65,536 units.
const MOST: u64 = 128 << 10;

/// In a compressed table: the next word counts units that are their own capitals.
const RUN: u16 = 0xffff;

/// The recommended table, which nearly all volumes have.
static RECOMMENDED: LazyLock<Arc<[u16]>> = LazyLock::new(|| recommended().into());

/// A table.
pub(super) struct Upcase {
    table: Arc<[u16]>,
    /// What it takes, where it is the volume's alone.
    _room: Option<Taken>,
}

impl Upcase {
    /// The volume's own table; the recommended one, with a notice, where that is missing or
    /// damaged, as the kernel's driver does it, or where `room` has no more: a table of partitions
    /// may name thousands of volumes.
    pub(super) fn load(core: &Core<'_>, request: &Request, room: &Room) -> Self {
        let loaded = Self::read(core, request).and_then(|table| Self::keep(table, room));
        loaded.unwrap_or_else(|error| {
            let error = error.context("up-case table");
            core.notice(format!("{error}: the recommended one is used"));
            Self::recommended()
        })
    }

    /// The volume's own table.
    ///
    /// # Errors
    /// `Corrupt` where there is none or a damaged one; as for reading.
    pub(super) fn read(core: &Core<'_>, request: &Request) -> Result<Vec<u16>> {
        let root = core.geometry.place(core.geometry.root);
        let missing = || Error::corrupt("there is none").at(root);
        let (stream, sum) = core.entries.upcase.ok_or_else(missing)?;
        read(core, request, stream, sum)
    }

    /// The recommended table.
    pub(super) fn recommended() -> Self {
        Self {
            table: RECOMMENDED.clone(),
            _room: None,
        }
    }

    /// `table`, which takes `room` where it is not the recommended one.
    fn keep(table: Vec<u16>, room: &Room) -> Result<Self> {
        if *table == **RECOMMENDED {
            return Ok(Self::recommended());
        }
        let room = room.take(size_of_val(&*table))?;
        Ok(Self {
            table: table.into(),
            _room: Some(room),
        })
    }

    /// The capital of `unit`.
    pub(super) fn capital(&self, unit: u16) -> u16 {
        let capital = self.table.get(usize::from(unit));
        capital.copied().unwrap_or(unit)
    }
}

fn recommended() -> Vec<u16> {
    let mut table: Vec<u16> = (0..=u16::MAX).collect();
    for (first, last, step, add) in RANGES {
        let letters = usize::from(first)..=usize::from(last);
        for letter in letters.step_by(step) {
            if let Some(capital) = table.get_mut(letter) {
                *capital = capital.wrapping_add_signed(add);
            }
        }
    }
    table
}

/// The table in `bytes`, which may be compressed; `None` where it says nothing of some units.
fn parse(bytes: &[u8]) -> Option<Vec<u16>> {
    let mut table: Vec<u16> = (0..=u16::MAX).collect();
    let (words, _) = bytes.as_chunks();
    let mut words = words.iter().map(|word| u16::from_le_bytes(*word));
    let mut unit: usize = 0;
    while unit < table.len() {
        let word = words.next()?;
        if word == RUN && unit != usize::from(RUN) {
            unit = unit.saturating_add(words.next()?.into());
        } else {
            *table.get_mut(unit)? = word;
            unit = unit.saturating_add(1);
        }
    }
    Some(table)
}

/// The table in the clusters of `stream`, with the sum `stored`. The kernel's driver takes the
/// clusters to follow each other, so that this is tried too.
fn read(core: &Core<'_>, request: &Request, stream: Stream, stored: u32) -> Result<Vec<u16>> {
    if stream.length > MOST {
        let length = stream.length;
        let text = format!("DataLength {length} is over {MOST}");
        return Err(Error::corrupt(text).at(stream.entry));
    }
    let table = sized(core, request, stream, stored);
    let contiguous = Stream {
        contiguous: true,
        ..stream
    };
    let bytes =
        table.or_else(|error| sized(core, request, contiguous, stored).map_err(|_| error))?;
    let short = || Error::corrupt("it does not reach to 0xffff").at(stream.entry);
    parse(&bytes).ok_or_else(short)
}

fn sized(core: &Core<'_>, request: &Request, stream: Stream, stored: u32) -> Result<Vec<u8>> {
    let mut bytes = zeroed(to_usize(stream.length))?;
    stream.read(core, request, &mut bytes, 0)?;
    let sum = checksum::table(&bytes);
    if sum == stored {
        return Ok(bytes);
    }
    let text = format!("TableChecksum {stored:#010x} should be {sum:#010x}");
    Err(Error::corrupt(text).at(stream.entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the recommended table, compressed as the specification has it.
    fn compressed() -> Vec<u8> {
        let table = recommended();
        let mut words: Vec<u16> = Vec::new();
        let mut unit = 0;
        while let Some(capital) = table.get(unit) {
            let own = |(letter, capital): &(u16, &u16)| letter == *capital;
            let letters = (0..=u16::MAX).zip(&table).skip(unit);
            let same = letters.take_while(own).count();
            // Shorter runs of capitals are written out.
            if same > 512 {
                words.extend([RUN, u16::try_from(same).unwrap()]);
                unit = unit.checked_add(same).unwrap();
            } else {
                words.push(*capital);
                unit = unit.checked_add(1).unwrap();
            }
        }
        words.into_iter().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn the_recommended_table_has_the_sum_that_the_specification_gives() {
        let bytes = compressed();
        assert_eq!(bytes.len(), 5836);
        assert_eq!(checksum::table(&bytes), 0xe619_d30d);
        assert_eq!(parse(&bytes).unwrap(), recommended());
    }

    #[test]
    fn a_table_has_to_reach_to_the_last_unit() {
        let words = |words: &[u16]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            parse(&bytes)
        };
        assert!(words(&[]).is_none());
        assert!(words(&[0, 1, RUN]).is_none());
        assert!(words(&[0, 1, RUN, 0xfff0]).is_none());
        let table = words(&[0, 9, RUN, 0xfffe]).unwrap();
        let kept = Upcase::keep(table, &Room::default()).unwrap();
        assert_eq!(
            [0, 1, 2, 0xffff].map(|unit| kept.capital(unit)),
            [0, 9, 2, 0xffff]
        );
        // Written out, the last unit is no start of a run.
        let whole: Vec<u16> = (0..=u16::MAX).collect();
        assert_eq!(words(&whole).unwrap(), whole);
    }

    #[test]
    fn the_recommended_table_is_held_once_and_takes_no_room() {
        let room = Room::default();
        let tables: Vec<Upcase> = (0..500)
            .map(|_| Upcase::keep(recommended(), &room).unwrap())
            .collect();
        assert!(tables.iter().all(|it| Arc::ptr_eq(&it.table, &RECOMMENDED)));
    }
}
