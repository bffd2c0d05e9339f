//! `imgmount cp`: files out of an image, as `cp -a` copies them, with nothing that gives rights on
//! this machine unless `--preserve=all` asks for it.

mod content;
mod copier;
mod destination;
mod made;
mod metadata;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::arguments::{Cp, Preserve};
use super::entries::Files;
use super::entries::request;
use super::exit::{Failure, Outcome};
use super::open;
use super::remote::protocol::Ahead;
use crate::error::Error;
use crate::filesystem::{FileType, Inode};
use crate::service::passed::Passed;
use copier::Copier;
use destination::Directory;

/// Why one file was not copied as it is.
#[derive(Debug)]
enum Fault {
    /// It cannot be read from the image.
    Image(Error),
    /// It cannot be written here.
    Host(std::io::Error, &'static str),
}

impl Fault {
    fn host(doing: &'static str, error: &std::io::Error) -> Self {
        let error = error.raw_os_error().map(std::io::Error::from_raw_os_error);
        Self::Host(
            error.unwrap_or_else(|| std::io::ErrorKind::Other.into()),
            doing,
        )
    }

    /// Whether every further file would fail the same way.
    fn is_final(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        matches!(self, Self::Host(error, _)
            if matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem))
    }

    fn error(self) -> Error {
        match self {
            Self::Image(error) => error,
            Self::Host(error, doing) => Error::io(doing, &error),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Image(error)
    }
}

/// What is copied from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    files: &'a dyn Files,
    /// The image's name, for messages.
    name: &'a str,
    /// The files that it is read from: nothing takes their place.
    passed: &'a Passed,
}

/// What was not copied since it gives rights on this machine: how many files each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOut {
    devices: u64,
    set_ids: u64,
    capabilities: u64,
}

impl LeftOut {
    /// One line about it; `None` where there was nothing.
    fn text(self) -> Option<String> {
        let parts = [
            (self.devices, "device nodes"),
            (self.set_ids, "set-uid or set-gid bits"),
            (self.capabilities, "file capabilities"),
        ];
        let parts = parts.iter().filter(|part| part.0 > 0);
        let parts: Vec<_> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!parts.is_empty()).then(|| {
            format!(
                "left out: {} (--preserve=all copies them)",
                parts.join(", ")
            )
        })
    }
}

/// Runs the verb.
pub(crate) fn run(arguments: &Cp) -> Result<Outcome, Failure> {
    let opened = open::tree(
        &arguments.image,
        &arguments.opening,
        &arguments.showing,
        Ahead::Contents,
    )?;
    let Some((dest, sources)) = arguments.paths.split_last() else {
        return Err(Failure::Usage(Error::invalid("no DEST")));
    };
    raise_descriptor_limit();
    let all = arguments.preserve == Some(Preserve::All);
    let from = Origin {
        files: &opened.tree,
        name: &opened.name,
        passed: opened.tree.passed(),
    };
    copy(from, sources, Path::new(dest), all)
}

/// Copies `sources` to `dest` with the rules of cp -r.
fn copy(
    from: Origin<'_>,
    sources: &[OsString],
    dest: &Path,
    preserve_all: bool,
) -> Result<Outcome, Failure> {
    let is_directory = dest.is_dir();
    if sources.len() > 1 && !is_directory {
        let error = Error::invalid("is not a directory, and there are several files to copy");
        return Err(Failure::Usage(error.context(open::name_of(dest))));
    }
    let base = if is_directory {
        dest
    } else {
        dest.parent().unwrap_or(dest)
    };
    let opened = Directory::open(base);
    let base = opened.map_err(|error| Failure::host(open::name_of(base), &error.into()))?;
    let mut copier = Copier::new(from, base, preserve_all);
    let mut missing = None;
    for source in sources {
        let source = source.as_bytes();
        let inode = match open::find(from.files, source, false) {
            Ok(inode) => inode,
            Err(error) => {
                let error = error.context(from.name);
                super::messages::complain(&error);
                missing.get_or_insert(error);
                continue;
            }
        };
        if !is_directory && is_named_as_directory(dest) && !is_a_directory(from.files, inode) {
            let error = Error::invalid("is not a directory");
            return Err(Failure::Usage(error.context(open::name_of(dest))));
        }
        let name = match (last_component(source), is_directory) {
            (name, true) => name,
            (_, false) => destination::last_name(dest),
        };
        copier.source(source, inode, name.as_deref())?;
    }
    let outcome = copier.finish();
    match missing {
        Some(error) => Err(Failure::Reported(error)),
        None => Ok(outcome),
    }
}

/// `backup/`: a file is not to get that name where the directory is missing.
fn is_named_as_directory(dest: &Path) -> bool {
    dest.as_os_str().as_bytes().ends_with(b"/")
}

fn is_a_directory(filesystem: &dyn Files, inode: Inode) -> bool {
    let found = filesystem.attributes(&request(), inode);
    found.is_ok_and(|found| found.kind == FileType::Directory)
}

/// The name that a copy of `path` gets in a directory; `None` for the root, whose contents are
/// copied instead.
fn last_component(path: &[u8]) -> Option<Vec<u8>> {
    let mut names = path.split(|byte| *byte == b'/').rev();
    let last = names.find(|name| !name.is_empty() && *name != b".")?;
    (last != b"..").then(|| last.to_vec())
}

/// A directory within a directory is one more descriptor. The limit is the user's own to raise;
/// where it cannot be, a deep tree says so file by file.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests;
