//! The process that parses the image and answers the kernel. It is given open descriptors and
//! opens nothing; it has no environment, and nothing to do with the terminal.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::asking::{Asked, Beside, Kept, Supervisor};
use super::channel::Channel;
use super::wire::{Report, Task};
use super::{memory, open};
use crate::error::{Error, Result};
use crate::format::Notices;
use crate::tree::Tree;
use crate::{fuse, sys};

/// The worker's whole life.
///
/// # Errors
/// What it has reported to the supervisor already.
pub(super) fn work() -> Result<()> {
    renounce()?;
    if memory::is_address_space_limited() {
        sys::share_one_heap();
    }
    let channel = Channel::inherited()?;
    let (task, image) = channel.expect::<Task>()?;
    start_log(&task.log);
    let image = image.ok_or_else(|| Error::invalid("no image came with the task"))?;
    // Here, before the first byte of the image is read and while this is the only thread, is the
    // place of the sandbox: Landlock and the system call filter. What comes later needs no more
    // than reading the image, the socket, and opening /dev/fuse again for each thread.
    let supervisor = Arc::new(Supervisor::new(channel));
    let (tree, notices) = match parse(&task, image, &supervisor) {
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
    let served = fuse::serve(tree, device, &task.fuse, threads, ready);
    served.inspect_err(|error| log::error!("{error}"))
}

/// Gives up what a parser has no use for.
fn renounce() -> Result<()> {
    let limit = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, limit).map_err(|error| Error::io("limit", &error.into()))?;
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

fn parse(task: &Task, image: OwnedFd, supervisor: &Arc<Supervisor>) -> Result<(Tree, Vec<String>)> {
    let notices = Arc::<Notices>::default();
    // As the log's own errors: what is read from now on cannot be trusted.
    let tell = Box::new(|text| log::error!("{text}"));
    let beside = Beside::image(supervisor.clone(), notices.clone());
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
        seen: open::Seen {
            notices,
            ..open::Seen::default()
        },
        tell,
    };
    let image = open::stack_of(image.into(), &task.open, around)?;
    let tree = Tree::compose(image.stack, &task.tree)?;
    Ok((tree, few(image.notices.all())))
}

/// As many notices as fit into a message.
fn few(notices: Vec<String>) -> Vec<String> {
    const MOST_BYTES: usize = 32 * 1024;
    let mut bytes = 0_usize;
    let fits = |notice: &String| {
        bytes = bytes.saturating_add(notice.len());
        bytes <= MOST_BYTES
    };
    notices.into_iter().take_while(fits).collect()
}

/// The error, cut where what it lists is too long for a message.
fn shortened(error: &Error) -> Error {
    const MOST: usize = 8 * 1024;
    let text = error.to_string();
    if text.len() <= MOST {
        return error.clone();
    }
    let cut: String = text.chars().take(MOST).collect();
    Error::new(error.kind(), format!("{cut}…"))
}
