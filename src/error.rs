//! The one error of the whole program.
//!
//! It prints as one line, outermost context first:
//! `disk.raw: partition 2: ext4: group descriptor 7: bad checksum at byte 0x8040 (hint)`.

mod caught;

use std::fmt;

pub use caught::caught;
use serde::{Deserialize, Serialize};

/// What went wrong, as far as a caller has to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The bytes could not be read: the host's error, or a file shorter than it was.
    Io,
    /// The bytes were read and break their format's rules.
    Corrupt,
    /// Valid, as far as can be told, but not something this program reads. The message names it.
    Unsupported,
    /// Encrypted, and the key is not there.
    Locked,
    /// The host forbids it.
    Denied,
    /// What the image asks for is not done without the user's word: it names another file.
    Refused,
    /// No such file, volume or object.
    NotFound,
    /// A directory was needed.
    NotADirectory,
    /// Something other than a directory was needed.
    IsADirectory,
    /// The request itself makes no sense: an offset past the end, an unknown option.
    Invalid,
    /// A panic: a bug of this program's own.
    Bug,
}

/// An error: its kind, what was being looked at (outermost first), what is wrong, where, and what
/// the user can do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    kind: Kind,
    /// Innermost first, since contexts are added on the way out.
    context: Vec<String>,
    message: String,
    offset: Option<u64>,
    hint: Option<String>,
}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that says `message`. Names from an image must go through [`printable`].
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            context: Vec::new(),
            message: message.into(),
            offset: None,
            hint: None,
        }))
    }

    /// [`Kind::Corrupt`]: names the field and its value, as in `s_log_block_size 31 is over 6`.
    #[must_use]
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }

    /// [`Kind::Unsupported`]: names the feature.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// [`Kind::Invalid`].
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// [`Kind::NotFound`].
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// [`Kind::Locked`].
    #[must_use]
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(Kind::Locked, message)
    }

    /// [`Kind::Io`] from the host's own error; `doing` is what was tried, as in `read`.
    #[must_use]
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Io,
        };
        Self::new(kind, format!("{doing}: {}", describe_io(error)))
    }

    /// The byte offset, in the layer that reports, of the object that is wrong.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// The same told of a layer in which the one that reports begins at byte `start`.
    #[must_use]
    pub fn moved(mut self, start: u64) -> Self {
        let offset = self.0.offset;
        self.0.offset = offset.map(|offset| offset.saturating_add(start));
        self
    }

    /// Puts `outer` in front: the object, layer or file that was being looked at.
    #[must_use]
    pub fn context(mut self, outer: impl Into<String>) -> Self {
        self.0.context.push(outer.into());
        self
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The byte offset of [`Error::at`].
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The contexts, outermost first.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.0.context.iter().rev().map(String::as_str)
    }

    /// What is wrong, without context, offset and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The hint of [`Error::hint`].
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl Error {
    /// The same as another process may have said it that is not believed: see [`tame`].
    #[must_use]
    pub fn tamed(mut self) -> Self {
        let inner = &mut *self.0;
        let texts = inner.context.iter_mut().chain(&mut inner.hint);
        for text in texts.chain(std::iter::once(&mut inner.message)) {
            *text = tame(text);
        }
        self
    }
}

/// The host's words for an error, without Rust's `(os error 2)`.
fn describe_io(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.contexts() {
            write!(f, "{context}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(offset) = self.0.offset {
            write!(f, " at byte {offset:#x}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}

/// `result.context("…")` on the way out.
pub trait ResultExt<T> {
    /// Puts what `outer` gives in front of the error, if there is one.
    ///
    /// # Errors
    /// The error that was there already.
    fn context<S: Into<String>>(self, outer: impl FnOnce() -> S) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context<S: Into<String>>(self, outer: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| error.context(outer()))
    }
}

/// Bytes of an image as text that is safe on a terminal and unambiguous: control characters,
/// backslashes and what is not UTF-8 become `\xNN` (`\\` for the backslash itself).
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_printable(&mut text, character);
        }
        for byte in chunk.invalid() {
            push_hex(&mut text, *byte);
        }
    }
    text
}

/// What another process says, with everything escaped that a terminal obeys: names in it went through
/// [`printable`] already, if the process is what it should be.
#[must_use]
pub fn tame(said: &str) -> String {
    let mut text = String::with_capacity(said.len());
    for character in said.chars() {
        match character {
            '\\' => text.push(character),
            _ => push_printable(&mut text, character),
        }
    }
    text
}

/// Whether `character` reorders what a terminal shows: the controls of Unicode's bidirectional
/// algorithm (UAX #9, section 2), all that have the property Bidi_Control.
pub(crate) fn reorders(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_printable(text: &mut String, character: char) {
    if character == '\\' {
        text.push_str("\\\\");
    } else if character.is_control() || reorders(character) {
        let mut utf8 = [0; 4];
        for byte in character.encode_utf8(&mut utf8).bytes() {
            push_hex(text, byte);
        }
    } else {
        text.push(character);
    }
}

fn push_hex(text: &mut String, byte: u8) {
    use fmt::Write;
    let _ = write!(text, "\\x{byte:02x}"); // writing to a String cannot fail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_outermost_first_with_place_and_hint() {
        let error = Error::corrupt("bad checksum")
            .at(0x8040)
            .context("group descriptor 7")
            .context("ext4")
            .context("disk.raw")
            .hint("--ignore-checksums reads it all the same");
        assert_eq!(
            error.to_string(),
            "disk.raw: ext4: group descriptor 7: bad checksum at byte 0x8040 (--ignore-checksums reads it all the same)"
        );
    }

    #[test]
    fn what_another_process_says_has_nothing_left_that_a_terminal_obeys() {
        let error = Error::corrupt("a\\x1b\x1b[31m").context("b\n").hint("c\r");
        assert_eq!(
            error.tamed().to_string(),
            "b\\x0a: a\\x1b\\x1b[31m (c\\x0d)"
        );
    }

    #[test]
    fn printable_keeps_text_and_escapes_what_a_terminal_obeys() {
        assert_eq!(printable("größe €".as_bytes()), "größe €");
        assert_eq!(printable(b"a\x1b[31m\n\\\xff"), "a\\x1b[31m\\x0a\\\\\\xff");
        assert_eq!(
            printable("\u{202e}x\u{9b}".as_bytes()),
            "\\xe2\\x80\\xaex\\xc2\\x9b"
        );
        for reorders in [
            "\u{61c}", "\u{200e}", "\u{200f}", "\u{202a}", "\u{202e}", "\u{2066}", "\u{2069}",
        ] {
            assert!(printable(reorders.as_bytes()).is_ascii(), "{reorders:?}");
        }
    }
}
