//! The file that says which process to signal to end a mount.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{Pid, test_kill_process};

use super::failure::Failure;
use super::shown;
use crate::error::{Error, Kind};

/// A file with this process's number, which goes with this value.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// `path` from the root on, where one can be written there: nothing is, or the number of a
    /// process that is gone.
    ///
    /// # Errors
    /// `Host` where there is something else, which is never overwritten.
    pub(super) fn place(path: &Path) -> Result<PathBuf, Failure> {
        let path = whole(path)?;
        let refused = |what: String| {
            let text = format!("the pid file {} {what}", shown(&path));
            let error = Error::new(Kind::Denied, text);
            Err(Failure::host(error.hint("remove it, or name another")))
        };
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(cannot(&path, &error)),
            Ok(found) if !found.is_file() => return refused("is no regular file".to_owned()),
            Ok(_) => {}
        }
        match content(&path)?.trim() {
            "" => Ok(path),
            text => match number(text) {
                None => refused("holds something else than a number of a process".to_owned()),
                Some(pid) if is_alive(pid) => refused(format!("names process {text}, which runs")),
                Some(_) => Ok(path),
            },
        }
    }

    /// Writes this process's number to `path`, at once: nobody ever sees half of it.
    ///
    /// # Errors
    /// `Host` where it cannot be written.
    pub(super) fn write(path: PathBuf) -> Result<Self, Failure> {
        let mut beside = path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = || {
            let mut options = File::options();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(&beside)?;
            file.write_all(own_number().as_bytes())?;
            std::fs::rename(&beside, &path)
        };
        written().map_err(|error| {
            if error.kind() != ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(&beside); // It may not be there.
            }
            cannot(&path, &error)
        })?;
        Ok(Self { path })
    }
}

impl Drop for PidFile {
    /// Whatever somebody else has put there meanwhile stays.
    fn drop(&mut self) {
        if content(&self.path).is_ok_and(|text| text == own_number()) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// From the root on. A link stays one: it is not replaced, nor what it leads to.
fn whole(path: &Path) -> Result<PathBuf, Failure> {
    let Some(name) = path.file_name() else {
        let text = format!("the pid file {} has no name", shown(path));
        return Err(Failure::usage(Error::invalid(text)));
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize();
    let folder = folder.map_err(|error| cannot(path, &error))?;
    Ok(folder.join(name))
}

fn own_number() -> String {
    format!("{}\n", std::process::id())
}

fn number(text: &str) -> Option<Pid> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.and_then(Pid::from_raw)
}

/// One that has ended may wait long for its parent to ask how: in a container, for ever.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // `5053 (imgmount) Z 1 ...`: the name may have parentheses of its own.
    let has_ended = stat.is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| state.starts_with(['Z', 'X']))
    });
    !has_ended && test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

/// As much as a number takes, of a regular file. What was put in its place is neither waited for nor
/// followed.
fn content(path: &Path) -> Result<String, Failure> {
    const LONGEST: u64 = 32;
    let mut bytes = Vec::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let mut read = || {
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        match file.metadata()?.is_file() {
            true => file.take(LONGEST).read_to_end(&mut bytes),
            false => Err(ErrorKind::InvalidInput.into()),
        }
    };
    read().map_err(|error| cannot(path, &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::host(Error::io(format!("pid file {}", shown(path)), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nothing_and_the_dead_are_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        assert_eq!(PidFile::place(&path).unwrap(), path);
        for dead in ["", "\n", "2147483647\n"] {
            std::fs::write(&path, dead).unwrap();
            PidFile::place(&path).unwrap();
        }
        let own = own_number();
        for (there, why) in [
            (own.as_str(), "which runs (remove it, or name another)"),
            ("1\n", "names process 1, which runs"),
            ("0\n", "holds something else"),
            ("-5\n", "holds something else"),
            ("a disk image\n", "holds something else"),
        ] {
            std::fs::write(&path, there).unwrap();
            let said = PidFile::place(&path).unwrap_err().to_string();
            assert!(said.contains(why), "{there}: {said}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), there);
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let said = PidFile::place(&path).unwrap_err().to_string();
        assert!(said.contains("is no regular file"), "{said}");
        assert!(PidFile::place(&folder.path().join("no/pid")).is_err());
    }

    #[test]
    fn a_process_that_has_ended_and_waits_to_be_asked_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&child);
        while is_alive(pid) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn it_goes_with_its_process_and_what_replaced_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let written = PidFile::write(path.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), own_number());
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        drop(written);
        assert!(!path.exists());
        let written = PidFile::write(path.clone()).unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(written);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
        assert!(PidFile::write(folder.path().join("no/pid")).is_err());
    }

    #[test]
    fn a_pipe_or_a_link_that_replaced_it_is_neither_waited_for_nor_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("pid"), folder.path().join("aside"));
        let replace: [&dyn Fn(); 2] = [
            &|| {
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
            },
            &|| std::os::unix::fs::symlink(&aside, &path).unwrap(),
        ];
        for replace in replace {
            let written = PidFile::write(path.clone()).unwrap();
            std::fs::rename(&path, &aside).unwrap();
            replace();
            let (ends, ended) = std::sync::mpsc::channel();
            let ending = std::thread::spawn(move || {
                drop(written);
                ends.send(()).unwrap();
            });
            let waited = ended.recv_timeout(std::time::Duration::from_secs(10));
            assert!(waited.is_ok(), "it waits for whoever writes to the pipe");
            ending.join().unwrap();
            assert!(path.symlink_metadata().is_ok_and(|it| !it.is_file()));
            assert_eq!(std::fs::read_to_string(&aside).unwrap(), own_number());
            std::fs::remove_file(&path).unwrap();
            std::fs::remove_file(&aside).unwrap();
        }
    }
}
