//! Attributes as the kernel's driver gives them, and FAT's own as an extended attribute.

use super::core::Core;
use super::directory::Directory;
use super::file::{ATTRIBUTES, DIRECTORY, File, READ_ONLY};
use super::handle::ROOT;
use crate::error::{Error, Result};
use crate::filesystem::{Attributes, FileType, Request, Timestamp};

/// The attribute that holds `FileAttributes`, as ntfs-3g has its like: not listed, since no other
/// file system would take it.
pub(super) const ATTRIBUTE: &[u8] = b"system.fat_attrib";

/// The attributes of a file or of a directory.
///
/// # Errors
/// `Corrupt` for a size that no program could take.
pub(super) fn of_file(core: &Core<'_>, request: &Request, file: &File) -> Result<Attributes> {
    let length = file.stream.length;
    if i64::try_from(length).is_err() {
        let error = Error::corrupt(format!("DataLength {length} is over 2^63"));
        return Err(error.at(file.handle.place));
    }
    let mut attributes = plain(core, file.kind(), length);
    attributes.ino = file.handle.inode().0;
    if file.attributes & (READ_ONLY | DIRECTORY) == READ_ONLY {
        attributes.mode &= !0o222;
    }
    if file.kind() == FileType::Directory {
        let directory = Directory::of(core, file)?;
        attributes.nlink = links(core, request, &directory);
    }
    attributes.atime = file.accessed;
    attributes.mtime = file.modified;
    attributes.ctime = file.modified;
    attributes.crtime = Some(file.created);
    Ok(attributes)
}

/// The attributes of the root directory, which has none on disk: its times are 0, where the
/// kernel's driver has that of the mount.
pub(super) fn of_root(core: &Core<'_>, request: &Request) -> Attributes {
    let root = Directory::root(core);
    let clusters = core.chains.length(request, &core.fat, core.geometry.root);
    let size = u64::from(core.geometry.cluster_size());
    let size = size.saturating_mul(clusters.unwrap_or(1).into());
    let mut attributes = plain(core, FileType::Directory, size);
    attributes.ino = ROOT.0;
    attributes.nlink = links(core, request, &root);
    attributes
}

/// The bits of `FileAttributes` as the extended attribute has them: four bytes, little-endian, as
/// `FAT_IOCTL_GET_ATTRIBUTES` gives them.
pub(super) fn value(attributes: u16) -> Vec<u8> {
    u32::from(attributes & ATTRIBUTES).to_le_bytes().to_vec()
}

/// What all have.
fn plain(core: &Core<'_>, kind: FileType, size: u64) -> Attributes {
    let owner = core.options.owner;
    let mask = match kind {
        FileType::Directory => owner.dmask,
        _ => owner.fmask,
    };
    let clusters = core.geometry.clusters_for(size);
    let sectors = u64::from(core.geometry.cluster_size() / 512);
    Attributes {
        ino: 0,
        kind,
        mode: 0o777 & !mask,
        uid: owner.uid,
        gid: owner.gid,
        size,
        blocks: clusters.saturating_mul(sectors),
        block_size: core.geometry.cluster_size(),
        nlink: 1,
        rdev: (0, 0),
        atime: Timestamp::default(),
        mtime: Timestamp::default(),
        ctime: Timestamp::default(),
        crtime: None,
        flags: 0,
        generation: 0,
    }
}

/// Two, and one for each directory in it; as many as can be counted where it is damaged.
fn links(core: &Core<'_>, request: &Request, directory: &Directory) -> u32 {
    let mut count = 2;
    let _ = directory.count(core, request, &mut count);
    count
}
