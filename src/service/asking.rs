//! What the worker asks the supervisor for, as the formats see it: files beside the image, and
//! what was kept from the last time.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use super::channel::Channel;
use super::keys::{self, Form};
use super::neighbours;
use super::stored::{self, LayerKey};
use super::wire::{Answer, Question, Report, Serve};
use crate::error::{Error, Kind, Result, ResultExt, printable};
use crate::format::{Key, Keys, Neighbour, Neighbours, Notices, Secret, Stored};
use crate::lock::lock;
use crate::number::to_u64;

/// The longest name that is asked about: none can be longer.
const LONGEST: usize = 4097;

/// The supervisor. One thread at a time speaks with it.
pub(super) struct Supervisor {
    channel: Channel,
    turn: Mutex<()>,
}

impl Supervisor {
    /// The one at the other end of `channel`.
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            turn: Mutex::default(),
        }
    }

    /// Tells it something.
    pub(super) fn tell(&self, report: &Report) -> Result<()> {
        self.channel.send(report, None)
    }

    /// Waits for the mounted /dev/fuse; `None` where there is nothing to serve.
    pub(super) fn device(&self) -> Result<Option<OwnedFd>> {
        let _turn = self.turn();
        match self.channel.receive()? {
            Some((Serve, device)) => Ok(device),
            None => Ok(None),
        }
    }

    fn ask(&self, question: Question) -> Result<(Answer, Option<OwnedFd>)> {
        let _turn = self.turn();
        self.exchange(question)
    }

    /// Asks while it is this thread's turn.
    fn exchange(&self, question: Question) -> Result<(Answer, Option<OwnedFd>)> {
        self.channel.send(&Report::Asks(question), None)?;
        match self.channel.expect()? {
            (Answer::Refused(error), _) => Err(error),
            answer => Ok(answer),
        }
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        lock(&self.turn)
    }
}

impl AsFd for Supervisor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// The files in a directory that the supervisor has open.
pub(super) struct Beside {
    supervisor: Arc<Supervisor>,
    /// The directory's number there.
    home: usize,
    notices: Arc<Notices>,
}

impl Beside {
    /// Those beside the image. What is odd about them is added to `notices`.
    pub(super) fn image(supervisor: Arc<Supervisor>, notices: Arc<Notices>) -> Self {
        Self {
            supervisor,
            home: 0,
            notices,
        }
    }

    /// The image number `number` that the user added to it.
    pub(super) fn other(&self, number: usize) -> Result<Neighbour> {
        self.neighbour(Question::Other { number })
    }

    /// The detached header number `number`.
    pub(super) fn header(&self, number: usize) -> Result<Neighbour> {
        self.neighbour(Question::Header { number })
    }

    /// The file that `question` asks for.
    fn neighbour(&self, question: Question) -> Result<Neighbour> {
        let (answer, file) = self.supervisor.ask(question)?;
        let Answer::File {
            name,
            home,
            notices,
        } = answer
        else {
            return Err(astray());
        };
        let shown = printable(&name);
        let file = file.ok_or_else(|| no_descriptor().context(shown.as_str()))?;
        for notice in notices {
            self.notices.add(format!("{shown}: {notice}"));
        }
        let tell = {
            let shown = shown.clone();
            Box::new(move |text: &str| log::error!("{shown}: {text}"))
        };
        let source = neighbours::source(file.into(), &shown, tell);
        let (source, identity) = source.context(|| shown)?;
        Ok(Neighbour {
            source,
            name,
            identity,
            neighbours: Arc::new(Self {
                supervisor: self.supervisor.clone(),
                home,
                notices: self.notices.clone(),
            }),
        })
    }
}

impl Neighbours for Beside {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        self.neighbour(Question::File {
            home: self.home,
            name: name.get(..LONGEST).unwrap_or(name).to_vec(),
        })
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        let (_, list) = self.supervisor.ask(Question::Names { home: self.home })?;
        let list = File::from(list.ok_or_else(no_descriptor)?);
        let bytes = stored::read_all(&list).ok_or_else(astray)?;
        let names = bytes.split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty());
        Ok(names.map(<[u8]>::to_vec).collect())
    }
}

/// The user's keys, which the supervisor has open.
pub(super) struct Asked {
    supervisor: Arc<Supervisor>,
    forms: Vec<Form>,
}

impl Asked {
    /// Those that are read as `forms` say.
    pub(super) fn new(supervisor: Arc<Supervisor>, forms: Vec<Form>) -> Self {
        Self { supervisor, forms }
    }

    fn key(&self, number: usize, form: &Form) -> Result<Key> {
        let (_, file) = self.supervisor.ask(Question::Key { number })?;
        form.read(file.ok_or_else(no_descriptor)?.into())
    }
}

impl Keys for Asked {
    fn given(&self) -> Result<Vec<Key>> {
        let forms = self.forms.iter().enumerate();
        forms.map(|(number, form)| self.key(number, form)).collect()
    }

    fn ask(&self, question: &str) -> Option<Secret> {
        let question = question.to_owned();
        let asked = self.supervisor.ask(Question::Passphrase { question });
        let (_, typed) = asked.ok()?;
        keys::passphrase(typed?).ok()
    }
}

/// What the supervisor keeps for one layer of the image.
pub(super) struct Kept {
    supervisor: Arc<Supervisor>,
    layer: LayerKey,
}

impl Kept {
    /// What it keeps for the image itself.
    pub(super) fn image(supervisor: Arc<Supervisor>) -> Self {
        Self {
            supervisor,
            layer: LayerKey::default(),
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        let _turn = self.supervisor.turn();
        let length = to_u64(bytes.len());
        let layer = self.layer;
        let (_, room) = self.supervisor.exchange(Question::Save { layer, length })?;
        let Some(room) = room else {
            return Ok(());
        };
        let written = File::from(room).write_all(bytes);
        written.map_err(|error| Error::io("keep an index", &error))?;
        self.supervisor.exchange(Question::Saved).map(|_| ())
    }
}

impl Stored for Kept {
    fn load(&self) -> Option<Vec<u8>> {
        let layer = self.layer;
        let (_, file) = self.supervisor.ask(Question::Load { layer }).ok()?;
        stored::read_all(&file?.into())
    }

    fn save(&self, bytes: &[u8]) {
        if stored::is_few(bytes.len())
            && let Err(error) = self.send(bytes)
        {
            log::debug!("{error}");
        }
    }

    fn layer(&self, name: &[u8]) -> Arc<dyn Stored> {
        Arc::new(Self {
            supervisor: self.supervisor.clone(),
            layer: stored::inner(&self.layer, name),
        })
    }
}

fn astray() -> Error {
    Error::new(Kind::Io, "the supervisor answers something else")
}

/// The kernel drops one that this process has no room for.
fn no_descriptor() -> Error {
    Error::new(Kind::Io, "it cannot be opened: Too many open files")
}

#[cfg(test)]
mod tests;
