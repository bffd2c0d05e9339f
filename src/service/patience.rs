//! Standard error where nobody may be waited for: a process that has a mount to take away goes on, and
//! what nobody reads is lost.

use std::io::Write;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// As many bytes as any pipe takes that takes something (PIPE_BUF).
const PIECE: usize = 4096;

/// How long whoever reads standard error may take for a piece.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Standard error. Writing to it never fails: what cannot be written soon is left out.
#[derive(Debug)]
pub struct StandardError;

impl Write for StandardError {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        show(rustix::stdio::stderr(), text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Shows what can be shown soon; gives how many bytes that were. Who has stopped reading must not
/// stop this process, which has a mount to take away.
pub(super) fn show(at: impl AsFd, text: &[u8]) -> usize {
    let mut shown = 0_usize;
    while let Some(left) = text.get(shown..).filter(|left| !left.is_empty()) {
        let piece = left.get(..PIECE).unwrap_or(left);
        let mut watched = [PollFd::new(&at, PollFlags::OUT)];
        if !matches!(poll(&mut watched, Some(&PATIENCE)), Ok(1)) {
            break;
        }
        match rustix::io::write(&at, piece) {
            Ok(count) if count > 0 => shown = shown.saturating_add(count),
            _ => break, // A log that is full or closed loses lines.
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u05_whoever_has_stopped_reading_gets_what_fits_and_nobody_waits() {
        let (reader, writer) = std::io::pipe().unwrap();
        let text = vec![b'x'; 1 << 20];
        let shown = show(&writer, &text);
        assert!((1..text.len()).contains(&shown), "{shown}");
        drop(reader);
        assert_eq!(show(&writer, &text), 0);
    }
}
