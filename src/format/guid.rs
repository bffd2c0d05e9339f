//! GUIDs, as Microsoft stores and spells them.

/// `bytes` as on disk, in the customary spelling and lower case: `0fc63daf-8483-4772-8e79-3d69d8477de4`.
/// The first three fields are little-endian, the rest are single bytes.
#[must_use]
pub fn guid(bytes: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
    let [i, j, node @ ..] = rest;
    let first = u32::from_le_bytes([a, b, c, d]);
    let second = u16::from_le_bytes([e, f]);
    let third = u16::from_le_bytes([g, h]);
    let mut text = format!("{first:08x}-{second:04x}-{third:04x}-{i:02x}{j:02x}-");
    for byte in node {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
