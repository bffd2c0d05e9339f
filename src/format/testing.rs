//! What a format finds outside its image, in memory: for the tests of formats that ask for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Context, Disk, Identity, Images, Neighbour, Neighbours, Stored};
use crate::error::{Error, Result, printable};
use crate::lock::lock;
use crate::source::{Memory, SharedSource};

/// Named files in memory.
#[derive(Clone)]
pub struct Beside(Arc<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Beside {
    /// The `files` by name.
    pub fn of(files: &[(&str, &[u8])]) -> Arc<dyn Neighbours> {
        let files = files.iter();
        let files = files.map(|(name, bytes)| (name.as_bytes().to_vec(), bytes.to_vec()));
        Arc::new(Self(Arc::new(files.collect())))
    }
}

impl Neighbours for Beside {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        let missing = || Error::not_found(format!("{} is not there", printable(name)));
        let bytes = self.0.get(name).ok_or_else(missing)?;
        let number = self.0.keys().position(|known| known == name);
        Ok(Neighbour {
            source: Arc::new(Memory(bytes.clone())),
            name: name.to_vec(),
            identity: number.map(|number| Identity {
                device: 1,
                inode: crate::number::to_u64(number),
            }),
            neighbours: Arc::new(self.clone()),
        })
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// Takes every image for raw.
pub struct RawOnly;

impl Images for RawOnly {
    fn open(&self, image: SharedSource, _: Option<&str>, _: &Context) -> Result<Vec<Disk>> {
        Ok(vec![Disk::alone(image)])
    }
}

/// What is kept, by the names of the layers from the outermost on.
type ByLayer = BTreeMap<Vec<Vec<u8>>, Vec<u8>>;

/// Keeps what is stored, of every layer.
#[derive(Clone, Default)]
pub struct Kept {
    layer: Vec<Vec<u8>>,
    all: Arc<Mutex<ByLayer>>,
}

impl Stored for Kept {
    fn load(&self) -> Option<Vec<u8>> {
        lock(&self.all).get(&self.layer).cloned()
    }

    fn save(&self, bytes: &[u8]) {
        lock(&self.all).insert(self.layer.clone(), bytes.to_vec());
    }

    fn layer(&self, name: &[u8]) -> Arc<dyn Stored> {
        let mut inner = self.clone();
        inner.layer.push(name.to_vec());
        Arc::new(inner)
    }
}
