//! The directory that an image lies in, and the files in it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::service::{image_file, shown, strict};

/// How many files a directory may have to be searched for a name.
const MOST_NAMES: usize = 100_000;

/// The directory that an image lies in: the one that it was named by, and, where that name is a
/// symbolic link, the one that the file is in.
pub(in crate::service) struct Home(Vec<Place>);

/// One directory.
pub(super) struct Place {
    /// As it was named, made absolute.
    pub(super) named: PathBuf,
    /// The same without symbolic links.
    pub(super) real: PathBuf,
    /// It, open for looking up names alone.
    pub(super) directory: OwnedFd,
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

/// What is in a directory under a name.
pub(super) enum Beside {
    Found(Found),
    /// What is not opened without the user's word: `, a symbolic link`.
    No(&'static str),
}

impl Home {
    /// The directory of the image at `image`; one in which nothing is found where the host does
    /// not let it be opened.
    pub(in crate::service) fn of(image: &Path) -> Self {
        let mut home = Self(Place::of(image).into_iter().collect());
        let is_link = |image: &Path| {
            image
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink())
        };
        if is_link(image)
            && let Ok(real) = image.canonicalize()
        {
            home.add(&real);
        }
        home
    }

    /// The directory `place`.
    pub(super) fn at(place: Place) -> Self {
        Self(vec![place])
    }

    /// Adds the directory of `file`, unless it is known.
    pub(super) fn add(&mut self, file: &Path) {
        let place = Place::of(file);
        let known = |place: &Place| self.0.iter().any(|known| known.real == place.real);
        let new = place.filter(|place| !known(place));
        self.0.extend(new);
    }

    /// The directory that the image was named by.
    pub(super) fn first(&self) -> Option<&Place> {
        self.0.first()
    }

    pub(super) fn is(&self, path: &Path) -> bool {
        let mut places = self.0.iter();
        places.any(|place| place.named == path || place.real == path)
    }

    /// What the file `name` of it may be called without symbolic links in its directory.
    pub(super) fn paths(&self, name: &OsStr) -> impl Iterator<Item = PathBuf> {
        self.0.iter().map(move |place| place.real.join(name))
    }

    /// The file called `name` in it.
    ///
    /// # Errors
    /// `NotFound`, `Denied`; `Unsupported` for what is no file with bytes in it.
    pub(super) fn open(self: &Arc<Self>, name: &OsStr) -> Result<Beside> {
        for place in &self.0 {
            match place.open(name)? {
                Some(Ok(file)) => return Ok(Beside::Found(Found::new(file, name, self))),
                Some(Err(kind)) => return Ok(Beside::No(kind)),
                None => {}
            }
        }
        let place = self.first().map(|place| shown(&place.named));
        let place = place.unwrap_or_default();
        Err(Error::not_found(format!(
            "there is no such file in {place}"
        )))
    }

    /// The names of the regular files in it.
    ///
    /// # Errors
    /// `Denied` where it cannot be listed; `Unsupported` where there are too many.
    pub(in crate::service) fn names(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for place in &self.0 {
            let listed = place.list(&mut names);
            listed.map_err(|errno| Error::io(shown(&place.named), &errno.into()))?;
            if names.len() > MOST_NAMES {
                let place = shown(&place.named);
                let text = format!("{place} has over {MOST_NAMES} files: it is not searched");
                return Err(Error::unsupported(text));
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl Place {
    fn of(file: &Path) -> Option<Self> {
        let parent = match file.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let real = parent.canonicalize().ok()?;
        Some(Self {
            named: std::path::absolute(parent).ok()?,
            directory: strict::directory(&real).ok()?,
            real,
        })
    }

    /// The regular file `name`; of something else what it is; `None` for nothing.
    fn open(&self, name: &OsStr) -> Result<Option<std::result::Result<File, &'static str>>> {
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile) => {}
            Ok(FileType::Symlink) => return Ok(Some(Err(", a symbolic link"))),
            Ok(FileType::BlockDevice) => return Ok(Some(Err(", a block device"))),
            Ok(_) => return Err(not_regular()),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        }
        let file = match strict::file_beneath(&self.directory, Path::new(name)) {
            Ok(file) => file,
            // Put there just now.
            Err(Errno::LOOP) => return Ok(Some(Err(", a symbolic link"))),
            Err(errno) => return Err(failed(errno)),
        };
        image_file::check(&file, &self.named.join(name))?;
        match file.metadata().is_ok_and(|found| found.is_file()) {
            true => Ok(Some(Ok(file))),
            false => Err(not_regular()),
        }
    }

    fn list(&self, names: &mut Vec<Vec<u8>>) -> rustix::io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.directory, ".", flags, Mode::empty())?;
        for entry in Dir::new(directory)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    let stat = rustix::fs::statat(&self.directory, entry.file_name(), flags);
                    stat.map_or(FileType::Unknown, |stat| {
                        FileType::from_raw_mode(stat.st_mode)
                    })
                }
                kind => kind,
            };
            if kind == FileType::RegularFile {
                names.push(entry.file_name().to_bytes().to_vec());
            }
            if names.len() > MOST_NAMES {
                break;
            }
        }
        Ok(())
    }
}

impl Found {
    /// The open `file`, called `name` in `home`.
    pub(super) fn new(file: File, name: &OsStr, home: &Arc<Home>) -> Self {
        Self {
            notices: image_file::notices(&file),
            file,
            name: name.as_bytes().to_vec(),
            home: home.clone(),
        }
    }
}

fn not_regular() -> Error {
    Error::unsupported("it is not a regular file")
}

pub(super) fn failed(errno: Errno) -> Error {
    Error::io("it cannot be opened", &errno.into())
}
