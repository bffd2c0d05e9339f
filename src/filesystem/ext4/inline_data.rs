//! Small files and directories in the inode itself: the first 60 bytes in `i_block`, the rest as
//! the value of the attribute `system.data` behind the fixed fields.

use super::inode::InodeRecord;
use super::xattr;
use crate::error::{Error, Result};
use crate::number::{to_u64, to_usize};

/// Fills all of `buf` from byte `offset` of the inline content on.
///
/// # Errors
/// `Corrupt` where the inode holds less than that.
pub(super) fn read(inode: &InodeRecord, buf: &mut [u8], offset: u64) -> Result<()> {
    let content = content(inode)?;
    let from = content.get(to_usize(offset)..).unwrap_or(&[]);
    match from.get(..buf.len()) {
        Some(bytes) => {
            buf.copy_from_slice(bytes);
            Ok(())
        }
        None => Err(too_short(inode, content.len())),
    }
}

/// All inline content: `i_block` and the value of `system.data`, which is there even when empty.
///
/// # Errors
/// `Corrupt` without `system.data`, or where it is damaged.
pub(super) fn content(inode: &InodeRecord) -> Result<Vec<u8>> {
    let rest = xattr::inline_data(inode).ok_or_else(|| {
        let number = inode.number;
        let error = Error::corrupt(
            "the content is inline, and the attribute system.data is missing or damaged",
        );
        error.at(inode.offset).context(format!("inode {number}"))
    })?;
    let mut content = inode.raw.i_block.to_vec();
    content.extend_from_slice(rest);
    Ok(content)
}

/// The error of a file whose size is more than its inode holds.
fn too_short(inode: &InodeRecord, held: usize) -> Error {
    let (number, size) = (inode.number, inode.size);
    let error = Error::corrupt(format!(
        "i_size {size} is over the {} bytes in the inode",
        to_u64(held)
    ));
    error.at(inode.offset).context(format!("inode {number}"))
}
