//! The messages between the processes, and how paths, which need not be UTF-8, are written in them.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::mount::Mounted;
use super::open;
use crate::error::Error;
use crate::{fuse, tree};

/// What the worker is to do, with the open image.
#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) open: open::Options,
    pub(super) tree: tree::Options,
    pub(super) fuse: fuse::Options,
    pub(super) threads: usize,
    /// What to log, as in `RUST_LOG`.
    pub(super) log: String,
}

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

/// `#[serde(with = "wire::paths")]`, for anything that holds paths: an option, a list.
pub(super) mod paths {
    use std::ffi::{OsStr, OsString};
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<'a, S, P>(paths: P, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        P: IntoIterator<Item = &'a PathBuf>,
    {
        let names: Vec<&OsStr> = paths.into_iter().map(|path| path.as_os_str()).collect();
        serializer.collect_seq(names)
    }

    pub(in super::super) fn deserialize<'de, D, P>(deserializer: D) -> Result<P, D::Error>
    where
        D: Deserializer<'de>,
        P: FromPaths,
    {
        let names = Vec::<OsString>::deserialize(deserializer)?;
        Ok(P::from_paths(names.into_iter().map(PathBuf::from)))
    }

    /// What can be filled with paths.
    pub(in super::super) trait FromPaths {
        fn from_paths(paths: impl Iterator<Item = PathBuf>) -> Self;
    }

    impl FromPaths for Vec<PathBuf> {
        fn from_paths(paths: impl Iterator<Item = PathBuf>) -> Self {
            paths.collect()
        }
    }

    impl FromPaths for Option<PathBuf> {
        fn from_paths(mut paths: impl Iterator<Item = PathBuf>) -> Self {
            paths.next()
        }
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
        request.open.allow_files = vec![odd.clone(), PathBuf::from("b")];
        for mountpoint in [None, Some(odd.clone())] {
            request.mountpoint = mountpoint;
            let text = serde_json::to_string(&request).unwrap();
            let arrived: Request = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{request:?}"), format!("{arrived:?}"));
        }
    }
}
