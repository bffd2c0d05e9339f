//! The footer: at the end of every VHD, and at the start of those that are not fixed a copy of it.

use std::fmt::Write;
use std::mem::offset_of;

use zerocopy::{FromBytes, IntoBytes};

use super::layout::{self, DIFFERENCING, DYNAMIC, FIXED, FOOTER_COOKIE, SECTOR};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Sectors of the largest disk: QEMU's bound, 2040 GiB, which a table of 32-bit sectors can hold.
const MOST_SECTORS: u64 = 0xff00_0000;

/// The geometry of every disk that is too large for one.
const MOST_GEOMETRY: u64 = 65535 * 16 * 255;

/// What kind of disk it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fixed,
    Dynamic,
    Differencing,
}

impl Kind {
    fn of(disk_type: u32) -> Result<Self> {
        match disk_type {
            FIXED => Ok(Self::Fixed),
            DYNAMIC => Ok(Self::Dynamic),
            DIFFERENCING => Ok(Self::Differencing),
            other => {
                let text =
                    format!("disk_type {other} is not fixed (2), dynamic (3) or differencing (4)");
                Err(Error::unsupported(text))
            }
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Dynamic => "dynamic",
            Self::Differencing => "differencing",
        }
    }
}

/// A footer that was found.
#[derive(Clone)]
pub(super) struct Footer {
    raw: layout::Footer,
    /// Where it is in the file.
    offset: u64,
}

/// The footer that counts, and what is odd about it.
pub(super) struct Found {
    pub(super) footer: Footer,
    pub(super) notice: Option<String>,
}

/// The footer of `source`: its copy at the start, which is what QEMU and libvhdi go by, or the one
/// at the end where that is damaged or, as in fixed disks, not there.
///
/// # Errors
/// `Corrupt` where there is none, or neither has its checksum and that is not to be ignored.
pub(super) fn find(source: &dyn Source, ignore_checksums: bool) -> Result<Found> {
    // The first sector of a fixed disk is its guest's, who may have a footer there.
    let front = Footer::at_start(source)?;
    let front = front.filter(|it| !it.is_intact() || it.raw.disk_type.get() != FIXED);
    if let Some(front) = front.as_ref().filter(|front| front.is_intact()) {
        let mut notice = None;
        if !source.end_is_far() {
            notice = front.compare_end(Footer::at_end(source)?.as_ref());
        }
        let footer = front.clone();
        return Ok(Found { footer, notice });
    }
    let end = Footer::at_end(source)?;
    if let Some(end) = end.as_ref().filter(|end| end.is_intact()) {
        let is_fixed = end.raw.disk_type.get() == FIXED;
        let notice = "the footer's copy at the start is damaged, the one at the end is used";
        let notice = (!is_fixed).then(|| notice.to_owned());
        let footer = end.clone();
        return Ok(Found { footer, notice });
    }
    let damaged = front.or(end);
    let damaged = damaged.ok_or_else(|| Error::corrupt("no footer"))?;
    let wrong = damaged.wrong_checksum();
    match ignore_checksums {
        true => Ok(Found {
            footer: damaged,
            notice: Some(wrong.message().to_owned()),
        }),
        false => Err(wrong.hint("--ignore-checksums reads it all the same")),
    }
}

/// Whether the footer's magic stands at the start of `source`.
pub(super) fn is_at_start(source: &dyn Source) -> Result<bool> {
    Ok(Footer::at_start(source)?.is_some())
}

/// Whether the footer's magic stands at the end of `source`, and can be that of what is before it: a
/// volume cut out of a disk may end in the footer of the whole.
pub(super) fn is_at_end(source: &dyn Source) -> Result<bool> {
    let end = Footer::at_end(source)?;
    Ok(end.is_some_and(|end| !end.is_of_a_longer_disk()))
}

impl Footer {
    fn at_start(source: &dyn Source) -> Result<Option<Self>> {
        match source.size() >= SECTOR {
            true => Self::read(source, 0, SECTOR),
            false => Ok(None),
        }
    }

    /// Virtual PC before 2004 left the last byte, which is reserved, out.
    fn at_end(source: &dyn Source) -> Result<Option<Self>> {
        for len in [SECTOR, SECTOR.saturating_sub(1)] {
            if let Some(offset) = source.size().checked_sub(len)
                && let Some(found) = Self::read(source, offset, len)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn read(source: &dyn Source, offset: u64, len: u64) -> Result<Option<Self>> {
        let mut bytes = read_vec(source, offset, to_usize(len))?;
        bytes.resize(to_usize(SECTOR), 0);
        let raw = layout::Footer::read_from_bytes(&bytes);
        let raw = raw.ok().filter(|raw| raw.cookie == FOOTER_COOKIE);
        Ok(raw.map(|raw| Self { raw, offset }))
    }

    fn expected_checksum(&self) -> u32 {
        layout::checksum(self.raw.as_bytes(), self.raw.checksum)
    }

    fn is_intact(&self) -> bool {
        self.raw.checksum.get() == self.expected_checksum()
    }

    fn wrong_checksum(&self) -> Error {
        let (found, expected) = (self.raw.checksum.get(), self.expected_checksum());
        let text = format!("the footer's checksum is {found:#010x}, not {expected:#010x}");
        Error::corrupt(text).at(self.place(offset_of!(layout::Footer, checksum)))
    }

    /// What is wrong with the footer at the `end`, of which this is the copy.
    fn compare_end(&self, end: Option<&Self>) -> Option<String> {
        let what = match end {
            None => "missing (is the file cut?)",
            Some(end) if !end.is_intact() => "damaged",
            Some(end) if end.raw.as_bytes() != self.raw.as_bytes() => "another one",
            Some(_) => return None,
        };
        Some(format!(
            "the footer at the end is {what}, its copy at the start is used"
        ))
    }

    /// What kind of disk it is.
    ///
    /// # Errors
    /// `Unsupported` for another version or type.
    pub(super) fn kind(&self) -> Result<Kind> {
        let version = self.raw.file_format_version.get();
        if version >> 16 != 1 {
            let text = format!("file_format_version {version:#x} is not 1.x");
            let field = offset_of!(layout::Footer, file_format_version);
            return Err(Error::unsupported(text).at(self.place(field)));
        }
        let field = offset_of!(layout::Footer, disk_type);
        Kind::of(self.raw.disk_type.get()).map_err(|error| error.at(self.place(field)))
    }

    /// Where the byte `field` of it is in the file.
    fn place(&self, field: usize) -> u64 {
        self.offset.saturating_add(to_u64(field))
    }

    fn is_of_a_longer_disk(&self) -> bool {
        let is_fixed = self.is_intact() && self.raw.disk_type.get() == FIXED;
        is_fixed && self.size().is_ok_and(|size| size > self.offset)
    }

    /// Where it is in the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where its field `data_offset` is in the file.
    pub(super) fn data_offset_field(&self) -> u64 {
        self.place(offset_of!(layout::Footer, data_offset))
    }

    /// Where its field `current_size` is in the file.
    pub(super) fn current_size_field(&self) -> u64 {
        self.place(offset_of!(layout::Footer, current_size))
    }

    /// Where the dynamic disk header is.
    pub(super) fn data_offset(&self) -> u64 {
        self.raw.data_offset.get()
    }

    pub(super) fn unique_id(&self) -> [u8; 16] {
        self.raw.unique_id
    }

    /// The disk belongs to a machine that was suspended.
    pub(super) fn is_saved_state(&self) -> bool {
        self.raw.saved_state == 1
    }

    /// The program that made it, and its version: `win 10.0`.
    pub(super) fn creator(&self) -> String {
        let name = self.raw.creator_application;
        let name = name.iter().filter(|byte| **byte != 0);
        let name: Vec<u8> = name.copied().collect();
        let version = self.raw.creator_version.get();
        let (major, minor) = (version >> 16, version & 0xffff);
        let mut text = String::from_utf8_lossy(&name).trim_end().to_owned();
        let _ = write!(text, " {major}.{minor}"); // writing to a String cannot fail
        text
    }

    /// Bytes of the disk, as QEMU sees it: Virtual PC, and QEMU as it once did, go by the geometry;
    /// everybody else by `current_size`, and so do all where the geometry is at its limit.
    ///
    /// # Errors
    /// `Corrupt` for a size that no VHD has.
    pub(super) fn size(&self) -> Result<u64> {
        let geometry = self.geometry();
        let by_geometry = matches!(&self.raw.creator_application, b"vpc " | b"qemu");
        let sectors = match by_geometry && geometry != MOST_GEOMETRY {
            true => geometry,
            false => self.raw.current_size.get() / SECTOR,
        };
        if sectors > MOST_SECTORS {
            let text = format!("current_size of {sectors} sectors is over {MOST_SECTORS}");
            return Err(Error::corrupt(text).at(self.current_size_field()));
        }
        Ok(sectors.saturating_mul(SECTOR))
    }

    /// `current_size` in bytes, where that is not the disk's size.
    pub(super) fn other_size(&self) -> Option<u64> {
        let current = self.raw.current_size.get();
        self.size().ok().filter(|size| *size != current)?;
        Some(current)
    }

    /// Sectors by the geometry.
    fn geometry(&self) -> u64 {
        let geometry = &self.raw.disk_geometry;
        let tracks = u64::from(geometry.cylinders.get()).saturating_mul(geometry.heads.into());
        tracks.saturating_mul(geometry.sectors_per_track.into())
    }
}

/// A unique identifier as libvhdi and QEMU spell it: all fields in the order of the file.
pub(super) fn spell(id: [u8; 16]) -> String {
    let mut text = String::new();
    for (index, byte) in id.iter().enumerate() {
        if matches!(to_u64(index), 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    text
}
