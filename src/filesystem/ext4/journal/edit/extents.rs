//! Whole extent trees: read into a list, and written back from one.

use super::super::super::checksum::crc32c;
use super::{Editor, RawBytes};
use crate::error::{Error, Result};
use crate::number::to_u64;

/// `eh_magic`.
const MAGIC: u16 = 0xf30a;
/// Bytes of a header, and of an entry of a leaf or an index.
const ENTRY: usize = 12;
/// Where `i_block` begins in an inode, and its bytes.
const ROOT: std::ops::Range<usize> = 40..100;
/// `EXT_INIT_MAX_LEN`: `ee_len` above it means unwritten.
const LONGEST: u32 = 32768;
/// The deepest tree that ext4 makes.
const DEEPEST: u16 = 5;
/// More extents than this in a file are not edited.
const MOST_EXTENTS: usize = 1 << 20;

/// A run of a file's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::filesystem::ext4) struct Extent {
    pub(in crate::filesystem::ext4) logical: u32,
    pub(in crate::filesystem::ext4) physical: u64,
    pub(in crate::filesystem::ext4) blocks: u32,
    /// Allocated, but reads as zeros.
    pub(in crate::filesystem::ext4) unwritten: bool,
}

impl Extent {
    /// The first logical block behind it.
    pub(in crate::filesystem::ext4) fn end(&self) -> u32 {
        self.logical.saturating_add(self.blocks)
    }

    /// The part of it inside logical blocks `from..to`.
    pub(in crate::filesystem::ext4) fn clip(&self, from: u32, to: u32) -> Option<Self> {
        let start = self.logical.max(from);
        let blocks = self.end().min(to).checked_sub(start)?;
        let skip = start.checked_sub(self.logical)?;
        (blocks > 0).then(|| Self {
            logical: start,
            physical: self.physical.saturating_add(u64::from(skip)),
            blocks,
            unwritten: self.unwritten,
        })
    }

    fn joins(&self, next: &Self) -> bool {
        let most = if self.unwritten {
            LONGEST.saturating_sub(1)
        } else {
            LONGEST
        };
        self.end() == next.logical
            && self.physical.checked_add(self.blocks.into()) == Some(next.physical)
            && self.unwritten == next.unwritten
            && self.blocks.saturating_add(next.blocks) <= most
    }
}

/// A file's tree as a list.
#[derive(Clone, Debug, Default)]
pub(in crate::filesystem::ext4) struct Tree {
    /// Ascending and disjoint.
    pub(in crate::filesystem::ext4) extents: Vec<Extent>,
    /// The blocks of its nodes below the inode.
    pub(in crate::filesystem::ext4) nodes: Vec<u64>,
}

impl Tree {
    /// Blocks of the volume that the file takes, its tree counted.
    pub(in crate::filesystem::ext4) fn blocks(&self) -> u64 {
        let data = self.extents.iter().map(|extent| u64::from(extent.blocks));
        data.sum::<u64>().saturating_add(to_u64(self.nodes.len()))
    }

    /// The work that going through all extents is.
    fn blocks_of_entries(&self) -> u64 {
        to_u64(self.extents.len()).wrapping_shr(6)
    }

    /// Unmaps logical blocks `from..to`; gives what was mapped there.
    pub(in crate::filesystem::ext4) fn remove(&mut self, from: u32, to: u32) -> Vec<Extent> {
        let removed = self
            .extents
            .iter()
            .filter_map(|extent| extent.clip(from, to));
        let removed: Vec<_> = removed.collect();
        let keep = |extent: &Extent| [extent.clip(0, from), extent.clip(to, u32::MAX)];
        self.extents = self.extents.iter().flat_map(keep).flatten().collect();
        removed
    }

    /// Maps `new` over whatever was there.
    pub(in crate::filesystem::ext4) fn insert(&mut self, new: Extent) -> Vec<Extent> {
        let removed = self.remove(new.logical, new.end());
        let at = self
            .extents
            .partition_point(|extent| extent.logical < new.logical);
        self.extents.insert(at, new);
        removed
    }
}

impl Editor {
    /// The tree in `inode`, whose number is only for messages.
    pub(in crate::filesystem::ext4) fn tree(&self, inode: &[u8]) -> Result<Tree> {
        let mut tree = Tree::default();
        let root = inode.get(ROOT).unwrap_or(&[]);
        self.read_node(root, None, &mut tree)?;
        let ordered = tree.extents.windows(2).all(|pair| match pair {
            [one, two] => one.end() <= two.logical,
            _ => true,
        });
        if ordered {
            self.patched.spend(tree.blocks_of_entries())?;
            return Ok(tree);
        }
        Err(Error::corrupt("the extents overlap or are not in order"))
    }

    fn read_node(&self, node: &[u8], expected: Option<u16>, tree: &mut Tree) -> Result<()> {
        let (magic, count, depth) = (node.u16_at(0), node.u16_at(2), node.u16_at(6));
        let fits = usize::from(count).saturating_add(1).saturating_mul(ENTRY) <= node.len();
        let level = expected.map_or(depth <= DEEPEST, |expected| depth == expected);
        if magic != MAGIC || !fits || !level {
            return Err(Error::corrupt(format!(
                "extent node with eh_magic {magic:#x}, eh_entries {count}, eh_depth {depth}"
            )));
        }
        let entries = node.get(ENTRY..).unwrap_or(&[]).chunks_exact(ENTRY);
        for entry in entries.take(count.into()) {
            if depth == 0 {
                self.read_extent(entry, tree)?;
            } else {
                let block = child_of(entry);
                self.check_blocks(block, 1)?;
                if tree.nodes.len() >= MOST_EXTENTS {
                    return Err(Error::corrupt("the extent tree has too many nodes"));
                }
                tree.nodes.push(block);
                let child = self.patched.block(block)?;
                self.read_node(&child, depth.checked_sub(1), tree)?;
            }
        }
        Ok(())
    }

    fn read_extent(&self, entry: &[u8], tree: &mut Tree) -> Result<()> {
        let extent = parse_extent(entry);
        self.check_blocks(extent.physical, extent.blocks.into())?;
        if extent.blocks == 0 || tree.extents.len() >= MOST_EXTENTS {
            return Err(Error::corrupt("an extent is empty, or there are too many"));
        }
        tree.extents.push(extent);
        Ok(())
    }

    /// Writes `tree` into `inode` (its `i_block`) and into as many nodes as it needs: those that it
    /// has, then free blocks. Nodes left over are taken out of it, and given back as freed.
    pub(in crate::filesystem::ext4) fn set_tree(
        &self,
        number: u32,
        inode: &mut [u8],
        tree: &mut Tree,
    ) -> Result<Vec<u64>> {
        let old = std::mem::take(&mut tree.nodes);
        let mut spare = old.iter().copied();
        let seed = self.inode_seed(number, inode);
        let extents = merge(&tree.extents);
        let mut entries: Vec<[u8; ENTRY]> = extents.iter().map(format_extent).collect();
        let mut depth = 0_u16;
        let per_node = self.entries_per_node();
        while entries.len() > 4 {
            let mut parents = Vec::new();
            for chunk in entries.chunks(per_node) {
                let block = match spare.next() {
                    Some(block) => block,
                    None => self.allocate()?,
                };
                tree.nodes.push(block);
                self.patched
                    .set_block(block, self.node(chunk, depth, seed))?;
                parents.push(format_index(chunk, block));
            }
            entries = parents;
            depth = depth.saturating_add(1);
        }
        let root = format_node(&entries, 4, depth, ROOT.len());
        if let Some(place) = inode.get_mut(ROOT) {
            place.copy_from_slice(&root);
        }
        Ok(spare.collect())
    }

    fn entries_per_node(&self) -> usize {
        let room = self.block_size().saturating_sub(ENTRY);
        room.checked_div(ENTRY).unwrap_or(1).max(1)
    }

    /// Takes everything from logical block `from` on out of the tree in `inode`, which
    /// [`Editor::tree`] found sound, and leaves the rest where it is, as the kernel does; gives the
    /// nodes that hold nothing any more.
    pub(super) fn cut_tree(&self, number: u32, inode: &mut [u8], from: u32) -> Result<Vec<u64>> {
        let seed = self.inode_seed(number, inode);
        let mut freed = Vec::new();
        let mut root = inode.get(ROOT).unwrap_or(&[]).to_vec();
        if self.cut_node(&mut root, from, seed, &mut freed)? {
            root.put(6, &[0; 2]); // a tree of nothing has no depth
        }
        inode.put(ROOT.start, &root);
        Ok(freed)
    }

    /// Whether nothing is left in the node.
    fn cut_node(
        &self,
        node: &mut [u8],
        from: u32,
        seed: u32,
        freed: &mut Vec<u64>,
    ) -> Result<bool> {
        let mut count = node.u16_at(2);
        while let Some(last) = count.checked_sub(1) {
            let at = usize::from(count).saturating_mul(ENTRY);
            let entry = node.get(at..).unwrap_or(&[]);
            if node.u16_at(6) == 0 {
                let extent = parse_extent(entry);
                if extent.logical < from {
                    let kept = extent.clip(0, from).unwrap_or(extent);
                    node.put(at, &format_extent(&kept));
                    break;
                }
            } else {
                let block = child_of(entry);
                let mut child = self.patched.block(block)?;
                if !self.cut_node(&mut child, from, seed, freed)? {
                    self.seal_node(&mut child, seed);
                    self.patched.set_block(block, child)?;
                    break;
                }
                freed.push(block);
            }
            count = last;
        }
        node.put(2, &count.to_le_bytes());
        Ok(count == 0)
    }

    fn node(&self, entries: &[[u8; ENTRY]], depth: u16, seed: u32) -> Vec<u8> {
        let mut node = format_node(entries, self.entries_per_node(), depth, self.block_size());
        self.seal_node(&mut node, seed);
        node
    }

    /// Renews the checksum, which lies behind the place for the last entry.
    fn seal_node(&self, node: &mut [u8], seed: u32) {
        if self.superblock.has_checksums() {
            let tail = usize::from(node.u16_at(4))
                .saturating_add(1)
                .saturating_mul(ENTRY);
            let sum = crc32c(seed, node.get(..tail).unwrap_or(&[]));
            node.put(tail, &sum.to_le_bytes());
        }
    }
}

/// The block of the node that an entry of an index leads to.
fn child_of(entry: &[u8]) -> u64 {
    u64::from(entry.u16_at(8)) << 32 | u64::from(entry.u32_at(4))
}

/// `struct ext4_extent`.
pub(in crate::filesystem::ext4) fn parse_extent(entry: &[u8]) -> Extent {
    let raw_len = u32::from(entry.u16_at(4));
    let unwritten = raw_len > LONGEST;
    Extent {
        logical: entry.u32_at(0),
        physical: u64::from(entry.u16_at(6)) << 32 | u64::from(entry.u32_at(8)),
        blocks: if unwritten {
            raw_len.saturating_sub(LONGEST)
        } else {
            raw_len
        },
        unwritten,
    }
}

fn format_extent(extent: &Extent) -> [u8; ENTRY] {
    let raw_len = if extent.unwritten {
        extent.blocks.saturating_add(LONGEST)
    } else {
        extent.blocks
    };
    let mut entry = [0; ENTRY];
    let [l0, l1, ..] = raw_len.to_le_bytes();
    let [p0, p1, p2, p3, p4, p5, ..] = extent.physical.to_le_bytes();
    let [b0, b1, b2, b3] = extent.logical.to_le_bytes();
    entry.copy_from_slice(&[b0, b1, b2, b3, l0, l1, p4, p5, p0, p1, p2, p3]);
    entry
}

/// `struct ext4_extent_idx` for the node `block` that holds `children`.
fn format_index(children: &[[u8; ENTRY]], block: u64) -> [u8; ENTRY] {
    let first = children.first().map_or(0, |child| child.u32_at(0));
    let mut entry = [0; ENTRY];
    let [p0, p1, p2, p3, p4, p5, ..] = block.to_le_bytes();
    let [b0, b1, b2, b3] = first.to_le_bytes();
    entry.copy_from_slice(&[b0, b1, b2, b3, p0, p1, p2, p3, p4, p5, 0, 0]);
    entry
}

fn format_node(entries: &[[u8; ENTRY]], most: usize, depth: u16, len: usize) -> Vec<u8> {
    let short = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    let mut node = MAGIC.to_le_bytes().to_vec();
    node.extend(short(entries.len()));
    node.extend(short(most));
    node.extend(depth.to_le_bytes());
    node.extend([0; 4]);
    node.extend(entries.iter().flatten());
    node.resize(len, 0);
    node
}

/// Neighbours joined, and none longer than an entry can say.
fn merge(extents: &[Extent]) -> Vec<Extent> {
    let mut merged: Vec<Extent> = Vec::new();
    for extent in extents {
        match merged.last_mut() {
            Some(last) if last.joins(extent) => {
                last.blocks = last.blocks.saturating_add(extent.blocks);
            }
            _ => merged.push(*extent),
        }
    }
    merged
}
