//! Names of directories that are plain lists, found without a walk over the list each time.
//!
//! A directory's index is made by one pass over it and kept in the one cache, as pairs of a name's
//! hash and its position. It also knows which names occur more than once, as only a damaged
//! directory has them: the second `a` is shown as `a~2`, the third as `a~3`, with one more `~` where
//! such a name is there already. Nothing but the cache is kept: a number that is asked for later is
//! worked out again.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::cache::{Block, Cache, Layer};
use crate::error::Result;
use crate::filesystem::Request;
use crate::number::to_u64;
use crate::source::zeroed;

/// One directory, as its reader sees it.
pub(super) trait Listing {
    /// What tells this directory from others of its file system.
    fn number(&self) -> u64;

    /// Gives `each` every name, as it is shown but for the numbers of repeated ones, with its
    /// position, until `each` returns false. Positions rise.
    ///
    /// # Errors
    /// What makes the rest unreadable, after what lies before it was given.
    fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()>;

    /// The name at `position`, as [`Listing::each`] gives it.
    ///
    /// # Errors
    /// What makes it unreadable.
    fn name_at(&self, position: u64) -> Result<Vec<u8>>;

    /// On whose behalf names are read by themselves.
    fn request(&self) -> &Request;

    /// What names that mean the same file have in common: `name` itself, unless case is ignored.
    fn fold<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(name)
    }
}

/// The indexes of one file system's directories.
pub(super) struct Index {
    cache: Arc<Cache>,
    layer: Layer,
    /// Nobody can make names for it that all have the same hash.
    hash: RandomState,
}

/// Bytes of one pair: hash and position.
const PAIR: usize = 16;

/// Names that are indexed of one directory: those behind them are found by a walk, and are not
/// numbered.
const MOST_NAMES: usize = 2 << 20;

/// What reading one name by its place costs, in steps of the request's budget: it is read by itself,
/// where a listing reads many at a time. It counts where more than one has to be read.
const NAME_COST: u64 = 32;

/// Tildes before the number of a repeated name, at most.
const MOST_TILDES: usize = 8;

impl Index {
    /// No index yet; what is made is kept in `cache`.
    pub(super) fn new(cache: Arc<Cache>) -> Self {
        let layer = cache.layer();
        let hash = RandomState::new();
        Self { cache, layer, hash }
    }

    /// The position of `name`: the same bytes, or else the first that means the same.
    ///
    /// # Errors
    /// What makes the directory unreadable, where that may hide the name.
    pub(super) fn find(&self, directory: &dyn Listing, name: &[u8]) -> Result<Option<u64>> {
        match self.find_stored(directory, name)? {
            None => self.find_numbered(directory, name),
            found => Ok(found),
        }
    }

    /// `name`, which [`Listing::each`] gave for `position`, with its number where names before it
    /// are the same.
    ///
    /// # Errors
    /// As those of `directory`.
    pub(super) fn shown<'a>(
        &self,
        directory: &dyn Listing,
        name: &'a [u8],
        position: u64,
    ) -> Result<Cow<'a, [u8]>> {
        let before = |other: &&u64| **other < position;
        let same = self.same(directory, name)?;
        match same.iter().filter(before).count() {
            0 => Ok(Cow::Borrowed(name)),
            before => self.numbered(directory, name, before).map(Cow::Owned),
        }
    }

    fn numbered(&self, directory: &dyn Listing, name: &[u8], before: usize) -> Result<Vec<u8>> {
        let number = before.saturating_add(1).to_string();
        for tildes in 1..=MOST_TILDES {
            let candidate = [name, &b"~".repeat(tildes), number.as_bytes()].concat();
            if self.same(directory, &candidate)?.is_empty() {
                return Ok(candidate);
            }
        }
        Ok(name.to_vec())
    }

    /// The position of the entry that is shown as `name` because of what is before it.
    fn find_numbered(&self, directory: &dyn Listing, name: &[u8]) -> Result<Option<u64>> {
        for (stored, number) in splits(name) {
            let same = self.same(directory, stored)?;
            if let Some(position) = same.get(number.saturating_sub(1))
                && *self.shown(directory, stored, *position)? == *name
            {
                return Ok(Some(*position));
            }
        }
        Ok(None)
    }

    fn find_stored(&self, directory: &dyn Listing, name: &[u8]) -> Result<Option<u64>> {
        let block = self.block(directory)?;
        let wanted = directory.fold(name);
        let mut folded = None;
        for (position, before) in self.positions(&block, &wanted).into_iter().zip(0_u64..) {
            if before > 0 {
                directory.request().spend(NAME_COST)?;
            }
            let found = directory.name_at(position)?;
            if found == name {
                return Ok(Some(position));
            }
            if folded.is_none() && directory.fold(&found) == wanted {
                folded = Some(position);
            }
        }
        match folded.is_none() && is_incomplete(&block) {
            true => walk(directory, name),
            false => Ok(folded),
        }
    }

    /// The positions of exactly `name`, in order.
    fn same(&self, directory: &dyn Listing, name: &[u8]) -> Result<Vec<u64>> {
        let block = self.block(directory)?;
        let mut positions = Vec::new();
        let candidates = self.positions(&block, &directory.fold(name));
        if candidates.len() > 1 {
            let names = to_u64(candidates.len());
            let request = directory.request();
            request.spend(names.saturating_mul(NAME_COST))?;
        }
        for position in candidates {
            if directory.name_at(position)? == name {
                positions.push(position);
            }
        }
        Ok(positions)
    }

    /// The positions of the names that may fold to `folded`, in order.
    fn positions(&self, block: &[u8], folded: &[u8]) -> Vec<u64> {
        let hash = self.hash.hash_one(folded);
        let (pairs, _) = block.as_chunks::<PAIR>();
        let first = pairs.partition_point(|pair| split(pair).0 < hash);
        let behind = pairs.iter().skip(first).map(split);
        let same = behind.take_while(|(other, _)| *other == hash);
        same.map(|(_, position)| position).collect()
    }

    fn block(&self, directory: &dyn Listing) -> Result<Block> {
        let visit = self.cache.visit();
        let make = || self.make(directory);
        self.cache
            .visit_or_read(self.layer, directory.number(), visit, make)
    }

    /// The pairs of `directory`, sorted, and one byte behind them where names are missing.
    ///
    /// # Errors
    /// `Io` where memory is short.
    fn make(&self, directory: &dyn Listing) -> Result<Block> {
        let mut pairs = Vec::new();
        let mut is_whole = true;
        let each = &mut |name: &[u8], position| {
            is_whole = pairs.len() < MOST_NAMES && pairs.try_reserve(1).is_ok();
            if is_whole {
                pairs.push((self.hash.hash_one(&*directory.fold(name)), position));
            }
            is_whole
        };
        let result = directory.each(each);
        pairs.sort_unstable();
        let is_whole = is_whole && result.is_ok();
        let len = pairs.len().saturating_mul(PAIR);
        let mut block = zeroed(len.saturating_add(usize::from(!is_whole)))?;
        let (places, _) = block.as_chunks_mut::<PAIR>();
        for (place, pair) in places.iter_mut().zip(pairs) {
            *place = join(pair);
        }
        Ok(Block::from(block))
    }
}

fn split(pair: &[u8; PAIR]) -> (u64, u64) {
    let pair = u128::from_le_bytes(*pair);
    let low = |half: u128| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0);
    (low(pair), low(pair >> 64))
}

fn join((hash, position): (u64, u64)) -> [u8; PAIR] {
    (u128::from(position) << 64 | u128::from(hash)).to_le_bytes()
}

fn is_incomplete(block: &[u8]) -> bool {
    !block.as_chunks::<PAIR>().1.is_empty()
}

/// Looks for `name` entry by entry.
fn walk(directory: &dyn Listing, name: &[u8]) -> Result<Option<u64>> {
    let wanted = directory.fold(name);
    let (mut exact, mut folded) = (None, None);
    let each = &mut |found: &[u8], position| {
        if found == name {
            exact = Some(position);
        } else if folded.is_none() && directory.fold(found) == wanted {
            folded = Some(position);
        }
        exact.is_none()
    };
    let result = directory.each(each);
    match exact.or(folded) {
        None => result.map(|()| None),
        found => Ok(found),
    }
}

/// What `name` may be the numbered form of: `a~~3` is the third `a~`, or the third `a`.
fn splits(name: &[u8]) -> Vec<(&[u8], usize)> {
    let mut stored = name;
    while let [rest @ .., b'0'..=b'9'] = stored {
        stored = rest;
    }
    let digits = name.get(stored.len()..).unwrap_or_default();
    let number = std::str::from_utf8(digits).unwrap_or_default().parse();
    let Some(number) = number.ok().filter(|number| *number >= 2) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    while let [rest @ .., b'~'] = stored {
        stored = rest;
        found.push((stored, number));
        if found.len() == MOST_TILDES {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Error;

    /// A directory in memory; case is ignored.
    struct Names {
        names: Vec<&'static [u8]>,
        broken: bool,
        passes: Cell<u32>,
        request: Request,
    }

    impl Names {
        fn new(names: &[&'static str]) -> Self {
            let names = names.iter().map(|name| name.as_bytes()).collect();
            Self {
                names,
                broken: false,
                passes: Cell::new(0),
                request: Request::new(0),
            }
        }
    }

    impl Listing for Names {
        fn number(&self) -> u64 {
            7
        }

        fn each(&self, each: &mut dyn FnMut(&[u8], u64) -> bool) -> Result<()> {
            self.passes.update(|passes| passes.saturating_add(1));
            for (name, position) in self.names.iter().zip(0..) {
                if !each(name, position) {
                    return Ok(());
                }
            }
            match self.broken {
                true => Err(Error::corrupt("the rest is gone")),
                false => Ok(()),
            }
        }

        fn name_at(&self, position: u64) -> Result<Vec<u8>> {
            let index = usize::try_from(position).unwrap();
            Ok(self.names.get(index).unwrap().to_vec())
        }

        fn request(&self) -> &Request {
            &self.request
        }

        fn fold<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
            Cow::Owned(name.to_ascii_uppercase())
        }
    }

    fn index() -> Index {
        Index::new(Cache::new(1 << 20))
    }

    /// What is shown of `names`; each is found where it stands.
    fn shown(names: &Names) -> Vec<String> {
        let index = index();
        let stored = names.names.iter().zip(0_u64..);
        let shown = stored.map(|(name, position)| {
            let shown = index.shown(names, name, position).unwrap();
            assert_eq!(index.find(names, &shown).unwrap(), Some(position));
            String::from_utf8(shown.into_owned()).unwrap()
        });
        shown.collect()
    }

    #[test]
    fn a_directory_is_walked_once() {
        let names = Names::new(&["a", "b", "c"]);
        let index = index();
        for name in ["a", "c", "missing", "B", "b~2", "~2"] {
            let found = index.find(&names, name.as_bytes()).unwrap();
            let same = |known: &&[u8]| known.eq_ignore_ascii_case(name.as_bytes());
            let expected = names.names.iter().position(same).map(to_u64);
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(names.passes.get(), 1);
    }

    #[test]
    fn the_same_bytes_win_over_the_same_letters() {
        let names = Names::new(&["Readme", "README", "readme"]);
        assert_eq!(shown(&names), ["Readme", "README", "readme"]);
        let index = index();
        assert_eq!(index.find(&names, b"rEADME").unwrap(), Some(0));
    }

    #[test]
    fn repeated_names_are_numbered_and_found() {
        let names = Names::new(&["a", "a", "A", "a", "a~2", "b~", "b~"]);
        assert_eq!(
            shown(&names),
            ["a", "a~~2", "A", "a~3", "a~2", "b~", "b~~2"]
        );
        let index = index();
        for name in ["a~4", "a~1", "a~02", "A~2x", "a~~3"] {
            assert_eq!(index.find(&names, name.as_bytes()).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn what_lies_before_the_damage_is_found() {
        let names = Names {
            broken: true,
            ..Names::new(&["a", "b"])
        };
        let index = index();
        assert_eq!(index.find(&names, b"b").unwrap(), Some(1));
        assert!(index.find(&names, b"c").is_err());
    }
}
