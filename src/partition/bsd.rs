//! The BSD disk label, on a disk of its own; inside an MBR slice it is `mbr`'s affair, by the same
//! structures. Numbers are places in the label: `a` is 1.
//!
//! Layout: FreeBSD's `sys/disklabel.h`, `struct disklabel`, little-endian.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::text::until_nul;
use super::{Open, range};
use crate::error::{Error, Result, printable};
use crate::format::{Context, Description, Format, Partition, Set, Volume};
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "bsd",
    claim,
    describe,
    open,
};

/// A label; its partitions are behind it.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DiskLabel {
    d_magic: U32,
    d_type: U16,
    d_subtype: U16,
    d_typename: [u8; 16],
    d_packname: [u8; 16],
    d_secsize: U32,
    geometry: [u8; 88],
    d_magic2: U32,
    d_checksum: U16,
    d_npartitions: U16,
    d_bbsize: U32,
    d_sbsize: U32,
    d_partitions: [LabelPartition; MOST],
}

/// What a label in a slice says.
pub(super) struct Label {
    /// As many partitions as it counts, at most [`MOST_NESTED`].
    pub(super) partitions: Vec<LabelPartition>,
    /// The third, which stands for the whole, starts at sector 0.
    pub(super) is_relative: bool,
}

/// One partition of a label.
#[derive(Clone, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct LabelPartition {
    /// Sectors.
    pub(super) p_size: U32,
    /// First sector.
    pub(super) p_offset: U32,
    p_fsize: U32,
    /// 0: unused.
    pub(super) p_fstype: u8,
    p_frag: u8,
    p_cpg: U16,
}

/// Both magics of a label.
const MAGIC: u32 = 0x8256_4557;

/// How many partitions a label has room for, on the machines with the most of them (Alpha).
const MOST: usize = 18;

/// How many the kernel takes from a label in a slice.
const MOST_NESTED: usize = 16;

/// Where a label is looked for: sector 1 on PCs, the first sector on Alpha, VAX, SPARC and others.
const PLACES: [u64; 4] = [512, 64, 128, 0];

/// The label at byte `at` of `source`; `None` for no label.
pub(super) fn label(source: &dyn Source, at: u64) -> Option<Label> {
    let label = read(source, at)?;
    let count = usize::from(label.d_npartitions.get()).min(MOST_NESTED);
    let third = label.d_partitions.get(2);
    Some(Label {
        is_relative: third.is_some_and(|third| third.p_offset.get() == 0),
        partitions: label.d_partitions.into_iter().take(count).collect(),
    })
}

/// What a type of partition is called, as fdisk(8) prints it.
pub(super) fn type_name(kind: u8) -> &'static str {
    match kind {
        0 => "unused",
        1 => "swap",
        7 => "4.2BSD",
        8 => "MS-DOS",
        9 => "4.4LFS",
        11 => "HPFS",
        12 => "ISO-9660",
        13 => "boot",
        17 => "ext2",
        18 => "NTFS",
        27 => "ZFS",
        _ => "unknown",
    }
}

fn read(source: &dyn Source, at: u64) -> Option<DiskLabel> {
    let bytes = read_vec(source, at, size_of::<DiskLabel>()).ok()?;
    let label = DiskLabel::read_from_bytes(&bytes).ok()?;
    (label.d_magic.get() == MAGIC && label.d_magic2.get() == MAGIC).then_some(label)
}

fn find(source: &dyn Source) -> Option<DiskLabel> {
    PLACES.iter().find_map(|at| read(source, *at))
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(find(source).map(|_| Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Some(label) = find(source) else {
        return Ok(Description::default());
    };
    let name = until_nul(&label.d_packname);
    Ok(Description {
        label: (!name.is_empty()).then(|| name.to_vec()),
        facts: vec![("drive", printable(until_nul(&label.d_typename)))],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Volume>> {
    let disk = members.first().ok_or_else(|| Error::invalid("no disk"))?;
    let label = find(&**disk).ok_or_else(|| Error::corrupt("no disk label").at(512))?;
    let sector = match label.d_secsize.get() {
        0 => 512,
        size => u64::from(size),
    };
    let count = label.d_npartitions.get();
    if usize::from(count) > MOST {
        let text = format!("bsd: d_npartitions is {count}, only {MOST} are read");
        context.notices.add(text);
    }
    let partitions = (1_u32..).zip(&label.d_partitions).take(usize::from(count));
    let used = partitions.filter(|(_, partition)| partition.p_size.get() != 0);
    let volume = |(number, it): (u32, &LabelPartition)| {
        let bytes = |sectors: U32| u64::from(sectors.get()).saturating_mul(sector);
        let place = (bytes(it.p_offset), bytes(it.p_size));
        // The third stands for the whole disk, and holds the others.
        let whole = number == 3 && it.p_fstype == 0;
        let partition = Partition {
            number,
            type_name: type_name(it.p_fstype).to_owned(),
            type_id: format!("{:#04x}", it.p_fstype),
            container: whole,
            ..Partition::default()
        };
        range::volume(disk, place, partition, FORMAT.name, &context.notices)
    };
    Ok(used.map(volume).collect())
}
