//! Mounting: what the command line asks for, and what it gets.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::open;
use crate::error::Error;
use crate::{fuse, tree};

/// What to mount, where and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The image: a regular file or a block device.
    pub image: PathBuf,
    /// Where. Without it, a directory named like the image is made in the current directory, and
    /// removed on unmount.
    pub mountpoint: Option<PathBuf>,
    /// How the image is opened.
    pub open: open::Options,
    /// What the tree shows.
    pub tree: tree::Options,
    /// How the tree is served.
    pub fuse: fuse::Options,
    /// Programs on the mount cannot be run.
    pub noexec: bool,
    /// The mount point may have files in it, or be a mount already.
    pub nonempty: bool,
    /// `rw` was among the options. The mount is read-only all the same.
    pub read_write_asked: bool,
    /// Serve from this process until unmounted.
    pub foreground: bool,
    /// What the worker logs, as in `RUST_LOG`.
    pub log: String,
}

impl Request {
    /// A mount of `image` with the usual options.
    #[must_use]
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            mountpoint: None,
            open: open::Options::default(),
            tree: tree::Options::default(),
            fuse: fuse::Options::default(),
            noexec: false,
            nonempty: false,
            read_write_asked: false,
            foreground: false,
            log: "warn".to_owned(),
        }
    }
}

/// A mount that is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where, as an absolute path without symbolic links.
    pub mountpoint: PathBuf,
    /// What was odd but no error while the image was opened.
    pub notices: Vec<String>,
}

/// Mounts, and calls `ready` once the tree can be used. Returns right after that; with
/// `foreground`, when it is unmounted.
///
/// # Errors
/// The image is refused, or the host cannot mount; nothing is left mounted then.
pub fn mount(request: &Request, ready: &mut dyn FnMut(&Mounted)) -> Result<(), Failure> {
    let _ = (request, ready);
    Err(Failure::host(Error::unsupported("mount")))
}

/// Mounts at a fresh private directory, runs `command` with `$IMGMOUNT` set to it and every `{}`
/// replaced by it, and unmounts. `ready` is called before the command runs. Gives the command's
/// exit code, 128 + n where signal n ended it.
///
/// # Errors
/// As [`mount`]; `Usage` where the command cannot be run.
pub fn run(
    request: &Request,
    command: &[OsString],
    ready: &mut dyn FnMut(&Mounted),
) -> Result<u8, Failure> {
    let _ = (request, command, ready);
    Err(Failure::host(Error::unsupported("run")))
}

/// Unmounts what imgmount mounted at `mountpoint`; `lazy` also where files on it are in use.
///
/// # Errors
/// `Host` where nothing, or something else's mount, is there, or files on it are in use.
pub fn unmount(mountpoint: &Path, lazy: bool) -> Result<(), Failure> {
    let _ = (mountpoint, lazy);
    Err(Failure::host(Error::unsupported("unmount")))
}
