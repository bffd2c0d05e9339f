//! The header, checked.

use std::num::NonZeroU64;

use zerocopy::FromBytes;

use super::extensions::{self, Extensions};
use super::layout::{self, Version3};
use crate::error::{Error, Result, ResultExt};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Bytes of the longest first-level table, as in QEMU.
const MOST_L1: u64 = 32 << 20;

/// Bytes of the longest table of reference counts, as in QEMU.
const MOST_REFCOUNTS: u64 = 8 << 20;

/// Bytes of the longest name of a backing file ("backing_file_size").
const MOST_NAME: u32 = 1023;

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Zlib,
    Zstd,
}

/// What the header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    /// Bytes of the disk, a whole number of sectors.
    pub(super) size: u64,
    /// 9 to 21.
    pub(super) cluster_bits: u32,
    pub(super) l1: Table,
    pub(super) crypt_method: u32,
    pub(super) incompatible: u64,
    pub(super) compatible: u64,
    pub(super) autoclear: u64,
    pub(super) refcount_bits: u32,
    /// Byte offset of the table that is not needed to read.
    pub(super) refcount_table: u64,
    /// Clusters that it takes.
    pub(super) refcount_clusters: u32,
    pub(super) compression: Compression,
    pub(super) snapshots: u32,
    pub(super) snapshots_offset: u64,
    pub(super) backing_file: Option<Vec<u8>>,
    pub(super) extensions: Extensions,
}

/// A first-level table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Byte offset in the file.
    pub(super) offset: u64,
    /// Entries.
    pub(super) entries: u64,
    /// The byte that says where it is.
    pub(super) offset_at: u64,
    /// The byte that says how many entries it has.
    pub(super) entries_at: u64,
}

impl Header {
    /// Bytes of a cluster.
    pub(super) fn cluster(&self) -> NonZeroU64 {
        cluster(self.cluster_bits)
    }

    /// Bytes of a subcluster, of which a cluster has 32.
    pub(super) fn subcluster(&self) -> u64 {
        cluster(self.cluster_bits.saturating_sub(5)).get()
    }

    pub(super) fn has_extended_l2(&self) -> bool {
        self.incompatible & layout::EXTENDED_L2 != 0
    }

    pub(super) fn has_data_file(&self) -> bool {
        self.incompatible & layout::EXTERNAL_DATA_FILE != 0
    }

    /// Bytes of a second-level entry.
    pub(super) fn l2_entry(&self) -> u64 {
        if self.has_extended_l2() { 16 } else { 8 }
    }

    /// Entries in a second-level table, which is one cluster.
    pub(super) fn l2_entries(&self) -> NonZeroU64 {
        let width = if self.has_extended_l2() { 4 } else { 3 };
        cluster(self.cluster_bits.saturating_sub(width))
    }

    /// Refuses a table that is too small for a disk of `size` bytes, or not in the file.
    pub(super) fn check_table(&self, source: &dyn Source, table: Table, size: u64) -> Result<()> {
        let covered = self.cluster().saturating_mul(self.l2_entries());
        let wanted = size.div_ceil(covered.get());
        let entries = table.entries;
        if entries < wanted {
            let text = format!("l1_size {entries} is too small: the disk needs {wanted} entries");
            return Err(Error::corrupt(text).at(table.entries_at));
        }
        let bytes = entries.saturating_mul(8);
        if bytes > MOST_L1 {
            let text = format!("l1_size {entries} is over {}", MOST_L1 / 8);
            return Err(Error::corrupt(text).at(table.entries_at));
        }
        let offset = table.offset;
        let wrong = |why: &str| {
            let text = format!("l1_table_offset {offset:#x} {why}");
            Err(Error::corrupt(text).at(table.offset_at))
        };
        if entries > 0 && !offset.is_multiple_of(self.cluster().get()) {
            return wrong("is no whole number of clusters");
        }
        if entries > 0 && offset == 0 {
            return wrong("lies in the header");
        }
        // The end of a table that nobody looks at may be missing, as QEMU has it.
        let needed = wanted.saturating_mul(8);
        match offset.checked_add(needed) {
            Some(end) if end <= source.size() || entries == 0 => Ok(()),
            _ => wrong("lies past the end of the file"),
        }
    }
}

impl Header {
    /// Refuses a reference count table that cannot be one.
    ///
    /// # Errors
    /// `Corrupt` naming the field.
    pub(super) fn check_refcounts(&self, source: &dyn Source) -> Result<()> {
        let (offset, clusters) = (self.refcount_table, self.refcount_clusters);
        let len = u64::from(clusters).saturating_mul(self.cluster().get());
        if len > MOST_REFCOUNTS || clusters == 0 {
            let text = format!("refcount_table_clusters {clusters} are no table up to 8 MiB");
            return Err(Error::corrupt(text).at(56));
        }
        let is_aligned = offset.is_multiple_of(self.cluster().get());
        if !is_aligned || offset == 0 || offset >= source.size() {
            let text = format!("refcount_table_offset {offset:#x} is no cluster of the file");
            return Err(Error::corrupt(text).at(48));
        }
        Ok(())
    }
}

/// 2 to the power of `bits`, which are at most 21.
fn cluster(bits: u32) -> NonZeroU64 {
    let size = 1_u64.checked_shl(bits).and_then(NonZeroU64::new);
    size.unwrap_or(NonZeroU64::MIN)
}

/// Reads the header and its extensions.
///
/// # Errors
/// `Corrupt` naming the field, `Unsupported` for a version or feature that is not known.
pub(super) fn read(source: &dyn Source) -> Result<Header> {
    let fixed = read_vec(source, 0, size_of::<layout::Header>()).context(|| "header")?;
    let fixed = layout::Header::read_from_bytes(&fixed)
        .map_err(|_| Error::corrupt("the header is cut off").at(0))?;
    let version = fixed.version.get();
    if !matches!(version, 2 | 3) {
        let text = format!("version {version} is neither 2 nor 3");
        return Err(Error::unsupported(text).at(4));
    }
    let cluster_bits = fixed.cluster_bits.get();
    if !(9..=21).contains(&cluster_bits) {
        let text = format!("cluster_bits {cluster_bits} is not 9 to 21");
        return Err(Error::corrupt(text).at(20));
    }
    let cluster = cluster(cluster_bits).get();
    let (more, length) = match version {
        2 => (None, layout::VERSION_2_LENGTH),
        _ => version_3(source, cluster)?,
    };
    let backing_file = backing_file(source, &fixed, cluster)?;
    let end = match &backing_file {
        Some(_) => fixed.backing_file_offset.get(),
        None => cluster,
    };
    let header = Header {
        version,
        size: whole_sectors(fixed.size.get(), 24)?,
        cluster_bits,
        l1: Table {
            offset: fixed.l1_table_offset.get(),
            entries: u64::from(fixed.l1_size.get()),
            offset_at: 40,
            entries_at: 36,
        },
        crypt_method: fixed.crypt_method.get(),
        incompatible: more.as_ref().map_or(0, |it| it.incompatible_features.get()),
        compatible: more.as_ref().map_or(0, |it| it.compatible_features.get()),
        autoclear: more.as_ref().map_or(0, |it| it.autoclear_features.get()),
        refcount_bits: refcount_bits(more.as_ref())?,
        refcount_table: fixed.refcount_table_offset.get(),
        refcount_clusters: fixed.refcount_table_clusters.get(),
        compression: compression(more.as_ref(), length)?,
        snapshots: fixed.nb_snapshots.get(),
        snapshots_offset: fixed.snapshots_offset.get(),
        backing_file,
        extensions: extensions::read(source, u64::from(length), end)?,
    };
    check_features(&header)?;
    Ok(header)
}

/// What version 3 adds, and the length of the header.
fn version_3(source: &dyn Source, cluster: u64) -> Result<(Option<Version3>, u32)> {
    let at = u64::from(layout::VERSION_2_LENGTH);
    // An image may end behind the shortest header; what is missing of the longer one is zeros.
    let len = to_usize(source.size().saturating_sub(at)).min(size_of::<Version3>());
    let mut bytes = read_vec(source, at, len)?;
    if len < to_usize(u64::from(layout::VERSION_3_LENGTH).saturating_sub(at)) {
        return Err(Error::corrupt("the header is cut off").at(at));
    }
    bytes.resize(size_of::<Version3>(), 0);
    let more = Version3::read_from_bytes(&bytes)
        .map_err(|_| Error::corrupt("the header is cut off").at(at))?;
    let length = more.header_length.get();
    let is_good = length >= layout::VERSION_3_LENGTH && u64::from(length) <= cluster;
    if !is_good || !length.is_multiple_of(8) {
        let text = format!("header_length {length} is no multiple of 8 from 104 to a cluster");
        return Err(Error::corrupt(text).at(100));
    }
    Ok((Some(more), length))
}

/// The `size` that stands at byte `at` as QEMU takes it: whole sectors.
///
/// # Errors
/// `Corrupt` for more bytes than any file may have.
pub(super) fn whole_sectors(size: u64, at: u64) -> Result<u64> {
    if size > i64::MAX.unsigned_abs() {
        let text = format!("size {size} is over 2^63 - 1");
        return Err(Error::corrupt(text).at(at));
    }
    Ok(size.next_multiple_of(512))
}

fn refcount_bits(more: Option<&Version3>) -> Result<u32> {
    let order = more.map_or(4, |it| it.refcount_order.get());
    match 1_u32.checked_shl(order) {
        Some(bits) if order <= 6 => Ok(bits),
        _ => Err(Error::corrupt(format!("refcount_order {order} is over 6")).at(96)),
    }
}

fn compression(more: Option<&Version3>, length: u32) -> Result<Compression> {
    let Some(more) = more else {
        return Ok(Compression::Zlib);
    };
    let is_there = length > layout::VERSION_3_LENGTH;
    let kind = if is_there { more.compression_type } else { 0 };
    let bit = more.incompatible_features.get() & layout::COMPRESSION_TYPE != 0;
    match (kind, bit) {
        (0, false) => Ok(Compression::Zlib),
        (1, true) => Ok(Compression::Zstd),
        (0 | 1, _) => {
            let text = format!("compression_type {kind} contradicts incompatible feature bit 3");
            Err(Error::corrupt(text).at(104))
        }
        _ => Err(Error::unsupported(format!("compression_type {kind} is not known")).at(104)),
    }
}

fn backing_file(
    source: &dyn Source,
    fixed: &layout::Header,
    cluster: u64,
) -> Result<Option<Vec<u8>>> {
    let (offset, size) = (
        fixed.backing_file_offset.get(),
        fixed.backing_file_size.get(),
    );
    if offset == 0 {
        return Ok(None);
    }
    if size > MOST_NAME {
        let text = format!("backing_file_size {size} is over {MOST_NAME}");
        return Err(Error::corrupt(text).at(16));
    }
    let end = offset.checked_add(u64::from(size));
    if end.is_none_or(|end| end > cluster) {
        let text = format!("backing_file_offset {offset:#x}: the name leaves the first cluster");
        return Err(Error::corrupt(text).at(8));
    }
    if size == 0 {
        return Ok(None);
    }
    let name = read_vec(source, offset, to_usize(u64::from(size)));
    Ok(Some(name.context(|| "backing file's name")?))
}

fn check_features(header: &Header) -> Result<()> {
    let unknown = header.incompatible & !layout::KNOWN_INCOMPATIBLE;
    if unknown != 0 {
        let bit = unknown.trailing_zeros();
        let name = u8::try_from(bit).ok();
        let name = name.and_then(|bit| header.extensions.feature(bit));
        let name = name.map_or(String::new(), |name| format!(" (\"{name}\")"));
        let text = format!("incompatible feature bit {bit}{name} is not known");
        return Err(Error::unsupported(text).at(72));
    }
    if header.has_extended_l2() && header.cluster_bits < 14 {
        let bits = header.cluster_bits;
        let text = format!("cluster_bits {bits} is under 14, which extended L2 entries need");
        return Err(Error::corrupt(text).at(20));
    }
    Ok(())
}

/// Bytes of all entries of a table that counts `entries`.
pub(super) fn table_bytes(entries: u64) -> usize {
    to_usize(entries.saturating_mul(to_u64(size_of::<u64>())))
}
