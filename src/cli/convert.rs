//! `imgmount convert`: the disk, or one volume, as a sparse raw file.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Mutex;

use super::arguments::{Convert, Showing};
use super::exit::{Failure, Outcome};
use super::open;
use super::progress::Progress;
use super::remote::Volume;
use crate::error::Error;
use crate::lock::lock;
use crate::number::{to_u64, to_usize};
use crate::source::{ExtentKind, Source};
use crate::sys;

/// Bytes that one thread reads at a time. No unit that a container packs by itself is larger, but
/// for the blocks of some compressed files.
const CHUNK: u64 = 2 << 20;

/// More threads than this wait for the disk.
const MOST_THREADS: usize = 16;

/// Zeros are left out in pieces of this size: the block of most file systems.
const BLOCK: usize = 4096;

/// Runs the verb.
pub(crate) fn run(arguments: &Convert) -> Result<Outcome, Failure> {
    let Some((out, volume)) = arguments.volume_and_out.split_last() else {
        return Err(Failure::Usage(Error::invalid("no OUT")));
    };
    let request = open::wanted(&arguments.image, &Showing::default(), &arguments.opening)?;
    let name = open::name_of(&arguments.image);
    let volume = volume
        .first()
        .map(|name| name.to_string_lossy().into_owned());
    let source = Volume::open(&request, volume, threads())?;
    let out = Path::new(out);
    let target = Target::create(out, &arguments.image, arguments.force)?;
    match copy(&source, &target) {
        Ok(()) => Ok(Outcome::Done),
        Err(trouble) => {
            target.abandon(out);
            let failure = || trouble.within(&name, &open::name_of(out));
            Err(source.over().unwrap_or_else(failure))
        }
    }
}

/// How many threads copy: what costs time is unpacking.
fn threads() -> usize {
    sys::processors().min(MOST_THREADS)
}

/// The file that is written.
struct Target {
    file: File,
    /// Whether it was not there before.
    new: bool,
    /// Whether it is /dev/null, which has no size and keeps nothing.
    null: bool,
}

impl Target {
    /// A new file at `path`; with `force` also one that is there, which is emptied, unless it is
    /// the image that is read.
    fn create(path: &Path, image: &Path, force: bool) -> Result<Self, Failure> {
        let failed = |error: &std::io::Error| Failure::host(open::name_of(path), error);
        let refused = |why: &str, hint: &str| {
            let error = Error::invalid(why).context(open::name_of(path));
            Failure::Usage(if hint.is_empty() {
                error
            } else {
                error.hint(hint)
            })
        };
        let mut options = std::fs::OpenOptions::new();
        match options.write(true).create_new(true).open(path) {
            Ok(file) => return Ok(Self::of(file, true, false)),
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(failed(&error));
            }
            Err(_) => {}
        }
        let there = path.metadata().map_err(|error| failed(&error))?;
        let existing = || std::fs::OpenOptions::new().write(true).open(path);
        if is_null(&there) {
            let file = existing().map_err(|error| failed(&error))?;
            return Ok(Self::of(file, false, true));
        }
        if !force {
            return Err(refused("is there already", "--force overwrites it"));
        }
        if !there.is_file() {
            return Err(refused("is no regular file", ""));
        }
        let file = existing().map_err(|error| failed(&error))?;
        let opened = file.metadata().map_err(|error| failed(&error))?;
        let read = image.metadata().map_err(|error| failed(&error))?;
        if (opened.dev(), opened.ino()) == (read.dev(), read.ino()) {
            return Err(refused("is the image itself", ""));
        }
        file.set_len(0).map_err(|error| failed(&error))?;
        Ok(Self::of(file, false, false))
    }

    const fn of(file: File, new: bool, null: bool) -> Self {
        Self { file, new, null }
    }

    /// Gives it its size: what was left out at its end is zeros.
    fn finish(&self, size: u64) -> std::io::Result<()> {
        if self.null {
            return Ok(());
        }
        self.file.set_len(size)
    }

    /// Half a disk is not left behind as if it were one.
    fn abandon(&self, path: &Path) {
        if self.new {
            // What failed is reported; that this fails too would say nothing more.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Whether this is /dev/null, by whatever name: who converts to it wants to know that all can be
/// read, or how fast.
fn is_null(there: &Metadata) -> bool {
    there.file_type().is_char_device() && there.rdev() == rustix::fs::makedev(1, 3)
}

/// Why a copy ended early.
#[derive(Debug)]
enum Trouble {
    Read(Error),
    Write(std::io::Error),
}

impl Trouble {
    fn within(self, image: &str, out: &str) -> Failure {
        match self {
            Self::Read(error) => Failure::Image(error.context(image)),
            Self::Write(error) => Failure::host(format!("write {out}"), &error),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

/// Copies all of `source`, with several threads.
fn copy(source: &dyn Source, out: &Target) -> Result<(), Trouble> {
    let size = source.size();
    let work = Work {
        source,
        next: Mutex::new(0),
        progress: Progress::new(Some(size)),
    };
    let pieces = to_usize(size.div_ceil(CHUNK));
    let threads = threads().min(pieces).max(1);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(|| work.copy(&out.file)))
            .collect();
        let mut result = work.copy(&out.file);
        for other in others {
            // A thread that panicked has said so; the panic goes on here.
            let other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            result = result.and(other);
        }
        result
    })?;
    out.finish(size).map_err(Trouble::Write)
}

/// What several threads copy, piece by piece.
struct Work<'a> {
    source: &'a dyn Source,
    /// Where nobody has begun yet; the end once somebody failed.
    next: Mutex<u64>,
    progress: Progress,
}

impl Work<'_> {
    fn copy(&self, out: &File) -> Result<(), Trouble> {
        let result = self.copy_pieces(out);
        if result.is_err() {
            *lock(&self.next) = self.source.size();
        }
        result
    }

    fn copy_pieces(&self, out: &File) -> Result<(), Trouble> {
        let mut buf = vec![0; to_usize(self.source.size().min(CHUNK))];
        while let Some((offset, length)) = self.take()? {
            let part = buf.get_mut(..length).unwrap_or_default();
            self.source.read_exact_at(part, offset)?;
            write_sparse(out, part, offset).map_err(Trouble::Write)?;
            self.progress.advance(to_u64(length));
        }
        Ok(())
    }

    /// The next piece of data, which ends where a chunk ends: offset and length.
    fn take(&self) -> Result<Option<(u64, usize)>, Error> {
        let size = self.source.size();
        let mut next = lock(&self.next);
        while *next < size {
            let offset = *next;
            let extent = self.source.extent_at(offset)?;
            let length = extent.len.get().min(size.saturating_sub(offset));
            if extent.kind == ExtentKind::Data {
                let left_of_chunk = CHUNK.saturating_sub(offset % CHUNK);
                let length = length.min(left_of_chunk);
                *next = offset.saturating_add(length);
                return Ok(Some((offset, to_usize(length))));
            }
            self.progress.advance(length);
            *next = offset.saturating_add(length);
        }
        Ok(None)
    }
}

/// Writes what is not zero.
fn write_sparse(out: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    let blocks = bytes.chunks(BLOCK);
    let mut at = offset;
    let mut start = 0_usize;
    let mut end = 0_usize;
    for block in blocks {
        if block.iter().all(|byte| *byte == 0) {
            flush(out, bytes, start..end, at)?;
            start = end.saturating_add(block.len());
            at = offset.saturating_add(to_u64(start));
        }
        end = end.saturating_add(block.len());
    }
    flush(out, bytes, start..end, at)
}

fn flush(
    out: &File,
    bytes: &[u8],
    range: std::ops::Range<usize>,
    offset: u64,
) -> std::io::Result<()> {
    match bytes.get(range) {
        Some(part) if !part.is_empty() => out.write_all_at(part, offset),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn all_bytes_come_out_and_zeros_take_no_room() {
        let dir = scratch();
        let mut bytes = vec![0; (3 << 20) + 777];
        bytes[5] = 1;
        bytes[(1 << 20) + 4095] = 2;
        bytes[(1 << 20) + 4096] = 3;
        bytes[(3 << 20) + 776] = 4;
        let path = dir.path().join("out");
        let image = dir.path().join("image");
        let target = Target::create(&path, &image, false).expect("it is new");
        copy(&Memory(bytes.clone()), &target).expect("it has room");
        assert!(std::fs::read(&path).expect("readable") == bytes);
        let blocks = path.metadata().expect("there").blocks();
        assert!(blocks * 512 <= 5 * 4096, "{blocks}");
    }

    #[test]
    fn nowhere_takes_everything_and_is_never_removed() {
        let (null, image) = (Path::new("/dev/null"), Path::new("image"));
        let target = Target::create(null, image, false).expect("it is there for all");
        copy(&Memory(vec![7; 3 << 20]), &target).expect("it has room");
        target.abandon(null);
        assert!(null.exists());
        let zero = Target::create(Path::new("/dev/zero"), image, true);
        assert!(matches!(zero.err(), Some(Failure::Usage(_))));
    }

    #[test]
    fn nothing_is_overwritten_unasked_and_the_image_never() {
        let dir = scratch();
        let (image, out) = (dir.path().join("image"), dir.path().join("out"));
        std::fs::write(&image, "image").expect("written");
        std::fs::write(&out, "something longer").expect("written");
        std::fs::hard_link(&image, dir.path().join("alias")).expect("linked");
        let refused = |path: &Path, force| Target::create(path, &image, force).err();
        assert!(matches!(refused(&out, false), Some(Failure::Usage(_))));
        for name in ["image", "alias"] {
            assert!(matches!(
                refused(&dir.path().join(name), true),
                Some(Failure::Usage(_))
            ));
        }
        assert!(matches!(refused(dir.path(), true), Some(Failure::Usage(_))));
        assert_eq!(std::fs::read(&image).expect("there"), b"image");
        let target = Target::create(&out, &image, true).expect("forced");
        copy(&Memory(b"new".to_vec()), &target).expect("it has room");
        assert_eq!(std::fs::read(&out).expect("there"), b"new");
    }
}
