//! What the volumes of a manager lie on, for `info`: the graph from a logical volume, an array or an
//! unlocked container down to the members that hold its bytes.
//!
//! A manager says it in [`Description::volumes`](super::Description::volumes), in its own names;
//! which disk or partition a member is, `info` knows.

use std::fmt;
use std::sync::{Arc, LazyLock};

use super::{Context, Taken};

/// Bytes that a volume, a stretch or what one lies on takes, each, while it is told as JSON. It is
/// kept in a tenth of that.
const TOLD: usize = 2048;

/// One volume of a manager, shown or hidden, and what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Makeup {
    /// What the manager calls it: `root`, `root_rimage_0`, `md0`.
    pub name: String,
    /// Which of the manager's volumes that are shown it is, from 0 in their order; none for a
    /// hidden one.
    pub shown: Option<usize>,
    /// Its own UUID, in its customary spelling.
    pub uuid: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// Further facts that cost nothing to know, name and value.
    pub facts: Vec<(&'static str, String)>,
    /// What has to be read to be known.
    pub usage: Measured,
    /// What it lies on, from its first byte on.
    pub stretches: Vec<Stretch>,
    /// The room that [`Makeup::told`] took, as long as this is kept.
    pub room: Option<Arc<Taken>>,
}

impl Makeup {
    /// Itself, if there is room to tell it: without its stretches where there is too little, and
    /// not at all where there is none, which a notice says once. An image of a megabyte may have a
    /// volume in half a million stripes, or a thousand arrays of a thousand members.
    #[must_use]
    pub fn told(mut self, context: &Context) -> Option<Self> {
        let fits = |made: &Self| context.telling.take(made.telling()).ok();
        let taken = fits(&self).or_else(|| {
            let text = "what some volumes lie on is not told: it is too much";
            context.notices.add(text);
            self.stretches = Vec::new();
            fits(&self)
        });
        self.room = Some(Arc::new(taken?));
        Some(self)
    }

    /// Bytes that telling it takes.
    fn telling(&self) -> usize {
        let stretches = self.stretches.iter();
        let things = stretches.map(|stretch| stretch.on.len().saturating_add(1));
        let things = things.fold(1, usize::saturating_add);
        let facts = self.facts.iter().map(|(_, value)| value.len());
        let facts = facts.fold(0, usize::saturating_add);
        things
            .saturating_mul(TOLD)
            .saturating_add(facts.saturating_mul(4))
    }
}

/// Some bytes of a volume that are made in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The first of them.
    pub start: u64,
    /// How many.
    pub len: u64,
    /// How, in the manager's word: `striped`, `raid5_ls`, `thin`, `aes-xts-plain64`.
    pub kind: String,
    /// Further facts, name and value: `chunk`, `device id`.
    pub facts: Vec<(&'static str, String)>,
    /// On what: each stripe, copy, image or layer, in the manager's order.
    pub on: Vec<Ground>,
}

/// What something lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Bytes of a member.
    Member {
        /// Index into the members that the manager was opened with.
        member: usize,
        /// The first byte.
        offset: u64,
    },
    /// A member that is not there.
    Missing {
        /// What it is known by: its UUID, or its place.
        id: String,
    },
    /// Bytes of another volume of the manager.
    Volume {
        /// As in [`Makeup::name`].
        name: String,
        /// The first byte.
        offset: u64,
    },
}

/// How much of a volume is in use, and what else its manager's tables say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that are mapped to something.
    pub allocated: Option<u64>,
    /// Further facts, name and value: `dirty blocks`.
    pub facts: Vec<(&'static str, String)>,
}

/// A [`Usage`] that is read when somebody asks for it: a mount does not.
#[derive(Clone)]
pub struct Measured(Arc<LazyLock<Usage, Box<dyn FnOnce() -> Usage + Send>>>);

impl Measured {
    /// What `measure` will find.
    #[must_use]
    pub fn new(measure: impl FnOnce() -> Usage + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(measure))))
    }

    /// It, read now if it was not before.
    #[must_use]
    pub fn get(&self) -> &Usage {
        &self.0
    }
}

impl Default for Measured {
    fn default() -> Self {
        Self::new(Usage::default)
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl PartialEq for Measured {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Measured {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    fn made(grounds: usize) -> Makeup {
        let missing = Ground::Missing { id: String::new() };
        Makeup {
            name: "root".to_owned(),
            stretches: vec![Stretch {
                on: vec![missing; grounds],
                ..Stretch::default()
            }],
            ..Makeup::default()
        }
    }

    #[test]
    fn what_there_is_no_room_to_tell_is_left_out_and_said_once() {
        let context = Context::new(Cache::new(1 << 20));
        let few = made(10_000).told(&context).unwrap();
        assert_eq!(few.stretches[0].on.len(), 10_000);
        assert!(context.notices.all().is_empty());
        let many = made(20_000).told(&context).unwrap();
        assert_eq!((many.name.as_str(), many.stretches.len()), ("root", 0));
        let rest = (0..100_000).map_while(|_| made(0).told(&context));
        let rest: Vec<Makeup> = rest.collect();
        assert_eq!(rest.len(), 7287);
        assert_eq!(context.notices.all().len(), 1);
        // What is no longer kept makes room.
        drop(few);
        assert_eq!(made(9_000).told(&context).unwrap().stretches.len(), 1);
    }
}
