//! Members of sets that wait for the others, which may turn up deeper down.

use std::collections::{BTreeMap, BTreeSet};

use super::probe::Reader;
use crate::format::{Format, Set};
use crate::volume::Open;

/// What tells a set from others: its format and its name.
type Key = (&'static str, String);

/// How many names are held for strays, in all sets together. Those beyond are nobody's, as if they
/// were not named.
const MOST_NAMES: usize = 1 << 16;

/// Everybody who waits.
pub(super) struct Waiting {
    /// The volume managers in probe order, arrays before what they may hold.
    managers: &'static [Format<Open>],
    sets: BTreeMap<Key, Forming>,
    /// How many names the sets have.
    names: usize,
    strays: Vec<Stray>,
    opened: BTreeSet<Key>,
}

/// A set that is to be opened.
pub(super) struct Due {
    pub(super) reader: Reader,
    /// Its name.
    pub(super) set: String,
    /// By place, the newest first.
    pub(super) members: Vec<Member>,
    /// How many there should be.
    pub(super) expected: u32,
    /// It was opened before, without these members.
    pub(super) is_late: bool,
}

/// A node that is found to be a member.
#[derive(Clone, Copy)]
pub(super) struct Newcomer {
    pub(super) draft: usize,
    pub(super) depth: usize,
    pub(super) reader: Reader,
}

/// A member of a set that is to be opened.
pub(super) struct Member {
    pub(super) draft: usize,
    pub(super) place: Place,
    pub(super) event: u64,
}

/// Which of the members one is: by its number, or by what others call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Role(u32),
    Called(String),
    /// None: the node itself tells it from others.
    Beside(usize),
}

impl Place {
    /// Whether the set lacks something without it.
    fn counts(&self) -> bool {
        !matches!(self, Self::Beside(_))
    }
}

/// What is known of a set that waits.
#[derive(Default)]
struct Forming {
    members: Vec<Knowing>,
    /// What the members call all of them. Most name the same ones, which are held once: there may be
    /// thousands of either.
    names: BTreeSet<String>,
}

/// A member that knows its set.
struct Knowing {
    node: Newcomer,
    place: Place,
    expected: u32,
    event: u64,
}

/// A member that does not.
struct Stray {
    node: Newcomer,
    id: String,
}

impl Waiting {
    /// Nobody yet; `managers` are in the order in which their sets are opened.
    pub(super) fn new(managers: &'static [Format<Open>]) -> Self {
        Self {
            managers,
            sets: BTreeMap::new(),
            names: 0,
            strays: Vec::new(),
            opened: BTreeSet::new(),
        }
    }

    /// The node, which is a member of `set`.
    pub(super) fn add(&mut self, node: Newcomer, set: Set) {
        let format = node.reader.name();
        match set {
            Set::Member {
                set,
                role,
                expected,
                event,
                names,
            } => {
                let forming = self.sets.entry((format, set)).or_default();
                forming.members.push(Knowing {
                    node,
                    place: Place::Role(role),
                    expected,
                    event,
                });
                for name in names {
                    if self.names < MOST_NAMES && forming.names.insert(name) {
                        self.names = self.names.saturating_add(1);
                    }
                }
            }
            Set::Beside { set, expected } => {
                let forming = self.sets.entry((format, set)).or_default();
                forming.members.push(Knowing {
                    node,
                    place: Place::Beside(node.draft),
                    expected,
                    event: 0,
                });
            }
            Set::Stray { id } => self.strays.push(Stray { node, id }),
            Set::Alone
            | Set::Sealed { .. }
            | Set::Trailer
            | Set::Hybrid { .. }
            | Set::Bridge { .. } => {}
        }
    }

    /// A set to open: one whose members are all there before one that lacks some, which another
    /// set's volumes may still bring. Of those that lack some an array comes before what may lie on
    /// it, and of one manager's the one that lies on the fewest others.
    pub(super) fn next(&mut self) -> Option<Due> {
        let is_complete = |(_, forming): &(_, &Forming)| {
            let places = self.members(forming).map(|it| it.place);
            let places: BTreeSet<Place> = places.filter(Place::counts).collect();
            u32::try_from(places.len()).ok() >= Some(forming.expected())
        };
        let found = self.sets.iter().find(is_complete);
        let rank = |(key, forming): &(&Key, &Forming)| {
            let deepest = self.nodes(forming).map(|node| node.depth).max();
            (self.rank(key.0), deepest)
        };
        let key = found.or_else(|| self.sets.iter().min_by_key(rank))?.0;
        let key = key.clone();
        let forming = self.sets.remove(&key)?;
        self.names = self.names.saturating_sub(forming.names.len());
        let mut all: Vec<Member> = self.members(&forming).collect();
        all.sort_by(|a, b| a.place.cmp(&b.place).then(b.event.cmp(&a.event)));
        let taken: BTreeSet<usize> = all.iter().map(|member| member.draft).collect();
        self.strays
            .retain(|stray| !taken.contains(&stray.node.draft));
        Some(Due {
            reader: forming.members.first()?.node.reader,
            set: key.1.clone(),
            members: all,
            expected: forming.expected(),
            is_late: !self.opened.insert(key),
        })
    }

    /// One that no set has named, once no set is left.
    pub(super) fn next_stray(&mut self) -> Option<(usize, Reader)> {
        let stray = self.strays.pop()?;
        Some((stray.node.draft, stray.node.reader))
    }

    /// Where among the managers the one called `name` stands; file systems stand behind them.
    fn rank(&self, name: &str) -> usize {
        let found = self.managers.iter().position(|it| it.name == name);
        found.unwrap_or(self.managers.len())
    }

    /// The members that know their set, and those that they name.
    fn members<'a>(&'a self, forming: &'a Forming) -> impl Iterator<Item = Member> + 'a {
        let strays = self.named(forming).map(|stray| Member {
            draft: stray.node.draft,
            place: Place::Called(stray.id.clone()),
            event: 0,
        });
        let knowing = forming.members.iter().map(|member| Member {
            draft: member.node.draft,
            place: member.place.clone(),
            event: member.event,
        });
        knowing.chain(strays)
    }

    /// The nodes of all of them.
    fn nodes<'a>(&'a self, forming: &'a Forming) -> impl Iterator<Item = Newcomer> + 'a {
        let strays = self.named(forming).map(|stray| stray.node);
        let knowing = forming.members.iter().map(|member| member.node);
        knowing.chain(strays)
    }

    /// The strays that the members of `forming` name.
    fn named<'a>(&'a self, forming: &'a Forming) -> impl Iterator<Item = &'a Stray> + 'a {
        let format = forming.members.first();
        let format = format.map(|member| member.node.reader.name());
        self.strays.iter().filter(move |stray| {
            Some(stray.node.reader.name()) == format && forming.names.contains(&stray.id)
        })
    }
}

impl Forming {
    /// How many members there should be.
    fn expected(&self) -> u32 {
        let expected = self.members.iter().map(|member| member.expected);
        expected.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::FORMATS;

    fn newcomer(draft: usize) -> Newcomer {
        let reader = Reader::Volume(&FORMATS[0]);
        Newcomer {
            draft,
            depth: 0,
            reader,
        }
    }

    fn member(set: &str, role: u32, names: impl Iterator<Item = usize>) -> Set {
        Set::Member {
            set: set.to_owned(),
            role,
            expected: 1000,
            event: 0,
            names: names.map(|it| it.to_string()).collect(),
        }
    }

    #[test]
    fn the_names_that_many_members_have_are_held_once_and_find_strays() {
        let mut waiting = Waiting::new(FORMATS);
        for draft in 0..500 {
            let names = if draft == 7 { 0..1000 } else { 1..999 };
            waiting.add(newcomer(draft), member("a", 0, names));
        }
        assert_eq!(waiting.names, 1000);
        for (draft, id) in [(500, "0"), (501, "1000"), (502, "998")] {
            let id = id.to_owned();
            waiting.add(newcomer(draft), Set::Stray { id });
        }
        let due = waiting.next().unwrap();
        let called = due.members.iter().filter(|it| it.draft >= 500);
        assert_eq!(called.map(|it| it.draft).collect::<Vec<_>>(), [500, 502]);
        assert_eq!(waiting.names, 0);
    }

    #[test]
    fn the_names_of_all_sets_together_are_bounded() {
        let mut waiting = Waiting::new(FORMATS);
        for number in 0..10 {
            let set = number.to_string();
            waiting.add(newcomer(number), member(&set, 0, 0..MOST_NAMES / 4));
        }
        let held = waiting.sets.values().map(|it| it.names.len());
        assert_eq!(held.sum::<usize>(), MOST_NAMES);
        while waiting.next().is_some() {}
        assert_eq!(waiting.names, 0);
    }
}
