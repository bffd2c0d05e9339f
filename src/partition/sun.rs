//! The Sun disk label of SPARC machines: eight partitions that start at cylinders. Numbers are places
//! in the label, as the Linux kernel counts.
//!
//! Layout: the Linux kernel's `block/partitions/sun.c`, `struct sun_disklabel`, big-endian.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::text::until_nul;
use super::{Open, range};
use crate::error::{Error, Result, printable};
use crate::format::{Context, Description, Format, Partition, Set, Volume};
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "sun",
    claim,
    describe,
    open,
};

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DiskLabel {
    info: [u8; 128],
    vtoc_version: U32,
    vtoc_volume: [u8; 8],
    vtoc_nparts: U16,
    vtoc_infos: [VtocInfo; 8],
    vtoc_padding: U16,
    vtoc_bootinfo: [U32; 3],
    vtoc_sanity: U32,
    vtoc_reserved: [U32; 10],
    vtoc_timestamp: [U32; 8],
    write_reinstruct: U32,
    read_reinstruct: U32,
    spare: [u8; 148],
    rspeed: U16,
    pcylcount: U16,
    sparecyl: U16,
    obs1: [u8; 4],
    ilfact: U16,
    ncyl: U16,
    nacyl: U16,
    ntrks: U16,
    nsect: U16,
    obs2: [u8; 4],
    partitions: [LabelPartition; 8],
    magic: U16,
    csum: U16,
}

#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct VtocInfo {
    id: U16,
    flags: U16,
}

#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct LabelPartition {
    start_cylinder: U32,
    num_sectors: U32,
}

/// `DiskLabel::magic`.
const MAGIC: u16 = 0xdabe;

/// `DiskLabel::vtoc_sanity` where there is a table of contents with types.
const SANITY: u32 = 0x600d_deee;

/// The type of the partition that stands for the whole disk.
const WHOLE_DISK: u16 = 5;

/// A label whose magic and checksum are right.
fn read(source: &dyn Source) -> Option<DiskLabel> {
    let bytes = read_vec(source, 0, size_of::<DiskLabel>()).ok()?;
    let (words, _) = bytes.as_chunks::<2>();
    let sum = words
        .iter()
        .fold(0, |sum, word| sum ^ u16::from_be_bytes(*word));
    let label = DiskLabel::read_from_bytes(&bytes).ok()?;
    (label.magic.get() == MAGIC && sum == 0).then_some(label)
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(read(source).map(|_| Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Some(label) = read(source) else {
        return Ok(Description::default());
    };
    Ok(Description {
        facts: vec![("drive", printable(until_nul(&label.info)))],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Volume>> {
    let disk = members.first().ok_or_else(|| Error::invalid("no disk"))?;
    let label = read(&**disk).ok_or_else(|| Error::corrupt("no label").at(508))?;
    let cylinder = u64::from(label.ntrks.get()).saturating_mul(u64::from(label.nsect.get()));
    let (count, has_types) = contents(&label);
    let slots = (1_u32..).zip(label.partitions.iter().zip(&label.vtoc_infos));
    let slots = slots.take(count);
    let used = slots.filter(|(_, (partition, _))| partition.num_sectors.get() != 0);
    let volume = |(number, (it, info)): (u32, (&LabelPartition, &VtocInfo))| {
        let start = u64::from(it.start_cylinder.get()).saturating_mul(cylinder);
        let len = u64::from(it.num_sectors.get());
        let place = (start.saturating_mul(512), len.saturating_mul(512));
        let kind = if has_types { info.id.get() } else { 0 };
        let partition = Partition {
            number,
            type_name: type_name(kind).to_owned(),
            type_id: format!("{kind:#04x}"),
            container: kind == WHOLE_DISK,
            ..Partition::default()
        };
        range::volume(disk, place, partition, FORMAT.name, &context.notices)
    };
    Ok(used.map(volume).collect())
}

/// How many partitions there are, and whether they have types: as a good table of contents says,
/// else as in the time before there was one, when Linux put its types there all the same.
fn contents(label: &DiskLabel) -> (usize, bool) {
    let sanity = label.vtoc_sanity.get();
    let version = label.vtoc_version.get();
    let count = label.vtoc_nparts.get();
    match (sanity, version, count) {
        (SANITY, 1, 0..=8) => (usize::from(count), true),
        (0, 0, 0) => (8, true),
        _ => (8, false),
    }
}

/// What a type of partition is called, as fdisk(8) prints it.
pub(super) fn type_name(kind: u16) -> &'static str {
    match kind {
        0 => "Unassigned",
        1 => "Boot",
        2 => "SunOS root",
        3 => "SunOS swap",
        4 => "SunOS usr",
        5 => "Whole disk",
        6 => "SunOS stand",
        7 => "SunOS var",
        8 => "SunOS home",
        9 => "SunOS alt sectors",
        0x82 => "Linux swap",
        0x83 => "Linux native",
        0x8e => "Linux LVM",
        0xfd => "Linux raid autodetect",
        _ => "unknown",
    }
}
