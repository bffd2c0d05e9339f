//! Turns an image with LZ4 clusters of one block and full indexes into what it would have been
//! before Linux 5.4, when what is packed stood at the beginning of its block. No program makes such
//! images any more; the kernel still reads them.

use std::collections::BTreeSet;

const SUPERBLOCK: usize = 1024;
const BLOCK: usize = 4096;

/// Makes the superblock's checksum right.
pub fn seal(bytes: &mut [u8]) {
    bytes[SUPERBLOCK + 4..SUPERBLOCK + 8].fill(0);
    let sum = !crc32c::crc32c(&bytes[SUPERBLOCK..BLOCK]);
    bytes[SUPERBLOCK + 4..SUPERBLOCK + 8].copy_from_slice(&sum.to_le_bytes());
}

/// Moves every cluster to the front of its block; gives how many there were.
pub fn unpad(bytes: &mut [u8]) -> usize {
    let blocks = clusters(bytes);
    for block in &blocks {
        let cluster = &mut bytes[block * BLOCK..(block + 1) * BLOCK];
        let zeros = cluster.iter().take_while(|byte| **byte == 0).count();
        cluster.rotate_left(zeros);
    }
    bytes[SUPERBLOCK + 80] &= !1;
    // What a program of that time wrote: distances without a limit of their own.
    bytes[SUPERBLOCK + 84..SUPERBLOCK + 86].copy_from_slice(&u16::MAX.to_le_bytes());
    seal(bytes);
    blocks.len()
}

/// The blocks of all clusters: those that the indexes of all files name, from the root on.
fn clusters(bytes: &[u8]) -> BTreeSet<usize> {
    let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let word = |at: usize| half(at) | half(at + 2) << 16;
    let mut blocks = BTreeSet::new();
    let mut left = vec![half(SUPERBLOCK + 14)];
    let mut seen = BTreeSet::new();
    let meta = word(SUPERBLOCK + 40) * BLOCK;
    while let Some(nid) = left.pop() {
        if !seen.insert(nid) {
            continue;
        }
        let inode = meta + nid * 32;
        let format = half(inode);
        let xattrs = half(inode + 2);
        let behind = inode + [32, 64][format & 1] + [0, 8 + xattrs * 4][usize::from(xattrs > 0)];
        let size = word(inode + 8);
        match (half(inode + 4) >> 12, format >> 1 & 7) {
            (4, layout) => {
                let whole = if layout == 2 {
                    size.saturating_sub(1) / BLOCK
                } else {
                    size.div_ceil(BLOCK)
                };
                let start = word(inode + 16);
                let places = (0..size.div_ceil(BLOCK)).map(|number| match number < whole {
                    true => (start + number) * BLOCK,
                    false => behind,
                });
                for place in places {
                    let count = half(place + 8) / 12;
                    left.extend((0..count).map(|entry| word(place + entry * 12)));
                }
            }
            (8, 1) => {
                let table = behind.next_multiple_of(8) + 16;
                let indexes = (0..size.div_ceil(BLOCK)).map(|number| table + number * 8);
                let heads = indexes.filter(|at| half(*at) & 3 == 1);
                blocks.extend(heads.map(|at| word(at + 4)));
            }
            _ => {}
        }
    }
    blocks
}
