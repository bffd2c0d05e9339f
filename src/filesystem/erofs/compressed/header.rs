//! What stands before the table of a compressed file: how its clusters are made, and where its end
//! is (`z_erofs_map_header`).

use zerocopy::FromBytes;

use super::super::core::Core;
use super::super::inode::{InodeRecord, Layout};
use super::super::layout::RawMapHeader;
use crate::error::{Error, Result};
use crate::filesystem::Request;

/// `h_advise` of packed indexes: those of the middle have 2 bytes instead of 4.
const COMPACTED_2B: u16 = 1;
/// `h_advise` of full indexes: there are records instead.
const EXTENTS: u16 = 1;
/// `h_advise`: clusters of the first algorithm, and of the others, may be of several blocks.
const BIG_1: u16 = 2;
const BIG_2: u16 = 4;
/// `h_advise`: the last cluster stands behind the table.
const INLINE: u16 = 8;
/// `h_advise`: what is not packed begins where it would lie in its block.
const INTERLACED: u16 = 0x10;
/// `h_advise`: the end of the file is in the packed inode.
const FRAGMENT: u16 = 0x20;
/// `h_clusterbits`: the whole file is in the packed inode.
const FRAGMENT_INODE: u8 = 0x80;
/// Logical clusters larger than this are none.
const MOST_CLUSTER_BITS: u32 = 31;

/// The header.
pub(super) struct Header {
    /// The byte that it lies at.
    pub(super) at: u64,
    pub(super) table: Table,
    pub(super) interlaced: bool,
}

/// What follows.
pub(super) enum Table {
    /// Nothing: the file is in the packed inode from this byte on.
    Fragment(u64),
    Clusters(Clusters),
    Records(Records),
}

/// An index for each logical cluster.
pub(super) struct Clusters {
    /// The byte that the first index lies at.
    pub(super) start: u64,
    /// The size of a logical cluster as a power of two.
    pub(super) bits: u32,
    /// Whether indexes are packed, and then whether those of the middle have 2 bytes.
    pub(super) compact: Option<bool>,
    /// Whether clusters of the first algorithm, and of the others, may be of several blocks.
    pub(super) big: (bool, bool),
    /// Two of them.
    pub(super) algorithms: (u8, u8),
    pub(super) tail: Tail,
}

/// Where the last cluster is, if it is no cluster as the others.
#[derive(Clone, Copy)]
pub(super) enum Tail {
    /// It is one.
    Cluster,
    /// Behind the table: this many bytes.
    Inline(u64),
    /// In the packed inode: the low half of the byte it begins at.
    Fragment(u64),
}

/// A record for each extent, or for each logical cluster.
pub(super) struct Records {
    /// The byte that the first record lies at, or the address of the first cluster.
    pub(super) start: u64,
    /// Bytes of a record: 4, 8, 16 or 32.
    pub(super) size: usize,
    /// How many there are, where each has its own place in the file.
    pub(super) count: u64,
    /// The size of a logical cluster as a power of two, where each has a record.
    pub(super) bits: u32,
    /// The last is in the packed inode.
    pub(super) fragment: bool,
}

impl Header {
    /// The header of `inode`, which is compressed.
    ///
    /// # Errors
    /// `Corrupt`, naming the field.
    pub(super) fn read(core: &Core, request: &Request, inode: &InodeRecord) -> Result<Self> {
        let at = inode.end().next_multiple_of(8);
        let mut bytes = [0; size_of::<RawMapHeader>()];
        core.read_metadata(request, inode.in_metabox(), &mut bytes, at)?;
        let raw = RawMapHeader::read_from_bytes(&bytes)
            .map_err(|_| Error::corrupt("no header before the table"))?;
        let advise = raw.h_advise.get();
        let table = if raw.h_clusterbits & FRAGMENT_INODE != 0 {
            Table::Fragment(u64::from_le_bytes(bytes) & !(1 << 63))
        } else if inode.layout == Layout::Full && advise & EXTENTS != 0 {
            Table::Records(Records::of(&raw, core, at))
        } else {
            let compact = (inode.layout == Layout::Compact).then_some(advise & COMPACTED_2B != 0);
            Table::Clusters(Clusters::of(&raw, core, at, compact).map_err(|error| error.at(at))?)
        };
        Ok(Self {
            at,
            table,
            interlaced: advise & INTERLACED != 0,
        })
    }
}

impl Clusters {
    fn of(raw: &RawMapHeader, core: &Core, at: u64, compact: Option<bool>) -> Result<Self> {
        let advise = raw.h_advise.get();
        let big = (advise & BIG_1 != 0, advise & BIG_2 != 0);
        if compact.is_some() && big.0 != big.1 {
            let text = format!("h_advise {advise:#x}: large clusters of one kind only");
            return Err(Error::corrupt(text));
        }
        let bits = cluster_bits(raw, core);
        let most = if compact.is_some() {
            14
        } else {
            MOST_CLUSTER_BITS
        };
        if bits > most {
            let text = format!("logical clusters of 2^{bits} bytes are over 2^{most}");
            return Err(Error::unsupported(text));
        }
        // Full indexes begin 8 bytes later, as they always have.
        let skip = if compact.is_some() { 8 } else { 16 };
        Ok(Self {
            start: at.saturating_add(skip),
            bits,
            compact,
            big,
            algorithms: (raw.h_algorithmtype & 15, raw.h_algorithmtype >> 4),
            tail: Tail::of(raw),
        })
    }
}

impl Tail {
    fn of(raw: &RawMapHeader) -> Self {
        let advise = raw.h_advise.get();
        let first = raw.first.get();
        if advise & FRAGMENT != 0 {
            return Self::Fragment(first.into());
        }
        match u64::from(first >> 16) {
            len if advise & INLINE != 0 && len > 0 => Self::Inline(len),
            _ => Self::Cluster,
        }
    }
}

impl Records {
    fn of(raw: &RawMapHeader, core: &Core, at: u64) -> Self {
        let advise = raw.h_advise.get();
        let size = 4_usize << (advise >> 1 & 3);
        let high = u16::from_le_bytes([raw.h_algorithmtype, raw.h_clusterbits]);
        let start = at.saturating_add(8);
        Self {
            start: start.next_multiple_of(crate::number::to_u64(size)),
            size,
            count: u64::from(high) << 32 | u64::from(raw.first.get()),
            bits: cluster_bits(raw, core),
            fragment: advise & FRAGMENT != 0,
        }
    }
}

fn cluster_bits(raw: &RawMapHeader, core: &Core) -> u32 {
    let more = u32::from(raw.h_clusterbits & 15);
    core.superblock.block_bits.saturating_add(more)
}
