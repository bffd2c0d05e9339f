//! How bytes are given to the program: one file, and others beside it.

use std::sync::{Arc, Mutex, PoisonError};

use imgmount::cache::Cache;
use imgmount::error::{Error, Result};
use imgmount::format::{
    Context, Identity, KdfLimit, Key, Keyring, Keys, Neighbour, Neighbours, Options, Origin, Secret,
};
use imgmount::source::{Memory, SharedSource};

use crate::form;

/// Bytes that are cached: less than most inputs, so that blocks are pushed out as well.
const CACHE: u64 = 256 << 10;
/// What opens the seeds that are encrypted.
const PASSPHRASE: &[u8] = b"fuzz";

/// What is opened: the image with its context, and all files of the input by themselves.
pub struct Input {
    /// The first file.
    pub image: SharedSource,
    /// The others, each with its own context, for those who open several.
    pub others: Vec<(SharedSource, Context)>,
    /// The first file's.
    pub context: Context,
}

/// `data` with `options`. An image that names other files gets those of the input, in the order in
/// which it asks for them.
pub fn input(data: &[u8], options: Options, is_encrypted: bool) -> Input {
    let mut sources: Vec<SharedSource> = Vec::new();
    for file in form::unpack(data) {
        sources.push(Arc::new(Memory(file)));
    }
    let beside = Beside(Arc::new(Files {
        sources: sources.clone(),
        asked: Mutex::new(vec![name(0)]),
    }));
    let keys: Arc<dyn Keys> = match is_encrypted {
        true => Arc::new(Passphrase),
        false => Arc::new(imgmount::format::Nobody),
    };
    let context = Context {
        options,
        keys: Keyring::new(keys),
        neighbours: Arc::new(beside),
        origin: Origin::new(name(0), Some(identity(0))),
        ..Context::new(Cache::new(CACHE))
    };
    let other = |(index, source): (usize, &SharedSource)| {
        let origin = Origin::new(name(index), Some(identity(index)));
        (
            source.clone(),
            Context {
                origin,
                ..context.clone()
            },
        )
    };
    let others = sources.iter().enumerate().skip(1).map(other).collect();
    Input {
        image: sources[0].clone(),
        others,
        context,
    }
}

/// What keys may cost: next to nothing, as thousands of inputs are tried in a second.
pub fn cheap_keys() -> KdfLimit {
    KdfLimit {
        memory: 1 << 20,
        seconds: 1,
    }
}

/// The parts of one image are called so, from `disk.001` on.
fn name(index: usize) -> Vec<u8> {
    format!("disk.{:03}", index + 1).into_bytes()
}

fn identity(index: usize) -> Identity {
    Identity {
        device: 1,
        inode: index as u64,
    }
}

struct Passphrase;

impl Keys for Passphrase {
    fn given(&self) -> Result<Vec<Key>> {
        Ok(vec![Key {
            subject: None,
            secret: Arc::new(Secret::new(PASSPHRASE)?),
        }])
    }

    fn ask(&self, _question: &str) -> Option<Secret> {
        None
    }
}

struct Files {
    sources: Vec<SharedSource>,
    /// The names that were asked for: the place of each is the file's that it got.
    asked: Mutex<Vec<Vec<u8>>>,
}

#[derive(Clone)]
struct Beside(Arc<Files>);

impl Beside {
    /// Which file is called `wanted`: the one that a part is numbered by, or else the next one that
    /// nobody has asked for.
    fn index(&self, wanted: &[u8]) -> usize {
        let count = self.0.sources.len();
        if let Some(index) = (0..count).find(|index| name(*index) == wanted) {
            return index;
        }
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = asked.iter().position(|name| name == wanted) {
            return index;
        }
        asked.push(wanted.to_vec());
        asked.len() - 1
    }
}

impl Neighbours for Beside {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        let index = self.index(name);
        let source = self.0.sources.get(index);
        let source = source.ok_or_else(|| Error::not_found("there are no more files"))?;
        Ok(Neighbour {
            source: source.clone(),
            name: name.to_vec(),
            identity: Some(identity(index)),
            neighbours: Arc::new(self.clone()),
        })
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        Ok((0..self.0.sources.len()).map(name).collect())
    }
}
