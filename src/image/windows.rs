//! The paths by which disks of Windows name their parents.
//!
//! What they say of directories is of the host that wrote them. The file is looked for beside the
//! child; that it is the right one is known by an identifier that the child has of it.

use crate::error::{Error, Kind, Result};

/// What the `path` of a parent may be called on this host, best first.
///
/// A path that begins at a drive, a share or a volume counts as its last part. A relative one is
/// tried as it is, with our separators, and then as its last part. One that is absolute on this
/// host is left as it is: Windows writes none, and the policy for second files refuses it.
pub(super) fn candidates(path: &str) -> Vec<Vec<u8>> {
    let bytes = path.as_bytes();
    let is_drive = matches!(bytes, [letter, b':', ..] if letter.is_ascii_alphabetic());
    let mut found = Vec::new();
    if bytes.starts_with(b"/") {
        found.push(bytes.to_vec());
    } else if is_drive || bytes.starts_with(b"\\") {
        found.push(last_part(path));
    } else {
        let mut own = path.replace('\\', "/");
        while let Some(rest) = own.strip_prefix("./") {
            own = rest.to_owned();
        }
        found.push(own.into_bytes());
        found.push(last_part(path));
    }
    found.dedup();
    found.retain(|name| !name.is_empty());
    found
}

/// What follows the last separator.
fn last_part(path: &str) -> Vec<u8> {
    let mut parts = path.rsplit(['/', '\\', ':']);
    parts.next().unwrap_or(path).as_bytes().to_vec()
}

/// The first of `names` that `open` opens; of several errors the first. What is not there, or not
/// allowed, leads to the next name.
///
/// # Errors
/// As `open`; `NotFound` for no names.
pub(super) fn first<T>(names: &[Vec<u8>], open: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
    let mut failed = None;
    for name in names {
        match open(name) {
            Ok(opened) => return Ok(opened),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Refused) => {
                failed.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::not_found("no path of the parent")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_a_file_beside_the_child() {
        let names = |path: &str| {
            let names = candidates(path).into_iter();
            names
                .map(|name| String::from_utf8(name).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(".\\base.vhd"), ["base.vhd"]);
        assert_eq!(names("base.vhd"), ["base.vhd"]);
        assert_eq!(names("..\\a\\base.vhd"), ["../a/base.vhd", "base.vhd"]);
        assert_eq!(names("C:\\VMs\\größe.vhd"), ["größe.vhd"]);
        assert_eq!(names("C:base.vhd"), ["base.vhd"]);
        assert_eq!(names("\\\\?\\Volume{1}\\base.vhd"), ["base.vhd"]);
        assert_eq!(names("\\VMs\\base.vhd"), ["base.vhd"]);
        assert_eq!(names("/etc/shadow"), ["/etc/shadow"]);
        assert_eq!(names("C:\\"), Vec::<String>::new());
        assert_eq!(names(""), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_or_refused_leads_to_the_next_name() {
        let names = [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
        let open = |name: &[u8]| match name {
            b"a" => Err(Error::new(Kind::Refused, "a")),
            b"b" => Err(Error::not_found("b")),
            _ => Ok(3),
        };
        assert_eq!(first(&names, open), Ok(3));
        let error = first(names.get(..2).unwrap(), open).unwrap_err();
        assert_eq!(error.to_string(), "a");
        assert_eq!(
            first(&[], open).unwrap_err().to_string(),
            "no path of the parent"
        );
    }
}
