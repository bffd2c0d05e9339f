//! LVM2's checksum (lib/misc/crc.c): the usual CRC-32, which starts from a number of its own and is
//! not inverted in the end.

/// `INITIAL_CRC`.
const INITIAL_CRC: u32 = 0xf597_a6cf;

/// The checksum of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!INITIAL_CRC);
    hasher.update(bytes);
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of sixteen in lib/misc/crc.c takes four bits at a time; one bit at a time is the
    /// same polynomial.
    #[test]
    fn it_is_crc_32_without_the_last_inversion() {
        let slow = |bytes: &[u8]| {
            bytes.iter().fold(INITIAL_CRC, |crc, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                    (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
                })
            })
        };
        for bytes in [&b""[..], b"a", b"test_volume_group {\n"] {
            assert_eq!(checksum(bytes), slow(bytes));
        }
    }
}
