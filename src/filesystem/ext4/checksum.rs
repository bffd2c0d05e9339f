//! The checksums of metadata: crc32c under `metadata_csum`, crc16 for the group descriptors of
//! `uninit_bg`.
//!
//! ext4 runs crc32c without the inversions at start and end that the usual definition has, so that
//! a sum can be continued: over the file system's UUID (the seed), then an inode's number and
//! generation (the inode's seed), then the object.

/// The start of a sum that has no seed.
pub(super) const START: u32 = !0;

/// Continues the crc32c `sum` over `bytes`.
pub(super) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!sum, bytes)
}

/// Continues the crc32c `sum` over `block`, with zeros for the four bytes at `hole`: where it keeps
/// its own sum.
pub(super) fn crc32c_around(sum: u32, block: &[u8], hole: usize) -> u32 {
    let (before, rest) = block.split_at_checked(hole).unwrap_or((block, &[]));
    let sum = crc32c(crc32c(sum, before), &[0; 4]);
    crc32c(sum, rest.get(4..).unwrap_or(&[]))
}

/// Continues the crc16 `sum` (polynomial 0x8005, reflected) over `bytes`.
pub(super) fn crc16(sum: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(sum, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            let carry = if sum & 1 == 0 { 0 } else { 0xa001 };
            sum >> 1 ^ carry
        })
    })
}

/// The low 16 bits of a sum.
pub(super) fn low(sum: u32) -> u16 {
    let [a, b, ..] = sum.to_le_bytes();
    u16::from_le_bytes([a, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_catalogue_of_parametrised_crcs() {
        assert_eq!(!crc32c(START, b"123456789"), 0xe306_9283); // CRC-32/ISCSI
        assert_eq!(crc16(!0, b"123456789"), 0x4b37); // CRC-16/MODBUS
    }

    #[test]
    fn a_sum_continues() {
        assert_eq!(
            crc32c(crc32c(START, b"1234"), b"56789"),
            crc32c(START, b"123456789")
        );
    }
}
