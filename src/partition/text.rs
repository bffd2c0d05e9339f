//! Texts in tables.

/// The bytes of a text before its first NUL, all of them where it has none.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}
