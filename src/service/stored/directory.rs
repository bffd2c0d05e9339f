//! The cache directory: files of a name that nothing else has, written whole or not at all, the
//! least recently used ones removed when they get too many.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_NOW,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::MOST_BYTES;
use crate::number::to_u64;

/// The most bytes that lie there altogether.
const MOST_ALTOGETHER: u64 = 1 << 30;

/// What is behind the digest in a file's name.
const SUFFIX: &str = ".index";

/// What is in front of it until the file is whole.
const UNFINISHED: &str = ".new-";

/// How long a file may stay unfinished before whoever wrote it is taken for dead.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The directory, made when something is written.
pub(in crate::service) struct Directory {
    candidates: Vec<PathBuf>,
    most: u64,
}

/// Where this user's caches belong, the best first. Root has a place of its own besides: under sudo
/// the home directory is often the caller's, where root must not leave anything.
pub(in crate::service) fn usual() -> Vec<PathBuf> {
    let variable = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path) // As the XDG specification wants it.
    };
    let home = variable("HOME").map(|home| home.join(".cache"));
    let system = geteuid().is_root().then(|| PathBuf::from("/var/cache"));
    let bases = [variable("XDG_CACHE_HOME").or(home), system];
    let bases = bases.into_iter().flatten();
    bases.map(|base| base.join("imgmount")).collect()
}

impl Directory {
    pub(super) fn new(candidates: Vec<PathBuf>) -> Self {
        Self {
            candidates,
            most: MOST_ALTOGETHER,
        }
    }

    /// The same for no more than `most` bytes altogether.
    #[cfg(test)]
    pub(super) fn with_at_most(self, most: u64) -> Self {
        Self { most, ..self }
    }

    /// Opens what was written under `name`, and notes that it was used.
    pub(super) fn open(&self, name: &str) -> Option<File> {
        let directory = self
            .candidates
            .iter()
            .find_map(|path| opened(path, false))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = format!("{name}{SUFFIX}");
        let file = rustix::fs::openat(&directory, name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        if !is_ours(&stat) || !is_regular(&stat) || size(&stat) > MOST_BYTES {
            return None;
        }
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let _ = rustix::fs::futimens(&file, &times); // It only is removed sooner without.
        Some(file.into())
    }

    /// Writes `bytes` under `name`, in place of what was there.
    ///
    /// # Errors
    /// The host's; nothing has changed then.
    pub(super) fn write(&self, name: &str, bytes: &mut dyn Read) -> io::Result<()> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let directory = self.candidates.iter().find_map(|path| opened(path, true));
        let directory = directory.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{UNFINISHED}{name}-{}-{number}", std::process::id());
        let name = format!("{name}{SUFFIX}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(&directory, &unfinished, flags, mode)?;
        let written = fill(file.into(), bytes).and_then(|()| {
            rustix::fs::renameat(&directory, &unfinished, &directory, &name)?;
            Ok(())
        });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&directory, &unfinished, AtFlags::empty());
        }
        self.tidy(&directory);
        written
    }

    /// Removes what was not used for longest, until the rest is no more than allowed, and what
    /// nobody finished.
    fn tidy(&self, directory: &OwnedFd) {
        let mut files = files(directory).unwrap_or_default();
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        let mut total = 0_u64;
        for file in files {
            let unfinished = file.name.to_bytes().starts_with(UNFINISHED.as_bytes());
            total = total.saturating_add(file.size);
            let abandoned = unfinished && file.used.elapsed().is_ok_and(|age| age > ABANDONED);
            if abandoned || (!unfinished && total > self.most) {
                let _ = rustix::fs::unlinkat(directory, &*file.name, AtFlags::empty());
            }
        }
    }
}

fn fill(mut file: File, bytes: &mut dyn Read) -> io::Result<()> {
    let copied = io::copy(&mut bytes.take(MOST_BYTES.saturating_add(1)), &mut file)?;
    match copied > MOST_BYTES {
        true => Err(ErrorKind::FileTooLarge.into()),
        false => file.flush(),
    }
}

/// The directory at `path`, if it and the one it lies in are this user's; made where `make` says
/// so. A symbolic link in its place would lead what is written to elsewhere.
fn opened(path: &Path, make: bool) -> Option<OwnedFd> {
    let base = based(path.parent()?, make)?;
    let name = path.file_name()?;
    if make {
        let _ = rustix::fs::mkdirat(&base, name, Mode::RWXU); // Most often it is there.
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(&base, name, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&directory).ok()?;
    let others = Mode::WGRP | Mode::WOTH;
    let closed = !Mode::from_raw_mode(stat.st_mode).intersects(others);
    (is_ours(&stat) && closed).then_some(directory)
}

/// The user's directory for caches at `path`; made where `make` says so and the one it lies in is
/// the user's.
fn based(path: &Path, make: bool) -> Option<OwnedFd> {
    match own(path) {
        Err(Errno::NOENT) if make => {
            let parent = own(path.parent()?).ok()?;
            rustix::fs::mkdirat(&parent, path.file_name()?, Mode::RWXU).ok()?;
            own(path).ok()
        }
        opened => opened.ok(),
    }
}

/// A directory that is this user's.
fn own(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = match geteuid().is_root() {
        // Whoever lets root work in their home directory must not lead it to another of root's.
        true => {
            let resolve = ResolveFlags::NO_SYMLINKS;
            rustix::fs::openat2(CWD, path, flags, Mode::empty(), resolve)?
        }
        false => rustix::fs::open(path, flags, Mode::empty())?,
    };
    match is_ours(&rustix::fs::fstat(&directory)?) {
        true => Ok(directory),
        false => Err(Errno::PERM),
    }
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == geteuid().as_raw()
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(u64::MAX)
}

/// One of our files.
struct Lying {
    name: Box<CStr>,
    size: u64,
    used: SystemTime,
}

/// The files in the directory that are called as ours are. Others are not ours to count.
fn files(directory: impl AsFd) -> io::Result<Vec<Lying>> {
    /// More are never there.
    const MOST: usize = 100_000;
    let mut files = Vec::new();
    for entry in Dir::read_from(&directory)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name();
        if !is_name(name.to_bytes()) {
            continue;
        }
        let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let Some(stat) = stat.ok().filter(is_regular) else {
            continue;
        };
        let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
        files.push(Lying {
            name: name.into(),
            size: size(&stat),
            used: UNIX_EPOCH
                .checked_add(Duration::from_secs(seconds))
                .unwrap_or(UNIX_EPOCH),
        });
    }
    Ok(files)
}

fn is_name(name: &[u8]) -> bool {
    const DIGITS: u64 = 64;
    let stem = name.strip_suffix(SUFFIX.as_bytes());
    let is_digest =
        |stem: &[u8]| to_u64(stem.len()) == DIGITS && stem.iter().all(u8::is_ascii_hexdigit);
    stem.is_some_and(is_digest) || name.starts_with(UNFINISHED.as_bytes())
}
