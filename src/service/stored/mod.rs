//! What is kept from one use of an image to the next, in the user's cache directory.
//!
//! Everything here may be taken away at any time, and nothing is lost but time: a directory that is
//! missing, full or not the user's own means that nothing is kept, and nobody is told.

mod directory;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::directory::Directory;
pub(super) use self::directory::usual;
use crate::format::Stored;
use crate::number::{to_u64, to_usize};

/// The most bytes that are kept in one piece.
pub(super) const MOST_BYTES: u64 = 256 << 20;

/// What tells one layer of an image from all others: a digest of the names that lead to it. That of
/// the image itself is all zeros.
pub(super) type LayerKey = [u8; 32];

/// The key of the layer `name` inside the layer `outer`.
pub(super) fn inner(outer: &LayerKey, name: &[u8]) -> LayerKey {
    Sha256::new_with_prefix(outer)
        .chain_update(name)
        .finalize()
        .into()
}

/// What is kept for one image: its pieces lie in files named after which file the image is, and in
/// which state.
pub(super) struct Store {
    directory: Directory,
    state: Option<Vec<u8>>,
}

impl Store {
    /// What is kept for the open `image`, in the first of `directories` that is this user's own.
    pub(super) fn new(image: &File, directories: Vec<PathBuf>) -> Self {
        Self {
            directory: Directory::new(directories),
            state: state(image),
        }
    }

    /// The same in another directory.
    #[cfg(test)]
    pub(super) fn within(self, directory: PathBuf) -> Self {
        let directory = Directory::new(vec![directory]);
        Self { directory, ..self }
    }

    /// The file that holds what is kept for a layer.
    pub(super) fn load(&self, layer: &LayerKey) -> Option<File> {
        self.directory.open(&self.name(layer)?)
    }

    /// Keeps what is in `bytes`, from its start.
    pub(super) fn save(&self, layer: &LayerKey, bytes: &mut dyn Read) {
        let saved = self
            .name(layer)
            .map(|name| self.directory.write(&name, bytes));
        if let Some(Err(error)) = saved {
            log::debug!("an index is not kept: {error}");
        }
    }

    fn name(&self, layer: &LayerKey) -> Option<String> {
        let state = self.state.as_ref()?;
        let digest = Sha256::new_with_prefix(layer)
            .chain_update(state)
            .finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(hex)
    }
}

/// Which file `image` is, and in which state. The time of the last change of its inode is in it
/// too: programs set the other one back, and an index of other bytes must not be believed. `None`
/// for what is no regular file: a device's bytes change without a trace.
fn state(image: &File) -> Option<Vec<u8>> {
    use std::os::unix::fs::MetadataExt;
    let found = image.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let unsigned = [found.dev(), found.ino(), found.size()];
    let modified = [found.mtime(), found.mtime_nsec()];
    let changed = [found.ctime(), found.ctime_nsec()];
    let unsigned = unsigned.into_iter().flat_map(u64::to_le_bytes);
    let signed = modified.into_iter().chain(changed);
    Some(unsigned.chain(signed.flat_map(i64::to_le_bytes)).collect())
}

/// What is kept for a layer of an image that this process parses.
#[derive(Clone)]
pub(super) struct Kept {
    store: Arc<Store>,
    layer: LayerKey,
}

impl Kept {
    /// What is kept for the image itself.
    pub(super) fn new(store: Store) -> Self {
        Self {
            store: Arc::new(store),
            layer: LayerKey::default(),
        }
    }
}

impl Stored for Kept {
    fn load(&self) -> Option<Vec<u8>> {
        read_all(&self.store.load(&self.layer)?)
    }

    fn save(&self, mut bytes: &[u8]) {
        self.store.save(&self.layer, &mut bytes);
    }

    fn layer(&self, name: &[u8]) -> Arc<dyn Stored> {
        Arc::new(Self {
            store: self.store.clone(),
            layer: inner(&self.layer, name),
        })
    }
}

/// What `file` holds, where that is no more than is kept and there is room for it.
pub(super) fn read_all(file: &File) -> Option<Vec<u8>> {
    // Not by what the standard library does first, or the C library instead: the process that is
    // kept from everything else may look at nothing that could have a name.
    let length = u64::try_from(rustix::fs::fstat(file).ok()?.st_size).ok()?;
    if length > MOST_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(to_usize(length)).ok()?;
    bytes.resize(to_usize(length), 0);
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

/// Whether `length` bytes are few enough to be kept.
pub(super) fn is_few(length: usize) -> bool {
    to_u64(length) <= MOST_BYTES
}

#[cfg(test)]
mod tests;
