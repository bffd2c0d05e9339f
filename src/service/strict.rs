//! Opening a path without ever following a symbolic link, and without ever waiting.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How nothing is left to a symbolic link on the way.
const NO_LINKS: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// How a file is opened that may turn out to be a pipe or a terminal.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// How a directory is opened whose names alone are looked up.
const NAMES: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the file at `path`, a whole path, for reading.
pub(super) fn file(path: &Path) -> rustix::io::Result<File> {
    open(rustix::fs::CWD, path, READ, NO_LINKS).map(File::from)
}

/// Opens the file called `name`, for reading, in `directory` or beneath it.
pub(super) fn file_beneath(directory: impl AsFd, name: &Path) -> rustix::io::Result<File> {
    let resolve = NO_LINKS | ResolveFlags::BENEATH;
    open(directory, name, READ, resolve).map(File::from)
}

/// Opens the directory at `path` beneath `directory`, which the empty path is, for looking up names
/// alone.
pub(super) fn directory_beneath(directory: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    open(directory, path, NAMES, NO_LINKS | ResolveFlags::BENEATH)
}

/// Opens the directory at `path`, a whole path, for looking up names alone.
pub(super) fn whole_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    open(rustix::fs::CWD, path, NAMES, NO_LINKS)
}

/// Opens what is called `name` in `directory`, whatever it is, to be looked at alone.
pub(super) fn any_in(directory: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// Opens the directory at `path`, through whatever links lead to it, for looking up names alone.
pub(super) fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, NAMES, Mode::empty())
}

fn open(
    directory: impl AsFd,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::openat2(&directory, path, flags, Mode::empty(), resolve) {
        // Before Linux 5.6, and where a container's filter does not know it.
        Err(Errno::NOSYS | Errno::PERM) => {
            let beneath = resolve.contains(ResolveFlags::BENEATH);
            by_steps(directory, path, flags, beneath)
        }
        opened => opened,
    }
}

/// The same by one system call for each part of the path, of which none is a step up.
fn by_steps(
    directory: impl AsFd,
    path: &Path,
    flags: OFlags,
    beneath: bool,
) -> rustix::io::Result<OwnedFd> {
    let mut components = path.components().peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(component) = components.next() {
        let name = match component {
            Component::CurDir | Component::Normal(_) => component.as_os_str(),
            Component::RootDir if !beneath => component.as_os_str(),
            _ => return Err(Errno::XDEV),
        };
        let flags = match components.peek() {
            Some(_) => NAMES,
            None => flags,
        };
        let flags = flags | OFlags::NOFOLLOW;
        let from = at.as_ref().map_or(directory.as_fd(), AsFd::as_fd);
        let next = rustix::fs::openat(from, name, flags, Mode::empty())?;
        at = Some(next);
    }
    at.ok_or(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// What both ways of opening say of `path` from the directory `from`.
    fn both(from: &Path, path: &str) -> [Result<String, Errno>; 2] {
        let from = directory(from).unwrap();
        let text = |opened: rustix::io::Result<OwnedFd>| {
            let mut text = String::new();
            File::from(opened?).read_to_string(&mut text).unwrap();
            Ok(text)
        };
        let resolve = NO_LINKS | ResolveFlags::BENEATH;
        let path = Path::new(path);
        [
            text(open(&from, path, READ, resolve)),
            text(by_steps(&from, path, READ, true)),
        ]
    }

    #[test]
    fn no_link_is_followed_on_old_kernels_either() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |path: &str| root.join(path);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/file"), "inside").unwrap();
        std::fs::write(at("outside"), "outside").unwrap();
        symlink("b", at("a/link")).unwrap();
        symlink("../../outside", at("a/b/link")).unwrap();
        for path in ["b/file", "./b/./file"] {
            let both = both(&at("a"), path);
            assert_eq!(both, [Ok("inside".to_owned()), Ok("inside".to_owned())]);
        }
        for (path, [new, old]) in [
            ("link/file", [Errno::LOOP, Errno::NOTDIR]),
            ("b/link", [Errno::LOOP, Errno::LOOP]),
            ("../outside", [Errno::XDEV, Errno::XDEV]),
            ("/etc/passwd", [Errno::XDEV, Errno::XDEV]),
            ("b/nothing", [Errno::NOENT, Errno::NOENT]),
        ] {
            assert_eq!(both(&at("a"), path), [Err(new), Err(old)], "{path}");
        }
        let whole = at("a/link/file");
        assert_eq!(file(&whole).err(), Some(Errno::LOOP));
        let whole = by_steps(rustix::fs::CWD, &whole, READ, false);
        assert_eq!(whole.err(), Some(Errno::NOTDIR));
        assert!(by_steps(rustix::fs::CWD, &at("a/b/file"), READ, false).is_ok());
    }
}
