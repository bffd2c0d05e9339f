//! Thin pools: a tree of trees leads from a thin volume's number, and a block of it, to a block of
//! the pool's data. What was never written is nowhere, or in the volume's external origin.

mod layout;

use std::mem::offset_of;
use std::num::NonZeroU64;

use zerocopy::FromBytes;

use self::layout::{
    DISK_DEVICE_DETAILS, DiskSmRoot, SUPERBLOCK_CSUM_XOR, THIN_METADATA_NEEDS_CHECK_FLAG,
    THIN_SUPERBLOCK_MAGIC, ThinDiskSuperblock,
};
use super::layout::SECTOR;
use super::persistent::{self, Found, Tree};
use crate::error::{Error, Result};
use crate::number::to_u64;
use crate::source::SharedSource;
use crate::source::mapped::{Map, Place, Run};

/// Mappings that are looked at together.
const LOOK: usize = 256;

/// Bits of the time in a mapping, below the block.
const TIME_BITS: u32 = 24;

/// A pool's metadata.
pub(super) struct Pool {
    metadata: SharedSource,
    mapping_root: u64,
    /// Where the pool keeps how many blocks each volume has.
    details_root: u64,
    /// Bytes of a block of data.
    pub(super) chunk: NonZeroU64,
    /// How many of its blocks of data are in use.
    pub(super) data: InUse,
    /// How many of its own blocks are.
    pub(super) own: InUse,
    /// It counts one up with each change that LVM2 knows of.
    pub(super) transaction: u64,
    /// The kernel wants thin_check to be run before it goes on.
    pub(super) needs_check: bool,
}

/// Blocks that are in use, and how many there are.
#[derive(Clone, Copy)]
pub(super) struct InUse {
    pub(super) blocks: u64,
    pub(super) all: u64,
}

impl InUse {
    fn of(root: DiskSmRoot) -> Self {
        Self {
            blocks: root.nr_allocated.get(),
            all: root.nr_blocks.get(),
        }
    }
}

impl Pool {
    /// Reads the superblock of `metadata`.
    ///
    /// # Errors
    /// `Corrupt` for none; `Unsupported` for a version or a feature that is not known.
    pub(super) fn read(metadata: SharedSource) -> Result<Self> {
        let bytes = persistent::block(&*metadata, 0, SUPERBLOCK_CSUM_XOR)?;
        let parsed = ThinDiskSuperblock::read_from_prefix(&bytes);
        let (superblock, _) = parsed.map_err(|_| Error::corrupt("cut off"))?;
        let (magic, version) = (superblock.magic.get(), superblock.version.get());
        if magic != THIN_SUPERBLOCK_MAGIC {
            let error = Error::corrupt(format!("magic is {magic}"));
            return Err(error.at(to_u64(offset_of!(ThinDiskSuperblock, magic))));
        }
        let features = superblock.incompat_flags.get();
        if !(1..=2).contains(&version) || features != 0 {
            let text = format!("version {version} with incompat_flags {features:#x}");
            let field = match features {
                0 => offset_of!(ThinDiskSuperblock, version),
                _ => offset_of!(ThinDiskSuperblock, incompat_flags),
            };
            return Err(Error::unsupported(text).at(to_u64(field)));
        }
        let block = u64::from(superblock.metadata_block_size.get());
        if block.saturating_mul(SECTOR) != persistent::BLOCK {
            let error = Error::corrupt(format!("metadata_block_size is {block}"));
            return Err(error.at(to_u64(offset_of!(ThinDiskSuperblock, metadata_block_size))));
        }
        let sectors = superblock.data_block_size.get();
        let chunk = NonZeroU64::new(u64::from(sectors).saturating_mul(SECTOR));
        let none = || {
            let error = Error::corrupt("data_block_size is 0");
            error.at(to_u64(offset_of!(ThinDiskSuperblock, data_block_size)))
        };
        Ok(Self {
            mapping_root: superblock.data_mapping_root.get(),
            details_root: superblock.device_details_root.get(),
            data: InUse::of(superblock.data_space_map_root),
            own: InUse::of(superblock.metadata_space_map_root),
            chunk: chunk.ok_or_else(none)?,
            transaction: superblock.trans_id.get(),
            needs_check: superblock.flags.get() & THIN_METADATA_NEEDS_CHECK_FLAG != 0,
            metadata,
        })
    }

    /// Bytes that the thin volume number `device` has blocks for.
    ///
    /// # Errors
    /// `NotFound` where the pool has no such volume.
    pub(super) fn mapped(&self, device: u64) -> Result<u64> {
        let details = Tree {
            source: self.metadata.clone(),
            root: self.details_root,
            width: DISK_DEVICE_DETAILS,
        };
        let blocks = details.one(device)?;
        let blocks = blocks.ok_or_else(|| no_volume(device))?;
        Ok(blocks.saturating_mul(self.chunk.get()))
    }

    /// The thin volume number `device` of `size` bytes, whose blocks are in a member of `data_size`.
    ///
    /// # Errors
    /// `NotFound` where the pool has no such volume.
    pub(super) fn volume(
        &self,
        device: u64,
        size: u64,
        data_size: u64,
        has_origin: bool,
    ) -> Result<Thin> {
        let tree = |root| Tree::of_numbers(self.metadata.clone(), root);
        let root = tree(self.mapping_root).one(device)?;
        Ok(Thin {
            blocks: tree(root.ok_or_else(|| no_volume(device))?),
            chunk: self.chunk,
            size,
            data_size,
            has_origin,
        })
    }
}

fn no_volume(device: u64) -> Error {
    Error::not_found(format!("the pool has no thin volume {device}"))
}

/// A thin volume.
pub(super) struct Thin {
    blocks: Tree,
    chunk: NonZeroU64,
    size: u64,
    data_size: u64,
    has_origin: bool,
}

impl Thin {
    /// The run from byte `skip` of a block on, which lies in block `first`, as the next ones of
    /// `values`, which stand at byte `at` of the metadata, follow on it.
    fn run(&self, values: &[u64], at: u64, skip: u64) -> Result<Run> {
        let blocks = values.iter().map(|value| value >> TIME_BITS).zip(0_u64..);
        let (first, _) = blocks.clone().next().unwrap_or_default();
        let follows = |(block, index): &(u64, u64)| Some(*block) == first.checked_add(*index);
        let count = to_u64(blocks.take_while(follows).count());
        let offset = first.saturating_mul(self.chunk.get()).saturating_add(skip);
        if offset >= self.data_size {
            let text = format!("data block {first} is past the end of the pool's data");
            return Err(Error::corrupt(text).at(at));
        }
        let len = count.saturating_mul(self.chunk.get()).saturating_sub(skip);
        place(
            Place::At { member: 0, offset },
            len.min(self.data_size.saturating_sub(offset)),
        )
    }

    fn nowhere(&self) -> Place {
        match self.has_origin {
            true => Place::Backing,
            false => Place::Absent,
        }
    }
}

impl Map for Thin {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let (block, skip) = (offset / self.chunk, offset % self.chunk);
        match self.blocks.get(block, LOOK) {
            Ok(Found::Values(values, at)) => self.run(&values, at, skip),
            Ok(Found::Nothing(next)) => {
                let end = next.map_or(self.size, |next| next.saturating_mul(self.chunk.get()));
                let len = end.min(self.size).saturating_sub(offset);
                place(self.nowhere(), len)
            }
            Err(error) => Err(error),
        }
        .map_err(|error| error.context(format!("thin block {block}")))
    }
}

fn place(place: Place, len: u64) -> Result<Run> {
    let len = NonZeroU64::new(len).ok_or_else(|| Error::corrupt("an empty run"))?;
    Ok(Run { place, len })
}
