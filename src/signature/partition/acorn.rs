//! The partition tables of Acorn machines. There never was a standard: every maker of disk
//! interfaces had its own (the Linux kernel's `block/partitions/acorn.c`).

use super::View;

/// Any of them.
pub(super) fn is_acorn(view: &View<'_>) -> bool {
    is_eesox(view) || is_ics(view) || is_powertec(view) || is_split_adfs(view)
}

/// Eesox: an entry in sector 7, xored with a name.
fn is_eesox(view: &View<'_>) -> bool {
    let magic: [u8; 6] = view.bytes(7 * 512);
    let plain = magic.iter().zip(b"Neil C").map(|(byte, key)| byte ^ key);
    plain.eq(*b"Eesox\0")
}

/// ICS: the sum of the first sector's bytes, with "Part" as a number to begin with, at its end.
fn is_ics(view: &View<'_>) -> bool {
    let sector: [u8; 508] = view.bytes(0);
    let bytes = sector.iter().map(|byte| u32::from(*byte));
    let sum = bytes.fold(0x5061_7274_u32, u32::wrapping_add);
    sum == view.le32(508) && view.le32(4) != 0
}

/// PowerTec: an 8-bit sum of the first sector's bytes at its end, no MBR, and every entry in use on
/// the disk.
fn is_powertec(view: &View<'_>) -> bool {
    let sector: [u8; 512] = view.bytes(0);
    let (last, bytes) = sector.split_last().unwrap_or((&0, &[]));
    let sum = bytes
        .iter()
        .fold(0x2a_u8, |sum, byte| sum.wrapping_add(*byte));
    let sectors = view.size().div_euclid(512);
    let entries = (0..12_u64).map(|slot| {
        let at = slot.saturating_mul(28).saturating_add(8);
        let (start, size) = (view.le32(at), view.le32(at.saturating_add(4)));
        (u64::from(start), u64::from(size))
    });
    let used = || entries.clone().filter(|(_, size)| *size != 0);
    let fit = used().all(|(start, size)| start.saturating_add(size) <= sectors);
    sum == *last && !view.has(510, &[0x55, 0xaa]) && fit && used().next().is_some()
}

/// An ADFS boot block whose disc is followed by a partition of another system: Linux or RISC iX.
fn is_split_adfs(view: &View<'_>) -> bool {
    let block: [u8; 512] = view.bytes(6 * 512);
    let [system, low, high, _] = view.bytes(6 * 512 + 0x1fc);
    let size = view.le32(6 * 512 + 0x1c0 + 16);
    let is_known = matches!(system & 15, 1 | 2 | 9) && (low, high) != (0, 0);
    is_known && size != 0 && has_sum(&block)
}

/// The last byte is the sum of the others, from the end on, each carry added to the next.
fn has_sum(block: &[u8; 512]) -> bool {
    let (last, bytes) = block.split_last().unwrap_or((&0, &[]));
    let carried = |sum: u32| (sum & 0xff).saturating_add(sum >> 8);
    let add = |sum: u32, byte: &u8| carried(sum).saturating_add(u32::from(*byte));
    let sum = bytes.iter().rev().fold(0, add);
    sum & 0xff == u32::from(*last)
}
