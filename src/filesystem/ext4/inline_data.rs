//! Small files and directories in the inode itself: the first 60 bytes in `i_block`, the rest as
//! the value of the attribute `system.data` behind the fixed fields.

use zerocopy::FromBytes;

use super::inode::InodeRecord;
use super::layout::RawXattrEntry;
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
    let rest = system_data(inode.tail()).ok_or_else(|| {
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

/// `h_magic` in front of the attributes in an inode.
const MAGIC: [u8; 4] = 0xea02_0000_u32.to_le_bytes();

/// `e_name_index` of `system.`.
const SYSTEM: u8 = 7;

/// The value of `system.data` among the attributes in an inode. It never lies anywhere else.
fn system_data(tail: &[u8]) -> Option<&[u8]> {
    let values = tail.strip_prefix(&MAGIC)?;
    let mut entries = values;
    loop {
        let (entry, rest) = RawXattrEntry::ref_from_prefix(entries).ok()?;
        if entry.e_name_len == 0 && entry.e_name_index == 0 && entry.e_value_offs.get() == 0 {
            return None;
        }
        let name_len = usize::from(entry.e_name_len);
        if entry.e_name_index == SYSTEM && rest.get(..name_len)? == b"data" {
            let value = values.get(usize::from(entry.e_value_offs.get())..)?;
            return value.get(..usize::try_from(entry.e_value_size.get()).ok()?);
        }
        entries = rest.get(name_len.next_multiple_of(4)..)?;
    }
}
