//! Second files for what parses in this process: the policy, and the files that it opens as sources.

mod allowed;
mod command;
mod home;
mod name;
mod policy;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

pub(super) use self::home::Home;
pub(super) use self::policy::{Policy, Words};
use super::watched::{Tell, Watched};
use crate::error::{Result, printable};
use crate::format::{Identity, Neighbour, Neighbours, Notices};
use crate::source::SharedSource;
use crate::source::file::File;

/// The files beside an image.
pub(super) struct Beside {
    policy: Arc<Policy>,
    home: Arc<Home>,
    notices: Arc<Notices>,
}

impl Beside {
    /// Those beside the image at `path`. What is odd about them is added to `notices`.
    pub(super) fn new(path: &Path, policy: Policy, notices: Arc<Notices>) -> Self {
        Self {
            policy: Arc::new(policy),
            home: Arc::new(Home::of(path)),
            notices,
        }
    }
}

impl Neighbours for Beside {
    fn open(&self, name: &[u8]) -> Result<Neighbour> {
        let found = self.policy.open(&self.home, name)?;
        let shown = printable(&found.name);
        for notice in &found.notices {
            self.notices.add(format!("{shown}: {notice}"));
        }
        let tell = {
            let (notices, shown) = (self.notices.clone(), shown.clone());
            Box::new(move |text: &str| notices.add(format!("{shown}: {text}")))
        };
        let (source, identity) = source(found.file, &shown, tell)?;
        Ok(Neighbour {
            source,
            name: found.name,
            identity,
            neighbours: Arc::new(Self {
                policy: self.policy.clone(),
                home: found.home,
                notices: self.notices.clone(),
            }),
        })
    }

    fn names(&self) -> Result<Vec<Vec<u8>>> {
        self.home.names()
    }
}

/// The bytes of the second file `file`, called `shown` in errors, and which file it is; `tell` is
/// called when it changes.
pub(super) fn source(
    file: std::fs::File,
    shown: &str,
    tell: Tell,
) -> Result<(SharedSource, Option<Identity>)> {
    let identity = identity(&file);
    let watched = Watched::new(File::new(file)?, tell).called(shown);
    Ok((Arc::new(watched), identity))
}

/// Which file of this host `file` is.
pub(super) fn identity(file: impl AsFd) -> Option<Identity> {
    let stat = rustix::fs::fstat(file).ok()?;
    Some(Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}
