//! What the worker logs, as the supervisor passes it on: all of it at first, and then only how much
//! more there was. The worker may be a hostile image's, and whoever reads may have stopped reading.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::patience::show;
use super::system_log::SystemLog;
use crate::error::tame;

/// Bytes that are passed on in all.
const MOST: usize = 1 << 20;

/// Bytes that are taken at a time: there are signals and questions to see to.
const MOST_AT_ONCE: usize = 64 << 10;

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// It goes to this process's standard error.
    Show,
    /// It goes to the system's log.
    System,
}

/// The pipe that it comes from. Says with its end how many lines were left out.
pub(super) struct WorkerLog {
    pipe: File,
    /// The system's log, once it was needed and if there is one.
    system: Option<Option<SystemLog>>,
    /// What it is about, printable.
    about: String,
    /// Where the last of it went.
    to: Log,
    /// Bytes that may still be passed on.
    left: usize,
    /// Lines that were not.
    left_out: u64,
}

impl WorkerLog {
    /// What comes out of `pipe`, which gives nothing rather than wait.
    pub(super) fn new(pipe: OwnedFd, about: String) -> Self {
        Self {
            pipe: pipe.into(),
            system: None,
            about,
            to: Log::Show,
            left: MOST,
            left_out: 0,
        }
    }

    /// The pipe.
    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Takes some of it, and passes it on. A terminal obeys none of it.
    pub(super) fn pass(&mut self, to: Log) {
        self.to = to;
        let text = self.take();
        let admitted = self.admitted(&text);
        let said = String::from_utf8_lossy(text.get(..admitted).unwrap_or_default());
        let lines: Vec<String> = said.split('\n').map(tame).collect();
        self.write(lines.join("\n").as_bytes());
    }

    fn take(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        let mut text = Vec::new();
        while text.len() < MOST_AT_ONCE {
            match self.pipe.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => text.extend_from_slice(bytes.get(..count).unwrap_or(&[])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        text
    }

    /// How many bytes of `text` are passed on: whole lines, as long as there are not too many. The
    /// others are counted.
    fn admitted(&mut self, text: &[u8]) -> usize {
        if text.len() <= self.left {
            self.left = self.left.saturating_sub(text.len());
            return text.len();
        }
        let fits = text.get(..self.left).unwrap_or(text);
        let end = fits.iter().rposition(|byte| *byte == b'\n');
        let end = end.map_or(0, |end| end.saturating_add(1));
        self.left = 0;
        self.leave_out(text.get(end..).unwrap_or_default());
        end
    }

    fn leave_out(&mut self, text: &[u8]) {
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.left_out = self.left_out.saturating_add(lines);
    }

    fn write(&mut self, text: &[u8]) {
        match self.to {
            Log::Show => {
                let shown = show(rustix::stdio::stderr(), text);
                self.leave_out(text.get(shown..).unwrap_or_default());
            }
            Log::System => self.note(text),
        }
    }

    /// Puts `text` into the system's log, each line by itself.
    pub(super) fn note(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let open = || SystemLog::open(self.about.clone());
        if let Some(log) = self.system.get_or_insert_with(open) {
            let left_out = log.lines(text);
            self.left_out = self.left_out.saturating_add(left_out);
        }
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.pass(self.to);
        if self.left_out == 0 {
            return;
        }
        let text = format!("{} more lines left out", self.left_out);
        match (self.to, &self.system) {
            (Log::Show, _) => drop(show(rustix::stdio::stderr(), (text + "\n").as_bytes())),
            (Log::System, Some(Some(log))) => log.send(text.as_bytes()),
            (Log::System, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_at_a_line_and_its_rest_is_counted() {
        let flags = rustix::pipe::PipeFlags::NONBLOCK;
        let (reader, _writer) = rustix::pipe::pipe_with(flags).unwrap();
        let mut log = WorkerLog::new(reader, String::new());
        let lines = b"0123456789abcde\n".repeat(4096);
        for _ in 0..15 {
            assert_eq!(log.admitted(&lines), lines.len());
        }
        assert_eq!(log.admitted(b"x\n"), 2);
        assert_eq!(log.admitted(&lines), lines.len() - 16);
        assert_eq!(log.left_out, 1);
        assert_eq!(log.admitted(b"one\ntwo\n"), 0);
        assert_eq!(log.left_out, 3);
        log.left_out = 0; // Nobody is told in a test.
    }
}
