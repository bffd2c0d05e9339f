//! Caches: blocks of a fast volume that are newer than the origin's. What the origin has too need
//! not be read from the cache.

mod layout;
pub(super) mod writecache;

use std::mem::offset_of;
use std::num::NonZeroU64;

use zerocopy::FromBytes;

use self::layout::{
    CACHE_SUPERBLOCK_MAGIC, CLEAN_SHUTDOWN, CacheDiskSuperblock, FLAGS_BITS, M_DIRTY, M_VALID,
    SUPERBLOCK_CSUM_XOR,
};
use super::layout::SECTOR;
use super::overlay::{MOST_CHUNKS, Overlay, Pairs};
use super::persistent::{self, array_values};
use crate::error::{Error, Result, ResultExt};
use crate::format::Room;
use crate::number::{to_u64, to_usize};
use crate::source::SharedSource;

/// What a cache's superblock says.
#[derive(Clone)]
struct Cached {
    metadata: SharedSource,
    mapping_root: u64,
    /// Where version 2 keeps which blocks are dirty.
    dirty_root: Option<u64>,
    blocks: u64,
    /// It says which blocks are dirty only after a clean shutdown.
    is_clean: bool,
}

/// The cache of `size` bytes whose `metadata` are about `data` bytes, which are member 0.
/// Which of them are read is kept in what is left of `room`.
///
/// # Errors
/// `Corrupt` for a superblock that makes no sense; `Unsupported` for a version that is not known and
/// for more blocks than are held.
pub(super) fn open(metadata: SharedSource, data: u64, size: u64, room: &Room) -> Result<Overlay> {
    let (cache, chunk) = checked(metadata, data)?;
    Ok(Overlay::new(size, chunk, room, move |pairs| {
        cache.pairs(pairs).context(|| "cache metadata")
    }))
}

/// What is in a cache, in blocks.
pub(super) struct InUse {
    /// Bytes of a block.
    pub(super) chunk: NonZeroU64,
    /// Those that are in the cache.
    pub(super) cached: u64,
    /// Those of them that the origin does not have.
    pub(super) dirty: u64,
    /// It was shut down as it should be; else all that are in it count as dirty.
    pub(super) is_clean: bool,
}

/// How much is in the cache with these `metadata`, which has room for `data` bytes.
///
/// # Errors
/// As [`open`].
pub(super) fn in_use(metadata: SharedSource, data: u64) -> Result<InUse> {
    let (cache, chunk) = checked(metadata, data)?;
    let mut found = InUse {
        chunk,
        cached: 0,
        dirty: 0,
        is_clean: cache.is_clean,
    };
    cache.each(&mut |_, _, is_dirty| {
        found.cached = found.cached.saturating_add(1);
        found.dirty = found.dirty.saturating_add(u64::from(is_dirty));
        Ok(())
    })?;
    Ok(found)
}

fn checked(metadata: SharedSource, data: u64) -> Result<(Cached, NonZeroU64)> {
    let (cache, chunk) = superblock(metadata).context(|| "cache metadata")?;
    let blocks = cache.blocks;
    // What `data` is was read from the group's text, which may name any size: not a bound by itself.
    let error = if blocks > u64::from(MOST_CHUNKS) {
        Error::unsupported(format!("cache_blocks is {blocks}: over {MOST_CHUNKS}"))
    } else if blocks > data / chunk {
        Error::corrupt(format!(
            "cache_blocks is {blocks}, and {data} bytes are there"
        ))
    } else {
        return Ok((cache, chunk));
    };
    let error = at(error, offset_of!(CacheDiskSuperblock, cache_blocks));
    Err(error.context("cache metadata"))
}

/// The same about the byte `field` of the metadata.
fn at(error: Error, field: usize) -> Error {
    error.at(to_u64(field))
}

fn superblock(metadata: SharedSource) -> Result<(Cached, NonZeroU64)> {
    let bytes = persistent::block(&*metadata, 0, SUPERBLOCK_CSUM_XOR)?;
    let parsed = CacheDiskSuperblock::read_from_prefix(&bytes);
    let (superblock, _) = parsed.map_err(|_| Error::corrupt("cut off"))?;
    let (magic, version) = (superblock.magic.get(), superblock.version.get());
    if magic != CACHE_SUPERBLOCK_MAGIC {
        let error = Error::corrupt(format!("magic is {magic:#x}"));
        return Err(at(error, offset_of!(CacheDiskSuperblock, magic)));
    }
    let features = superblock.incompat_flags.get();
    if !(1..=2).contains(&version) || features != 0 {
        let text = format!("version {version} with incompat_flags {features:#x}");
        let field = match features {
            0 => offset_of!(CacheDiskSuperblock, version),
            _ => offset_of!(CacheDiskSuperblock, incompat_flags),
        };
        return Err(at(Error::unsupported(text), field));
    }
    let block = u64::from(superblock.metadata_block_size.get());
    if block.saturating_mul(SECTOR) != persistent::BLOCK {
        let error = Error::corrupt(format!("metadata_block_size is {block}"));
        let field = offset_of!(CacheDiskSuperblock, metadata_block_size);
        return Err(at(error, field));
    }
    let sectors = u64::from(superblock.data_block_size.get());
    let chunk = NonZeroU64::new(sectors.saturating_mul(SECTOR));
    let cache = Cached {
        metadata,
        mapping_root: superblock.mapping_root.get(),
        dirty_root: (version > 1).then(|| superblock.dirty_root.get()),
        blocks: u64::from(superblock.cache_blocks.get()),
        is_clean: superblock.flags.get() & CLEAN_SHUTDOWN != 0,
    };
    let none = || {
        let error = Error::corrupt("data_block_size is 0");
        at(error, offset_of!(CacheDiskSuperblock, data_block_size))
    };
    Ok((cache, chunk.ok_or_else(none)?))
}

impl Cached {
    /// The origin's blocks that are to be read from the cache.
    fn pairs(&self, pairs: &mut Pairs) -> Result<()> {
        self.each(&mut |origin, block, is_dirty| match is_dirty {
            true => pairs.push(origin, block),
            false => Ok(()),
        })
    }

    /// Every block that is in the cache: the origin's, the cache's, and whether it is dirty, as all
    /// are without a clean shutdown.
    fn each(&self, each: &mut dyn FnMut(u64, u64, bool) -> Result<()>) -> Result<()> {
        let dirty = match (self.is_clean, self.dirty_root) {
            (true, Some(root)) => Some(self.dirty_blocks(root)?),
            _ => None,
        };
        let (metadata, root) = (&self.metadata, self.mapping_root);
        array_values(metadata, root, self.blocks, &mut |block, mapping| {
            let is_dirty = match &dirty {
                Some(dirty) => is_set(dirty, block),
                None => !self.is_clean || mapping & M_DIRTY != 0,
            };
            match mapping & M_VALID != 0 {
                true => each(mapping >> FLAGS_BITS, block, is_dirty),
                false => Ok(()),
            }
        })
    }

    /// A bit for each block, in words of 64.
    fn dirty_blocks(&self, root: u64) -> Result<Vec<u64>> {
        let mut dirty = Vec::new();
        let words = self.blocks.div_ceil(64);
        array_values(&self.metadata, root, words, &mut |_, bits| {
            dirty.push(bits);
            Ok(())
        })?;
        Ok(dirty)
    }
}

fn is_set(words: &[u64], bit: u64) -> bool {
    let word = words.get(to_usize(bit / 64)).copied().unwrap_or(0);
    word & 1_u64.rotate_left(u32::try_from(bit % 64).unwrap_or(0)) != 0
}
