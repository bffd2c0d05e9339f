//! The worklist over the four registries: from an open image to everything that is in it. The only
//! file that knows all four layers.

use std::sync::Arc;

use crate::error::Error;
use crate::filesystem::FileSystem;
use crate::format::{Context, Description, Partition};
use crate::source::SharedSource;

/// Everything that was found in an image.
pub struct Stack {
    /// The image format's name: `raw`.
    pub image_format: &'static str,
    /// What the image format says of itself.
    pub description: Description,
    /// The disks it holds, at least one.
    pub disks: Vec<Node>,
}

/// A disk, partition or volume, and what is in it.
pub struct Node {
    /// Its path in the tree of names: `disk`, `p1`, `vg0/root`.
    pub name: String,
    /// Its bytes, or why they cannot be had.
    pub source: Result<SharedSource, Error>,
    /// Where it lies in what holds it, where that is one piece: first byte and bytes.
    pub location: Option<(u64, u64)>,
    /// What the partition table says of it.
    pub partition: Option<Partition>,
    /// What is in it.
    pub content: Content,
}

/// What a disk, partition or volume holds.
pub enum Content {
    /// A file system that a reader opened.
    FileSystem {
        /// The reader's name: `ext4`.
        format: &'static str,
        /// What it says of itself.
        description: Description,
        /// The reader.
        filesystem: Arc<dyn FileSystem>,
        /// Volumes it holds besides its files.
        extra: Vec<Node>,
    },
    /// A partition table or a volume manager.
    Table {
        /// Its name: `gpt`, `mbr`.
        format: &'static str,
        /// What it says of itself.
        description: Description,
        /// Its partitions, in table order.
        children: Vec<Node>,
    },
    /// Known by its magic, and not read: `XFS`, `swap`, an extended partition.
    Recognised {
        /// What it is.
        name: String,
    },
    /// Something claimed it and could not open it.
    Damaged {
        /// What claimed it.
        format: &'static str,
        /// What it says of itself, as far as it can be read.
        description: Description,
        /// Why it did not open.
        error: Error,
    },
    /// Nothing known.
    Unknown {
        /// What can be said all the same: `all zeros`, `boot code and no file system`.
        what: String,
        /// The formats that were looked for.
        looked_for: Vec<&'static str>,
    },
}

impl Stack {
    /// Opens everything in `image`.
    ///
    /// # Errors
    /// What the image layer refuses. What is wrong further down is in the nodes instead.
    pub fn open(image: SharedSource, context: &Context) -> Result<Self, Error> {
        let _ = (image, context);
        Err(Error::unsupported("stack"))
    }
}
