//! The volume descriptor set (ECMA-119, 8): which trees a session has, and where.

use zerocopy::FromBytes;

use super::layout::{Both16, Both32, RawBootRecord, RawDescriptor, RawHighSierra, RawVolume};
use super::record::SECTOR;
use crate::error::{Error, Result};
use crate::number::to_usize;
use crate::source::{Source, read_vec};

/// The sector of a session that its first volume descriptor is in.
const FIRST: u64 = 16;

/// How many descriptors are looked at; a set that is longer has no end.
const MOST: u64 = 64;

const BOOT: u8 = 0;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// The descriptors of one session.
#[derive(Default)]
pub(super) struct Descriptors {
    /// The first primary one.
    pub(super) primary: Option<Volume>,
    /// The first whose names are Joliet's.
    pub(super) joliet: Option<Joliet>,
    /// The enhanced one of ISO 9660:1999.
    pub(super) enhanced: Option<Volume>,
    /// The sector of El Torito's boot catalogue.
    pub(super) catalog: Option<u32>,
    /// Whether a terminator ends the set.
    pub(super) terminated: bool,
}

/// A Joliet descriptor.
pub(super) struct Joliet {
    /// The descriptor.
    pub(super) volume: Volume,
    /// 1 to 3.
    pub(super) level: u8,
}

/// One descriptor of a tree.
pub(super) struct Volume {
    /// Its first byte on the disc.
    pub(super) offset: u64,
    /// Its fields, in ECMA-119's shape.
    pub(super) raw: Box<RawVolume>,
    /// The fields that everything hangs on.
    pub(super) geometry: Geometry,
    /// Whether it is High Sierra's.
    pub(super) high_sierra: bool,
}

/// Where a tree begins, and in what units.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    /// Bytes of a logical block.
    pub(super) block_size: Both16,
    /// Logical blocks of the volume.
    pub(super) blocks: Both32,
    /// The logical block of the root directory, behind any extended attribute record.
    pub(super) root: u64,
}

/// That the session that begins at sector `session` has no volume.
pub(super) fn none(session: u64) -> Error {
    let first = session.saturating_add(FIRST).saturating_mul(SECTOR);
    Error::corrupt("no primary volume descriptor").at(first)
}

impl Descriptors {
    /// Those of the session that begins at sector `session`.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`], for the first descriptor; a set that is cut off just ends.
    pub(super) fn read(source: &dyn Source, session: u64) -> Result<Self> {
        let mut found = Self::default();
        for index in 0..MOST {
            let sector = session.saturating_add(FIRST).saturating_add(index);
            let offset = sector.saturating_mul(SECTOR);
            let bytes = match read_vec(source, offset, to_usize(SECTOR)) {
                Ok(bytes) => bytes,
                Err(error) if index == 0 => return Err(error),
                Err(_) => break,
            };
            if !found.take(&bytes, offset) {
                break;
            }
        }
        Ok(found)
    }

    /// Whether the set goes on behind this descriptor.
    fn take(&mut self, bytes: &[u8], offset: u64) -> bool {
        let Ok((head, _)) = RawDescriptor::read_from_prefix(bytes) else {
            return false;
        };
        if &head.standard_identifier != b"CD001" {
            self.take_high_sierra(bytes, offset);
            return true;
        }
        match head.volume_descriptor_type {
            TERMINATOR => self.terminated = true,
            BOOT => self.take_boot(bytes),
            PRIMARY if self.primary.is_none() => self.primary = Volume::parse(bytes, offset),
            SUPPLEMENTARY => self.take_supplementary(bytes, offset, head.volume_descriptor_version),
            _ => {}
        }
        !self.terminated
    }

    fn take_high_sierra(&mut self, bytes: &[u8], offset: u64) {
        if self.primary.is_none() {
            self.primary = Volume::parse_high_sierra(bytes, offset);
        }
    }

    fn take_boot(&mut self, bytes: &[u8]) {
        if let Ok((raw, _)) = RawBootRecord::read_from_prefix(bytes)
            && raw
                .boot_system_identifier
                .starts_with(b"EL TORITO SPECIFICATION")
        {
            self.catalog.get_or_insert(raw.catalog.get());
        }
    }

    fn take_supplementary(&mut self, bytes: &[u8], offset: u64, version: u8) {
        let Some(volume) = Volume::parse(bytes, offset) else {
            return;
        };
        let level = match volume.raw.escape_sequences {
            [b'%', b'/', b'@', ..] => 1,
            [b'%', b'/', b'C', ..] => 2,
            [b'%', b'/', b'E', ..] => 3,
            _ => 0,
        };
        if level > 0 {
            self.joliet.get_or_insert(Joliet { volume, level });
        } else if version == 2 {
            self.enhanced.get_or_insert(volume);
        }
    }
}

impl Volume {
    fn parse(bytes: &[u8], offset: u64) -> Option<Self> {
        let (raw, _) = RawVolume::read_from_prefix(bytes).ok()?;
        let geometry = Geometry {
            block_size: raw.logical_block_size,
            blocks: raw.volume_space_size,
            root: first_block(&raw.root),
        };
        Some(Self {
            offset,
            raw: Box::new(raw),
            geometry,
            high_sierra: false,
        })
    }

    fn parse_high_sierra(bytes: &[u8], offset: u64) -> Option<Self> {
        let (old, _) = RawHighSierra::read_from_prefix(bytes).ok()?;
        if &old.head.standard_identifier != b"CDROM" || old.head.volume_descriptor_type != PRIMARY {
            return None;
        }
        let mut raw = RawVolume::read_from_bytes(&[0; size_of::<RawVolume>()]).ok()?;
        raw.system_identifier = old.system_identifier;
        raw.volume_identifier = old.volume_identifier;
        let geometry = Geometry {
            block_size: old.logical_block_size,
            blocks: old.volume_space_size,
            root: first_block(&old.root),
        };
        Some(Self {
            offset,
            raw: Box::new(raw),
            geometry,
            high_sierra: true,
        })
    }

    /// The logarithm of the logical block's size: 9 to 11.
    ///
    /// # Errors
    /// `Corrupt` for any other.
    pub(super) fn block_bits(&self) -> Result<u32> {
        let size = self.geometry.block_size.get();
        match size {
            512 | 1024 | 2048 => Ok(size.trailing_zeros()),
            _ => Err(Error::corrupt(format!("logical block size {size}")).at(self.offset)),
        }
    }

    /// Bytes of the volume, from the session's start on.
    pub(super) fn size(&self) -> u64 {
        let blocks = u64::from(self.geometry.blocks.get());
        blocks.saturating_mul(self.geometry.block_size.get().into())
    }
}

fn first_block(root: &super::layout::RawRecord) -> u64 {
    let attributes = root.extended_attribute_record_length.into();
    u64::from(root.location_of_extent.get()).saturating_add(attributes)
}
