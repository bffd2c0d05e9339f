//! The files that the worker was given, as far as the verb's own process may read them too: what
//! lies in one of them as it is need not come through the worker.

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
pub struct Passed(Arc<Mutex<Vec<Arc<Whole>>>>);

/// One of them.
struct Whole {
    file: File,
    identity: Identity,
    /// The size in bytes that it had when it was passed on.
    size: u64,
}

impl Passed {
    /// Keeps `file` too. Where there are too many, or no descriptor is left, the worker will be
    /// asked for what is in it.
    pub(super) fn keep(&self, file: BorrowedFd<'_>) {
        let mut files = lock(&self.0);
        let Ok(file) = file.try_clone_to_owned().map(File::from) else {
            return;
        };
        let size = seek(file.as_fd(), SeekFrom::End(0));
        let (Some(identity), Ok(size)) = (identity(&file), size) else {
            return;
        };
        let is_new = files.iter().all(|known| known.identity != identity);
        if is_new && files.len() < MOST_FILES {
            files.push(Arc::new(Whole {
                file,
                identity,
                size,
            }));
        }
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
            let files = lock(&self.0);
            let found = files.iter().find(|whole| whole.identity == wanted);
            found.cloned()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn only_ranges_of_files_that_were_passed_on_are_read() {
        let passed = Passed::default();
        let [named, other] = [b"0123456789", b"not for it"].map(|bytes| {
            let named = tempfile::NamedTempFile::new().unwrap();
            named.as_file().write_all_at(bytes, 0).unwrap();
            named
        });
        passed.keep(named.as_file().as_fd());
        passed.keep(named.as_file().as_fd());
        assert_eq!(lock(&passed.0).len(), 1);
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
        let passed = Passed::default();
        let files: Vec<_> = (0..=MOST_FILES)
            .map(|_| tempfile::tempfile().unwrap())
            .collect();
        files.iter().for_each(|file| passed.keep(file.as_fd()));
        assert_eq!(lock(&passed.0).len(), MOST_FILES);
    }
}
