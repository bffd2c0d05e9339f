//! What the supervisor does for the worker, which opens nothing itself: it asks for a second file
//! by the name that the image gives, and for what was kept from the last time.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags};

use super::image_file::{self, ImageFile};
use super::mount::Request;
use super::neighbours::{Home, Policy};
use super::open;
use super::stored::{self, LayerKey, MOST_BYTES, Store};
use super::wire::{Answer, Question};
use crate::error::{Error, Result, ResultExt};

/// Everything that an answer may need.
pub(super) struct Answers {
    policy: Policy,
    /// The directories of the files that were passed on, by the numbers that the worker knows them
    /// by; that of the image is the first.
    homes: Vec<Arc<Home>>,
    /// The images that the user added, until the worker has them.
    others: Vec<Option<Other>>,
    store: Option<Store>,
    /// What the worker is writing, to be kept once it says that it is whole.
    saving: Option<(LayerKey, File)>,
}

/// An image that the user added.
struct Other {
    image: ImageFile,
    name: Vec<u8>,
    /// The number of its directory.
    home: usize,
}

impl Answers {
    /// To questions about `image`, which `request` is about.
    ///
    /// # Errors
    /// `NotFound` for a file that is allowed or added and is not there.
    pub(super) fn new(request: &Request, image: &ImageFile) -> Result<Self> {
        let options = &request.open;
        let directories = stored::usual();
        let mut homes = vec![Arc::new(Home::of(&request.image))];
        let mut others = Vec::new();
        for path in &options.with {
            others.push(Some(Other {
                image: image_file::open(path).context(|| super::shown(path))?,
                name: open::file_name(path),
                home: homes.len(),
            }));
            homes.push(Arc::new(Home::of(path)));
        }
        Ok(Self {
            policy: options.policy(&request.image)?,
            homes,
            others,
            store: (!options.no_index).then(|| Store::new(&image.file, directories)),
            saving: None,
        })
    }

    /// How many images the user added.
    pub(super) fn others(&self) -> usize {
        self.others.len()
    }

    /// Keeps what is kept in `directory`.
    #[cfg(test)]
    pub(super) fn keep_in(&mut self, directory: std::path::PathBuf) {
        let store = self.store.take();
        self.store = store.map(|store| store.within(directory));
    }

    /// The answer to `question`, and the descriptor that goes with it.
    pub(super) fn answer(&mut self, question: Question) -> (Answer, Option<OwnedFd>) {
        match question {
            Question::File { home, name } => match self.file(home, &name) {
                Ok((answer, file)) => (answer, Some(file.into())),
                Err(error) => (Answer::Refused(error), None),
            },
            Question::Other { number } => match self.other(number) {
                Ok((answer, file)) => (answer, Some(file.into())),
                Err(error) => (Answer::Refused(error), None),
            },
            Question::Names { home } => match self.names(home) {
                Ok(list) => (Answer::Here, Some(list.into())),
                Err(error) => (Answer::Refused(error), None),
            },
            Question::Load { layer } => {
                let file = self.store.as_ref().and_then(|store| store.load(&layer));
                here(file)
            }
            Question::Save { layer, length } => {
                let room = self.store.as_ref().and_then(|_| room(length));
                let copy = room.and_then(|room| Some((room.try_clone().ok()?, room)));
                let (kept, given) = copy.unzip();
                self.saving = kept.map(|kept| (layer, kept));
                here(given)
            }
            Question::Saved => {
                self.save();
                (Answer::Nothing, None)
            }
        }
    }

    fn home(&self, number: usize) -> Result<&Arc<Home>> {
        let unknown = || Error::invalid("the worker asks about a directory that it was not given");
        self.homes.get(number).ok_or_else(unknown)
    }

    fn file(&mut self, home: usize, name: &[u8]) -> Result<(Answer, File)> {
        let found = self.policy.open(self.home(home)?, name)?;
        let mut known = self.homes.iter();
        let known = known.position(|home| Arc::ptr_eq(home, &found.home));
        let home = known.unwrap_or(self.homes.len());
        if known.is_none() {
            self.homes.push(found.home);
        }
        let answer = Answer::File {
            name: found.name,
            home,
            notices: found.notices,
        };
        Ok((answer, found.file))
    }

    fn other(&mut self, number: usize) -> Result<(Answer, File)> {
        let other = self.others.get_mut(number).and_then(Option::take);
        let unknown = || Error::invalid("the worker asks for an image that there is none of");
        let other = other.ok_or_else(unknown)?;
        let answer = Answer::File {
            name: other.name,
            home: other.home,
            notices: other.image.notices,
        };
        Ok((answer, other.image.file))
    }

    /// The names in a directory, each with a zero byte behind it: too many for a message.
    fn names(&self, home: usize) -> Result<File> {
        let names = self.policy.names(self.home(home)?)?;
        let mut bytes = names.join(&0);
        bytes.push(0);
        let list = memory("names", &bytes);
        list.map_err(|error| Error::io("list the image's directory", &error))
    }

    fn save(&mut self) {
        use std::io::Seek;
        let (Some((layer, mut file)), Some(store)) = (self.saving.take(), &self.store) else {
            return;
        };
        if file.rewind().is_ok() {
            store.save(&layer, &mut file);
        }
    }
}

fn here(file: Option<File>) -> (Answer, Option<OwnedFd>) {
    match file {
        Some(file) => (Answer::Here, Some(file.into())),
        None => (Answer::Nothing, None),
    }
}

fn memory(name: &str, bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

/// Memory to write exactly `length` bytes to. The worker cannot make it longer.
fn room(length: u64) -> Option<File> {
    if length > MOST_BYTES {
        return None;
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let room = File::from(rustix::fs::memfd_create("index", flags).ok()?);
    room.set_len(length).ok()?;
    let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&room, seals).ok()?;
    Some(room)
}
