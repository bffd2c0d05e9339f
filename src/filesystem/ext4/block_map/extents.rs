//! Extent trees: from the root in `i_block`, each node one level lower than its parent, down to
//! leaves of extents. The depth is at most 5 and falls with every step, so that no tree has a
//! cycle, and every child starts where its parent says, so that no child serves twice.

use std::sync::Arc;

use zerocopy::{FromBytes, Immutable};

use super::{BlockMap, BlockPlace, BlockRun};
use crate::error::{Error, Result};
use crate::filesystem::ext4::checksum;
use crate::filesystem::ext4::layout::{RawExtent, RawExtentHeader, RawExtentIndex};
use crate::source::Scratch;

/// `eh_magic`.
const MAGIC: u16 = 0xf30a;

/// The deepest tree that 2^32 blocks can need.
const MOST_LEVELS: u16 = 5;

/// `ee_len` above this is that of an unwritten extent, plus this.
const MOST_WRITTEN: u16 = 0x8000;

/// Bytes of the header and of each entry.
const ENTRY: usize = 12;

/// Logical blocks are numbers of 32 bits: behind them is nothing.
const END: u64 = 1 << 32;

/// A leaf that was read and checked, and the logical blocks that it is alone responsible for.
#[derive(Clone)]
pub(in super::super) struct Leaf {
    first: u64,
    end: u64,
    node: Node,
}

/// The bytes of a node.
#[derive(Clone)]
enum Node {
    /// None: no extents.
    Empty,
    /// `i_block`.
    Root([u8; 60]),
    /// A block of the file system.
    Block(Arc<Scratch>),
}

/// A node's level and the range of logical blocks that it is responsible for.
#[derive(Clone, Copy)]
struct Scope {
    depth: u16,
    first: u64,
    end: u64,
}

impl BlockMap<'_> {
    /// The run at `logical` by the extent tree.
    pub(super) fn extent_run(&mut self, logical: u64) -> Result<BlockRun> {
        if logical >= END {
            return Ok(hole(u64::MAX.saturating_sub(logical)));
        }
        let held = self.leaf.as_ref().filter(|leaf| leaf.covers(logical));
        if let Some(leaf) = held {
            return Ok(leaf.run_at(logical));
        }
        let leaf = self.leaf_of(logical)?;
        Ok(self.leaf.insert(leaf).run_at(logical))
    }

    /// The leaf that is responsible for `logical`, read and checked unless it is remembered.
    fn leaf_of(&self, logical: u64) -> Result<Leaf> {
        let root = header(&self.inode.raw.i_block);
        if root.is_ok_and(|root| root.eh_depth.get() == 0) {
            return self.find_leaf(logical); // In the inode.
        }
        let (recent, number) = (&self.core.recent, self.inode.number);
        if let Some(leaf) = recent.leaf(number, logical) {
            return Ok(leaf);
        }
        let leaf = self.find_leaf(logical)?;
        recent.keep(number, &leaf);
        Ok(leaf)
    }

    /// Walks down from the root to the leaf that is responsible for `logical`.
    fn find_leaf(&self, logical: u64) -> Result<Leaf> {
        let root = &self.inode.raw.i_block;
        let in_root = |error: Error| error.at(self.inode.offset).context("extent tree root");
        let depth = header(root).map_err(in_root)?.eh_depth.get();
        if depth > MOST_LEVELS {
            let error = Error::corrupt(format!("eh_depth {depth} is over {MOST_LEVELS}"));
            return Err(in_root(error));
        }
        let mut scope = Scope {
            depth,
            first: 0,
            end: END,
        };
        let step = self.visit(root, &mut scope, logical, None);
        let mut next = step.map_err(in_root)?;
        let mut node = Node::Root(*root);
        loop {
            let block = match next {
                Step::Leaf => return Ok(scope.leaf(node)),
                Step::Gap(end) => return Ok(Scope { end, ..scope }.leaf(Node::Empty)),
                Step::Down(block) => block,
            };
            let offset = self.core.superblock.block_offset(block)?;
            let bytes = self.core.read_block(self.request, block)?;
            let step = self.verify_checksum(&bytes).and_then(|()| {
                let first = scope.first;
                self.visit(&bytes, &mut scope, logical, Some(first))
            });
            next =
                step.map_err(|error| error.at(offset).context(format!("extent block {block}")))?;
            node = Node::Block(Arc::new(bytes));
        }
    }

    /// Checks one node, which must start at logical block `start` where its parent named one, and
    /// takes from it the leaf or the next child, whose scope replaces that of the node.
    fn visit(
        &self,
        node: &[u8],
        scope: &mut Scope,
        logical: u64,
        start: Option<u64>,
    ) -> Result<Step> {
        let header = header(node)?;
        if header.eh_depth.get() != scope.depth {
            return Err(Error::corrupt(format!(
                "eh_depth {} is not {}",
                header.eh_depth, scope.depth
            )));
        }
        if scope.depth == 0 {
            let extents = entries::<RawExtent>(node, header)?;
            self.check_extents(extents, start)?;
            return Ok(Step::Leaf);
        }
        let children = entries::<RawExtentIndex>(node, header)?;
        check_children(children, start)?;
        self.descend(children, scope, logical)
    }

    fn descend(
        &self,
        children: &[RawExtentIndex],
        scope: &mut Scope,
        logical: u64,
    ) -> Result<Step> {
        let key = |child: &RawExtentIndex| u64::from(child.ei_block.get());
        let after = children.partition_point(|child| key(child) <= logical);
        let before = after.checked_sub(1).and_then(|index| children.get(index));
        let next = children.get(after).map_or(scope.end, key);
        let Some(child) = before else {
            // In front of the first child there is a hole, as an empty leaf says.
            return Ok(Step::Gap(next));
        };
        let block = u64::from(child.ei_leaf_hi.get()) << 32 | u64::from(child.ei_leaf_lo.get());
        if !self.core.holds(block, 1) {
            return Err(Error::corrupt(format!(
                "ei_leaf {block} is outside the file system"
            )));
        }
        *scope = Scope {
            depth: scope.depth.saturating_sub(1),
            first: key(child),
            end: next,
        };
        Ok(Step::Down(block))
    }

    /// What the kernel checks of a leaf: extents that ascend, do not overlap, are not empty, and
    /// lie inside the file system.
    fn check_extents(&self, extents: &[RawExtent], start: Option<u64>) -> Result<()> {
        let first = extents
            .first()
            .map(|extent| u64::from(extent.ee_block.get()));
        check_start(first, start)?;
        let mut end = 0;
        for extent in extents {
            let (logical, blocks) = (u64::from(extent.ee_block.get()), extent.blocks());
            let physical = extent.start();
            if blocks == 0 || logical < end || logical.saturating_add(blocks) > END {
                return Err(Error::corrupt(format!(
                    "ee_block {logical} with ee_len {blocks} is empty, overlaps or is out of order"
                )));
            }
            if !self.core.holds(physical, blocks) {
                return Err(Error::corrupt(format!(
                    "ee_start {physical} with ee_len {blocks} is outside the file system"
                )));
            }
            end = logical.saturating_add(blocks);
        }
        Ok(())
    }

    /// The tail of a node outside the inode holds its sum, behind the last entry there is room for.
    fn verify_checksum(&self, node: &[u8]) -> Result<()> {
        if !self.core.superblock.has_checksums() {
            return Ok(());
        }
        let most = usize::from(header(node)?.eh_max.get());
        let at = most.saturating_add(1).saturating_mul(ENTRY);
        let Some((summed, stored)) = node.split_at_checked(at) else {
            return Err(Error::corrupt(format!(
                "eh_max {most} is more than the block holds"
            )));
        };
        let stored = stored
            .first_chunk::<4>()
            .map(|bytes| u32::from_le_bytes(*bytes));
        if stored == Some(checksum::crc32c(self.inode.seed, summed)) {
            return Ok(());
        }
        let number = self.inode.number;
        self.core.bad_checksum(
            Error::corrupt("bad checksum").context(format!("inode {number}: extent block")),
        )
    }
}

enum Step {
    /// The child is this block.
    Down(u64),
    /// The node is the leaf.
    Leaf,
    /// There is no child up to this logical block.
    Gap(u64),
}

impl Scope {
    fn leaf(self, node: Node) -> Leaf {
        Leaf {
            first: self.first,
            end: self.end,
            node,
        }
    }
}

impl Leaf {
    /// Whether it is responsible for `logical`.
    pub(in super::super) fn covers(&self, logical: u64) -> bool {
        (self.first..self.end).contains(&logical)
    }

    /// The extents, which were checked when the node was visited.
    fn extents(&self) -> &[RawExtent] {
        let node = match &self.node {
            Node::Empty => return &[],
            Node::Root(bytes) => &bytes[..],
            Node::Block(bytes) => bytes,
        };
        header(node)
            .and_then(|header| entries(node, header))
            .unwrap_or(&[])
    }

    fn run_at(&self, logical: u64) -> BlockRun {
        let key = |extent: &RawExtent| u64::from(extent.ee_block.get());
        let extents = self.extents();
        let after = extents.partition_point(|extent| key(extent) <= logical);
        let next = extents.get(after).map_or(self.end, key);
        let extent = after.checked_sub(1).and_then(|index| extents.get(index));
        let inside = extent.and_then(|extent| extent.run_from(logical.saturating_sub(key(extent))));
        let run = inside.unwrap_or(hole(u64::MAX));
        let most = next.min(self.end).saturating_sub(logical);
        BlockRun {
            blocks: run.blocks.min(most).max(1),
            ..run
        }
    }
}

impl RawExtent {
    fn blocks(&self) -> u64 {
        match self.ee_len.get() {
            length if length <= MOST_WRITTEN => length.into(),
            length => length.saturating_sub(MOST_WRITTEN).into(),
        }
    }

    fn start(&self) -> u64 {
        u64::from(self.ee_start_hi.get()) << 32 | u64::from(self.ee_start_lo.get())
    }

    /// The run from `skip` blocks into the extent on, if that is still inside.
    fn run_from(&self, skip: u64) -> Option<BlockRun> {
        let blocks = self.blocks().checked_sub(skip).filter(|left| *left > 0)?;
        let start = self.start().saturating_add(skip);
        let place = if self.ee_len.get() > MOST_WRITTEN {
            BlockPlace::Unwritten(start)
        } else {
            BlockPlace::At(start)
        };
        Some(BlockRun { place, blocks })
    }
}

fn hole(blocks: u64) -> BlockRun {
    BlockRun {
        place: BlockPlace::Hole,
        blocks: blocks.max(1),
    }
}

fn header(node: &[u8]) -> Result<RawExtentHeader> {
    let (header, rest) = RawExtentHeader::read_from_prefix(node)
        .map_err(|_| Error::corrupt("extent node is cut off"))?;
    let (magic, entries, most) = (
        header.eh_magic.get(),
        header.eh_entries.get(),
        header.eh_max.get(),
    );
    if magic != MAGIC {
        return Err(Error::corrupt(format!(
            "eh_magic {magic:#06x} is not 0xf30a"
        )));
    }
    if most == 0 || usize::from(most) > rest.len() / ENTRY {
        return Err(Error::corrupt(format!(
            "eh_max {most} is not what the node holds"
        )));
    }
    if entries > most {
        return Err(Error::corrupt(format!(
            "eh_entries {entries} is over eh_max {most}"
        )));
    }
    Ok(header)
}

fn entries<T: FromBytes + Immutable + zerocopy::KnownLayout + zerocopy::Unaligned>(
    node: &[u8],
    header: RawExtentHeader,
) -> Result<&[T]> {
    let rest = node.get(ENTRY..).unwrap_or(&[]);
    let (entries, _) = <[T]>::ref_from_prefix_with_elems(rest, header.eh_entries.get().into())
        .map_err(|_| Error::corrupt("extent node is cut off"))?;
    Ok(entries)
}

fn check_children(children: &[RawExtentIndex], start: Option<u64>) -> Result<()> {
    let first = children
        .first()
        .map(|child| u64::from(child.ei_block.get()));
    if first.is_none() {
        return Err(Error::corrupt("eh_entries is 0 above the leaves"));
    }
    check_start(first, start)?;
    let ascending = children.is_sorted_by(|a, b| a.ei_block.get() < b.ei_block.get());
    if !ascending {
        return Err(Error::corrupt("ei_block is out of order"));
    }
    Ok(())
}

/// A node starts with the logical block that its parent gives for it.
fn check_start(first: Option<u64>, start: Option<u64>) -> Result<()> {
    match (first, start) {
        (Some(first), Some(start)) if first != start => Err(Error::corrupt(format!(
            "starts at logical block {first}, its parent says {start}"
        ))),
        _ => Ok(()),
    }
}
