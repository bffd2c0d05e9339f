//! What the `EntryType` of a directory entry says (6.2.1).

/// The end of the directory: this entry and all behind it are unused.
pub(super) const END: u8 = 0x00;
/// Allocation Bitmap.
pub(super) const BITMAP: u8 = 0x81;
/// Up-case Table.
pub(super) const UPCASE: u8 = 0x82;
/// Volume Label.
pub(super) const LABEL: u8 = 0x83;
/// File: a directory too.
pub(super) const FILE: u8 = 0x85;
/// Volume GUID.
pub(super) const GUID: u8 = 0xa0;
/// Stream Extension.
pub(super) const STREAM: u8 = 0xc0;
/// File Name.
pub(super) const NAME: u8 = 0xc1;

/// `InUse`: without it the entry was deleted.
const IN_USE: u8 = 0x80;
/// `TypeCategory`: a secondary entry, which belongs to the primary before it.
const SECONDARY: u8 = 0x40;
/// `TypeImportance`: benign, to be skipped by who does not know it.
const BENIGN: u8 = 0x20;

/// Whether an entry is one of those behind a file's that may be skipped: Vendor Extension, Vendor
/// Allocation, and what is yet to come.
pub(super) fn is_benign_secondary(kind: u8) -> bool {
    let bits = IN_USE | SECONDARY | BENIGN;
    kind & bits == bits
}

/// Whether an entry is a primary one that must be known to be understood, and is not.
pub(super) fn is_unknown_critical(kind: u8) -> bool {
    let primary = kind & (IN_USE | SECONDARY | BENIGN) == IN_USE;
    primary && !matches!(kind, BITMAP | UPCASE | LABEL | FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn importance_and_category_tell_what_is_skipped() {
        for (kind, benign, unknown) in [
            (END, false, false),
            (0x05, false, false),
            (0x80, false, true),
            (BITMAP, false, false),
            (0x84, false, true),
            (FILE, false, false),
            (0x9f, false, true),
            (GUID, false, false),
            (0xa1, false, false),
            (STREAM, false, false),
            (0xc2, false, false),
            (0xe0, true, false),
            (0xff, true, false),
        ] {
            assert_eq!(is_benign_secondary(kind), benign, "{kind:#x}");
            assert_eq!(is_unknown_critical(kind), unknown, "{kind:#x}");
        }
    }
}
