//! Directories with a hash tree: the leaf for a name, and leaves that are split because one more
//! name has no room in them. Splits fall where the kernel's do, so that directories come out as
//! large as its own.

use super::super::super::checksum::crc32c;
use super::super::super::directory::hash::Hasher;
use super::directory::{Slot, entry_name, put_len, record_size};
use super::{Editor, RawBytes, field};
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// `i_flags`: there is a hash tree, and names in it match whatever their case.
pub(super) const INDEX: u32 = 0x1000;
const CASEFOLD: u32 = 0x4000_0000;
const ENCRYPT: u32 = 0x800;
/// Bytes of `.` and `..`, each; the tree's root hides behind them.
const DOT: usize = 12;
/// Where `struct dx_root_info` begins in block 0, and `hash_version` and `indirect_levels` are.
const ROOT_INFO: usize = 24;
const HASH_VERSION: usize = 28;
const LEVELS: usize = 30;
/// Where the entries of the root and of other nodes begin. The first has the limit and the count
/// in place of its hash.
const ROOT_ENTRIES: usize = 32;
const NODE_ENTRIES: usize = 8;
const ENTRY: usize = 8;
/// `struct dx_tail`, the checksum of a node.
const NODE_TAIL: usize = 8;
/// More levels than any kernel makes.
const MOST_LEVELS: u8 = 3;

/// The way to a leaf.
pub(super) struct Path {
    /// The leaf, as a block of the volume.
    pub(super) leaf: u64,
    hash: u32,
    hasher: Hasher,
    /// The node above it, as a block of the volume, and where its entries begin.
    node: u64,
    entries: usize,
    /// Which of them leads to the leaf.
    index: usize,
}

impl Editor {
    /// The way to the leaf for `name` in the directory `raw`, whose blocks are `blocks`.
    pub(super) fn descend(&self, raw: &[u8], blocks: &[u64], name: &[u8]) -> Result<Path> {
        if raw.u32_at(field::FLAGS) & (CASEFOLD | ENCRYPT) != 0 {
            return Err(Error::unsupported("its names are folded or encrypted"));
        }
        let place = |logical: u32| {
            let logical = to_usize(u64::from(logical & 0x0fff_ffff));
            let block = blocks.get(logical).copied();
            block.ok_or_else(|| Error::corrupt("the hash tree leads out of the directory"))
        };
        let (mut node, mut entries) = (place(0)?, ROOT_ENTRIES);
        let mut block = self.patched.block(node)?;
        let version = block.get(HASH_VERSION).copied().unwrap_or(u8::MAX);
        let hasher = Hasher::new(version, &self.superblock)
            .ok_or_else(|| Error::corrupt(format!("hash_version {version} is unknown")))?;
        let hash = hasher.hash(name).major;
        let levels = block.get(LEVELS).copied().unwrap_or(0);
        let mut level = levels.min(MOST_LEVELS);
        loop {
            let index = position(&block, entries, hash);
            let at = entry_place(entries, index).saturating_add(4);
            let child = place(block.u32_at(at))?;
            let Some(below) = level.checked_sub(1) else {
                return Ok(Path {
                    leaf: child,
                    hash,
                    hasher,
                    node,
                    entries,
                    index,
                });
            };
            level = below;
            (node, entries) = (child, NODE_ENTRIES);
            block = self.patched.block(node)?;
        }
    }

    /// The leaves that `path`'s name may be in: names with one hash can go on in the next leaf,
    /// whose hash then is odd.
    pub(super) fn leaves(&self, path: &Path, blocks: &[u64]) -> Result<Vec<u64>> {
        let node = self.patched.block(path.node)?;
        let mut leaves = vec![path.leaf];
        for index in path.index.saturating_add(1)..count(&node, path.entries) {
            let at = entry_place(path.entries, index);
            if node.u32_at(at) != path.hash | 1 {
                break;
            }
            let logical = to_usize(u64::from(node.u32_at(at.saturating_add(4)) & 0x0fff_ffff));
            leaves.extend(blocks.get(logical));
        }
        Ok(leaves)
    }

    /// Turns the directory `dir`, one full block, into a tree with one leaf.
    pub(super) fn make_tree(&self, dir: u32, raw: &mut [u8], first: u64) -> Result<()> {
        let mut root = self.patched.block(first)?;
        let leaf = self.append_block(dir, raw)?;
        let moved = DOT.saturating_mul(2);
        let dots = self
            .slots(&root)?
            .get(..2)
            .map(|dots| dots.iter().map(|dot| dot.at).collect());
        if dots != Some(vec![0, DOT])
            || self.slots(&root)?.get(2).map(|slot| slot.at) != Some(moved)
        {
            return Err(Error::corrupt(
                "its first block does not begin with . and ..",
            ));
        }
        let mut block = root.get(moved..).unwrap_or(&[]).to_vec();
        block.truncate(self.room().saturating_sub(moved));
        block.resize(self.block_size(), 0);
        let entries: Vec<Slot> = self.slots_until(&block, self.room().saturating_sub(moved))?;
        if let Some(last) = entries.last() {
            put_len(&mut block, last.at, self.room().saturating_sub(last.at));
        }
        self.put_tail(&mut block);
        self.set_directory_block(dir, leaf, block)?;
        let flags = raw.u32_at(field::FLAGS) | INDEX;
        raw.put(field::FLAGS, &flags.to_le_bytes());
        self.set_inode(dir, raw)?;
        let size = self.block_size();
        if let Some(rest) = root.get_mut(ROOT_INFO..) {
            rest.fill(0);
        }
        put_len(&mut root, DOT, size.saturating_sub(DOT));
        let version = self.superblock.raw.s_def_hash_version;
        root.put(HASH_VERSION, &[version, 8]);
        let tail = if self.superblock.has_checksums() {
            NODE_TAIL
        } else {
            0
        };
        let limit = size
            .saturating_sub(ROOT_ENTRIES.saturating_add(tail))
            .checked_div(ENTRY);
        put_short(&mut root, ROOT_ENTRIES, limit.unwrap_or(1));
        put_short(&mut root, ROOT_ENTRIES.saturating_add(2), 1);
        root.put(ROOT_ENTRIES.saturating_add(4), &1_u32.to_le_bytes());
        self.set_node(dir, first, root, ROOT_ENTRIES)
    }

    /// Splits `path`'s leaf by hash; gives the half that the name belongs to.
    pub(super) fn split_leaf(&self, dir: u32, raw: &mut [u8], path: &Path) -> Result<u64> {
        let mut node = self.patched.block(path.node)?;
        let held = count(&node, path.entries);
        if held >= usize::from(node.u16_at(path.entries)) {
            return Err(Error::unsupported("its hash tree would have to grow"));
        }
        let logical = Self::size(raw).checked_div(to_u64(self.block_size()).max(1));
        let logical = u32::try_from(logical.unwrap_or(0)).unwrap_or(u32::MAX);
        let block = self.patched.block(path.leaf)?;
        let mut map: Vec<(u32, Slot)> = self
            .slots(&block)?
            .into_iter()
            .filter(|slot| slot.inode != 0)
            .map(|slot| (path.hasher.hash(entry_name(&block, slot.at)).major, slot))
            .collect();
        map.sort_by_key(|(hash, _)| *hash);
        let split = split_at(&map, self.block_size());
        let (low, high) = map.split_at_checked(split).unwrap_or((&map, &[]));
        let (Some(last), Some(first)) = (low.last(), high.first()) else {
            return Err(Error::corrupt("a full leaf has fewer than two entries"));
        };
        let bound = first.0 | u32::from(last.0 == first.0);
        let other = self.append_block(dir, raw)?;
        self.set_directory_block(dir, other, self.packed(&block, high))?;
        let mut stay: Vec<_> = low.to_vec();
        stay.sort_by_key(|(_, slot)| slot.at);
        self.set_directory_block(dir, path.leaf, self.packed(&block, &stay))?;
        let at = entry_place(path.entries, path.index.saturating_add(1));
        let end = entry_place(path.entries, held);
        if end.saturating_add(ENTRY) <= node.len() {
            node.copy_within(at..end, at.saturating_add(ENTRY));
        }
        node.put(at, &bound.to_le_bytes());
        node.put(at.saturating_add(4), &logical.to_le_bytes());
        put_short(
            &mut node,
            path.entries.saturating_add(2),
            held.saturating_add(1),
        );
        self.set_node(dir, path.node, node, path.entries)?;
        Ok(if path.hash >= first.0 {
            other
        } else {
            path.leaf
        })
    }

    /// A leaf with only these entries of `block`, one behind the other.
    fn packed(&self, block: &[u8], entries: &[(u32, Slot)]) -> Vec<u8> {
        let mut leaf = vec![0; self.block_size()];
        let (mut at, mut last) = (0_usize, 0);
        for (_, slot) in entries {
            let len = record_size(entry_name(block, slot.at).len());
            let end = slot.at.saturating_add(len);
            leaf.put(at, block.get(slot.at..end).unwrap_or(&[]));
            put_len(&mut leaf, at, len);
            last = at;
            at = at.saturating_add(len);
        }
        put_len(&mut leaf, last, self.room().saturating_sub(last));
        self.put_tail(&mut leaf);
        leaf
    }

    /// Writes a node of the tree, its checksum renewed.
    fn set_node(&self, dir: u32, number: u64, mut block: Vec<u8>, entries: usize) -> Result<()> {
        if self.superblock.has_checksums() {
            let used = entry_place(entries, count(&block, entries));
            let tail = entry_place(entries, block.u16_at(entries).into());
            let reserved = block.u32_at(tail).to_le_bytes();
            let parts = [block.get(..used).unwrap_or(&[]), &reserved, &[0; 4]];
            let seed = self.inode_seed(dir, &self.inode(dir)?);
            let sum = parts.iter().fold(seed, |sum, part| crc32c(sum, part));
            block.put(tail.saturating_add(4), &sum.to_le_bytes());
        }
        self.patched.set_block(number, block)
    }
}

fn entry_place(entries: usize, index: usize) -> usize {
    entries.saturating_add(index.saturating_mul(ENTRY))
}

fn count(block: &[u8], entries: usize) -> usize {
    usize::from(block.u16_at(entries.saturating_add(2)))
}

/// The last entry whose hash is not over `hash`; the first stands for all below the second.
fn position(block: &[u8], entries: usize, hash: u32) -> usize {
    let above = |index: &usize| block.u32_at(entry_place(entries, *index)) > hash;
    let count = count(block, entries).max(1);
    (1..count).find(above).unwrap_or(count).saturating_sub(1)
}

/// Where the entries, in order of their hashes, are split: in the middle by size, or by number
/// where they fill less than half of the block.
fn split_at(map: &[(u32, Slot)], block_size: usize) -> usize {
    let half = block_size.wrapping_shr(1);
    let mut size = 0_usize;
    for (index, (_, slot)) in map.iter().enumerate().rev() {
        if size.saturating_add(slot.len.wrapping_shr(1)) > half {
            return index.saturating_add(1);
        }
        size = size.saturating_add(slot.len);
    }
    map.len().wrapping_shr(1)
}

fn put_short(block: &mut [u8], at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    block.put(at, &value.to_le_bytes());
}
