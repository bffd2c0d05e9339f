//! Mounting: what the command line asks for, and what it gets.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::failure::Failure;
use super::keys::Handed;
use super::notify;
use super::process::{self, Log, SUPERVISOR, same_program};
pub use super::run::{Ran, run};
use super::supervisor::Supervisor;
pub use super::unmount::unmount;
use super::wire::{self, Outcome};
use super::{image_file, open, shown};
use crate::error::{Error, Kind, Result};
use crate::{fuse, tree};

/// What to mount, where and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The image: a regular file or a block device.
    #[serde(with = "wire::path")]
    pub image: PathBuf,
    /// Where. Without it, a directory named like the image is made in the current directory, and
    /// removed on unmount.
    #[serde(with = "wire::optional_path")]
    pub mountpoint: Option<PathBuf>,
    /// How the image is opened.
    pub open: open::Options,
    /// What the tree shows. Owner and time of what it adds are set here: those of the user and of
    /// the image.
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
    /// Unmount when nobody has used it for so long; never where it is zero.
    pub idle_timeout: Option<Duration>,
    /// Where the number of the process that unmounts is kept.
    #[serde(with = "wire::optional_path")]
    pub pid_file: Option<PathBuf>,
    /// What the worker logs, as in `RUST_LOG`.
    pub log: String,
    /// The worker tries what it must not be able to do.
    pub self_test: bool,
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
            idle_timeout: None,
            pid_file: None,
            log: "warn".to_owned(),
            self_test: false,
        }
    }

    /// The same for another process: what names a descriptor of this one, as `/dev/fd/3` does, is
    /// named by what that leads to.
    ///
    /// # Errors
    /// `Unsupported` where that has no name, or is no image; `NotFound`, `Denied`. `Host` for the
    /// mount point.
    fn named_for_others(mut self) -> std::result::Result<Self, Failure> {
        let headers = self.open.keys.headers.iter_mut();
        let headers = headers.map(|header| &mut header.path);
        let images = std::iter::once(&mut self.image).chain(&mut self.open.with);
        for path in images.chain(headers) {
            name_for_others(path, |path| image_file::open(path).map(|_| ()))?;
        }
        let allowed = self.open.allow_files.iter_mut();
        for path in allowed.chain(&mut self.open.allow_directories) {
            name_for_others(path, looked_at)?;
        }
        if let Some(path) = &mut self.mountpoint {
            name_for_others(path, looked_at).map_err(Failure::host)?;
        }
        Ok(self)
    }

    /// [`Request::idle_timeout`], where that is any.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.idle_timeout.filter(|timeout| !timeout.is_zero())
    }
}

/// Where `path` leads, if it is one that leads elsewhere in another process; `usable` says what is
/// wrong with it in this one.
fn name_for_others(path: &mut PathBuf, usable: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    const OWN: [&str; 4] = ["/dev/fd", "/dev/stdin", "/proc/self", "/proc/thread-self"];
    if !OWN.iter().any(|own| path.starts_with(own)) {
        return Ok(());
    }
    if let Some(named) = path.canonicalize().ok().filter(|named| is_one(path, named)) {
        *path = named;
        return Ok(());
    }
    let text = "it has no name, by which alone the process in the background could open it";
    let nameless = || Error::unsupported(text).hint("-f serves it from this process");
    let error = usable(path).err().unwrap_or_else(nameless);
    Err(error.context(shown(path)))
}

/// Whether both paths lead to the same thing: the name that the kernel gives what is open was that
/// of another file, where this one was deleted.
fn is_one(path: &Path, other: &Path) -> bool {
    let [one, other] = [path, other].map(|path| path.metadata().ok());
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    one.is_some() && one.map(identity) == other.map(identity)
}

fn looked_at(path: &Path) -> Result<()> {
    let found = path.metadata().map(|_| ());
    found.map_err(|error| Error::io("cannot be opened", &error))
}

/// A mount that is usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Where, as an absolute path without symbolic links.
    #[serde(with = "wire::path")]
    pub mountpoint: PathBuf,
    /// The process that unmounts it, on a signal for example.
    pub process: u32,
    /// What was odd but no error while the image was opened.
    pub notices: Vec<String>,
}

/// Mounts, and calls `ready` once the tree can be used; where that says false, which is when nobody
/// hears of the mount, it is unmounted again. Returns right after that; with `foreground`, when it
/// is unmounted. Not for a process with other children.
///
/// # Errors
/// The image is refused, or the host cannot mount; nothing is left mounted then.
pub fn mount(
    request: &Request,
    ready: &mut dyn FnMut(&Mounted) -> bool,
) -> std::result::Result<(), Failure> {
    if request.foreground {
        let handed = Handed::open(&request.open.keys)?;
        let supervisor = Supervisor::start(request, None, None, handed)?;
        if !ready(supervisor.mounted()) {
            return supervisor.end().map(|_| ());
        }
        notify::ready(supervisor.mounted());
        return supervisor.stay(Log::Show);
    }
    let mounted = in_background(request)?;
    if !ready(&mounted) {
        return unmount(&mounted.mountpoint, true).map(|_| ());
    }
    notify::ready(&mounted);
    Ok(())
}

/// Starts the supervisor as a process of its own, and waits until it has mounted or given up.
fn in_background(request: &Request) -> std::result::Result<Mounted, Failure> {
    let handed = Handed::open(&request.open.keys)?;
    let told = request.clone().named_for_others()?;
    let (channel, theirs) = Channel::pair()?;
    let about = std::iter::once(&request.image).chain(&request.mountpoint);
    let about: Vec<_> = about.map(|path| path.clone().into_os_string()).collect();
    let mut command: Command = same_program(SUPERVISOR, &about);
    command.stdin(theirs.into_stdio()).stdout(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| Failure::host(Error::io("start the supervisor", &error)))?;
    drop(command); // It holds the other end, which would never close.
    let sent = channel
        .send_whole(&told)
        .and_then(|()| handed.send(&channel));
    sent.map_err(Failure::host)?;
    match channel.receive_whole().map_err(Failure::host)? {
        Some(Outcome::Ready(mounted)) => Ok(mounted),
        Some(Outcome::Failed(failure)) => {
            let _ = child.wait(); // It has said everything.
            Err(failure)
        }
        None => {
            let status = child.wait().ok();
            handed.restore_terminal();
            let error = process::death(status.as_ref()).context(shown(&request.image));
            Err(Failure::host(Error::new(Kind::Io, error.to_string())))
        }
    }
}
