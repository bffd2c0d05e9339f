//! What a mount came to, for whoever unmounts it.
//!
//! `imgmount umount` is no relative of the supervisor, and what it unmounts may have nobody behind
//! it who still answers. So the supervisor listens on an abstract socket that is named by the
//! mount's device number, which no other mount has as long as it lives. Whoever is about to
//! unmount connects; the supervisor tells all who have when it ends. Nothing happens in between:
//! a connection waits by itself. The kernel gives the number of a mount that has just gone to the
//! next one, whose supervisor waits until the name is free as well.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// How long the end of a mount may take that is unmounted already.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the supervisor may take to end whose mount had the number before. Nobody can keep others
/// from mounting by taking the name.
const SUCCESSION: Duration = Duration::from_millis(500);

/// Connections that may wait.
const BACKLOG: i32 = 16;

/// The supervisor's side.
pub(super) struct LastWords(UnixListener);

impl LastWords {
    /// For the mount with the number `device`. `None` where somebody else has taken the name and
    /// keeps it, or there are no such sockets: nobody is told then.
    pub(super) fn of(device: &str) -> Option<Self> {
        const STEP: Duration = Duration::from_millis(5);
        let deadline = Instant::now().checked_add(SUCCESSION);
        loop {
            match listen(device) {
                Err(Errno::ADDRINUSE) if deadline.is_some_and(|end| Instant::now() < end) => {
                    std::thread::sleep(STEP);
                }
                listening => return listening.ok().map(|socket| Self(socket.into())),
            }
        }
    }

    /// Tells all who have connected how many requests failed by bugs of this program.
    pub(super) fn say(&self, faults: u64) {
        while let Ok((mut stream, _)) = self.0.accept() {
            // Whoever has gone does not want to know.
            let _ = stream.write_all(&faults.to_le_bytes());
        }
    }
}

/// The side of whoever unmounts.
pub(super) struct Listening(UnixStream);

impl Listening {
    /// To the supervisor of the mount with the number `device`, which `user` serves, where it
    /// lives.
    pub(super) fn to(device: &str, user: Option<u32>) -> Option<Self> {
        let connect = || {
            let (socket, address) = socket(device)?;
            rustix::net::connect(&socket, &address)?;
            let other = rustix::net::sockopt::socket_peercred(&socket)?;
            Result::Ok((socket, other.uid))
        };
        let (socket, uid) = connect().ok()?;
        // Anybody may have taken the name.
        let is_believed = user == Some(uid.as_raw());
        is_believed.then(|| Self(socket.into()))
    }

    /// How many requests failed by bugs of this program, as far as is said in time.
    pub(super) fn hear(mut self) -> u64 {
        let mut faults = [0; 8];
        let waits = self.0.set_nonblocking(false);
        let waits = waits.and_then(|()| self.0.set_read_timeout(Some(PATIENCE)));
        let heard = waits.and_then(|()| self.0.read_exact(&mut faults));
        heard.map_or(0, |()| u64::from_le_bytes(faults))
    }
}

fn listen(device: &str) -> Result<OwnedFd> {
    let (socket, address) = socket(device)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A socket that never waits, and the name that the mount's has.
fn socket(device: &str) -> Result<(OwnedFd, SocketAddrUnix)> {
    let address = SocketAddrUnix::new_abstract_name(format!("imgmount/{device}").as_bytes())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_connected_is_told_and_a_name_is_taken_once() {
        let device = format!("test {}", std::process::id());
        let own = rustix::process::geteuid().as_raw();
        let listening = || Listening::to(&device, Some(own));
        assert!(listening().is_none());
        let words = LastWords::of(&device).unwrap();
        assert!(LastWords::of(&device).is_none());
        let listeners: Vec<_> = (0..3).filter_map(|_| listening()).collect();
        assert_eq!(listeners.len(), 3);
        words.say(7);
        drop(words);
        assert!(listeners.into_iter().all(|it| it.hear() == 7));
        assert!(listening().is_none());
    }

    #[test]
    fn the_supervisor_of_a_mount_that_has_gone_is_waited_for() {
        let device = format!("test next {}", std::process::id());
        let before = LastWords::of(&device).unwrap();
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(before);
        });
        assert!(LastWords::of(&device).is_some());
        ends.join().unwrap();
    }

    #[test]
    fn whoever_does_not_serve_the_mount_is_not_believed() {
        let device = format!("test other {}", std::process::id());
        let _words = LastWords::of(&device).unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert!(Listening::to(&device, Some(own)).is_some());
        for user in [Some(own.wrapping_add(1)), None] {
            assert!(Listening::to(&device, user).is_none(), "{user:?}");
        }
    }

    #[test]
    fn a_supervisor_that_ends_without_a_word_counts_nothing() {
        let device = format!("test silent {}", std::process::id());
        let words = LastWords::of(&device).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let listening = Listening::to(&device, Some(own)).unwrap();
        drop(words);
        assert_eq!(listening.hear(), 0);
    }
}
