//! The record of what was opened, from the file that the user named to the last backing file.

use std::sync::{Arc, LazyLock, Mutex};

use super::{Description, Digest};
use crate::lock::lock;

/// What an image says of itself, read when somebody asks for it: to count what is allocated, tables
/// are read that a mount does not need.
pub type Later = LazyLock<Description, Box<dyn FnOnce() -> Description + Send>>;

/// One image that was opened: the file itself, what it wraps, what backs it.
#[derive(Clone)]
pub struct Layer {
    /// How many images lead to this one; 0 for the file that the user named.
    pub depth: usize,
    /// The file's name, or the name it has inside its container. Bytes as they are.
    pub name: Vec<u8>,
    /// The format's name: `qcow2`.
    pub format: &'static str,
    /// What it says of itself.
    pub description: Arc<Later>,
}

impl Layer {
    /// The image `name` at `depth`, of the format `format`, which `describe` describes.
    #[must_use]
    pub fn new(
        depth: usize,
        name: Vec<u8>,
        format: &'static str,
        describe: impl FnOnce() -> Description + Send + 'static,
    ) -> Self {
        Self {
            depth,
            name,
            format,
            description: Arc::new(LazyLock::new(Box::new(describe))),
        }
    }
}

/// The images in the order in which they were opened: each before what it wraps or stands on; and
/// what they say of the digests of their files.
#[derive(Default)]
pub struct Layers {
    images: Mutex<Vec<Layer>>,
    digests: Mutex<Vec<Digest>>,
}

/// More is not kept: a hostile image can name as many extents as it likes.
const MOST: usize = 1000;

impl Layers {
    /// Adds one.
    pub fn add(&self, layer: Layer) {
        let mut layers = lock(&self.images);
        if layers.len() < MOST {
            layers.push(layer);
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Layer> {
        lock(&self.images).clone()
    }

    /// Adds what a manifest says of one file.
    pub fn add_digest(&self, digest: Digest) {
        let mut digests = lock(&self.digests);
        if digests.len() < MOST {
            digests.push(digest);
        }
    }

    /// All that manifests say.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        lock(&self.digests).clone()
    }
}
