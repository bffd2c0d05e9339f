//! The file that is written.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use super::super::exit::Failure;
use super::super::open;
use crate::error::Error;
use crate::number::to_u64;
use crate::service::passed::Passed;

/// Zeros are left out in pieces of this size: the block of most file systems.
const BLOCK: usize = 4096;

/// One of them.
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// Bytes that are written at once. The file is locked meanwhile, and another thread would wait; and a
/// kernel that is given more takes larger pieces of memory for it, which on a virtual machine the host
/// has to find first: four times as much of a processor for 2 MiB at once.
const WRITTEN: usize = 64 << 10;

/// The file that is written.
pub(super) struct Target {
    file: File,
    /// Whether it was not there before.
    new: bool,
    /// Whether it is /dev/null, which has no size and keeps nothing.
    null: bool,
}

impl Target {
    /// A new file at `path`; with `force` also one that is there, which is emptied, unless the image
    /// is read from it.
    pub(super) fn create(path: &Path, read: &Passed, force: bool) -> Result<Self, Failure> {
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
        if read.holds(&file) {
            return Err(refused(open::OF_THE_IMAGE, ""));
        }
        file.set_len(0).map_err(|error| failed(&error))?;
        Ok(Self::of(file, false, false))
    }

    const fn of(file: File, new: bool, null: bool) -> Self {
        Self { file, new, null }
    }

    /// Writes what is not zero of `bytes`, which are those from `offset` on.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        match self.null {
            true => Ok(()),
            false => write_sparse(&self.file, bytes, offset),
        }
    }

    /// Gives it its size: what was left out at its end is zeros.
    pub(super) fn finish(&self, size: u64) -> std::io::Result<()> {
        if self.null {
            return Ok(());
        }
        self.file.set_len(size)
    }

    /// Half a disk is not left behind as if it were one.
    pub(super) fn abandon(&self, path: &Path) {
        // What failed is reported; that this fails too would say nothing more.
        let _ = match self.new {
            true => std::fs::remove_file(path),
            false => self.file.set_len(0),
        };
    }
}

/// Whether this is /dev/null, by whatever name: who converts to it wants to know that all can be
/// read, or how fast.
fn is_null(there: &Metadata) -> bool {
    there.file_type().is_char_device() && there.rdev() == rustix::fs::makedev(1, 3)
}

/// Writes what is not zero.
fn write_sparse(out: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    let blocks = bytes.chunks(BLOCK);
    let mut at = offset;
    let mut start = 0_usize;
    let mut end = 0_usize;
    for block in blocks {
        if ZEROS.starts_with(block) {
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
    let part = bytes.get(range).unwrap_or_default();
    let pieces = part.chunks(WRITTEN).zip((offset..).step_by(WRITTEN));
    for (piece, at) in pieces {
        out.write_all_at(piece, at)?;
    }
    Ok(())
}
