//! The Apple partition map: a driver descriptor in the first block, then one block for each
//! partition, the map itself among them. Numbers are those of the Linux kernel: the place in the map.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::text::until_nul;
use super::{Open, range};
use crate::error::{Error, Result, printable};
use crate::format::{Context, Description, Format, Partition, Set, Volume};
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "mac",
    claim,
    describe,
    open,
};

/// More entries than this are not read: the kernel has numbers for no more.
const MOST: u32 = 255;

/// Block 0 (Inside Macintosh: Devices, "SCSI Manager", the driver descriptor record).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
struct DriverDescriptor {
    sbSig: [u8; 2],
    sbBlkSize: U16,
    sbBlkCount: U32,
}

/// An entry (there, the partition map entry record).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(non_snake_case)]
struct MapEntry {
    pmSig: [u8; 2],
    pmSigPad: U16,
    pmMapBlkCnt: U32,
    pmPyPartStart: U32,
    pmPartBlkCnt: U32,
    pmPartName: [u8; 32],
    pmParType: [u8; 32],
    pmLgDataStart: U32,
    pmDataCnt: U32,
    pmPartStatus: U32,
}

impl MapEntry {
    /// Whether it stands for the map, which begins at its own block.
    fn is_of_the_map(&self) -> bool {
        self.pmPyPartStart.get() == 1 && until_nul(&self.pmParType) == MAP.as_bytes()
    }
}

/// `MapEntry::pmParType` of the map itself.
const MAP: &str = "Apple_partition_map";

/// `DriverDescriptor::sbSig`.
const DESCRIPTOR: [u8; 2] = *b"ER";

/// `MapEntry::pmSig`.
const ENTRY: [u8; 2] = *b"PM";

/// Bit of `MapEntry::pmPartStatus`: the firmware may start from it.
const BOOTABLE: u32 = 0x08;

/// Bytes of a block of the map. A CD for both kinds of reader may say 2048 and have a map in blocks
/// of 512 bytes, or both maps: the blocks count in which the first entry is the map's own, the
/// descriptor's first; else those in which there is an entry at all.
fn block_size(source: &dyn Source) -> Result<Option<u64>> {
    let Ok(first) = read_vec(source, 0, size_of::<DriverDescriptor>()) else {
        return Ok(None);
    };
    let Ok(descriptor) = DriverDescriptor::read_from_bytes(&first) else {
        return Ok(None);
    };
    if descriptor.sbSig != DESCRIPTOR {
        return Ok(None);
    }
    let said = u64::from(descriptor.sbBlkSize.get());
    let sizes = [said, 512, 1024, 2048].into_iter();
    let sizes = sizes.filter(|size| *size >= 512);
    let first = |size: u64| Some((size, entry(source, size, 1).ok()?));
    let found: Vec<(u64, MapEntry)> = sizes.filter_map(first).collect();
    let own = found.iter().find(|(_, entry)| entry.is_of_the_map());
    Ok(own.or(found.first()).map(|(size, _)| *size))
}

/// Entry `number`, from 1.
fn entry(source: &dyn Source, block: u64, number: u32) -> Result<MapEntry> {
    let at = block.saturating_mul(u64::from(number));
    let bytes = read_vec(source, at, size_of::<MapEntry>())?;
    let entry = MapEntry::read_from_bytes(&bytes);
    let entry = entry.map_err(|_| Error::corrupt("no map entry").at(at))?;
    match entry.pmSig == ENTRY {
        true => Ok(entry),
        false => Err(Error::corrupt(format!("entry {number} has no signature \"PM\"")).at(at)),
    }
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(block_size(source)?.map(|_| Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let block = block_size(source)?.unwrap_or(512);
    Ok(Description {
        facts: vec![("block size", block.to_string())],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Volume>> {
    let disk = members.first().ok_or_else(|| Error::invalid("no disk"))?;
    let block = block_size(&**disk)?.ok_or_else(|| Error::corrupt("no partition map").at(512))?;
    let count = entry(&**disk, block, 1)?.pmMapBlkCnt.get();
    if count > MOST {
        let text = format!("mac: pmMapBlkCnt is {count}, only {MOST} entries are read");
        context.notices.add(text);
    }
    let mut volumes = Vec::new();
    for number in 1..=count.min(MOST) {
        match entry(&**disk, block, number) {
            Ok(entry) => volumes.push(volume(disk, block, number, &entry, context)),
            Err(error) => {
                let text = format!("mac: {error}, the map ends there");
                context.notices.add(text);
                break;
            }
        }
    }
    Ok(volumes)
}

fn volume(
    disk: &SharedSource,
    block: u64,
    number: u32,
    entry: &MapEntry,
    context: &Context,
) -> Volume {
    let bytes = |blocks: U32| u64::from(blocks.get()).saturating_mul(block);
    let place = (bytes(entry.pmPyPartStart), bytes(entry.pmPartBlkCnt));
    let kind = printable(until_nul(&entry.pmParType));
    let name = printable(until_nul(&entry.pmPartName));
    let partition = Partition {
        number,
        type_name: kind.clone(),
        container: kind == MAP,
        type_id: kind,
        label: (!name.is_empty()).then_some(name),
        uuid: None,
        bootable: entry.pmPartStatus.get() & BOOTABLE != 0,
    };
    range::volume(disk, place, partition, FORMAT.name, &context.notices)
}
