//! A [`Tree`] → the kernel: a thin shell, the only module that says `fuser`.
//!
//! `answers` says what is answered, and can be tested without a mount; `shell` hands it to the
//! kernel. Of fuser's known faults, these are worked round here: a panic would end its thread
//! (`answers::Answers::guard`), it wants to check the users by itself although the kernel does
//! ([`serve`]), and an entry without attributes cannot be expressed (`attributes::unreadable`).
//! It is given an open `/dev/fuse` and never mounts or unmounts: `service` does.

mod activity;
mod ahead;
mod answers;
mod attributes;
mod errno;
mod linger;
mod replies;
mod shell;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::activity::Activity;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// How a tree is shown to the users of the mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Other users may use the mount; the kernel then checks permissions.
    pub allow_other: bool,
}

/// How many threads answer, and whether each can have a descriptor of its own.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// At least 1.
    pub count: usize,
    /// `/dev/fuse` can be opened once more for each, which fuser does by its path and gives up
    /// where it fails. Without, they share one.
    pub own_descriptors: bool,
}

/// Something to be done.
pub type Event = Box<dyn Fn() + Send + Sync>;

/// Who is told what happens while a tree is served.
pub struct Events {
    /// The first request has come: every thread is at its place, and nothing more is opened.
    pub begins: Event,
    /// A panic has cost a request.
    pub fails: Event,
    /// Where every open file and every request is noted, if anybody wants to know. It costs a request
    /// for each file that is opened.
    pub activity: Option<Arc<Activity>>,
}

/// Serves `tree` through `device`, an open `/dev/fuse` that is mounted, until it is unmounted.
/// Calls `ready` when the kernel and this program have agreed on the protocol; what happens from
/// then on is for `events`.
///
/// # Errors
/// `Io` where the kernel ends the connection in another way than by an unmount.
pub fn serve(
    tree: Tree,
    device: OwnedFd,
    options: &Options,
    threads: Threads,
    ready: impl FnOnce() -> Result<()>,
    events: Events,
) -> Result<()> {
    let mut config = fuser::Config::default();
    config.n_threads = Some(threads.count.max(1));
    config.clone_fd = threads.own_descriptors;
    let linger = linger::Linger::new(device.try_clone().ok());
    let shell = shell::Shell::new(answers::Answers::new(tree, options.clone(), events), linger);
    // The kernel enforces who may use the mount. fuser's own check would compare with the user of
    // this process, which need not be the one who mounts.
    let session = fuser::Session::from_fd(shell, device, fuser::SessionACL::All, config)
        .map_err(|error| Error::io("begin with the kernel", &error))?;
    ready()?;
    session
        .run()
        .map_err(|error| Error::io("serve the kernel", &error))
}
