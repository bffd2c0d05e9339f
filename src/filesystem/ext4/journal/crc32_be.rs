//! The checksum of JBD2's version 1.

/// The kernel's `crc32_be`: polynomial 0x04c11db7, most significant bit first, no inversions.
pub(super) fn crc32_be(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |crc, byte| {
        let [high, ..] = crc.to_be_bytes();
        let index = usize::from(high ^ byte);
        (crc << 8) ^ TABLE.get(index).copied().unwrap_or(0)
    })
}

const TABLE: [u32; 256] = table();

#[allow(
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)] // evaluated by the compiler, which refuses what overflows or leaves the array
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut crc = byte << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = crc & 0x8000_0000 != 0;
            crc = (crc << 1) ^ if carry { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_of_the_catalogue_of_checksums() {
        // CRC-32/MPEG-2 is crc32_be with an initial value of all ones.
        assert_eq!(crc32_be(!0, b"123456789"), 0x0376_e6e7);
    }
}
