//! Writing to the file system in memory: what the kernel does to inodes, extents, directories and
//! bitmaps while it recovers, done to blocks that a [`Patched`] volume keeps instead of the disk.
//! Checksums are kept right, so that whoever reads the result needs to know nothing of it.

mod bitmap;
mod directory;
pub(in crate::filesystem::ext4) mod extents;
mod htree;
mod indirect;
mod inode;
mod patched;
mod truncate;

use std::sync::Arc;

use super::super::core::Core;
use super::super::group::Group;
use super::super::superblock::{self, Superblock};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::format::Context;
use crate::source::SharedSource;
use crate::source::mapped::Mapped;

pub(in crate::filesystem::ext4) use inode::field;
use patched::{Live, Patched};

/// The file system being edited.
pub(in crate::filesystem::ext4) struct Editor {
    patched: Patched,
    /// Over the patched volume: it sees every change.
    core: Core,
    pub(in crate::filesystem::ext4) superblock: Superblock,
    /// Ranges of blocks that are free by the bitmap and not to be had; ascending and disjoint.
    withheld: Vec<(u64, u64)>,
}

impl Editor {
    /// An editor of the file system on `volume`, which itself stays as it is.
    pub(in crate::filesystem::ext4) fn open(
        volume: &SharedSource,
        context: &Context,
    ) -> Result<Self> {
        let found = Core::open(volume.clone(), context)?;
        let patched = Patched::new(volume.clone(), found.superblock.block_size());
        let core = Core::open(Arc::new(Live(patched.clone())), context)?;
        let superblock = core.superblock.clone();
        Ok(Self {
            patched,
            core,
            superblock,
            withheld: Vec::new(),
        })
    }

    /// Whether anything was changed.
    pub(in crate::filesystem::ext4) fn is_changed(&self) -> bool {
        self.patched.len() > 0
    }

    /// The volume with all changes, of which there will be no more.
    pub(in crate::filesystem::ext4) fn finish(self, cache: Arc<Cache>) -> SharedSource {
        let volume = self.patched.volume();
        Arc::new(Mapped::new(self.patched, vec![volume], None, cache))
    }

    /// Bytes in a block.
    pub(in crate::filesystem::ext4) fn block_size(&self) -> usize {
        self.superblock.block_size()
    }

    /// Fails unless `count` blocks from `first` on are inside the file system, behind its
    /// superblock.
    pub(in crate::filesystem::ext4) fn check_blocks(&self, first: u64, count: u64) -> Result<()> {
        let end = first.checked_add(count);
        let inside = end.is_some_and(|end| end <= self.superblock.blocks);
        if inside && first > self.superblock.first_data_block {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "blocks {first} to {first}+{count} are not inside the file system"
        )))
    }

    /// Block `number` as it is now.
    pub(in crate::filesystem::ext4) fn block(&self, number: u64) -> Result<Vec<u8>> {
        self.check_blocks(number, 1)?;
        self.patched.block(number)
    }

    fn group(&self, number: u32) -> Result<Group> {
        Group::read(&self.core, number)
    }

    /// Changes the superblock in place by `change` and renews its checksum.
    pub(in crate::filesystem::ext4) fn change_superblock(
        &self,
        change: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        let place = superblock::PLACE;
        let mut bytes = self.patched.bytes(place, 1024)?;
        change(&mut bytes);
        if self.superblock.has_checksums() {
            let sum = super::super::checksum::crc32c(!0, bytes.get(..1020).unwrap_or(&[]));
            bytes.put(1020, &sum.to_le_bytes());
        }
        self.patched.set_bytes(place, &bytes)
    }
}

/// Little-endian fields at fixed places. What leaves the bytes reads as 0 and is not written.
pub(in crate::filesystem::ext4) trait RawBytes {
    fn u16_at(&self, at: usize) -> u16;
    fn u32_at(&self, at: usize) -> u32;
    fn put(&mut self, at: usize, bytes: &[u8]);
}

impl RawBytes for [u8] {
    fn u16_at(&self, at: usize) -> u16 {
        let bytes = self.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }

    fn u32_at(&self, at: usize) -> u32 {
        let bytes = self.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len());
        if let Some(place) = self.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
    }
}
