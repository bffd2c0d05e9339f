//! Compressed files: a file is a row of extents, each of them packed in a cluster of its own, in a
//! part of another file's (a fragment), or nowhere (a hole).
//!
//! Three tables can say where they are: full indexes and packed ones, with an entry for each
//! logical cluster of the file (`lclusters`), and records with an entry for each extent
//! (`records`).

mod clusters;
mod compact;
mod full;
mod header;
mod lclusters;
mod lz4;
mod records;
mod unpack;

pub(super) use self::clusters::Clusters;
use self::clusters::{Cluster, How};
use self::header::{Header, Table};
pub(super) use self::unpack::NAMES as ALGORITHMS;
use super::content;
use super::core::Core;
use super::inode::InodeRecord;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::{to_u64, to_usize};
use crate::source::decoded::Read;
use crate::source::{Extent, ExtentKind, extent_to};

/// Bytes that a cluster can have packed (`Z_EROFS_PCLUSTER_MAX_SIZE`).
const MOST_PACKED: u64 = 1 << 20;
/// Bytes that a cluster can unpack to (`Z_EROFS_PCLUSTER_MAX_DSIZE`).
const MOST_UNPACKED: u64 = 12 << 20;

/// A part of a file that is stored in one way.
struct Span {
    /// Its first byte in the file.
    start: u64,
    /// The byte behind it.
    end: u64,
    stored: Stored,
}

/// How it is stored.
enum Stored {
    /// Nowhere: zeros.
    Hole,
    /// In the packed inode, from this byte on.
    Fragment(u64),
    /// In a cluster, from its first byte on.
    Cluster(Cluster),
}

/// What says where the parts of a file are.
struct Map<'a> {
    core: &'a Core,
    request: &'a Request,
    inode: &'a InodeRecord,
    header: Header,
}

impl<'a> Map<'a> {
    fn open(core: &'a Core, request: &'a Request, inode: &'a InodeRecord) -> Result<Self> {
        Ok(Self {
            core,
            request,
            inode,
            header: Header::read(core, request, inode)?,
        })
    }

    /// What holds byte `at`, which is before the end of the file.
    fn span_at(&self, at: u64) -> Result<Span> {
        self.request.spend(1)?;
        // What no index of its own is to blame for, the header before them is.
        self.span_by_table(at)
            .map_err(|error| error.at(self.header.at))
    }

    fn span_by_table(&self, at: u64) -> Result<Span> {
        let span = match &self.header.table {
            Table::Fragment(offset) => Span {
                start: 0,
                end: self.inode.size,
                stored: Stored::Fragment(*offset),
            },
            Table::Clusters(table) => self.cluster_at(table, at)?,
            Table::Records(table) => self.record_at(table, at)?,
        };
        match span.start <= at && at < span.end {
            true => Ok(span),
            false => Err(Error::corrupt(format!(
                "the cluster of byte {at} goes from {} to {}",
                span.start, span.end
            ))),
        }
    }

    /// A cluster of `packed` bytes at `address`, from which the file has the bytes from `start` to
    /// `end`.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported` for lengths and algorithms that cannot be.
    fn cluster(&self, start: u64, end: u64, place: Packed, how: How) -> Result<Cluster> {
        let unpacked = end.saturating_sub(start);
        let Packed {
            address,
            len: packed,
            in_metabox,
            partial,
        } = place;
        if packed > MOST_PACKED || unpacked > MOST_UNPACKED {
            return Err(Error::unsupported(format!(
                "a cluster of {packed} bytes for {unpacked} is over {MOST_PACKED} for {MOST_UNPACKED}"
            )));
        }
        let known = self.core.clusters.check(how);
        known.map_err(|error| error.at(self.header.at))?;
        if matches!(how, How::Shifted | How::Interlaced(_)) && unpacked > packed {
            return Err(Error::corrupt(format!(
                "{packed} bytes that are not packed cannot be {unpacked}"
            ))
            .at(address));
        }
        Ok(Cluster {
            address,
            packed: u32::try_from(packed).unwrap_or(0), // at most 1 MiB
            unpacked: u32::try_from(unpacked).unwrap_or(0), // at most 12 MiB
            how,
            partial,
            in_metabox,
        })
    }

    /// The packed clusters from byte `at` on, as far as they follow one another.
    fn clusters_from(&self, at: u64) -> impl Iterator<Item = Cluster> {
        let mut at = at;
        std::iter::from_fn(move || {
            if at >= self.inode.size {
                return None;
            }
            let span = self.span_at(at).ok()?;
            at = span.end;
            match span.stored {
                Stored::Cluster(cluster) if cluster.is_packed() => Some(cluster),
                _ => None,
            }
        })
    }
}

/// Where a cluster's bytes are.
struct Packed {
    address: u64,
    len: u64,
    /// Behind the table of an inode that is in the metabox, and so there too.
    in_metabox: bool,
    /// The file has only the first bytes of what it unpacks to.
    partial: bool,
}

/// Fills `buf` from byte `offset` of `inode`, all of it before its end.
///
/// # Errors
/// What makes a byte unreadable.
pub(super) fn read(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    buf: &mut [u8],
    offset: u64,
) -> Result<()> {
    let map = Map::open(core, request, inode)?;
    let stream = core.clusters.note(inode.nid, offset, buf.len());
    let mut rest = buf;
    let mut at = offset;
    while !rest.is_empty() {
        let span = map.span_at(at)?;
        let len = to_usize(span.end.saturating_sub(at)).min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        read_span(&map, &span, now, at, stream)?;
        rest = later;
        at = at.saturating_add(to_u64(len));
    }
    Ok(())
}

fn read_span(map: &Map<'_>, span: &Span, buf: &mut [u8], at: u64, stream: Read) -> Result<()> {
    let core = map.core;
    let skip = at.saturating_sub(span.start);
    match span.stored {
        Stored::Hole => buf.fill(0),
        Stored::Fragment(start) => {
            let packed = core.packed(map.request)?;
            let wrong = |text: String| Error::corrupt(text).at(map.header.at);
            if packed.nid == map.inode.nid {
                let text = "a fragment of the packed inode is in itself";
                return Err(wrong(text.to_owned()));
            }
            let from = start.saturating_add(skip);
            if from.saturating_add(to_u64(buf.len())) > packed.size {
                let size = packed.size;
                let text = format!("the fragment at {start} is past the end of {size} bytes");
                return Err(wrong(text));
            }
            content::read_exact(core, map.request, packed, buf, from)?;
        }
        Stored::Cluster(cluster) if cluster.is_packed() => {
            let ahead = || map.clusters_from(span.end);
            core.clusters
                .read((map.request, stream), cluster, buf, to_usize(skip), ahead)?;
        }
        Stored::Cluster(cluster) => {
            core.clusters.read_plain(map.request, cluster, buf, skip)?;
        }
    }
    Ok(())
}

/// What lies at byte `offset`, which is before the end: a hole, or data.
///
/// # Errors
/// What makes the tables unreadable.
pub(super) fn hole_at(
    core: &Core,
    request: &Request,
    inode: &InodeRecord,
    offset: u64,
) -> Result<Extent> {
    let map = Map::open(core, request, inode)?;
    let span = map.span_at(offset)?;
    match span.stored {
        Stored::Hole => extent_to(ExtentKind::Zeros, offset, span.end),
        Stored::Fragment(_) | Stored::Cluster(_) => extent_to(ExtentKind::Data, offset, span.end),
    }
}
