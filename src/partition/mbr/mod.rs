//! The master boot record: four primary partitions, of which some may be extended and hold logical
//! ones. Partitions have the numbers that the Linux kernel gives them: 1 to 4 by their slot, logical
//! ones from 5 on along the chain.
//!
//! An extended partition is listed under its number and holds no files: the kernel shows only its
//! first KiB, and everything in it is listed by itself.

mod chain;
mod layout;
mod nested;
mod types;
mod vtoc;

use zerocopy::FromBytes;

use self::chain::{Extended, Logical};
use self::layout::{MasterBootRecord, PartitionRecord, SIGNATURE};
use self::nested::{Nested, Slice};
use self::types::type_name;
use super::{Open, boot_sector, range};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Format, Partition, Set, Volume};
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "mbr",
    claim,
    describe,
    open,
};

/// The type of the entry that keeps old tools off a GPT disk.
pub(super) const PROTECTIVE: u8 = 0xee;

/// The first 512 bytes of `source`, if it has as many that can be read.
pub(super) fn first_sector(source: &dyn Source) -> Option<Vec<u8>> {
    read_vec(source, 0, size_of::<MasterBootRecord>()).ok()
}

/// The types of the primary partitions in `sector`; `None` where it is no MBR at all. A first
/// sector of a file system is none, though its last two bytes are the same.
pub(super) fn primary_types(sector: &[u8]) -> Option<Vec<u8>> {
    let record = parse(sector)?;
    let flags = record.PartitionRecord.iter().map(|it| it.BootIndicator);
    if boot_sector::is_of_file_system(sector) || !flags.clone().all(|flag| flag & 0x7f == 0) {
        return None;
    }
    let used = record.PartitionRecord.iter().filter(|it| it.is_used());
    Some(used.map(|it| it.OSType).collect())
}

/// An MBR with a partition that does more than protect a GPT, and of which no other table makes
/// another use.
fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let Some(sector) = first_sector(source) else {
        return Ok(None);
    };
    let types = primary_types(&sector).unwrap_or_default();
    let real = types.iter().any(|kind| *kind != PROTECTIVE);
    let is_ours = real && !is_dynamic(source, &types) && !is_aix(source, &sector, &types);
    Ok(is_ours.then_some(Set::Alone))
}

/// A dynamic disk of Windows: its volumes are in the database at its end, and what the MBR has is a
/// placeholder. The kernel asks its reader of them first. Where the first copy of its private header
/// is lost, the one in the last sector tells it.
fn is_dynamic(source: &dyn Source, types: &[u8]) -> bool {
    let first = [512, 4096].map(|sector: u64| sector.saturating_mul(6));
    let last = [512, 4096].map(|sector: u64| source.size().saturating_sub(sector));
    let last = last.into_iter().filter(|_| !source.end_is_far());
    let header = |at: u64| read_vec(source, at, 8).is_ok_and(|bytes| bytes == b"PRIVHEAD");
    types.contains(&0x42) && first.into_iter().chain(last).any(header)
}

/// A physical volume of AIX, unless there are partitions of Linux: the kernel's rule.
fn is_aix(source: &dyn Source, sector: &[u8], types: &[u8]) -> bool {
    let linux = [0x05, 0x0f, 0x82, 0x83, 0x85, 0x8e, 0xfd];
    let is_volume = || read_vec(source, 7 * 512, 4).is_ok_and(|bytes| bytes == b"_LVM");
    let magic = sector.starts_with(&[0xc9, 0xc2, 0xd4, 0xc1]);
    magic && !types.iter().any(|kind| linux.contains(kind)) && is_volume()
}

fn describe(source: &dyn Source) -> Result<Description> {
    let record = first_sector(source).and_then(|sector| parse(&sector));
    let signature = record.map(|record| record.UniqueMBRDiskSignature.get());
    Ok(Description {
        uuid: signature.map(|signature| format!("{signature:08x}")),
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Volume>> {
    let disk = members.first().ok_or_else(|| Error::invalid("no disk"))?;
    let record = first_sector(&**disk).and_then(|sector| parse(&sector));
    let table = Table {
        disk,
        context,
        record: record.ok_or_else(|| Error::corrupt("no 0x55 0xAA at its end").at(510))?,
        sector: u64::from(context.options.sector_size.unwrap_or(512)),
    };
    let mut volumes = table.primaries();
    let mut numbers = 5..=MOST_NUMBER;
    for (logical, number) in table.logicals().into_iter().zip(numbers.by_ref()) {
        volumes.push(table.volume(number, logical));
    }
    table.add_nested(&mut volumes, numbers);
    range::note_overlaps(&volumes, FORMAT.name, &context.notices);
    Ok(volumes)
}

/// The last number that a partition can have.
const MOST_NUMBER: u32 = 4096;

struct Table<'a> {
    disk: &'a SharedSource,
    context: &'a Context,
    record: MasterBootRecord,
    /// Bytes of a logical block.
    sector: u64,
}

impl Table<'_> {
    fn used(&self) -> impl Iterator<Item = (u32, &PartitionRecord)> {
        let numbered = (1..).zip(self.record.PartitionRecord.iter());
        numbered.filter(|(_, record)| record.is_used() && record.OSType != PROTECTIVE)
    }

    fn primaries(&self) -> Vec<Volume> {
        let volume = |(number, record): (u32, &PartitionRecord)| {
            let (start, len) = self.place(record);
            let record = record.clone();
            self.volume(number, Logical { start, len, record })
        };
        self.used().map(volume).collect()
    }

    fn logicals(&self) -> Vec<Logical> {
        let extended = self.used().filter(|(_, record)| record.is_extended());
        extended
            .flat_map(|(_, record)| {
                let (start, len) = self.place(record);
                Extended {
                    source: &**self.disk,
                    notices: &self.context.notices,
                    sector: self.sector,
                    start,
                    len,
                }
                .logicals()
            })
            .collect()
    }

    /// Adds what tables inside the primary partitions hold. Such a primary partition has no files of
    /// its own.
    fn add_nested(&self, volumes: &mut Vec<Volume>, mut numbers: impl Iterator<Item = u32>) {
        let mut all = Vec::new();
        for (slot, record) in self.used() {
            let (start, len) = self.place(record);
            let slice = Slice {
                source: &**self.disk,
                kind: record.OSType,
                start,
                len,
            };
            let nested = slice.partitions();
            let is_table = nested.iter().any(|it| it.len > 0);
            let is_slot = |it: &&mut Partition| it.number == slot && is_table;
            let slots = volumes.iter_mut().filter_map(|it| it.partition.as_mut());
            slots.filter(is_slot).for_each(|it| it.container = true);
            for (it, number) in nested.into_iter().zip(numbers.by_ref()) {
                let volume = (it.len > 0).then(|| self.nested(number, it));
                all.extend(volume);
            }
        }
        volumes.append(&mut all);
    }

    fn nested(&self, number: u32, it: Nested) -> Volume {
        let partition = Partition {
            number,
            type_name: it.type_name.to_owned(),
            type_id: it.type_id,
            uuid: Some(self.uuid(number)),
            ..Partition::default()
        };
        let notices = &self.context.notices;
        range::volume(
            self.disk,
            (it.start, it.len),
            partition,
            FORMAT.name,
            notices,
        )
    }

    fn uuid(&self, number: u32) -> String {
        let disk_signature = self.record.UniqueMBRDiskSignature.get();
        format!("{disk_signature:08x}-{number:02x}")
    }

    /// First byte and bytes. Cannot overflow: 32-bit numbers of blocks of at most 64 KiB.
    fn place(&self, record: &PartitionRecord) -> (u64, u64) {
        let bytes = |blocks: u32| u64::from(blocks).saturating_mul(self.sector);
        (
            bytes(record.StartingLBA.get()),
            bytes(record.SizeInLBA.get()),
        )
    }

    fn volume(&self, number: u32, it: Logical) -> Volume {
        let Logical { start, len, record } = it;
        let partition = Partition {
            number,
            type_name: type_name(record.OSType).to_owned(),
            type_id: format!("{:#04x}", record.OSType),
            label: None,
            uuid: Some(self.uuid(number)),
            bootable: record.BootIndicator & 0x80 != 0,
            container: record.is_extended(),
        };
        let notices = &self.context.notices;
        range::volume(self.disk, (start, len), partition, FORMAT.name, notices)
    }
}

fn parse(sector: &[u8]) -> Option<MasterBootRecord> {
    let (record, _) = MasterBootRecord::read_from_prefix(sector).ok()?;
    (record.Signature == SIGNATURE).then_some(record)
}

/// The partition records of the boot record at byte `at`.
fn read_record(source: &dyn Source, at: u64) -> Option<[PartitionRecord; 4]> {
    let sector = read_vec(source, at, size_of::<MasterBootRecord>()).ok()?;
    parse(&sector).map(|record| record.PartitionRecord)
}
