//! Asking for a passphrase at the user's terminal, without showing what is typed. The process that
//! asks also reads it: who has a terminal open can read whatever is typed there later.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
};

use crate::format::Secret;
use crate::sys;

/// What Ctrl-C types where it is no signal.
const INTERRUPT: u8 = 3;

/// The longest passphrase that a terminal gives in one line.
const LONGEST: usize = 4096;

/// The signals that would end this process and leave the terminal as it is during a question.
const SIGNALS: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// The terminal of the command that the user started.
pub(in super::super) struct Terminal {
    file: File,
    /// How it was when this process came by it.
    before: Option<Termios>,
}

/// What came from the terminal.
pub(in super::super) enum Line {
    /// A passphrase.
    Typed(Secret),
    /// An empty line, or nobody waits for the answer any more.
    Nothing,
    /// Ctrl-C, or a signal, which this process has been sent once more by then.
    Interrupted,
}

impl Terminal {
    /// The one of this process; none where nobody would see a question.
    pub(super) fn open() -> Option<Self> {
        if !isatty(rustix::stdio::stderr()) {
            return None;
        }
        let tty = File::options().read(true).write(true).open("/dev/tty");
        tty.ok().map(|file| Self::of(file.into()))
    }

    /// The terminal that a descriptor is, which another process has handed on for instance.
    pub(super) fn of(descriptor: OwnedFd) -> Self {
        let file = File::from(descriptor);
        Self {
            before: tcgetattr(&file).ok(),
            file,
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Makes it as it was, after the end of a process that asked something there.
    pub(super) fn restore(&self) {
        let now = tcgetattr(&self.file).map(|now| now.local_modes);
        if let (Ok(now), Some(before)) = (now, &self.before)
            && now != before.local_modes
        {
            let _ = tcsetattr(&self.file, OptionalActions::Flush, before); // It may be gone.
        }
    }

    /// Shows `question`, and takes the line that is typed next without showing it. A hang-up of one
    /// of those that wait for the answer ends the question.
    pub(in super::super) fn ask(&self, question: &str, waiting: &[BorrowedFd<'_>]) -> Line {
        let Ok(mut signals) = sys::catch_signals(&SIGNALS) else {
            return Line::Nothing;
        };
        let line = match self.hide(question) {
            Some(hidden) => hidden.line(&signals, waiting),
            None => return Line::Nothing,
        };
        // The terminal is as it was now.
        let signal = match line {
            Line::Interrupted => signals.take().or(Some(libc::SIGINT)),
            Line::Typed(_) | Line::Nothing => None,
        };
        drop(signals);
        if let Some(signal) = signal.and_then(Signal::from_named_raw) {
            // What would have come of it without the question does so now.
            let _ = kill_process(getpid(), signal);
        }
        line
    }

    /// Shows `question` and hides the answer; `None` where the terminal is gone. Ctrl-C ends the
    /// line instead of this process.
    fn hide(&self, question: &str) -> Option<Hidden<'_>> {
        let before = tcgetattr(&self.file).ok()?;
        let mut hiding = before.clone();
        let off = LocalModes::ECHO | LocalModes::ISIG;
        hiding.local_modes.remove(off);
        hiding.local_modes.insert(LocalModes::ICANON);
        hiding.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(&self.file, OptionalActions::Flush, &hiding).ok()?;
        let hidden = Hidden {
            terminal: &self.file,
            before,
        };
        hidden.show(question);
        Some(hidden)
    }
}

/// The terminal while it does not show what is typed. It is as it was when this ends.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Hidden<'_> {
    fn show(&self, text: &str) {
        // One that can only be read is probably the one that errors are shown at.
        let shown = rustix::io::write(self.terminal, text.as_bytes());
        let _ = shown.or_else(|_| rustix::io::write(rustix::stdio::stderr(), text.as_bytes()));
    }

    /// The line that is typed next.
    fn line(&self, signals: &sys::Caught, waiting: &[BorrowedFd<'_>]) -> Line {
        let mut typed = Typed {
            terminal: self.terminal,
            signals,
            waiting,
            end: None,
        };
        let secret = Secret::read(&mut typed, LONGEST, true);
        match (typed.end, secret) {
            (Some(End::Interrupted), _) => Line::Interrupted,
            (None, Ok(secret)) if !secret.bytes().is_empty() => Line::Typed(secret),
            _ => Line::Nothing,
        }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Where it is gone nothing is left to be put back.
        self.show("\n");
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Why a line ends before its line break.
#[derive(Clone, Copy)]
enum End {
    Interrupted,
    NobodyWaits,
}

/// What is typed at a terminal up to Ctrl-C, behind which no line break comes, or another end.
struct Typed<'a> {
    terminal: &'a File,
    signals: &'a sys::Caught,
    waiting: &'a [BorrowedFd<'a>],
    end: Option<End>,
}

impl Typed<'_> {
    /// Waits until something is typed, or the end.
    fn wait(&mut self) -> std::io::Result<()> {
        let mut watched = vec![
            PollFd::new(self.terminal, PollFlags::IN),
            PollFd::new(self.signals, PollFlags::IN),
        ];
        let waiting = self.waiting.iter();
        watched.extend(waiting.map(|it| PollFd::from_borrowed_fd(*it, PollFlags::empty())));
        loop {
            match poll(&mut watched, None) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut ready = watched.iter().map(|fd| !fd.revents().is_empty());
        let (_, signalled) = (ready.next(), ready.next());
        if signalled == Some(true) {
            self.end = Some(End::Interrupted);
        } else if ready.any(|is_ready| is_ready) {
            self.end = Some(End::NobodyWaits);
        }
        Ok(())
    }
}

impl Read for Typed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.end.is_none() {
            self.wait()?;
        }
        if self.end.is_some() {
            return Ok(0);
        }
        let count = self.terminal.read(buf)?;
        if buf.get(..count).is_some_and(|it| it.contains(&INTERRUPT)) {
            self.end = Some(End::Interrupted);
        }
        Ok(count)
    }
}
