//! What the user allowed to be opened wherever it lies: files, and what is in directories.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use rustix::io::Errno;

use super::home::{Beside, Found, Home, Place, failed};
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::service::{image_file, shown, strict};

/// A file that `--allow-file` names.
pub(super) struct Allowed {
    /// As it was named, made absolute.
    named: PathBuf,
    /// The same without symbolic links.
    real: PathBuf,
    home: OnceLock<Arc<Home>>,
}

/// A directory that `--allow-dir` names.
pub(super) struct Directory {
    /// As it was named, made absolute.
    named: PathBuf,
    /// The same without symbolic links.
    real: PathBuf,
    /// It, open for looking up names alone: what takes its place later is not what was allowed.
    directory: OwnedFd,
    /// It and those beneath it that files were opened in, by their paths in it.
    homes: Mutex<Vec<(PathBuf, Arc<Home>)>>,
}

impl Allowed {
    /// The file at `path`.
    ///
    /// # Errors
    /// `NotFound` for a path that leads nowhere.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(format!("--allow-file {}", shown(path)), &error);
        Ok(Self {
            named: std::path::absolute(path).map_err(failed)?,
            real: path.canonicalize().map_err(failed)?,
            home: OnceLock::new(),
        })
    }

    /// Whether `path` leads to it. The host is asked only about a path that ends in the same name:
    /// an image must not make it look at others.
    pub(super) fn is(&self, path: &Path) -> bool {
        if self.named == path || self.real == path {
            return true;
        }
        let ends = [&self.named, &self.real].map(|known| known.file_name());
        let known = path.file_name().is_some() && ends.contains(&path.file_name());
        known && path.canonicalize().is_ok_and(|path| path == self.real)
    }

    /// It, open.
    ///
    /// # Errors
    /// As the host says; `Unsupported` for what is no image.
    pub(super) fn open(&self) -> Result<Found> {
        // It is opened by the path that led through no symbolic link when the user's word was
        // taken: what was put in its place since then is not what was allowed.
        let file = strict::file(&self.real).map_err(failed)?;
        image_file::check(&file, &self.real)?;
        let home = self.home.get_or_init(|| {
            let mut home = Home::of(&self.named);
            home.add(&self.real);
            Arc::new(home)
        });
        let name = self.named.file_name().unwrap_or_default();
        Ok(Found::new(file, name, home))
    }
}

impl Directory {
    /// The directory at `path`.
    ///
    /// # Errors
    /// `NotFound` for a path that leads nowhere, `Denied`, `Io` for one that leads to a file.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(format!("--allow-dir {}", shown(path)), &error);
        let real = path.canonicalize().map_err(failed)?;
        let directory = strict::directory(&real);
        Ok(Self {
            named: std::path::absolute(path).map_err(failed)?,
            directory: directory.map_err(|errno| failed(errno.into()))?,
            real,
            homes: Mutex::default(),
        })
    }

    /// The way from it to `path`, if that is the path of something beneath it. Nothing is asked of
    /// the host, and no step up is taken: where it would lead is not known before.
    pub(super) fn way_to<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let mut known = [&self.named, &self.real].into_iter();
        let way = known.find_map(|known| path.strip_prefix(known).ok())?;
        let mut components = way.components();
        let is_down = components.all(|component| matches!(component, Component::Normal(_)));
        (is_down && !way.as_os_str().is_empty()).then_some(way)
    }

    /// The regular file at `way`, which leads there through no symbolic link.
    ///
    /// # Errors
    /// As [`Home::open`].
    pub(super) fn open(&self, way: &Path) -> Result<Beside> {
        let name = way.file_name().ok_or_else(|| failed(Errno::NOENT))?;
        match self.home(way.parent().unwrap_or(Path::new(""))) {
            Ok(home) => home.open(name),
            Err(Errno::LOOP) => Ok(Beside::No(", behind a symbolic link")),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let place = shown(&self.named);
                Err(Error::not_found(format!(
                    "there is no such file in {place}"
                )))
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// The directory at `way`, opened once.
    fn home(&self, way: &Path) -> rustix::io::Result<Arc<Home>> {
        let mut homes = lock(&self.homes);
        if let Some((_, home)) = homes.iter().find(|(known, _)| known == way) {
            return Ok(home.clone());
        }
        let home = Arc::new(Home::at(Place {
            named: self.named.join(way),
            real: self.real.join(way),
            directory: strict::directory_beneath(&self.directory, way)?,
        }));
        homes.push((way.to_owned(), home.clone()));
        Ok(home)
    }
}
