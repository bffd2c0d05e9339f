//! A raw disk under any name is its own bytes: what the comparison itself is tried on.

use super::guest;
use crate::support::images::Scratch;

#[test]
fn a_raw_disk_is_read_byte_by_byte_with_its_holes() {
    need!(tool "qemu-img", tool "qemu-io");
    let scratch = Scratch::new();
    let size = 5 * 1024 * 1024 + 512;
    let raw = guest::disk(&scratch, size, 1);
    guest::overwrite(&raw, "raw", size, 2, 40);
    let copy = super::converted(&raw, "-f raw", &scratch);
    let odd = scratch.join("disk.any suffix");
    std::fs::rename(&raw, &odd).unwrap();
    let disk = super::disk(&odd);
    super::compare(&disk, &copy);
    super::compare_holes(&disk, &odd, "-f raw");
}

#[test]
#[should_panic(expected = "byte 0x")]
fn a_single_wrong_byte_is_found() {
    let scratch = Scratch::new();
    let raw = guest::disk(&scratch, 1 << 20, 3);
    let disk = super::disk(&raw);
    let other = scratch.join("other");
    let mut bytes = std::fs::read(&raw).unwrap();
    bytes[700_001] ^= 1;
    std::fs::write(&other, bytes).unwrap();
    super::compare(&disk, &other);
}
