//! `imgmount self-test`: the processes that parse images try what they must not be able to do.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::failure::Failure;
use super::keys::Handed;
use super::mount::Request;
use super::mount_point::MountPoint;
use super::reading;
use super::run::{cannot_make, private_directory};
use super::sandbox::{Attempt, Wanted};
use super::supervisor::Supervisor;

/// What a process has tried.
pub struct Tried {
    /// Which process.
    pub whose: &'static str,
    /// What, and what came of it.
    pub attempts: Vec<Attempt>,
}

/// Lets a process that serves a mount, of an image of zeros, and one that reads the image for a
/// verb try everything, once nothing more is taken from them.
///
/// # Errors
/// As [`super::mount::mount`].
pub fn self_test(sandbox: Wanted) -> Result<Vec<Tried>, Failure> {
    let directory = private_directory()?;
    let tried = both(&directory, sandbox);
    let _ = std::fs::remove_dir_all(&directory); // What is left of it is in the way of nobody.
    tried
}

fn both(directory: &Path, sandbox: Wanted) -> Result<Vec<Tried>, Failure> {
    let image = directory.join("image");
    std::fs::write(&image, [0; 4096]).map_err(|error| cannot_make(&error))?;
    let mut request = Request::new(&image);
    request.self_test = true;
    request.open.sandbox = sandbox;
    request.open.keys.no_ask = true;
    Ok(vec![
        Tried {
            whose: "the process that serves a mount",
            attempts: serving(&request, &directory.join("mount"))?,
        },
        Tried {
            whose: "the process that reads an image for another command",
            attempts: reading::attempts(&request)?,
        },
    ])
}

fn serving(request: &Request, point: &Path) -> Result<Vec<Attempt>, Failure> {
    let made = DirBuilder::new().mode(0o700).create(point);
    made.map_err(|error| cannot_make(&error))?;
    let point = MountPoint::made(point.to_owned());
    let mut supervisor = Supervisor::start(request, Some(point), None, Handed::default())?;
    let tried = supervisor.attempts();
    supervisor.end()?;
    Ok(tried?)
}
