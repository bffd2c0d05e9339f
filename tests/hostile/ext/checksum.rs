//! The checksums of ext4 and its journal, written from the kernel's documentation and sharing
//! nothing with the reader under test. `selfcheck.rs` has e2fsck judge them.

/// CRC-32C as ext4 uses it: reflected, no inversion at the end, `seed` instead of the start value.
pub fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    };
    // Bit by bit is slow in a debug build; the table is made once.
    static TABLE: std::sync::OnceLock<Vec<u32>> = std::sync::OnceLock::new();
    let table = TABLE.get_or_init(|| (0..=255u8).map(|byte| step(0, &byte)).collect());
    bytes.iter().fold(seed, |crc, byte| {
        (crc >> 8) ^ table[usize::from(crc as u8 ^ byte)]
    })
}

/// CRC-16 (ANSI, reflected), of the group descriptors before `metadata_csum`.
pub fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xa001 & (crc & 1).wrapping_neg())
        })
    })
}
