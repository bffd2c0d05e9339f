//! Owner, mode, extended attributes and times of what was copied.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};

use super::LeftOut;
use crate::filesystem::{Attributes, FileType, Timestamp};

/// Set-uid and set-gid.
const SET_ID: u16 = 0o6000;

/// The extended attributes that give a program rights.
const CAPABILITY: &[u8] = b"security.capability";

/// The attributes that the host may have added by itself, from DEST's default ACL.
const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// What the image says of one file besides its contents.
pub(super) struct Metadata {
    pub(super) attributes: Attributes,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Metadata {
    /// Takes away what gives rights on this machine, and counts it.
    pub(super) fn leave_out_rights(&mut self, left_out: &mut LeftOut) {
        let runs = self.attributes.kind != FileType::Directory;
        if runs && self.attributes.mode & SET_ID != 0 {
            self.attributes.mode &= !SET_ID;
            left_out.set_ids = left_out.set_ids.saturating_add(1);
        }
        let before = self.xattrs.len();
        self.xattrs.retain(|(name, _)| name != CAPABILITY);
        if self.xattrs.len() < before {
            left_out.capabilities = left_out.capabilities.saturating_add(1);
        }
    }

    /// Sets everything on an open file or directory. The order matters: a change of owner takes
    /// set-uid bits and capabilities away, a mode without write permission forbids attributes, and
    /// all of them change times.
    pub(super) fn apply(&self, file: BorrowedFd<'_>) -> Result<()> {
        let Attributes { uid, gid, .. } = self.attributes;
        let owned = owner(|uid, gid| rustix::fs::fchown(file, uid, gid), uid, gid)?;
        let set = |name: &[u8], value: &[u8]| {
            rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())
        };
        let attributes = self.set_xattrs(set);
        for name in ACLS {
            if !self.xattrs.iter().any(|(have, _)| have == name) {
                // Most often there is none to remove, or the file system knows none.
                let _ = rustix::fs::fremovexattr(file, name);
            }
        }
        // What the host does not take (vfat: most modes) leaves the rest as it should be.
        let mode = rustix::fs::fchmod(file, self.mode(owned));
        let times = rustix::fs::futimens(file, &self.times());
        attributes.and(mode).and(times)
    }

    /// The same for what has just been made and cannot be opened, of which `handle` is a path
    /// descriptor. Whoever may write to DEST's directory may have put something else in its place,
    /// which is not to get this owner and mode: `EXIST` then.
    pub(super) fn apply_by_handle(&self, handle: &impl AsFd) -> Result<()> {
        let Attributes { uid, gid, kind, .. } = self.attributes;
        let found = rustix::fs::fstat(handle)?;
        let there = rustix::fs::FileType::from_raw_mode(found.st_mode);
        if (there, found.st_nlink) != (host_type(kind), 1) {
            return Err(Errno::EXIST);
        }
        // Leads to what the handle is of, also where that is a link.
        let path = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
        let chown = |uid, gid| rustix::fs::chown(path.as_str(), uid, gid);
        let owned = owner(chown, uid, gid)?;
        let set = |name: &[u8], value: &[u8]| {
            rustix::fs::setxattr(path.as_str(), name, value, XattrFlags::empty())
        };
        let attributes = self.set_xattrs(set);
        let mode = match kind {
            FileType::Symlink => Ok(()),
            _ => rustix::fs::chmod(path.as_str(), self.mode(owned)),
        };
        let (times, flags) = (self.times(), AtFlags::empty());
        let times = rustix::fs::utimensat(rustix::fs::CWD, path.as_str(), &times, flags);
        attributes.and(mode).and(times)
    }

    /// Sets all extended attributes that the host lets this user set; the first real failure is
    /// given when all were tried.
    fn set_xattrs(&self, set: impl Fn(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        for (name, value) in &self.xattrs {
            match set(name, value) {
                Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) if is_privileged(name) => {}
                other => result = result.and(other),
            }
        }
        result
    }

    fn mode(&self, owned: bool) -> Mode {
        let mut mode = self.attributes.mode;
        if !owned && self.attributes.kind != FileType::Directory {
            // Set-uid for whoever copies is not what the image says.
            mode &= !SET_ID;
        }
        Mode::from_bits_truncate(mode.into())
    }

    fn times(&self) -> Timestamps {
        Timestamps {
            last_access: timespec(self.attributes.atime),
            last_modification: timespec(self.attributes.mtime),
        }
    }
}

/// What the host calls this kind of file.
pub(super) const fn host_type(kind: FileType) -> rustix::fs::FileType {
    use rustix::fs::FileType as Host;
    match kind {
        FileType::Regular => Host::RegularFile,
        FileType::Directory => Host::Directory,
        FileType::Symlink => Host::Symlink,
        FileType::BlockDevice => Host::BlockDevice,
        FileType::CharacterDevice => Host::CharacterDevice,
        FileType::Fifo => Host::Fifo,
        FileType::Socket => Host::Socket,
    }
}

fn timespec(time: Timestamp) -> Timespec {
    Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    }
}

/// Names that only root, or a security module, may set.
fn is_privileged(name: &[u8]) -> bool {
    name.starts_with(b"security.") || name.starts_with(b"trusted.")
}

/// Gives the file to its owner; where only root could, to its group. Gives whether the owner is
/// right then.
fn owner(
    chown: impl Fn(Option<Uid>, Option<Gid>) -> Result<()>,
    uid: u32,
    gid: u32,
) -> Result<bool> {
    // u32::MAX is chown(2)'s "leave it", and no owner.
    let uid = (uid != u32::MAX).then(|| Uid::from_raw(uid));
    let gid = (gid != u32::MAX).then(|| Gid::from_raw(gid));
    match chown(uid, gid) {
        Ok(()) => Ok(uid.is_some()),
        Err(Errno::PERM | Errno::INVAL) => {
            // A group that this user is in can be given; any other stays as it is.
            let _ = chown(None, gid);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
