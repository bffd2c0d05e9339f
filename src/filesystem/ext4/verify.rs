//! Checks what no walk over the files touches: group descriptors, the sums of the bitmaps, the
//! copies of the superblock, the journal's superblock, and the block against double mounts.

use super::block_map::{BlockMap, BlockPlace};
use super::checksum;
use super::core::Core;
use super::features;
use super::group::{BLOCK_UNINIT, Group, INODE_UNINIT};
use super::superblock::Superblock;
use crate::error::{Error, Result, ResultExt};
use crate::filesystem::Request;

/// `h_magic` of the journal's superblock, big-endian.
const JOURNAL_MAGIC: [u8; 4] = [0xc0, 0x3b, 0x39, 0x98];

/// `mmp_magic`.
const MMP_MAGIC: u32 = 0x004d_4d50;

/// Where the sum of the block against double mounts is.
const MMP_CHECKSUM_AT: usize = 1020;

/// Steps of the budget that a group costs besides its bitmaps.
const GROUP_STEPS: u64 = 4;

/// Gives `each` what is wrong. Ends early once the request's budget is spent.
pub(super) fn verify(core: &Core, request: &Request, each: &mut dyn FnMut(Error)) {
    let mut check = |result: Result<()>| {
        if let Err(error) = result {
            each(error);
        }
    };
    for number in 0..core.superblock.groups {
        if let Err(error) = request.spend(GROUP_STEPS) {
            return check(Err(error));
        }
        match Group::read(core, number) {
            Ok(group) => {
                check(block_bitmap(core, request, number, group));
                check(inode_bitmap(core, request, number, group));
            }
            Err(error) => check(Err(error)),
        }
        if number > 0 && core.superblock.has_backup(number) {
            check(backup(core, number));
        }
    }
    check(journal(core, request).context(|| "journal"));
    check(mmp(core, request).context(|| "mmp block"));
}

fn block_bitmap(core: &Core, request: &Request, number: u32, group: Group) -> Result<()> {
    if group.flags & BLOCK_UNINIT != 0 {
        return Ok(());
    }
    let bits = core.superblock.clusters_per_group();
    bitmap(
        core,
        request,
        group.block_bitmap,
        bits,
        group.block_bitmap_sum,
    )
    .context(|| format!("group {number}: block bitmap"))
}

fn inode_bitmap(core: &Core, request: &Request, number: u32, group: Group) -> Result<()> {
    if group.flags & INODE_UNINIT != 0 {
        return Ok(());
    }
    let bits = core.superblock.inodes_per_group.get();
    bitmap(
        core,
        request,
        group.inode_bitmap,
        bits,
        group.inode_bitmap_sum,
    )
    .context(|| format!("group {number}: inode bitmap"))
}

/// Whether the bitmap of `bits` bits in block `place` has the sum `stored`, of which descriptors
/// of 32 bytes keep the low half.
fn bitmap(core: &Core, request: &Request, place: u64, bits: u32, stored: u32) -> Result<()> {
    let block = core.read_block(request, place)?;
    if !core.superblock.has_checksums() {
        return Ok(());
    }
    let length = usize::try_from(bits / 8).unwrap_or(usize::MAX);
    let sum = checksum::crc32c(core.superblock.seed, block.get(..length).unwrap_or(&block));
    let wide = core.superblock.desc_size >= 64;
    if stored == if wide { sum } else { sum & 0xffff } {
        return Ok(());
    }
    Err(Error::corrupt("bad checksum").at(core.superblock.block_offset(place)?))
}

/// The copy of the superblock in group `number` has to be one, and of this file system.
fn backup(core: &Core, number: u32) -> Result<()> {
    let superblock = &core.superblock;
    let context = || format!("group {number}: copy of the superblock");
    let offset = superblock
        .block_offset(superblock.group_start(number))
        .context(context)?;
    let copy = Superblock::read(&*core.source, offset, &mut Err).context(context)?;
    let same = copy.raw.s_uuid == superblock.raw.s_uuid && copy.blocks == superblock.blocks;
    if same {
        return Ok(());
    }
    let error = Error::corrupt("s_uuid or s_blocks_count is not that of the superblock");
    Err(error.at(offset).context(context()))
}

fn journal(core: &Core, request: &Request) -> Result<()> {
    let number = core.superblock.raw.s_journal_inum.get();
    if !core.superblock.features.has(features::HAS_JOURNAL) || number == 0 {
        return Ok(()); // none, or on another device
    }
    let inode = core.inode(request, number)?;
    let BlockPlace::At(place) = BlockMap::new(core, request, &inode).run_at(0)?.place else {
        return Err(Error::corrupt("starts with a hole").at(inode.offset));
    };
    let block = core.read_block(request, place)?;
    if block.starts_with(&JOURNAL_MAGIC) {
        return Ok(());
    }
    Err(Error::corrupt("h_magic is not 0xc03b3998").at(core.superblock.block_offset(place)?))
}

fn mmp(core: &Core, request: &Request) -> Result<()> {
    let place = core.superblock.raw.s_mmp_block.get();
    if !core.superblock.features.has(features::MMP) || place == 0 {
        return Ok(());
    }
    let block = core.read_block(request, place)?;
    let word = |at: usize| {
        let bytes = block.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let offset = core.superblock.block_offset(place)?;
    if word(0) != MMP_MAGIC {
        return Err(Error::corrupt(format!("mmp_magic {:#x} is not 0x4d4d50", word(0))).at(offset));
    }
    let summed = block.get(..MMP_CHECKSUM_AT).unwrap_or(&block);
    let sum = checksum::crc32c(core.superblock.seed, summed);
    if core.superblock.has_checksums() && sum != word(MMP_CHECKSUM_AT) {
        return Err(Error::corrupt("bad checksum").at(offset));
    }
    Ok(())
}
