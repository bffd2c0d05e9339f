//! A regular file or block device that somebody else opened: this module never opens a path.
//!
//! Everything is read by `pread`, nothing is mapped into memory: a file that is truncated under a
//! mount gives an error and never a signal.

use std::fs::File as Handle;
use std::io::ErrorKind;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use rustix::fs::{Advice, FileType, SeekFrom, fadvise, fstat, seek};
use rustix::io::Errno;

use super::{Extent, ExtentKind, HostBytes, Source, check_range, extent_to};
use crate::error::{Error, Kind, Result};
use crate::lock::lock;

/// An open file. Its size is what it was when it was wrapped.
pub struct File {
    handle: Handle,
    size: u64,
    /// What it was when it was wrapped. `None` on a FUSE file system of another user's, root's before
    /// he gave himself up for example: its files can be read there, and not be examined.
    status: Option<Status>,
    /// The last extent that the kernel told: where it starts, and its kind and length.
    known: Mutex<Option<(u64, Extent)>>,
}

/// What stat(2) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    identity: Identity,
    kind: FileType,
    /// Names it has.
    links: u64,
}

/// Which file it is, and in which state: two that differ are not the same bytes for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    /// The device that holds the file (`st_dev`).
    device: u64,
    /// Its inode number there.
    inode: u64,
    /// Its size in bytes as stat(2) says, 0 for a block device.
    size: u64,
    /// When its bytes last changed: seconds and nanoseconds.
    modified: (i64, i64),
    /// When its inode last changed, by a rename over it too: seconds and nanoseconds.
    changed: (i64, i64),
}

/// What became of an open file, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    Unchanged,
    /// Its name or its attributes are others; its bytes are the same as far as can be told.
    Touched,
    /// It has no name any more: it was deleted, or another file was renamed over it.
    Removed,
    /// It was written to, or has another size.
    Written,
}

impl File {
    /// Wraps `handle`, whose size in bytes is found by seeking (which block devices answer too).
    ///
    /// # Errors
    /// `Io` where it cannot be seeked.
    pub fn new(handle: Handle) -> Result<Self> {
        let size = end(&handle)?;
        let status = match examine(&handle) {
            Err(Errno::ACCESS) => None,
            status => Some(status.map_err(|errno| failed("examine", errno))?),
        };
        Ok(Self {
            handle,
            size,
            status,
            known: Mutex::new(None),
        })
    }

    /// What became of the file since it was wrapped; where it cannot be examined, as far as its size
    /// tells.
    ///
    /// # Errors
    /// `Io` where the host cannot say.
    pub fn change(&self) -> Result<Change> {
        let Some(then) = self.status else {
            let same = end(&self.handle)? == self.size;
            return Ok(if same {
                Change::Unchanged
            } else {
                Change::Written
            });
        };
        let now = examine(&self.handle).map_err(|errno| failed("examine", errno))?;
        let state = |it: &Status| (it.identity.size, it.identity.modified);
        Ok(if state(&now) != state(&then) {
            Change::Written
        } else if now.links == 0 && then.links > 0 {
            Change::Removed
        } else if now.identity == then.identity {
            Change::Unchanged
        } else {
            Change::Touched
        })
    }

    /// Only regular files have holes to ask for.
    fn may_have_holes(&self) -> bool {
        self.status
            .is_none_or(|status| status.kind == FileType::RegularFile)
    }

    fn remembered(&self, offset: u64) -> Option<Extent> {
        let known = lock(&self.known);
        let (start, extent) = (*known)?;
        let inside = offset.checked_sub(start)? < extent.len.get();
        let end = start.checked_add(extent.len.get())?;
        extent_to(extent.kind, offset, end).ok().filter(|_| inside)
    }

    fn remember(&self, offset: u64, extent: Extent) {
        let mut known = lock(&self.known);
        *known = Some((offset, extent));
    }

    /// Asks the kernel. Where it cannot tell (`EINVAL` from a file system without holes) or fails,
    /// all is data, and the read will say what is wrong. Seeking moves the position that everybody
    /// who has this file open shares; nobody reads by it.
    fn ask(&self, offset: u64) -> Result<Extent> {
        let (kind, end) = match seek(&self.handle, SeekFrom::Data(offset)) {
            Ok(data) if data > offset => (ExtentKind::Zeros, data),
            Ok(_) => (ExtentKind::Data, self.hole_after(offset)),
            Err(Errno::NXIO) => (ExtentKind::Zeros, self.end_now(offset)?),
            Err(_) => (ExtentKind::Data, self.size),
        };
        extent_to(kind, offset, end.min(self.size))
    }

    fn hole_after(&self, offset: u64) -> u64 {
        let hole = seek(&self.handle, SeekFrom::Hole(offset));
        // A file that is cut or punched meanwhile can answer anything; one byte is always right.
        hole.unwrap_or(self.size).max(offset.saturating_add(1))
    }

    /// The end of the file as it is now: `ENXIO` means no data up to there, and nothing about what
    /// lay behind it before the file was cut.
    fn end_now(&self, offset: u64) -> Result<u64> {
        let size = end(&self.handle)?;
        if size <= offset {
            return Err(shorter(offset));
        }
        Ok(size)
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        self.handle
            .read_exact_at(buf, offset)
            .map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => shorter(offset),
                _ => Error::io("read", &error).at(offset),
            })
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        if !self.may_have_holes() {
            return extent_to(ExtentKind::Data, offset, self.size);
        }
        if let Some(extent) = self.remembered(offset) {
            return Ok(extent);
        }
        let extent = self.ask(offset)?;
        self.remember(offset, extent);
        Ok(extent)
    }

    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        let len = NonZeroU64::new(self.size.checked_sub(offset)?)?;
        let Identity { device, inode, .. } = self.status?.identity;
        Some(HostBytes {
            device,
            inode,
            offset,
            len,
        })
    }

    fn soon(&self, offset: u64, len: u64) {
        // To the end would be everything, so that nothing is asked for nothing.
        if let Some(len) = NonZeroU64::new(len) {
            let _ = fadvise(&self.handle, offset, Some(len), Advice::WillNeed); // Only a hint.
        }
    }
}

/// The end of the file as it is now, which block devices tell too.
fn end(handle: &Handle) -> Result<u64> {
    seek(handle, SeekFrom::End(0)).map_err(|errno| failed("find the size", errno))
}

fn examine(handle: &Handle) -> std::result::Result<Status, Errno> {
    let stat = fstat(handle)?;
    let identity = Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
        changed: (stat.st_ctime, nanoseconds(stat.st_ctime_nsec)),
    };
    Ok(Status {
        identity,
        kind: FileType::from_raw_mode(stat.st_mode),
        links: wide(stat.st_nlink),
    })
}

/// Of a type that differs between machines.
fn wide(value: impl Into<u64>) -> u64 {
    value.into()
}

/// Below 10^9, in a type that differs between machines.
fn nanoseconds(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(0)
}

fn failed(doing: &str, errno: Errno) -> Error {
    Error::io(doing, &errno.into())
}

fn shorter(offset: u64) -> Error {
    Error::new(Kind::Io, "the image is shorter than it was").at(offset)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

    use std::io::Write;

    use super::*;
    use crate::source::read_vec;

    const MIB: u64 = 1 << 20;

    /// A temporary file, and the same file wrapped.
    fn wrapped(fill: impl FnOnce(&mut Handle)) -> (tempfile::NamedTempFile, File) {
        let mut named = tempfile::NamedTempFile::new().expect("a temporary file");
        fill(named.as_file_mut());
        let file = File::new(named.reopen().expect("it opens again")).expect("it is a file");
        (named, file)
    }

    fn extent(kind: ExtentKind, len: u64) -> Result<Extent> {
        extent_to(kind, 0, len)
    }

    #[test]
    fn it_reads_what_is_there_and_refuses_what_is_not() {
        let (_named, file) = wrapped(|file| file.write_all(b"0123456789").expect("it writes"));
        assert_eq!(file.size(), 10);
        assert_eq!(read_vec(&file, 3, 7), Ok(b"3456789".to_vec()));
        assert_eq!(read_vec(&file, 10, 0), Ok(Vec::new()));
        for (offset, len) in [(3, 8), (11, 0), (u64::MAX, 1), (u64::MAX, 0)] {
            let error = read_vec(&file, offset, len).expect_err("past the end");
            assert_eq!(
                (error.kind(), error.offset()),
                (Kind::Invalid, Some(offset))
            );
        }
    }

    #[test]
    fn an_empty_file_has_no_extents() {
        let (_named, file) = wrapped(|_| ());
        assert_eq!(file.size(), 0);
        assert_eq!(read_vec(&file, 0, 0), Ok(Vec::new()));
        assert_eq!(file.extent_at(0).map_err(|e| e.kind()), Err(Kind::Invalid));
    }

    #[test]
    fn holes_are_where_the_file_system_has_them() {
        let (_named, file) = wrapped(|file| {
            file.write_all_at(&[1; 65536], MIB).expect("it writes");
            file.write_all_at(&[2; 65536], 3 * MIB).expect("it writes");
            file.set_len(5 * MIB).expect("it grows");
        });
        let (data, zeros) = (ExtentKind::Data, ExtentKind::Zeros);
        assert_eq!(file.extent_at(0), extent(zeros, MIB));
        assert_eq!(file.extent_at(4096), extent(zeros, MIB - 4096));
        assert_eq!(file.extent_at(MIB - 1), extent(zeros, 1));
        assert_eq!(file.extent_at(MIB), extent(data, 65536));
        assert_eq!(file.extent_at(MIB + 100), extent(data, 65436));
        assert_eq!(file.extent_at(MIB + 65536), extent(zeros, 2 * MIB - 65536));
        let last = 3 * MIB + 65536;
        assert_eq!(file.extent_at(last), extent(zeros, 5 * MIB - last));
        assert_eq!(file.extent_at(5 * MIB - 1), extent(zeros, 1));
        assert_eq!(file.extent_at(0), extent(zeros, MIB));
        assert_eq!(
            file.extent_at(5 * MIB).map_err(|e| e.kind()),
            Err(Kind::Invalid)
        );
    }

    #[test]
    fn a_file_that_grew_keeps_its_size() {
        let (named, file) = wrapped(|file| file.write_all(&[1; 4096]).expect("it writes"));
        named.as_file().set_len(MIB).expect("it grows");
        assert_eq!(file.size(), 4096);
        assert_eq!(file.extent_at(0), extent(ExtentKind::Data, 4096));
        assert!(read_vec(&file, 0, 4097).is_err());
    }

    #[test]
    fn u06_a_truncated_file_fails_only_reads_past_its_end() {
        let (named, file) = wrapped(|file| {
            file.write_all(&[7; 100_000]).expect("it writes");
            file.set_len(MIB).expect("it grows");
        });
        named.as_file().set_len(50_000).expect("it shrinks");
        assert_eq!(read_vec(&file, 0, 50_000), Ok(vec![7; 50_000]));
        let error = read_vec(&file, 49_999, 2).expect_err("one byte is gone");
        assert_eq!(error.kind(), Kind::Io);
        assert_eq!(
            error.to_string(),
            "the image is shorter than it was at byte 0xc34f"
        );
        let error = file.extent_at(60_000).expect_err("it is no hole");
        assert_eq!((error.kind(), error.offset()), (Kind::Io, Some(60_000)));
    }

    #[test]
    fn u06_a_file_that_is_replaced_or_deleted_reads_as_it_was_and_says_so() {
        let (named, file) = wrapped(|file| file.write_all(b"old").expect("it writes"));
        assert_eq!(file.change(), Ok(Change::Unchanged));
        let path = named.path().to_owned();
        let other = path.with_extension("new");
        std::fs::write(&other, b"new").expect("it writes");
        std::fs::rename(&other, &path).expect("it renames");
        assert_eq!(std::fs::read(&path).expect("it reads"), b"new");
        assert_eq!(read_vec(&file, 0, 3), Ok(b"old".to_vec()));
        assert_eq!(file.change(), Ok(Change::Removed));
    }

    #[test]
    fn u06_an_overwritten_file_says_so() {
        let (named, file) = wrapped(|file| file.write_all(b"old").expect("it writes"));
        let before = file.status;
        // The clock of a file system ticks every few milliseconds.
        for _ in 0..1000 {
            named.as_file().write_all_at(b"new", 0).expect("it writes");
            if file.change() == Ok(Change::Written) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(file.change(), Ok(Change::Written));
        assert_eq!(file.status, before);
    }

    #[test]
    fn u06_a_file_that_is_renamed_keeps_its_bytes_and_says_so() {
        let (named, file) = wrapped(|file| file.write_all(b"old").expect("it writes"));
        let other = named.path().with_extension("elsewhere");
        // The clock of a file system ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::fs::rename(named.path(), &other).expect("it renames");
        assert_eq!(file.change(), Ok(Change::Touched));
        std::fs::remove_file(other).expect("it is there");
        assert_eq!(file.change(), Ok(Change::Removed));
    }

    #[test]
    fn what_cannot_be_seeked_is_refused() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let handle = Handle::from(std::os::fd::OwnedFd::from(reader));
        let error = File::new(handle).err().expect("a pipe has no size");
        assert_eq!(error.to_string(), "find the size: Illegal seek");
    }
}
