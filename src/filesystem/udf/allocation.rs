//! Allocation descriptors (ECMA-167, 4/14.14): the extents of a file, in the order of its bytes. The
//! list begins in the file entry and goes on in allocation extents (4/14.5), each named by the last
//! descriptor of the one before.
//!
//! A list that goes on is walked once: what is kept in the cache is where each of its extents is and
//! which byte of the file it begins with, so that any byte is found by one of them.

use std::collections::BTreeSet;

use super::icb::{Allocation, FileEntry};
use super::layout::{RawAllocationExtent, RawExtended, RawLong, RawShort};
use super::tag::{self, kind};
use super::volume::{Address, Volume};
use crate::cache::Block;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;
use crate::number::to_usize;

/// What lies in a range of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// `length` bytes from byte `offset` of the disk on.
    Recorded {
        /// Byte of the disk.
        offset: u64,
        /// At least 1.
        length: u64,
    },
    /// Room that was set aside and not written: zeros.
    Allocated {
        /// At least 1.
        length: u64,
    },
    /// A hole.
    Absent {
        /// At least 1.
        length: u64,
    },
}

impl Run {
    fn length(&self) -> u64 {
        match self {
            Self::Recorded { length, .. }
            | Self::Allocated { length }
            | Self::Absent { length } => *length,
        }
    }

    /// It, and `more` bytes behind it.
    fn with(mut self, more: u64) -> Self {
        let (Self::Recorded { length, .. } | Self::Allocated { length } | Self::Absent { length }) =
            &mut self;
        *length = length.saturating_add(more);
        self
    }
}

/// The upper two bits of an extent's length (ECMA-167, 4/14.14.1.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Recorded,
    Allocated,
    Absent,
    Continued,
}

/// An allocation descriptor.
struct Descriptor {
    state: State,
    /// Bytes of the file, or of the list's next extent.
    length: u64,
    at: Address,
}

/// Allocation extents of one file, at most: 16 MiB of positions, for a file in 250 million pieces.
const MOST_EXTENTS: usize = 1 << 20;

/// Descriptors that are passed over in the time of a step.
const DESCRIPTORS_OF_STEP: usize = 16;

/// A record of the kept list: the first byte of the file, block, partition, and whether the list
/// comes back to where it was.
const RECORD: usize = 16;

/// What lies at byte `offset` of the file, which is before its end.
///
/// # Errors
/// `Corrupt` or `Io` for what makes the descriptors of this place unreadable.
pub(super) fn run_at(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    offset: u64,
) -> Result<Run> {
    find_run((volume, request, file), offset, Reach::Piece).map_err(|error| error.at(file.place))
}

/// The same as far as the file goes on like that, by one part of its list: of what is recorded, all
/// may lie elsewhere but what [`run_at`] has.
///
/// # Errors
/// As [`run_at`].
pub(super) fn stretch_at(
    volume: &Volume,
    request: &Request,
    file: &FileEntry,
    offset: u64,
) -> Result<Run> {
    find_run((volume, request, file), offset, Reach::Stretch).map_err(|error| error.at(file.place))
}

/// How much is wanted of what lies in one place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What lies in one piece.
    Piece,
    /// All that is in the same state.
    Stretch,
}

/// [`run_at`] and [`stretch_at`], whose errors may lack the byte of the disk.
///
/// A block belongs to the extent that its first byte is in, as for the kernel: Linux writes what is
/// appended to a file behind the end of its last extent and leaves that as it is.
fn find_run(
    of @ (volume, request, file): (&Volume, &Request, &FileEntry),
    offset: u64,
    reach: Reach,
) -> Result<Run> {
    let list = file.descriptors();
    let first = offset.saturating_sub(volume.disk().within(offset));
    let run = |list: &[u8], found| match reach {
        Reach::Piece => resolve(of, &found, offset),
        Reach::Stretch => stretch(of, list, &found, offset),
    };
    let continued = match search(of, list, 0, first)? {
        Search::Found(found) => return run(list, found),
        Search::End => return Ok(hole(file, offset)),
        Search::Continued { .. } => chain(volume, request, file)?,
    };
    let (start, at) = segment(volume, request, &continued, first)?;
    let (bytes, list) = allocation_extent(volume, request, at)?;
    let list = bytes.get(list).unwrap_or_default();
    match search(of, list, start, first)? {
        Search::Found(found) => run(list, found),
        Search::End => Ok(hole(file, offset)),
        Search::Continued { .. } => {
            Err(Error::corrupt("the list of allocation extents breaks off")
                .context(file.icb.text()))
        }
    }
}

/// The bytes of all extents of `file` together, whatever their state.
///
/// # Errors
/// As [`run_at`].
pub(super) fn total(volume: &Volume, request: &Request, file: &FileEntry) -> Result<u64> {
    let sum = |list: &[u8], start| {
        let extents = descriptors(file, list).filter_map(Result::ok);
        let extents = extents.filter(|extent| extent.state != State::Continued);
        extents.fold(start, |sum: u64, extent| sum.saturating_add(extent.length))
    };
    let list = file.descriptors();
    let of = (volume, request, file);
    let Search::Continued { .. } = search(of, list, 0, u64::MAX)? else {
        return Ok(sum(list, 0));
    };
    let records = chain(volume, request, file)?;
    let (start, at) = segment(volume, request, &records, u64::MAX)?;
    let (bytes, list) = allocation_extent(volume, request, at)?;
    Ok(sum(bytes.get(list).unwrap_or_default(), start))
}

/// An extent in its place.
struct Found {
    descriptor: Descriptor,
    /// Byte of the file that it begins with.
    start: u64,
    /// How many descriptors stand before it in its part of the list.
    index: usize,
}

/// What a look through one part of the list gives.
enum Search {
    /// The extent with the wanted byte.
    Found(Found),
    /// The list goes on in `at`, with byte `start`.
    Continued { start: u64, at: Address },
    /// It is over.
    End,
}

/// Looks for byte `offset` in `list`, which begins with byte `start`.
///
/// Extents other than the last fill their blocks (ECMA-167, 4/12). Of one that does not readers
/// make different things, the kernel's driver bytes that are not in it; and of a file in extents of
/// single bytes each byte would cost a walk through the list.
fn search(
    (volume, request, file): (&Volume, &Request, &FileEntry),
    list: &[u8],
    mut start: u64,
    offset: u64,
) -> Result<Search> {
    for (index, descriptor) in descriptors(file, list).enumerate() {
        if index % DESCRIPTORS_OF_STEP == 0 {
            request.spend(1)?;
        }
        let descriptor = descriptor?;
        if start < file.size && volume.disk().within(start) != 0 {
            let text = format!("byte {start} of the file begins an extent, and no block");
            return Err(Error::corrupt(text).context(file.icb.text()));
        }
        if descriptor.state == State::Continued {
            let at = descriptor.at;
            return Ok(Search::Continued { start, at });
        }
        let end = start.saturating_add(descriptor.length);
        if offset < end {
            return Ok(Search::Found(Found {
                descriptor,
                start,
                index,
            }));
        }
        start = end;
    }
    Ok(Search::End)
}

/// The descriptors in `list`, up to one of no length, which ends it.
fn descriptors<'a>(
    file: &'a FileEntry,
    list: &'a [u8],
) -> impl Iterator<Item = Result<Descriptor>> + 'a {
    list.chunks_exact(size_of_descriptor(file))
        .map(|bytes| parse(file, bytes))
        .map_while(Result::transpose)
}

fn size_of_descriptor(file: &FileEntry) -> usize {
    match file.allocation {
        Allocation::Short => size_of::<RawShort>(),
        Allocation::Long => size_of::<RawLong>(),
        Allocation::Extended | Allocation::Embedded => size_of::<RawExtended>(),
    }
}

/// One descriptor; `None` for that which ends the list.
fn parse(file: &FileEntry, bytes: &[u8]) -> Result<Option<Descriptor>> {
    let (length, at) = match file.allocation {
        Allocation::Short => {
            let raw: RawShort = tag::view(bytes, "short_ad")?;
            let at = Address {
                block: raw.extent_position.get(),
                ..file.at
            };
            (raw.extent_length.get(), at)
        }
        Allocation::Long => {
            let raw: RawLong = tag::view(bytes, "long_ad")?;
            (raw.extent_length.get(), Address::new(raw.extent_location))
        }
        Allocation::Extended | Allocation::Embedded => {
            let raw: RawExtended = tag::view(bytes, "ext_ad")?;
            if raw.recorded_length != raw.information_length {
                return Err(Error::unsupported(format!(
                    "a compressed extent: recorded_length {} of information_length {}",
                    raw.recorded_length, raw.information_length
                )));
            }
            (raw.extent_length.get(), Address::new(raw.extent_location))
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let state = match length >> 30 {
        0 => State::Recorded,
        1 => State::Allocated,
        2 => State::Absent,
        _ => State::Continued,
    };
    let needs_place = matches!(state, State::Recorded | State::Continued);
    if needs_place && file.within.is_some_and(|within| within != at.partition) {
        let text = format!("{} of a file that finds partitions", at.text());
        return Err(Error::corrupt(text).context(file.icb.text()));
    }
    let length = u64::from(length & 0x3fff_ffff);
    Ok(Some(Descriptor { state, length, at }))
}

/// What [`run_at`] gives for byte `offset` of the file, which is in the extent `found`.
fn resolve(
    (volume, request, file): (&Volume, &Request, &FileEntry),
    found: &Found,
    offset: u64,
) -> Result<Run> {
    let descriptor = &found.descriptor;
    let into = offset.saturating_sub(found.start);
    let blocks = descriptor
        .length
        .checked_next_multiple_of(volume.disk().block_size());
    let length = blocks.unwrap_or(descriptor.length).saturating_sub(into);
    match descriptor.state {
        State::Allocated => return Ok(Run::Allocated { length }),
        State::Absent => return Ok(Run::Absent { length }),
        State::Recorded | State::Continued => {}
    }
    let block = descriptor
        .at
        .plus(into.wrapping_shr(volume.disk().block_bits));
    let place = block.and_then(|block| volume.place(request, block));
    let place = place.context(|| file.icb.text())?;
    let skip = volume.disk().within(into);
    let held = place.blocks.saturating_mul(volume.disk().block_size());
    Ok(Run::Recorded {
        offset: place.offset.saturating_add(skip),
        length: length.min(held.saturating_sub(skip)),
    })
}

/// What [`stretch_at`] gives for byte `offset`, which is in the extent `found` of `list`: with the
/// extents behind it as far as each of them is whole. To ask for one after the other would be a look
/// through the list for each.
fn stretch(
    of @ (volume, request, file): (&Volume, &Request, &FileEntry),
    list: &[u8],
    found: &Found,
    offset: u64,
) -> Result<Run> {
    let mut run = resolve(of, found, offset)?;
    let index = found.index.saturating_add(1);
    let behind = index.saturating_mul(size_of_descriptor(file));
    let mut start = found.start.saturating_add(found.descriptor.length);
    for descriptor in descriptors(file, list.get(behind..).unwrap_or_default()) {
        let is_whole = offset.checked_add(run.length()) == Some(start);
        let Some(descriptor) = descriptor.ok().filter(|_| is_whole && start < file.size) else {
            break;
        };
        if descriptor.state != found.descriptor.state {
            break;
        }
        request.spend(1)?;
        let end = start.saturating_add(descriptor.length);
        let next = Found {
            descriptor,
            start,
            index,
        };
        let Ok(next) = resolve(of, &next, start) else {
            volume.still(request)?;
            break;
        };
        run = run.with(next.length());
        start = end;
    }
    Ok(run)
}

/// Behind the last extent a file is a hole, as for the kernel.
fn hole(file: &FileEntry, offset: u64) -> Run {
    let length = file.size.saturating_sub(offset).max(1);
    Run::Absent { length }
}

/// Positions of the allocation extents of `file` behind its entry, from the cache.
fn chain(volume: &Volume, request: &Request, file: &FileEntry) -> Result<Block> {
    let cache = &volume.context.cache;
    let layer = match file.within {
        Some(_) => volume.chains_within,
        None => volume.chains,
    };
    let visit = cache.visit();
    cache.visit_or_read(layer, file.at.inode().0, visit, || {
        walk(volume, request, file)
    })
}

/// Walks the list. It ends where it is over, where it cannot be read, or where it comes back to
/// where it was: what lies before is good all the same, and whoever needs that part meets the error.
fn walk(volume: &Volume, request: &Request, file: &FileEntry) -> Result<Block> {
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    let of = (volume, request, file);
    let mut next = search(of, file.descriptors(), 0, u64::MAX)?;
    while let Search::Continued { start, at } = next {
        if start >= file.size && start > 0 {
            break;
        }
        request.spend(1)?;
        let is_new = seen.insert(at) && seen.len() <= MOST_EXTENTS;
        records.extend(start.to_le_bytes());
        records.extend(at.block.to_le_bytes());
        records.extend(at.partition.to_le_bytes());
        records.extend(u16::from(!is_new).to_le_bytes());
        let Ok((bytes, list)) = allocation_extent(volume, request, at) else {
            // What is kept is to be the same whoever asked for it first.
            volume.still(request)?;
            break;
        };
        if !is_new {
            break;
        }
        let list = bytes.get(list).unwrap_or_default();
        let Ok(found) = search(of, list, start, u64::MAX) else {
            volume.still(request)?;
            break;
        };
        next = found;
    }
    Ok(Block::new(records))
}

/// The part of the list that has byte `offset`: its first byte and its place.
fn segment(
    volume: &Volume,
    request: &Request,
    records: &[u8],
    offset: u64,
) -> Result<(u64, Address)> {
    let (records, _) = records.as_chunks::<RECORD>();
    let first = |record: &[u8; RECORD]| {
        let bytes = record.first_chunk::<8>().copied().unwrap_or_default();
        u64::from_le_bytes(bytes)
    };
    let behind = records.partition_point(|record| first(record) <= offset);
    let found = behind.checked_sub(1).and_then(|index| records.get(index));
    let found = found.ok_or_else(|| Error::corrupt("the list of allocation extents is empty"))?;
    let (start, at, is_again) = record(found);
    if is_again {
        let text = "the list of allocation extents comes back to where it was";
        let place = volume.place(request, at)?;
        return Err(Error::corrupt(text).context(at.text()).at(place.offset));
    }
    Ok((start, at))
}

/// The first byte, the place, and whether the list was there already.
fn record(record: &[u8; RECORD]) -> (u64, Address, bool) {
    let [a, b, c, d, e, f, g, h, block @ .., i, j, again, _] = record;
    let at = Address {
        block: u32::from_le_bytes(*block),
        partition: u16::from_le_bytes([*i, *j]),
    };
    let start = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
    (start, at, *again != 0)
}

/// The allocation extent at `at`, and the bytes of it that are descriptors.
fn allocation_extent(
    volume: &Volume,
    request: &Request,
    at: Address,
) -> Result<(Vec<u8>, std::ops::Range<usize>)> {
    let (found, bytes, place) = volume.descriptor(request, at)?;
    let read = || {
        if found != kind::ALLOCATION_EXTENT {
            let text = format!("tag_identifier {found} is no allocation extent's");
            return Err(Error::corrupt(text));
        }
        let raw: RawAllocationExtent = tag::view(&bytes, "allocation extent")?;
        let length = raw.length_of_allocation_descriptors.get();
        let start = size_of::<RawAllocationExtent>();
        let end = start.saturating_add(to_usize(length.into()));
        if end > bytes.len() {
            return Err(Error::corrupt(format!(
                "length_of_allocation_descriptors {length} leaves the block"
            )));
        }
        Ok(start..end)
    };
    let list = read().map_err(|error| error.context(at.text()).at(place))?;
    Ok((bytes, list))
}
