//! Options, verbs, and everything that prints.

pub mod arguments;

mod cat;
mod check;
mod convert;
mod cp;
mod entries;
mod exit;
mod info;
mod json;
mod links;
mod ls;
mod manual;
mod messages;
mod mount;
mod names;
mod open;
mod output;
mod progress;
mod reader;
mod remote;
mod self_test;
mod size;
mod tar;
#[cfg(test)]
mod testing;
mod time;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Verb};
use exit::{Failure, Outcome};

use crate::stack::Registries;

/// Runs the program with the process's own arguments; gives its exit code.
pub fn main() -> ExitCode {
    main_with(Registries::BUILT_IN)
}

/// As [`main`], for a program that has other formats.
pub fn main_with(registries: Registries) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let role = arguments
        .get(1)
        .and_then(|first| crate::service::role(first, registries, reader::work));
    if let Some(code) = role {
        return code;
    }
    let arguments = match arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return output::refuse(&error),
    };
    messages::start_log(arguments.verbosity());
    // A file may be as large as the user lets it (`ulimit -f`): one that cannot is an error of its own.
    let _ = crate::sys::ignore_signal(libc::SIGXFSZ);
    match remote::until_gone(|| run(&arguments)) {
        Ok(outcome) => outcome.code(),
        Err(failure) => failure.report(),
    }
}

fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    match &arguments.verb {
        Some(Verb::Mount(arguments)) => mount::mount(arguments),
        Some(Verb::Info(arguments)) => info::run(arguments),
        Some(Verb::Ls(arguments)) => ls::run(arguments),
        Some(Verb::Cat(arguments)) => cat::run(arguments),
        Some(Verb::Cp(arguments)) => cp::run(arguments),
        Some(Verb::Convert(arguments)) => convert::run(arguments),
        Some(Verb::Tar(arguments)) => tar::run(arguments),
        Some(Verb::Check(arguments)) => check::run(arguments),
        Some(Verb::Run(arguments)) => mount::run(arguments),
        Some(Verb::Umount(arguments)) => mount::umount(arguments),
        Some(Verb::SelfTest(arguments)) => self_test::run(arguments),
        None => print(arguments),
    }
}

/// The texts that packaging asks for.
fn print(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut output = output::Output::stdout();
    if let Some(shell) = arguments.completions {
        output.bytes(&manual::completions(shell))?;
    }
    if arguments.manual {
        let page = manual::page().map_err(|error| Failure::output(&error))?;
        output.text(&page)?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}
