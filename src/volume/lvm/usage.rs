//! How much of thin volumes, pools, snapshots and caches is in use: `info` asks, a mount does not.

use super::cached::{self, writecache};
use super::group::{Group, Logical};
use super::kinds::{Ranges, Stacked};
use super::persistent;
use super::segment::Kind;
use super::thin::Pool;
use super::{snapshot, stacked};
use crate::error::Result;
use crate::format::{Measured, Room, Usage};
use crate::source::SharedSource;
use crate::source::window::Window;

/// The logical volumes that were made, in the group's order.
pub(super) struct Sources<'a> {
    pub(super) group: &'a Group,
    pub(super) made: Vec<Option<SharedSource>>,
    /// What the tables that are read to measure may take, as long as it takes.
    pub(super) room: Room,
}

impl Sources<'_> {
    /// How much of `logical` is in use, where that is more than all of it.
    pub(super) fn usage(&self, logical: &Logical) -> Measured {
        let found = match logical.segments.as_deref() {
            Ok([segment]) => match &segment.kind {
                Kind::Stacked(stacked) => self.stacked(stacked),
                _ => None,
            },
            _ => None,
        };
        found.unwrap_or_default()
    }

    fn stacked(&self, kind: &Stacked) -> Option<Measured> {
        match kind {
            Stacked::Thin { pool, device, .. } => self.thin(pool, *device),
            Stacked::ThinPool { metadata, .. } => {
                let metadata = self.named(metadata)?;
                Some(measured(move || pool(metadata)))
            }
            Stacked::Cache { pool, ranges, .. } => {
                let (metadata, data) = self.cache(pool, *ranges)?;
                Some(measured(move || cache(metadata, data)))
            }
            Stacked::WriteCache { cache, .. } => {
                let (store, room) = (self.named(cache)?, self.room.clone());
                Some(measured(move || {
                    let overlay = writecache::open(store, 0, &room)?;
                    Ok(one("not written back", overlay.over()?))
                }))
            }
            Stacked::Raid(_) | Stacked::Snapshot { .. } | Stacked::CachePool { .. } => None,
        }
    }

    /// How much is in the exception store called `store`.
    pub(super) fn snapshot(&self, store: &str) -> Measured {
        let Some(store) = self.named(store) else {
            return Measured::default();
        };
        let room = self.room.clone();
        measured(move || {
            let size = store.size();
            let exceptions = snapshot::open(store, 0, &room)?.over()?;
            Ok(Usage {
                allocated: Some(exceptions),
                facts: vec![("exception store", size.to_string())],
            })
        })
    }

    fn thin(&self, pool: &str, device: u64) -> Option<Measured> {
        let Stacked::ThinPool { metadata, .. } = self.pool(pool)? else {
            return None;
        };
        let metadata = self.named(metadata)?;
        Some(measured(move || {
            Ok(Usage {
                allocated: Some(Pool::read(metadata)?.mapped(device)?),
                facts: Vec::new(),
            })
        }))
    }

    /// The metadata of a cache, and bytes of its data.
    fn cache(&self, pool: &str, ranges: Option<Ranges>) -> Option<(SharedSource, u64)> {
        if let Some(ranges) = ranges {
            let (start, len) = ranges.metadata;
            let metadata = Window::new(self.named(pool)?, start, len).ok()?;
            return Some((std::sync::Arc::new(metadata), ranges.data.1));
        }
        match self.pool(pool)? {
            Stacked::CachePool { metadata, data } => {
                Some((self.named(metadata)?, self.named(data)?.size()))
            }
            _ => None,
        }
    }

    fn pool(&self, name: &str) -> Option<&Stacked> {
        stacked::pool_of(self.group.logical.get(self.number(name)?)?)
    }

    fn named(&self, name: &str) -> Option<SharedSource> {
        self.made.get(self.number(name)?)?.clone()
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.group.number(name).ok()
    }
}

/// What `measure` finds, or why it does not.
fn measured(measure: impl FnOnce() -> Result<Usage> + Send + 'static) -> Measured {
    Measured::new(|| {
        let usage = measure();
        usage.unwrap_or_else(|error| Usage {
            allocated: None,
            facts: vec![("in use", format!("cannot be read: {error}"))],
        })
    })
}

fn one(name: &'static str, value: u64) -> Usage {
    Usage {
        allocated: None,
        facts: vec![(name, value.to_string())],
    }
}

fn pool(metadata: SharedSource) -> Result<Usage> {
    let pool = Pool::read(metadata)?;
    let bytes = |blocks: u64| blocks.saturating_mul(pool.chunk.get());
    let own = |blocks: u64| blocks.saturating_mul(persistent::BLOCK);
    let needs_check = pool.needs_check.then(|| ("needs", "thin_check".to_owned()));
    let mut facts = vec![
        ("block", pool.chunk.to_string()),
        ("data", bytes(pool.data.all).to_string()),
        ("metadata", own(pool.own.all).to_string()),
        ("metadata in use", own(pool.own.blocks).to_string()),
        ("transaction", pool.transaction.to_string()),
    ];
    facts.extend(needs_check);
    Ok(Usage {
        allocated: Some(bytes(pool.data.blocks)),
        facts,
    })
}

fn cache(metadata: SharedSource, data: u64) -> Result<Usage> {
    let found = cached::in_use(metadata, data)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.chunk.get()).to_string();
    let shut_down = if found.is_clean { "clean" } else { "not clean" };
    Ok(Usage {
        allocated: None,
        facts: vec![
            ("cached", bytes(found.cached)),
            ("dirty", bytes(found.dirty)),
            ("shutdown", shut_down.to_owned()),
        ],
    })
}
