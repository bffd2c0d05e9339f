//! Lookup by hash: from the root in the first block of the directory down one to three nodes to
//! the block of entries in which a name has to be, and on to the next one where names of the same
//! hash go on. Whatever is wrong with the tree makes it unusable, not the directory: the caller
//! goes through the entries one by one.

use smallvec::SmallVec;
use zerocopy::FromBytes;

use super::checksum;
use super::entry::{Found, records};
use super::hash::Hasher;
use super::name::Wanted;
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::filesystem::ext4::block_map::{BlockMap, BlockPlace};
use crate::filesystem::ext4::core::Core;
use crate::filesystem::ext4::features;
use crate::filesystem::ext4::inode::InodeRecord;
use crate::filesystem::ext4::layout::{RawHashEntry, RawHashRoot};
use crate::source::Scratch;

/// Where `dx_root_info` is: behind `.` and `..`, 12 bytes each.
const INFO_AT: usize = 24;

/// Where the entries of the root start, and those of other nodes.
const ROOT_ENTRIES: usize = 32;
const NODE_ENTRIES: usize = 8;

/// Bytes of an entry, and of the tail that holds the checksum.
const ENTRY: usize = 8;

/// Nodes on the way to a block of entries: the root, and at most two below it.
type Frames = SmallVec<[Frame; 3]>;

/// A node that was checked.
struct Node {
    block: Scratch,
    /// Where its entries start, and how many there are.
    at: usize,
    count: usize,
}

/// A node, and the entry in it that was taken.
struct Frame {
    node: Node,
    taken: usize,
}

/// Looks `wanted` up in `dir`, which has a hash tree.
///
/// # Errors
/// `Corrupt` or `Unsupported` where the tree, or the block of entries that it leads to, is of no
/// use.
pub(super) fn lookup(
    core: &Core,
    request: &Request,
    dir: &InodeRecord,
    wanted: &Wanted<'_>,
) -> Result<Option<Found>> {
    let mut tree = Tree {
        core,
        dir,
        request,
        map: BlockMap::new(core, request, dir),
        levels: 0,
        place: None,
    };
    let found = tree.find(wanted);
    found.map_err(|error| match tree.place {
        Some(place) => error.at(place),
        None => error,
    })
}

/// The hash version in the root of `dir`'s tree, for those who only want to hash.
///
/// # Errors
/// As [`lookup`].
pub(super) fn hash_version(core: &Core, request: &Request, dir: &InodeRecord) -> Result<u8> {
    let mut tree = Tree {
        core,
        dir,
        request,
        map: BlockMap::new(core, request, dir),
        levels: 0,
        place: None,
    };
    let block = tree.block(0)?;
    Ok(info(&block)?.hash_version)
}

struct Tree<'a> {
    core: &'a Core,
    dir: &'a InodeRecord,
    request: &'a Request,
    map: BlockMap<'a>,
    /// Levels of nodes between the root and the blocks of entries.
    levels: u8,
    /// The byte of the device where the block is that was read last.
    place: Option<u64>,
}

impl Tree<'_> {
    /// The entry of `wanted`.
    fn find(&mut self, wanted: &Wanted<'_>) -> Result<Option<Found>> {
        let (root, hash) = self.root(wanted)?;
        let mut frames = self.descend(root, hash)?;
        loop {
            let Some(leaf) = frames.last().and_then(Frame::block) else {
                return Err(Error::corrupt("hash tree without a block of entries"));
            };
            if let Some(found) = self.search(leaf, wanted)? {
                return Ok(Some(found));
            }
            if !self.advance(&mut frames, hash)? {
                return Ok(None);
            }
        }
    }

    /// The root, and the name's hash.
    fn root(&mut self, wanted: &Wanted<'_>) -> Result<(Node, u32)> {
        let block = self.block(0)?;
        let info = info(&block)?;
        let most = if self.core.superblock.features.has(features::LARGEDIR) {
            2
        } else {
            1
        };
        if info.unused_flags & 1 != 0 || info.info_length != 8 || info.indirect_levels > most {
            return Err(Error::unsupported(format!(
                "hash tree root: unused_flags {}, info_length {}, indirect_levels {}",
                info.unused_flags, info.info_length, info.indirect_levels
            )));
        }
        let version = info.hash_version;
        let unknown = || Error::unsupported(format!("hash tree root: hash_version {version}"));
        let hash = match wanted.known_hash() {
            Some(hash) => hash,
            None => {
                let hasher = Hasher::new(version, &self.core.superblock).ok_or_else(unknown)?;
                wanted.hash(&hasher).major
            }
        };
        self.levels = info.indirect_levels;
        Ok((self.node(block, ROOT_ENTRIES)?, hash))
    }

    /// Goes down from `root` by `hash` to the entry that leads to a block of entries.
    fn descend(&mut self, root: Node, hash: u32) -> Result<Frames> {
        let mut frames = Frames::new();
        frames.push(Frame::at(root, hash));
        for _ in 0..self.levels {
            let node = self.child(&frames)?;
            frames.push(Frame::at(node, hash));
        }
        Ok(frames)
    }

    /// Moves on to the next block of entries, if names of `hash` go on there: its hash is the same
    /// with the lowest bit set.
    fn advance(&mut self, frames: &mut Frames, hash: u32) -> Result<bool> {
        let levels = frames.len();
        while let Some(frame) = frames.last_mut() {
            frame.taken = frame.taken.saturating_add(1);
            let Some(next) = frame.node.entries().get(frame.taken) else {
                frames.pop();
                continue;
            };
            if next.hash.get() & !1 != hash || next.hash.get() & 1 == 0 {
                return Ok(false);
            }
            while frames.len() < levels {
                let node = self.child(frames)?;
                frames.push(Frame { node, taken: 0 });
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The node that the last frame's entry leads to.
    fn child(&mut self, frames: &[Frame]) -> Result<Node> {
        let Some(number) = frames.last().and_then(Frame::block) else {
            return Err(Error::corrupt("hash tree node without entries"));
        };
        let block = self.block(number)?;
        if checksum::index_entries(self.dir, number, &block) != Some(NODE_ENTRIES) {
            return Err(Error::corrupt(format!(
                "directory block {number} is no node of the hash tree"
            )));
        }
        self.node(block, NODE_ENTRIES)
    }

    /// A node, whose limit is what the block has room for and whose hashes ascend.
    fn node(&self, block: Scratch, at: usize) -> Result<Node> {
        let tail = if self.core.superblock.has_checksums() {
            ENTRY
        } else {
            0
        };
        let room = block.len().saturating_sub(at).saturating_sub(tail) / ENTRY;
        let rest = block.get(at..).unwrap_or(&[]);
        let (limit, count) = limit_and_count(rest);
        if limit != room || count == 0 || count > limit {
            return Err(Error::corrupt(format!(
                "hash tree node: count {count} of limit {limit}, where there is room for {room}"
            )));
        }
        let node = Node { block, at, count };
        let behind = node.entries().get(1..);
        let behind = behind.ok_or_else(|| Error::corrupt("hash tree node is cut off"))?;
        if !behind.is_sorted_by_key(|entry| entry.hash.get()) {
            return Err(Error::corrupt("hash tree node: hashes are out of order"));
        }
        Ok(node)
    }

    /// Looks through the block of entries `number`.
    fn search(&mut self, number: u64, wanted: &Wanted<'_>) -> Result<Option<Found>> {
        let block = self.block(number)?;
        if checksum::index_entries(self.dir, number, &block).is_some() {
            return Err(Error::corrupt(format!(
                "directory block {number} is a node, not entries"
            )));
        }
        for record in records(&block, block.len()) {
            let record = record?;
            if record.inode != 0 && wanted.matches(record.name) {
                return Ok(Some(record.found()));
            }
        }
        Ok(None)
    }

    fn block(&mut self, number: u64) -> Result<Scratch> {
        let inside = self.dir.size.wrapping_shr(self.core.superblock.block_bits);
        let run = if number < inside {
            Some(self.map.run_at(number)?)
        } else {
            None
        };
        let Some(BlockPlace::At(place)) = run.map(|run| run.place) else {
            return Err(Error::corrupt(format!(
                "hash tree leads to block {number} of {inside}, or to a hole"
            )));
        };
        self.place = Some(place.wrapping_shl(self.core.superblock.block_bits));
        let block = self.core.read_block(self.request, place)?;
        checksum::verify(self.core, self.dir, number, &block)?;
        Ok(block)
    }
}

impl Node {
    fn entries(&self) -> &[RawHashEntry] {
        let rest = self.block.get(self.at..).unwrap_or(&[]);
        let entries = <[RawHashEntry]>::ref_from_prefix_with_elems(rest, self.count);
        entries.map_or(&[], |(entries, _)| entries)
    }
}

impl Frame {
    /// The last entry whose hash is not above `hash`; the first stands for everything below.
    fn at(node: Node, hash: u32) -> Self {
        let behind = node.entries().get(1..).unwrap_or(&[]);
        let taken = behind.partition_point(|entry| entry.hash.get() <= hash);
        Self { node, taken }
    }

    /// The block of the directory that the taken entry leads to: 28 bits.
    fn block(&self) -> Option<u64> {
        let entry = self.node.entries().get(self.taken)?;
        Some(u64::from(entry.block.get() & 0x0fff_ffff))
    }
}

fn info(block: &[u8]) -> Result<RawHashRoot> {
    let rest = block.get(INFO_AT..).unwrap_or(&[]);
    let (info, _) = RawHashRoot::read_from_prefix(rest)
        .map_err(|_| Error::corrupt("hash tree root is cut off"))?;
    Ok(info)
}

/// `struct dx_countlimit`, in the place of the first entry's hash.
fn limit_and_count(entries: &[u8]) -> (usize, usize) {
    let (halves, _) = entries.as_chunks::<2>();
    let half = |index: usize| {
        halves
            .get(index)
            .map_or(0, |half| u16::from_le_bytes(*half).into())
    };
    (half(0), half(1))
}
