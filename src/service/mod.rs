//! Life cycle: supervisor, worker, mount, unmount, signals. The only module that opens images.
//!
//! [`mount::mount`] and [`mount::run`] start two processes of this same program, whose first
//! argument says their role: `main` asks [`role`] before it parses anything.

use std::ffi::OsStr;
use std::process::ExitCode;

pub mod failure;
pub mod mount;
pub mod open;
pub mod options;

/// What to run instead of the command line, where `first_argument` is a role that this program
/// gave to a process it started itself.
#[must_use]
pub fn role(first_argument: &OsStr) -> Option<fn() -> ExitCode> {
    let _ = first_argument;
    None
}
