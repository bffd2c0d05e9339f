//! The process that reads an image for a verb, as the verb's code in it sees it.

use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};

use super::frames::Frames;
use super::open::{Image, Seen};
use super::sandbox::{Attempt, Confined};
use super::wire::Report;
use super::worker::{self, Given};
use crate::error::{Error, Result, caught};
use crate::filesystem::Counts;
use crate::stack::Registries;
use crate::tree;

/// What the process was given: an image that is open, and streams to the verb.
pub struct Reader {
    given: Given,
    /// The streams.
    pub lanes: Vec<Frames>,
}

/// The process's whole life, where `closed` is what came of closing what it was started with: it
/// does what `read` does with an image to be opened by `registries`, or tries what it must not be able to do.
///
/// # Errors
/// What it has reported already.
pub(super) fn work(
    closed: std::io::Result<()>,
    registries: Registries,
    read: impl FnOnce(Reader) -> Result<()>,
) -> Result<()> {
    let parent = worker::parent();
    let mut reader = Reader::receive(closed, registries)?;
    if !reader.given.task.self_test {
        return read(reader);
    }
    reader.open(&Seen::default())?;
    let supervisor = &reader.given.supervisor;
    supervisor.tell(&Report::Tried(Attempt::all(parent)))
}

impl Reader {
    /// Takes what the verb's process gives, an image to be opened by `registries`. This process ends
    /// with that one.
    fn receive(closed: std::io::Result<()>, registries: Registries) -> Result<Self> {
        let mut given = Given::receive(closed, registries)?;
        let lanes = std::mem::take(&mut given.lanes);
        let supervisor = given.supervisor.clone();
        std::thread::spawn(move || {
            let mut watched = [PollFd::new(&*supervisor, PollFlags::empty())];
            while rustix::event::poll(&mut watched, None).is_err() {}
            std::process::exit(1);
        });
        Ok(Self {
            given,
            lanes: lanes.into_iter().map(Frames::of).collect(),
        })
    }

    /// Everything in the image, its file systems guarded. What is found and what is odd goes to
    /// `seen`.
    ///
    /// # Errors
    /// What the image layer refuses.
    pub fn open(&mut self, seen: &Seen) -> Result<Image> {
        let notices = seen.notices.clone();
        let tell = Box::new(move |text: &str| notices.add(text));
        // A bug is the error of the file that it was met at, and nobody counts it.
        let counts: Counts = Arc::new(|| ());
        let opened = caught(|| self.given.open(seen.clone(), tell, &counts));
        // No FUSE device is needed, and no limit is set any more.
        let wanted = self.given.task.open.sandbox;
        self.given.confined.narrow(wanted).and(opened)
    }

    /// What keeps this process from anything else.
    #[must_use]
    pub fn confined(&self) -> &Confined {
        &self.given.confined
    }

    /// What the user chose about the tree.
    #[must_use]
    pub fn tree(&self) -> &tree::Options {
        &self.given.task.tree
    }

    /// As many of `notices` as a message may have.
    #[must_use]
    pub fn few(notices: Vec<String>) -> Vec<String> {
        worker::few(notices)
    }

    /// The error, cut where what it lists is too long for a message.
    #[must_use]
    pub fn shortened(error: &Error) -> Error {
        worker::shortened(error)
    }
}
