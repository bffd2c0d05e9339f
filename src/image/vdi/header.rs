//! The header: validated, and both versions as one.

use std::mem::offset_of;

use zerocopy::FromBytes;

use super::layout::{Header0, Header1, PreHeader, TYPE_DIFF, TYPE_FIXED, TYPE_NORMAL};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};
use crate::source::{Source, read_vec};

/// Blocks of the largest map: QEMU's bound, half a PiB in blocks of 1 MiB.
const MOST_BLOCKS: u64 = 0x1fff_ff80;

/// Bytes of a block. VirtualBox's own are of 1 MiB; its code takes every power of two.
const BLOCK_SIZES: std::ops::RangeInclusive<u64> = 512..=1 << 30;

/// What kind of image it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Dynamic,
    Fixed,
    Differencing,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Fixed => "fixed",
            Self::Differencing => "differencing",
        }
    }
}

/// The header of either version.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Major and minor.
    pub(super) version: (u16, u16),
    pub(super) image_type: Type,
    /// Without what follows its first NUL.
    pub(super) comment: Vec<u8>,
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Bytes of a block of the disk, a power of two.
    pub(super) block_size: u64,
    /// Bytes in front of each block in the file.
    pub(super) block_extra: u64,
    /// Entries of the block map.
    pub(super) blocks: u64,
    /// Blocks in the file.
    pub(super) allocated: u64,
    /// Where the block map is.
    pub(super) map_offset: u64,
    /// Where block 0 of the file is, its extra bytes first.
    pub(super) data_offset: u64,
    pub(super) own: Uuid,
    /// Changes whenever the image is written.
    pub(super) modified: Uuid,
    /// Of the image that this one stands on.
    pub(super) parent: Uuid,
    /// What `modified` of the parent was; nil where it is not known.
    pub(super) parent_modified: Uuid,
}

/// A UUID as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uuid(pub(super) [u8; 16]);

impl Uuid {
    pub(super) const NIL: Self = Self([0; 16]);
}

impl std::fmt::Display for Uuid {
    /// The first three fields are little-endian.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const ORDER: [(usize, &str); 16] = [
            (3, ""),
            (2, ""),
            (1, ""),
            (0, "-"),
            (5, ""),
            (4, "-"),
            (7, ""),
            (6, "-"),
            (8, ""),
            (9, "-"),
            (10, ""),
            (11, ""),
            (12, ""),
            (13, ""),
            (14, ""),
            (15, ""),
        ];
        for (index, behind) in ORDER {
            write!(f, "{:02x}{behind}", self.0.get(index).unwrap_or(&0))?;
        }
        Ok(())
    }
}

/// Reads and checks the header of `source`.
pub(super) fn read(source: &dyn Source) -> Result<Header> {
    let pre = read_struct::<PreHeader>(source, 0)?;
    let version = pre.u32Version.get().to_le_bytes();
    let [minor_low, minor_high, major_low, major_high] = version;
    let major = u16::from_le_bytes([major_low, major_high]);
    let minor = u16::from_le_bytes([minor_low, minor_high]);
    let header = match major {
        0 => version0(&read_struct(source, PRE)?, (major, minor))?,
        1 => version1(&read_struct(source, PRE)?, (major, minor))?,
        _ => {
            let text = format!("u32Version {major}.{minor} is neither 0.x nor 1.x");
            return Err(Error::unsupported(text).at(68));
        }
    };
    check(&header, source.size())?;
    Ok(header)
}

const PRE: u64 = to_u64(size_of::<PreHeader>());

fn read_struct<T: FromBytes>(source: &dyn Source, offset: u64) -> Result<T> {
    let size = size_of::<T>();
    let end = offset.saturating_add(to_u64(size));
    if end > source.size() {
        let text = format!("{} bytes are no whole header", source.size());
        return Err(Error::corrupt(text).at(offset));
    }
    let bytes = read_vec(source, offset, size)?;
    T::read_from_bytes(&bytes).map_err(|_| Error::corrupt("no whole header").at(offset))
}

fn version0(raw: &Header0, version: (u16, u16)) -> Result<Header> {
    let blocks = u64::from(raw.cBlocks.get());
    let map_offset = PRE.saturating_add(to_u64(size_of::<Header0>()));
    Ok(Header {
        version,
        image_type: image_type(raw.u32Type.get(), offset_of!(Header0, u32Type))?,
        comment: text(&raw.szComment),
        size: raw.cbDisk.get(),
        block_size: u64::from(raw.cbBlock.get()),
        block_extra: 0,
        blocks,
        allocated: u64::from(raw.cBlocksAllocated.get()),
        map_offset,
        data_offset: map_offset.saturating_add(blocks.saturating_mul(4)),
        own: Uuid(raw.uuidCreate),
        modified: Uuid(raw.uuidModify),
        parent: Uuid(raw.uuidLinkage),
        parent_modified: Uuid::NIL,
    })
}

fn version1(raw: &Header1, version: (u16, u16)) -> Result<Header> {
    let own = u64::from(raw.cbHeader.get());
    let least = to_u64(size_of::<Header1>());
    if own < least {
        let text = format!("cbHeader {own} is under {least}");
        return Err(Error::corrupt(text).at(72));
    }
    let map_offset = u64::from(raw.offBlocks.get());
    if map_offset < PRE.saturating_add(own) {
        let text = format!("offBlocks {map_offset:#x} lies in the header of cbHeader {own}");
        return Err(Error::corrupt(text).at(340));
    }
    Ok(Header {
        version,
        image_type: image_type(raw.u32Type.get(), offset_of!(Header1, u32Type))?,
        comment: text(&raw.szComment),
        size: raw.cbDisk.get(),
        block_size: u64::from(raw.cbBlock.get()),
        block_extra: u64::from(raw.cbBlockExtra.get()),
        blocks: u64::from(raw.cBlocks.get()),
        allocated: u64::from(raw.cBlocksAllocated.get()),
        map_offset,
        data_offset: u64::from(raw.offData.get()),
        own: Uuid(raw.uuidCreate),
        modified: Uuid(raw.uuidModify),
        parent: Uuid(raw.uuidLinkage),
        parent_modified: Uuid(raw.uuidParentModify),
    })
}

/// What `number`, the field at byte `at` of its header, stands for.
fn image_type(number: u32, at: usize) -> Result<Type> {
    match number {
        TYPE_NORMAL => Ok(Type::Dynamic),
        TYPE_FIXED => Ok(Type::Fixed),
        TYPE_DIFF => Ok(Type::Differencing),
        _ => Err(Error::unsupported(format!(
            "u32Type {number} is not 1 (dynamic), 2 (fixed) or 4 (differencing)"
        ))
        .at(PRE.saturating_add(to_u64(at)))),
    }
}

/// What both versions have to hold.
fn check(header: &Header, file: u64) -> Result<()> {
    let Header {
        size,
        block_size,
        blocks,
        block_extra,
        ..
    } = *header;
    let at = Fields::of(header.version);
    let wrong = |text: String, field: u64| Err(Error::corrupt(text).at(field));
    if !BLOCK_SIZES.contains(&block_size) || !block_size.is_power_of_two() {
        let text = format!("cbBlock {block_size} is no power of two from 512 to 1 GiB");
        return wrong(text, at.block_size);
    }
    if block_extra > block_size {
        let text = format!("cbBlockExtra {block_extra} is over cbBlock");
        return wrong(text, at.block_extra);
    }
    if size == 0 {
        return wrong("cbDisk is 0".to_owned(), at.size);
    }
    if blocks > MOST_BLOCKS {
        let text = format!("cBlocks {blocks:#x} is over {MOST_BLOCKS:#x}");
        return wrong(text, at.blocks);
    }
    let held = blocks.saturating_mul(block_size);
    if size > held {
        let text = format!("cbDisk {size} is over the {held} of cBlocks {blocks}");
        return wrong(text, at.size);
    }
    if header.allocated > blocks {
        let text = format!("cBlocksAllocated {} is over {blocks}", header.allocated);
        return wrong(text, at.allocated);
    }
    let map_end = header.map_offset.saturating_add(blocks.saturating_mul(4));
    if map_end > header.data_offset {
        let data = header.data_offset;
        let text =
            format!("offData {data:#x} lies before the end of the block map at {map_end:#x}");
        return wrong(text, at.data_offset);
    }
    if map_end > file {
        let text = format!("cBlocks {blocks}: the block map is cut off");
        return wrong(text, at.blocks);
    }
    Ok(())
}

/// Where the fields of a version are in the file.
struct Fields {
    size: u64,
    block_size: u64,
    block_extra: u64,
    blocks: u64,
    allocated: u64,
    data_offset: u64,
}

impl Fields {
    fn of((major, _): (u16, u16)) -> Self {
        let at = |field: usize| PRE.saturating_add(to_u64(field));
        match major {
            // It has neither extra bytes nor a place for its data to choose.
            0 => Self {
                size: at(offset_of!(Header0, cbDisk)),
                block_size: at(offset_of!(Header0, cbBlock)),
                block_extra: at(offset_of!(Header0, cbBlock)),
                blocks: at(offset_of!(Header0, cBlocks)),
                allocated: at(offset_of!(Header0, cBlocksAllocated)),
                data_offset: at(offset_of!(Header0, cBlocks)),
            },
            _ => Self {
                size: at(offset_of!(Header1, cbDisk)),
                block_size: at(offset_of!(Header1, cbBlock)),
                block_extra: at(offset_of!(Header1, cbBlockExtra)),
                blocks: at(offset_of!(Header1, cBlocks)),
                allocated: at(offset_of!(Header1, cBlocksAllocated)),
                data_offset: at(offset_of!(Header1, offData)),
            },
        }
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let text = bytes.split(|byte| *byte == 0).next();
    text.unwrap_or_default().to_vec()
}

impl Header {
    /// Bytes of the disk in whole sectors, as QEMU and VirtualBox show it.
    pub(super) fn disk_size(&self) -> u64 {
        let whole = self.size.checked_next_multiple_of(512);
        let held = self.blocks.saturating_mul(self.block_size);
        whole.unwrap_or(self.size).min(held)
    }

    /// Where in the file block `number` is.
    pub(super) fn block_offset(&self, number: u32) -> u64 {
        let total = self.block_size.saturating_add(self.block_extra);
        u64::from(number)
            .saturating_mul(total)
            .saturating_add(self.data_offset)
            .saturating_add(self.block_extra)
    }

    /// `count` entries of the block map from `first` on, cut at its end.
    pub(super) fn entries(&self, source: &dyn Source, first: u64, count: u64) -> Result<Vec<u32>> {
        let count = count.min(self.blocks.saturating_sub(first));
        let offset = self.map_offset.saturating_add(first.saturating_mul(4));
        let bytes = read_vec(source, offset, to_usize(count.saturating_mul(4)))?;
        let (entries, _) = bytes.as_chunks::<4>();
        Ok(entries.iter().copied().map(u32::from_le_bytes).collect())
    }
}
