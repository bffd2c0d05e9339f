//! Inodes: 32 or 64 bytes at the place that their number says, in the volume or in the metabox.

use zerocopy::FromBytes;

use super::core::Core;
use super::layout::{RawCompact, RawExtended};
use super::superblock::IN_METABOX;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::{FileType, Request, Timestamp};

/// `i_format`: the inode has 64 bytes.
const EXTENDED: u16 = 1;
/// `i_format`: of a compact inode that is no directory, `i_nb` is no count of links, which is 1.
/// Of a directory, `.` is not among its entries.
const NLINK_1: u16 = 0x10;
/// `i_format`: the bits that mean something.
const FORMAT: u16 = 0x1f;
/// The format of chunks: the bits of the chunk's size, beside those of a block's.
const CHUNK_BITS: u32 = 0x1f;
/// The format of chunks: each has an index of 8 bytes instead of 4.
const CHUNK_INDEXES: u32 = 0x20;
/// The format of chunks: block numbers have 48 bits.
const CHUNK_48: u32 = 0x40;
/// The bits of a block number that say "none", all set.
const NO_BLOCK_48: u64 = (1 << 48) - 1;
const NO_BLOCK_32: u64 = (1 << 32) - 1;

/// How the content is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In blocks one after the other, from this one on; `None` for a hole.
    Plain(Option<u64>),
    /// In blocks from this one on, the last of them behind the inode.
    Inline(u64),
    /// In chunks that each have a place.
    Chunks(Chunks),
    /// Compressed, in clusters with an index of their own.
    Full,
    /// Compressed, in clusters whose indexes are packed.
    Compact,
}

/// How a file's chunks are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// The size of a chunk as a power of two: at most 47.
    pub(super) bits: u32,
    /// Each has a device and 8 bytes; otherwise a block number of 4.
    pub(super) indexes: bool,
    /// The block number that says "hole"; its bits are those that a block number has.
    pub(super) hole: u64,
}

/// One inode.
pub(super) struct InodeRecord {
    /// Its number, with the bit that says where it lies.
    pub(super) nid: u64,
    /// The byte it lies at, in the volume or in the metabox.
    pub(super) offset: u64,
    /// Bytes of it: 32 or 64.
    pub(super) len: u64,
    /// Bytes of its attributes, which follow.
    pub(super) xattr_len: u64,
    pub(super) kind: FileType,
    /// The low 12 bits of `i_mode`.
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) nlink: u32,
    pub(super) mtime: Timestamp,
    pub(super) layout: Layout,
    /// `i_u` of a device node and of a compressed file.
    pub(super) value: u32,
    /// `.` is not among the entries.
    pub(super) dot_omitted: bool,
}

/// What the two forms have in common.
struct Fields {
    format: u16,
    xattr_count: u16,
    mode: u16,
    len: u64,
    size: u64,
    /// `i_u`.
    value: u32,
    /// The high bits of the first block's number.
    high: u16,
    /// The number of a first block that there is not.
    no_block: u64,
    uid: u32,
    gid: u32,
    nlink: u32,
    mtime: (i64, u32),
}

impl InodeRecord {
    /// Inode `nid`.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported`, naming the inode.
    pub(super) fn read(core: &Core, request: &Request, nid: u64) -> Result<Self> {
        let read = || {
            let offset = core.superblock.inode_offset(nid)?;
            let fields = Fields::read(core, request, nid, offset)?;
            fields
                .record(core, nid, offset)
                .map_err(|error| error.at(offset))
        };
        read().context(|| name(nid))
    }

    /// Whether it lies in the metabox.
    pub(super) fn in_metabox(&self) -> bool {
        self.nid & IN_METABOX != 0
    }

    /// The byte behind the inode and its attributes, where its layout goes on.
    pub(super) fn end(&self) -> u64 {
        // All of them are far below 2^63: the bytes of the inode have been read.
        let end = self.offset.saturating_add(self.len);
        end.saturating_add(self.xattr_len)
    }

    /// Whether the content is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.layout, Layout::Full | Layout::Compact)
    }

    /// `st_blocks`: 512 bytes each. Without compression the kernel counts what the size needs.
    pub(super) fn sectors(&self, core: &Core) -> u64 {
        let shift = core.superblock.block_bits.saturating_sub(9); // the bits are 9 at least
        let blocks = match self.is_compressed() {
            true => self.value.into(),
            false => self.size.div_ceil(core.superblock.block_size()),
        };
        blocks << shift // below 2^63: the size is
    }

    /// Major and minor number of a device node (`new_decode_dev` of the kernel).
    pub(super) fn device(&self) -> (u32, u32) {
        match self.kind {
            FileType::BlockDevice | FileType::CharacterDevice => {
                let major = self.value >> 8 & 0xfff;
                let minor = self.value & 0xff | self.value >> 12 & 0xf_ff00;
                (major, minor)
            }
            _ => (0, 0),
        }
    }
}

impl Fields {
    fn read(core: &Core, request: &Request, nid: u64, offset: u64) -> Result<Self> {
        let in_metabox = nid & IN_METABOX != 0;
        let mut bytes = [0; size_of::<RawExtended>()];
        let (short, rest) = bytes.split_at_mut(size_of::<RawCompact>());
        core.read_metadata(request, in_metabox, short, offset)?;
        let compact = RawCompact::read_from_bytes(short)
            .map_err(|_| Error::corrupt("the inode is cut off"))?;
        if compact.i_format.get() & EXTENDED == 0 {
            return Ok(Self::of_compact(&compact, core));
        }
        let behind = offset.saturating_add(compact_len());
        core.read_metadata(request, in_metabox, rest, behind)?;
        let raw = RawExtended::read_from_bytes(&bytes)
            .map_err(|_| Error::corrupt("the inode is cut off"))?;
        Ok(Self::of_extended(&raw))
    }

    fn of_compact(raw: &RawCompact, core: &Core) -> Self {
        let (epoch, nanoseconds) = core.superblock.epoch;
        let is_directory = raw.i_mode.get() >> 12 == 4;
        let one_link = !is_directory && raw.i_format.get() & NLINK_1 != 0;
        let (nlink, high, no_block) = match one_link {
            true => (1, raw.i_nb.get(), NO_BLOCK_48),
            false => (raw.i_nb.get().into(), 0, NO_BLOCK_32),
        };
        Self {
            format: raw.i_format.get(),
            xattr_count: raw.i_xattr_icount.get(),
            mode: raw.i_mode.get(),
            len: compact_len(),
            size: raw.i_size.get().into(),
            value: raw.i_u.get(),
            high,
            no_block,
            uid: raw.i_uid.get().into(),
            gid: raw.i_gid.get().into(),
            nlink,
            mtime: (epoch.saturating_add(raw.i_mtime.get().into()), nanoseconds),
        }
    }

    fn of_extended(raw: &RawExtended) -> Self {
        Self {
            format: raw.i_format.get(),
            xattr_count: raw.i_xattr_icount.get(),
            mode: raw.i_mode.get(),
            len: compact_len().saturating_mul(2),
            size: raw.i_size.get(),
            value: raw.i_u.get(),
            high: raw.i_nb.get(),
            no_block: NO_BLOCK_48,
            uid: raw.i_uid.get(),
            gid: raw.i_gid.get(),
            nlink: raw.i_nlink.get(),
            mtime: (
                i64::from_le_bytes(raw.i_mtime.get().to_le_bytes()),
                raw.i_mtime_nsec.get(),
            ),
        }
    }

    fn record(self, core: &Core, nid: u64, offset: u64) -> Result<InodeRecord> {
        if self.format & !FORMAT != 0 {
            let text = format!("i_format {:#x} has unknown bits", self.format);
            return Err(Error::unsupported(text));
        }
        if i64::try_from(self.size).is_err() {
            return Err(Error::corrupt(format!("i_size {} is over 2^63", self.size)));
        }
        let kind = kind(self.mode)?;
        Ok(InodeRecord {
            nid,
            offset,
            len: self.len,
            xattr_len: xattr_len(self.xattr_count),
            kind,
            mode: self.mode & 0o7777,
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            nlink: self.nlink,
            mtime: Timestamp {
                seconds: self.mtime.0,
                nanoseconds: self.mtime.1.min(999_999_999),
            },
            layout: self.layout(core)?,
            value: self.value,
            dot_omitted: kind == FileType::Directory && self.format & NLINK_1 != 0,
        })
    }

    fn layout(&self, core: &Core) -> Result<Layout> {
        let start = u64::from(self.high) << 32 | u64::from(self.value);
        Ok(match self.format >> 1 & 7 {
            0 if start & self.no_block == self.no_block => Layout::Plain(None),
            0 => Layout::Plain(Some(start)),
            1 => Layout::Full,
            2 => Layout::Inline(start),
            3 => Layout::Compact,
            4 => Layout::Chunks(self.chunks(core)?),
            other => {
                let text = format!("i_format {:#x}: data layout {other}", self.format);
                return Err(Error::unsupported(text));
            }
        })
    }

    fn chunks(&self, core: &Core) -> Result<Chunks> {
        let format = self.value & 0xffff;
        let unknown = format & !(CHUNK_BITS | CHUNK_INDEXES | CHUNK_48);
        if unknown != 0 {
            let text = format!("chunk format {format:#x} has unknown bits");
            return Err(Error::unsupported(text));
        }
        let indexes = format & CHUNK_INDEXES != 0;
        Ok(Chunks {
            bits: core
                .superblock
                .block_bits
                .saturating_add(format & CHUNK_BITS),
            indexes,
            hole: match indexes && format & CHUNK_48 != 0 {
                true => NO_BLOCK_48,
                false => NO_BLOCK_32,
            },
        })
    }
}

/// What errors call inode `nid`.
pub(super) fn name(nid: u64) -> String {
    match nid & IN_METABOX {
        0 => format!("inode {nid}"),
        _ => format!("inode {} of the metabox", nid & !IN_METABOX),
    }
}

fn compact_len() -> u64 {
    crate::number::to_u64(size_of::<RawCompact>())
}

/// Bytes of the attributes behind an inode: a header of 12 bytes, then `count` - 1 times 4.
fn xattr_len(count: u16) -> u64 {
    match u64::from(count).checked_sub(1) {
        None => 0,
        Some(more) => more.saturating_mul(4).saturating_add(12),
    }
}

fn kind(mode: u16) -> Result<FileType> {
    Ok(match mode >> 12 {
        1 => FileType::Fifo,
        2 => FileType::CharacterDevice,
        4 => FileType::Directory,
        6 => FileType::BlockDevice,
        8 => FileType::Regular,
        10 => FileType::Symlink,
        12 => FileType::Socket,
        _ => {
            let text = format!("i_mode {mode:#o} is of no type");
            return Err(Error::corrupt(text));
        }
    })
}
