//! Access control lists: from the form that getxattr(2) gives to the text that tar programs keep in
//! `SCHILY.acl.access` and `SCHILY.acl.default`.
//!
//! The binary form is Linux's `posix_acl_xattr.h`: a version, 2, in 32 bits, then for each entry a
//! tag and the permissions in 16 bits and an id in 32, all little-endian.

/// Bytes before the entries.
const HEADER: usize = 4;

/// Bytes of one entry.
const ENTRY: usize = 8;

/// The list in `value` as text, ids as numbers: `user::rw-,user:1000:r--,…`; `None` for what is no
/// list of version 2.
pub(super) fn text(value: &[u8]) -> Option<String> {
    let (version, entries) = value.split_at_checked(HEADER)?;
    if version != 2_u32.to_le_bytes() || entries.len() % ENTRY != 0 {
        return None;
    }
    let entries: Option<Vec<String>> = entries.chunks_exact(ENTRY).map(entry).collect();
    Some(entries?.join(","))
}

fn entry(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| {
        let bytes = bytes.get(at..at.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    let (tag, permissions) = (word(0)?, word(2)?);
    let id = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    let who = match tag {
        0x01 => "user:".to_owned(),
        0x02 => format!("user:{id}"),
        0x04 => "group:".to_owned(),
        0x08 => format!("group:{id}"),
        0x10 => "mask:".to_owned(),
        0x20 => "other:".to_owned(),
        _ => return None,
    };
    let letter = |bit: u16, letter| if permissions & bit == 0 { '-' } else { letter };
    let (read, write, execute) = (letter(4, 'r'), letter(2, 'w'), letter(1, 'x'));
    Some(format!("{who}:{read}{write}{execute}"))
}

#[cfg(test)]
mod tests {
    use super::text;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_list_becomes_the_text_that_getfacl_prints() {
        let none = u32::MAX;
        let value = list(&[
            (0x01, 6, none),
            (0x02, 4, 1000),
            (0x04, 5, none),
            (0x08, 0, 70_000),
            (0x10, 7, none),
            (0x20, 1, none),
        ]);
        assert_eq!(
            text(&value).as_deref(),
            Some("user::rw-,user:1000:r--,group::r-x,group:70000:---,mask::rwx,other::--x")
        );
    }

    #[test]
    fn what_is_no_list_has_no_text() {
        assert_eq!(text(b""), None);
        assert_eq!(text(&[1, 0, 0, 0]), None);
        assert_eq!(text(&list(&[(0x40, 0, 0)])), None);
        assert_eq!(text(&[2, 0, 0, 0, 1]), None);
    }
}
