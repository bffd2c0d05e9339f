//! Targets of symbolic links: the content of the inode.

use super::content;
use super::core::Core;
use super::inode::{self, InodeRecord};
use crate::error::{Error, Result};
use crate::filesystem::Request;
use crate::number::to_usize;

/// The longest that the kernel gives.
const LONGEST: u64 = 4095;

/// The target of `link`, which is a symbolic link.
///
/// # Errors
/// `Corrupt` for one of no bytes, of too many, or with a NUL; what makes it unreadable.
pub(super) fn target(core: &Core, request: &Request, link: &InodeRecord) -> Result<Vec<u8>> {
    let wrong = |what: String, at| Error::corrupt(what).at(at).context(inode::name(link.nid));
    if !(1..=LONGEST).contains(&link.size) {
        let text = format!("a link of {} bytes", link.size);
        return Err(wrong(text, link.offset));
    }
    let mut target = vec![0; to_usize(link.size)];
    content::read_exact(core, request, link, &mut target, 0)?;
    match target.contains(&0) {
        false => Ok(target),
        true => {
            let at = content::address(core, request, link, 0).unwrap_or(link.offset);
            Err(wrong("a link with a NUL in its target".to_owned(), at))
        }
    }
}
