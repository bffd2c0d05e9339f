//! What a name that an image gives to another file means: a file beside the image, a file
//! elsewhere, or nothing that a file is called.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Where a name leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// To the file of this name in the image's own directory.
    Beside(OsString),
    /// To this path, as far as it can be told without asking the host.
    Elsewhere(PathBuf),
    /// To no file: what QEMU takes for a device of its own or a connection.
    NoFile,
    /// Nowhere: it is empty, or no path can be like this.
    Nonsense,
}

/// What QEMU reads as something else than a file when a colon follows.
const PROTOCOLS: [&str; 27] = [
    "blkdebug",
    "blklogwrites",
    "blkreplay",
    "blkverify",
    "fat",
    "fd",
    "file",
    "ftp",
    "ftps",
    "gluster",
    "host_cdrom",
    "host_device",
    "http",
    "https",
    "iscsi",
    "json",
    "nbd",
    "nfs",
    "null-aio",
    "null-co",
    "nvme",
    "rbd",
    "sftp",
    "sheepdog",
    "ssh",
    "tftp",
    "vxhs",
];

/// What `name` means in an image that lies in the directory `real`, an absolute path without
/// symbolic links. `is_home` says of an absolute path whether it is the image's own directory.
///
/// Nothing is asked of the host: an image must not make it look at a path of its choice, which may
/// be mounted by that, or never answer.
pub(super) fn meaning(name: &[u8], real: &Path, is_home: impl Fn(&Path) -> bool) -> Meaning {
    /// The kernel takes no longer path.
    const LONGEST: usize = 4095;
    if name.is_empty() || name.contains(&0) || name.len() > LONGEST {
        return Meaning::Nonsense;
    }
    if is_no_file(name) {
        return Meaning::NoFile;
    }
    let path = joined(real, Path::new(OsStr::from_bytes(name)));
    let is_file = !name.ends_with(b"/") && !name.ends_with(b"/.");
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(file)) if is_file && is_home(parent) => {
            Meaning::Beside(file.to_owned())
        }
        _ => Meaning::Elsewhere(path),
    }
}

fn is_no_file(name: &[u8]) -> bool {
    let Some(colon) = name.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let (word, behind) = name.split_at(colon);
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
    let known = |protocol: &&str| word.eq_ignore_ascii_case(protocol.as_bytes());
    word.iter().all(is_letter) && (behind.starts_with(b"://") || PROTOCOLS.iter().any(known))
}

/// `name` as seen from the directory `real`. Steps up at its start are taken, which is right where
/// no symbolic link is in the way; further ones stay for the kernel.
fn joined(real: &Path, name: &Path) -> PathBuf {
    let mut path = real.to_owned();
    let mut components = name.components().peekable();
    if name.is_absolute() {
        return components.collect();
    }
    while let Some(Component::CurDir | Component::ParentDir) = components.peek() {
        if components.next() == Some(Component::ParentDir) {
            path.pop();
        }
    }
    path.extend(components);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Meaning {
        meaning(name.as_bytes(), Path::new("/vm/images"), |path| {
            path == Path::new("/vm/images") || path == Path::new("/link")
        })
    }

    #[test]
    fn a_name_in_the_images_own_directory_is_beside_it_however_it_is_spelt() {
        for name in [
            "base",
            "./base",
            ".//./base",
            "/vm/images/base",
            "/vm//images/./base",
            "/link/base",
            "../images/base",
            "../../../../vm/images/base",
        ] {
            assert_eq!(of(name), Meaning::Beside("base".into()), "{name}");
        }
        for name in ["...", "a b", "2026-11-21T10:00:00.qcow2", "c:x", "-", "\n"] {
            assert_eq!(of(name), Meaning::Beside(name.into()), "{name}");
        }
    }

    #[test]
    fn any_other_path_is_elsewhere() {
        for (name, path) in [
            ("/etc/shadow", "/etc/shadow"),
            ("../x", "/vm/x"),
            ("../../../x", "/x"),
            ("sub/base", "/vm/images/sub/base"),
            ("sub/../base", "/vm/images/sub/../base"),
            ("/vm/images/../images/base", "/vm/images/../images/base"),
            (".", "/vm/images"),
            ("..", "/vm"),
            ("/", "/"),
            ("base/", "/vm/images/base"),
            ("base/.", "/vm/images/base"),
            ("/vm/images", "/vm/images"),
            ("./..", "/vm"),
        ] {
            assert_eq!(of(name), Meaning::Elsewhere(path.into()), "{name}");
        }
    }

    #[test]
    fn what_qemu_takes_for_a_connection_or_a_device_is_no_file() {
        for name in [
            "json:{\"driver\":\"raw\"}",
            "JSON:{}",
            "nbd:unix:/run/x",
            "nbd+unix:///x?socket=/run/x",
            "http://host/base",
            "fd:3",
            "file:base",
            "unheard-of://x",
        ] {
            assert_eq!(of(name), Meaning::NoFile, "{name}");
        }
        assert_eq!(of(""), Meaning::Nonsense);
        assert_eq!(of("base\0"), Meaning::Nonsense);
        assert_eq!(of(&"x/".repeat(2048)), Meaning::Nonsense);
    }
}
