//! The numbers of statfs(2), as the kernel's ext4 computes them.

use super::block_map::{BlockMap, BlockPlace};
use super::core::Core;
use super::features;
use super::group::{self, Group};
use super::superblock::{self, Superblock};
use crate::filesystem::{Request, Usage};

/// The most groups whose descriptors are summed up: 64 TiB of the usual groups. Past that, or
/// where a superblock invents groups, statfs(2) would take too long.
const MOST_GROUPS: u32 = 1 << 19;

/// The usage. Groups whose descriptor is damaged count as full.
pub(super) fn usage(core: &Core) -> Usage {
    let superblock = &core.superblock;
    let counted = if superblock.groups > MOST_GROUPS {
        stated(superblock)
    } else {
        counted(core)
    };
    let kept =
        superblock::reserved_blocks(superblock).saturating_add(reserved_clusters(superblock));
    let blocks = superblock.blocks.saturating_sub(counted.overhead);
    // What is more than there is at all, no descriptor can make free.
    let free = counted.free.min(blocks);
    Usage {
        block_size: 1_u32.wrapping_shl(superblock.block_bits), // at most 2^16
        blocks,
        free,
        available: free.saturating_sub(kept),
        files: superblock.inodes().into(),
        files_free: counted.files_free.min(superblock.inodes().into()),
        name_max: 255,
    }
}

/// What is summed up over the groups, in blocks.
struct Counted {
    free: u64,
    files_free: u64,
    overhead: u64,
}

/// By the group descriptors, which are the truth.
fn counted(core: &Core) -> Counted {
    let superblock = &core.superblock;
    let (mut free, mut files_free) = (0_u64, 0_u64);
    let mut clusters = Vec::new();
    for number in 0..superblock.groups {
        let Ok(group) = Group::read(core, number) else {
            continue;
        };
        free = free.saturating_add(group.free_clusters.into());
        files_free = files_free.saturating_add(group.free_inodes.into());
        if shares_clusters(superblock) {
            clusters.extend(clusters_of(superblock, number, &group));
        }
    }
    Counted {
        free: in_blocks(superblock, free),
        files_free,
        overhead: in_blocks(superblock, overhead(core, clusters)),
    }
}

/// By the superblock, which the kernel only brings up to date when it unmounts.
fn stated(superblock: &Superblock) -> Counted {
    let raw = &superblock.raw;
    Counted {
        free: superblock::free_blocks(raw),
        files_free: raw.s_free_inodes_count.get().into(),
        overhead: in_blocks(superblock, raw.s_overhead_clusters.get().into()),
    }
}

fn in_blocks(superblock: &Superblock, clusters: u64) -> u64 {
    clusters.saturating_mul(1_u64.wrapping_shl(superblock.cluster_bits)) // at most 2^20
}

/// What the kernel keeps back for extent trees that have to grow: 2 %, at most 4096 clusters.
fn reserved_clusters(superblock: &Superblock) -> u64 {
    if !superblock.features.has(features::EXTENTS) {
        return 0;
    }
    let clusters = superblock.blocks.wrapping_shr(superblock.cluster_bits);
    in_blocks(superblock, (clusters / 50).min(4096))
}

/// Clusters of metadata that no file can have: statfs(2) leaves them out.
fn overhead(core: &Core, clusters: Vec<(u64, u64)>) -> u64 {
    let superblock = &core.superblock;
    let inside = if shares_clusters(superblock) {
        covered(clusters)
    } else if superblock.features.has(features::BIGALLOC) {
        return superblock.raw.s_overhead_clusters.get().into();
    } else {
        let groups = 0..superblock.groups;
        groups
            .map(|group| blocks_of_metadata(superblock, group))
            .sum()
    };
    let before = superblock
        .first_data_block
        .wrapping_shr(superblock.cluster_bits);
    let journal = journal_blocks(core).div_ceil(in_blocks(superblock, 1).max(1));
    before.saturating_add(inside).saturating_add(journal)
}

/// Whether metadata of several kinds may lie in one cluster, and nothing says how many there are:
/// a file system with bigalloc has its overhead in the superblock.
fn shares_clusters(superblock: &Superblock) -> bool {
    let stored = u64::from(superblock.raw.s_overhead_clusters.get());
    superblock.features.has(features::BIGALLOC) && !(1..=superblock.blocks).contains(&stored)
}

/// Superblock, descriptors, room for more of them, inode table and two bitmaps of one group.
fn blocks_of_metadata(superblock: &Superblock, group: u32) -> u64 {
    let backup = superblock.has_backup(group);
    let reserved = if backup {
        superblock.raw.s_reserved_gdt_blocks.get()
    } else {
        0
    };
    u64::from(backup)
        .saturating_add(descriptor_blocks(superblock, group))
        .saturating_add(reserved.into())
        .saturating_add(group::table_blocks(superblock))
        .saturating_add(2)
}

/// Blocks of group descriptors in one group.
fn descriptor_blocks(superblock: &Superblock, group: u32) -> u64 {
    let per_block = group::descriptors_per_block(superblock);
    let first_meta = superblock.raw.s_first_meta_bg.get();
    let meta_group = group.checked_div(per_block).unwrap_or(0);
    let has_meta = superblock.features.has(features::META_BG);
    if !has_meta || meta_group < first_meta {
        if !superblock.has_backup(group) {
            return 0;
        }
        let all = group::descriptor_blocks(superblock);
        return if has_meta { first_meta } else { all }.into();
    }
    let first = meta_group.saturating_mul(per_block);
    let last = first.saturating_add(per_block).saturating_sub(1);
    u64::from(group == first || group == first.saturating_add(1) || group == last)
}

/// The ranges of clusters in which the metadata of group `number` lies.
fn clusters_of(superblock: &Superblock, number: u32, group: &Group) -> Vec<(u64, u64)> {
    let backup = u64::from(superblock.has_backup(number));
    let front = backup.saturating_add(descriptor_blocks(superblock, number));
    let pieces = [
        (superblock.group_start(number), front),
        (group.block_bitmap, 1),
        (group.inode_bitmap, 1),
        (group.inode_table, group::table_blocks(superblock)),
    ];
    let cluster = |block: u64| {
        let inside = block.saturating_sub(superblock.first_data_block);
        inside.wrapping_shr(superblock.cluster_bits)
    };
    let held = pieces.into_iter().filter(|(_, length)| *length > 0);
    let ranges = held.map(|(start, length)| {
        let last = start.saturating_add(length).saturating_sub(1);
        (cluster(start), cluster(last).saturating_add(1))
    });
    ranges.collect()
}

/// How many numbers the ranges cover, which may overlap.
fn covered(mut ranges: Vec<(u64, u64)>) -> u64 {
    ranges.sort_unstable();
    let mut end = 0;
    let mut count: u64 = 0;
    for (from, to) in ranges {
        count = count.saturating_add(to.saturating_sub(from.max(end)));
        end = end.max(to);
    }
    count
}

/// Blocks of the internal journal, as its own superblock says (`s_maxlen`).
fn journal_blocks(core: &Core) -> u64 {
    let number = core.superblock.raw.s_journal_inum.get();
    if !core.superblock.features.has(features::HAS_JOURNAL) || number == 0 {
        return 0;
    }
    let request = Request::new(0);
    let Ok(inode) = core.inode(&request, number) else {
        return 0;
    };
    let run = BlockMap::new(core, &request, &inode).run_at(0);
    let Ok(BlockPlace::At(block)) = run.map(|run| run.place) else {
        return 0;
    };
    let Ok(block) = core.read_block(&request, block) else {
        return 0;
    };
    let length = block.get(16..20).and_then(|bytes| bytes.first_chunk::<4>());
    length.map_or(0, |bytes| u32::from_be_bytes(*bytes)).into()
}

#[cfg(test)]
mod tests {
    use super::covered;

    #[test]
    fn overlapping_ranges_count_once() {
        assert_eq!(covered(vec![(5, 9), (0, 2), (1, 3), (6, 7), (9, 10)]), 8);
        assert_eq!(covered(Vec::new()), 0);
    }
}
