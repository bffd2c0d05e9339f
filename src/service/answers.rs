//! What the supervisor does for the worker, which opens nothing itself: it asks for a second file
//! by the name that the image gives, and for what was kept from the last time.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags};

use super::channel::fixed;
use super::image_file::{self, ImageFile};
use super::keys::{self, Handed, Line, Terminal};
use super::mount::Request;
use super::neighbours::{Home, Policy};
use super::passed::Passed;
use super::stored::{self, LayerKey, MOST_BYTES, Store};
use super::wire::{Answer, Question};
use super::{memory, open};
use crate::error::{Error, Result, ResultExt, printable};
use crate::number::to_u64;

/// Everything that an answer may need.
pub(super) struct Answers {
    /// Until everything is open.
    policy: Option<Policy>,
    /// The directories of the files that were passed on, by the numbers that the worker knows them
    /// by; that of the image is the first. None once everything is open.
    homes: Vec<Arc<Home>>,
    /// The images that the user added, until the worker has them.
    others: Vec<Option<Other>>,
    /// The detached headers, likewise.
    headers: Vec<Option<Other>>,
    /// The user's keys, likewise, and the terminal.
    keys: Vec<Option<OwnedFd>>,
    terminal: Option<Terminal>,
    /// Ctrl-C was typed there, or a signal came while the user was asked.
    interrupted: bool,
    /// How often it was asked for.
    asked: u32,
    /// How often room was asked for, to keep something.
    rooms: u32,
    /// Bytes of memory that may still be given to the worker, which need not give them back.
    memory: u64,
    store: Option<Store>,
    /// The files that were passed on, where the verb wants to read them too.
    passed: Option<Passed>,
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
    pub(super) fn new(request: &Request, image: &ImageFile, handed: Handed) -> Result<Self> {
        let options = &request.open;
        let directories = stored::usual();
        // Each directory that a file was found in is kept open.
        memory::allow_many_descriptors();
        let mut homes = vec![Arc::new(Home::of(&request.image))];
        let mut opened = |path: &PathBuf| -> Result<_> {
            let home = homes.len();
            homes.push(Arc::new(Home::of(path)));
            Ok(Some(Other {
                image: image_file::open(path).context(|| super::shown(path))?,
                name: open::file_name(path),
                home,
            }))
        };
        let others = options.with.iter().map(&mut opened);
        let others = others.collect::<Result<_>>()?;
        let headers = options.keys.headers.iter();
        let headers = headers.map(|header| opened(&header.path));
        let headers = headers.collect::<Result<_>>()?;
        Ok(Self {
            policy: Some(options.policy(&request.image)?),
            homes,
            others,
            headers,
            keys: handed.keys.into_iter().map(Some).collect(),
            terminal: handed.terminal,
            interrupted: false,
            asked: 0,
            rooms: 0,
            memory: MOST_BYTES,
            store: (!options.no_index).then(|| Store::new(&image.file, directories)),
            passed: None,
            saving: None,
        })
    }

    /// Notes in `passed` each file that is passed on from now on.
    pub(super) fn note(&mut self, passed: Passed) {
        self.passed = Some(passed);
    }

    /// Lets go of what nothing asks for once the image is open: the user's keys and terminal, which
    /// this process may outlive, and all that second files are found by. A worker that is no more
    /// what it was then finds none, and cannot use up the descriptors that unmounting takes.
    pub(super) fn settle(&mut self) {
        self.keys.clear();
        self.terminal = None;
        self.policy = None;
        self.homes.clear();
        self.others.clear();
        self.headers.clear();
    }

    /// Whether the user ended it where a passphrase was wanted.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Keeps what is kept in `directory`.
    #[cfg(test)]
    pub(super) fn keep_in(&mut self, directory: std::path::PathBuf) {
        let store = self.store.take();
        self.store = store.map(|store| store.within(directory));
    }

    /// The answer to `question`, and the descriptor that goes with it. A user who is asked for it
    /// is asked until one of those who are `waiting` hangs up.
    pub(super) fn answer(
        &mut self,
        question: Question,
        waiting: &[BorrowedFd<'_>],
    ) -> (Answer, Option<OwnedFd>) {
        let (answer, descriptor) = self.find(question, waiting);
        if let (Some(passed), Answer::File { .. }, Some(file)) =
            (&self.passed, &answer, &descriptor)
        {
            passed.keep(file.as_fd());
        }
        (answer, descriptor)
    }

    fn find(
        &mut self,
        question: Question,
        waiting: &[BorrowedFd<'_>],
    ) -> (Answer, Option<OwnedFd>) {
        match question {
            Question::File { home, name } => match self.file(home, &name) {
                Ok((answer, file)) => (answer, Some(file.into())),
                Err(error) => (Answer::Refused(error), None),
            },
            Question::Other { number } => given(self.others.get_mut(number)),
            Question::Header { number } => given(self.headers.get_mut(number)),
            Question::Key { number } => here(self.keys.get_mut(number).and_then(Option::take)),
            Question::Passphrase { question } => here(self.ask(&question, waiting)),
            Question::Names { home } => match self.names(home) {
                Ok(list) => (Answer::Here, Some(list.into())),
                Err(error) => (Answer::Refused(error), None),
            },
            Question::Load { layer } => {
                let file = self.store.as_ref().and_then(|store| store.load(&layer));
                here(file)
            }
            Question::Save { layer, length } => {
                /// Each layer of an image keeps what it has once, or once more.
                const MOST: u32 = 64;
                self.rooms = self.rooms.saturating_add(1);
                let wanted = self.store.is_some() && self.rooms <= MOST;
                let room = (wanted && self.take_memory(length)).then(|| room(length));
                let room = room.flatten();
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
        self.homes.get(number).ok_or_else(unknown)
    }

    fn file(&mut self, home: usize, name: &[u8]) -> Result<(Answer, File)> {
        let policy = self.policy.as_ref().ok_or_else(unknown)?;
        let found = policy.open(self.home(home)?, name)?;
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

    /// Whether there are `length` bytes left to give, which are gone then.
    fn take_memory(&mut self, length: u64) -> bool {
        let left = self.memory.checked_sub(length);
        self.memory = left.unwrap_or(self.memory);
        left.is_some()
    }

    /// What the user types. Who asks is always said, and nobody asks for ever.
    fn ask(&mut self, question: &str, waiting: &[BorrowedFd<'_>]) -> Option<OwnedFd> {
        const MOST: u32 = 100;
        const LONGEST: usize = 200;
        self.asked = self.asked.saturating_add(1);
        if self.asked > MOST {
            return None;
        }
        let question: String = question.chars().take(LONGEST).collect();
        let question = format!("imgmount: {}", printable(question.as_bytes()));
        match self.terminal.as_ref()?.ask(&question, waiting) {
            Line::Typed(secret) => keys::piped(&secret).ok(),
            Line::Nothing => None,
            Line::Interrupted => {
                self.interrupted = true;
                None
            }
        }
    }

    /// The names in a directory, each with a zero byte behind it: too many for a message.
    fn names(&mut self, home: usize) -> Result<File> {
        let names = self.home(home)?.names()?;
        let mut bytes = names.join(&0);
        bytes.push(0);
        if !self.take_memory(to_u64(bytes.len())) {
            return Err(Error::invalid("the worker lists the directory too often"));
        }
        let list = fixed("names", &bytes);
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

fn unknown() -> Error {
    Error::invalid("the worker asks about a directory that it was not given")
}

/// Something that the user named, once.
fn given(other: Option<&mut Option<Other>>) -> (Answer, Option<OwnedFd>) {
    match other.and_then(Option::take) {
        Some(other) => {
            let answer = Answer::File {
                name: other.name,
                home: other.home,
                notices: other.image.notices,
            };
            (answer, Some(other.image.file.into()))
        }
        None => {
            let text = "the worker asks for a file that there is none of";
            (Answer::Refused(Error::invalid(text)), None)
        }
    }
}

fn here(file: Option<impl Into<OwnedFd>>) -> (Answer, Option<OwnedFd>) {
    match file {
        Some(file) => (Answer::Here, Some(file.into())),
        None => (Answer::Nothing, None),
    }
}

/// Memory to write exactly `length` bytes to. The worker cannot make it longer.
fn room(length: u64) -> Option<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let room = File::from(rustix::fs::memfd_create("index", flags).ok()?);
    room.set_len(length).ok()?;
    let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&room, seals).ok()?;
    Some(room)
}
