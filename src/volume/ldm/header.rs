//! The private header of a dynamic disk: who it is, which group it is of, and where its data and the
//! database lie.
//!
//! An MBR has it in sector 6, and twice in the private region in the last MiB, the second time in the
//! last sector; a GPT has no copy outside of the private region, which is a partition there.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::gpt;
use super::guid::Guid;
use super::layout::{self, BLOCK, PRIVATE_HEADER, until_zero};
use crate::error::{Error, Result, ResultExt};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Bytes of a sector of the disk. The first is usual.
const SECTORS: [u64; 2] = [512, 4096];

/// The sector of an MBR disk with the first copy.
const FIRST: u64 = 6;

/// The type of a partition in the MBR of a dynamic disk.
const DYNAMIC: u8 = 0x42;

/// The type of the entry that keeps old tools off a GPT disk.
const PROTECTIVE: u8 = 0xee;

/// Sectors of the private region of an MBR disk, and where in it the second copy is.
const USUAL_REGION: u64 = 2048;
const USUAL_COPY: u64 = 1856;

/// A range of the disk in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) size: u64,
}

/// What a private header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The disk's own identifier.
    pub(super) disk: Guid,
    /// That of its group.
    pub(super) group: Guid,
    /// As in Windows: 2.11 up to Server 2003, 2.12 since.
    pub(super) version: (u16, u16),
    /// Bytes of a sector.
    pub(super) sector: u64,
    /// What extents lie in.
    pub(super) public: Region,
    /// What the database lies in.
    pub(super) private: Region,
    /// The sectors of the private region where tables of contents are to be.
    pub(super) contents: [u64; 2],
    /// The higher is the newer of two copies.
    sequence: u64,
    /// Those of the private region where copies of it are to be.
    copies: [u64; 2],
}

/// The header of a disk.
pub(super) struct Found {
    pub(super) header: Header,
    /// What is wrong with other copies.
    pub(super) damage: Vec<Error>,
}

/// Finds the private header of `source`: the newest of those copies that are whole. `None` where it
/// is no dynamic disk.
///
/// # Errors
/// `Corrupt` where it is one, and no copy is whole: what is wrong with the first.
pub(super) fn find(source: &dyn Source, ignore_checksums: bool) -> Result<Option<Found>> {
    let places = places(source);
    let read = |place: &Place| read(source, *place, ignore_checksums);
    let mut copies: Vec<Option<Result<Header>>> = places.iter().map(read).collect();
    let whole = |copies: &[Option<Result<Header>>]| {
        let whole = copies.iter().flatten().flatten();
        whole.max_by_key(|header| header.sequence).cloned()
    };
    if let Some(header) = whole(&copies) {
        let places: Vec<Place> = header
            .places()
            .into_iter()
            .filter(|it| !places.contains(it))
            .collect();
        copies.extend(places.iter().map(read));
    }
    let newest = whole(&copies);
    let mut damage: Vec<Error> = copies
        .into_iter()
        .flatten()
        .filter_map(Result::err)
        .collect();
    match newest {
        Some(header) => Ok(Some(Found { header, damage })),
        None if damage.is_empty() => Ok(None),
        None => Err(damage.swap_remove(0)),
    }
}

/// Where a copy may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Byte of the disk.
    at: u64,
    /// Bytes of a sector, if it is there.
    sector: u64,
}

impl Place {
    /// Where a field of the copy is that begins so many bytes behind its start.
    fn field(&self, behind: usize) -> u64 {
        self.at.saturating_add(to_u64(behind))
    }
}

/// Where the copies of `source` may be, as far as its partition table says that it is dynamic.
fn places(source: &dyn Source) -> Vec<Place> {
    let Ok(record) = read_vec(source, 0, BLOCK) else {
        return Vec::new();
    };
    let entries = record.get(446..510).unwrap_or_default();
    let has = |kind: u8| entries.chunks_exact(16).any(|it| it.get(4) == Some(&kind));
    if !record.ends_with(&[0x55, 0xaa]) {
        Vec::new()
    } else if has(PROTECTIVE) {
        in_partitions(source)
    } else if has(DYNAMIC) {
        on_disk(source)
    } else {
        Vec::new()
    }
}

fn on_disk(source: &dyn Source) -> Vec<Place> {
    let mut places: Vec<Place> = SECTORS
        .iter()
        .map(|sector| Place {
            at: sector.saturating_mul(FIRST),
            sector: *sector,
        })
        .collect();
    // A magic is not worth unpacking a whole stream for.
    if source.end_is_far() {
        return places;
    }
    for sector in SECTORS {
        let sectors = source.size().checked_div(sector).unwrap_or_default();
        let before_end = |count: u64| sectors.checked_sub(count)?.checked_mul(sector);
        let copy = USUAL_REGION.saturating_sub(USUAL_COPY);
        let ends = [before_end(1), before_end(copy)];
        let ends = ends.into_iter().flatten();
        places.extend(ends.map(|at| Place { at, sector }));
    }
    places
}

fn in_partitions(source: &dyn Source) -> Vec<Place> {
    let mut places = Vec::new();
    for sector in SECTORS {
        let Some(region) = gpt::private_region(source, sector) else {
            continue;
        };
        let end = region.start.saturating_add(region.size);
        let copy = USUAL_COPY.saturating_mul(sector);
        let all = [
            end.checked_sub(sector),
            (copy < region.size).then(|| region.start.saturating_add(copy)),
        ];
        places.extend(all.into_iter().flatten().map(|at| Place { at, sector }));
    }
    places
}

/// The header at `place`; `None` where there is none at all.
fn read(source: &dyn Source, place: Place, ignore_checksums: bool) -> Option<Result<Header>> {
    let bytes = read_vec(source, place.at, BLOCK).ok()?;
    let is_header = bytes.starts_with(PRIVATE_HEADER);
    is_header.then(|| parse(&bytes, place, source.size(), ignore_checksums))
}

fn parse(bytes: &[u8], place: Place, size: u64, ignore_checksums: bool) -> Result<Header> {
    let checked = check(bytes, "checksum", ignore_checksums);
    let header = checked.and_then(|()| Header::parse(bytes, place, size));
    let header = header.map_err(|error| error.at(place.at));
    header.context(|| "PRIVHEAD")
}

/// Compares the sum of all bytes with the one that a block has in its bytes 8 to 11.
///
/// # Errors
/// `Corrupt` where they differ.
pub(super) fn check(block: &[u8], field: &str, ignore: bool) -> Result<()> {
    let number = |byte: &u8| u32::from(*byte);
    let all: u32 = block.iter().map(number).fold(0, u32::wrapping_add);
    let stored = block.get(8..12).unwrap_or_default();
    let own: u32 = stored.iter().map(number).fold(0, u32::wrapping_add);
    let found = all.wrapping_sub(own);
    let stored = stored
        .iter()
        .fold(0, |sum: u32, byte| sum.wrapping_shl(8) | u32::from(*byte));
    if ignore || stored == found {
        return Ok(());
    }
    let text = format!("{field} is {stored:#x}, and its bytes give {found:#x}");
    Err(Error::corrupt(text).hint("--ignore-checksums reads it all the same"))
}

impl Header {
    fn parse(bytes: &[u8], place: Place, size: u64) -> Result<Self> {
        let short = |_| Error::corrupt("cut off");
        let (raw, _) = layout::PrivateHeader::read_from_prefix(bytes).map_err(short)?;
        let version = (raw.version_major.get(), raw.version_minor.get());
        if !matches!(version, (2, 11 | 12)) {
            let text = format!("version is {}.{}, not 2.11 or 2.12", version.0, version.1);
            let field = match version.0 {
                2 => offset_of!(layout::PrivateHeader, version_minor),
                _ => offset_of!(layout::PrivateHeader, version_major),
            };
            return Err(Error::unsupported(text).at(place.field(field)));
        }
        let private_at = place.field(offset_of!(layout::PrivateHeader, private_region_start));
        let public_at = place.field(offset_of!(layout::PrivateHeader, public_region_start));
        let sector = place.sector;
        let private = region("private region", &raw.private(), sector, size, private_at)?;
        let public = region("public region", &raw.public(), sector, size, public_at)?;
        check_apart(public, private).map_err(|error| error.at(private_at))?;
        let disk_at = place.field(offset_of!(layout::PrivateHeader, disk_guid));
        let group_at = place.field(offset_of!(layout::PrivateHeader, disk_group_guid));
        Ok(Self {
            disk: guid("disk_guid", &raw.disk_guid).map_err(|error| error.at(disk_at))?,
            group: guid("disk_group_guid", &raw.disk_group_guid)
                .map_err(|error| error.at(group_at))?,
            version,
            sector,
            public,
            private,
            contents: [raw.primary_contents.get(), raw.secondary_contents.get()],
            sequence: raw.update_sequence.get(),
            copies: [raw.primary_header.get(), raw.secondary_header.get()],
        })
    }

    /// Where it says that copies are, in the private region.
    fn places(&self) -> Vec<Place> {
        let place = |number: &u64| {
            let at = self.private_sector(*number)?;
            Some(Place {
                at,
                sector: self.sector,
            })
        };
        self.copies.iter().filter_map(place).collect()
    }

    /// The byte of the disk that sector `number` of the private region is at, if it has as many.
    pub(super) fn private_sector(&self, number: u64) -> Option<u64> {
        let skip = number.checked_mul(self.sector)?;
        let end = skip.checked_add(self.sector)?;
        let inside = end <= self.private.size;
        inside.then(|| self.private.start.saturating_add(skip))
    }
}

impl layout::PrivateHeader {
    fn private(&self) -> [u64; 2] {
        [
            self.private_region_start.get(),
            self.private_region_size.get(),
        ]
    }

    fn public(&self) -> [u64; 2] {
        [
            self.public_region_start.get(),
            self.public_region_size.get(),
        ]
    }
}

/// A range of so many sectors, which lies on the disk of `size` bytes. Byte `at` and those behind it
/// say where it begins, and the next eight how large it is.
fn region(name: &str, sectors: &[u64; 2], sector: u64, size: u64, at: u64) -> Result<Region> {
    let [first, count] = *sectors;
    let bytes = |number: u64| number.checked_mul(sector);
    let region = bytes(first)
        .zip(bytes(count))
        .map(|(start, size)| Region { start, size });
    let is_inside = |it: &Region| it.start.checked_add(it.size).is_some_and(|end| end <= size);
    let region = region.filter(|it| it.size > 0 && is_inside(it));
    region.ok_or_else(|| {
        let text = format!("the {name} of {count} sectors from {first} on is not on the disk");
        let begins_inside = bytes(first).is_some_and(|start| start <= size);
        let field = if begins_inside { 8 } else { 0 };
        let error = Error::corrupt(format!("{text} of {size} bytes"));
        error.at(at.saturating_add(field))
    })
}

fn check_apart(public: Region, private: Region) -> Result<()> {
    let end = |it: Region| it.start.saturating_add(it.size);
    if end(public) <= private.start || end(private) <= public.start {
        return Ok(());
    }
    let text = format!(
        "the public region, bytes {} to {}, and the private one, {} to {}, overlap",
        public.start,
        end(public),
        private.start,
        end(private)
    );
    Err(Error::corrupt(text))
}

fn guid(field: &str, bytes: &[u8]) -> Result<Guid> {
    let text = until_zero(bytes);
    Guid::parse(text).ok_or_else(|| {
        let text = crate::error::printable(text);
        Error::corrupt(format!("{field} is \"{text}\", no identifier"))
    })
}

const _: () = assert!(size_of::<layout::PrivateHeader>() == 0x14b);
