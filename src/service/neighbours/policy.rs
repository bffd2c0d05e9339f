//! Which second files are opened: a regular file in the image's own directory, by its name there,
//! and what the user allowed by its path. Nothing else is opened, or looked at, whatever an image
//! says.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::allowed::{Allowed, Directory};
use super::command;
use super::home::{Beside, Found, Home};
use super::name::{Meaning, meaning};
use crate::error::{Error, Kind, Result, ResultExt, printable};

/// How many second files one image may want. A disk of 8 TiB in pieces of 2 GB has as many.
const MOST_FILES: usize = 4096;

/// How much of a name is shown.
const LONGEST: usize = 1024;

/// What the user allowed, and how to ask for more.
pub(in crate::service) struct Policy {
    files: Vec<Allowed>,
    directories: Vec<Directory>,
    /// The command that the user typed, and how many of its words stand in front of its options.
    typed: (Vec<OsString>, usize),
    opened: AtomicUsize,
}

/// What the user names to be opened wherever it lies.
#[derive(Clone, Copy, Default)]
pub(in crate::service) struct Words<'a> {
    /// By `--allow-file`.
    pub(in crate::service) files: &'a [PathBuf],
    /// By `--allow-dir`.
    pub(in crate::service) directories: &'a [PathBuf],
}

impl Policy {
    /// That what `words` name may be opened. `typed` is the command that the user typed, and how
    /// many words stand in front of its options.
    ///
    /// # Errors
    /// `NotFound` for a path that leads nowhere.
    pub(in crate::service) fn new(words: Words<'_>, typed: (Vec<OsString>, usize)) -> Result<Self> {
        let files = words.files.iter().map(|path| Allowed::new(path));
        let directories = words.directories.iter().map(|path| Directory::new(path));
        Ok(Self {
            files: files.collect::<Result<_>>()?,
            directories: directories.collect::<Result<_>>()?,
            typed,
            opened: AtomicUsize::new(0),
        })
    }

    /// Opens the file that an image in `home` calls `name`.
    ///
    /// # Errors
    /// `Refused`, with the command that would allow it; `NotFound`, `Denied`; `Unsupported` for
    /// what is no file with bytes in it, and for too many.
    pub(in crate::service) fn open(&self, home: &Arc<Home>, name: &[u8]) -> Result<Found> {
        let what = || format!("references another file: {}", cut(name));
        let (file, path) = meant(home, name).map_err(|error| match error.kind() {
            Kind::Refused => Error::new(Kind::Refused, format!("{}, {}", what(), error.message())),
            _ => error.context(what()),
        })?;
        if self.opened.fetch_add(1, Ordering::Relaxed) >= MOST_FILES {
            let text = format!("more than {MOST_FILES} files beside the image are wanted");
            return Err(Error::unsupported(text));
        }
        if let Some(allowed) = self.allowed(home, file.as_deref(), &path) {
            return allowed.open().context(what);
        }
        let opened = match &file {
            Some(file) => home.open(file),
            None => self.beneath(&path),
        };
        match opened.context(what)? {
            Beside::Found(found) => Ok(found),
            Beside::No(kind) => {
                // What no directory allows is a link or a device.
                let or = match file.is_none() && kind.is_empty() {
                    true => ", or its directory with --allow-dir DIR",
                    false => "",
                };
                let text = format!("{}{kind}; allow with --allow-file PATH{or}", what());
                let (typed, words) = &self.typed;
                let hint = command::allowing(typed, *words, &path);
                Err(Error::new(Kind::Refused, text).hint(hint))
            }
        }
    }

    /// The file that the user allowed and that the name leads to: `file` in `home`, or else `path`.
    fn allowed(&self, home: &Home, file: Option<&OsStr>, path: &Path) -> Option<&Allowed> {
        let leads = |path: &Path| self.files.iter().find(|allowed| allowed.is(path));
        match file {
            Some(file) => home.paths(file).find_map(|path| leads(&path)),
            None => leads(path),
        }
    }

    /// The file at `path` in a directory that the user allowed.
    fn beneath(&self, path: &Path) -> Result<Beside> {
        let mut refused = Beside::No("");
        for directory in &self.directories {
            if let Some(way) = directory.way_to(path) {
                match directory.open(way)? {
                    Beside::No(kind) => refused = Beside::No(kind),
                    found => return Ok(found),
                }
            }
        }
        Ok(refused)
    }
}

/// The file name in `home` that `name` means, if it means one, and the path that it means.
fn meant(home: &Home, name: &[u8]) -> Result<(Option<OsString>, PathBuf)> {
    let Some(first) = home.first() else {
        let text = "the image's own directory cannot be opened";
        return Err(Error::new(Kind::Denied, text));
    };
    match meaning(name, &first.real, |path| home.is(path)) {
        Meaning::Beside(file) => Ok((Some(file.clone()), first.named.join(file))),
        Meaning::Elsewhere(path) => Ok((None, path)),
        Meaning::NoFile => {
            let text = "which is no file name and is never followed";
            Err(Error::new(Kind::Refused, text))
        }
        Meaning::Nonsense => Err(Error::corrupt("no file can be called that")),
    }
}

/// A name for people. An image may call a file what it likes, and at any length.
fn cut(name: &[u8]) -> String {
    match name.get(..LONGEST) {
        Some(start) if name.len() > LONGEST => format!("{}…", printable(start)),
        _ => printable(name),
    }
}
