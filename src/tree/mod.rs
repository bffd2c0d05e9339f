//! All volumes and raw views composed into one [`crate::filesystem::FileSystem`].

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::stack::Stack;

/// Which names the top of the tree has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Direct where the image is one file system without a partition table; volumes otherwise.
    #[default]
    Auto,
    /// A directory and a raw file for each volume.
    Volumes,
    /// The root of the one file system is the root of the tree.
    Direct,
}

/// What the user chose about the tree.
#[derive(Clone, Debug)]
pub struct Options {
    /// The layout.
    pub layout: Layout,
    /// The one volume to show, as `-p` names it: `2`, `p2`, `LABEL=root`, `vg0/root`.
    pub volume: Option<String>,
    /// Whether the `.img` files are there.
    pub raw: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layout: Layout::Auto,
            volume: None,
            raw: true,
        }
    }
}

/// All volumes of a stack as one file system.
pub struct Tree {
    stack: Arc<Stack>,
}

impl Tree {
    /// Composes the tree of `stack`.
    ///
    /// # Errors
    /// `NotFound` for a volume that is not there; `Unsupported` for a direct layout of what is not
    /// one file system. Both list what is there.
    pub fn compose(stack: Arc<Stack>, options: &Options) -> Result<Self> {
        let _ = options;
        Err(Error::unsupported("tree")).map(|()| Self { stack })
    }

    /// What the tree is made of.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }
}
