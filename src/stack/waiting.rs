//! Members of sets that wait for the others, which may turn up deeper down.

use std::collections::{BTreeMap, BTreeSet};

use super::probe::Reader;
use crate::format::Set;

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Waiting {
    sets: BTreeMap<(&'static str, String), Vec<Knowing>>,
    strays: Vec<Stray>,
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
    draft: usize,
    reader: Reader,
    place: Place,
    expected: u32,
    event: u64,
    names: Vec<String>,
}

/// A member that does not.
struct Stray {
    draft: usize,
    reader: Reader,
    id: String,
}

impl Waiting {
    /// The node number `draft`, which `reader` has found to be a member of `set`.
    pub(super) fn add(&mut self, draft: usize, reader: Reader, set: Set) {
        match set {
            Set::Member {
                set,
                role,
                expected,
                event,
                names,
            } => {
                let members = self.sets.entry((reader.name(), set)).or_default();
                members.push(Knowing {
                    draft,
                    reader,
                    place: Place::Role(role),
                    expected,
                    event,
                    names,
                });
            }
            Set::Beside { set, expected } => {
                let members = self.sets.entry((reader.name(), set)).or_default();
                members.push(Knowing {
                    draft,
                    reader,
                    place: Place::Beside(draft),
                    expected,
                    event: 0,
                    names: Vec::new(),
                });
            }
            Set::Stray { id } => self.strays.push(Stray { draft, reader, id }),
            Set::Alone
            | Set::Sealed { .. }
            | Set::Trailer
            | Set::Hybrid { .. }
            | Set::Bridge { .. } => {}
        }
    }

    /// A set to open: one whose members are all there before one that lacks some, which another
    /// set's volumes may still bring.
    pub(super) fn next(&mut self) -> Option<Due> {
        let is_complete = |(_, members): &(_, &Vec<Knowing>)| {
            let places = self.members(members).map(|it| it.place);
            let places: BTreeSet<Place> = places.filter(Place::counts).collect();
            u32::try_from(places.len()).ok() >= Some(expected(members))
        };
        let found = self.sets.iter().find(is_complete);
        let key = found.or_else(|| self.sets.iter().next())?.0.clone();
        let members = self.sets.remove(&key)?;
        let mut all: Vec<Member> = self.members(&members).collect();
        all.sort_by(|a, b| a.place.cmp(&b.place).then(b.event.cmp(&a.event)));
        let taken: BTreeSet<usize> = all.iter().map(|member| member.draft).collect();
        self.strays.retain(|stray| !taken.contains(&stray.draft));
        Some(Due {
            reader: members.first()?.reader,
            set: key.1,
            members: all,
            expected: expected(&members),
        })
    }

    /// One that no set has named, once no set is left.
    pub(super) fn next_stray(&mut self) -> Option<(usize, Reader)> {
        let stray = self.strays.pop()?;
        Some((stray.draft, stray.reader))
    }

    /// The members that know their set, and those that they name.
    fn members<'a>(&'a self, knowing: &'a [Knowing]) -> impl Iterator<Item = Member> + 'a {
        let named: BTreeSet<&str> = knowing
            .iter()
            .flat_map(|member| member.names.iter().map(String::as_str))
            .collect();
        let format = knowing.first().map(|member| member.reader.name());
        let is_named = move |stray: &&Stray| {
            Some(stray.reader.name()) == format && named.contains(stray.id.as_str())
        };
        let strays = self.strays.iter().filter(is_named).map(|stray| Member {
            draft: stray.draft,
            place: Place::Called(stray.id.clone()),
            event: 0,
        });
        let knowing = knowing.iter().map(|member| Member {
            draft: member.draft,
            place: member.place.clone(),
            event: member.event,
        });
        knowing.chain(strays)
    }
}

fn expected(members: &[Knowing]) -> u32 {
    let expected = members.iter().map(|member| member.expected);
    expected.max().unwrap_or(0)
}
