//! Symbolic links: fast (the target in `i_block`), slow (in a block), inline.

use super::content;
use super::core::Core;
use super::encryption;
use super::features;
use super::inode::{self, InodeRecord};
use crate::error::{Error, Result};
use crate::filesystem::{FileType, Request};
use crate::number::{to_u64, to_usize};

/// What a target with the NUL that ends it never exceeds: it has one block, and is a path.
const LONGEST: u64 = 4096;

/// The target of a symbolic link; of an encrypted one, as the kernel shows it without the key.
///
/// # Errors
/// `Corrupt` for a target that is empty, too long, or has a NUL.
pub(super) fn target(core: &Core, request: &Request, inode: &InodeRecord) -> Result<Vec<u8>> {
    let stored = stored(core, request, inode)?;
    if inode.has(inode::ENCRYPT) {
        return encryption::show_target(inode, &stored);
    }
    if stored.contains(&0) {
        return Err(wrong(inode, "a NUL in the target"));
    }
    Ok(stored)
}

/// The bytes of the target as they are on disk.
fn stored(core: &Core, request: &Request, inode: &InodeRecord) -> Result<Vec<u8>> {
    let size = inode.size;
    if size == 0 || size >= LONGEST.min(to_u64(core.superblock.block_size())) {
        return Err(wrong(
            inode,
            &format!("i_size {size} is no length of a target"),
        ));
    }
    let mut target = vec![0; to_usize(size)];
    if is_fast(core, inode) {
        match inode.raw.i_block.get(..target.len()) {
            Some(bytes) if target.len() < inode.raw.i_block.len() => target.copy_from_slice(bytes),
            _ => {
                return Err(wrong(
                    inode,
                    &format!("i_size {size} is over the 59 bytes of a fast link"),
                ));
            }
        }
    } else {
        content::read(core, request, inode, &mut target, 0)?;
    }
    Ok(target)
}

fn wrong(inode: &InodeRecord, what: &str) -> Error {
    let error = Error::corrupt(what).at(inode.offset);
    error.context(format!("inode {}: symbolic link", inode.number))
}

/// Whether the target is in `i_block`. A file system without ea_inode says so by having no blocks
/// but that of the attributes; with it, blocks may be those of attribute values, and the size says.
fn is_fast(core: &Core, inode: &InodeRecord) -> bool {
    if inode.kind != FileType::Symlink || inode.is_inline() {
        return false;
    }
    if core.superblock.features.has(features::EA_INODE) {
        return inode.size < to_u64(inode.raw.i_block.len());
    }
    let cluster = 1_u64.wrapping_shl(
        core.superblock
            .block_bits
            .saturating_add(core.superblock.cluster_bits),
    );
    let attributes = if inode.file_acl(core) == 0 {
        0
    } else {
        cluster / 512
    };
    inode.sectors(core) == attributes
}
