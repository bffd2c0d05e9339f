//! `imgmount umount`: takes away what imgmount mounted, and nothing else.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::attach::{self, Detached};
use super::failure::Failure;
use super::last_words::Listening;
use super::mount_point::{absolute, wait_for_end};
use super::mountinfo::{self, TYPE};
use super::shown;
use crate::error::{Error, Kind, printable};

/// Unmounts what imgmount mounted at `mountpoint`; `lazy` also where files on it are in use. Gives
/// how many requests to it failed by bugs of this program, as far as its supervisor can say.
///
/// # Errors
/// `Host` where nothing, or something else's mount, is there, or files on it are in use.
pub fn unmount(mountpoint: &Path, lazy: bool) -> Result<u64, Failure> {
    let path = absolute(mountpoint)?;
    let refused = |text: String| Error::new(Kind::Denied, text);
    match mountinfo::at(&path)? {
        None => {
            let text = format!("nothing is mounted at {}", shown(&path));
            Err(Failure::host(Error::not_found(text)))
        }
        Some(entry) if entry.kind != TYPE => {
            let kind = printable(entry.kind.as_bytes());
            let text = format!("{} is a mount of {kind}, not of imgmount", shown(&path));
            let hint = format!("umount {}", shown(&path));
            Err(Failure::host(refused(text).hint(hint)))
        }
        Some(entry) => {
            let listening = Listening::to(&entry.device);
            match attach::detach(&path, lazy)? {
                Detached::Done => {
                    wait_for_end(&path);
                    Ok(listening.map_or(0, Listening::hear))
                }
                Detached::Busy => {
                    let text = format!("{} is in use{}", shown(&path), users(&path));
                    let hint = format!("fusermount3 -u -z {} detaches it", shown(&path));
                    Err(Failure::host(refused(text).hint(hint)))
                }
            }
        }
    }
}

/// The processes that are in the mount or have files of it open, as far as this user may know:
/// ` by bash (4711)`.
fn users(mount: &Path) -> String {
    /// The rest is as many again as one needs to find.
    const MOST: usize = 3;
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter(|entry| {
        let name = entry.file_name();
        name.as_bytes().iter().all(u8::is_ascii_digit)
    });
    let users: Vec<String> = numbers
        .filter(|process| uses(&process.path(), mount))
        .take(MOST)
        .map(|process| {
            let name = std::fs::read(process.path().join("comm")).unwrap_or_default();
            let number = process.file_name();
            let number = number.to_string_lossy();
            format!("{} ({number})", printable(name.trim_ascii_end()))
        })
        .collect();
    match users.is_empty() {
        true => String::new(),
        false => format!(" by {}", users.join(", ")),
    }
}

fn uses(process: &Path, mount: &Path) -> bool {
    let open = std::fs::read_dir(process.join("fd"));
    let open = open.into_iter().flatten().flatten();
    let mut links = ["cwd", "root", "exe"]
        .into_iter()
        .map(|link| process.join(link))
        .chain(open.map(|entry| entry.path()));
    links.any(|link| std::fs::read_link(link).is_ok_and(|target| target.starts_with(mount)))
}
