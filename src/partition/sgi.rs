//! The disk label of SGI machines: sixteen partitions. Numbers are places in the label, as the Linux
//! kernel counts.
//!
//! Layout: the Linux kernel's `block/partitions/sgi.c`, `struct sgi_disklabel`, big-endian.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Open, range};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Format, Partition, Set, Volume};
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "sgi",
    claim,
    describe,
    open,
};

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DiskLabel {
    magic_mushroom: U32,
    root_part_num: U16,
    swap_part_num: U16,
    boot_file: [u8; 16],
    device_parameters: [u8; 48],
    volume: [[u8; 16]; 15],
    partitions: [LabelPartition; 16],
    csum: U32,
    unused: U32,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct LabelPartition {
    num_blocks: U32,
    first_block: U32,
    kind: U32,
}

/// `DiskLabel::magic_mushroom`.
const MAGIC: u32 = 0x0be5_a941;

/// The types that stand for the label itself and for the whole disk.
const HEADER_AND_VOLUME: [u32; 2] = [0, 6];

/// A label whose magic and checksum are right: all of its words together are nothing.
fn read(source: &dyn Source) -> Option<DiskLabel> {
    let bytes = read_vec(source, 0, size_of::<DiskLabel>()).ok()?;
    let (words, _) = bytes.as_chunks::<4>();
    let words = words.iter().map(|word| u32::from_be_bytes(*word));
    let label = DiskLabel::read_from_bytes(&bytes).ok()?;
    let is_good = label.magic_mushroom.get() == MAGIC && words.fold(0, u32::wrapping_add) == 0;
    is_good.then_some(label)
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(read(source).map(|_| Set::Alone))
}

fn describe(_: &dyn Source) -> Result<Description> {
    Ok(Description::default())
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Volume>> {
    let disk = members.first().ok_or_else(|| Error::invalid("no disk"))?;
    let label = read(&**disk).ok_or_else(|| Error::corrupt("no label").at(0))?;
    let slots = (1_u32..).zip(&label.partitions);
    let used = slots.filter(|(_, partition)| partition.num_blocks.get() != 0);
    let volume = |(number, it): (u32, &LabelPartition)| {
        let bytes = |blocks: U32| u64::from(blocks.get()).saturating_mul(512);
        let place = (bytes(it.first_block), bytes(it.num_blocks));
        let kind = it.kind.get();
        let partition = Partition {
            number,
            type_name: type_name(kind).to_owned(),
            type_id: format!("{kind:#04x}"),
            container: HEADER_AND_VOLUME.contains(&kind),
            ..Partition::default()
        };
        range::volume(disk, place, partition, FORMAT.name, &context.notices)
    };
    Ok(used.map(volume).collect())
}

/// What a type of partition is called, as fdisk(8) prints it.
fn type_name(kind: u32) -> &'static str {
    match kind {
        0 => "SGI volhdr",
        1 => "SGI trkrepl",
        2 => "SGI secrepl",
        3 => "SGI raw",
        4 => "SGI bsd",
        5 => "SGI sysv",
        6 => "SGI volume",
        7 => "SGI efs",
        8 => "SGI lvol",
        9 => "SGI rlvol",
        10 => "SGI xfs",
        11 => "SGI xfslog",
        12 => "SGI xlv",
        13 => "SGI xvm",
        0x82 => "Linux swap",
        0x83 => "Linux native",
        0x8e => "Linux LVM",
        0xfd => "Linux RAID",
        _ => "unknown",
    }
}
