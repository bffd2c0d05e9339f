//! The one read loop over everything that only says *where* its bytes are.
//!
//! Neighbouring runs that lie side by side are read in one piece. Where a piece cannot be read the
//! map is asked for the next copy, run by run, and in ever smaller parts if no copy is whole: so
//! that of two mirrors with different bad sectors everything is read.

mod copies;
mod host;
mod packed;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;

use self::packed::Packed;
use super::decoded::Decoded;
use super::{Extent, ExtentKind, HostBytes, SharedSource, Source, check_range, extent_to, head};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Bytes of the largest packed unit. Formats have at most 2 MiB (a qcow2 cluster); whatever claims
/// more is damaged.
pub const MOST_UNIT: usize = 16 << 20;

/// Where a run of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In member `member`, from byte `offset` on.
    At {
        /// Index into the members.
        member: usize,
        /// Byte offset in that member.
        offset: u64,
    },
    /// Nowhere: it is zeros.
    Zeros,
    /// Nowhere: never written. Reads as zeros.
    Absent,
    /// In the backing source, at the same offset; zeros past its end or without one.
    Backing,
    /// In packed unit `unit` (compressed, encrypted, escaped), from its byte `skip` on.
    Packed {
        /// The number that [`Map::unpack`] is asked for.
        unit: u64,
        /// Bytes of the unpacked unit before the run.
        skip: usize,
    },
}

/// A place, and how many bytes from there on lie in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where.
    pub place: Place,
    /// Bytes, at least 1. May reach past the end of the map; the reader cuts it. That of a packed
    /// unit may reach past it, where other packed units follow without a gap or a hole.
    pub len: NonZeroU64,
}

/// Describes where bytes are; [`Mapped`] alone reads them. qcow2, VHDX, LVM, RAID and the journal
/// of a file system are maps.
pub trait Map: Send + Sync {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// Where the bytes from `offset` on are. `attempt` over 0 asks for the next copy, or parity,
    /// after a member failed to give the one before.
    ///
    /// # Errors
    /// Whatever makes this range unreadable, and it alone; `NotFound` for an `attempt` there is no
    /// copy for. A map without copies may ignore `attempt`: it is not asked on when it gives the
    /// same place, or the same error, twice.
    fn run_at(&self, offset: u64, attempt: u8) -> Result<Run>;

    /// Size in bytes of unit `unit` unpacked: bounded before anything is allocated, and over
    /// [`MOST_UNIT`] refused. A map that packs nothing leaves this and [`Map::unpack`] out.
    ///
    /// # Errors
    /// `Corrupt` for a unit that no run names.
    fn unit(&self, unit: u64) -> Result<usize> {
        Err(Error::corrupt(format!("no unit {unit}: nothing is packed")))
    }

    /// Unpacks `unit` into all of `into`, which is [`Map::unit`] long.
    ///
    /// # Errors
    /// As the format's decoder says.
    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let _ = into;
        self.unit(unit).map(|_| ())
    }

    /// As [`Source::end_is_far`], by what the map itself knows.
    fn end_is_far(&self) -> bool {
        false
    }

    /// Whether `unit` may be unpacked before somebody asks for it, behind a unit that was: not
    /// where it would make an index of what nobody may ever read.
    fn may_be_ahead(&self, unit: u64) -> bool {
        let _ = unit;
        true
    }
}

/// How a member is read: for good, or for the contents of a file.
type How = fn(&(dyn Source + 'static), &mut [u8], u64) -> Result<()>;

/// What a map describes, readable.
pub struct Mapped<M> {
    map: Arc<M>,
    members: Vec<SharedSource>,
    backing: Option<SharedSource>,
    units: Decoded<Packed<M>>,
}

impl<M: Map + 'static> Mapped<M> {
    /// Reads `map` from `members`, from `backing` (which may be shorter or longer), and its packed
    /// units through `cache`.
    #[must_use]
    pub fn new(
        map: M,
        members: Vec<SharedSource>,
        backing: Option<SharedSource>,
        cache: Arc<Cache>,
    ) -> Self {
        let map = Arc::new(map);
        let packed = Arc::new(Packed(map.clone()));
        Self {
            map,
            members,
            backing,
            units: Decoded::new(packed, cache),
        }
    }

    /// What it describes.
    #[must_use]
    pub fn map(&self) -> &M {
        &self.map
    }

    fn read(&self, buf: &mut [u8], offset: u64, how: How) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let mut ahead = None;
        let mut rest = buf;
        let mut at = offset;
        while !rest.is_empty() {
            let first = match ahead.take() {
                Some((start, run)) if start == at => run,
                _ => self.map.run_at(at, 0),
            };
            let len = self.read_piece(rest, at, first, &mut ahead, how)?;
            rest = rest.split_at_mut(len.min(rest.len())).1;
            at = at.saturating_add(to_u64(len));
        }
        Ok(())
    }

    /// Reads the first part of `buf` and gives its length. `first` is the run at `at`; `ahead` takes
    /// the run that was looked at behind it.
    fn read_piece(
        &self,
        buf: &mut [u8],
        at: u64,
        first: Result<Run>,
        ahead: &mut Option<(u64, Result<Run>)>,
        how: How,
    ) -> Result<usize> {
        if let Ok(run) = &first {
            let own = cut(run.len, buf.len());
            let len = self.extend(*run, at, buf.len(), ahead);
            if len > own
                && let Ok(len) = self.read_place(run.place, head(buf, len), at, how)
            {
                return Ok(len);
            }
        }
        self.read_copies(buf, at, &first, how)
    }

    /// The bytes from `at` that lie side by side with `run`, the first of them; up to `limit`.
    fn extend(
        &self,
        run: Run,
        at: u64,
        limit: usize,
        ahead: &mut Option<(u64, Result<Run>)>,
    ) -> usize {
        let mut len = cut(run.len, limit);
        while len < limit && !matches!(run.place, Place::Packed { .. }) {
            let next = at.saturating_add(to_u64(len));
            match self.map.run_at(next, 0) {
                Ok(more) if more.place.follows(run.place, len) => {
                    let more = cut(more.len, limit.saturating_sub(len));
                    len = len.saturating_add(more);
                }
                other => {
                    *ahead = Some((next, other));
                    break;
                }
            }
        }
        len
    }

    fn read_run(&self, run: &Result<Run>, buf: &mut [u8], at: u64, how: How) -> Result<usize> {
        let run = run.clone()?;
        let len = cut(run.len, buf.len());
        self.read_place(run.place, head(buf, len), at, how)
    }

    /// Reads all of `buf`, or of a packed unit as much as it has.
    fn read_place(&self, place: Place, buf: &mut [u8], at: u64, how: How) -> Result<usize> {
        match place {
            Place::At { member, offset } => self.read_member(member, offset, buf, at, how)?,
            Place::Zeros | Place::Absent => buf.fill(0),
            Place::Backing => self.read_backing(buf, at, how)?,
            Place::Packed { unit, skip } => return self.read_packed(unit, skip, buf, at),
        }
        Ok(buf.len())
    }

    fn read_member(
        &self,
        member: usize,
        offset: u64,
        buf: &mut [u8],
        at: u64,
        how: How,
    ) -> Result<()> {
        let source = self.member(member, offset, to_u64(buf.len()), at)?;
        let name = |error| self.name_member(error, member);
        how(source, buf, offset).map_err(name)
    }

    /// Member `member`, which has `len` bytes at `offset`.
    fn member(
        &self,
        member: usize,
        offset: u64,
        len: u64,
        at: u64,
    ) -> Result<&(dyn Source + 'static)> {
        let count = self.members.len();
        let source = self.members.get(member).ok_or_else(|| {
            Error::corrupt(format!("the map names member {member} of {count}")).at(at)
        })?;
        let inside = |end| end <= source.size();
        if offset.checked_add(len).is_some_and(inside) {
            return Ok(&**source);
        }
        let size = source.size();
        let message =
            format!("{len} bytes at {offset:#x} of member {member} are past its {size} bytes");
        Err(Error::corrupt(message).at(at))
    }

    fn name_member(&self, error: Error, member: usize) -> Error {
        match self.members.len() {
            1 => error,
            _ => error.context(format!("member {member}")),
        }
    }

    fn read_backing(&self, buf: &mut [u8], at: u64, how: How) -> Result<()> {
        let left = self.backing_left(at);
        let (there, beyond) = buf.split_at_mut(buf.len().min(to_usize(left)));
        beyond.fill(0);
        match &self.backing {
            Some(backing) if !there.is_empty() => {
                how(&**backing, there, at).map_err(|error| error.context("backing"))
            }
            _ => Ok(()),
        }
    }

    /// Bytes that the backing source has from `at` on.
    fn backing_left(&self, at: u64) -> u64 {
        let size = self.backing.as_ref().map_or(0, |backing| backing.size());
        size.saturating_sub(at)
    }

    fn backing_extent(&self, offset: u64) -> Result<Extent> {
        match &self.backing {
            None => extent_to(ExtentKind::Absent, offset, self.size()),
            Some(backing) if offset < backing.size() => backing.extent_at(offset),
            Some(_) => extent_to(ExtentKind::Zeros, offset, self.size()),
        }
    }

    fn member_extent(&self, member: usize, offset: u64, at: u64) -> Result<Extent> {
        let source = self.member(member, offset, 1, at)?;
        let name = |error| self.name_member(error, member);
        source.extent_at(offset).map_err(name)
    }
}

impl<M: Map + 'static> Source for Mapped<M> {
    fn size(&self) -> u64 {
        self.map.size()
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.read(buf, offset, <dyn Source>::read_exact_at)
    }

    fn read_contents_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.read(buf, offset, <dyn Source>::read_contents_at)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        let run = self.map.run_at(offset, 0)?;
        let end = offset.saturating_add(run.len.get()).min(self.size());
        let below = match run.place {
            Place::Zeros => return extent_to(ExtentKind::Zeros, offset, end),
            Place::Absent => return extent_to(ExtentKind::Absent, offset, end),
            Place::Packed { .. } => {
                return extent_to(ExtentKind::Data, offset, self.packed_end(offset, end));
            }
            Place::Backing => self.backing_extent(offset)?,
            Place::At { member, offset: at } => self.member_extent(member, at, offset)?,
        };
        let below_end = offset.saturating_add(below.len.get());
        extent_to(below.kind, offset, end.min(below_end))
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        self.host_below(offset)
    }

    fn soon(&self, offset: u64, len: u64) {
        if let Ok(run) = self.map.run_at(offset, 0)
            && let Place::At { member, offset } = run.place
            && let Some(member) = self.members.get(member)
        {
            member.soon(offset, run.len.get().min(len));
        }
    }

    fn end_is_far(&self) -> bool {
        let mut below = self.members.iter().chain(&self.backing);
        self.map.end_is_far() || below.any(|source| source.end_is_far())
    }
}

impl Place {
    /// Whether this place lies directly behind `len` bytes at `before`.
    fn follows(self, before: Self, len: usize) -> bool {
        match (before, self) {
            (
                Self::At { member, offset },
                Self::At {
                    member: own_member,
                    offset: own,
                },
            ) => member == own_member && offset.checked_add(to_u64(len)) == Some(own),
            (Self::Zeros, Self::Zeros)
            | (Self::Absent, Self::Absent)
            | (Self::Backing, Self::Backing) => true,
            _ => false,
        }
    }
}

/// A run's length, cut to `limit` bytes.
fn cut(len: NonZeroU64, limit: usize) -> usize {
    to_usize(len.get()).min(limit)
}
