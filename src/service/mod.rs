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
//! In the foreground, and for `run`, command and supervisor are one process. So they are for a verb
//! that mounts nothing: [`reading`] is its side, [`reader`] that of its worker.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use crate::error;
use crate::stack::Registries;

mod answers;
mod asking;
mod attach;
mod channel;
pub mod duration;
pub mod failure;
pub mod frames;
mod image_file;
pub mod keys;
mod last_words;
mod memory;
pub mod mount;
mod mount_point;
mod mountinfo;
mod neighbours;
mod notify;
pub mod open;
pub mod options;
pub mod passed;
pub mod patience;
mod pid_file;
mod process;
mod readahead;
pub mod reader;
pub mod reading;
mod run;
pub mod sandbox;
pub mod self_test;
pub mod size;
mod stored;
mod strict;
mod supervisor;
mod system_log;
mod unmount;
mod watched;
mod wire;
mod worker;
mod worker_log;

/// Lives as the process of this program that it started itself with `first_argument`, where that
/// says such a role. It opens images by the formats of `registries`. `read` is the life of one that
/// reads an image for a verb.
pub fn role(
    first_argument: &OsStr,
    registries: Registries,
    read: impl FnOnce(reader::Reader) -> error::Result<()>,
) -> Option<ExitCode> {
    match first_argument.to_str() {
        Some(process::WORKER) => Some(alone(|closed| worker::work(closed, registries))),
        Some(process::READER) => Some(alone(|closed| reader::work(closed, registries, read))),
        Some(process::SUPERVISOR) => Some(alone(|_| supervisor::supervise())),
        _ => None,
    }
}

/// Runs `life` with no descriptor but the standard ones, as far as what it is given says so; what
/// went wrong was reported already.
fn alone<E>(life: impl FnOnce(std::io::Result<()>) -> std::result::Result<(), E>) -> ExitCode {
    match life(crate::sys::close_from(3)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A path for people: nothing in it that a terminal obeys.
fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    crate::error::printable(path.as_os_str().as_bytes())
}
