//! The GUID partition table (UEFI specification 2.10, section 5). The copy at the end of the disk
//! stands in for a damaged one at its start.

mod entry;
mod header;
mod layout;
mod types;

use self::entry::Entry;
use self::header::{Copy, peek};
use super::{Open, boot_sector, mbr, range};
use crate::error::{Error, Result};
use crate::format::{Context, Description, Format, Notices, Set, Volume, guid};
use crate::number::to_u64;
use crate::source::{SharedSource, Source};

pub(super) const FORMAT: Format<Open> = Format {
    name: "gpt",
    claim,
    describe,
    open,
};

/// Logical block sizes of disks, the usual first. A table shows its own by where its header is: a
/// disk with 4096-byte blocks may lie in an image that knows nothing of them.
const SECTORS: [u64; 2] = [512, 4096];

/// A GPT is there with a protective entry in the MBR, or with a header and an MBR that says nothing
/// else. A header beside an ordinary MBR is what an old tool left behind: the kernel goes by the
/// MBR then.
fn claim(source: &dyn Source) -> Result<Option<Set>> {
    let sector = mbr::first_sector(source);
    let entries = sector.as_deref().and_then(mbr::primary_types);
    let is_ours = match &entries {
        Some(types) if types.contains(&mbr::PROTECTIVE) => true,
        Some(types) => types.is_empty() && has_header(source),
        None => !sector.is_some_and(|it| boot_sector::is_of_file_system(&it)) && has_header(source),
    };
    Ok(is_ours.then_some(Set::Alone))
}

fn has_header(source: &dyn Source) -> bool {
    SECTORS.iter().any(|sector| {
        let last = last_lba(source, *sector);
        peek(source, *sector, 1).is_some()
            || !source.end_is_far() && peek(source, *sector, last).is_some()
    })
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Table { copy, .. } = Table::read(source, None)?;
    let header = &copy.header;
    Ok(Description {
        uuid: Some(guid(&header.DiskGUID)),
        facts: vec![
            ("sector size", copy.sector.to_string()),
            ("first usable sector", header.FirstUsableLBA.to_string()),
            ("last usable sector", header.LastUsableLBA.to_string()),
            ("entries", header.NumberOfPartitionEntries.to_string()),
        ],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Volume>> {
    let disk = members.first().ok_or_else(|| Error::invalid("no disk"))?;
    let notices = &context.notices;
    let table = Table::read(&**disk, context.options.sector_size.map(u64::from))?;
    table.note_state(&**disk, notices);
    note_hybrid(&**disk, notices);
    let volumes: Vec<Volume> = table
        .copy
        .partitions()
        .map(|entry| table.copy.volume(disk, entry, notices))
        .collect();
    range::note_overlaps(&volumes, FORMAT.name, notices);
    Ok(volumes)
}

/// The copy that is used, and what is wrong with the first one.
struct Table {
    copy: Copy,
    primary: Option<Error>,
}

impl Table {
    /// Reads the table with blocks of `sector` bytes, or of whatever size a header is found at.
    ///
    /// # Errors
    /// `Corrupt`: what is wrong with the first copy, and in the hint what with the second.
    fn read(source: &dyn Source, sector: Option<u64>) -> Result<Self> {
        let mut refused = None;
        for sector in sector.into_iter().chain(SECTORS) {
            match Self::read_with(source, sector) {
                Ok(table) => return Ok(table),
                // What is said is about the size at which there is a header at all.
                Err(error) if peek(source, sector, 1).is_some() => {
                    refused = Some(error);
                    break;
                }
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| Error::corrupt("no GPT")))
    }

    fn read_with(source: &dyn Source, sector: u64) -> Result<Self> {
        let primary = match Copy::read(source, sector, 1) {
            Ok(copy) => {
                return Ok(Self {
                    copy,
                    primary: None,
                });
            }
            Err(error) => error.context("primary"),
        };
        // Even a header with a wrong checksum may say where the other is; the other is checked.
        let alternate = peek(source, sector, 1).map(|header| header.AlternateLBA.get());
        let last = last_lba(source, sector);
        let mut backup_error = None;
        for lba in alternate.into_iter().chain([last]).filter(|lba| *lba > 1) {
            match Copy::read(source, sector, lba) {
                Ok(copy) => {
                    return Ok(Self {
                        copy,
                        primary: Some(primary),
                    });
                }
                Err(error) => backup_error = Some(error),
            }
        }
        Err(match backup_error {
            Some(backup) => primary.hint(format!("backup: {backup}")),
            None => primary,
        })
    }

    /// Says which copy is damaged, and where the second is not at the end.
    fn note_state(&self, source: &dyn Source, notices: &Notices) {
        if let Some(error) = &self.primary {
            return notices.add(format!("gpt: {error}; the backup is used"));
        }
        let (sector, header) = (self.copy.sector, &self.copy.header);
        let alternate = header.AlternateLBA.get();
        // A good table is not worth unpacking a whole stream for.
        if !source.end_is_far()
            && let Err(error) = Copy::read(source, sector, alternate)
        {
            return notices.add(format!("gpt: backup: {error}"));
        }
        if alternate != last_lba(source, sector) {
            notices.add("gpt: the backup is not at the end of the disk: the image has grown");
        }
    }
}

impl Copy {
    fn partitions(&self) -> impl Iterator<Item = Entry> {
        let numbered = (1..).zip(self.entries.chunks_exact(self.entry_size));
        numbered.filter_map(|(number, bytes)| Entry::parse(bytes, number))
    }

    /// Where the entry of partition `number` is.
    fn place(&self, number: u32) -> u64 {
        let table = self.header.PartitionEntryLBA.get();
        let skip = u64::from(number.saturating_sub(1)).saturating_mul(to_u64(self.entry_size));
        table.saturating_mul(self.sector).saturating_add(skip)
    }

    fn volume(&self, disk: &SharedSource, entry: Entry, notices: &Notices) -> Volume {
        let number = entry.partition.number;
        match entry.range(self.sector) {
            Err(error) => {
                let error = error.at(self.place(number));
                notices.add(format!("gpt: p{number}: {error}"));
                range::unreadable(entry.partition, error)
            }
            Ok(place) => {
                let header = &self.header;
                let usable = (header.FirstUsableLBA.get(), header.LastUsableLBA.get());
                if !entry.is_within(usable.0, usable.1) {
                    notices.add(format!(
                        "gpt: p{number} lies outside of the usable LBA {} to {}",
                        usable.0, usable.1
                    ));
                }
                range::volume(disk, place, entry.partition, FORMAT.name, notices)
            }
        }
    }
}

fn note_hybrid(source: &dyn Source, notices: &Notices) {
    let sector = mbr::first_sector(source);
    let types = sector.as_deref().and_then(mbr::primary_types);
    if types.is_some_and(|types| types.iter().any(|kind| *kind != mbr::PROTECTIVE)) {
        notices.add("gpt: the MBR has partitions of its own (hybrid): those of the GPT are shown");
    }
}

/// The last block of the disk.
fn last_lba(source: &dyn Source, sector: u64) -> u64 {
    let blocks = source.size().checked_div(sector);
    blocks.unwrap_or(0).saturating_sub(1)
}
