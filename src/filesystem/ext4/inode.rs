//! Inodes: found by number in their group's table, their checksum verified, their fields put
//! together from the halves that the years have spread over the structure.

use smallvec::SmallVec;
use zerocopy::FromBytes;

use super::checksum;
use super::core::Core;
use super::features;
use super::layout::{RawInode, RawInodeExtra};
use super::time::timestamp;
use crate::error::{Error, Result};
use crate::filesystem::{FileType, Timestamp};

/// `i_flags`: the file is encrypted.
pub(super) const ENCRYPT: u32 = 0x800;
/// `i_flags`: the directory has an htree.
pub(super) const INDEX: u32 = 0x1000;
/// `i_flags`: `i_blocks` counts blocks of the file system, not of 512 bytes.
const HUGE_FILE: u32 = 0x4_0000;
/// `i_flags`: `i_block` holds an extent tree.
pub(super) const EXTENTS: u32 = 0x8_0000;
/// `i_flags`: the inode holds an extended attribute's value.
pub(super) const EA_INODE: u32 = 0x20_0000;
/// `i_flags`: the content is in the inode.
pub(super) const INLINE_DATA: u32 = 0x1000_0000;
/// `i_flags`: names in the directory match whatever their case.
pub(super) const CASEFOLD: u32 = 0x4000_0000;
/// The `i_flags` that `FS_IOC_GETFLAGS` shows (`EXT4_FL_USER_VISIBLE`).
const VISIBLE: u32 = 0x725b_dfff;
/// `FS_PROJINHERIT_FL`, which means something for directories only.
const PROJECT_INHERIT: u32 = 0x2000_0000;

/// The root directory.
pub(super) const ROOT: u32 = 2;

/// The inode as every version of the format has it.
const BASE: usize = size_of::<RawInode>();

/// The bytes of an inode; those of the usual sizes need no memory of their own.
pub(super) type Bytes = SmallVec<[u8; 256]>;

/// One inode.
pub(super) struct InodeRecord {
    /// Its number.
    pub(super) number: u32,
    /// The byte it lies at.
    pub(super) offset: u64,
    /// All `s_inode_size` bytes, as on disk.
    pub(super) bytes: Bytes,
    /// The first 128 bytes.
    pub(super) raw: RawInode,
    /// What follows; zeros where the inode has no room for it.
    extra: RawInodeExtra,
    /// The type.
    pub(super) kind: FileType,
    /// `i_size`, in bytes.
    pub(super) size: u64,
    /// What the checksums of everything that belongs to the inode start from.
    pub(super) seed: u32,
}

impl InodeRecord {
    /// Inode `number`, in use and of a known type.
    ///
    /// # Errors
    /// `Corrupt`, naming the inode.
    pub(super) fn read(core: &Core, number: u32) -> Result<Self> {
        let context = |error: Error| error.context(format!("inode {number}"));
        let (bytes, offset) = Self::bytes(core, number).map_err(context)?;
        let parse = || {
            let record = Self::parse(core, number, bytes, offset)?;
            record.check_in_use()?;
            Ok(record)
        };
        parse().map_err(|error: Error| context(error.at(offset)))
    }

    /// Inode `number` whether or not a name leads to it: one that holds an attribute's value.
    ///
    /// # Errors
    /// As [`InodeRecord::read`].
    pub(super) fn read_unlinked(core: &Core, number: u32) -> Result<Self> {
        let context = |error: Error| error.context(format!("inode {number}"));
        let (bytes, offset) = Self::bytes(core, number).map_err(context)?;
        Self::parse(core, number, bytes, offset).map_err(|error| context(error.at(offset)))
    }

    fn bytes(core: &Core, number: u32) -> Result<(Bytes, u64)> {
        let offset = place(core, number)?;
        core.ahead.inodes(core, offset);
        let mut bytes = Bytes::from_elem(0, core.superblock.inode_size.into());
        core.source.read_exact_at(&mut bytes, offset)?;
        Ok((bytes, offset))
    }

    fn parse(core: &Core, number: u32, bytes: Bytes, offset: u64) -> Result<Self> {
        let cut = || Error::corrupt("the inode is cut off");
        let (raw, rest) = RawInode::read_from_prefix(&bytes).map_err(|_| cut())?;
        let extra = extra(rest)?;
        let seed = seed(core, number, &raw);
        let record = Self {
            number,
            offset,
            kind: kind(raw.i_mode.get())?,
            size: size(core, &raw),
            raw,
            extra,
            seed,
            bytes,
        };
        if core.superblock.has_inode_checksums() {
            record.verify_checksum(core)?;
        }
        record.check_features(core)?;
        Ok(record)
    }

    /// The same once more. Not derived: a SmallVec is cloned byte by byte.
    pub(super) fn copy(&self) -> Self {
        Self {
            number: self.number,
            offset: self.offset,
            bytes: Bytes::from_slice(&self.bytes),
            raw: self.raw.clone(),
            extra: self.extra,
            kind: self.kind,
            size: self.size,
            seed: self.seed,
        }
    }

    /// Whether `flag` is in `i_flags`.
    pub(super) fn has(&self, flag: u32) -> bool {
        self.raw.i_flags.get() & flag != 0
    }

    /// Whether the content is in the inode.
    pub(super) fn is_inline(&self) -> bool {
        self.has(INLINE_DATA)
    }

    /// The bytes behind the fixed fields: the extended attributes of the inode. There are none where
    /// `i_extra_isize` is 0.
    pub(super) fn tail(&self) -> &[u8] {
        let used = match self.extra.i_extra_isize.get() {
            0 => return &[],
            used => BASE.saturating_add(usize::from(used)),
        };
        self.bytes.get(used..).unwrap_or(&[])
    }

    /// The block of extended attributes; 0 for none.
    pub(super) fn file_acl(&self, core: &Core) -> u64 {
        file_acl(core, &self.raw)
    }

    /// Owner.
    pub(super) fn uid(&self) -> u32 {
        u32::from(self.raw.l_i_uid_high.get()) << 16 | u32::from(self.raw.i_uid.get())
    }

    /// Group.
    pub(super) fn gid(&self) -> u32 {
        u32::from(self.raw.l_i_gid_high.get()) << 16 | u32::from(self.raw.i_gid.get())
    }

    /// `i_blocks` in units of 512 bytes.
    pub(super) fn sectors(&self, core: &Core) -> u64 {
        let low = u64::from(self.raw.i_blocks_lo.get());
        if !core.superblock.features.has(features::HUGE_FILE) {
            return low;
        }
        let count = u64::from(self.raw.l_i_blocks_high.get()) << 32 | low;
        if self.has(HUGE_FILE) {
            return count.saturating_mul(1 << (core.superblock.block_bits.saturating_sub(9) & 7));
        }
        count
    }

    /// The flags as `FS_IOC_GETFLAGS` gives them.
    pub(super) fn visible_flags(&self) -> u32 {
        let flags = self.raw.i_flags.get() & VISIBLE;
        match self.kind {
            FileType::Regular => flags & !PROJECT_INHERIT,
            _ => flags,
        }
    }

    /// The device number of a device node, major and minor: `i_block[0]` in the old encoding of 8
    /// and 8 bits, or `i_block[1]` in the new one of 12 and 20.
    pub(super) fn device(&self) -> (u32, u32) {
        if !matches!(self.kind, FileType::BlockDevice | FileType::CharacterDevice) {
            return (0, 0);
        }
        match (self.pointer(0), self.pointer(1)) {
            (0, new) => (new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xf_ff00),
            (old, _) => (old >> 8 & 0xff, old & 0xff),
        }
    }

    /// Word `index` of `i_block`: 0 to 14.
    pub(super) fn pointer(&self, index: usize) -> u32 {
        let (words, _) = self.raw.i_block.as_chunks::<4>();
        words.get(index).map_or(0, |word| u32::from_le_bytes(*word))
    }

    /// Last access.
    pub(super) fn atime(&self) -> Timestamp {
        timestamp(
            self.raw.i_atime.get(),
            self.if_used(self.extra.i_atime_extra.get(), 16),
        )
    }

    /// Last change of the content.
    pub(super) fn mtime(&self) -> Timestamp {
        timestamp(
            self.raw.i_mtime.get(),
            self.if_used(self.extra.i_mtime_extra.get(), 12),
        )
    }

    /// Last change of the inode.
    pub(super) fn ctime(&self) -> Timestamp {
        timestamp(
            self.raw.i_ctime.get(),
            self.if_used(self.extra.i_ctime_extra.get(), 8),
        )
    }

    /// Birth.
    pub(super) fn crtime(&self) -> Option<Timestamp> {
        let seconds = self.if_used(self.extra.i_crtime.get(), 20)?;
        Some(timestamp(
            seconds,
            self.if_used(self.extra.i_crtime_extra.get(), 24),
        ))
    }

    /// `value`, where the fields up to byte `end` behind the first 128 are in use: as
    /// `i_extra_isize` says, or all where it is 0 and there is room. The kernel takes them for its
    /// own then, and on file systems of the Hurd it writes them so.
    fn if_used(&self, value: u32, end: u16) -> Option<u32> {
        let used = self.extra.i_extra_isize.get();
        let unsaid = used == 0 && self.bytes.len() > BASE;
        (used >= end || unsaid).then_some(value)
    }

    fn verify_checksum(&self, core: &Core) -> Result<()> {
        let wide = self.extra.i_extra_isize.get() >= 4;
        let (base, extra) = self
            .bytes
            .split_at_checked(BASE)
            .unwrap_or((&self.bytes, &[]));
        // The sum takes its own place as zeros: bytes 124 and 125, and 130 and 131 where used.
        let mut sum = checksum::crc32c(self.seed, base.get(..124).unwrap_or(&[]));
        sum = checksum::crc32c(sum, &[0, 0]);
        sum = checksum::crc32c(sum, base.get(126..).unwrap_or(&[]));
        if wide {
            sum = checksum::crc32c(sum, extra.get(..2).unwrap_or(&[]));
            sum = checksum::crc32c(sum, &[0, 0]);
            sum = checksum::crc32c(sum, extra.get(4..).unwrap_or(&[]));
        } else {
            sum = checksum::crc32c(sum, extra);
        }
        let high = u32::from(self.extra.i_checksum_hi.get()) << 16;
        let stored = u32::from(self.raw.l_i_checksum_lo.get());
        let matches = if wide {
            high | stored == sum
        } else {
            stored == sum & 0xffff
        };
        if matches {
            return Ok(());
        }
        core.bad_checksum(
            Error::corrupt("bad checksum")
                .at(self.offset)
                .context(format!("inode {}", self.number)),
        )
    }

    fn check_features(&self, core: &Core) -> Result<()> {
        let has = |feature| core.superblock.features.has(feature);
        if self.size > i64::MAX.cast_unsigned() {
            return Err(Error::corrupt(format!("i_size {} is over 2^63", self.size)));
        }
        if self.has(CASEFOLD) && !has(features::CASEFOLD) {
            return Err(Error::corrupt("casefold flag without the feature casefold"));
        }
        Ok(())
    }

    /// Whether its blocks are what somebody wrote to a file.
    pub(super) fn has_content(&self) -> bool {
        self.kind == FileType::Regular && !self.has(EA_INODE)
    }

    fn check_in_use(&self) -> Result<()> {
        if self.raw.i_links_count.get() == 0 {
            let dtime = self.raw.i_dtime.get();
            return Err(Error::corrupt(format!(
                "deleted: i_links_count is 0, i_dtime {dtime}"
            )));
        }
        if self.has(EA_INODE) {
            return Err(Error::corrupt(
                "holds an extended attribute's value, and a name leads to it",
            ));
        }
        Ok(())
    }
}

/// The block of extended attributes of an inode; 0 for none. Without 64bit the high bits are not its
/// own: the Hurd keeps the high bits of the mode there.
pub(super) fn file_acl(core: &Core, raw: &RawInode) -> u64 {
    if !core.superblock.features.has(features::SIXTY_FOUR_BIT) {
        return u64::from(raw.i_file_acl_lo.get());
    }
    let high = u64::from(raw.l_i_file_acl_high.get());
    high << 32 | u64::from(raw.i_file_acl_lo.get())
}

/// The byte at which inode `number` lies.
pub(super) fn place(core: &Core, number: u32) -> Result<u64> {
    let superblock = &core.superblock;
    let inodes = superblock.inodes();
    let Some(index) = number.checked_sub(1).filter(|_| number <= inodes) else {
        return Err(Error::corrupt(format!(
            "there are only the inodes 1 to {inodes}"
        )));
    };
    let (group, index) = (
        index / superblock.inodes_per_group,
        index % superblock.inodes_per_group,
    );
    let table = superblock.block_offset(core.tables.of(core, group)?)?;
    let inside = u64::from(index).saturating_mul(superblock.inode_size.into());
    Ok(table.saturating_add(inside))
}

/// The fields behind the first 128 bytes, of which `i_extra_isize` are in use.
fn extra(rest: &[u8]) -> Result<RawInodeExtra> {
    let Ok((extra, _)) = RawInodeExtra::read_from_prefix(rest) else {
        return Ok(RawInodeExtra::default());
    };
    let used = extra.i_extra_isize.get();
    if used % 4 != 0 || usize::from(used) > rest.len() {
        return Err(Error::corrupt(format!(
            "i_extra_isize {used} is not a multiple of 4 up to {}",
            rest.len()
        )));
    }
    Ok(extra)
}

fn seed(core: &Core, number: u32, raw: &RawInode) -> u32 {
    let sum = checksum::crc32c(core.superblock.seed, &number.to_le_bytes());
    checksum::crc32c(sum, &raw.i_generation.get().to_le_bytes())
}

/// The high half of the size is that of regular files; directories have it with large_dir.
fn size(core: &Core, raw: &RawInode) -> u64 {
    let regular = raw.i_mode.get() & 0xf000 == 0x8000;
    let low = u64::from(raw.i_size_lo.get());
    if regular || core.superblock.features.has(features::LARGEDIR) {
        return u64::from(raw.i_size_high.get()) << 32 | low;
    }
    low
}

fn kind(mode: u16) -> Result<FileType> {
    match mode >> 12 {
        0x1 => Ok(FileType::Fifo),
        0x2 => Ok(FileType::CharacterDevice),
        0x4 => Ok(FileType::Directory),
        0x6 => Ok(FileType::BlockDevice),
        0x8 => Ok(FileType::Regular),
        0xa => Ok(FileType::Symlink),
        0xc => Ok(FileType::Socket),
        _ => Err(Error::corrupt(format!(
            "i_mode {mode:#o} is of no known type"
        ))),
    }
}
