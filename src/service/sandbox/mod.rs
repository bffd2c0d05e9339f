//! What keeps the process that parses an image from doing anything else, should the image take it
//! over: no file, no network, no other process.
//!
//! Two stages. The first comes before the first byte of the image is read, while there is one
//! thread: `confine`. `/dev/fuse` alone can still be opened, since fuser does that by its path for
//! each of its threads. The second takes this away as well, for all threads, at the first request
//! of the mount, or once a verb's image is open: `Confined::narrow`.

mod filter;
mod identity;
mod rules;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal,
    setrlimit,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// What the user wants of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// All that this kernel has. What is not allowed fails with `EPERM`.
    #[default]
    Usual,
    /// Nothing goes on without all of it. What is not allowed ends the process.
    Required,
    /// None.
    Off,
}

/// What the process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// It serves a mount, also after the end of the process that started it. It may open
    /// `/dev/fuse` until the second stage, where Landlock sees to it that it opens nothing else.
    Mount,
    /// It reads for a verb, and ends with it.
    Verb,
}

/// A part of it: what holds then, for people; or why it is not there.
type Held = std::result::Result<String, String>;

/// What there is of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confined {
    /// What holds, for people: `Landlock ABI 6`.
    pub holds: Vec<String>,
    /// What this kernel or this place does not have, and why.
    pub missing: Vec<String>,
    /// What newer kernels have, and the filter of system calls makes up for.
    pub older: Vec<String>,
}

impl Confined {
    /// None, as the user wants it.
    fn off() -> Self {
        Self {
            missing: vec!["all of it: --no-sandbox".to_owned()],
            ..Self::default()
        }
    }

    fn note(&mut self, what: &str, result: Held) {
        match result {
            Ok(holds) => self.holds.push(holds),
            Err(why) => self.missing.push(format!("{what}: {why}")),
        }
    }

    /// Everything that is not there.
    pub fn lacks(&self) -> impl Iterator<Item = &str> {
        let lacks = self.missing.iter().chain(&self.older);
        lacks.map(String::as_str)
    }

    /// One line about it.
    pub(super) fn line(&self) -> String {
        let holds = self.holds.join(", ");
        let lacks: Vec<&str> = self.lacks().collect();
        match lacks.as_slice() {
            [] => format!("sandbox: {holds}"),
            lacks => format!("sandbox: {holds}; without {}", lacks.join("; without ")),
        }
    }

    /// What the user is to know without having asked.
    pub(super) fn notice(&self) -> Option<String> {
        let is_weak = !self.missing.is_empty();
        let lacks: Vec<&str> = self.lacks().collect();
        is_weak.then(|| format!("the sandbox is without {}", lacks.join("; without ")))
    }

    /// Nothing goes on without what is missing, where all of it is required.
    fn suffices(&self, wanted: Wanted) -> Result<()> {
        let lacks: Vec<&str> = self.lacks().collect();
        if wanted != Wanted::Required || lacks.is_empty() {
            return Ok(());
        }
        let hint = "--require-sandbox goes on only with all of it";
        let text = format!("the sandbox is without {}", lacks.join("; without "));
        Err(Error::new(Kind::Denied, text).hint(hint))
    }

    /// The second stage: nothing can be opened any more, by any thread.
    ///
    /// # Errors
    /// `Denied` where all of it is required, and the kernel refuses this.
    pub(super) fn narrow(&mut self, wanted: Wanted) -> Result<()> {
        if wanted == Wanted::Off {
            return Ok(());
        }
        let before = self.missing.len();
        self.note("a descriptor limit", limit_descriptors());
        if let Err(why) = filter::second(wanted) {
            self.missing
                .push(format!("the second system call filter: {why}"));
        }
        for what in self.missing.iter().skip(before) {
            log::error!("the sandbox is without {what}");
        }
        self.suffices(wanted)
    }
}

/// The first stage, where `closed` is what came of closing every descriptor that this process was
/// started with. `memory` bounds the address space, in bytes.
///
/// # Errors
/// `Denied` where all of it is required, and some is missing.
pub(super) fn confine(
    wanted: Wanted,
    memory: u64,
    duty: Duty,
    closed: std::io::Result<()>,
) -> Result<Confined> {
    if wanted == Wanted::Off {
        let _ = end_with_parent(duty); // It is told of as all of it.
        return Ok(Confined::off());
    }
    let mut confined = Confined::default();
    let closed = closed.map(|()| "no inherited descriptors".to_owned());
    confined.note("closed descriptors", closed.map_err(text));
    identity::bound_capabilities();
    if rustix::process::geteuid().is_root() {
        confined.note("a user of its own", identity::renounce());
    }
    confined.note("dropped capabilities", identity::drop_capabilities());
    // After the identity: a change of it makes a process dumpable or not as the system sets it, and
    // lets it live on without its parent.
    let undumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let undumpable = undumpable.map(|()| "not dumpable".to_owned());
    confined.note("not dumpable", undumpable.map_err(text));
    if let Err(why) = end_with_parent(duty) {
        confined
            .missing
            .push(format!("its end with the verb: {why}"));
    }
    confined.note("a memory limit", limit_memory(memory));
    let restricted = rules::restrict(duty);
    let opens = duty == Duty::Mount && restricted.is_ok();
    match restricted {
        Ok(restricted) => {
            confined.holds.push(restricted.holds);
            confined.older.extend(restricted.lacks);
        }
        Err(why) => confined.missing.push(format!("Landlock: {why}")),
    }
    confined.note("a system call filter", filter::first(wanted, opens));
    confined.suffices(wanted).map(|()| confined)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The kernel ends this process with the thread that started it, which is the verb's first. One that
/// ended before is noticed by its socket.
fn end_with_parent(duty: Duty) -> std::result::Result<(), String> {
    if duty == Duty::Mount {
        return Ok(());
    }
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(text)
}

/// Bounds the addresses that the process may use, where they are not bounded lower already.
pub(super) fn limit_memory(bytes: u64) -> Held {
    let limit = getrlimit(Resource::As);
    let lower = |old: Option<u64>| Some(old.map_or(bytes, |old| old.min(bytes)));
    let limit = Rlimit {
        current: lower(limit.current),
        maximum: lower(limit.maximum),
    };
    setrlimit(Resource::As, limit).map_err(text)?;
    Ok(format!("{} MiB of addresses", bytes >> 20))
}

/// Bounds how many descriptors there can be once the image is open: 64, or 64 more than there are
/// where an image has many files. (Processes are not bounded by a limit, which would count all of the
/// user's: the filter has no call that makes one.)
fn limit_descriptors() -> Held {
    const ROOM: u64 = 64;
    let before = getrlimit(Resource::Nofile);
    let open = u64::from(crate::sys::end_of_descriptors().unsigned_abs());
    let wanted = match open {
        few if few <= ROOM / 2 => ROOM,
        many => many.saturating_add(ROOM),
    };
    let lower = |old: Option<u64>| Some(old.map_or(wanted, |old| old.min(wanted)));
    let limit = Rlimit {
        current: lower(before.current),
        maximum: lower(before.maximum),
    };
    setrlimit(Resource::Nofile, limit).map_err(text)?;
    Ok(format!("{wanted} descriptors"))
}

/// Something that a worker tried to do, and must not be able to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What.
    pub what: String,
    /// What it was told.
    pub answer: String,
    /// It was refused.
    pub is_refused: bool,
}

impl Attempt {
    /// Tries everything; `other` is a process that this one could reach otherwise.
    pub(super) fn all(other: i32) -> Vec<Self> {
        let attempts = crate::sys::attempts(other).into_iter();
        attempts
            .map(|(what, result)| Self::new(what, result))
            .collect()
    }

    fn new(what: &str, result: std::io::Result<()>) -> Self {
        let refusals = [libc::EPERM, libc::EACCES, libc::ENOSYS];
        // Another error comes from what would have done it.
        let number = result.as_ref().err().and_then(std::io::Error::raw_os_error);
        Self {
            what: what.to_owned(),
            is_refused: number.is_some_and(|number| refusals.contains(&number)),
            answer: match result {
                Ok(()) => "done".to_owned(),
                Err(error) => error.to_string(),
            },
        }
    }
}
