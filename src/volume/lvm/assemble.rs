//! Logical volumes as sources: each on physical volumes and on other logical volumes, which are
//! made first. None may stand on itself.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::group::{Group, Logical, Owner};
use super::kinds::Stacked;
use super::pieces::{self, Lies, Piece, Pieces};
use super::segment::{self, Kind, Segment};
use super::stacked;
use super::usage::Sources;
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::format::Context;
use crate::source::SharedSource;
use crate::source::mapped::Mapped;

/// How deep logical volumes may stand on one another: a snapshot of a thin volume in a cached pool
/// in an array needs seven.
const DEPTH: usize = 16;

/// Bytes that a volume keeps besides its pieces.
const OF_VOLUME: usize = 1024;

/// Bytes for each area of a piece, which is on a member of its own at worst.
const OF_AREA: usize = size_of::<pieces::Area>() + size_of::<SharedSource>();

/// Bytes for each image of an array.
const OF_IMAGE: usize = 64;

/// Makes the logical volumes of a group.
pub(super) struct Assembler<'a> {
    pub(super) group: &'a Group,
    pub(super) context: &'a Context,
    /// The physical volumes in the group's order; `None` for what is missing.
    physical: Vec<Option<SharedSource>>,
    /// The logical volumes that were made, or why they could not be, in the group's order.
    made: Vec<Option<Result<Made>>>,
    /// Those that are being made, each for the one before.
    making: Vec<Making>,
    /// The volumes that are shown with a snapshot's exceptions over them.
    views: HashMap<&'a str, View<'a>>,
}

/// A snapshot, or an origin that one is merged into.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) origin: &'a str,
    pub(super) store: &'a str,
    extents: u64,
}

/// A logical volume that was made.
#[derive(Clone)]
struct Made {
    source: SharedSource,
    /// How many volumes stand on one another in it.
    depth: usize,
}

/// A logical volume that is being made.
struct Making {
    index: usize,
    /// How many volumes stand on one another in it, as far as is known.
    depth: usize,
}

/// Sources, each once, by the number that a map knows them by.
#[derive(Default)]
struct Members {
    all: Vec<SharedSource>,
    /// By where it is in memory, which no two of them can be: a stripe may be on each of 65,536
    /// volumes, and on each a thousand times.
    numbers: HashMap<*const (), usize>,
}

impl Members {
    fn number(&mut self, source: SharedSource) -> usize {
        let next = self.all.len();
        let number = self.numbers.entry(Arc::as_ptr(&source).cast());
        let number = *number.or_insert(next);
        if number == next {
            self.all.push(source);
        }
        number
    }
}

impl<'a> Assembler<'a> {
    /// For `group`, whose physical volumes are `physical`.
    pub(super) fn new(
        group: &'a Group,
        physical: Vec<Option<SharedSource>>,
        context: &'a Context,
    ) -> Self {
        Self {
            made: group.logical.iter().map(|_| None).collect(),
            group,
            physical,
            making: Vec::new(),
            views: group.logical.iter().filter_map(view).collect(),
            context,
        }
    }

    /// What is to be shown of the logical volume number `index`: of one that stores a snapshot's
    /// exceptions, the snapshot.
    ///
    /// # Errors
    /// As [`Assembler::logical`].
    pub(super) fn shown(&mut self, index: usize) -> Result<SharedSource> {
        let logical = self.group.logical.get(index);
        let name = logical.map_or("", |logical| logical.name.as_str());
        let Some(view) = self.views.get(name).copied() else {
            return self.logical(index);
        };
        let size = self.group.bytes(view.extents)?;
        let shown = self.snapshot(view.origin, view.store, size);
        shown.context(|| name.to_owned())
    }

    /// The logical volume number `index`.
    ///
    /// # Errors
    /// Why it cannot be had: what it is made of, or what is missing of it.
    pub(super) fn logical(&mut self, index: usize) -> Result<SharedSource> {
        if let Some(Some(made)) = self.made.get(index) {
            return self.stand_on(made.clone());
        }
        let logical = self.group.logical.get(index);
        let logical = logical.ok_or_else(|| Error::corrupt(format!("no volume {index}")))?;
        self.check_depth(index)?;
        self.making.push(Making { index, depth: 1 });
        let made = self.make(logical).context(|| logical.name.clone());
        let depth = self.making.pop().map_or(1, |making| making.depth);
        let made = made.map(|source| Made { source, depth });
        if let Some(slot) = self.made.get_mut(index) {
            *slot = Some(made.clone());
        }
        self.stand_on(made)
    }

    /// All that was made, and the metadata of pools that no volume that is shown is in.
    pub(super) fn sources(mut self) -> Sources<'a> {
        for logical in &self.group.logical {
            if let Some(Stacked::ThinPool { metadata, .. }) = stacked::pool_of(logical)
                && let Ok(index) = self.group.number(metadata)
            {
                // What cannot be made is not measured either.
                drop(self.logical(index));
            }
        }
        let source = |made: Option<Result<Made>>| Some(made?.ok()?.source);
        Sources {
            group: self.group,
            made: self.made.into_iter().map(source).collect(),
            room: self.context.room.clone(),
        }
    }

    /// Notes that what is being made stands on `made`.
    fn stand_on(&mut self, made: Result<Made>) -> Result<SharedSource> {
        let made = made?;
        if let Some(making) = self.making.last_mut() {
            making.depth = making.depth.max(made.depth.saturating_add(1));
            if making.depth > DEPTH {
                return Err(too_deep());
            }
        }
        Ok(made.source)
    }

    fn check_depth(&self, index: usize) -> Result<()> {
        let making = self.making.iter().map(|making| making.index);
        if making.clone().any(|other| other == index) {
            let name = |index: usize| self.group.logical.get(index).map(|it| it.name.as_str());
            let path = making.chain([index]).filter_map(name);
            let path: Vec<&str> = path.collect();
            let text = format!("segment loop: {}", path.join(" on "));
            return Err(Error::corrupt(text));
        }
        if self.making.len() >= DEPTH {
            return Err(too_deep());
        }
        Ok(())
    }

    fn make(&mut self, logical: &Logical) -> Result<SharedSource> {
        let segments = logical.segments.as_deref().map_err(Error::clone)?;
        let room = self.context.room.take(kept(segments))?;
        let mut members = Members::default();
        let mut pieces = Vec::new();
        for segment in segments {
            let piece = self.piece(segment, &mut members);
            pieces.push(piece.map_err(|error| blame(error, segment.at))?);
        }
        let pieces = Pieces::new(pieces, room);
        let cache = self.context.cache.clone();
        Ok(Arc::new(Mapped::new(pieces, members.all, None, cache)))
    }

    fn piece(&mut self, segment: &Segment, members: &mut Members) -> Result<Piece> {
        let len = self.group.bytes(segment.count)?;
        self.group.bytes(segment.end())?;
        Ok(Piece {
            start: self.group.bytes(segment.start)?,
            len: NonZeroU64::new(len).ok_or_else(|| Error::corrupt("an empty segment"))?,
            lies: self.lies(segment, members)?,
        })
    }

    fn lies(&mut self, segment: &Segment, members: &mut Members) -> Result<Lies> {
        match &segment.kind {
            Kind::Stripes { chunk, areas } => {
                let width = u64::from(super::group::count(areas));
                let each = segment.count.checked_div(width).unwrap_or_default();
                let areas = areas.iter().map(|area| self.area(area, each, members));
                let areas: Result<Vec<pieces::Area>> = areas.collect();
                let chunk = NonZeroU64::new(*chunk).unwrap_or(self.group.extent);
                Ok(Lies::Striped(chunk, areas?))
            }
            Kind::Copies(areas) => self.copies(areas, segment.count, members),
            Kind::Stacked(kind) => {
                let len = self.group.bytes(segment.count)?;
                let member = members.number(self.stacked(kind, len)?);
                let area = pieces::Area { member, offset: 0 };
                Ok(Lies::Striped(self.group.extent, vec![area]))
            }
            Kind::Zero => Ok(Lies::Zeros),
            Kind::Error => {
                let error = Error::corrupt("an error segment").at(segment.at);
                Ok(Lies::Nowhere(error))
            }
            Kind::Unsupported(kind) => {
                let text = format!("segments of type {kind} are not supported");
                let error = Error::unsupported(text).at(segment.at);
                Err(match needs(kind) {
                    Some(needs) => error.hint(needs),
                    None => error,
                })
            }
        }
    }

    /// The copies that are there: at least one. A leg that cannot be had for another reason than
    /// that a physical volume is missing, as one that stands on the mirror, is the mirror's fault.
    fn copies(
        &mut self,
        areas: &[segment::Area],
        extents: u64,
        members: &mut Members,
    ) -> Result<Lies> {
        let mut there = Vec::new();
        let mut missing = Vec::new();
        for area in areas {
            match self.area(area, extents, members) {
                Ok(found) => there.push(found),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    missing.push((area.name.as_str(), error));
                }
                Err(error) => return Err(error),
            }
        }
        if let (true, Some((_, error))) = (there.is_empty(), missing.first()) {
            return Err(error.clone());
        }
        for (leg, _) in missing {
            let group = &self.group.name;
            let text = format!("volume group {group}: {leg}: it is missing, and is not read");
            self.context.notices.add(text);
        }
        Ok(Lies::Copied(there))
    }

    /// Where `area` is, of which `extents` are wanted.
    fn area(
        &mut self,
        area: &segment::Area,
        extents: u64,
        members: &mut Members,
    ) -> Result<pieces::Area> {
        let found = self.find_area(area, extents, members);
        found.map_err(|error| blame(error, area.at))
    }

    fn find_area(
        &mut self,
        area: &segment::Area,
        extents: u64,
        members: &mut Members,
    ) -> Result<pieces::Area> {
        let owner = self.group.owner(&area.name)?;
        let there = match owner {
            Owner::Physical(index) => self.group.physical.get(index).map_or(0, |it| it.extents),
            Owner::Logical(index) => self.group.logical.get(index).map_or(0, Logical::extents),
        };
        let (source, start) = self.owned(owner)?;
        let end = area.extent.checked_add(extents);
        if end.is_none_or(|end| end > there) {
            let (name, extent) = (&area.name, area.extent);
            let text = format!("{extents} extents from {extent} on are past the {there} of {name}");
            return Err(Error::corrupt(text));
        }
        let offset = self.group.bytes(area.extent)?.checked_add(start);
        Ok(pieces::Area {
            member: members.number(source),
            offset: offset.ok_or_else(|| Error::corrupt("pe_start is too far"))?,
        })
    }

    /// The bytes of a volume, and which of them is the first of its first extent.
    fn owned(&mut self, owner: Owner) -> Result<(SharedSource, u64)> {
        let index = match owner {
            Owner::Logical(index) => return Ok((self.logical(index)?, 0)),
            Owner::Physical(index) => index,
        };
        let physical = self.group.physical.get(index);
        let physical = physical.ok_or_else(|| Error::corrupt(format!("no volume {index}")))?;
        let source = self.physical.get(index).cloned().flatten();
        let source = source.ok_or_else(|| {
            let text = format!("physical volume {} is missing", physical.uuid);
            Error::not_found(text).hint("--with adds the image that it is on")
        })?;
        Ok((source, physical.start))
    }
}

/// Bytes that a volume of `segments` keeps, as long as it is open.
fn kept(segments: &[Segment]) -> usize {
    let of = |segment: &Segment| {
        let each = match &segment.kind {
            Kind::Stacked(_) => OF_IMAGE,
            _ => OF_AREA,
        };
        let areas = segment.kind.width().saturating_mul(each);
        areas.saturating_add(size_of::<Piece>())
    };
    let all = segments.iter().map(of);
    all.fold(OF_VOLUME, usize::saturating_add)
}

/// What `error` is about stands at byte `at` of the text, if it does not say more. The text is right
/// where a physical volume is missing, so that no byte is to blame for it.
fn blame(error: Error, at: u64) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error,
        _ => error.at(at),
    }
}

/// What reads a segment of a type that is not read here.
fn needs(kind: &str) -> Option<&'static str> {
    match kind {
        "vdo" | "vdo-pool" => Some("what VDO packs is read by the kernel's dm-vdo"),
        "integrity" => Some("data with dm-integrity's checksums are read by the kernel's"),
        _ => None,
    }
}

fn too_deep() -> Error {
    Error::unsupported(format!("more than {DEPTH} volumes stand on one another"))
}

/// The volume that is shown with the exceptions that `logical`, a snapshot, is about.
pub(super) fn view(logical: &Logical) -> Option<(&str, View<'_>)> {
    let [segment] = logical.segments.as_deref().ok()? else {
        return None;
    };
    let Kind::Stacked(Stacked::Snapshot {
        origin,
        store,
        merges,
    }) = &segment.kind
    else {
        return None;
    };
    let shown = if *merges { origin } else { store };
    let view = View {
        origin,
        store,
        extents: segment.count,
    };
    Some((shown, view))
}
