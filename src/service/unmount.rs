//! `imgmount umount`: takes away what imgmount mounted, and nothing else.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::attach::{self, Detached};
use super::failure::Failure;
use super::last_words::Listening;
use super::mount_point::{absolute, wait_for_end};
use super::mountinfo::{self, Entry, TYPE};
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
            let kind = entry.shown_kind();
            let text = format!("{} is a mount of {kind}, not of imgmount", shown(&path));
            let hint = format!("umount {}", shown(&path));
            Err(Failure::host(refused(text).hint(hint)))
        }
        Some(entry) => {
            let listening = Listening::to(&entry.device, entry.user);
            match detach(&path, &entry, lazy)? {
                Detached::Done => {
                    wait_for_end(&path);
                    Ok(listening.map_or(0, Listening::hear))
                }
                Detached::Busy => {
                    let text = format!("{} is in use{}", shown(&path), users(&entry));
                    let hint = format!("fusermount3 -u -z {} detaches it", shown(&path));
                    Err(Failure::host(refused(text).hint(hint)))
                }
            }
        }
    }
}

/// Unmounts what is at `path`, which is `entry`. What is in use gets a moment: whoever used it may just
/// have been told to end.
fn detach(path: &Path, entry: &Entry, lazy: bool) -> Result<Detached, Failure> {
    const MOMENT: Duration = Duration::from_secs(1);
    let end = Instant::now().checked_add(MOMENT);
    loop {
        let detached = attach::detach(entry, lazy)?;
        if detached == Detached::Done || end.is_none_or(|end| Instant::now() >= end) {
            return Ok(detached);
        }
        std::thread::sleep(Duration::from_millis(20));
        // It may be gone by now, and another in its place.
        if mountinfo::at(path)?.as_ref() != Some(entry) {
            return Ok(Detached::Done);
        }
    }
}

/// The processes that are in the mount or have files of it open, as far as this user may know:
/// ` by bash (4711)`.
fn users(mount: &Entry) -> String {
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

fn uses(process: &Path, mount: &Entry) -> bool {
    let mut within = ["cwd", "root", "exe"].iter().map(|link| process.join(link));
    let within = within
        .any(|link| std::fs::read_link(link).is_ok_and(|target| target.starts_with(&mount.point)));
    let open = std::fs::read_dir(process.join("fdinfo"));
    let mut open = open.into_iter().flatten().flatten();
    // Its path would not do: the supervisor has open what the mount covers.
    within || open.any(|descriptor| mountinfo::id_of(&descriptor.path()) == Some(mount.id))
}
