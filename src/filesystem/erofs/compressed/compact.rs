//! Packed indexes: several of them share a pack, which ends with the first block of the first
//! cluster that begins in it. A pack has 2 indexes in 8 bytes, or 16 of them in 32 bytes.
//!
//! Where a cluster begins an index has its place in the logical cluster; elsewhere the distance to
//! its head, or in the last index of a pack to the next one. Blocks are counted from the pack's
//! first: by the clusters that begin before, and by the counts that large ones give.

use super::Map;
use super::header::Clusters;
use super::lclusters::{BLOCK_COUNT, Body, Head, Index, Kind, kind};
use crate::error::{Error, Result};
use crate::number::to_usize;

/// Bytes of the largest pack.
const MOST: usize = 32;
/// The bits that a distance has at least.
const DISTANCE_BITS: u32 = 12;

/// A pack.
struct Pack {
    bytes: [u8; MOST],
    /// Bytes it has: 8 or 32.
    size: usize,
    /// Indexes in it: 2 of 16 bits, or 16 of 14.
    count: usize,
    /// Bits of an index without its kind.
    bits: u32,
    /// Large clusters say how many blocks they have.
    big: bool,
}

/// Where the index of a logical cluster is.
struct Place {
    /// The byte that its pack begins at.
    pack: u64,
    /// Bytes of the pack.
    size: u64,
    /// Its number in the pack.
    number: usize,
}

/// The index of logical cluster `number`.
pub(super) fn read(map: &Map<'_>, table: &Clusters, number: u64) -> Result<Index> {
    let place = place(map, table, number)?;
    let mut pack = Pack {
        bytes: [0; MOST],
        size: to_usize(place.size),
        count: if place.size == 8 { 2 } else { 16 },
        bits: table.bits.max(DISTANCE_BITS),
        big: table.big.0,
    };
    let bytes = pack.bytes.split_at_mut(pack.size).0;
    map.core
        .read_metadata(map.request, map.inode.in_metabox(), bytes, place.pack)?;
    pack.index(place.number)
        .map_err(|error| error.at(place.pack))
}

/// The byte that the pack of logical cluster `number` begins at.
pub(super) fn pack(map: &Map<'_>, table: &Clusters, number: u64) -> Result<u64> {
    Ok(place(map, table, number)?.pack)
}

/// The byte behind the pack of logical cluster `number`.
pub(super) fn behind(map: &Map<'_>, table: &Clusters, number: u64) -> Result<u64> {
    let place = place(map, table, number)?;
    Ok(place.pack.saturating_add(place.size))
}

/// Indexes have 4 bytes on average up to a border of 32 bytes, then 2 as long as there are 16 of
/// them, where the header says so, and 4 from there on.
fn place(map: &Map<'_>, table: &Clusters, number: u64) -> Result<Place> {
    let count = map.inode.size.div_ceil(map.core.superblock.block_size());
    if number >= count {
        let text = format!("logical cluster {number} of {count}");
        return Err(Error::corrupt(text));
    }
    let head = (table.start.next_multiple_of(32).saturating_sub(table.start)) / 4;
    let middle = match table.compact {
        Some(true) => count.saturating_sub(head) & !15,
        _ => 0,
    };
    let at = |bytes: u64| table.start.saturating_add(bytes);
    let in_middle = number.saturating_sub(head);
    // Where the index is, and the bytes of its pack and of itself as powers of two.
    let (at, pack_bits, bits) = if number < head {
        (at(number.saturating_mul(4)), 3, 2)
    } else if in_middle < middle {
        let bytes = head
            .saturating_mul(4)
            .saturating_add(in_middle.saturating_mul(2));
        (at(bytes), 5, 1)
    } else {
        let rest = in_middle.saturating_sub(middle).saturating_mul(4);
        let before = head
            .saturating_mul(4)
            .saturating_add(middle.saturating_mul(2));
        (at(before.saturating_add(rest)), 3, 2)
    };
    if bits == 1 && table.bits > DISTANCE_BITS {
        let text = format!("logical clusters of 2^{} bytes in 2 bytes each", table.bits);
        return Err(Error::unsupported(text));
    }
    let pack = at >> pack_bits << pack_bits;
    Ok(Place {
        pack,
        size: 1 << pack_bits,
        number: to_usize(at.saturating_sub(pack) >> bits),
    })
}

impl Pack {
    /// The index with the number `number` in the pack.
    fn index(&self, number: usize) -> Result<Index> {
        let (value, head) = self.item(number);
        if let Some(kind) = head {
            return Ok(Index::Head(Head {
                kind,
                skip: value,
                block: self.block(number)?,
                partial: false,
            }));
        }
        let ahead = self.ahead(number);
        if value & BLOCK_COUNT != 0 {
            if !self.big {
                let text = "an index counts blocks, and h_advise says that none does";
                return Err(Error::corrupt(text));
            }
            return Ok(Index::Body(Body {
                blocks: Some(value & !BLOCK_COUNT),
                back: 1,
                ahead,
            }));
        }
        let back = match number.checked_add(1) == Some(self.count) {
            true => self.back_by_neighbour(number),
            false => value,
        };
        let blocks = None;
        Ok(Index::Body(Body {
            blocks,
            back,
            ahead,
        }))
    }

    /// The last index of a pack has no distance back; its neighbour has.
    fn back_by_neighbour(&self, number: usize) -> u64 {
        match self.item(number.saturating_sub(1)) {
            (_, Some(_)) => 1,
            (value, None) if value & BLOCK_COUNT != 0 => 2,
            (value, None) => value.saturating_add(1),
        }
    }

    /// Logical clusters from index `number` to the next head, as far as the pack tells.
    fn ahead(&self, number: usize) -> u64 {
        let mut ahead: u64 = 0;
        let mut last = 0;
        for other in number..self.count {
            match self.item(other) {
                (_, Some(_)) => return ahead,
                (value, None) => last = value,
            }
            ahead = ahead.saturating_add(1);
        }
        match last & BLOCK_COUNT {
            0 => ahead.saturating_add(last).saturating_sub(1),
            _ => ahead,
        }
    }

    /// The first block of the cluster whose head is index `number`.
    fn block(&self, number: usize) -> Result<u64> {
        let before = match self.big {
            true => self.blocks_before(number)?,
            false => self.heads_before(number),
        };
        let base = self.bytes.get(..self.size).and_then(<[u8]>::last_chunk);
        let base = u32::from_le_bytes(base.copied().unwrap_or_default());
        // As the kernel counts: in 32 bits, in which the block before the first is the last.
        let before = u32::try_from(before).unwrap_or(0); // 16 times 2^11 at most
        Ok(base.wrapping_add(before).into())
    }

    /// Clusters that begin in the pack up to index `number`, each of one block.
    fn heads_before(&self, number: usize) -> u64 {
        let mut count = 1;
        let mut at = number;
        while let Some(before) = at.checked_sub(1) {
            at = before;
            if let (value, None) = self.item(at) {
                match at.checked_sub(to_usize(value)) {
                    Some(head) => at = head,
                    None => break,
                }
            }
            count = u64::saturating_add(count, 1);
        }
        count
    }

    /// Blocks of the clusters that begin in the pack before index `number`.
    fn blocks_before(&self, number: usize) -> Result<u64> {
        let mut blocks: u64 = 0;
        let mut at = number;
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let (value, head) = self.item(at);
            if head.is_some() {
                blocks = blocks.saturating_add(1);
            } else if value & BLOCK_COUNT != 0 {
                blocks = blocks.saturating_add(value & !BLOCK_COUNT);
                at = at.saturating_sub(1);
            } else if value <= 1 {
                let text = "an index right behind its head does not count its blocks";
                return Err(Error::corrupt(text));
            } else {
                // To the index right behind the head, which counts the blocks.
                at = at.saturating_sub(to_usize(value.saturating_sub(2)));
            }
        }
        Ok(blocks)
    }

    /// Value and kind of an index; no kind for one that is no head.
    fn item(&self, number: usize) -> (u64, Option<Kind>) {
        let each = if self.count == 2 { 16 } else { 14_usize };
        let bit = each.saturating_mul(number);
        let mut word = [0; 4];
        let from = self.bytes.get(bit / 8..).unwrap_or(&[]);
        for (to, from) in word.iter_mut().zip(from) {
            *to = *from;
        }
        let value = u32::from_le_bytes(word) >> (bit % 8);
        let mask = (1_u32 << self.bits).wrapping_sub(1); // at most 14 bits
        ((value & mask).into(), kind(value >> self.bits))
    }
}
