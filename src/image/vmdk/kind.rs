//! What `createType` says of a disk: which are files, and which stand for something else.

use super::descriptor::Descriptor;
use crate::error::{Error, Result};

/// The kinds of disk whose extents are files, in lower case.
const FILES: [&str; 14] = [
    "monolithicsparse",
    "monolithicflat",
    "twogbmaxextentsparse",
    "twogbmaxextentflat",
    "2gbmaxextentsparse",
    "2gbmaxextentflat",
    "streamoptimized",
    "vmfs",
    "vmfsthin",
    "vmfspreallocated",
    "vmfseagerzeroedthick",
    "vmfssparse",
    "sesparse",
    "custom",
];

/// The kinds that stand for a device of the host that wrote them.
const DEVICES: [&str; 7] = [
    "fulldevice",
    "partitioneddevice",
    "vmfsraw",
    "vmfsrdm",
    "vmfsrdmp",
    "vmfsrawdevicemap",
    "vmfspassthroughrawdevicemap",
];

/// Refuses what cannot be read from files.
///
/// # Errors
/// `Corrupt` without a `createType`; `Unsupported` for a device, naming the kind, and for kinds that
/// are not known; `Locked` for an encrypted disk.
pub(super) fn check(descriptor: &Descriptor) -> Result<()> {
    descriptor.version()?;
    let kind = descriptor.create_type()?;
    let lower = kind.to_ascii_lowercase();
    if is_encrypted(descriptor) {
        return Err(Error::locked("it is encrypted by VMware"));
    }
    if FILES.contains(&lower.as_str()) {
        return Ok(());
    }
    if DEVICES.contains(&lower.as_str()) {
        let text = format!("createType {kind} stands for a device of the host that made it");
        return Err(Error::unsupported(text));
    }
    Err(Error::unsupported(format!(
        "createType {kind} is not known"
    )))
}

fn is_encrypted(descriptor: &Descriptor) -> bool {
    let filters = descriptor.text("ddb.iofilters").unwrap_or_default();
    let keys = ["encryptionkeys", "ddb.encryptionkeys"];
    filters.to_ascii_lowercase().contains("vmcrypt")
        || keys.iter().any(|key| descriptor.get(key).is_some())
}
