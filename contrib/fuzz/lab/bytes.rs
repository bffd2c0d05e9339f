//! Numbers in bytes, for those who look for structures and put checksums right. What is past the end
//! reads as 0, and is not written: images may be cut off.

/// `len` bytes at `start`.
pub fn slice(bytes: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let end = start.checked_add(len)?;
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// The number of `width` bytes at `at`, least byte first.
pub fn little(bytes: &[u8], at: u64, width: u64) -> u64 {
    let found = slice(bytes, at, width).unwrap_or_default();
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    found.iter().rev().fold(0, add)
}

/// The same, most significant byte first.
pub fn big(bytes: &[u8], at: u64, width: u64) -> u64 {
    let found = slice(bytes, at, width).unwrap_or_default();
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    found.iter().fold(0, add)
}

/// Writes `what` at `at`.
pub fn put(bytes: &mut [u8], at: u64, what: &[u8]) {
    let start = usize::try_from(at).unwrap_or(usize::MAX);
    let into = bytes
        .get_mut(start..)
        .and_then(|rest| rest.get_mut(..what.len()));
    if let Some(into) = into {
        into.copy_from_slice(what);
    }
}

/// Continues the CRC-32C `sum` over `bytes`, with no bits turned over before or behind.
pub fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!sum, bytes)
}
