//! Checksums put right again. Where a structure lies, and whose it is, is as in the sound image; what
//! they are computed from is as it is now.

use std::ops::Range;

use crate::bytes::{big, crc32c as crc, little, put, slice};
use crate::family::Structure;

use super::locate::SUPERBLOCK;

/// `s_feature_ro_compat`: crc32c of all metadata, or crc16 of group descriptors alone.
const METADATA_CSUM: u64 = 0x400;
const GDT_CSUM: u64 = 0x10;
/// `s_feature_incompat`: the seed is not the UUID's.
const CSUM_SEED: u64 = 0x2000;

/// Seals every structure that `touched` has bytes of.
pub fn seal(bytes: &mut [u8], structures: &[Structure], touched: &Range<u64>) {
    let features = little(bytes, SUPERBLOCK + 0x64, 4);
    let hit =
        |found: &&Structure| found.range.start < touched.end && touched.start < found.range.end;
    // What is inside another is found behind it, and has no checksum of its own then.
    for found in structures.iter().filter(hit) {
        let (kind, number) = found.name.rsplit_once(' ').unwrap_or((&found.name, "0"));
        let number: u64 = number.parse().unwrap_or(0);
        if kind.starts_with("journal") {
            journal(bytes, structures, kind, &found.range);
        } else if kind == "group descriptor" {
            group(bytes, features, number as u32, &found.range);
        } else if features & METADATA_CSUM != 0 {
            let owner = owner(bytes, structures, found);
            metadata(bytes, kind, number, owner, &found.range);
        }
    }
}

/// The bytes of `range`, or none where it leaves the file.
fn part(bytes: &[u8], range: Range<u64>) -> &[u8] {
    slice(bytes, range.start, range.end - range.start).unwrap_or_default()
}

/// The seed of the whole file system.
fn seed(bytes: &[u8]) -> u32 {
    match little(bytes, SUPERBLOCK + 0x60, 4) & CSUM_SEED {
        0 => crc(!0, part(bytes, SUPERBLOCK + 0x68..SUPERBLOCK + 0x78)),
        _ => little(bytes, SUPERBLOCK + 0x270, 4) as u32,
    }
}

/// The seed of the inode that `found` belongs to, or is.
fn owner(bytes: &[u8], structures: &[Structure], found: &Structure) -> u32 {
    let mut at = found;
    while let Some(parent) = at.parent {
        if at.name.starts_with("inode ") {
            break;
        }
        let starts = |other: &&Structure| other.range.start == parent;
        match structures.iter().find(starts) {
            Some(found) => at = found,
            None => break,
        }
    }
    let number = at
        .name
        .strip_prefix("inode ")
        .and_then(|it| it.parse().ok());
    let number: u32 = number.unwrap_or(0);
    let generation = little(bytes, at.range.start + 0x64, 4) as u32;
    let seed = crc(seed(bytes), &number.to_le_bytes());
    crc(seed, &generation.to_le_bytes())
}

fn group(bytes: &mut [u8], features: u64, group: u32, range: &Range<u64>) {
    let at = range.start;
    let (head, tail) = (
        part(bytes, at..at + 0x1e),
        part(bytes, at + 0x20..range.end),
    );
    let number = group.to_le_bytes();
    let sum = if features & METADATA_CSUM != 0 {
        let parts = [&number[..], head, &[0, 0], tail];
        let sum = parts.iter().fold(seed(bytes), |sum, part| crc(sum, part));
        sum as u16
    } else if features & GDT_CSUM != 0 {
        let uuid = part(bytes, SUPERBLOCK + 0x68..SUPERBLOCK + 0x78);
        let all = [uuid, &number, head, tail].concat();
        ::crc::Crc::<u16>::new(&::crc::CRC_16_MODBUS).checksum(&all)
    } else {
        return;
    };
    put(bytes, at + 0x1e, &sum.to_le_bytes());
}

fn metadata(bytes: &mut [u8], kind: &str, number: u64, owner: u32, range: &Range<u64>) {
    let (at, end) = (range.start, range.end);
    match kind {
        "superblock" => {
            let sum = crc(!0, part(bytes, at..at + 0x3fc));
            put(bytes, at + 0x3fc, &sum.to_le_bytes());
        }
        "inode" => inode(bytes, owner, range),
        "extent block" => {
            // Behind as many entries as a sound node has room for.
            let tail = at + 12 + (end - at - 12) / 12 * 12;
            let sum = crc(owner, part(bytes, at..tail));
            put(bytes, tail, &sum.to_le_bytes());
        }
        "directory block" => {
            let sum = crc(owner, part(bytes, at..end - 12));
            put(bytes, end - 4, &sum.to_le_bytes());
        }
        "hash tree root" => hash_tree(bytes, owner, range, 0x20),
        "hash tree node" => hash_tree(bytes, owner, range, 8),
        "attribute block" => {
            put(bytes, at + 0x10, &[0; 4]);
            let sum = crc(seed(bytes), &number.to_le_bytes());
            let sum = crc(sum, part(bytes, at..end));
            put(bytes, at + 0x10, &sum.to_le_bytes());
        }
        // In an inode, whose checksum covers it; or pointers, which have none.
        _ => {}
    }
}

fn inode(bytes: &mut [u8], owner: u32, range: &Range<u64>) {
    let at = range.start;
    let is_wide = range.end - at > 128 && little(bytes, at + 0x80, 2) >= 4;
    put(bytes, at + 0x7c, &[0; 2]);
    if is_wide {
        put(bytes, at + 0x82, &[0; 2]);
    }
    let sum = crc(owner, part(bytes, range.clone())).to_le_bytes();
    put(bytes, at + 0x7c, &sum[..2]);
    if is_wide {
        put(bytes, at + 0x82, &sum[2..]);
    }
}

/// A root or node whose counts are `counts` bytes into its block.
fn hash_tree(bytes: &mut [u8], owner: u32, range: &Range<u64>, counts: u64) {
    let (at, tail) = (range.start, range.end - 8);
    let used = counts + little(bytes, at + counts + 2, 2) * 8;
    let parts = [
        part(bytes, at..(at + used).min(tail)),
        part(bytes, tail..tail + 4),
        &[0; 4],
    ];
    let sum = parts.iter().fold(owner, |sum, part| crc(sum, part));
    put(bytes, tail + 4, &sum.to_le_bytes());
}

/// A block of the journal, where it has checksums.
fn journal(bytes: &mut [u8], structures: &[Structure], kind: &str, range: &Range<u64>) {
    let is_superblock = |found: &&Structure| found.name.starts_with("journal superblock");
    let Some(superblock) = structures.iter().find(is_superblock) else {
        return;
    };
    let start = superblock.range.start;
    if big(bytes, start + 0x28, 4) & 0x18 == 0 {
        return;
    }
    let seed = crc(!0, part(bytes, start + 0x30..start + 0x40));
    let (seed, place) = match kind {
        "journal superblock" => (!0, start + 0xfc),
        "journal commit" => (seed, range.start + 0x10),
        _ => (seed, range.end - 4),
    };
    put(bytes, place, &[0; 4]);
    let sum = crc(seed, part(bytes, range.clone()));
    put(bytes, place, &sum.to_be_bytes());
}
