//! The user's keys: which there are, who opens them, and how they reach the process that uses them.
//!
//! The command that the user started opens them: only it has the user's descriptors and terminal.
//! What was opened is handed on as descriptors, so the bytes of a key file are read by the worker
//! alone. Where more than the key comes out of one, a terminal say, the worker never has it: what
//! is wanted of it is read outside, and handed on in a pipe.

mod terminal;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use serde::{Deserialize, Serialize};

pub(super) use self::terminal::{Line, Terminal};
use super::channel::Channel;
use super::failure::Failure;
use super::{shown, wire};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::format::{Key, Keys, Secret};
use crate::lock::lock;
use crate::number::to_u64;
use crate::sys;

/// The longest key that is read: as cryptsetup's longest key file.
const LONGEST: usize = 8 << 20;

/// The longest passphrase of one line.
const LONGEST_LINE: usize = 64 << 10;

/// What the user says about keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Key files, best first.
    pub files: Vec<ForVolume>,
    /// Bytes of each key file before the key.
    pub offset: u64,
    /// Bytes of the key in each file; to its end without it.
    pub size: Option<u64>,
    /// Descriptors of the command that have a passphrase each, in one line.
    pub descriptors: Vec<i32>,
    /// Detached headers.
    pub headers: Vec<ForVolume>,
    /// Nobody is asked.
    pub no_ask: bool,
    /// What stays locked is an error.
    pub strict: bool,
}

/// A file, and the volume that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForVolume {
    /// As the tree calls it, or its UUID; any volume without it.
    pub subject: Option<String>,
    /// The file.
    #[serde(with = "wire::path")]
    pub path: PathBuf,
}

impl ForVolume {
    /// From `[VOLUME:]FILE`. What stands before the first colon is a volume unless it begins like a
    /// path, with `/` or `.`; `UUID=` may stand before a UUID.
    #[must_use]
    pub fn parse(text: &std::ffi::OsStr) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let bytes = text.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':');
        let parts = colon.and_then(|colon| bytes.split_at_checked(colon));
        let subject = parts.and_then(|(subject, _)| std::str::from_utf8(subject).ok());
        let subject = subject.filter(|it| !it.is_empty() && !it.starts_with(['/', '.']));
        let path = match (subject, parts) {
            (Some(_), Some((_, path))) => path.get(1..).unwrap_or_default(),
            _ => bytes,
        };
        let subject = subject.map(|it| it.strip_prefix("UUID=").unwrap_or(it).to_owned());
        Self {
            subject,
            path: Path::new(std::ffi::OsStr::from_bytes(path)).to_owned(),
        }
    }
}

/// How a key that was opened is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Form {
    /// For errors.
    name: String,
    /// See [`ForVolume::subject`].
    subject: Option<String>,
    /// The part of it that is the key.
    offset: u64,
    size: Option<u64>,
}

impl Options {
    /// How each key is read, in the order of [`Handed`].
    pub(super) fn forms(&self) -> Vec<Form> {
        let file = |file: &ForVolume| Form {
            name: shown(&file.path),
            subject: file.subject.clone(),
            offset: self.offset,
            size: self.size,
        };
        let line = |number: &i32| Form {
            name: format!("descriptor {number}"),
            subject: None,
            offset: 0,
            size: None,
        };
        let files = self.files.iter().map(file);
        files.chain(self.descriptors.iter().map(line)).collect()
    }
}

impl Form {
    /// The key in `file`.
    ///
    /// # Errors
    /// `Io`, naming it; `Invalid` where it is empty or too long.
    pub(super) fn read(&self, mut file: File) -> Result<Key> {
        let skipped = self.skip(&mut file);
        let skipped = skipped.map_err(|error| Error::io("the key cannot be read", &error));
        let size = self.size.unwrap_or(u64::MAX);
        let most = LONGEST.saturating_add(1);
        let secret = skipped.and_then(|()| read(&mut file.take(size), most, false));
        let checked = secret.and_then(|secret| self.check(&secret).map(|()| secret));
        Ok(Key {
            subject: self.subject.clone(),
            secret: Arc::new(checked.context(|| self.name.clone())?),
        })
    }

    /// Goes to the key's first byte, also in a pipe.
    fn skip(&self, file: &mut File) -> std::io::Result<()> {
        if self.offset == 0 || file.seek(SeekFrom::Start(self.offset)).is_ok() {
            return Ok(());
        }
        let mut before = file.take(self.offset);
        std::io::copy(&mut before, &mut std::io::sink()).map(|_| ())
    }

    fn check(&self, secret: &Secret) -> Result<()> {
        let len = to_u64(secret.bytes().len());
        if len == 0 {
            return Err(Error::invalid("the key is empty"));
        }
        if secret.bytes().len() > LONGEST {
            let hint = "--keyfile-size chooses a part of it";
            return Err(Error::invalid("the key is longer than 8 MiB").hint(hint));
        }
        match self.size {
            Some(size) if size > len => {
                let text = format!("the key has {len} bytes, and --keyfile-size is {size}");
                Err(Error::invalid(text))
            }
            _ => Ok(()),
        }
    }
}

/// What the command has opened for the process that uses it.
#[derive(Default)]
pub(super) struct Handed {
    /// In the order of [`Options::forms`].
    pub(super) keys: Vec<OwnedFd>,
    /// Where to ask for a passphrase.
    pub(super) terminal: Option<Terminal>,
}

/// That the descriptor which comes with it is the terminal, or the next key.
#[derive(Serialize, Deserialize)]
struct Hand {
    is_terminal: bool,
}

impl Handed {
    /// Opens everything that `options` name, in the command that the user started.
    ///
    /// # Errors
    /// `Usage` for a descriptor that is none; `NotFound`, `Denied` for a key file.
    pub(super) fn open(options: &Options) -> std::result::Result<Self, Failure> {
        let mut keys = Vec::new();
        for ForVolume { path, .. } in &options.files {
            let key = open_key(path).and_then(|file| options.key_alone(file));
            keys.push(key.context(|| shown(path))?);
        }
        for number in &options.descriptors {
            let name = || Error::invalid(format!("--passphrase-fd {number} is no open descriptor"));
            let lines = sys::duplicate(*number).map_err(|_| Failure::usage(name()))?;
            let line = line_alone(lines);
            keys.push(line.context(|| format!("descriptor {number}"))?);
        }
        Ok(Self {
            keys,
            terminal: (!options.no_ask).then(Terminal::open).flatten(),
        })
    }

    /// Hands it to the process at the other end of `channel`.
    pub(super) fn send(&self, channel: &Channel) -> Result<()> {
        for key in &self.keys {
            channel.send(&Hand { is_terminal: false }, Some(key.as_fd()))?;
        }
        match &self.terminal {
            Some(terminal) => channel.send(&Hand { is_terminal: true }, Some(terminal.as_fd())),
            None => channel.send(&Hand { is_terminal: true }, None),
        }
    }

    /// Makes the terminal as it was, after the end of the process that it was handed to.
    pub(super) fn restore_terminal(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.restore();
        }
    }

    /// What the other end handed on.
    pub(super) fn receive(channel: &Channel) -> Result<Self> {
        let mut handed = Self::default();
        loop {
            match channel.expect()? {
                (Hand { is_terminal: true }, terminal) => {
                    handed.terminal = terminal.map(Terminal::of);
                    return Ok(handed);
                }
                (Hand { is_terminal: false }, key) => handed.keys.extend(key),
            }
        }
    }
}

impl Options {
    /// `file`, or what is wanted of it where it is a device: nobody else is to read what else comes
    /// out of that.
    fn key_alone(&self, file: File) -> Result<OwnedFd> {
        let is_device = file.metadata();
        let is_device = is_device.is_ok_and(|found| found.file_type().is_char_device());
        if !is_device {
            return Ok(file.into());
        }
        let size = self.size.unwrap_or(to_u64(LONGEST).saturating_add(1));
        let mut part = file.take(self.offset.saturating_add(size));
        piped(&read(&mut part, LONGEST.saturating_add(1), false)?)
    }
}

/// The next line of `lines`, alone.
fn line_alone(lines: OwnedFd) -> Result<OwnedFd> {
    if !rustix::termios::isatty(&lines) {
        return piped(&read(&mut File::from(lines), LONGEST_LINE, true)?);
    }
    match Terminal::of(lines).ask("imgmount: passphrase: ", &[]) {
        Line::Typed(secret) => piped(&secret),
        Line::Nothing => Err(Error::invalid("the key is empty")),
        Line::Interrupted => Err(Error::new(Kind::Io, "interrupted")),
    }
}

fn read(from: &mut dyn Read, most: usize, line: bool) -> Result<Secret> {
    let secret = Secret::read(from, most, line);
    secret.map_err(|error| Error::io("the key cannot be read", &error))
}

/// A pipe that has `secret` in it, and nothing else ever. Unlike a file in memory it is never
/// swapped out.
///
/// # Errors
/// `Io` where it does not fit.
pub(super) fn piped(secret: &Secret) -> Result<OwnedFd> {
    let failed = |error: Errno| Error::io("hand on the key", &error.into());
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (reader, writer) = pipe_with(flags).map_err(failed)?;
    let mut left = secret.bytes();
    // As much as it has by itself is enough for all but a few.
    let _ = fcntl_setpipe_size(&writer, left.len());
    while !left.is_empty() {
        let count = rustix::io::write(&writer, left).map_err(failed)?;
        left = left.get(count..).unwrap_or_default();
    }
    Ok(reader)
}

/// The passphrase in a pipe; an error where there is none in it.
pub(super) fn passphrase(pipe: OwnedFd) -> Result<Secret> {
    let secret = read(&mut File::from(pipe), LONGEST_LINE, false)?;
    match secret.bytes().is_empty() {
        true => Err(Error::invalid("the passphrase is empty")),
        false => Ok(secret),
    }
}

/// Opens a key file: whatever can be read, also a pipe.
fn open_key(path: &Path) -> Result<File> {
    let cannot = |error: &std::io::Error| Error::io("the key cannot be opened", error);
    let file = File::open(path).map_err(|error| cannot(&error))?;
    let is_directory = file.metadata().is_ok_and(|found| found.is_dir());
    match is_directory {
        true => Err(Error::invalid("a directory is no key")),
        false => Ok(file),
    }
}

/// The keys where the command itself uses them.
pub(super) struct Own {
    forms: Vec<Form>,
    handed: std::sync::Mutex<Handed>,
}

impl Own {
    /// Those of `options`.
    ///
    /// # Errors
    /// As [`Handed::open`].
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            forms: options.forms(),
            handed: Handed::open(options)
                .map_err(|failure| failure.error)?
                .into(),
        })
    }

    fn handed(&self) -> std::sync::MutexGuard<'_, Handed> {
        lock(&self.handed)
    }
}

impl Keys for Own {
    fn given(&self) -> Result<Vec<Key>> {
        let files = std::mem::take(&mut self.handed().keys);
        let pairs = self.forms.iter().zip(files);
        pairs.map(|(form, file)| form.read(file.into())).collect()
    }

    fn ask(&self, question: &str) -> Option<Secret> {
        match self.handed().terminal.as_ref()?.ask(question, &[]) {
            Line::Typed(secret) => Some(secret),
            Line::Nothing | Line::Interrupted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::io::Write;

    use super::*;

    fn parsed(text: &str) -> (Option<String>, PathBuf) {
        let it = ForVolume::parse(OsStr::new(text));
        (it.subject, it.path)
    }

    #[test]
    fn a_volume_stands_before_a_colon_and_no_path_is_taken_for_one() {
        let volume = |subject: &str, path: &str| (Some(subject.to_owned()), path.into());
        assert_eq!(parsed("key"), (None, "key".into()));
        assert_eq!(parsed("p3:key"), volume("p3", "key"));
        assert_eq!(parsed("vg0/root:/a:b"), volume("vg0/root", "/a:b"));
        assert_eq!(parsed("UUID=12-ab:k"), volume("12-ab", "k"));
        for path in ["./p3:key", "/dev/fd/3", "/a:b", ":key"] {
            assert_eq!(parsed(path), (None, path.into()));
        }
    }

    fn form(offset: u64, size: Option<u64>) -> Form {
        Form {
            name: "k".to_owned(),
            subject: None,
            offset,
            size,
        }
    }

    #[test]
    fn a_part_of_a_file_or_of_a_pipe_is_read() {
        let read = |form: &Form, bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            form.read(file).map(|key| key.secret.bytes().to_vec())
        };
        assert_eq!(read(&form(0, None), b"abc\n").unwrap(), b"abc\n");
        assert_eq!(read(&form(1, Some(2)), b"abcd").unwrap(), b"bc");
        let text = |form: &Form, bytes: &[u8]| read(form, bytes).unwrap_err().to_string();
        assert_eq!(text(&form(0, None), b""), "k: the key is empty");
        let short = "k: the key has 3 bytes, and --keyfile-size is 4";
        assert_eq!(text(&form(1, Some(4)), b"abcd"), short);
        let long = vec![1; LONGEST + 1];
        assert!(text(&form(0, None), &long).contains("longer than 8 MiB"));
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"abcdef").unwrap();
        drop(writer);
        let piped = form(2, Some(3)).read(File::from(OwnedFd::from(reader)));
        assert_eq!(piped.unwrap().secret.bytes(), b"cde");
    }

    #[test]
    fn keys_and_the_terminal_reach_the_other_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "from a file").unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer
            .write_all(b"from a pipe\nand what is not asked for")
            .unwrap();
        let options = Options {
            files: vec![ForVolume {
                subject: Some("p1".to_owned()),
                path,
            }],
            descriptors: vec![std::os::fd::AsRawFd::as_raw_fd(&reader)],
            no_ask: true,
            ..Options::default()
        };
        let (one, other) = Channel::pair().unwrap();
        Handed::open(&options).unwrap().send(&one).unwrap();
        let handed = Handed::receive(&other).unwrap();
        assert!(handed.terminal.is_none());
        let pairs = options.forms().into_iter().zip(handed.keys);
        let keys = pairs.map(|(form, file)| form.read(file.into()).unwrap());
        let keys: Vec<Key> = keys.collect();
        assert_eq!(keys[0].secret.bytes(), b"from a file");
        assert_eq!(keys[0].subject.as_deref(), Some("p1"));
        assert_eq!(keys[1].secret.bytes(), b"from a pipe");
    }

    #[test]
    fn of_a_device_nothing_is_handed_on_but_the_key() {
        let options = Options {
            files: vec![ForVolume::parse(OsStr::new("/dev/zero"))],
            offset: 3,
            size: Some(5),
            ..Options::default()
        };
        let key = Handed::open(&options).unwrap().keys.remove(0);
        let found = rustix::fs::fstat(&key).unwrap();
        let kind = rustix::fs::FileType::from_raw_mode(found.st_mode);
        assert_eq!(kind, rustix::fs::FileType::Fifo);
        let key = options.forms()[0].read(key.into()).unwrap();
        assert_eq!(key.secret.bytes(), [0; 5]);
    }

    #[test]
    fn a_key_that_no_pipe_holds_is_an_error_and_waits_for_nobody() {
        assert!(piped(&Secret::zeros(64 << 10).unwrap()).is_ok());
        assert!(piped(&Secret::zeros(LONGEST).unwrap()).is_err());
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let message = |options: Options| Handed::open(&options).err().unwrap().to_string();
        let file = |path: &str| Options {
            files: vec![ForVolume::parse(OsStr::new(path))],
            ..Options::default()
        };
        assert!(
            message(file("/nowhere/key")).starts_with("/nowhere/key: the key cannot be opened")
        );
        assert_eq!(message(file("/")), "/: a directory is no key");
        let text = message(Options {
            descriptors: vec![987],
            ..Options::default()
        });
        assert_eq!(text, "--passphrase-fd 987 is no open descriptor");
    }
}
