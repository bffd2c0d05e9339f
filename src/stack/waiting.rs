//! Members of sets that wait for the others, which may turn up deeper down.

use std::collections::{BTreeMap, BTreeSet};

use super::probe::Reader;
use crate::format::{Format, Set};
use crate::volume::Open;

/// What tells a set from others: its format and its name.
type Key = (&'static str, String);

/// Everybody who waits.
pub(super) struct Waiting {
    /// The volume managers in probe order, arrays before what they may hold.
    managers: &'static [Format<Open>],
    sets: BTreeMap<Key, Vec<Knowing>>,
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

/// A member that knows its set.
struct Knowing {
    node: Newcomer,
    place: Place,
    expected: u32,
    event: u64,
    names: Vec<String>,
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
                let members = self.sets.entry((format, set)).or_default();
                members.push(Knowing {
                    node,
                    place: Place::Role(role),
                    expected,
                    event,
                    names,
                });
            }
            Set::Beside { set, expected } => {
                let members = self.sets.entry((format, set)).or_default();
                members.push(Knowing {
                    node,
                    place: Place::Beside(node.draft),
                    expected,
                    event: 0,
                    names: Vec::new(),
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
        let is_complete = |(_, members): &(_, &Vec<Knowing>)| {
            let places = self.members(members).map(|it| it.place);
            let places: BTreeSet<Place> = places.filter(Place::counts).collect();
            u32::try_from(places.len()).ok() >= Some(expected(members))
        };
        let found = self.sets.iter().find(is_complete);
        let rank = |(key, members): &(&Key, &Vec<Knowing>)| {
            let deepest = self.nodes(members).map(|node| node.depth).max();
            (self.rank(key.0), deepest)
        };
        let key = found.or_else(|| self.sets.iter().min_by_key(rank))?.0;
        let key = key.clone();
        let members = self.sets.remove(&key)?;
        let mut all: Vec<Member> = self.members(&members).collect();
        all.sort_by(|a, b| a.place.cmp(&b.place).then(b.event.cmp(&a.event)));
        let taken: BTreeSet<usize> = all.iter().map(|member| member.draft).collect();
        self.strays
            .retain(|stray| !taken.contains(&stray.node.draft));
        Some(Due {
            reader: members.first()?.node.reader,
            set: key.1.clone(),
            members: all,
            expected: expected(&members),
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
    fn members<'a>(&'a self, knowing: &'a [Knowing]) -> impl Iterator<Item = Member> + 'a {
        let strays = self.named(knowing).map(|stray| Member {
            draft: stray.node.draft,
            place: Place::Called(stray.id.clone()),
            event: 0,
        });
        let knowing = knowing.iter().map(|member| Member {
            draft: member.node.draft,
            place: member.place.clone(),
            event: member.event,
        });
        knowing.chain(strays)
    }

    /// The nodes of all of them.
    fn nodes<'a>(&'a self, knowing: &'a [Knowing]) -> impl Iterator<Item = Newcomer> + 'a {
        let strays = self.named(knowing).map(|stray| stray.node);
        knowing.iter().map(|member| member.node).chain(strays)
    }

    /// The strays that `knowing` name.
    fn named<'a>(&'a self, knowing: &'a [Knowing]) -> impl Iterator<Item = &'a Stray> + 'a {
        let named: BTreeSet<&str> = knowing
            .iter()
            .flat_map(|member| member.names.iter().map(String::as_str))
            .collect();
        let format = knowing.first().map(|member| member.node.reader.name());
        self.strays.iter().filter(move |stray| {
            Some(stray.node.reader.name()) == format && named.contains(stray.id.as_str())
        })
    }
}

fn expected(members: &[Knowing]) -> u32 {
    let expected = members.iter().map(|member| member.expected);
    expected.max().unwrap_or(0)
}
