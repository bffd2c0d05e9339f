//! Makes the kernel's mount, and takes it away: by mount(2) where that is allowed, through
//! fusermount3, which is set-uid, where it isn't. Which of the two is found by trying: root in a
//! container may not mount, and an ordinary user in a namespace of its own may.

use std::ffi::CString;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use super::channel::descriptor_from;
use super::failure::Failure;
use super::mountinfo::{self, Entry, TYPE};
use super::{notify, shown, strict};
use crate::error::{Error, Kind, printable};

/// How to mount.
#[derive(Clone, Debug)]
pub(super) struct How {
    /// The name in the table of mounts, escaped: [`mountinfo::source_name`].
    pub(super) source: String,
    /// Programs on it cannot be run.
    pub(super) noexec: bool,
    /// Other users may use it; the kernel checks permissions then.
    pub(super) allow_other: bool,
}

/// A mount that this process made.
#[derive(Clone, Debug)]
pub(super) struct Attached(Entry);

impl Attached {
    /// `st_dev` of its files, `major:minor`.
    pub(super) fn device(&self) -> &str {
        &self.0.device
    }
}

/// What became of an attempt to unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detached {
    /// It is gone, by this attempt or before.
    Done,
    /// Files on it are in use.
    Busy,
}

/// Mounts at `point`, an absolute path without symbolic links, and gives the open /dev/fuse.
///
/// # Errors
/// `Host`: what is missing, and what helps.
pub(super) fn attach(point: &Path, how: &How) -> Result<(Attached, OwnedFd), Failure> {
    let device = open_device()?;
    let device = match mount_directly(point, how, &device) {
        Ok(()) => device,
        Err(Errno::PERM | Errno::ACCESS) => {
            drop(device);
            mount_through_helper(point, how).inspect_err(|_| clear_half(point))?
        }
        Err(error) => return Err(mount_failed(point, &error.into())),
    };
    let entry = mountinfo::at(point)?.filter(|entry| entry.kind == TYPE);
    let entry = entry.ok_or_else(|| {
        Failure::host(Error::new(
            Kind::Io,
            format!("{} was mounted and is not there", shown(point)),
        ))
    })?;
    Ok((Attached(entry), device))
}

/// Takes away what a fusermount3 that was ended early has left at `point`: a mount of ours whose
/// /dev/fuse nobody has.
fn clear_half(point: &Path) {
    let found = mountinfo::at(point).ok().flatten();
    let ours = found.filter(|entry| entry.kind == TYPE && is_dead(point));
    if let Some(entry) = ours {
        let _ = detach(&entry, true); // The error that led here is the one to tell.
    }
}

impl Attached {
    /// Unmounts it while its worker lives, wherever it has moved to; and nothing else, should it be
    /// gone or covered.
    ///
    /// # Errors
    /// `Host` where the kernel or fusermount3 refuses.
    pub(super) fn detach(&self, lazy: bool) -> Result<Detached, Failure> {
        match self.find()? {
            None => Ok(Detached::Done),
            Some(entry) => detach(&entry, lazy),
        }
    }

    /// Unmounts what is left of it once its worker is gone. The kernel gives its numbers to the
    /// next mount, which may be at the same place already; but that one is alive.
    ///
    /// # Errors
    /// As [`Attached::detach`].
    pub(super) fn clear(&self) -> Result<Detached, Failure> {
        let Some(entry) = self.find()? else {
            return Ok(Detached::Done);
        };
        if is_dead(&entry.point) {
            return detach(&entry, true);
        }
        let top = mountinfo::at(&entry.point)?;
        Ok(match top.is_some_and(|top| top.is(&entry)) {
            true => Detached::Done,
            false => Detached::Busy,
        })
    }

    fn find(&self) -> Result<Option<Entry>, Failure> {
        let mut all = mountinfo::all()?.into_iter();
        Ok(all.find(|entry| self.0.is(entry)))
    }
}

/// Whether the program behind the FUSE mount at `point` is gone. statfs(2) always asks it, while
/// attributes may be remembered.
pub(super) fn is_dead(point: &Path) -> bool {
    rustix::fs::statfs(point).is_err_and(|error| error == Errno::NOTCONN)
}

/// Unmounts `mount`, and nothing else: what its path leads to by now may be somebody else's.
///
/// # Errors
/// `Host` where the kernel or fusermount3 refuses.
pub(super) fn detach(mount: &Entry, lazy: bool) -> Result<Detached, Failure> {
    match unmount(mount, lazy) {
        Ok(()) => Ok(Detached::Done),
        Err(Errno::BUSY) => Ok(Detached::Busy),
        Err(Errno::PERM | Errno::ACCESS) => detach_through_helper(&mount.point, lazy),
        // It is gone; or it is moved just now, or another mount lies on top.
        Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
            match mountinfo::all()?.iter().any(|entry| entry.is(mount)) {
                true => Ok(Detached::Busy),
                false => Ok(Detached::Done),
            }
        }
        Err(error) => Err(Failure::host(Error::io(
            format!("unmount {}", shown(&mount.point)),
            &error.into(),
        ))),
    }
}

/// The path is walked once, through no symbolic link, and what is found at its end has to be
/// `mount`. Only the name in that directory is left to be looked up again; a directory that is a
/// mount point cannot be renamed, and a symbolic link in its place is not followed. The mount itself
/// must not be open meanwhile: it would be in use.
fn unmount(mount: &Entry, lazy: bool) -> Result<(), Errno> {
    let (parent, name) = (mount.point.parent(), mount.point.file_name());
    let (parent, name) = parent.zip(name).ok_or(Errno::INVAL)?;
    let parent = strict::whole_directory(parent)?;
    let found = strict::any_in(&parent, name)?;
    let information = format!("/proc/self/fdinfo/{}", found.as_raw_fd());
    if mountinfo::id_of(Path::new(&information)) != Some(mount.id) {
        return Err(Errno::INVAL);
    }
    drop(found);
    let flags = match lazy {
        true => UnmountFlags::DETACH | UnmountFlags::NOFOLLOW,
        false => UnmountFlags::NOFOLLOW,
    };
    let parent = format!("/proc/self/fd/{}", parent.as_raw_fd());
    rustix::mount::unmount(Path::new(&parent).join(name), flags)
}

fn open_device() -> Result<OwnedFd, Failure> {
    const DEVICE: &str = "/dev/fuse";
    let opened = std::fs::File::options().read(true).write(true).open(DEVICE);
    opened.map(OwnedFd::from).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::PermissionDenied => {
                "ask the administrator for access to it: chmod 666 /dev/fuse"
            }
            _ => {
                "load the kernel's module: modprobe fuse; start a container with \
                 --device /dev/fuse --cap-add SYS_ADMIN; ls, cat and cp work without it"
            }
        };
        Failure::host(Error::io(DEVICE, &error).hint(hint))
    })
}

fn mount_directly(point: &Path, how: &How, device: &OwnedFd) -> Result<(), Errno> {
    // By descriptor, so that a directory swapped for a symbolic link meanwhile leads nowhere else.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(point, flags, rustix::fs::Mode::empty())?;
    let target = format!("/proc/self/fd/{}", directory.as_raw_fd());
    if std::fs::read_link(&target).ok().as_deref() != Some(point) {
        return Err(Errno::NOENT);
    }
    let mode = rustix::fs::fstat(&directory)?.st_mode;
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let mut data = format!(
        "fd={},rootmode={mode:o},user_id={},group_id={}",
        device.as_raw_fd(),
        user.as_raw(),
        group.as_raw()
    );
    if how.allow_other {
        data.push_str(",allow_other,default_permissions");
    }
    let data = CString::new(data).map_err(|_| Errno::INVAL)?;
    let mut flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    if how.noexec {
        flags |= MountFlags::NOEXEC;
    }
    rustix::mount::mount(how.source.as_str(), target, TYPE, flags, data.as_c_str())
}

fn mount_failed(point: &Path, error: &std::io::Error) -> Failure {
    let refused = Error::io(format!("mount at {}", shown(point)), error);
    Failure::host(match error.raw_os_error() {
        Some(libc::ENODEV) => refused.hint("load the kernel's module: modprobe fuse"),
        _ => refused,
    })
}

fn mount_through_helper(point: &Path, how: &How) -> Result<OwnedFd, Failure> {
    if !mountinfo::is_found_by_helper(&how.source, point) {
        let text = format!(
            "the path of {} is too long: fusermount3 could not unmount it again",
            shown(point)
        );
        return Err(Failure::host(Error::new(Kind::Denied, text)));
    }
    // fusermount3 takes a backslash as the escape of what follows.
    let source = how.source.replace('\\', "\\\\");
    let mut options = format!("ro,nosuid,nodev,fsname={source},subtype=imgmount");
    if how.noexec {
        options.push_str(",noexec");
    }
    if how.allow_other {
        options.push_str(",allow_other,default_permissions");
    }
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()
        .map_err(|error| Failure::host(Error::io("make a socket pair", &error)))?;
    // It sends the descriptor over the socket whose number the variable gives: standard input.
    let output = helper(|command| {
        let socket = theirs.try_clone()?;
        command.arg("-o").arg(&options).arg("--").arg(point);
        command
            .env("_FUSE_COMMFD", "0")
            .stdin(OwnedFd::from(socket));
        command.output()
    })?;
    drop(theirs);
    if !output.status.success() {
        return Err(helper_refused(point, &output.stderr));
    }
    descriptor_from(&ours).map_err(Failure::host)
}

fn detach_through_helper(point: &Path, lazy: bool) -> Result<Detached, Failure> {
    let output = helper(|command| {
        command.arg("-u").args(lazy.then_some("-z"));
        command.arg("--").arg(point).stdin(Stdio::null()).output()
    })?;
    if output.status.success() {
        return Ok(Detached::Done);
    }
    if mountinfo::at(point)?.is_none() {
        return Ok(Detached::Done);
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if words.contains("busy") {
        return Ok(Detached::Busy);
    }
    Err(helper_refused(point, &output.stderr))
}

/// Runs fusermount3, or the fusermount of FUSE 2, which speaks the same protocol.
fn helper(
    run: impl Fn(&mut Command) -> std::io::Result<std::process::Output>,
) -> Result<std::process::Output, Failure> {
    // Not every user's PATH has the directories of the administrator.
    const PLACES: [&str; 6] = [
        "fusermount3",
        "/usr/bin/fusermount3",
        "/bin/fusermount3",
        "fusermount",
        "/usr/bin/fusermount",
        "/bin/fusermount",
    ];
    let mut denied = None;
    for place in PLACES {
        let mut command = Command::new(place);
        // Its messages are read below, in English. Ctrl-C at the terminal is for whoever started
        // this program; half of a mount, or of its end, is nothing to be left with.
        command.env("LC_ALL", "C").process_group(0);
        command.env_remove(notify::SOCKET);
        match run(&mut command) {
            Ok(output) => return Ok(output),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // A directory of PATH that the user may not enter is answered so too.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                denied = place.starts_with('/').then_some((place, error)).or(denied);
            }
            Err(error) => return Err(Failure::host(Error::io(place, &error))),
        }
    }
    if let Some((place, error)) = denied {
        return Err(Failure::host(Error::io(place, &error)));
    }
    Err(Failure::host(
        Error::not_found("fusermount3 is not installed, and only root mounts without it").hint(
            "install the package fuse3: apt install fuse3, dnf install fuse3, apk add fuse3, pacman -S fuse3",
        ),
    ))
}

/// What fusermount3 said, with what helps against the usual causes.
fn helper_refused(point: &Path, words: &[u8]) -> Failure {
    let line = words
        .split(|byte| *byte == b'\n')
        .find(|line| !line.is_empty());
    let text = printable(line.unwrap_or(b"fusermount3 gave no reason"));
    let text = text
        .split_once("fusermount3: ")
        .map_or(text.as_str(), |(_, rest)| rest);
    let denied = |message: String| Error::new(Kind::Denied, message);
    let error = if text.contains("user_allow_other") {
        denied("allow_other is not allowed on this machine".to_owned())
            .hint("the administrator allows it by the line user_allow_other in /etc/fuse.conf")
    } else if text.contains("no write access") || text.contains("not owned by user") {
        denied(format!(
            "{} is not yours: you need write access to the mount point",
            shown(point)
        ))
        .hint("use a directory of your own, or none: one is made in the current directory then")
    } else if text.contains("too many FUSE filesystems") {
        denied(text.to_owned()).hint("mount_max in /etc/fuse.conf is the limit")
    } else if text.contains("Operation not permitted") {
        denied(text.to_owned()).hint(
            "fusermount3 has to be set-uid root, and set-uid has to work here: a container, \
             a sandbox or NoNewPrivileges prevents it",
        )
    } else {
        denied(text.to_owned())
    };
    Failure::host(error)
}
