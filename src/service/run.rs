//! `imgmount run`: a mount for as long as one command runs.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Resource, Signal, getrlimit, kill_process, pidfd_open};

use super::failure::Failure;
use super::keys::Handed;
use super::mount::{Mounted, Request};
use super::mount_point::MountPoint;
use super::process::{self, Log};
use super::shown;
use super::supervisor::Supervisor;
use crate::error::{Error, Kind};
use crate::sys;

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code, 128 + n where signal n ended it.
    pub code: u8,
    /// How many of its requests to the mount failed by bugs of this program.
    pub faults: u64,
    /// What ended the process that reads the image, where that did not live so long.
    pub death: Option<Error>,
}

/// Mounts at a fresh private directory, runs `command` with `$IMGMOUNT` set to it and every `{}`
/// replaced by it, and unmounts. `ready` is called before the command runs.
///
/// # Errors
/// As [`super::mount::mount`]; `Usage` where the command cannot be run.
pub fn run(
    request: &Request,
    command: &[OsString],
    ready: &mut dyn FnMut(&Mounted),
) -> Result<Ran, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::usage(Error::invalid("no command to run")));
    };
    let files = getrlimit(Resource::Nofile);
    let handed = Handed::open(&request.open.keys)?;
    let directory = private_directory()?;
    let point = MountPoint::made(directory.clone());
    let supervisor = Supervisor::start(request, Some(point), None, handed);
    let mut supervisor = supervisor.inspect_err(|_| {
        let _ = std::fs::remove_dir(&directory); // Empty, or something else is wrong already.
    })?;
    ready(supervisor.mounted());
    let mut command = Command::new(with_place(program, &directory));
    command.args(arguments.iter().map(|word| with_place(word, &directory)));
    command.env("IMGMOUNT", &directory);
    sys::as_started(&mut command, files);
    let status = match command.spawn() {
        Ok(child) => attend(&mut supervisor, child),
        Err(error) => Err(Failure::usage(Error::io(shown(Path::new(program)), &error))),
    };
    let faults = supervisor.end()?;
    let (status, death) = status?;
    Ok(Ran {
        code: exit_code(status),
        faults,
        death,
    })
}

/// Waits for the command's end, and hands on the signals that are for both. Gives also what ended the
/// process that reads the image, where that did not live so long.
fn attend(
    supervisor: &mut Supervisor,
    mut child: Child,
) -> Result<(ExitStatus, Option<Error>), Failure> {
    let failed = |error: std::io::Error| Failure::host(Error::io("wait for the command", &error));
    let pid = Pid::from_child(&child);
    let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
    let mut is_served = true;
    let mut death = None;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok((status, death));
        }
        let command = PollFd::new(&ended, PollFlags::IN);
        let happened = match is_served {
            true => supervisor.wait(Some(command), None, Log::Show)?,
            false => supervisor.wait_alone(command)?,
        };
        // Ctrl-C has reached the command from the terminal already.
        let handed_on = match happened.signal {
            Some(libc::SIGTERM) => Some(Signal::TERM),
            Some(libc::SIGHUP) => Some(Signal::HUP),
            _ => None,
        };
        if let Some(signal) = handed_on {
            let _ = kill_process(pid, signal); // It may have ended just now.
        }
        if happened.worker {
            // The mount is dead, which the command has noticed or will.
            let status = supervisor.bury();
            let is_well = status.is_some_and(|status| status.success());
            death = (!is_well).then(|| process::death(status.as_ref()));
            is_served = false;
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    const SIGNALLED: i32 = 128;
    let code = status.code().or_else(|| {
        let signal = status.signal()?;
        signal.checked_add(SIGNALLED)
    });
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}

/// A directory that nobody else can look into.
pub(super) fn private_directory() -> Result<PathBuf, Failure> {
    /// Somebody may have made one with our name; nobody made all of them.
    const ATTEMPTS: u32 = 100;
    let parent = std::env::temp_dir();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.subsec_nanos());
    let mut last = None;
    for attempt in 0..ATTEMPTS {
        let number = now.wrapping_add(attempt);
        let path = parent.join(format!("imgmount-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return path.canonicalize().map_err(|error| cannot_make(&error)),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => cannot_make(&error),
        None => Failure::host(Error::new(Kind::Io, "no mount point")),
    })
}

pub(super) fn cannot_make(error: &std::io::Error) -> Failure {
    Failure::host(Error::io("make a directory to mount at", error))
}

/// `word` with every `{}` replaced by `place`.
fn with_place(word: &OsStr, place: &Path) -> OsString {
    let mut replaced = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail.split_first()) {
            (b'{', Some((b'}', behind))) => {
                replaced.extend_from_slice(place.as_os_str().as_bytes());
                rest = behind;
            }
            _ => replaced.push(*first),
        }
    }
    OsString::from_vec(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_replaced_wherever_they_are() {
        let replaced = |word: &str| with_place(OsStr::new(word), Path::new("/m"));
        assert_eq!(replaced("{}"), "/m");
        assert_eq!(replaced("a={}/b:{}"), "a=/m/b:/m");
        assert_eq!(replaced("{a}{"), "{a}{");
        assert_eq!(replaced("{{}}"), "{/m}");
    }

    #[test]
    fn the_exit_code_is_the_commands_and_128_more_for_a_signal() {
        let code = |script: &str| {
            let status = Command::new("sh").args(["-c", script]).status().unwrap();
            exit_code(status)
        };
        assert_eq!(code("exit 7"), 7);
        assert_eq!(code("kill -9 $$"), 137);
    }
}
