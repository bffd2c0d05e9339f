//! The files that the worker was given: the verb's own process writes over none of them, and may
//! read them too, since what lies in one of them as it is need not come through the worker.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use rustix::fs::{SeekFrom, seek};

use super::neighbours::identity;
use crate::error::{Error, Kind, Result};
use crate::format::Identity;
use crate::lock::lock;
use crate::number::to_u64;
use crate::source::HostBytes;

/// More files than this are not kept open a second time.
const MOST_FILES: usize = 256;

/// The files, each once.
#[derive(Clone, Default)]
pub struct Passed(Arc<Mutex<Known>>);

/// What is known of them.
#[derive(Default)]
struct Known {
    /// All of them.
    identities: BTreeSet<Identity>,
    /// Whether they are kept open, to be read.
    is_readable: bool,
    /// Those that are.
    files: Vec<Arc<Whole>>,
}

/// One that can be read.
struct Whole {
    file: File,
    identity: Identity,
    /// The size in bytes that it had when it was passed on.
    size: u64,
}

impl Passed {
    /// None yet; those to come can be read, too.
    #[must_use]
    pub fn readable() -> Self {
        let known = Known {
            is_readable: true,
            ..Known::default()
        };
        Self(Arc::new(Mutex::new(known)))
    }

    /// Keeps `file` too. Where there are too many, or no descriptor is left, the worker will be
    /// asked for what is in it.
    pub fn keep(&self, file: BorrowedFd<'_>) {
        let Some(identity) = identity(file) else {
            return;
        };
        let mut known = lock(&self.0);
        let is_new = known.identities.insert(identity);
        if is_new && known.is_readable && known.files.len() < MOST_FILES {
            known.files.extend(Whole::of(file, identity).map(Arc::new));
        }
    }

    /// Whether the worker was given this file.
    #[must_use]
    pub fn has(&self, identity: Identity) -> bool {
        lock(&self.0).identities.contains(&identity)
    }

    /// Whether the worker was given this open file.
    #[must_use]
    pub fn holds(&self, file: impl AsFd) -> bool {
        identity(file).is_some_and(|identity| self.has(identity))
    }

    /// Fills `buf` from byte `skip` of `bytes` on, of which nothing is believed: they are whatever
    /// the worker says.
    ///
    /// # Errors
    /// `Denied` where the file was not passed on to the worker, or the range is not inside it; `Io`
    /// where it cannot be read there.
    pub fn read(&self, bytes: &HostBytes, skip: u64, buf: &mut [u8]) -> Result<()> {
        let refused = || Error::new(Kind::Denied, "no such bytes were passed on");
        let wanted = Identity {
            device: bytes.device,
            inode: bytes.inode,
        };
        let found = {
            let known = lock(&self.0);
            let mut files = known.files.iter();
            files.find(|whole| whole.identity == wanted).cloned()
        };
        let whole = found.ok_or_else(refused)?;
        let start = bytes.offset.checked_add(skip).ok_or_else(refused)?;
        let end = start.checked_add(to_u64(buf.len()));
        if end.is_none_or(|end| end > whole.size) {
            return Err(refused());
        }
        let read = whole.file.read_exact_at(buf, start);
        read.map_err(|error| Error::io("read", &error).at(start))
    }
}

impl Whole {
    fn of(file: BorrowedFd<'_>, identity: Identity) -> Option<Self> {
        let file = File::from(file.try_clone_to_owned().ok()?);
        let size = seek(&file, SeekFrom::End(0)).ok()?;
        Some(Self {
            file,
            identity,
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn only_ranges_of_files_that_were_passed_on_are_read() {
        let passed = Passed::readable();
        let [named, other] = [b"0123456789", b"not for it"].map(|bytes| {
            let named = tempfile::NamedTempFile::new().unwrap();
            named.as_file().write_all_at(bytes, 0).unwrap();
            named
        });
        passed.keep(named.as_file().as_fd());
        passed.keep(named.as_file().as_fd());
        assert_eq!(lock(&passed.0).files.len(), 1);
        assert!(passed.holds(named.as_file()));
        assert!(!passed.holds(other.as_file()));
        let at = |file: &File, offset| {
            let Identity { device, inode } = identity(file).unwrap();
            let len = NonZeroU64::MIN;
            HostBytes {
                device,
                inode,
                offset,
                len,
            }
        };
        let read = |bytes: HostBytes, skip, len| {
            let mut buf = vec![0; len];
            passed.read(&bytes, skip, &mut buf).map(|()| buf)
        };
        assert_eq!(read(at(named.as_file(), 3), 2, 5), Ok(b"56789".to_vec()));
        for (bytes, skip, len) in [
            (at(other.as_file(), 0), 0, 1),
            (at(named.as_file(), 0), 0, 11),
            (at(named.as_file(), 10), 0, 1),
            (at(named.as_file(), 3), 7, 1),
            (at(named.as_file(), u64::MAX), 0, 1),
            (at(named.as_file(), u64::MAX), 1, 1),
            (at(named.as_file(), 1), u64::MAX, 1),
        ] {
            assert_eq!(read(bytes, skip, len).unwrap_err().kind(), Kind::Denied);
        }
        // It was cut meanwhile: the range was good, and cannot be read.
        named.as_file().set_len(5).unwrap();
        let cut = read(at(named.as_file(), 3), 0, 5).unwrap_err();
        assert_eq!((cut.kind(), cut.offset()), (Kind::Io, Some(3)));
    }

    #[test]
    fn no_more_files_are_kept_than_there_is_room_for() {
        let passed = Passed::readable();
        let files: Vec<_> = (0..=MOST_FILES)
            .map(|_| tempfile::tempfile().unwrap())
            .collect();
        files.iter().for_each(|file| passed.keep(file.as_fd()));
        assert_eq!(lock(&passed.0).files.len(), MOST_FILES);
        assert!(files.iter().all(|file| passed.holds(file)));
        let listed = Passed::default();
        files.iter().for_each(|file| listed.keep(file.as_fd()));
        assert_eq!(lock(&listed.0).files.len(), 0);
        assert!(files.iter().all(|file| listed.holds(file)));
    }
}
