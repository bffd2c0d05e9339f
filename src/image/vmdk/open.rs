//! Opens the disk that a descriptor describes: its extents, and its parent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::disk::{Disk, Extent, Holds};
use super::extent_line::{Access, Kind, Line};
use super::sparse::Sparse;
use super::voice::Voice;
use super::{Head, descriptor::Descriptor, esx, hosted, kind, names, parent};
use crate::error::{Error, Result, ResultExt};
use crate::format::{Context, Identity};
use crate::source::SharedSource;
use crate::source::mapped::Mapped;

/// The image that is being opened: a descriptor may be embedded in an extent of its own disk.
pub(super) struct Embedded {
    /// The image.
    pub(super) source: SharedSource,
    /// The extent that it is.
    pub(super) sparse: Sparse,
}

/// The disk that `descriptor` describes.
///
/// # Errors
/// As [`kind::check`]; what the extents' headers and the policy for second files refuse, naming the
/// extent; `Corrupt` where the extents don't fit their lines or one another.
pub(super) fn open(
    descriptor: &Descriptor,
    embedded: Option<Embedded>,
    context: &Context,
) -> Result<SharedSource> {
    kind::check(descriptor)?;
    let mut opener = Opener {
        descriptor,
        context,
        voice: Voice::of(context),
        members: Vec::new(),
        by_name: BTreeMap::new(),
        by_file: BTreeMap::new(),
        extents: Vec::new(),
        end: 0,
    };
    match (embedded, descriptor.extents.as_slice()) {
        // A disk in one file: the line's name is what the file was called when it was made.
        (Some(embedded), [] | [_]) => opener.add_embedded(embedded)?,
        (None, []) => return Err(Error::corrupt("no extents in the descriptor")),
        (embedded, lines) => opener.add_lines(embedded, lines)?,
    }
    let parent = parent::open(descriptor, context)?;
    opener.finish(parent)
}

/// The disk that is one extent of an unknown one.
pub(super) fn alone(source: SharedSource, sparse: Sparse, context: &Context) -> SharedSource {
    let extent = Extent {
        start: 0,
        size: sparse.capacity,
        holds: Holds::Sparse { member: 0, sparse },
    };
    let disk = Disk::new(vec![extent], false);
    Arc::new(Mapped::new(disk, vec![source], None, context.cache.clone()))
}

struct Opener<'a> {
    descriptor: &'a Descriptor,
    context: &'a Context,
    voice: Voice,
    members: Vec<SharedSource>,
    by_name: BTreeMap<Vec<u8>, usize>,
    /// By what the file is and by its own name: `a` and `./a` are one extent's file. Links of one
    /// file under two names are two: what finds files that are alike makes such links.
    by_file: BTreeMap<(Option<Identity>, Vec<u8>), usize>,
    extents: Vec<Extent>,
    end: u64,
}

impl Opener<'_> {
    fn add_embedded(&mut self, embedded: Embedded) -> Result<()> {
        let capacity = embedded.sparse.capacity;
        if let [line] = self.descriptor.extents.as_slice()
            && line.size != capacity
        {
            self.voice.say(&format!(
                "the extent's line says {} bytes, its header {capacity}",
                line.size
            ));
        }
        self.members.push(embedded.source);
        let sparse = embedded.sparse;
        self.push(capacity, Holds::Sparse { member: 0, sparse })
    }

    fn add_lines(&mut self, mut embedded: Option<Embedded>, lines: &[Line]) -> Result<()> {
        let own = &self.context.origin.name;
        let is_own = |line: &Line| {
            line.kind == Kind::Sparse && names::last_part(&line.name) == own.as_slice()
        };
        // The descriptor is embedded in the first extent, if the file was given another name.
        let place = lines.iter().position(is_own).unwrap_or(0);
        for (index, line) in lines.iter().enumerate() {
            let name = || format!("extent {}", index.saturating_add(1));
            let added = match (&line.kind, line.access) {
                (Kind::Zero, _) => Ok(Holds::Zeros),
                (_, Access::None) => Ok(Holds::Nothing),
                _ if index == place && embedded.is_some() => self.own(line, embedded.take()),
                (Kind::Flat, _) => self.flat(line),
                (Kind::Sparse, _) => self.sparse(line),
            }
            .and_then(|holds| self.push(line.size, holds));
            // What is wrong in the extent's own file has its place there.
            added.map_err(|error| error.at(line.at)).context(name)?;
        }
        self.check_overlap(lines)
    }

    fn push(&mut self, size: u64, holds: Holds) -> Result<()> {
        let end = self.end.checked_add(size);
        let end = end.filter(|end| i64::try_from(*end).is_ok());
        let end = end.ok_or_else(|| Error::corrupt("the extents are too large in sum"))?;
        self.extents.push(Extent {
            start: self.end,
            size,
            holds,
        });
        self.end = end;
        Ok(())
    }

    fn own(&mut self, line: &Line, embedded: Option<Embedded>) -> Result<Holds> {
        let embedded = embedded.ok_or_else(|| Error::invalid("it is there once"))?;
        let member = self.members.len();
        self.members.push(embedded.source);
        fits(line, &embedded.sparse)?;
        let sparse = embedded.sparse;
        Ok(Holds::Sparse { member, sparse })
    }

    fn flat(&mut self, line: &Line) -> Result<Holds> {
        let (member, source) = self.member(line)?;
        let there = source.size().saturating_sub(line.offset);
        if there == 0 {
            return Err(Error::corrupt(format!(
                "its file of {} bytes ends before its offset {}",
                source.size(),
                line.offset
            )));
        }
        if there < line.size {
            let number = self.extents.len().saturating_add(1);
            self.voice.say(&format!(
                "extent {number}: its file has {there} of {} bytes, the rest cannot be read",
                line.size
            ));
        }
        Ok(Holds::Flat {
            member,
            offset: line.offset,
            there,
        })
    }

    fn sparse(&mut self, line: &Line) -> Result<Holds> {
        let (member, source) = self.member(line)?;
        let number = self.extents.len().saturating_add(1);
        let voice = &self.voice.within(&format!("extent {number}"));
        let sparse = match Head::of(&*source)? {
            Some(Head::Hosted) => {
                let header = hosted::header(&*source)?;
                hosted::open(&source, &header, voice)?
            }
            Some(Head::Cowd) => esx::open_cowd(&source, voice)?,
            Some(Head::SpaceEfficient) => esx::open_se(&source, voice)?,
            _ => return Err(Error::corrupt("its file is no sparse extent")),
        };
        fits(line, &sparse)?;
        Ok(Holds::Sparse { member, sparse })
    }

    /// The file of an extent, opened once however many extents lie in it.
    fn member(&mut self, line: &Line) -> Result<(usize, SharedSource)> {
        let known = self.by_name.get(&line.name).copied();
        let opened = known.and_then(|member| Some((member, self.members.get(member)?.clone())));
        if let Some(opened) = opened {
            return Ok(opened);
        }
        let names = names::candidates(self.descriptor, &line.name, &self.voice);
        let file = names::first(&names, |name| self.context.beside(name))?;
        let new = self.members.len();
        let key = (file.identity, file.name);
        let member = *self.by_file.entry(key).or_insert(new);
        if member == new {
            self.members.push(file.source.clone());
        }
        self.by_name.insert(line.name.clone(), member);
        Ok((member, file.source))
    }

    /// No two extents share a byte of a file of one name. A sparse one takes all of its own.
    fn check_overlap(&self, lines: &[Line]) -> Result<()> {
        let mut ranges = Vec::new();
        for (index, extent) in self.extents.iter().enumerate() {
            let (member, start, end) = match &extent.holds {
                Holds::Flat { member, offset, .. } => {
                    (*member, *offset, offset.saturating_add(extent.size))
                }
                Holds::Sparse { member, .. } => (*member, 0, u64::MAX),
                Holds::Zeros | Holds::Nothing => continue,
            };
            ranges.push((member, start, end, index.saturating_add(1)));
        }
        ranges.sort_unstable();
        let mut pairs = ranges.iter().zip(ranges.iter().skip(1));
        let found =
            pairs.find(|((own, _, end, _), (other, start, ..))| own == other && start < end);
        match found {
            None => Ok(()),
            Some(((.., first), (.., second))) => {
                let text = format!("extents {first} and {second} overlap in their file");
                let last = lines.get(first.max(second).saturating_sub(1));
                Err(Error::corrupt(text).at(last.map_or(0, |line| line.at)))
            }
        }
    }

    fn finish(self, parent: Option<SharedSource>) -> Result<SharedSource> {
        let disk = Disk::new(self.extents, parent.is_some());
        let cache = self.context.cache.clone();
        Ok(Arc::new(Mapped::new(disk, self.members, parent, cache)))
    }
}

/// The capacity in an extent's header may be rounded up to whole grains; otherwise it is the size
/// in its line.
fn fits(line: &Line, sparse: &Sparse) -> Result<()> {
    let (size, capacity) = (line.size, sparse.capacity);
    let rounded = size.checked_next_multiple_of(sparse.grain);
    if capacity == size || rounded == Some(capacity) {
        return Ok(());
    }
    let what = match capacity < size {
        true => "a gap",
        false => "an overlap",
    };
    Err(Error::corrupt(format!(
        "its line says {size} bytes and its header {capacity}, which is {what}"
    )))
}
