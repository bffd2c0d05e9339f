//! Life cycle: supervisor, worker, mount, unmount, signals. The only module that opens images.
//!
//! [`mount::mount`] and [`run::run`] start processes of this same program, whose first argument
//! says their role: `main` asks [`role`] before it parses anything.
//!
//! ```text
//! the command ──► supervisor ──► worker
//!   asks,          opens, mounts,   parses, answers
//!   is told        unmounts         the kernel, asks
//!                                   for second files
//! ```
//! In the foreground, and for `run`, command and supervisor are one process.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

mod answers;
mod asking;
mod attach;
mod channel;
pub mod failure;
mod image_file;
pub mod keys;
mod memory;
pub mod mount;
mod mount_point;
mod mountinfo;
mod neighbours;
pub mod open;
pub mod options;
mod process;
mod run;
pub mod sandbox;
mod stored;
mod supervisor;
mod system_log;
mod unmount;
mod watched;
mod wire;
mod worker;

/// What to run instead of the command line, where `first_argument` is a role that this program
/// gave to a process it started itself.
#[must_use]
pub fn role(first_argument: &OsStr) -> Option<fn() -> ExitCode> {
    match first_argument.to_str() {
        Some(process::WORKER) => Some(|| alone(|| worker::work().is_ok())),
        Some(process::SUPERVISOR) => Some(|| alone(|| supervisor::supervise().is_ok())),
        _ => None,
    }
}

/// Runs `life` with no descriptor but the standard ones; what went wrong was reported already.
fn alone(life: fn() -> bool) -> ExitCode {
    // A kernel too old for it leaves open what the user's shell left open.
    let _ = crate::sys::close_from(3);
    match life() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A path for people: nothing in it that a terminal obeys.
fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    crate::error::printable(path.as_os_str().as_bytes())
}
