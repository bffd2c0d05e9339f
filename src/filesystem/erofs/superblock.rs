//! The superblock: found, verified, and its fields put together.

use zerocopy::FromBytes;

use super::features::{self, Features};
use super::layout::RawSuperblock;
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::{Source, read_vec};

/// Where it lies.
pub(super) const PLACE: u64 = 1024;
/// `magic`.
pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
/// The size of an inode's slot as a power of two: what inode numbers count.
const SLOT_BITS: u32 = 5;
/// `nid`, and numbers in directories: the inode lies in the metabox.
pub(super) const IN_METABOX: u64 = 1 << 63;
/// The lower half of a number.
const LOW: u64 = 0xffff_ffff;
/// What a superblock has without `sb_extslots`, and what one of those adds.
const BASE: u64 = 128;
const EXTENSION: u64 = 16;
/// How to read an image whose superblock has the wrong checksum.
pub(super) const HINT: &str = "--ignore-checksums reads it all the same";

/// A superblock whose fields can be what they say.
#[derive(Clone)]
pub(super) struct Superblock {
    pub(super) features: Features,
    /// The size of a block as a power of two: 9 to 16.
    pub(super) block_bits: u32,
    /// Blocks of the first device.
    pub(super) blocks: u64,
    /// The byte that inode 0 would lie at.
    meta: u64,
    /// The byte that shared attribute 0 would lie at.
    pub(super) shared_xattrs: u64,
    /// Inodes in use.
    pub(super) inodes: u64,
    /// The root directory.
    pub(super) root: u64,
    /// The inode that holds fragments of files; 0 for none.
    pub(super) packed: u64,
    /// The inode that holds inodes; 0 for none.
    pub(super) metabox: u64,
    /// What times of compact inodes count from, in seconds and nanoseconds.
    pub(super) epoch: (i64, u32),
    pub(super) raw: RawSuperblock,
}

impl Superblock {
    /// The superblock of `source`, its checksum not looked at.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported`, naming the field.
    pub(super) fn read(source: &dyn Source) -> Result<Self> {
        let raw = raw(source)?.ok_or_else(|| Error::corrupt("no superblock").at(PLACE))?;
        Self::parse(raw).map_err(|error| error.context("superblock").at(PLACE))
    }

    fn parse(raw: RawSuperblock) -> Result<Self> {
        let features = Features::of(&raw);
        features.check()?;
        let block_bits = u32::from(raw.blkszbits);
        if !(9..=16).contains(&block_bits) {
            let text = format!("blkszbits {block_bits} is not 9 to 16");
            return Err(Error::corrupt(text));
        }
        if raw.dirblkbits != 0 {
            let text = format!("dirblkbits {} is not 0", raw.dirblkbits);
            return Err(Error::unsupported(text));
        }
        let size = u64::from(raw.sb_extslots)
            .saturating_mul(EXTENSION)
            .saturating_add(BASE);
        let wide = features.has(features::BITS_48) && raw.rootnid_8b.get() != 0;
        let (root, high) = match wide {
            true => (raw.rootnid_8b.get(), u64::from(raw.rb.get())),
            false => (u64::from(raw.rb.get()), 0),
        };
        let bytes = |blocks: u32| u64::from(blocks) << block_bits; // below 2^48
        Ok(Self {
            features,
            block_bits,
            blocks: high << 32 | u64::from(raw.blocks_lo.get()),
            meta: bytes(raw.meta_blkaddr.get()),
            shared_xattrs: bytes(raw.xattr_blkaddr.get()),
            inodes: raw.inos.get(),
            root,
            packed: raw.packed_nid.get(),
            metabox: metabox(&raw, features, size)?,
            epoch: (
                i64::from_le_bytes(raw.epoch.get().to_le_bytes()),
                raw.fixed_nsec.get(),
            ),
            raw,
        })
    }

    /// Bytes of a block.
    pub(super) fn block_size(&self) -> u64 {
        1 << self.block_bits
    }

    /// The place of byte `offset` in its block.
    pub(super) fn in_block(&self, offset: u64) -> u64 {
        offset & self.block_size().wrapping_sub(1) // the size is 512 at least
    }

    /// The byte that block `number` begins at.
    ///
    /// # Errors
    /// `Corrupt` for a number that no device can have.
    pub(super) fn block_offset(&self, number: u64) -> Result<u64> {
        let offset = number.checked_mul(self.block_size());
        offset.ok_or_else(|| Error::corrupt(format!("block {number} is on no device")))
    }

    /// The byte that inode `nid` lies at: of the volume, or of the metabox.
    ///
    /// # Errors
    /// `Corrupt` for a number that no place goes with.
    pub(super) fn inode_offset(&self, nid: u64) -> Result<u64> {
        let base = if nid & IN_METABOX == 0 { self.meta } else { 0 };
        let slot = (nid & !IN_METABOX).checked_mul(1 << SLOT_BITS);
        let offset = slot.and_then(|slot| slot.checked_add(base));
        offset.ok_or_else(|| Error::corrupt(format!("inode {nid} is past the end")).at(base))
    }

    /// The number that people see of inode `nid`, and its handle. As the kernel does, where there is
    /// a metabox its bit stands at 31, so that numbers stay small.
    pub(super) fn number(&self, nid: u64) -> u64 {
        match self.has_metabox() {
            true => nid << 1 & !LOW | (nid >> 63) << 31 | nid & (LOW >> 1),
            false => nid,
        }
    }

    /// The inode whose number is `number`.
    pub(super) fn nid(&self, number: u64) -> u64 {
        match self.has_metabox() {
            true => (number & !LOW) >> 1 | (number >> 31 & 1) << 63 | number & (LOW >> 1),
            false => number,
        }
    }

    fn has_metabox(&self) -> bool {
        self.features.has(features::METABOX)
    }

    /// Compares the checksum, where there is one.
    ///
    /// # Errors
    /// `Corrupt` where it is wrong.
    pub(super) fn verify(&self, source: &dyn Source) -> Result<()> {
        if !self.features.has_compat(features::SB_CHKSUM) {
            return Ok(());
        }
        let found = checksum(source, self.block_size())?;
        let stored = self.raw.checksum.get();
        match found == stored {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "superblock: checksum {stored:#010x} should be {found:#010x}"
            ))
            .at(PLACE)),
        }
    }
}

/// The number of the metabox; 0 where there is none.
fn metabox(raw: &RawSuperblock, features: Features, size: u64) -> Result<u64> {
    if !features.has(features::METABOX) {
        return Ok(0);
    }
    let needed = to_u64(std::mem::offset_of!(RawSuperblock, metabox_nid)).saturating_add(8);
    if size < needed {
        let text = format!("sb_extslots {} leaves no metabox_nid", raw.sb_extslots);
        return Err(Error::corrupt(text));
    }
    let nid = raw.metabox_nid.get();
    match nid & IN_METABOX {
        0 => Ok(nid),
        _ => Err(Error::corrupt(format!(
            "metabox_nid {nid:#x} is in the metabox itself"
        ))),
    }
}

/// CRC-32C over the rest of the first block, or in small blocks over the one behind byte 1024; the
/// field itself as zeros, and without the inversion that usually ends it.
fn checksum(source: &dyn Source, block_size: u64) -> Result<u32> {
    let len = block_size
        .checked_sub(PLACE)
        .filter(|len| *len > 0)
        .unwrap_or(block_size);
    let mut bytes = read_vec(source, PLACE, usize::try_from(len).unwrap_or(usize::MAX))?;
    let field = std::mem::offset_of!(RawSuperblock, checksum);
    if let Some(field) = bytes.get_mut(field..).and_then(<[u8]>::first_chunk_mut) {
        *field = [0; 4];
    }
    Ok(!crc32c::crc32c(&bytes))
}

/// The bytes at 1024, where they have the magic. What the image has no bytes for is zero: its
/// smallest form ends before the fields that came last.
pub(super) fn raw(source: &dyn Source) -> Result<Option<RawSuperblock>> {
    let most = to_u64(size_of::<RawSuperblock>());
    let there = source.size().saturating_sub(PLACE).min(most);
    if there < BASE {
        return Ok(None);
    }
    let mut bytes = read_vec(source, PLACE, usize::try_from(there).unwrap_or(0))?;
    bytes.resize(size_of::<RawSuperblock>(), 0);
    let raw = RawSuperblock::read_from_bytes(&bytes).ok();
    Ok(raw.filter(|raw| raw.magic.get() == MAGIC))
}
