//! Writing to standard output so that nothing in an image reaches a terminal unescaped, and a closed
//! or full output ends the program with an exit code, never a signal.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use super::exit::Failure;
use crate::error::{printable, tame};

/// Standard output, buffered.
pub(crate) struct Output {
    inner: Box<dyn Write>,
    terminal: bool,
}

impl Output {
    /// The process's standard output.
    pub(crate) fn stdout() -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        Self {
            inner: Box::new(std::io::BufWriter::with_capacity(64 * 1024, stdout.lock())),
            terminal,
        }
    }

    /// Any writer; `terminal` says how names are written.
    pub(crate) fn to(inner: Box<dyn Write>, terminal: bool) -> Self {
        Self { inner, terminal }
    }

    /// Whether a terminal shows it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.inner
            .write_all(bytes)
            .map_err(|error| Failure::output(&error))
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes a name of an image: escaped on a terminal, byte for byte into a pipe, as ls(1) does.
    pub(crate) fn name(&mut self, name: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            self.text(&printable(name))
        } else {
            self.bytes(name)
        }
    }

    /// Writes what another process has made for standard output: lines of text, in which a terminal
    /// has nothing to obey.
    pub(crate) fn page(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.terminal {
            return self.bytes(bytes);
        }
        for chunk in bytes.utf8_chunks() {
            for line in chunk.valid().split_inclusive('\n') {
                let text = line.strip_suffix('\n');
                self.text(&tame(text.unwrap_or(line)))?;
                self.text(text.map_or("", |_| "\n"))?;
            }
            self.text(&printable(chunk.invalid()))?;
        }
        Ok(())
    }

    /// Writes out what is buffered. Without it an error at the very end would be lost.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.inner.flush().map_err(|error| Failure::output(&error))
    }
}

/// Prints what clap says (help and version on standard output, a mistake on standard error) and
/// gives the exit code: 0 or 2.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { 2 } else { 0 };
    match error.print() {
        Ok(()) => ExitCode::from(code),
        Err(error) => Failure::output(&error).report(),
    }
}

/// What was written, for tests to look at.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Captured(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Captured {
    /// Everything that was written.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        crate::lock::lock(&self.0).clone()
    }
}

#[cfg(test)]
impl Write for Captured {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        crate::lock::lock(&self.0).extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
