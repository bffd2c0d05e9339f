//! Creating files below DEST so that nothing in an image can make it happen anywhere else.
//!
//! The image says `a` is a link to `/etc`, and then has a directory `a` with a file `x` in it.
//! Therefore every name is a single component, every directory is held open by descriptor, and
//! every open goes through openat2(2) with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`: a link that is
//! there already, whoever made it, is never followed. What cannot be opened (links, device nodes)
//! is made by the calls that follow no link in the last component.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use super::super::entries::is_possible;
use crate::format::Identity;

/// A directory at or below DEST.
pub(super) struct Directory(OwnedFd);

impl Directory {
    /// The directory that the user named; links in this path are the user's own.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        rustix::fs::open(path, flags, Mode::empty()).map(Self)
    }

    /// The same directory once more.
    pub(super) fn again(&self) -> Result<Self> {
        rustix::io::fcntl_dupfd_cloexec(&self.0, 0).map(Self)
    }

    /// The directory `name` in this one, made where it is not there.
    pub(super) fn make_directory(&self, name: &[u8]) -> Result<Self> {
        check(name)?;
        match rustix::fs::mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.directory(name),
            Err(error) => Err(error),
        }
    }

    /// The directory at `path` below this one.
    pub(super) fn directory(&self, path: &[u8]) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        self.open_inside(path, flags, Mode::empty()).map(Self)
    }

    /// A new, empty file `name`.
    pub(super) fn make_file(&self, name: &[u8]) -> Result<File> {
        check(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = self.open_inside(name, flags, Mode::RUSR | Mode::WUSR);
        file.map(File::from)
    }

    /// A symbolic link `name`.
    pub(super) fn make_link(&self, name: &[u8], target: &[u8]) -> Result<()> {
        check(name)?;
        rustix::fs::symlinkat(target, &self.0, name)
    }

    /// A device node, pipe or socket `name`. Nobody else may use it yet.
    pub(super) fn make_node(&self, name: &[u8], kind: FileType, device: (u32, u32)) -> Result<()> {
        check(name)?;
        let device = rustix::fs::makedev(device.0, device.1);
        rustix::fs::mknodat(&self.0, name, kind, Mode::RUSR | Mode::WUSR, device)
    }

    /// The directory of what is at `path` below this one, and its name there.
    pub(super) fn parent_of<'p>(&self, path: &'p [u8]) -> Result<(Self, &'p [u8])> {
        match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => {
                let (parent, last) = path.split_at(slash);
                Ok((self.directory(parent)?, last.get(1..).unwrap_or(&[])))
            }
            None => Ok((self.again()?, path)),
        }
    }

    /// A hard link `name` to `last` in `parent`; nothing is done where it is one already.
    pub(super) fn make_hard_link(&self, name: &[u8], parent: &Self, last: &[u8]) -> Result<()> {
        check(name)?;
        match rustix::fs::linkat(&parent.0, last, &self.0, name, AtFlags::empty()) {
            Err(Errno::EXIST) if parent.identity(last)? == self.identity(name)? => Ok(()),
            other => other,
        }
    }

    /// Which file `name` is; links are not followed.
    pub(super) fn identity(&self, name: &[u8]) -> Result<Identity> {
        let found = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Identity {
            device: found.st_dev,
            inode: found.st_ino,
        })
    }

    /// Does `make` with a name that nothing here has, and gives what it made the name `name`, in the
    /// place of what has that now. Fails where that is a directory; nothing has changed then, nor
    /// where `make` fails.
    pub(super) fn replace<T>(&self, name: &[u8], make: impl Fn(&[u8]) -> Result<T>) -> Result<T> {
        const ATTEMPTS: u32 = 1000;
        check(name)?;
        let process = std::process::id();
        for attempt in 0..ATTEMPTS {
            let spare = format!(".imgmount-{process}-{attempt}").into_bytes();
            match make(&spare) {
                Err(Errno::EXIST) => {}
                made => {
                    let made = made?;
                    let renamed = rustix::fs::renameat(&self.0, &*spare, &self.0, name);
                    return match renamed {
                        Ok(()) => Ok(made),
                        Err(error) => self.remove(&spare).and(Err(error)),
                    };
                }
            }
        }
        Err(Errno::EXIST)
    }

    /// Removes `name`: a link itself, not what it points at. Fails for a directory.
    pub(super) fn remove(&self, name: &[u8]) -> Result<()> {
        check(name)?;
        rustix::fs::unlinkat(&self.0, name, AtFlags::empty())
    }

    /// A descriptor of `name` that can be used to change its metadata; links are not followed.
    pub(super) fn handle(&self, name: &[u8]) -> Result<OwnedFd> {
        check(name)?;
        self.open_inside(name, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
    }

    fn open_inside(&self, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let inside =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, inside)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A name from an image that is more than a name is refused here too, whoever checked it before.
fn check(name: &[u8]) -> Result<()> {
    if is_possible(name) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

/// The last component of the path that the user named.
pub(super) fn last_name(path: &Path) -> Option<Vec<u8>> {
    path.file_name().map(|name| name.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_are_there_are_never_followed() {
        let outside = tempfile::tempdir().expect("a directory");
        let inside = tempfile::tempdir().expect("a directory");
        std::fs::write(outside.path().join("victim"), "untouched").expect("written");
        symlink(outside.path(), inside.path().join("dir")).expect("linked");
        symlink(outside.path().join("victim"), inside.path().join("file")).expect("linked");
        let top = Directory::open(inside.path()).expect("it is there");

        assert_eq!(top.make_directory(b"dir").err(), Some(Errno::NOTDIR));
        assert_eq!(top.directory(b"dir/x").err(), Some(Errno::LOOP));
        // A file takes the link's place; what the link pointed at stays.
        assert_eq!(top.make_file(b"file").err(), Some(Errno::EXIST));
        top.remove(b"file").expect("it is a link");
        drop(top.make_file(b"file").expect("nothing is there"));
        assert!(
            inside
                .path()
                .join("file")
                .symlink_metadata()
                .expect("there")
                .is_file()
        );
        let left = std::fs::read(outside.path().join("victim")).expect("there");
        assert_eq!(left, b"untouched");
        assert_eq!(outside.path().read_dir().expect("readable").count(), 1);
    }

    #[test]
    fn a_name_with_a_slash_or_dots_is_refused_by_every_call() {
        let inside = tempfile::tempdir().expect("a directory");
        let top = Directory::open(inside.path()).expect("it is there");
        for name in [
            b"../x".as_slice(),
            b"..",
            b".",
            b"",
            b"a/b",
            b"/etc/x",
            b"a\0b",
        ] {
            assert_eq!(top.make_file(name).err(), Some(Errno::INVAL));
            assert_eq!(top.make_directory(name).err(), Some(Errno::INVAL));
            assert_eq!(top.make_link(name, b"x"), Err(Errno::INVAL));
            assert_eq!(
                top.make_node(name, FileType::Fifo, (0, 0)),
                Err(Errno::INVAL)
            );
            assert_eq!(top.make_hard_link(name, &top, b"x"), Err(Errno::INVAL));
            assert_eq!(top.remove(name), Err(Errno::INVAL));
            assert_eq!(top.handle(name).err(), Some(Errno::INVAL));
        }
        assert_eq!(top.directory(b"../x").err(), Some(Errno::XDEV));
        assert_eq!(inside.path().read_dir().expect("readable").count(), 0);
    }

    #[test]
    fn a_directory_is_never_removed() {
        let inside = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(inside.path().join("d")).expect("made");
        let top = Directory::open(inside.path()).expect("it is there");
        assert!(top.remove(b"d").is_err());
        assert!(inside.path().join("d").is_dir());
    }
}
