//! The messages between the processes, and how paths, which need not be UTF-8, are written in them.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::keys::Form;
use super::mount::Mounted;
use super::open;
use super::sandbox::Attempt;
use super::stored::LayerKey;
use crate::error::Error;
use crate::{fuse, tree};

/// What the worker is to do, with the open image.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    /// The image's file name.
    pub(super) name: Vec<u8>,
    pub(super) open: open::Options,
    /// How many images the user added to it.
    pub(super) others: usize,
    /// How the user's keys are read.
    pub(super) keys: Vec<Form>,
    /// The volumes that the detached headers are for, where that was said.
    pub(super) headers: Vec<Option<String>>,
    pub(super) tree: tree::Options,
    pub(super) fuse: fuse::Options,
    pub(super) threads: usize,
    /// How many processors there are.
    pub(super) processors: usize,
    /// Try at the first request what must not be possible.
    pub(super) self_test: bool,
    /// Say so when nobody has used the mount for so long.
    pub(super) idle_timeout: Option<std::time::Duration>,
    /// How many streams to a verb follow.
    pub(super) lanes: usize,
    /// What to log, as in `RUST_LOG`.
    pub(super) log: String,
}

/// To the worker, with one end of a stream.
#[derive(Serialize, Deserialize)]
pub(super) struct Lane;

/// To the worker, with the mounted /dev/fuse.
#[derive(Serialize, Deserialize)]
pub(super) struct Serve;

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The image is good, and this was odd about it.
    Opened { notices: Vec<String> },
    /// It is not, or cannot be served.
    Refused(Error),
    /// The kernel and the worker have agreed: the tree can be used.
    Serving,
    /// Nobody has used the mount for as long as was asked for, as far as the worker can tell.
    Idle,
    /// What it has tried.
    Tried(Vec<Attempt>),
    /// A bug has cost a request.
    Failed,
    /// It waits for an [`Answer`], at any time.
    Asks(Question),
}

/// What the worker cannot do itself, since it opens nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// The file that an image in the directory number `home` calls `name`. That of the image that
    /// the user named has number 0.
    File { home: usize, name: Vec<u8> },
    /// The image that the user added as the one number `number`, from 0.
    Other { number: usize },
    /// The detached header number `number`, from 0.
    Header { number: usize },
    /// The user's key number `number`, from 0.
    Key { number: usize },
    /// What the user types when `question` is asked at the terminal.
    Passphrase { question: String },
    /// The names of the files in a directory.
    Names { home: usize },
    /// What is kept for a layer.
    Load { layer: LayerKey },
    /// Room for `length` bytes to keep for a layer.
    Save { layer: LayerKey, length: u64 },
    /// They have been written there.
    Saved,
}

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The descriptor that comes with this is a second file of this name, and this is the number of
    /// the directory that it lies in.
    File {
        name: Vec<u8>,
        home: usize,
        notices: Vec<String>,
    },
    /// The descriptor that comes with this is what was asked for.
    Here,
    /// There is none, and nothing to be said about it.
    Nothing,
    /// It is not done.
    Refused(Error),
}

/// From the supervisor in the background to the command that the user started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The mount can be used.
    Ready(Mounted),
    /// Nothing is mounted.
    Failed(Failure),
}

/// `#[serde(with = "wire::path")]`
pub(super) mod path {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        path: &Path,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_os_str().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        OsString::deserialize(deserializer).map(PathBuf::from)
    }
}

/// `#[serde(with = "wire::optional_path")]`
pub(super) mod optional_path {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref()
            .map(|path| path.as_os_str())
            .serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let name = Option::<OsString>::deserialize(deserializer)?;
        Ok(name.map(PathBuf::from))
    }
}

/// `#[serde(with = "wire::paths")]`
pub(super) mod paths {
    use std::ffi::{OsStr, OsString};
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        paths: &[PathBuf],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let names: Vec<&OsStr> = paths.iter().map(|path| path.as_os_str()).collect();
        names.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let names = Vec::<OsString>::deserialize(deserializer)?;
        Ok(names.into_iter().map(PathBuf::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use super::super::mount::Request;

    #[test]
    fn a_request_with_names_that_are_not_utf8_arrives_as_it_was() {
        let odd = PathBuf::from(OsString::from_vec(b"a,\xff\n".to_vec()));
        let mut request = Request::new(odd.clone());
        for mountpoint in [None, Some(odd.clone())] {
            request.mountpoint = mountpoint;
            request.open.allow_files = vec![odd.clone(), "plain".into()];
            request.open.allow_directories = vec!["plain".into(), odd.clone()];
            let text = serde_json::to_string(&request).unwrap();
            let arrived: Request = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{request:?}"), format!("{arrived:?}"));
        }
    }
}
