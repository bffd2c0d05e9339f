//! What QEMU's formats say of another file: its name and format in QEMU's words.

use crate::error::printable;

/// The format that QEMU calls `name`, by our name for it, or as it stands where there is no reader.
pub(super) fn format(name: &[u8]) -> String {
    match name {
        b"raw" | b"file" | b"host_device" => "raw".to_owned(),
        b"vpc" => "vhd".to_owned(),
        b"VHDX" => "vhdx".to_owned(),
        other => printable(other),
    }
}

/// The name without the `file:` that QEMU allows in front.
pub(super) fn file_name(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"file:").unwrap_or(name)
}
