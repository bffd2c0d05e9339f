//! Asking for a passphrase at the user's terminal, without showing what is typed.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::format::Secret;

/// What Ctrl-C types where it is no signal.
const INTERRUPT: u8 = 3;

/// The longest passphrase that a terminal gives in one line.
const LONGEST: usize = 4096;

/// The terminal of the command that the user started.
pub(in super::super) struct Terminal(File);

/// The terminal while it does not show what is typed. It is as it was when this ends.
pub(in super::super) struct Hidden {
    terminal: File,
    before: Termios,
}

/// What came from the terminal.
pub(in super::super) enum Line {
    /// A passphrase.
    Typed(Secret),
    /// An empty line.
    Nothing,
    /// Ctrl-C.
    Interrupted,
}

impl Terminal {
    /// The one of this process; none where nobody would see a question.
    pub(super) fn open() -> Option<Self> {
        if !rustix::termios::isatty(rustix::stdio::stderr()) {
            return None;
        }
        let tty = File::options().read(true).write(true).open("/dev/tty");
        tty.ok().map(Self)
    }

    /// The terminal that another process has handed on.
    pub(super) fn of(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Shows `question` and hides the answer; `None` where the terminal is gone. Ctrl-C ends the
    /// line instead of this process, which would leave the terminal as it is then.
    pub(in super::super) fn hide(&self, question: &str) -> Option<Hidden> {
        let terminal = self.0.try_clone().ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut hiding = before.clone();
        let off = LocalModes::ECHO | LocalModes::ISIG;
        hiding.local_modes.remove(off);
        hiding.local_modes.insert(LocalModes::ICANON);
        hiding.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(&terminal, OptionalActions::Flush, &hiding).ok()?;
        let hidden = Hidden { terminal, before };
        rustix::io::write(&hidden.terminal, question.as_bytes()).ok()?;
        Some(hidden)
    }
}

impl Hidden {
    /// Where the answer comes from.
    pub(in super::super) fn terminal(&self) -> &File {
        &self.terminal
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Where it is gone nothing is left to be put back.
        let _ = rustix::io::write(&self.terminal, b"\n");
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// The line that is typed at `terminal` next.
pub(in super::super) fn line(terminal: &File) -> Line {
    let mut typed = Typed {
        terminal,
        is_over: false,
    };
    match Secret::read(&mut typed, LONGEST, true) {
        _ if typed.is_over => Line::Interrupted,
        Ok(secret) if !secret.bytes().is_empty() => Line::Typed(secret),
        _ => Line::Nothing,
    }
}

/// A terminal up to Ctrl-C, behind which no line break comes.
struct Typed<'a> {
    terminal: &'a File,
    is_over: bool,
}

impl Read for Typed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        if self.is_over {
            return Ok(0);
        }
        let count = self.terminal.read(buf)?;
        self.is_over = buf.get(..count).is_some_and(|it| it.contains(&INTERRUPT));
        Ok(count)
    }
}
