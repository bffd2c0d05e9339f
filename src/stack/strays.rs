//! Members that do not know their set: what they are called, and the sets that call them so.
//!
//! There may be thousands of sets, of strays and of names. Each stray is found by its name, and the
//! sets are told when it comes and when it goes, so that none has to look for its own among all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::waiting::Newcomer;

/// The format, and in it what a set or a stray is called.
pub(super) type Key = (&'static str, Arc<str>);

/// Those of them that no set has taken.
#[derive(Default)]
pub(super) struct Strays {
    called: BTreeMap<Key, Called>,
    /// What each is called, by its draft: they come in the order of those.
    names: BTreeMap<usize, Key>,
}

/// The strays of one name. Copies of a disk have the same.
#[derive(Default)]
struct Called {
    /// In the order in which they came.
    strays: Vec<Stray>,
    /// The sets that have a member by this name.
    sets: BTreeSet<Key>,
}

struct Stray {
    node: Newcomer,
    /// The depth of the deepest that came until then.
    deepest: usize,
}

/// The depth of the deepest stray of a name; none where there is no stray.
pub(super) type Deepest = Option<usize>;

impl Strays {
    /// The node, which goes by `id`. `tell` is told of each set that names it whether that changes
    /// the deepest of the name, from what and to what.
    pub(super) fn add(
        &mut self,
        node: Newcomer,
        id: String,
        tell: impl FnMut(&Key, Deepest, Deepest),
    ) {
        let key: Key = (node.reader.name(), id.into());
        self.names.insert(node.draft, key.clone());
        let called = self.called.entry(key).or_default();
        called.change(|strays| push(strays, node), tell);
    }

    /// Notes that `set` has a member called `id`.
    pub(super) fn name(&mut self, set: &Key, id: &Arc<str>) -> Deepest {
        let called = self.called.entry((set.0, id.clone())).or_default();
        called.sets.insert(set.clone());
        called.deepest()
    }

    /// Those that `set` calls `id`: it takes them and does not name them any more. The other sets
    /// lose them, as `tell` is told.
    pub(super) fn take(
        &mut self,
        set: &Key,
        id: &Arc<str>,
        tell: impl FnMut(&Key, Deepest, Deepest),
    ) -> Vec<Newcomer> {
        let key = (set.0, id.clone());
        let Some(called) = self.called.get_mut(&key) else {
            return Vec::new();
        };
        called.sets.remove(set);
        let strays = called.change(std::mem::take, tell);
        for stray in &strays {
            self.names.remove(&stray.node.draft);
        }
        self.drop_empty(&key);
        strays.into_iter().map(|stray| stray.node).collect()
    }

    /// The last one that came.
    pub(super) fn pop(&mut self, tell: impl FnMut(&Key, Deepest, Deepest)) -> Option<Newcomer> {
        let (_, key) = self.names.pop_last()?;
        let stray = self.called.get_mut(&key)?.change(Vec::pop, tell);
        self.drop_empty(&key);
        stray.map(|stray| stray.node)
    }

    fn drop_empty(&mut self, key: &Key) {
        let is_empty = |called: &Called| called.strays.is_empty() && called.sets.is_empty();
        if self.called.get(key).is_some_and(is_empty) {
            self.called.remove(key);
        }
    }
}

fn push(strays: &mut Vec<Stray>, node: Newcomer) {
    let before = strays.last().map_or(0, |last| last.deepest);
    let deepest = before.max(node.depth);
    strays.push(Stray { node, deepest });
}

impl Called {
    fn deepest(&self) -> Deepest {
        self.strays.last().map(|last| last.deepest)
    }

    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Vec<Stray>) -> T,
        mut tell: impl FnMut(&Key, Deepest, Deepest),
    ) -> T {
        let before = self.deepest();
        let changed = change(&mut self.strays);
        let after = self.deepest();
        if before != after {
            self.sets.iter().for_each(|set| tell(set, before, after));
        }
        changed
    }
}
