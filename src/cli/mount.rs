//! `imgmount [mount]`, `run` and `umount`: the service does the work.

use std::fs::File;
use std::io::{IsTerminal, Write};

use super::arguments::{Mount, Run, Umount};
use super::exit::{Failure, Outcome};
use super::messages::{complain, say};
use super::open::{name_of, wanted};
use super::output::Output;
use crate::error::Error;
use crate::service::failure;
use crate::service::mount::{self as service, Mounted, Request};
use crate::sys;

/// Mounts. Without a mount point of the user's, says where.
pub(crate) fn mount(arguments: &Mount) -> Result<Outcome, Failure> {
    let Mount {
        image,
        mountpoint,
        foreground,
        idle_timeout,
        ready_fd,
        pid_file,
        showing,
        opening,
    } = arguments;
    let Some(image) = image else {
        return Err(Failure::Usage(Error::invalid("no IMAGE")));
    };
    // Before anything else is open that could have its number.
    let mut waiting = ready_fd.map(waiting).transpose()?;
    let mut request = wanted(image, showing, opening)?;
    request.mountpoint.clone_from(mountpoint);
    request.foreground = *foreground;
    request.idle_timeout = request.idle_timeout.or(*idle_timeout);
    request.pid_file = request.pid_file.or_else(|| pid_file.clone());
    let mut announced = Ok(());
    service::mount(&request, &mut |mounted| {
        notices(&request, mounted);
        if mountpoint.is_none() {
            announced = announce(mounted);
        }
        if let (Ok(()), Some(mut waiting)) = (&announced, waiting.take()) {
            let _ = waiting.write_all(b"ready\n"); // Whoever has gone away waits no more.
        }
        announced.is_ok()
    })?;
    announced.map(|()| Outcome::Done)
}

/// Whoever waits at the descriptor `number` for the tree to be there.
fn waiting(number: i32) -> Result<File, Failure> {
    let none = || Error::invalid(format!("--ready-fd {number} is no open descriptor"));
    let taken = sys::take(number).map_err(|_| Failure::Usage(none()))?;
    Ok(taken.into())
}

/// Mounts, runs the command, unmounts; passes the command's exit code on.
pub(crate) fn run(arguments: &Run) -> Result<Outcome, Failure> {
    let Run {
        image,
        command,
        showing,
        opening,
    } = arguments;
    let request = wanted(image, showing, opening)?;
    let ran = service::run(&request, command, &mut |mounted| notices(&request, mounted))?;
    let name = name_of(&request.image);
    let bugs = bugs(&name, ran.faults);
    match (ran.death.map(|death| death.context(name)), ran.code) {
        (Some(death), 0) => Err(Failure::Host(death)),
        (death, code) => {
            death.inspect(complain);
            match bugs {
                Outcome::Bug if code == 0 => Ok(Outcome::Bug),
                _ => Ok(Outcome::Command(code)),
            }
        }
    }
}

/// Unmounts.
pub(crate) fn umount(arguments: &Umount) -> Result<Outcome, Failure> {
    let faults = service::unmount(&arguments.mountpoint, arguments.lazy)?;
    Ok(bugs(&name_of(&arguments.mountpoint), faults))
}

/// Says that `faults` requests to the mount that `name` names failed by bugs.
fn bugs(name: &str, faults: u64) -> Outcome {
    if faults == 0 {
        return Outcome::Done;
    }
    complain(&failure::bugs(faults).context(name));
    Outcome::Bug
}

fn notices(request: &Request, mounted: &Mounted) {
    if request.read_write_asked && std::io::stderr().is_terminal() {
        say("imgmount: the mount is read-only: images are never written to");
    }
    for notice in &mounted.notices {
        say(&format!("imgmount: {}: {notice}", name_of(&request.image)));
    }
}

fn announce(mounted: &Mounted) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let path = std::os::unix::ffi::OsStrExt::as_bytes(mounted.mountpoint.as_os_str());
    output.name(path)?;
    output.text("\n")?;
    output.finish()
}
