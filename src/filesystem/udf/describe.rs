//! Whether this is UDF, and what `info` says of it.

use super::disk::Disk;
use super::integrity::Integrity;
use super::layout::{RawLogicalVolume, RawPrimary};
use super::sequence::Sequence;
use super::{anchor, partition, recognition, sequences, text};
use crate::error::{Result, printable};
use crate::format::{Description, Notices, Options, Set};
use crate::source::Source;

/// The volume recognition sequence says so, in which ISO 9660 may come first.
pub(super) fn claim(source: &dyn Source) -> Result<Option<Set>> {
    Ok(recognition::standard(source)?.map(|_| Set::Bridge { older: "iso9660" }))
}

/// Label, UUID and facts, by the first volume descriptor sequence that can be read.
pub(super) fn describe(source: &dyn Source) -> Result<Description> {
    let (options, notices) = (Options::default(), Notices::default());
    let mut first_error = None;
    for (disk, sequence) in sequences(source, &options, &notices) {
        match sequence {
            Ok(sequence) => return Ok(of(&disk, &sequence)),
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    Err(first_error.unwrap_or_else(anchor::missing))
}

/// What `sequence` says.
fn of(disk: &Disk<'_>, sequence: &Sequence) -> Description {
    let mut found = Description {
        uuid: sequence.primary.as_ref().and_then(uuid),
        ..Description::default()
    };
    let facts = &mut found.facts;
    if let Some((logical, block, _)) = &sequence.logical {
        found.label = text::field(&logical.logical_volume_identifier);
        let partitions = partition::names(logical, block);
        let integrity = Integrity::read(disk, logical.integrity_sequence_extent);
        // On write-once media it is of the day the disc was new.
        let integrity = integrity.filter(|_| !partitions.contains(&partition::VIRTUAL));
        facts.push(("revision", revision(logical, integrity.as_ref())));
        facts.push(("block size", disk.block_size().to_string()));
        facts.push(("partitions", partitions.join(", ")));
        if let Some(last) = &integrity {
            let state = if last.closed { "closed" } else { "open" };
            facts.push(("integrity", state.to_owned()));
        }
        found.allocated = allocated(sequence, integrity.as_ref(), disk.block_size());
    }
    let volume = sequence.primary.as_ref();
    let volume = volume.and_then(|raw| text::field(&raw.volume_identifier));
    if let Some(name) = volume {
        facts.push(("volume identifier", printable(&name)));
    }
    found
}

/// The revision that is needed to read the volume, as the integrity descriptor says; else the one
/// it was written by.
fn revision(logical: &RawLogicalVolume, integrity: Option<&Integrity>) -> String {
    let written = logical.domain_identifier.revision.get();
    let needed = integrity.and_then(|last| last.read_revision);
    let text = |revision: u16| format!("{:x}.{:02x}", revision >> 8, revision & 0xff);
    match needed.filter(|needed| *needed != written && *needed > 0) {
        Some(needed) => format!("{} (read as {})", text(written), text(needed)),
        None => text(written),
    }
}

/// Bytes of all physical partitions that the integrity descriptor does not say to be free.
fn allocated(sequence: &Sequence, integrity: Option<&Integrity>, block_size: u64) -> Option<u64> {
    let [partition] = sequence.partitions.values().collect::<Vec<_>>()[..] else {
        return None;
    };
    let free = integrity?.free(0)?;
    let used = partition.partition_length.get().checked_sub(free)?;
    u64::from(used).checked_mul(block_size)
}

/// The UUID as libblkid makes it from the start of the volume set identifier: its first 16
/// characters where they are hexadecimal digits; else 8 digits and 4 characters as hexadecimal
/// numbers; else 8 characters as such. What is missing of those is 0.
fn uuid(primary: &RawPrimary) -> Option<String> {
    let identifier = text::field(&primary.volume_set_identifier)?;
    let digits = identifier
        .iter()
        .take(16)
        .take_while(|byte| byte.is_ascii_hexdigit());
    let (plain, coded) = match (digits.count(), identifier.len()) {
        (_, ..8) => return None,
        (..8, _) => (0, 8),
        (..16, _) => (8, 12),
        _ => (16, 16),
    };
    let digits = identifier.get(..plain).unwrap_or_default();
    let rest = identifier
        .get(plain..coded.min(identifier.len()))
        .unwrap_or_default();
    let digits = digits
        .iter()
        .map(|byte| char::from(*byte).to_ascii_lowercase());
    let coded: Vec<_> = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let uuid: String = digits.chain(coded.concat().chars()).collect();
    Some(format!("{uuid:0<16}"))
}
