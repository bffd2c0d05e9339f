//! A worker that reads an image for a verb, as the verb's own process sees it. That process parses
//! nothing: it answers the worker's questions, shows its log, and has streams to it over which
//! names and bytes come.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::answers::Answers;
use super::failure::Failure;
use super::frames::Frames;
use super::keys::Handed;
use super::mount::Request;
use super::passed::Passed;
use super::process::{Log, READER, Worker};
use super::sandbox::Attempt;
use super::supervisor::{task, wait_for};
use super::wire::{Lane, Report};
use super::{image_file, shown};
use crate::error::{Error, Kind, Result, ResultExt};

/// How long a worker may take to keep what it has to keep, once nobody wants anything more of it.
const PATIENCE: Duration = Duration::from_secs(4);

/// A worker that reads an image. Ends with this value.
pub struct Reading {
    /// Hears when it is enough.
    ending: Option<PipeWriter>,
    /// Gives how the worker ended.
    attendant: Option<JoinHandle<Ended>>,
    how: Option<Error>,
}

/// What is known of the worker in the end.
struct Ended {
    how: Error,
    /// What it has tried, where that was asked for.
    tried: Option<Vec<Attempt>>,
}

/// A reading that begins.
pub struct Started {
    /// The worker.
    pub reading: Reading,
    /// The streams to it.
    pub lanes: Vec<Frames>,
    /// What is odd about the image's file.
    pub notices: Vec<String>,
}

/// Opens the image that `request` names, and starts a worker on it with `lanes` streams. The files
/// that it is given are kept in `passed` too.
///
/// # Errors
/// As [`super::open::open_seen`] for what is no file to be read, naming it; `Host` where no process
/// can be started.
pub fn start(
    request: &Request,
    lanes: usize,
    passed: &Passed,
) -> std::result::Result<Started, Failure> {
    let about = request.image.clone().into_os_string();
    let named = |error: Error| Failure::host(error.context(shown(&request.image)));
    let mut worker = Worker::start(READER, about).map_err(named)?;
    let image = image_file::open(&request.image).context(|| shown(&request.image))?;
    let handed = Handed::open(&request.open.keys)?;
    let mut answers = Answers::new(request, &image, handed)?;
    passed.keep(image.file.as_fd());
    answers.note(passed.clone());
    let mut task = task(request, &image.file);
    task.lanes = lanes;
    let given = worker.give(&task, Some(image.file.as_fd()));
    given.map_err(named)?;
    let mut own = Vec::new();
    for _ in 0..lanes {
        let (one, other) = Frames::pair().map_err(Failure::host)?;
        let other = OwnedFd::from(other);
        let given = worker.give(&Lane, Some(other.as_fd()));
        given.map_err(named)?;
        own.push(one);
    }
    let (ended, ending) =
        std::io::pipe().map_err(|error| Failure::host(Error::io("make a pipe", &error)))?;
    let attendant = Attendant {
        worker,
        answers,
        ended: Some(ended),
        deadline: None,
        tried: None,
    };
    let reading = Reading {
        ending: Some(ending),
        attendant: Some(std::thread::spawn(|| attendant.attend())),
        how: None,
    };
    Ok(Started {
        reading,
        lanes: own,
        notices: image.notices,
    })
}

impl Reading {
    /// How the worker ended, which it has done or is to do now.
    pub fn death(&mut self) -> Error {
        self.ending = None;
        if let Some(attendant) = self.attendant.take() {
            self.how = attendant.join().ok().map(|ended| ended.how);
        }
        self.how.clone().unwrap_or_else(unknown)
    }

    /// Ends the worker at once.
    pub fn kill(&mut self) {
        if let Some(ending) = &mut self.ending {
            let _ = ending.write_all(b"!"); // Whoever would read it is gone with the worker.
        }
        self.death();
    }
}

fn unknown() -> Error {
    Error::new(Kind::Io, "the process that reads the image ended")
}

/// What a worker for a verb can do of what it must not be able to.
///
/// # Errors
/// As [`start`]; `Host` where the worker ends before it has said so.
pub(super) fn attempts(request: &Request) -> std::result::Result<Vec<Attempt>, Failure> {
    let mut started = start(request, 1, &Passed::default())?;
    let attendant = started.reading.attendant.take();
    match attendant.and_then(|attendant| attendant.join().ok()) {
        Some(Ended {
            tried: Some(tried), ..
        }) => Ok(tried),
        Some(Ended { how, .. }) => Err(Failure::host(how)),
        None => Err(Failure::host(unknown())),
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.death();
    }
}

/// What a thread does beside the verb, as long as there is a worker.
struct Attendant {
    worker: Worker,
    answers: Answers,
    /// Until it is enough.
    ended: Option<PipeReader>,
    deadline: Option<Instant>,
    tried: Option<Vec<Attempt>>,
}

impl Attendant {
    /// Gives how the worker ended.
    fn attend(mut self) -> Ended {
        loop {
            match self.happen() {
                Ok(()) => {}
                Err(how) => {
                    self.worker.pass_log(Log::Show);
                    return Ended {
                        how,
                        tried: self.tried,
                    };
                }
            }
        }
    }

    /// Waits until something happens, and does what is to be done about it.
    fn happen(&mut self) -> Result<()> {
        let [speaks, logs, ends] = {
            let mut watched = vec![
                PollFd::new(self.worker.channel(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.worker.log(), PollFlags::IN),
            ];
            watched.extend(self.ended.as_ref().map(|it| PollFd::new(it, PollFlags::IN)));
            wait_for(&mut watched, self.deadline)?;
            [0, 1, 2].map(|index: usize| {
                watched
                    .get(index)
                    .is_some_and(|fd| !fd.revents().is_empty())
            })
        };
        if logs {
            self.worker.pass_log(Log::Show);
        }
        if ends {
            self.is_enough();
        }
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            self.worker.kill();
        }
        match speaks {
            true => self.hear(),
            false => Ok(()),
        }
    }

    fn is_enough(&mut self) {
        let told = self.ended.take().map(|mut ended| ended.read(&mut [0]));
        match told {
            Some(Ok(1)) => self.worker.kill(),
            _ => self.deadline = Instant::now().checked_add(PATIENCE),
        }
    }

    /// Answers a question.
    fn hear(&mut self) -> Result<()> {
        let question = match self.worker.report()? {
            Report::Asks(question) => question,
            Report::Tried(attempts) => {
                self.tried = Some(attempts);
                return Ok(());
            }
            _ => {
                self.worker.kill();
                return Err(Error::corrupt("the process that reads the image is astray"));
            }
        };
        let waiting = [self.worker.channel().as_fd()];
        let (answer, descriptor) = self.answers.answer(question, &waiting);
        let descriptor = descriptor.as_ref().map(AsFd::as_fd);
        if self.worker.channel().send_now(&answer, descriptor).is_err() {
            self.worker.kill(); // It does not listen, or has ended already.
        }
        Ok(())
    }
}
