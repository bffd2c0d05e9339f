//! Which second files are opened: a regular file in the image's own directory, by its name there,
//! and what the user allowed by its path. Nothing else is opened, or looked at, whatever an image
//! says.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::command;
use super::name::{Meaning, meaning};
use crate::error::{Error, Kind, Result, ResultExt, printable};
use crate::service::{image_file, shown};

/// How many second files one image may want. A disk of 8 TiB in pieces of 2 GB has as many.
const MOST_FILES: usize = 4096;

/// How many names a directory is searched for.
const MOST_NAMES: usize = 10_000;

/// How much of a name is shown.
const LONGEST: usize = 1024;

/// What the user allowed, and how to ask for more.
pub(in crate::service) struct Policy {
    allowed: Vec<Allowed>,
    /// The command that the user typed, and how many of its words stand in front of its options.
    typed: (Vec<OsString>, usize),
    opened: AtomicUsize,
}

/// A file that `--allow-file` names.
struct Allowed {
    /// As it was named, made absolute.
    named: PathBuf,
    /// The same without symbolic links.
    real: PathBuf,
    home: OnceLock<Arc<Home>>,
}

/// The directory that an image lies in: the one that it was named by, and, where that name is a
/// symbolic link, the one that the file is in.
pub(in crate::service) struct Home(Vec<Place>);

struct Place {
    /// As it was named, made absolute.
    named: PathBuf,
    /// The same without symbolic links.
    real: PathBuf,
    /// It, open for looking up names alone.
    directory: OwnedFd,
}

/// A second file, open.
pub(in crate::service) struct Found {
    pub(in crate::service) file: File,
    /// Its file name.
    pub(in crate::service) name: Vec<u8>,
    /// The directory that it lies in.
    pub(in crate::service) home: Arc<Home>,
    /// For people; without the file's name.
    pub(in crate::service) notices: Vec<String>,
}

impl Home {
    /// The directory of the image at `image`; one in which nothing is found where the host does
    /// not let it be opened.
    pub(in crate::service) fn of(image: &Path) -> Self {
        let mut places: Vec<Place> = Place::of(image).into_iter().collect();
        let is_link = |image: &Path| {
            image
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink())
        };
        if is_link(image)
            && let Some(place) = image.canonicalize().ok().and_then(|real| Place::of(&real))
            && places.iter().all(|known| known.real != place.real)
        {
            places.push(place);
        }
        Self(places)
    }

    fn is(&self, path: &Path) -> bool {
        let mut places = self.0.iter();
        places.any(|place| place.named == path || place.real == path)
    }
}

impl Place {
    fn of(file: &Path) -> Option<Self> {
        let parent = match file.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let real = parent.canonicalize().ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Some(Self {
            named: std::path::absolute(parent).ok()?,
            directory: rustix::fs::open(&real, flags, Mode::empty()).ok()?,
            real,
        })
    }
}

impl Allowed {
    fn new(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(format!("--allow-file {}", shown(path)), &error);
        Ok(Self {
            named: std::path::absolute(path).map_err(failed)?,
            real: path.canonicalize().map_err(failed)?,
            home: OnceLock::new(),
        })
    }

    /// Whether `path` leads to it. The host is asked only about a path that ends in the same name:
    /// an image must not make it look at others.
    fn is(&self, path: &Path) -> bool {
        if self.named == path || self.real == path {
            return true;
        }
        let ends = [&self.named, &self.real].map(|known| known.file_name());
        let known = path.file_name().is_some() && ends.contains(&path.file_name());
        known && path.canonicalize().is_ok_and(|path| path == self.real)
    }

    fn open(&self) -> Result<Found> {
        // It is opened by the path that led through no symbolic link when the user's word was
        // taken: what was put in its place since then is not what was allowed.
        let flags = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = open_at(CWD, &self.real, flags).map_err(failed)?;
        image_file::check(&file, &self.real)?;
        let home = self.home.get_or_init(|| {
            let mut home = Home::of(&self.named);
            let real = Place::of(&self.real);
            home.0
                .extend(real.filter(|place| home.0.iter().all(|known| known.real != place.real)));
            Arc::new(home)
        });
        let name = self.named.file_name().unwrap_or_default();
        Ok(found(file, name, home))
    }
}

impl Policy {
    /// That the files at `paths` may be opened. `typed` is the command that the user typed, and how
    /// many words stand in front of its options.
    ///
    /// # Errors
    /// `NotFound` for a path that leads nowhere.
    pub(in crate::service) fn new(
        paths: &[PathBuf],
        typed: (Vec<OsString>, usize),
    ) -> Result<Self> {
        let allowed = paths.iter().map(|path| Allowed::new(path));
        Ok(Self {
            allowed: allowed.collect::<Result<_>>()?,
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
        let beside = file.map_or(Ok(Beside::No("")), |file| beside(home, &file));
        match beside.context(what)? {
            Beside::Found(found) => Ok(found),
            Beside::No(kind) => {
                let text = format!("{}{kind}; allow with --allow-file PATH", what());
                let (typed, words) = &self.typed;
                let hint = command::allowing(typed, *words, &path);
                Err(Error::new(Kind::Refused, text).hint(hint))
            }
        }
    }

    /// What the user allowed that the name leads to: `file` in `home`, or else `path`.
    fn allowed(&self, home: &Home, file: Option<&OsStr>, path: &Path) -> Option<&Allowed> {
        let leads = |path: PathBuf| self.allowed.iter().find(|allowed| allowed.is(&path));
        match file {
            Some(file) => {
                let mut places = home.0.iter();
                places.find_map(|place| leads(place.real.join(file)))
            }
            None => leads(path.to_owned()),
        }
    }

    /// The names of the regular files in `home`.
    ///
    /// # Errors
    /// `Denied` where it cannot be listed.
    pub(in crate::service) fn names(&self, home: &Home) -> Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for place in &home.0 {
            let listed = list(place, &mut names);
            listed.map_err(|errno| Error::io(shown(&place.named), &errno.into()))?;
        }
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST_NAMES);
        Ok(names)
    }
}

/// What is in the image's own directory under a name.
enum Beside {
    Found(Found),
    /// What is not opened without the user's word: `, a symbolic link`.
    No(&'static str),
}

/// The file name in `home` that `name` means, if it means one, and the path that it means.
fn meant(home: &Home, name: &[u8]) -> Result<(Option<OsString>, PathBuf)> {
    let Some(first) = home.0.first() else {
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

fn beside(home: &Arc<Home>, name: &OsStr) -> Result<Beside> {
    for place in &home.0 {
        let stat = rustix::fs::statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile) => {}
            Ok(FileType::Symlink) => return Ok(Beside::No(", a symbolic link")),
            Ok(FileType::BlockDevice) => return Ok(Beside::No(", a block device")),
            Ok(_) => return Err(not_regular()),
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(failed(errno)),
        }
        let flags = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = flags | ResolveFlags::NO_MAGICLINKS;
        let file = match open_at(&place.directory, name, flags) {
            Ok(file) => file,
            // Put there just now.
            Err(Errno::LOOP) => return Ok(Beside::No(", a symbolic link")),
            Err(errno) => return Err(failed(errno)),
        };
        image_file::check(&file, &place.named.join(name))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(not_regular());
        }
        return Ok(Beside::Found(found(file, name, home)));
    }
    let place = home.0.first().map(|place| shown(&place.named));
    let place = place.unwrap_or_default();
    Err(Error::not_found(format!(
        "there is no such file in {place}"
    )))
}

fn not_regular() -> Error {
    Error::unsupported("it is not a regular file")
}

fn list(place: &Place, names: &mut Vec<Vec<u8>>) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(&place.directory, ".", flags, Mode::empty())?;
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let stat = rustix::fs::statat(&place.directory, entry.file_name(), flags);
                stat.map_or(FileType::Unknown, |stat| {
                    FileType::from_raw_mode(stat.st_mode)
                })
            }
            kind => kind,
        };
        if kind == FileType::RegularFile {
            names.push(entry.file_name().to_bytes().to_vec());
        }
        if names.len() >= MOST_NAMES {
            break;
        }
    }
    Ok(())
}

/// Opens `path` for reading, without ever waiting.
fn open_at(
    directory: impl std::os::fd::AsFd,
    path: impl rustix::path::Arg + Copy,
    resolve: ResolveFlags,
) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(&directory, path, flags, Mode::empty(), resolve);
    let opened = match opened {
        // Before Linux 5.6, and where a container's filter does not know it. A single name cannot
        // lead out of its directory but by a symbolic link.
        Err(Errno::NOSYS | Errno::PERM) => {
            let flags = flags | OFlags::NOFOLLOW;
            rustix::fs::openat(&directory, path, flags, Mode::empty())
        }
        opened => opened,
    };
    opened.map(File::from)
}

fn found(file: File, name: &OsStr, home: &Arc<Home>) -> Found {
    Found {
        notices: image_file::notices(&file),
        file,
        name: name.as_bytes().to_vec(),
        home: home.clone(),
    }
}

fn failed(errno: Errno) -> Error {
    Error::io("it cannot be opened", &errno.into())
}

/// A name for people. An image may call a file what it likes, and at any length.
fn cut(name: &[u8]) -> String {
    match name.get(..LONGEST) {
        Some(start) if name.len() > LONGEST => format!("{}…", printable(start)),
        _ => printable(name),
    }
}
