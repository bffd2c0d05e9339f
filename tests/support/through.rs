//! Our own mounts. Each goes away when dropped.

use std::path::{Path, PathBuf};

use super::command::{self, Run};

/// An imgmount mount by the user who runs the tests.
pub struct Through {
    at: PathBuf,
}

impl Through {
    /// Mounts `image` at the new directory `at`, with the arguments in `words`.
    pub fn new(image: &Path, words: &str, at: &Path) -> Self {
        std::fs::create_dir(at).unwrap();
        command::imgmount().words(words).arg(image).arg(at).run();
        Self {
            at: at.to_path_buf(),
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        let unmount = Run::new("fusermount3").words("-u -z").arg(&self.at);
        let _ = unmount.output();
    }
}
