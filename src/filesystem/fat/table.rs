//! The file allocation table: what each cluster links to.
//!
//! It is read from the copy that is kept up to date. A part of it that cannot be read is taken from
//! the next copy, where copies are kept.

use super::boot_sector::Geometry;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::filesystem::chain::{self, Link, Window};
use crate::source::Source;

/// How wide the entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 12 bits, packed.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 28 bits, in 32 of which the upper 4 belong to nobody.
    Fat32,
}

impl Width {
    /// The name of such a file system.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
        }
    }

    /// Bits that an entry takes on disk.
    pub(super) fn bits(self) -> u64 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// The mark of a bad cluster; what is above ends a chain.
    pub(super) fn bad(self) -> u32 {
        match self {
            Self::Fat12 => 0xff7,
            Self::Fat16 => 0xfff7,
            Self::Fat32 => 0x0fff_fff7,
        }
    }

    /// The byte of the table at which the entry of `cluster` begins.
    fn skip(self, cluster: u32) -> u64 {
        u64::from(cluster).saturating_mul(self.bits()) / 8
    }
}

/// The table of a volume.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    /// The volume.
    pub(super) source: &'a dyn Source,
    /// Where its tables are.
    pub(super) geometry: &'a Geometry,
}

impl Table<'_> {
    /// The entry of `cluster`, from the first copy in which it can be read.
    ///
    /// # Errors
    /// As [`Window::bytes`], for the first copy.
    pub(super) fn value(
        &self,
        request: &Request,
        window: &mut Window,
        cluster: u32,
    ) -> Result<u32> {
        let first = self.geometry.active.unwrap_or(0);
        let result = self.value_in(first, request, window, cluster);
        if result.is_ok() || self.geometry.active.is_some() {
            return result;
        }
        let copies = 1..self.geometry.fats;
        let mut others = copies.map(|copy| {
            let mut window = Window::default();
            self.value_in(copy, request, &mut window, cluster)
        });
        others.find(Result::is_ok).unwrap_or(result)
    }

    /// The entry of `cluster` in the copy number `copy`.
    fn value_in(
        &self,
        copy: u8,
        request: &Request,
        window: &mut Window,
        cluster: u32,
    ) -> Result<u32> {
        let start = self.geometry.fat_copy(copy);
        let end = start.saturating_add(self.geometry.fat_size);
        let width = self.geometry.width;
        let offset = start.saturating_add(width.skip(cluster));
        if end > self.source.size() && offset.saturating_add(4) > self.source.size() {
            return Err(
                Error::corrupt("the volume is cut off before the end of its FAT").at(offset),
            );
        }
        if width == Width::Fat32 {
            let bytes = window.bytes(request, self.source, offset, end)?;
            return Ok(u32::from_le_bytes(bytes) & 0x0fff_ffff);
        }
        let bytes = window.bytes(request, self.source, offset, end)?;
        let value = u16::from_le_bytes(bytes);
        Ok(match width {
            Width::Fat12 if cluster & 1 == 0 => value & 0x0fff,
            Width::Fat12 => value >> 4,
            Width::Fat16 | Width::Fat32 => value,
        }
        .into())
    }
}

impl chain::Table for Table<'_> {
    fn end(&self) -> u32 {
        self.geometry.clusters.saturating_add(chain::FIRST)
    }

    fn place(&self, cluster: u32) -> u64 {
        let start = self.geometry.fat_copy(self.geometry.active.unwrap_or(0));
        start.saturating_add(self.geometry.width.skip(cluster))
    }

    fn link(&self, request: &Request, window: &mut Window, cluster: u32) -> Result<Link> {
        let value = self.value(request, window, cluster)?;
        let bad = self.geometry.width.bad();
        Ok(match value {
            value if value == bad => Link::Bad,
            value if value > bad => Link::End,
            value => Link::To(value),
        })
    }
}
