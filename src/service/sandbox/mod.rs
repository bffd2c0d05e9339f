//! What keeps the process that parses an image from doing anything else, should the image take it
//! over: no file, no network, no other process.
//!
//! Two stages. The first comes before the first byte of the image is read, while there is one
//! thread: `confine`. `/dev/fuse` alone can still be opened, since fuser does that by its path for
//! each of its threads. The second takes this away as well, for all threads, at the first request
//! of the mount: `narrow`.

mod filter;
mod identity;
mod rules;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};
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

/// A part of it: what holds then, for people; or why it is not there.
type Held = std::result::Result<String, String>;

/// What there is of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Confined {
    /// What holds, for people: `Landlock ABI 7`.
    pub(super) holds: Vec<String>,
    /// What this kernel or this place does not have, and why.
    pub(super) missing: Vec<String>,
}

impl Confined {
    fn note(&mut self, what: &str, result: Held) {
        match result {
            Ok(holds) => self.holds.push(holds),
            Err(why) => self.missing.push(format!("{what}: {why}")),
        }
    }

    /// One line about it.
    pub(super) fn line(&self) -> String {
        let holds = self.holds.join(", ");
        match self.missing.as_slice() {
            [] => format!("sandbox: {holds}"),
            missing => format!("sandbox: {holds}; without {}", missing.join(", ")),
        }
    }
}

/// The first stage. `memory` bounds the address space, in bytes. A worker that `serves` a mount may
/// open `/dev/fuse` until the second stage, where Landlock sees to it that it opens nothing else.
///
/// # Errors
/// `Denied` where all of it is required, and some is missing.
pub(super) fn confine(wanted: Wanted, memory: u64, serves: bool) -> Result<Confined> {
    let mut confined = Confined::default();
    if wanted == Wanted::Off {
        return Ok(confined);
    }
    if rustix::process::geteuid().is_root() {
        confined.note("a user of its own", identity::renounce());
    }
    // After the identity: a change of it makes a process dumpable or not as the system sets it.
    let undumpable = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let undumpable = undumpable.map_err(|error| error.to_string());
    confined.note(
        "not dumpable",
        undumpable.map(|()| "not dumpable".to_owned()),
    );
    confined.note("memory", limit_memory(memory));
    let restricted = rules::restrict(serves);
    let opens = serves && restricted.is_ok();
    confined.note("Landlock", restricted);
    confined.note("system call filter", filter::first(wanted, opens));
    if wanted == Wanted::Required && !confined.missing.is_empty() {
        let text = format!("no {}", confined.missing.join(", no "));
        let hint = "--require-sandbox goes on only with all of it";
        return Err(Error::new(Kind::Denied, format!("the sandbox has {text}")).hint(hint));
    }
    Ok(confined)
}

/// The second stage: nothing can be opened any more, by any thread.
///
/// # Errors
/// `Denied` where the kernel refuses the filter.
pub(super) fn narrow(wanted: Wanted) -> Result<()> {
    let narrowed = match wanted {
        Wanted::Off => Ok(()),
        Wanted::Usual | Wanted::Required => filter::second(wanted),
    };
    narrowed.map_err(|why| Error::new(Kind::Denied, why).context("sandbox"))
}

/// Bounds the addresses that the process may use, where they are not bounded lower already.
pub(super) fn limit_memory(bytes: u64) -> Held {
    let limit = getrlimit(Resource::As);
    let lower = |old: Option<u64>| Some(old.map_or(bytes, |old| old.min(bytes)));
    let limit = Rlimit {
        current: lower(limit.current),
        maximum: lower(limit.maximum),
    };
    setrlimit(Resource::As, limit).map_err(|error| error.to_string())?;
    Ok(format!("{} MiB of addresses", bytes >> 20))
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
