//! Volume descriptor sequences (ECMA-167, 3/8.4.2): descriptors sector by sector, in an extent that
//! a pointer may lead on from. Of several of the same kind that with the highest sequence number
//! prevails.

use std::collections::BTreeMap;

use super::disk::Disk;
use super::layout::{RawExtent, RawLogicalVolume, RawPartition, RawPointer, RawPrimary};
use super::tag::{self, kind};
use crate::error::{Error, Result};

/// Extents in a row, at most: as many as the kernel follows.
const MOST_EXTENTS: usize = 64;

/// Descriptors in all, at most. A sequence has a dozen; a rewritten one on write-once media some
/// hundred.
const MOST_DESCRIPTORS: u32 = 8192;

/// The prevailing descriptors.
#[derive(Default)]
pub(super) struct Sequence {
    /// The primary volume descriptor.
    pub(super) primary: Option<RawPrimary>,
    /// The logical volume descriptor: its whole block, with the partition maps, and the byte of the
    /// disk where that is.
    pub(super) logical: Option<(RawLogicalVolume, Vec<u8>, u64)>,
    /// Partition descriptors by their number.
    pub(super) partitions: BTreeMap<u16, RawPartition>,
    /// The first thing that is wrong with the sequence.
    damage: Option<Error>,
}

impl Sequence {
    /// Whether every descriptor of the sequence that begins with `extent` is whole.
    ///
    /// # Errors
    /// `Corrupt` for the first that is not, or one that is missing.
    pub(super) fn check(disk: &Disk<'_>, extent: RawExtent) -> Result<()> {
        let mut sequence = Self::default();
        sequence.collect(disk, extent)?;
        match sequence.damage.take() {
            Some(error) => Err(error),
            None => Self::read(disk, extent).map(|_| ()),
        }
    }

    /// Reads the sequence that begins with `extent`, without the descriptors that are damaged.
    ///
    /// # Errors
    /// `Corrupt` without a logical volume or a partition, or with what is wrong instead.
    pub(super) fn read(disk: &Disk<'_>, extent: RawExtent) -> Result<Self> {
        let mut sequence = Self::default();
        if let Err(error) = sequence.collect(disk, extent) {
            sequence.damage.get_or_insert(error);
        }
        let damage = sequence.damage.take();
        let damage = damage.map(|error| error.context("volume descriptor sequence"));
        if sequence.logical.is_some() && !sequence.partitions.is_empty() {
            if let Some(error) = damage {
                disk.notice(&error);
            }
            return Ok(sequence);
        }
        if let Some(error) = damage {
            return Err(error);
        }
        let missing = match sequence.logical {
            None => "no logical volume descriptor",
            Some(_) => "no partition descriptor",
        };
        Err(Error::corrupt(missing).at(disk.offset(extent.location.get().into())))
    }

    fn collect(&mut self, disk: &Disk<'_>, first: RawExtent) -> Result<()> {
        let (mut left, mut last) = (MOST_DESCRIPTORS, first);
        let mut next = Some(first);
        for _ in 0..MOST_EXTENTS {
            let Some(extent) = next else {
                return Ok(());
            };
            last = extent;
            next = self.extent(disk, extent, &mut left)?;
        }
        let text = format!("over {MOST_EXTENTS} extents follow each other");
        Err(Error::corrupt(text).at(disk.offset(last.location.get().into())))
    }

    /// Reads one extent, up to its terminating descriptor, what is not recorded, or a pointer;
    /// gives where the pointer leads.
    fn extent(
        &mut self,
        disk: &Disk<'_>,
        extent: RawExtent,
        left: &mut u32,
    ) -> Result<Option<RawExtent>> {
        let start = u64::from(extent.location.get());
        let blocks = u64::from(extent.length.get()).wrapping_shr(disk.block_bits);
        let mut next = None;
        for number in start..start.saturating_add(blocks) {
            *left = left.checked_sub(1).ok_or_else(|| {
                Error::corrupt(format!("over {MOST_DESCRIPTORS} descriptors"))
                    .at(disk.offset(number))
            })?;
            let block = disk.read(number)?;
            if block.iter().take(tag::LENGTH).all(|byte| *byte == 0) {
                break;
            }
            let location = u32::try_from(number).unwrap_or(u32::MAX);
            let found = match disk.checked(&block, location, disk.offset(number)) {
                Ok(found) => found,
                Err(error) => {
                    self.damage.get_or_insert(error);
                    continue;
                }
            };
            match found {
                kind::TERMINATING => break,
                kind::POINTER => {
                    let raw: RawPointer = tag::view(&block, "volume descriptor pointer")?;
                    next = Some(raw.next_volume_descriptor_sequence_extent);
                    break;
                }
                found => {
                    let at = disk.offset(number);
                    self.take(found, block, at).map_err(|error| error.at(at))?;
                }
            }
        }
        Ok(next.filter(|extent| extent.length.get() > 0))
    }

    fn take(&mut self, found: u16, block: Vec<u8>, at: u64) -> Result<()> {
        match found {
            kind::PRIMARY => {
                let raw: RawPrimary = tag::view(&block, "primary volume descriptor")?;
                let number = |raw: &RawPrimary| raw.volume_descriptor_sequence_number.get();
                if self
                    .primary
                    .as_ref()
                    .is_none_or(|old| number(&raw) >= number(old))
                {
                    self.primary = Some(raw);
                }
            }
            kind::LOGICAL_VOLUME => {
                let raw: RawLogicalVolume = tag::view(&block, "logical volume descriptor")?;
                let number = |raw: &RawLogicalVolume| raw.volume_descriptor_sequence_number.get();
                let old = self.logical.as_ref();
                if old.is_none_or(|(old, ..)| number(&raw) >= number(old)) {
                    self.logical = Some((raw, block, at));
                }
            }
            kind::PARTITION => {
                let raw: RawPartition = tag::view(&block, "partition descriptor")?;
                let number = |raw: &RawPartition| raw.volume_descriptor_sequence_number.get();
                let old = self.partitions.get(&raw.partition_number.get());
                if old.is_none_or(|old| number(&raw) >= number(old)) {
                    self.partitions.insert(raw.partition_number.get(), raw);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
