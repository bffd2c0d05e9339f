//! What `info` says of the logical volumes: what each lies on, the hidden ones too, under the names
//! that `lvs -a` gives them.

use std::collections::HashMap;
use std::num::NonZeroU64;

use super::group::{Group, Logical, Owner};
use super::kinds::{Raid, Stacked};
use super::name;
use super::segment::{Area, Kind, Segment};
use super::usage::Sources;
use crate::format::{Context, Ground, Makeup, Stretch};

/// What the volumes of a group lie on.
pub(super) struct Makeups<'a> {
    group: &'a Group,
    sources: &'a Sources<'a>,
    /// The number of each physical volume among the members; `None` for one that is missing.
    members: &'a [Option<usize>],
    /// The snapshots by the name that they are shown under: origin and exception store.
    snapshots: HashMap<&'a str, (&'a str, &'a str)>,
}

/// Everything that a volume lies on, and what else is known of how.
type Lies = (Vec<Ground>, Vec<(&'static str, String)>);

impl<'a> Makeups<'a> {
    /// Of a group whose volumes are `sources` and whose physical volumes are `members`, each by its
    /// number among them.
    pub(super) fn new(sources: &'a Sources<'a>, members: &'a [Option<usize>]) -> Self {
        let group = sources.group;
        let snapshots = group.logical.iter().filter_map(snapshot);
        Self {
            group,
            sources,
            members,
            snapshots: snapshots.collect(),
        }
    }

    /// All that `context` has room for; `shown` are the numbers of the volumes that are shown, in
    /// their order.
    pub(super) fn all(&self, shown: &[usize], context: &Context) -> Vec<Makeup> {
        let places: HashMap<usize, usize> = shown.iter().copied().zip(0..).collect();
        let mut all = Vec::new();
        let mut add = |made: Makeup| all.extend(made.told(context));
        for (index, logical) in self.group.logical.iter().enumerate() {
            let shown = places.get(&index).copied();
            match self.snapshots.get(logical.name.as_str()) {
                // The volume that is called like the snapshot has its exceptions.
                Some(pair) => {
                    add(self.snapshot(logical, shown, *pair));
                    add(Makeup {
                        name: below(&logical.name, *pair),
                        uuid: None,
                        ..self.makeup(logical, None)
                    });
                }
                None if snapshot(logical).is_some() => {}
                None => add(self.makeup(logical, shown)),
            }
        }
        all
    }

    fn makeup(&self, logical: &Logical, shown: Option<usize>) -> Makeup {
        let segments = logical.segments.as_deref().unwrap_or_default();
        let tags = &logical.tags;
        let tags = (!tags.is_empty()).then(|| ("tags", name::list(tags, ", ")));
        Makeup {
            name: logical.name.clone(),
            shown,
            uuid: logical.uuid.map(|uuid| uuid.to_string()),
            size: self.group.bytes(logical.extents()).ok(),
            facts: tags.into_iter().collect(),
            usage: self.sources.usage(logical),
            stretches: segments.iter().map(|it| self.stretch(it)).collect(),
            room: None,
        }
    }

    fn snapshot(&self, logical: &Logical, shown: Option<usize>, pair: (&str, &str)) -> Makeup {
        let (origin, store) = pair;
        let merges = origin == logical.name;
        let under = below(&logical.name, pair);
        let (origin, store) = match merges {
            true => (under.as_str(), store),
            false => (origin, under.as_str()),
        };
        let made = self.makeup(logical, shown);
        let origin_size = self.logical(pair.0).map(|origin| origin.extents());
        let size = origin_size.and_then(|extents| self.group.bytes(extents).ok());
        Makeup {
            size,
            usage: self.sources.snapshot(pair.1),
            stretches: vec![Stretch {
                start: 0,
                len: size.unwrap_or_default(),
                kind: if merges { "snapshot-merge" } else { "snapshot" }.to_owned(),
                facts: Vec::new(),
                on: vec![volume(origin), volume(store)],
            }],
            ..made
        }
    }

    fn logical(&self, name: &str) -> Option<&'a Logical> {
        self.group.logical.get(self.group.number(name).ok()?)
    }

    fn stretch(&self, segment: &Segment) -> Stretch {
        let bytes = |extents| self.group.bytes(extents).unwrap_or(u64::MAX);
        let (on, facts) = self.lies(&segment.kind);
        Stretch {
            start: bytes(segment.start),
            len: bytes(segment.count),
            kind: segment.kind.name().to_owned(),
            facts,
            on,
        }
    }

    fn lies(&self, kind: &Kind) -> Lies {
        match kind {
            Kind::Stripes { chunk, areas } => (self.areas(areas), chunk_fact(*chunk)),
            Kind::Copies(areas) => (self.areas(areas), Vec::new()),
            Kind::Stacked(stacked) => stacked_on(stacked),
            Kind::Zero | Kind::Error | Kind::Unsupported(_) => Lies::default(),
        }
    }

    fn areas(&self, areas: &[Area]) -> Vec<Ground> {
        areas.iter().map(|area| self.area(area)).collect()
    }

    fn area(&self, area: &Area) -> Ground {
        let offset = self.group.bytes(area.extent).unwrap_or(u64::MAX);
        let Ok(Owner::Physical(index)) = self.group.owner(&area.name) else {
            let name = name::cut(&area.name).into_owned();
            return Ground::Volume { name, offset };
        };
        let physical = self.group.physical.get(index);
        let start = physical.map_or(0, |physical| physical.start);
        match self.members.get(index).copied().flatten() {
            Some(member) => Ground::Member {
                member,
                offset: offset.saturating_add(start),
            },
            None => Ground::Missing {
                id: physical.map_or_else(String::new, |it| it.uuid.to_string()),
            },
        }
    }
}

impl Kind {
    /// As the text calls it; a stripe over one area is linear.
    fn name(&self) -> &str {
        match self {
            Self::Stripes { areas, .. } if areas.len() == 1 => "linear",
            Self::Stripes { .. } => "striped",
            Self::Copies(_) => "mirror",
            Self::Stacked(stacked) => stacked.name(),
            Self::Zero => "zero",
            Self::Error => "error",
            Self::Unsupported(kind) => kind,
        }
    }
}

impl Stacked {
    fn name(&self) -> &str {
        match self {
            Self::Raid(raid) => &raid.kind,
            Self::Snapshot { .. } => "snapshot",
            Self::ThinPool { .. } => "thin-pool",
            Self::Thin { .. } => "thin",
            Self::CachePool { .. } => "cache-pool",
            Self::Cache { .. } => "cache",
            Self::WriteCache { .. } => "writecache",
        }
    }
}

fn stacked_on(stacked: &Stacked) -> Lies {
    let names: Vec<&String> = match stacked {
        Stacked::Raid(raid) => return images(raid),
        Stacked::Snapshot { origin, store, .. } => vec![origin, store],
        Stacked::ThinPool { metadata, data, .. } | Stacked::CachePool { metadata, data } => {
            vec![data, metadata]
        }
        Stacked::Thin {
            pool,
            device,
            origin,
            merge,
        } => {
            let on = std::iter::once(pool).chain(origin).map(|it| volume(it));
            let mut facts = vec![("device id", device.to_string())];
            let other = |name: &String| name::cut(name).into_owned();
            facts.extend(origin.iter().map(|it| ("external origin", other(it))));
            facts.extend(merge.iter().map(|it| ("merges into", other(it))));
            return (on.collect(), facts);
        }
        Stacked::Cache { pool, origin, .. } => vec![origin, pool],
        Stacked::WriteCache { cache, origin } => vec![origin, cache],
    };
    (names.into_iter().map(|it| volume(it)).collect(), Vec::new())
}

fn images(raid: &Raid) -> Lies {
    let on = raid.images.iter().map(|(_, image)| volume(image)).collect();
    (on, chunk_fact(raid.chunk.get()))
}

fn chunk_fact(chunk: u64) -> Vec<(&'static str, String)> {
    // One byte stands for an array that has no chunks.
    let chunk = NonZeroU64::new(chunk).filter(|chunk| chunk.get() > 1);
    chunk
        .map(|it| ("chunk", it.to_string()))
        .into_iter()
        .collect()
}

fn volume(name: &str) -> Ground {
    let name = name::cut(name).into_owned();
    Ground::Volume { name, offset: 0 }
}

/// The name of what lies below the snapshot that is shown as `name`, as device-mapper has it.
fn below(name: &str, (origin, _): (&str, &str)) -> String {
    match origin == name {
        true => format!("{name}-real"),
        false => format!("{name}-cow"),
    }
}

/// What `logical`, which is hidden and only says what is a snapshot of what, is about.
fn snapshot(logical: &Logical) -> Option<(&str, (&str, &str))> {
    let view = super::assemble::view(logical)?;
    Some((view.0, (view.1.origin, view.1.store)))
}
