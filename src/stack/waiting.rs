//! Members of sets that wait for the others, which may turn up deeper down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::probe::Reader;
use super::strays::{Deepest, Key, Strays};
use crate::format::{Format, Set};
use crate::number::to_usize;
use crate::volume::Open;

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
    strays: Strays,
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
    Called(Arc<str>),
    /// None: the node itself tells it from others.
    Beside(usize),
}

/// What is known of a set that waits. Whether its turn has come is asked of all sets whenever one
/// is opened, so that it is counted as its members turn up.
#[derive(Default)]
struct Forming {
    /// Where its manager stands among all.
    manager: usize,
    /// The members that know their set.
    members: Vec<Knowing>,
    /// What the members call all of them. Most name the same ones, which are held once: there may be
    /// thousands of either.
    names: BTreeSet<Arc<str>>,
    /// How many members there should be.
    expected: u32,
    /// The places that are taken by number.
    roles: BTreeSet<u32>,
    /// How many of the names strays go by.
    called: usize,
    /// How many of the members lie how deep; the strays of one name count as the deepest of them.
    depths: BTreeMap<usize, usize>,
}

/// A member that knows its set.
struct Knowing {
    node: Newcomer,
    place: Place,
    expected: u32,
    event: u64,
}

impl Waiting {
    /// Nobody yet; `managers` are in the order in which their sets are opened.
    pub(super) fn new(managers: &'static [Format<Open>]) -> Self {
        Self {
            managers,
            sets: BTreeMap::new(),
            names: 0,
            strays: Strays::default(),
            opened: BTreeSet::new(),
        }
    }

    /// The node, which is a member of `set`.
    pub(super) fn add(&mut self, node: Newcomer, set: Set) {
        match set {
            Set::Member {
                set,
                role,
                expected,
                event,
                names,
            } => {
                let member = Knowing {
                    node,
                    place: Place::Role(role),
                    expected,
                    event,
                };
                self.add_member(set, member, names);
            }
            Set::Beside { set, expected } => {
                let member = Knowing {
                    node,
                    place: Place::Beside(node.draft),
                    expected,
                    event: 0,
                };
                self.add_member(set, member, Vec::new());
            }
            Set::Stray { id } => self.strays.add(node, id, recount(&mut self.sets)),
            Set::Alone
            | Set::Sealed { .. }
            | Set::Trailer
            | Set::Hybrid { .. }
            | Set::Bridge { .. } => {}
        }
    }

    fn add_member(&mut self, set: String, member: Knowing, names: Vec<String>) {
        let format = member.node.reader.name();
        let key: Key = (format, set.into());
        let manager = self.rank(format);
        let forming = self.sets.entry(key.clone()).or_default();
        forming.manager = manager;
        forming.join(member);
        for name in names {
            if self.names < MOST_NAMES && !forming.names.contains(name.as_str()) {
                let name: Arc<str> = name.into();
                forming.recount(None, self.strays.name(&key, &name));
                forming.names.insert(name);
                self.names = self.names.saturating_add(1);
            }
        }
    }

    /// A set to open: one whose members are all there before one that lacks some, which another
    /// set's volumes may still bring. Of those that lack some an array comes before what may lie on
    /// it, and of one manager's the one that lies on the fewest others.
    pub(super) fn next(&mut self) -> Option<Due> {
        let sets = self.sets.iter();
        let key = sets.min_by_key(|(_, forming)| forming.turn())?.0.clone();
        let forming = self.sets.remove(&key)?;
        self.names = self.names.saturating_sub(forming.names.len());
        let (reader, expected) = (forming.members.first()?.node.reader, forming.expected);
        let mut members = self.take_strays(&key, &forming.names);
        members.extend(forming.members.into_iter().map(|member| Member {
            draft: member.node.draft,
            place: member.place,
            event: member.event,
        }));
        members.sort_by(|a, b| a.place.cmp(&b.place).then(b.event.cmp(&a.event)));
        Some(Due {
            reader,
            set: key.1.as_ref().to_owned(),
            members,
            expected,
            is_late: !self.opened.insert(key),
        })
    }

    /// One that no set has named, once no set is left.
    pub(super) fn next_stray(&mut self) -> Option<(usize, Reader)> {
        let node = self.strays.pop(recount(&mut self.sets))?;
        Some((node.draft, node.reader))
    }

    /// Where among the managers the one called `name` stands; file systems stand behind them.
    fn rank(&self, name: &str) -> usize {
        let found = self.managers.iter().position(|it| it.name == name);
        found.unwrap_or(self.managers.len())
    }

    /// The strays that the members of `set` call by `names`. No other set has them then.
    fn take_strays(&mut self, set: &Key, names: &BTreeSet<Arc<str>>) -> Vec<Member> {
        let mut members = Vec::new();
        for name in names {
            let strays = self.strays.take(set, name, recount(&mut self.sets));
            members.extend(strays.into_iter().map(|node| Member {
                draft: node.draft,
                place: Place::Called(name.clone()),
                event: 0,
            }));
        }
        members
    }
}

/// Tells each set how deep the strays of a name are that it has.
fn recount(sets: &mut BTreeMap<Key, Forming>) -> impl FnMut(&Key, Deepest, Deepest) + '_ {
    |set, before, after| {
        if let Some(forming) = sets.get_mut(set) {
            forming.recount(before, after);
        }
    }
}

impl Forming {
    fn join(&mut self, member: Knowing) {
        self.expected = self.expected.max(member.expected);
        if let Place::Role(role) = member.place {
            self.roles.insert(role);
        }
        self.deepen(member.node.depth);
        self.members.push(member);
    }

    /// The deepest of the strays of one name was `before` and is `after`.
    fn recount(&mut self, before: Deepest, after: Deepest) {
        if let Some(depth) = before {
            self.called = self.called.saturating_sub(1);
            let left = self.depths.get(&depth).map_or(0, |it| it.saturating_sub(1));
            match left {
                0 => self.depths.remove(&depth),
                _ => self.depths.insert(depth, left),
            };
        }
        if let Some(depth) = after {
            self.called = self.called.saturating_add(1);
            self.deepen(depth);
        }
    }

    fn deepen(&mut self, depth: usize) {
        let count = self.depths.entry(depth).or_default();
        *count = count.saturating_add(1);
    }

    /// Less for a set that is opened earlier; none where all members are there. Those that have no
    /// place of their own are not counted: the set lacks nothing without them.
    fn turn(&self) -> Option<(usize, Deepest)> {
        let places = self.roles.len().saturating_add(self.called);
        let deepest = self.depths.last_key_value().map(|(depth, _)| *depth);
        let lacks = places < to_usize(self.expected.into());
        lacks.then_some((self.manager, deepest))
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

    /// Adds a set with one member `depth` deep, which has `names`.
    fn add_set(waiting: &mut Waiting, set: &str, depth: usize, expected: u32, names: &[&str]) {
        let drafts = waiting.sets.len();
        let node = Newcomer {
            depth,
            ..newcomer(drafts)
        };
        let set = Set::Member {
            set: set.to_owned(),
            role: 0,
            expected,
            event: 0,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        waiting.add(node, set);
    }

    /// The sets in the order in which they are due, each with the drafts of its members.
    fn order(waiting: &mut Waiting) -> Vec<(String, Vec<usize>)> {
        let dues = std::iter::from_fn(|| waiting.next());
        let drafts = |due: &Due| due.members.iter().map(|it| it.draft).collect();
        dues.map(|due| (due.set.clone(), drafts(&due))).collect()
    }

    #[test]
    fn a_stray_that_two_sets_name_is_in_both_until_one_is_opened() {
        for is_first in [false, true] {
            for expected in [2, 3] {
                let mut waiting = Waiting::new(FORMATS);
                let stray = Newcomer {
                    depth: 5,
                    ..newcomer(9)
                };
                let id = || "s".to_owned();
                if is_first {
                    waiting.add(stray, Set::Stray { id: id() });
                }
                add_set(&mut waiting, "a", 0, 3, &["s", "t"]);
                add_set(&mut waiting, "b", 2, expected, &["s"]);
                add_set(&mut waiting, "c", 1, 3, &["u"]);
                if !is_first {
                    waiting.add(stray, Set::Stray { id: id() });
                }
                let order = order(&mut waiting);
                let order: Vec<_> = order.iter().map(|(set, at)| (&**set, &**at)).collect();
                let whole: [(&str, &[usize]); 3] = [("b", &[1, 9]), ("a", &[0]), ("c", &[2])];
                let lacking: [(&str, &[usize]); 3] = [("c", &[2]), ("a", &[0, 9]), ("b", &[1])];
                assert_eq!(order, if expected == 2 { whole } else { lacking });
                assert!(waiting.next_stray().is_none());
            }
        }
    }

    #[test]
    fn strays_that_no_set_has_taken_come_last_first_also_those_of_one_name() {
        let mut waiting = Waiting::new(FORMATS);
        for (draft, id) in [(1, "s"), (2, "t"), (3, "s"), (4, "u")] {
            let id = id.to_owned();
            waiting.add(newcomer(draft), Set::Stray { id });
        }
        add_set(&mut waiting, "a", 0, 3, &["t"]);
        assert_eq!(order(&mut waiting), [("a".to_owned(), vec![0, 2])]);
        let mut next = || waiting.next_stray().map(|(draft, _)| draft);
        assert_eq!([next(), next()], [Some(4), Some(3)]);
        // What was in that one names the other.
        add_set(&mut waiting, "b", 0, 3, &["s"]);
        assert_eq!(order(&mut waiting), [("b".to_owned(), vec![0, 1])]);
        assert!(waiting.next_stray().is_none());
    }

    /// Each set would take a second if it asked all the others which strays they have.
    #[test]
    fn thousands_of_sets_and_of_strays_do_not_look_for_each_other() {
        let mut waiting = Waiting::new(FORMATS);
        for number in 0..2000 {
            let names = [number, 2000].into_iter().chain(3000..3030);
            waiting.add(newcomer(number), member(&number.to_string(), 0, names));
        }
        for draft in 2000..4000 {
            let id = (draft - 1000).to_string();
            waiting.add(newcomer(draft), Set::Stray { id });
        }
        let order = order(&mut waiting);
        assert_eq!(order.len(), 2000);
        let (set, drafts) = &order[0];
        assert_eq!(
            (&**set, &drafts[..2], drafts.len()),
            ("0", &[0, 3000][..], 2)
        );
        let taken: usize = order.iter().map(|(_, drafts)| drafts.len()).sum();
        assert_eq!(taken, 3001);
        assert_eq!(waiting.next_stray().map(|(draft, _)| draft), Some(3999));
    }
}
