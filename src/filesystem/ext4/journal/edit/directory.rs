//! Entries of directories: added and taken out as the kernel's `fs/ext4/namei.c` does it.

use super::super::super::checksum::crc32c;
use super::super::super::features;
use super::extents::Extent;
use super::htree::INDEX;
use super::{Editor, RawBytes, field};
use crate::error::{Error, Result};
use crate::number::to_u64;

/// Bytes of an entry before its name.
const HEADER: usize = 8;
/// Bytes of `struct ext4_dir_entry_tail`, the checksum that ends a block and looks like an entry.
const TAIL: usize = 12;
const TAIL_TYPE: u8 = 0xde;
/// `i_flags`: the blocks are in extents, and the contents are in the inode.
const EXTENTS: u32 = 0x8_0000;
const INLINE_DATA: u32 = 0x1000_0000;
/// A directory with more blocks than this is not edited.
const MOST_BLOCKS: u32 = 1 << 16;

/// A place for an entry, or one that is there.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) inode: u32,
    /// Where the entry before it in the same block begins.
    previous: Option<usize>,
}

/// An entry to be added; the type as in an entry.
struct NewEntry<'a> {
    name: &'a [u8],
    inode: u32,
    kind: u8,
}

impl Editor {
    /// The inode that `name` in directory `dir` names.
    pub(in crate::filesystem::ext4) fn find_entry(
        &self,
        dir: u32,
        name: &[u8],
    ) -> Result<Option<u32>> {
        Ok(self.find_slot(dir, name)?.map(|(_, slot)| slot.inode))
    }

    /// Takes the entry `name` out of directory `dir`; false where there is none.
    pub(in crate::filesystem::ext4) fn remove_entry(&self, dir: u32, name: &[u8]) -> Result<bool> {
        let Some((number, slot)) = self.find_slot(dir, name)? else {
            return Ok(false);
        };
        let mut block = self.patched.block(number)?;
        if let Some(previous) = slot.previous {
            let len = self.record_len(&block, previous).saturating_add(slot.len);
            put_len(&mut block, previous, len);
        }
        let cleared = vec![0; slot.len.saturating_sub(HEADER)];
        block.put(slot.at.saturating_add(HEADER), &cleared);
        block.put(slot.at, &[0; 4]);
        block.put(slot.at.saturating_add(6), &[0; 2]);
        self.set_directory_block(dir, number, block).map(|()| true)
    }

    /// Adds the entry `name` for `inode`, of type `kind` (as in an entry), to directory `dir`.
    pub(in crate::filesystem::ext4) fn add_entry(
        &self,
        dir: u32,
        name: &[u8],
        inode: u32,
        kind: u8,
    ) -> Result<()> {
        let mut raw = self.inode(dir)?;
        let blocks = self.blocks(&raw)?;
        let entry = NewEntry { name, inode, kind };
        if raw.u32_at(field::FLAGS) & INDEX != 0 {
            return self.add_to_tree(dir, &mut raw, &blocks, &entry);
        }
        for &number in &blocks {
            if self.add_to_block(dir, number, &entry)? {
                return Ok(());
            }
        }
        if let ([first], true) = (&*blocks, self.superblock.features.has(features::DIR_INDEX)) {
            self.make_tree(dir, &mut raw, *first)?;
            let blocks = self.blocks(&raw)?;
            return self.add_to_tree(dir, &mut raw, &blocks, &entry);
        }
        let number = self.append_block(dir, &mut raw)?;
        let mut block = vec![0; self.block_size()];
        put_len(&mut block, 0, self.room());
        self.put_tail(&mut block);
        self.patched.set_block(number, block)?;
        self.add_to_block(dir, number, &entry).map(|_| ())
    }

    fn add_to_tree(
        &self,
        dir: u32,
        raw: &mut [u8],
        blocks: &[u64],
        entry: &NewEntry<'_>,
    ) -> Result<()> {
        let path = self.descend(raw, blocks, entry.name)?;
        if self.add_to_block(dir, path.leaf, entry)? {
            return Ok(());
        }
        let half = self.split_leaf(dir, raw, &path)?;
        if self.add_to_block(dir, half, entry)? {
            return Ok(());
        }
        Err(Error::corrupt("half a leaf has no room for one entry"))
    }

    /// Adds the entry to block `number`; false where it has no room.
    fn add_to_block(&self, dir: u32, number: u64, entry: &NewEntry<'_>) -> Result<bool> {
        let block = self.patched.block(number)?;
        let needed = record_size(entry.name.len());
        let room = |slot: &Slot| slot.len.saturating_sub(used(&block, slot)) >= needed;
        let Some(slot) = self.slots(&block)?.into_iter().find(room) else {
            return Ok(false);
        };
        let block = self.placed(block, &slot, entry);
        self.set_directory_block(dir, number, block).map(|()| true)
    }

    /// Gives the new directory `dir` its first block, with `.` and `..`.
    pub(in crate::filesystem::ext4) fn init_directory(&self, dir: u32, parent: u32) -> Result<()> {
        let mut raw = self.inode(dir)?;
        Self::set_size(&mut raw, 0);
        let number = self.append_block(dir, &mut raw)?;
        let mut block = vec![0; self.block_size()];
        put_len(&mut block, 0, self.room());
        self.put_tail(&mut block);
        let kind = 2; // a directory
        let slot = Slot {
            at: 0,
            len: self.room(),
            inode: 0,
            previous: None,
        };
        let name = b".";
        let inode = dir;
        block = self.placed(block, &slot, &NewEntry { name, inode, kind });
        let slot = Slot { inode, ..slot };
        let (name, inode) = (b"..", parent);
        block = self.placed(block, &slot, &NewEntry { name, inode, kind });
        self.set_directory_block(dir, number, block)
    }

    fn find_slot(&self, dir: u32, name: &[u8]) -> Result<Option<(u64, Slot)>> {
        let raw = self.inode(dir)?;
        let mut blocks = self.blocks(&raw)?;
        if raw.u32_at(field::FLAGS) & INDEX != 0 {
            let path = self.descend(&raw, &blocks, name)?;
            blocks = self.leaves(&path, &blocks)?;
        }
        for number in blocks {
            let block = self.patched.block(number)?;
            let named = |slot: &Slot| slot.inode != 0 && entry_name(&block, slot.at) == name;
            if let Some(slot) = self.slots(&block)?.into_iter().find(named) {
                return Ok(Some((number, slot)));
            }
        }
        Ok(None)
    }

    /// The blocks of the directory `raw`, in order.
    fn blocks(&self, raw: &[u8]) -> Result<Vec<u64>> {
        let flags = raw.u32_at(field::FLAGS);
        let is_directory = raw.u16_at(field::MODE) & 0xf000 == 0x4000;
        if !is_directory || flags & INLINE_DATA != 0 {
            return Err(Error::unsupported("it is no directory with blocks"));
        }
        let size = to_u64(self.block_size()).max(1);
        let count = Self::size(raw).checked_div(size).unwrap_or(0);
        let count = u32::try_from(count)
            .ok()
            .filter(|count| *count <= MOST_BLOCKS);
        let count = count.ok_or_else(|| Error::unsupported("the directory is too large"))?;
        let extents = if flags & EXTENTS == 0 {
            self.indirect_runs(raw, count)?.0
        } else {
            self.tree(raw)?.extents
        };
        let inside = extents.iter().filter_map(|extent| extent.clip(0, count));
        let each = |extent: Extent| {
            let end = extent.physical.saturating_add(extent.blocks.into());
            extent.physical..end
        };
        Ok(inside.flat_map(each).collect())
    }

    /// All places in the leaf `block`, used or not, but not its tail.
    pub(super) fn slots(&self, block: &[u8]) -> Result<Vec<Slot>> {
        self.slots_until(block, self.room())
    }

    /// The places in the first `room` bytes of `block`.
    pub(super) fn slots_until(&self, block: &[u8], room: usize) -> Result<Vec<Slot>> {
        let mut slots: Vec<Slot> = Vec::new();
        let mut at = 0_usize;
        while at < room {
            let len = self.record_len(block, at);
            let end = at.checked_add(len).filter(|end| *end <= room);
            let (Some(end), true) = (end, len >= HEADER && len.is_multiple_of(4)) else {
                return Err(Error::corrupt(format!(
                    "rec_len {len} leads out of the block"
                )));
            };
            let previous = slots.last().map(|slot| slot.at);
            slots.push(Slot {
                at,
                len,
                inode: block.u32_at(at),
                previous,
            });
            at = end;
        }
        Ok(slots)
    }

    /// `block` with the entry in `slot`, behind what is there.
    fn placed(&self, mut block: Vec<u8>, slot: &Slot, entry: &NewEntry<'_>) -> Vec<u8> {
        let used = used(&block, slot);
        if used > 0 {
            put_len(&mut block, slot.at, used);
        }
        let at = slot.at.saturating_add(used);
        put_len(&mut block, at, slot.len.saturating_sub(used));
        let typed = self.superblock.features.has(features::FILETYPE);
        let kind = if typed { entry.kind } else { 0 };
        let name_len = u8::try_from(entry.name.len()).unwrap_or(u8::MAX);
        block.put(at, &entry.inode.to_le_bytes());
        block.put(at.saturating_add(6), &[name_len, kind]);
        block.put(at.saturating_add(HEADER), entry.name);
        block
    }

    /// Bytes of a block that entries may take.
    pub(super) fn room(&self) -> usize {
        let tail = if self.superblock.has_checksums() {
            TAIL
        } else {
            0
        };
        self.block_size().saturating_sub(tail)
    }

    /// Makes the place for the checksum at the end of a block of entries.
    pub(super) fn put_tail(&self, block: &mut [u8]) {
        if self.superblock.has_checksums() {
            block.put(self.room(), &[0; TAIL]);
            put_len(block, self.room(), TAIL);
            block.put(self.room().saturating_add(7), &[TAIL_TYPE]);
        }
    }

    fn record_len(&self, block: &[u8], at: usize) -> usize {
        let raw = usize::from(block.u16_at(at.saturating_add(4)));
        match raw {
            0 | 0xffff if self.block_size() == 0x1_0000 => self.block_size(),
            _ if self.block_size() == 0x1_0000 => raw & 0xfffc | (raw & 3) << 16,
            _ => raw,
        }
    }

    pub(super) fn append_block(&self, dir: u32, raw: &mut [u8]) -> Result<u64> {
        let size = to_u64(self.block_size()).max(1);
        let logical = Self::size(raw).checked_div(size).unwrap_or(0);
        let logical =
            u32::try_from(logical).map_err(|_| Error::corrupt("i_size over 2^32 blocks"))?;
        let mut tree = self.tree(raw)?;
        let block = self.allocate()?;
        tree.insert(Extent {
            logical,
            physical: block,
            blocks: 1,
            unwritten: false,
        });
        let freed = self.set_tree(dir, raw, &mut tree)?;
        for node in freed {
            self.mark_blocks(node, 1, false)?;
        }
        // The kernel's own replay does not count the block in `i_blocks`.
        Self::set_size(raw, Self::size(raw).saturating_add(size));
        self.set_inode(dir, raw)?;
        Ok(block)
    }

    pub(super) fn set_directory_block(
        &self,
        dir: u32,
        number: u64,
        mut block: Vec<u8>,
    ) -> Result<()> {
        if self.superblock.has_checksums() {
            let seed = self.inode_seed(dir, &self.inode(dir)?);
            let sum = crc32c(seed, block.get(..self.room()).unwrap_or(&[]));
            block.put(self.room().saturating_add(8), &sum.to_le_bytes());
        }
        self.patched.set_block(number, block)
    }
}

/// Bytes that the entry in `slot` needs itself.
fn used(block: &[u8], slot: &Slot) -> usize {
    if slot.inode == 0 {
        return 0;
    }
    record_size(entry_name(block, slot.at).len())
}

/// Bytes of an entry with a name of `len` bytes.
pub(super) fn record_size(len: usize) -> usize {
    len.saturating_add(HEADER).next_multiple_of(4)
}

pub(super) fn entry_name(block: &[u8], at: usize) -> &[u8] {
    let rest = block.get(at..).unwrap_or(&[]);
    let len = rest.get(6).copied().map_or(0, usize::from);
    rest.get(HEADER..HEADER.saturating_add(len)).unwrap_or(&[])
}

/// Never more than the block, whose size is at most 64 KiB; that itself is written as 65535.
pub(super) fn put_len(block: &mut [u8], at: usize, len: usize) {
    let raw = u16::try_from(len).unwrap_or(u16::MAX);
    block.put(at.saturating_add(4), &raw.to_le_bytes());
}
