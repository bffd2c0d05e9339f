//! The worker as the supervisor sees it: a child, a socket, and a pipe for what it logs.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::channel::Channel;
use super::wire::Report;
pub(super) use super::worker_log::Log;
use super::worker_log::WorkerLog;
use crate::error::{Error, Kind, Result, printable, tame};

/// How long a worker that has said its last word may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first argument of a worker, and of a supervisor in the background.
pub(super) const WORKER: &str = "--worker";
/// That of a worker that reads an image for a verb.
pub(super) const READER: &str = "--reader";
/// See [`WORKER`].
pub(super) const SUPERVISOR: &str = "--supervisor";

/// This program once more, in the role `role`. `about` only shows in ps(1).
pub(super) fn same_program(role: &str, about: &[OsString]) -> Command {
    // Whatever was installed meanwhile under the name that this program was started by.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("imgmount").arg(role).args(about);
    command
}

/// A worker. Ends with this value.
pub(super) struct Worker {
    child: Child,
    channel: Channel,
    log: WorkerLog,
}

impl Worker {
    /// Starts one in the role `role`, which waits for its task: so it can begin to run while the
    /// task is being made. `about` only shows in ps(1).
    ///
    /// # Errors
    /// `Io` where no process can be started.
    pub(super) fn start(role: &str, about: OsString) -> Result<Self> {
        let (channel, theirs) = Channel::pair()?;
        let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
        let (log, their_log) = rustix::pipe::pipe_with(flags)
            .map_err(|error| Error::io("make a pipe", &error.into()))?;
        let shown = printable(about.as_bytes());
        let child = same_program(role, &[about])
            .env_clear()
            .current_dir("/")
            .stdin(theirs.into_stdio())
            .stdout(Stdio::null())
            .stderr(their_log)
            .spawn()
            .map_err(|error| Error::io("start the worker", &error))?;
        Ok(Self {
            child,
            channel,
            log: WorkerLog::new(log, shown),
        })
    }

    /// Sends it what it waits for.
    ///
    /// # Errors
    /// How it ended, where it hears nothing any more; `Invalid` for what is too long.
    pub(super) fn give(
        &mut self,
        message: &impl Serialize,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        match self.channel.send(message, descriptor) {
            Err(error) if error.kind() != Kind::Invalid => {
                self.kill();
                Err(death(self.wait().as_ref()))
            }
            sent => sent,
        }
    }

    /// The socket.
    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The pipe.
    pub(super) fn log(&self) -> BorrowedFd<'_> {
        self.log.pipe()
    }

    /// The next report, a question perhaps.
    ///
    /// # Errors
    /// What the worker refuses; `Io` where it has ended.
    pub(super) fn report(&mut self) -> Result<Report> {
        match self.channel.receive()? {
            Some((Report::Refused(error), _)) => Err(error.tamed()),
            Some((Report::Opened { notices }, _)) => Ok(Report::Opened {
                notices: notices.iter().map(|notice| tame(notice)).collect(),
            }),
            Some((report, _)) => Ok(report),
            None => {
                // It is about to end, and a kill meanwhile would look like its death. One that has
                // nothing to say any more, and lives on, is no worker.
                self.wait_within(PATIENCE);
                self.kill();
                let status = self.wait();
                Err(death(status.as_ref()))
            }
        }
    }

    /// Takes some of what it has logged, and passes it on.
    pub(super) fn pass_log(&mut self, log: Log) {
        self.log.pass(log);
    }

    /// Puts `text` into the system's log, each line by itself.
    pub(super) fn note(&mut self, text: &[u8]) {
        self.log.note(text);
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> Option<ExitStatus> {
        self.child.wait().ok()
    }

    /// Waits for its end, for `limit` at most.
    fn wait_within(&mut self, limit: Duration) {
        const STEP: Duration = Duration::from_millis(1);
        let deadline = Instant::now().checked_add(limit);
        let is_early = || deadline.is_some_and(|deadline| Instant::now() < deadline);
        while matches!(self.child.try_wait(), Ok(None)) && is_early() {
            std::thread::sleep(STEP);
        }
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill(); // It fails where it has ended already.
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        self.wait();
    }
}

/// What is said of a worker that ended without being asked to.
pub(super) fn death(status: Option<&ExitStatus>) -> Error {
    let how = match status.map(|status| (status.signal(), status.code())) {
        Some((Some(signal), _)) => format!("was killed by signal {signal}"),
        Some((_, Some(code))) => format!("ended with code {code}"),
        _ => "ended".to_owned(),
    };
    Error::new(Kind::Io, format!("the process that reads the image {how}"))
}
