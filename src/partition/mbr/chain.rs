//! The logical partitions of an extended one: a chain of boot records, each with a partition and
//! the way to the next record. Numbers and order are those of the Linux kernel.

use std::collections::BTreeSet;

use super::layout::PartitionRecord;
use super::read_record;
use crate::format::Notices;
use crate::source::Source;

/// How many boot records are followed.
const MOST_RECORDS: usize = 1000;

/// A logical partition: place in bytes, and its record.
pub(super) struct Logical {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) record: PartitionRecord,
}

/// An extended partition on a disk with blocks of `sector` bytes, place in bytes.
pub(super) struct Extended<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) notices: &'a Notices,
    pub(super) sector: u64,
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Extended<'_> {
    /// Its logical partitions, in the order of the chain. A record outside of the extended
    /// partition, without its magic, or met before ends the chain with a notice.
    pub(super) fn logicals(&self) -> Vec<Logical> {
        let mut found = Vec::new();
        let mut met = BTreeSet::new();
        let mut next = Some((self.start, self.len));
        while let Some((at, len)) = next {
            if let Some(trouble) = self.trouble(at, &met) {
                self.notices
                    .add(format!("mbr: extended partition: {trouble}"));
                break;
            }
            met.insert(at);
            let Some(records) = read_record(self.source, at) else {
                let text = format!("no boot record at byte {at:#x}, the chain ends there");
                self.notices.add(format!("mbr: extended partition: {text}"));
                break;
            };
            for (slot, record) in records.iter().enumerate() {
                found.extend(self.logical(slot, record, at, len));
            }
            next = self.next(&records);
        }
        found
    }

    fn trouble(&self, at: u64, met: &BTreeSet<u64>) -> Option<String> {
        let within = at >= self.start && at < self.start.saturating_add(self.len);
        if !within {
            Some(format!(
                "the boot record at byte {at:#x} lies outside, the chain ends there"
            ))
        } else if met.contains(&at) {
            Some(format!(
                "the boot record at byte {at:#x} comes twice, the chain ends there"
            ))
        } else if met.len() >= MOST_RECORDS {
            Some(format!(
                "more than {MOST_RECORDS} boot records, the rest is left out"
            ))
        } else {
            None
        }
    }

    /// The partition in `slot` of the boot record at `at`, whose share of the extended partition is
    /// `share` bytes. Slots 2 and 3 should be empty; some old tools put data there, and others
    /// rubbish, so the kernel wants them to fit.
    fn logical(
        &self,
        slot: usize,
        record: &PartitionRecord,
        at: u64,
        share: u64,
    ) -> Option<Logical> {
        if !record.is_used() || record.is_extended() {
            return None;
        }
        let offset = self.bytes(record.StartingLBA.get());
        let len = self.bytes(record.SizeInLBA.get());
        let start = at.checked_add(offset)?;
        let end = start.checked_add(len)?;
        let fits = start >= self.start && end <= self.start.saturating_add(self.len);
        if slot >= 2 && (!fits || offset.saturating_add(len) > share) {
            return None;
        }
        if !fits {
            let text = format!("a logical partition at byte {start:#x} reaches outside of it");
            self.notices.add(format!("mbr: extended partition: {text}"));
        }
        let record = record.clone();
        Some(Logical { start, len, record })
    }

    /// Place and share of the next boot record; addresses count from the extended partition.
    fn next(&self, records: &[PartitionRecord; 4]) -> Option<(u64, u64)> {
        let link = |record: &&PartitionRecord| record.is_used() && record.is_extended();
        let record = records.iter().find(link)?;
        let at = self
            .start
            .checked_add(self.bytes(record.StartingLBA.get()))?;
        Some((at, self.bytes(record.SizeInLBA.get())))
    }

    /// Cannot overflow: a 32-bit number of blocks of at most 64 KiB.
    fn bytes(&self, blocks: u32) -> u64 {
        u64::from(blocks).saturating_mul(self.sector)
    }
}
