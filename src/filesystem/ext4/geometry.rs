//! The sizes that the superblock gives, each checked before anything is divided, shifted or
//! allocated by it: as the kernel's mount does it, but with the field named.

use std::num::NonZeroU32;

use super::features::{self, Features};
use super::layout::RawSuperblock;
use crate::error::{Error, Result};

/// log2 of the bytes in a block.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn block_bits(raw: &RawSuperblock) -> Result<u32> {
    match raw.s_log_block_size.get() {
        log @ 0..=6 => Ok(log.saturating_add(10)),
        log => Err(Error::corrupt(format!("s_log_block_size {log} is over 6"))),
    }
}

/// log2 of the blocks in a cluster.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn cluster_bits(raw: &RawSuperblock, features: Features) -> Result<u32> {
    let (block, cluster) = (raw.s_log_block_size.get(), raw.s_log_cluster_size.get());
    if !features.has(features::BIGALLOC) {
        return Ok(0);
    }
    match cluster.checked_sub(block) {
        Some(bits) if cluster <= 20 => Ok(bits),
        _ => Err(Error::corrupt(format!(
            "s_log_cluster_size {cluster} is not between s_log_block_size {block} and 20"
        ))),
    }
}

/// `blocks` blocks have to be on the device of `device` bytes.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn check_device(blocks: u64, block_bits: u32, device: u64) -> Result<()> {
    let held = device.wrapping_shr(block_bits);
    if blocks > held {
        return Err(Error::corrupt(format!(
            "s_blocks_count {blocks} is larger than the device, which holds {held} blocks"
        )));
    }
    Ok(())
}

/// The block that the first group starts with.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn first_data_block(
    raw: &RawSuperblock,
    blocks: u64,
    block_bits: u32,
    cluster_bits: u32,
) -> Result<u64> {
    let first = u64::from(raw.s_first_data_block.get());
    if first >= blocks {
        return Err(Error::corrupt(format!(
            "s_first_data_block {first} is not below s_blocks_count {blocks}"
        )));
    }
    if first == 0 && block_bits == 10 && cluster_bits == 0 {
        return Err(Error::corrupt(
            "s_first_data_block is 0 with blocks of 1 KiB",
        ));
    }
    Ok(first)
}

/// Blocks in a group: as many whole clusters as one block of bitmap counts, at most.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn blocks_per_group(
    raw: &RawSuperblock,
    block_bits: u32,
    cluster_bits: u32,
) -> Result<NonZeroU32> {
    let blocks = raw.s_blocks_per_group.get();
    let clusters = blocks.wrapping_shr(cluster_bits);
    let most = 8_u32.wrapping_shl(block_bits); // what one block of bitmap counts
    let whole = clusters.checked_shl(cluster_bits) == Some(blocks);
    let stated = cluster_bits == 0 || clusters == raw.s_clusters_per_group.get();
    match NonZeroU32::new(blocks) {
        Some(count) if clusters <= most && whole && stated => Ok(count),
        _ => Err(Error::corrupt(format!(
            "s_blocks_per_group {blocks} is not 1 to {most} clusters, or not s_clusters_per_group {}",
            raw.s_clusters_per_group
        ))),
    }
}

/// Bytes of an inode.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn inode_size(raw: &RawSuperblock, block_bits: u32) -> Result<u16> {
    if raw.s_rev_level.get() == 0 {
        return Ok(128);
    }
    let size = raw.s_inode_size.get();
    let fits = u32::from(size) <= 1_u32.wrapping_shl(block_bits);
    if size < 128 || !size.is_power_of_two() || !fits {
        return Err(Error::corrupt(format!(
            "s_inode_size {size} is not a power of two from 128 to the block size"
        )));
    }
    Ok(size)
}

/// Inodes in a group: they fill blocks, and one block of bitmap counts them.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn inodes_per_group(
    raw: &RawSuperblock,
    block_bits: u32,
    inode_size: u16,
) -> Result<NonZeroU32> {
    let inodes = raw.s_inodes_per_group.get();
    let in_block = 1_u32
        .wrapping_shl(block_bits)
        .checked_div(u32::from(inode_size));
    let least = in_block.unwrap_or(1);
    let most = 8_u32.wrapping_shl(block_bits);
    match NonZeroU32::new(inodes) {
        Some(count) if (least..=most).contains(&inodes) => Ok(count),
        _ => Err(Error::corrupt(format!(
            "s_inodes_per_group {inodes} is not between {least} and {most}"
        ))),
    }
}

/// How many groups there are.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn groups(blocks: u64, first: u64, per_group: NonZeroU32) -> Result<u32> {
    let count = blocks
        .saturating_sub(first)
        .div_ceil(u64::from(per_group.get()));
    u32::try_from(count).map_err(|_| Error::corrupt(format!("{count} groups are over 2^32")))
}

/// Bytes of a group descriptor.
///
/// # Errors
/// `Corrupt`, naming the field.
pub(super) fn desc_size(raw: &RawSuperblock, features: Features) -> Result<u16> {
    if !features.has(features::SIXTY_FOUR_BIT) {
        return Ok(32);
    }
    match raw.s_desc_size.get() {
        size if (64..=1024).contains(&size) && size.is_power_of_two() => Ok(size),
        size => Err(Error::corrupt(format!(
            "s_desc_size {size} is not a power of two from 64 to 1024"
        ))),
    }
}
