//! exFAT's sums: rotate right by one bit, add the next byte.

/// Bytes of the boot sector that change without a new sum (3.4): `VolumeFlags` and `PercentInUse`.
const CHANGING: [usize; 3] = [106, 107, 112];

/// The checksum of the boot region (3.4): of its first eleven sectors.
pub(super) fn boot(sectors: &[u8]) -> u32 {
    let counted = |(index, _): &(usize, &u8)| !CHANGING.contains(index);
    let bytes = sectors.iter().enumerate().filter(counted);
    sum32(bytes.map(|(_, byte)| *byte))
}

/// The `TableChecksum` of an up-case table (7.2.2).
pub(super) fn table(bytes: &[u8]) -> u32 {
    sum32(bytes.iter().copied())
}

/// The `SetChecksum` of a file's entries (6.3.3), which leaves itself out.
pub(super) fn set(entries: &[u8]) -> u16 {
    let counted = |(index, _): &(usize, &u8)| !matches!(index, 2 | 3);
    let bytes = entries.iter().enumerate().filter(counted);
    sum16(bytes.map(|(_, byte)| *byte))
}

/// The `NameHash` of an up-cased name (7.6.4).
pub(super) fn name(units: impl IntoIterator<Item = u16>) -> u16 {
    sum16(units.into_iter().flat_map(u16::to_le_bytes))
}

fn sum32(bytes: impl Iterator<Item = u8>) -> u32 {
    let add = |sum: u32, byte: u8| sum.rotate_right(1).wrapping_add(byte.into());
    bytes.fold(0, add)
}

fn sum16(bytes: impl Iterator<Item = u8>) -> u16 {
    let add = |sum: u16, byte: u8| sum.rotate_right(1).wrapping_add(byte.into());
    bytes.fold(0, add)
}
