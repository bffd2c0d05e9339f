//! The system's log (syslog, the journal), for a mount in the background, whose terminal is gone.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where every system's log listens.
const SOCKET: &str = "/dev/log";

/// Lines of one mount at most: an image can be damaged in thousands of places.
const MOST_LINES: u32 = 500;

/// An open way to the system's log.
pub(super) struct SystemLog {
    socket: UnixDatagram,
    /// What is logged about, printable.
    about: String,
    left: u32,
}

impl SystemLog {
    /// None where the system has no log.
    pub(super) fn open(about: String) -> Option<Self> {
        Self::at(Path::new(SOCKET), about)
    }

    fn at(path: &Path, about: String) -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(path).ok()?;
        // A log that is full loses lines, and stops nobody.
        socket.set_nonblocking(true).ok()?;
        let left = MOST_LINES;
        Some(Self {
            socket,
            about,
            left,
        })
    }

    /// Logs each line of `text`, printable bytes, as long as there are not too many; gives how many
    /// were left out.
    pub(super) fn lines(&mut self, text: &[u8]) -> u64 {
        let mut left_out = 0_u64;
        let lines = text.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    self.send(line);
                }
                None => left_out = left_out.saturating_add(1),
            }
        }
        left_out
    }

    /// Logs one line, however many there were.
    pub(super) fn send(&self, line: &[u8]) {
        /// Of a program of a user's, a warning (RFC 3164, 4.1.1: facility 1, severity 4).
        const PRIORITY: u8 = 8 + 4;
        let process = std::process::id();
        let mut packet = format!("<{PRIORITY}>imgmount[{process}]: {}: ", self.about).into_bytes();
        packet.extend_from_slice(line);
        let _ = self.socket.send(&packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_packet_and_a_flood_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(SystemLog::at(&path, "disk.raw".to_owned()).is_none());
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut log = SystemLog::at(&path, "disk.raw".to_owned()).unwrap();
        let received = || {
            let mut packet = [0; 200];
            let len = listener.recv(&mut packet).ok()?;
            Some(String::from_utf8_lossy(&packet[..len]).into_owned())
        };
        log.lines(b"one\ntwo\n");
        let line = |text: &str| {
            let process = std::process::id();
            Some(format!("<12>imgmount[{process}]: disk.raw: {text}"))
        };
        assert_eq!(received(), line("one"));
        assert_eq!(received(), line("two"));
        assert_eq!(received(), None);
        let mut last = None;
        for _ in 2..MOST_LINES {
            assert_eq!(log.lines(b"again\n"), 0);
            last = std::iter::from_fn(received).last().or(last);
        }
        assert_eq!(last, line("again"));
        assert_eq!(log.left, 0);
        assert_eq!(log.lines(b"again\nand again\n"), 2);
        assert_eq!(received(), None);
        log.send(b"2 more lines left out");
        assert_eq!(received(), line("2 more lines left out"));
    }
}
