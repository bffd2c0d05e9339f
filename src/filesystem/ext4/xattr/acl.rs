//! POSIX ACLs: ext4's own form, version 1, turned into the form that getxattr(2) gives, version 2
//! (`include/uapi/linux/posix_acl_xattr.h`).

use zerocopy::FromBytes;

use super::layout::RawAclEntry;
use crate::error::{Error, Result};

/// `EXT4_ACL_VERSION` and `POSIX_ACL_XATTR_VERSION`.
const ON_DISK: u32 = 1;
const IN_XATTR: u32 = 2;
/// `e_id` of an entry that names nobody.
const NOBODY: u32 = u32::MAX;

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The ACL `stored` as getxattr(2) gives it; `None` for one without entries, which is none.
///
/// # Errors
/// `Corrupt` for another version, an unknown tag, or bytes left over.
pub(super) fn to_xattr(stored: &[u8]) -> Result<Option<Vec<u8>>> {
    let (version, mut rest) = stored
        .split_first_chunk()
        .ok_or_else(|| Error::corrupt("the ACL is cut short"))?;
    let version = u32::from_le_bytes(*version);
    if version != ON_DISK {
        return Err(Error::corrupt(format!(
            "a_version {version} is not {ON_DISK}"
        )));
    }
    let mut xattr = IN_XATTR.to_le_bytes().to_vec();
    if rest.is_empty() {
        return Ok(None);
    }
    while !rest.is_empty() {
        rest = push_entry(rest, &mut xattr)?;
    }
    Ok(Some(xattr))
}

/// Moves the entry at the start of `bytes` to `xattr`; gives what follows.
fn push_entry<'a>(bytes: &'a [u8], xattr: &mut Vec<u8>) -> Result<&'a [u8]> {
    let cut = || Error::corrupt("an entry of the ACL is cut short");
    let (entry, rest) = RawAclEntry::read_from_prefix(bytes).map_err(|_| cut())?;
    let (id, rest) = match entry.e_tag.get() {
        USER_OBJ | GROUP_OBJ | MASK | OTHER => (NOBODY, rest),
        USER | GROUP => {
            let (id, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*id), rest)
        }
        other => return Err(Error::corrupt(format!("e_tag {other:#x} is unknown"))),
    };
    xattr.extend(entry.e_tag.to_bytes());
    xattr.extend(entry.e_perm.to_bytes());
    xattr.extend(id.to_le_bytes());
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_get_an_id_and_the_other_version() {
        let stored = [
            1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0, 0x20, 0, 0, 0,
        ];
        // As getfattr -m- -e hex gave it for `setfacl -m u:1000:r` (user::rw-, user:1000:r--, …),
        // without the group and mask entries.
        let xattr = [
            2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe8, 3, 0, 0, 0x20, 0, 0, 0,
            255, 255, 255, 255,
        ];
        assert_eq!(to_xattr(&stored).unwrap(), Some(xattr.to_vec()));
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        assert_eq!(to_xattr(&[1, 0, 0, 0]).unwrap(), None);
        for bad in [
            &[2_u8, 0, 0, 0][..],
            &[1, 0],
            &[1, 0, 0, 0, 2, 0, 4, 0, 1],
            &[1, 0, 0, 0, 3, 0, 4, 0],
        ] {
            let kind = to_xattr(bad).unwrap_err().kind();
            assert_eq!(kind, crate::error::Kind::Corrupt, "{bad:?}");
        }
    }
}
