//! The process that parses the image and answers the kernel. It is given open descriptors and
//! opens nothing; it has no environment, and nothing to do with the terminal.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, setrlimit};

use super::asking::{Asked, Beside, Kept, Supervisor};
use super::channel::Channel;
use super::open::{Image, Seen};
use super::sandbox::{self, Attempt, Confined, Duty, Wanted};
use super::watched::Tell;
use super::wire::{Lane, Report, Task};
use super::{memory, open};
use crate::error::{Error, Result, caught};
use crate::filesystem::Counts;
use crate::stack::Registries;
use crate::tree::Tree;
use crate::{fuse, sys};

/// Bytes of addresses that a worker may use besides its cache.
const MEMORY: u64 = 1 << 30;

/// How many heaps its threads share.
const HEAPS: i32 = 4;

/// What a worker was given.
pub(super) struct Given {
    pub(super) task: Task,
    pub(super) supervisor: Arc<Supervisor>,
    /// The streams to the verb, of which a worker that serves a mount has none.
    pub(super) lanes: Vec<OwnedFd>,
    /// What keeps this process from anything else.
    pub(super) confined: Confined,
    /// Until it is opened.
    image: Option<OwnedFd>,
    registries: Registries,
}

/// The worker's whole life; `closed` is what came of closing what it was started with. It opens the
/// image by `registries`.
///
/// # Errors
/// What it has reported to the supervisor already.
pub(super) fn work(closed: std::io::Result<()>, registries: Registries) -> Result<()> {
    let parent = parent();
    let mut given = Given::receive(closed, registries)?;
    let teller = given.supervisor.clone();
    let counts: Counts = Arc::new(move || {
        let _ = teller.tell(&Report::Failed); // Nobody wants to know any more.
    });
    let parsed = caught(|| given.parse(&counts));
    let Given {
        task,
        supervisor,
        confined,
        ..
    } = given;
    let (tree, notices) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            supervisor.tell(&Report::Refused(shortened(&error)))?;
            return Err(error);
        }
    };
    supervisor.tell(&Report::Opened { notices })?;
    let Some(device) = supervisor.device()? else {
        return Ok(()); // The supervisor could not mount.
    };
    let mut options = std::fs::File::options();
    let threads = fuse::Threads {
        count: task.threads,
        own_descriptors: options.read(true).write(true).open("/dev/fuse").is_ok(),
    };
    let ready = || supervisor.tell(&Report::Serving);
    let wanted = task.open.sandbox;
    let (teller, self_test) = (supervisor.clone(), task.self_test);
    let begin = move || {
        if confined.clone().narrow(wanted).is_err() {
            std::process::exit(1);
        }
        if self_test {
            // Where nobody listens any more nobody wants to know.
            let _ = teller.tell(&Report::Tried(Attempt::all(parent)));
        }
    };
    let activity = task.idle_timeout.map(|timeout| {
        let activity = Arc::<fuse::Activity>::default();
        watch(activity.clone(), timeout, supervisor.clone());
        activity
    });
    let events = fuse::Events {
        begins: Box::new(begin),
        fails: Box::new(move || counts()),
        activity,
    };
    let served = fuse::serve(tree, device, &task.fuse, threads, ready, events);
    served.inspect_err(|error| log::error!("{error}"))
}

/// The process that started this one.
pub(super) fn parent() -> i32 {
    rustix::process::getppid().map_or(1, |it| it.as_raw_nonzero().get())
}

/// Tells the supervisor, from a thread of its own, whenever nobody has used the mount for `timeout`.
fn watch(activity: Arc<fuse::Activity>, timeout: Duration, supervisor: Arc<Supervisor>) {
    std::thread::spawn(move || {
        loop {
            let left = timeout.saturating_sub(activity.idle().unwrap_or_default());
            if left.is_zero() && supervisor.tell(&Report::Idle).is_err() {
                return; // Nobody is there to unmount.
            }
            std::thread::sleep(if left.is_zero() { timeout } else { left });
        }
    });
}

impl Given {
    /// Takes what the supervisor gives, and gives up everything else.
    pub(super) fn receive(closed: std::io::Result<()>, registries: Registries) -> Result<Self> {
        renounce()?;
        // The heaps of glibc take addresses, of which there are only so many.
        sys::share_heaps(if memory::is_address_space_limited() {
            1
        } else {
            HEAPS
        });
        let channel = Channel::inherited()?;
        // It has one of them now.
        rustix::stdio::dup2_stdin(rustix::stdio::stdout())
            .map_err(|error| Error::io("standard input", &error.into()))?;
        let (task, image) = channel.expect::<Task>()?;
        start_log(&task.log);
        let image = image.ok_or_else(|| Error::invalid("no image came with the task"))?;
        let mut lanes = Vec::new();
        for _ in 0..task.lanes {
            let (Lane, lane) = channel.expect()?;
            lanes.push(lane.ok_or_else(|| Error::invalid("no stream came with a lane"))?);
        }
        let supervisor = Arc::new(Supervisor::new(channel));
        // Before the first byte of the image is read, and while this is the only thread.
        let confined = match confine(&task, closed) {
            Ok(confined) => confined,
            Err(error) => {
                supervisor.tell(&Report::Refused(error.clone()))?;
                return Err(error);
            }
        };
        Ok(Self {
            task,
            supervisor,
            lanes,
            confined,
            image: Some(image),
            registries,
        })
    }

    /// Everything in the image. What is found and what is odd goes to `seen`, `tell` is called when
    /// the file changes, and `counts` for each bug that a reader of a file system meets from now on.
    ///
    /// # Errors
    /// As [`open::stack_of`].
    pub(super) fn open(&mut self, seen: Seen, tell: Tell, counts: &Counts) -> Result<Image> {
        let image = self.image.take();
        let image = image.ok_or_else(|| Error::invalid("the image is open already"))?;
        let wanted = self.task.open.sandbox;
        if let Some(notice) = self.confined.notice().filter(|_| wanted != Wanted::Off) {
            seen.notices.add(notice);
        }
        let registries = self.registries;
        let mut image = open(&self.task, registries, image, &self.supervisor, seen, tell)?;
        // Nobody else has it yet.
        if let Some(stack) = Arc::get_mut(&mut image.stack) {
            stack.guard(counts);
        }
        if wanted != Wanted::Off {
            // No key is made any more.
            let _ = sandbox::limit_memory(MEMORY.saturating_add(self.task.open.cache_size));
        }
        Ok(image)
    }

    fn parse(&mut self, counts: &Counts) -> Result<(Tree, Vec<String>)> {
        // As the log's own errors: what is read from now on cannot be trusted.
        let tell = Box::new(|text: &str| log::error!("{text}"));
        let image = self.open(Seen::default(), tell, counts)?;
        let tree = Tree::compose(image.stack, &self.task.tree)?;
        Ok((tree, few(image.notices.all())))
    }
}

/// Gives up what a parser of images could do besides.
fn confine(task: &Task, closed: std::io::Result<()>) -> Result<Confined> {
    sys::set_processors(task.processors);
    let open = &task.open;
    let keys = open.format.kdf_limit.memory;
    let memory = MEMORY.saturating_add(open.cache_size);
    let memory = memory.saturating_add(keys);
    let duty = match task.lanes {
        0 => Duty::Mount,
        _ => Duty::Verb,
    };
    let confined = sandbox::confine(open.sandbox, memory, duty, closed)?;
    log::info!("{}", confined.line());
    Ok(confined)
}

/// Gives up what a parser has no use for.
fn renounce() -> Result<()> {
    // Ctrl-C is for the supervisor alone. And a passphrase is read from the terminal by this process,
    // which the kernel would stop as one in the background if the terminal were its own. It fails
    // for the leader of a process group, which a program just started is not.
    let _ = rustix::process::setsid();
    let limit = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, limit).map_err(|error| Error::io("limit", &error.into()))?;
    let undumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    undumpable.map_err(|error| Error::io("not dumpable", &error.into()))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| Error::io("no_new_privs", &error.into()))?;
    memory::allow_many_descriptors();
    // Whoever ends the supervisor with a signal to the whole group still has a mount to take
    // away, and the supervisor does that; a log that is full must not end the worker either.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGXFSZ] {
        sys::ignore_signal(signal).map_err(|error| Error::io("signals", &error))?;
    }
    Ok(())
}

fn start_log(filters: &str) {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filters).format_timestamp(None);
    builder.format_target(false);
    // It fails only where a log is there already, and this process has just begun.
    let _ = builder.try_init();
    std::panic::set_hook(Box::new(|panic| {
        /// An image that finds one bug finds it often.
        const MOST: u32 = 10;
        static PANICS: AtomicU32 = AtomicU32::new(0);
        if PANICS.fetch_add(1, Ordering::Relaxed) < MOST {
            log::error!("a bug in imgmount, please report it: {panic}");
        }
    }));
}

fn open(
    task: &Task,
    registries: Registries,
    image: OwnedFd,
    supervisor: &Arc<Supervisor>,
    seen: Seen,
    tell: Tell,
) -> Result<Image> {
    let beside = Beside::image(supervisor.clone(), seen.notices.clone());
    let others = (0..task.others).map(|number| beside.other(number));
    let headers = task.headers.iter().enumerate();
    let headers = headers.map(|(number, subject)| Ok((subject.clone(), beside.header(number)?)));
    let around = open::Around {
        name: task.name.clone(),
        others: others.collect::<Result<Vec<_>>>()?,
        keys: Arc::new(Asked::new(supervisor.clone(), task.keys.clone())),
        headers: headers.collect::<Result<Vec<_>>>()?,
        neighbours: Arc::new(beside),
        stored: Arc::new(Kept::image(supervisor.clone())),
        seen,
        tell,
    };
    open::stack_of(registries, image.into(), &task.open, around)
}

/// As many notices as fit into a message.
pub(super) fn few(notices: Vec<String>) -> Vec<String> {
    const MOST_BYTES: usize = 32 * 1024;
    let mut bytes = 0_usize;
    let fits = |notice: &String| {
        bytes = bytes.saturating_add(notice.len());
        bytes <= MOST_BYTES
    };
    notices.into_iter().take_while(fits).collect()
}

/// The error, cut where what it lists is too long for a message.
pub(super) fn shortened(error: &Error) -> Error {
    const MOST: usize = 8 * 1024;
    let text = error.to_string();
    if text.len() <= MOST {
        return error.clone();
    }
    let cut: String = text.chars().take(MOST).collect();
    Error::new(error.kind(), format!("{cut}…"))
}
