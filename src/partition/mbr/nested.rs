//! Partition tables inside a primary partition: BSD, Solaris, Minix, UnixWare. Their partitions get
//! the numbers behind the logical ones, in the order of the primary slots: the kernel's rule
//! (`block/partitions/msdos.c`).

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::super::{bsd, sun};
use super::vtoc::{SANITY, SolarisVtoc, UNIXWARE, UnixWareLabel, VtocSlice};
use super::{parse, read_vec};
use crate::source::Source;

/// A partition in a slice: place in bytes from the start of the disk. One of no bytes has a number
/// all the same.
pub(super) struct Nested {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) type_name: &'static str,
    pub(super) type_id: String,
}

/// A slice of type `kind`, place in bytes.
pub(super) struct Slice<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) kind: u8,
    pub(super) start: u64,
    pub(super) len: u64,
}

/// All of these tables count in sectors of 512 bytes.
const SECTOR: u64 = 512;

/// Minix's own type, in the slice and in its table.
const MINIX: u8 = 0x81;

impl Slice<'_> {
    /// The partitions in it, empty ones among them where they take a number; none where there is no
    /// such table.
    pub(super) fn partitions(&self) -> Vec<Nested> {
        let found = match self.kind {
            0xa5 | 0xa6 | 0xa9 => self.bsd(),
            0x82 | 0xbf => self.solaris(),
            MINIX => self.minix(),
            0x63 => self.unixware(),
            _ => None,
        };
        found.unwrap_or_default()
    }

    fn bsd(&self) -> Option<Vec<Nested>> {
        let label = bsd::label(self.source, self.start.checked_add(SECTOR)?)?;
        // FreeBSD's numbers may count from the slice: then its third partition starts at 0.
        let base = match (self.kind, label.is_relative) {
            (0xa5, true) => self.start,
            _ => 0,
        };
        let used = label.partitions.iter().filter(|it| it.p_fstype != 0);
        let nested = |it: &bsd::LabelPartition| {
            let start = base.saturating_add(bytes(it.p_offset));
            self.inside(Nested {
                start,
                len: bytes(it.p_size),
                type_name: bsd::type_name(it.p_fstype),
                type_id: format!("{:#04x}", it.p_fstype),
            })
        };
        Some(used.filter_map(nested).collect())
    }

    fn solaris(&self) -> Option<Vec<Nested>> {
        let at = self.start.checked_add(SECTOR)?;
        let bytes_of = read_vec(self.source, at, size_of::<SolarisVtoc>()).ok()?;
        let vtoc = SolarisVtoc::read_from_bytes(&bytes_of).ok()?;
        if vtoc.v_sanity.get() != SANITY || vtoc.v_version.get() != 1 {
            return None;
        }
        let count = if vtoc.v_nparts.get() > 8 { 16 } else { 8 };
        let slices = vtoc.v_slice.iter().take(count);
        let used = slices.filter(|slice| slice.s_size.get() != 0);
        let nested = |slice: &VtocSlice| Nested {
            start: self.start.saturating_add(bytes(slice.s_start)),
            len: bytes(slice.s_size),
            type_name: sun::type_name(slice.s_tag.get()),
            type_id: format!("{:#04x}", slice.s_tag.get()),
        };
        Some(used.map(nested).collect())
    }

    fn minix(&self) -> Option<Vec<Nested>> {
        let sector = read_vec(self.source, self.start, 512).ok()?;
        let record = parse(&sector)?;
        // The first sector of a file system is none of Minix's tables: the first entry decides.
        let records = record.PartitionRecord.iter();
        let is_table = records.clone().next()?.OSType == MINIX;
        let used = records.filter(|it| is_table && it.OSType == MINIX);
        let nested = |it: &super::layout::PartitionRecord| Nested {
            start: bytes(it.StartingLBA),
            len: bytes(it.SizeInLBA),
            type_name: super::types::type_name(MINIX),
            type_id: format!("{MINIX:#04x}"),
        };
        Some(used.map(nested).collect())
    }

    fn unixware(&self) -> Option<Vec<Nested>> {
        let at = self.start.checked_add(SECTOR.saturating_mul(29))?;
        let label = read_vec(self.source, at, size_of::<UnixWareLabel>()).ok()?;
        let label = UnixWareLabel::read_from_bytes(&label).ok()?;
        if label.d_magic.get() != UNIXWARE || label.v_magic.get() != SANITY {
            return None;
        }
        // The first stands for the whole slice.
        let slices = label.v_slice.iter().skip(1);
        let used = slices.filter(|slice| slice.s_tag.get() != 0);
        let nested = |slice: &VtocSlice| Nested {
            start: bytes(slice.s_start),
            len: bytes(slice.s_size),
            type_name: "UnixWare",
            type_id: format!("{:#04x}", slice.s_tag.get()),
        };
        Some(used.map(nested).collect())
    }

    /// A partition that lies in the slice and is not all of it.
    fn inside(&self, it: Nested) -> Option<Nested> {
        let end = it.start.checked_add(it.len)?;
        let is_whole = (it.start, it.len) == (self.start, self.len);
        let fits = it.start >= self.start && end <= self.start.saturating_add(self.len);
        (fits && !is_whole).then_some(it)
    }
}

fn bytes(sectors: U32) -> u64 {
    u64::from(sectors.get()).saturating_mul(SECTOR)
}
