//! The images that were opened in or behind the one that the user named.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Weak};

use super::second::MOST_FILES;
use super::{Disk, Identity};
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::source::Source;

/// How many images may be opened in or behind one that the user named: 64 disks of a container,
/// and behind each of them as long a chain as there may be. Depth alone is no bound: each of several
/// may hold several, all of them the same.
const MOST: usize = 64 * (1 + MOST_FILES);

/// How many there were, and the disks of those that others may stand on too: sixty-four overlays on
/// one file have one set of its tables.
#[derive(Debug, Default)]
pub(super) struct Opened {
    count: AtomicUsize,
    known: Mutex<Vec<Known>>,
}

/// A disk that somebody stands on.
struct Known {
    file: Identity,
    /// The format that whoever stands on it said it has.
    declared: Option<String>,
    /// How many files led to it: behind it there are no more than fit then.
    depth: usize,
    name: String,
    source: Weak<dyn Source>,
    sector_size: u32,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl Opened {
    /// Counts one more image.
    ///
    /// # Errors
    /// `Unsupported` for too many.
    pub(super) fn count(&self) -> Result<()> {
        match self.count.fetch_add(1, Ordering::Relaxed) {
            ..MOST => Ok(()),
            _ => {
                let text = format!("over {MOST} images in or behind one");
                Err(Error::unsupported(text).hint("--disk NAME opens one of them"))
            }
        }
    }

    /// The disk of `file` in the format `declared`, where it is open and `depth` files lead to it.
    pub(super) fn find(
        &self,
        file: Identity,
        declared: Option<&str>,
        depth: usize,
    ) -> Option<Disk> {
        let known = lock(&self.known);
        let is = |it: &&Known| {
            it.file == file && it.declared.as_deref() == declared && depth <= it.depth
        };
        known.iter().filter(is).find_map(|known| {
            Some(Disk {
                name: known.name.clone(),
                source: known.source.upgrade()?,
                sector_size: known.sector_size,
            })
        })
    }

    /// Remembers `disk` as long as somebody has it.
    pub(super) fn keep(&self, file: Identity, declared: Option<&str>, depth: usize, disk: &Disk) {
        let mut known = lock(&self.known);
        known.retain(|known| known.source.strong_count() > 0);
        known.push(Known {
            file,
            declared: declared.map(str::to_owned),
            depth,
            name: disk.name.clone(),
            source: std::sync::Arc::downgrade(&disk.source),
            sector_size: disk.sector_size,
        });
    }
}
