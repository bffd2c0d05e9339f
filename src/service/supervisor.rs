//! The process that mounts, waits and unmounts. It parses nothing of the image.
//!
//! Whoever dies: without the worker the mount goes; without the supervisor the worker serves on
//! until somebody unmounts; without both, the next imgmount at that place clears what is left.

mod ending;
mod staying;

use std::fs::{File, Metadata};
use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::ending::{Mount, PATIENCE};
use self::staying::Idle;
use super::answers::Answers;
use super::attach::{self, How};
use super::channel::Channel;
use super::failure::Failure;
use super::keys::{self, Handed};
use super::last_words::LastWords;
use super::mount::{Mounted, Request};
use super::mount_point::MountPoint;
use super::pid_file::PidFile;
use super::process::{self, Log, Worker};
use super::sandbox::Attempt;
use super::wire::{Outcome, Report, Serve, Task};
use super::{image_file, mountinfo, open, readahead, shown};
use crate::error::{Error, Kind, ResultExt};
use crate::filesystem::Timestamp;
use crate::sys;

/// The signals that end a mount.
pub(super) const ENDING: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// A mount that is being served. Ends with this value, whatever is in use.
pub(super) struct Supervisor {
    /// Before the mount point, whose end others wait for.
    pid_file: Option<PidFile>,
    mount: Mount,
    worker: Worker,
    answers: Answers,
    /// What the worker said that is no question; nothing follows it until somebody has heard it.
    said: Option<Result<Report, Error>>,
    /// What it has tried, where that was asked for.
    tried: Option<Vec<Attempt>>,
    /// Requests that failed by bugs of this program, and who is told at the end.
    faults: u64,
    last_words: Option<LastWords>,
    signals: sys::Caught,
    mounted: Mounted,
    idle: Idle,
}

/// A look at the mount.
struct Look {
    /// Closed at its end.
    done: PipeReader,
    thread: JoinHandle<std::io::Result<Metadata>>,
}

/// What happened.
#[derive(Default)]
pub(super) struct Happened {
    /// The worker reports something, or has ended.
    pub(super) worker: bool,
    /// A signal came.
    pub(super) signal: Option<i32>,
    /// The other thing that was waited for.
    pub(super) other: bool,
}

/// Catches the signals that end a mount.
///
/// # Errors
/// `Host`.
pub(super) fn catch() -> Result<sys::Caught, Failure> {
    let caught = sys::ignore_signal(libc::SIGXFSZ).and_then(|()| sys::catch_signals(&ENDING));
    caught.map_err(|error| Failure::host(Error::io("signals", &error)))
}

impl Supervisor {
    /// Opens the image, mounts it at `point`, or where the request says, and returns when the tree
    /// can be used. Gives up when `client`, for whom all this is done, goes away.
    ///
    /// # Errors
    /// Why not. Nothing is mounted then, and no process left.
    pub(super) fn start(
        request: &Request,
        point: Option<MountPoint>,
        client: Option<&Channel>,
        handed: Handed,
    ) -> Result<Self, Failure> {
        let name = shown(&request.image);
        let signals = catch()?;
        let pid_file = request.pid_file.as_deref().map(PidFile::place);
        let pid_file = pid_file.transpose()?;
        let about = request.image.clone().into_os_string();
        let mut worker = Worker::start(process::WORKER, about).map_err(Failure::host)?;
        let image = image_file::open(&request.image).context(|| name.as_str())?;
        let point = match point {
            Some(point) => point,
            None => MountPoint::find(
                request.mountpoint.as_deref(),
                &request.image,
                request.nonempty,
            )?,
        };
        let answers = Answers::new(request, &image, handed)?;
        let task = task(request, &image.file);
        let given = worker.give(&task, Some(image.file.as_fd()));
        given.map_err(Failure::host)?;
        let mut starting = Self {
            pid_file: None,
            mounted: Mounted {
                process: std::process::id(),
                mountpoint: point.path().to_owned(),
                notices: image.notices,
            },
            mount: Mount {
                attached: None,
                point,
            },
            worker,
            answers,
            said: None,
            tried: None,
            faults: 0,
            last_words: None,
            signals,
            idle: Idle::after(request.idle()),
        };
        let named = |Failure { cause, error }| Failure {
            cause,
            error: error.context(name),
        };
        if let Report::Opened { notices } = starting.next_report(client).map_err(named)? {
            starting.mounted.notices.extend(notices);
        }
        starting.answers.settle();
        starting.attach(request, client)?;
        starting.pid_file = pid_file.map(PidFile::write).transpose()?;
        starting.mounted.notices.extend(for_root_alone(request));
        Ok(starting)
    }

    fn attach(&mut self, request: &Request, client: Option<&Channel>) -> Result<(), Failure> {
        let image = request.image.canonicalize();
        let image = image.unwrap_or_else(|_| request.image.clone());
        let how = How {
            source: mountinfo::source_name(&image, self.mount.point.path()),
            noexec: request.noexec,
            allow_other: request.fuse.allow_other,
        };
        self.mount.point.prepare()?;
        let (attached, device) = attach::attach(self.mount.point.path(), &how)
            .inspect_err(|_| self.mount.point.remove())?;
        self.last_words = LastWords::of(attached.device());
        self.mount.attached = Some(attached);
        // One that does not listen would leave whoever looks at the mount waiting.
        self.worker
            .channel()
            .send_now(&Serve, Some(device.as_fd()))?;
        // With the last descriptor outside the worker, its end is the end of the connection.
        drop(device);
        let look = self.look()?;
        let ready = self.next_report(client);
        ready.map_err(|failure| Failure::host(failure.error))?;
        if let Some(attached) = &self.mount.attached {
            readahead::raise(attached.device());
        }
        self.wait_for_look(look)
    }

    /// Looks at the mount as others will: the kernel answers once the worker does. On a thread of its
    /// own, since the worker may have something to ask before that.
    fn look(&self) -> Result<Look, Failure> {
        let (done, looking) = std::io::pipe().map_err(|error| unusable(&error))?;
        let path = self.mount.point.path().to_owned();
        let thread = std::thread::spawn(move || {
            let found = path.metadata();
            drop(looking);
            found
        });
        Ok(Look { done, thread })
    }

    fn wait_for_look(&mut self, look: Look) -> Result<(), Failure> {
        loop {
            let other = PollFd::new(&look.done, PollFlags::IN);
            let happened = self.wait(Some(other), None, Log::Show)?;
            if happened.other {
                break;
            }
            if happened.signal.is_some() {
                return Err(Failure::host(interrupted()));
            }
            if let Some(said) = self.said.take() {
                said.map_err(Failure::host)?;
            }
        }
        let found = look.thread.join();
        let found = found.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
        match found {
            Ok(_) => Ok(()),
            // A worker that died is why, and is heard of in a moment.
            Err(error) => Err(self.death().unwrap_or_else(|| unusable(&error))),
        }
    }

    /// Why the worker has ended, where it has or does so soon.
    fn death(&mut self) -> Option<Failure> {
        let deadline = Instant::now().checked_add(PATIENCE);
        while deadline.is_some_and(|deadline| Instant::now() < deadline) {
            self.wait(None, deadline, Log::Show).ok()?;
            if let Some(Err(error)) = self.said.take() {
                return Some(Failure::host(error));
            }
        }
        None
    }

    /// What the worker has tried, once it says so.
    ///
    /// # Errors
    /// `Io` where it ends before.
    pub(super) fn attempts(&mut self) -> Result<Vec<Attempt>, Error> {
        loop {
            if let Some(attempts) = self.tried.take() {
                return Ok(attempts);
            }
            let happened = self.wait(None, None, Log::Show)?;
            if let Some(said) = self.said.take() {
                said?;
            }
            if happened.signal.is_some() {
                return Err(interrupted());
            }
        }
    }

    /// What the user is told.
    pub(super) fn mounted(&self) -> &Mounted {
        &self.mounted
    }

    /// # Errors
    /// What the worker refuses; `Host` where it is waited for no more.
    fn next_report(&mut self, client: Option<&Channel>) -> Result<Report, Failure> {
        loop {
            let client = client.map(|client| PollFd::new(client, PollFlags::empty()));
            let happened = self.wait(client, None, Log::Show).map_err(Failure::host)?;
            if let Some(report) = self.said.take() {
                self.worker.pass_log(Log::Show);
                return report.map_err(Failure::from);
            }
            if happened.signal.is_some() || happened.other {
                return Err(Failure::host(interrupted()));
            }
        }
    }

    /// Hears the worker: a question is answered at once, unless `other` hangs up while the user is
    /// asked.
    fn hear(&mut self, other: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        match self.worker.report() {
            Ok(Report::Asks(question)) => {
                let waiting = std::iter::once(self.worker.channel().as_fd()).chain(other);
                let waiting: Vec<_> = waiting.collect();
                let (answer, descriptor) = self.answers.answer(question, &waiting);
                let descriptor = descriptor.as_ref().map(AsFd::as_fd);
                self.worker.channel().send_now(&answer, descriptor)?;
                match self.answers.is_interrupted() {
                    true => Err(interrupted()),
                    false => Ok(()),
                }
            }
            Ok(Report::Failed) => {
                self.faults = self.faults.saturating_add(1);
                Ok(())
            }
            Ok(Report::Idle) => {
                self.idle.say();
                Ok(())
            }
            Ok(Report::Tried(attempts)) => {
                self.tried = Some(attempts);
                Ok(())
            }
            said => {
                self.said = Some(said);
                Ok(())
            }
        }
    }

    /// Waits until something happens, at most until `deadline`.
    pub(super) fn wait(
        &mut self,
        other: Option<PollFd<'_>>,
        deadline: Option<Instant>,
        log: Log,
    ) -> Result<Happened, Error> {
        let mut happened = Happened::default();
        let speaks;
        let asked_for = other.clone();
        let logged = {
            let channel = self.worker.channel();
            let mut watched = vec![
                PollFd::new(channel, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::from_borrowed_fd(self.worker.log(), PollFlags::IN),
            ];
            watched.extend(other);
            wait_for(&mut watched, deadline)?;
            let ready = |index: usize| {
                watched
                    .get(index)
                    .is_some_and(|fd| !fd.revents().is_empty())
            };
            (speaks, happened.other) = (ready(0), ready(3));
            ready(2)
        };
        if speaks
            && self.said.is_none()
            && let Err(error) = self.hear(asked_for.as_ref().map(AsFd::as_fd))
        {
            self.worker.kill();
            self.said = Some(Err(error));
        }
        happened.worker = self.said.is_some();
        if logged {
            self.worker.pass_log(log);
        }
        // It waits where the caller has something else to see to first.
        if !happened.worker && !happened.other {
            happened.signal = self.signals.take();
        }
        Ok(happened)
    }

    /// How many requests failed by bugs of this program, which whoever asked is told now.
    fn faults(&self) -> u64 {
        if let Some(last_words) = &self.last_words {
            last_words.say(self.faults);
        }
        self.faults
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.bury();
    }
}

/// Who calls imgmount by sudo is surprised that only root can look into the mount.
fn for_root_alone(request: &Request) -> Option<String> {
    let by_sudo = std::env::var_os("SUDO_UID").is_some() && rustix::process::geteuid().is_root();
    let text = "mounted for root alone; -o allow_other lets other users in";
    (by_sudo && !request.fuse.allow_other).then(|| text.to_owned())
}

fn unusable(error: &std::io::Error) -> Failure {
    Failure::host(Error::io("use the mount", error))
}

fn interrupted() -> Error {
    Error::new(Kind::Io, "interrupted")
}

pub(super) fn wait_for(watched: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<(), Error> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    match poll(watched, left.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Error::io("wait", &error.into())),
    }
}

/// What the worker is told about the image, which is open already.
pub(super) fn task(request: &Request, image: &File) -> Task {
    /// More would wait for each other's blocks.
    const MOST_THREADS: usize = 4;
    let cores = sys::processors();
    let mut tree = request.tree.clone();
    tree.owner = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    if let Ok(found) = image.metadata() {
        tree.time = Timestamp {
            seconds: found.mtime(),
            nanoseconds: u32::try_from(found.mtime_nsec()).unwrap_or_default(),
        };
    }
    Task {
        name: open::file_name(&request.image),
        open: open::Options {
            // Those who open files need them; and it may be long.
            allow_files: Vec::new(),
            allow_directories: Vec::new(),
            with: Vec::new(),
            keys: keys::Options {
                files: Vec::new(),
                headers: Vec::new(),
                ..request.open.keys.clone()
            },
            typed: open::Typed::default(),
            ..request.open.within_limits()
        },
        others: request.open.with.len(),
        keys: request.open.keys.forms(),
        headers: request
            .open
            .keys
            .headers
            .iter()
            .map(|it| it.subject.clone())
            .collect(),
        tree,
        fuse: request.fuse.clone(),
        // One for a request that takes long, and one beside it.
        threads: cores.clamp(2, MOST_THREADS),
        processors: cores,
        self_test: request.self_test,
        idle_timeout: request.idle(),
        lanes: 0,
        log: request.log.clone(),
    }
}

/// The supervisor in the background: its whole life.
///
/// # Errors
/// What the client was told already, or what happened after it left.
pub(super) fn supervise() -> Result<(), Failure> {
    // It fails for the leader of a process group, which a program just started is not.
    let _ = rustix::process::setsid();
    let client = Channel::inherited()?;
    let Some(request) = client.receive_whole::<Request>()? else {
        return Err(Failure::host(interrupted()));
    };
    let handed = Handed::receive(&client)?;
    let supervisor = match Supervisor::start(&request, None, Some(&client), handed) {
        Ok(supervisor) => supervisor,
        Err(failure) => {
            client.send_whole(&Outcome::Failed(failure.clone()))?;
            return Err(failure);
        }
    };
    let mounted = supervisor.mounted().clone();
    leave_terminal()?;
    client.send_whole(&Outcome::Ready(mounted))?;
    drop(client);
    supervisor.stay(Log::System)
}

/// Nothing of the user's stays in use: neither the terminal nor the directory.
fn leave_terminal() -> Result<(), Failure> {
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| Failure::host(Error::io("/dev/null", &error)))?;
    let left = rustix::stdio::dup2_stdin(&null)
        .and_then(|()| rustix::stdio::dup2_stderr(&null))
        .and_then(|()| rustix::process::chdir("/"));
    left.map_err(|error| Failure::host(Error::io("go to the background", &error.into())))
}
