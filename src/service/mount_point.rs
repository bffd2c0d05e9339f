//! Where an image is mounted: the directory the user named, or one made for the purpose.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::failure::Failure;
use super::mountinfo::{self, TYPE};
use super::{attach, shown};
use crate::error::{Error, Kind};

/// A directory that an image can be mounted at.
#[derive(Debug)]
pub(super) struct MountPoint {
    /// Absolute, without symbolic links.
    path: PathBuf,
    /// It was not there before: it is made when the mount is, and removed with it.
    temporary: bool,
    /// It may have files in it, or be a mount already.
    nonempty: bool,
    /// The directory itself, locked for as long as this process lives.
    hold: Option<OwnedFd>,
}

impl MountPoint {
    /// The mount point for `image` that the user named; or `./NAME` where none was.
    ///
    /// # Errors
    /// `Host`: what is there cannot be a mount point, and what to do.
    pub(super) fn find(
        named: Option<&Path>,
        image: &Path,
        nonempty: bool,
    ) -> Result<Self, Failure> {
        match named {
            Some(path) => Self::existing(path, image, nonempty),
            None => Self::beside(&default_name(image)?, image, nonempty),
        }
    }

    fn beside(name: &Path, image: &Path, nonempty: bool) -> Result<Self, Failure> {
        wait_for_end(name);
        match name.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self {
                nonempty,
                ..Self::made(absolute(name)?)
            }),
            // A link would lead to a directory that nobody named.
            Ok(found) if found.is_symlink() => Err(taken(name, "is a symbolic link")),
            Ok(found) if !found.is_dir() => Err(taken(name, "is not a directory")),
            Ok(_) if !nonempty && !is_mount(name)? && holds_something(name) => {
                Err(taken(name, "is not empty"))
            }
            _ => Self::existing(name, image, nonempty),
        }
    }

    fn existing(path: &Path, image: &Path, nonempty: bool) -> Result<Self, Failure> {
        let path = absolute(path)?;
        clear_stale(&path)?;
        wait_for_end(&path);
        let found = path.metadata().map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let text = format!("the mount point {} does not exist", shown(&path));
                let hint = format!("mkdir {}", shown(&path));
                Failure::host(Error::not_found(text).hint(hint))
            }
            _ => Failure::host(Error::io(format!("mount point {}", shown(&path)), &error)),
        })?;
        if !found.is_dir() {
            return Err(refused(&path, "is not a directory"));
        }
        let inside = image
            .canonicalize()
            .is_ok_and(|image| image.starts_with(&path));
        if inside {
            return Err(refused(
                &path,
                "holds the image itself, and the mount would hide it",
            ));
        }
        if !nonempty {
            check_free(&path)?;
        }
        Ok(Self {
            temporary: false,
            nonempty,
            ..Self::made(path)
        })
    }

    /// A directory that was made for this mount, and is removed with it.
    pub(super) fn made(path: PathBuf) -> Self {
        Self {
            path,
            temporary: true,
            nonempty: false,
            hold: None,
        }
    }

    /// The path, absolute and without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory, if it is to be made and was not, and holds it: from here on nobody else
    /// mounts there by this program.
    ///
    /// # Errors
    /// `Host` where it cannot be made, or somebody else has mounted there meanwhile.
    pub(super) fn prepare(&mut self) -> Result<(), Failure> {
        if self.temporary && !self.path.is_dir() {
            std::fs::create_dir(&self.path).map_err(|error| {
                let doing = format!("make the mount point {}", shown(&self.path));
                Failure::host(Error::io(doing, &error).hint("name a mount point"))
            })?;
        }
        // Where it cannot be opened or locked, nobody can wait for this, or for the end.
        self.hold = locked(&self.path);
        match self.nonempty {
            true => Ok(()),
            false => check_free(&self.path),
        }
    }

    /// Removes the directory, if it was made for this mount and is empty.
    pub(super) fn remove(&self) {
        if !self.temporary {
            return;
        }
        if let Err(error) = std::fs::remove_dir(&self.path) {
            log::warn!("{} stays: {error}", shown(&self.path));
        }
    }
}

fn open(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

/// Waits, a moment at most, for the supervisor of a mount that was at `path` until just now: it
/// has a directory to remove, and would remove it from under the next mount.
pub(super) fn wait_for_end(path: &Path) {
    drop(locked(path));
}

/// The directory at `path`, open, and locked against others of this program once they let go of it:
/// those who are about to mount there, and those whose mount was there until just now. Who holds it
/// for longer than a moment, which anybody may who can open it, is waited for no more. `None` where
/// it cannot be opened.
fn locked(path: &Path) -> Option<OwnedFd> {
    const MOMENT: Duration = Duration::from_secs(1);
    let end = Instant::now().checked_add(MOMENT);
    loop {
        // What is there now: it may have been removed, or mounted on, by whoever held it.
        let directory = open(path)?;
        let locked = flock(&directory, FlockOperation::NonBlockingLockExclusive);
        if locked != Err(Errno::WOULDBLOCK) || end.is_none_or(|end| Instant::now() >= end) {
            return Some(directory);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The image's file name without its extension, or with `.mnt` where it has none, or nothing else
/// that could be a name.
fn default_name(image: &Path) -> Result<PathBuf, Failure> {
    let (Some(name), Some(stem)) = (image.file_name(), image.file_stem()) else {
        return Err(Failure::usage(Error::invalid("the image has no name")));
    };
    if ![name, OsStr::new("."), OsStr::new("..")].contains(&stem) {
        return Ok(PathBuf::from(stem));
    }
    let mut made = name.to_owned();
    made.push(".mnt");
    Ok(PathBuf::from(made))
}

/// `path` without symbolic links. The last component need not exist, nor answer: a mount whose
/// program died doesn't.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if let Ok(whole) = path.canonicalize() {
        return Ok(whole);
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize();
    let parent = parent.map_err(|error| Failure::host(Error::io(shown(path), &error)))?;
    Ok(match path.file_name() {
        Some(name) => parent.join(name),
        None => parent,
    })
}

/// Unmounts what a killed imgmount left at `path`; what another program left stays.
fn clear_stale(path: &Path) -> Result<(), Failure> {
    if !attach::is_dead(path) {
        return Ok(());
    }
    match mountinfo::at(path)? {
        Some(entry) if entry.kind == TYPE => attach::detach(&entry, true).map(|_| ()),
        Some(entry) => Err(Failure::host(
            Error::new(
                Kind::Denied,
                format!("a dead {} mount is at {}", entry.shown_kind(), shown(path)),
            )
            .hint(format!("fusermount3 -u {}", shown(path))),
        )),
        None => Ok(()),
    }
}

fn check_free(path: &Path) -> Result<(), Failure> {
    let refused = |what: &str, hint: String| {
        let text = format!("the mount point {} {what}", shown(path));
        Err(Failure::host(Error::new(Kind::Denied, text).hint(hint)))
    };
    match mountinfo::at(path)? {
        Some(entry) if entry.kind == TYPE => {
            let hint = format!("imgmount umount {}", shown(path));
            return refused("is mounted already", hint);
        }
        Some(entry) => {
            let what = format!("is a mount of {} already", entry.shown_kind());
            return refused(&what, "-o nonempty mounts on top of it".to_owned());
        }
        None => {}
    }
    if holds_something(path) {
        let hint = "-o nonempty hides what is in it until it is unmounted".to_owned();
        return refused("is not empty", hint);
    }
    Ok(())
}

fn is_mount(path: &Path) -> Result<bool, Failure> {
    Ok(mountinfo::at(&absolute(path)?)?.is_some())
}

fn holds_something(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

/// The directory that would be made has a name that something else has.
fn taken(name: &Path, why: &str) -> Failure {
    let failure = refused(name, why);
    Failure {
        error: failure.error.hint("name another mount point"),
        ..failure
    }
}

fn refused(path: &Path, why: &str) -> Failure {
    let text = format!("the mount point {} {why}", shown(path));
    Failure::host(Error::new(Kind::Denied, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::failure::Cause;

    fn message(path: &Path, image: &Path) -> String {
        let failure = MountPoint::find(Some(path), image, false).unwrap_err();
        assert_eq!(failure.cause, Cause::Host);
        failure.to_string()
    }

    #[test]
    fn u01_a_mount_point_that_cannot_be_one_is_refused_with_what_helps() {
        let directory = tempfile::tempdir().unwrap();
        let image = Path::new("/dev/null");
        let missing = directory.path().join("missing");
        assert!(message(&missing, image).contains("does not exist (mkdir "));
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(message(&file, image).contains("is not a directory"));
        assert!(message(directory.path(), image).contains("is not empty (-o nonempty"));
        assert!(MountPoint::find(Some(directory.path()), image, true).is_ok());
        assert!(message(Path::new("/proc"), image).contains("is a mount of proc already"));
        assert!(message(&file.join("below"), image).contains("Not a directory"));
    }

    #[test]
    fn u01_a_name_that_is_taken_asks_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::fs::create_dir(at("full")).unwrap();
        std::fs::create_dir(at("full/x")).unwrap();
        std::fs::create_dir(at("empty")).unwrap();
        std::os::unix::fs::symlink("empty", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        let image = Path::new("/dev/null");
        let found = |name: &str| MountPoint::beside(&at(name), image, false);
        for (name, why) in [
            ("file", "is not a directory"),
            ("full", "is not empty"),
            ("link", "is a symbolic link"),
            ("dangling", "is a symbolic link"),
        ] {
            let failure = found(name).unwrap_err();
            assert_eq!(failure.cause, Cause::Host);
            let message = failure.to_string();
            let end = format!("/{name} {why} (name another mount point)");
            assert!(message.ends_with(&end), "{message}");
        }
        assert!(!found("empty").unwrap().temporary);
        assert!(found("new").unwrap().temporary);
        assert!(MountPoint::beside(&at("full"), image, true).is_ok());
    }

    #[test]
    fn u01_what_happens_there_until_the_mount_is_made_is_seen_and_nobody_else_mounts() {
        let directory = tempfile::tempdir().unwrap();
        let image = Path::new("/dev/null");
        let find = |nonempty| MountPoint::find(Some(directory.path()), image, nonempty).unwrap();
        let mut held = find(false);
        held.prepare().unwrap();
        let other = open(directory.path()).unwrap();
        for lock in [
            FlockOperation::NonBlockingLockShared,
            FlockOperation::NonBlockingLockExclusive,
        ] {
            assert_eq!(flock(&other, lock), Err(Errno::WOULDBLOCK));
        }
        drop(held);
        // What another test starts has it for a moment.
        flock(&other, FlockOperation::LockExclusive).unwrap();
        drop(other);
        let (mut empty, mut any) = (find(false), find(true));
        std::fs::write(directory.path().join("file"), "").unwrap();
        let failure = empty.prepare().unwrap_err();
        assert_eq!(failure.cause, Cause::Host);
        assert!(failure.to_string().contains("is not empty"), "{failure}");
        drop(empty);
        any.prepare().unwrap();
    }

    #[test]
    fn g12_a_mount_never_hides_its_own_image() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("disk.img");
        std::fs::write(&image, "x").unwrap();
        assert!(message(directory.path(), &image).contains("holds the image itself"));
        assert!(message(Path::new("/"), &image).contains("holds the image itself"));
    }

    #[test]
    fn the_directory_made_is_named_like_the_image() {
        let name = |image: &str| default_name(Path::new(image)).unwrap();
        assert_eq!(name("/images/disk.raw"), Path::new("disk"));
        assert_eq!(name("disk"), Path::new("disk.mnt"));
        assert_eq!(name("a.b.img"), Path::new("a.b"));
        assert_eq!(name(".img"), Path::new(".img.mnt"));
        for (image, made) in [("..raw", "..raw.mnt"), ("../...raw", "...raw.mnt")] {
            assert_eq!(name(image), Path::new(made), "not where . and .. lead");
        }
        assert_eq!(name("....raw"), Path::new("..."));
        assert!(default_name(Path::new("..")).is_err());
    }
}
