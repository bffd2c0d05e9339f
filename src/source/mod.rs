//! Readable bytes: an image, a disk, a partition, a volume are all a [`Source`].

mod ahead;
pub mod cached;
pub mod decoded;
pub mod file;
pub mod joined;
pub mod mapped;
mod scratch;
pub mod streamed;
mod streams;
#[cfg(test)]
mod testing;
pub mod window;

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use scratch::{Scratch, read_packed, read_scratch};

use crate::error::{Error, Kind, Result};

/// Readable bytes of a fixed size, from any number of threads at once.
pub trait Source: Send + Sync {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// Fills all of `buf` from byte `offset` on. Never short.
    ///
    /// # Errors
    /// `Invalid` where the range leaves the source; `Io` or `Corrupt` where a byte in the range
    /// cannot be read. A bad unit fails only reads that touch it.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()>;

    /// The same for the contents of a file, which whoever asks for them keeps, as the kernel does:
    /// a cache in front of what the host keeps too has no use for a third copy.
    ///
    /// # Errors
    /// As [`Source::read_exact_at`].
    fn read_contents_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.read_exact_at(buf, offset)
    }

    /// What lies at `offset`, and for how many bytes from there the answer holds at least.
    ///
    /// # Errors
    /// `Invalid` for `offset >= size()`; otherwise as [`Source::read_exact_at`].
    fn extent_at(&self, offset: u64) -> Result<Extent>;

    /// Where in a file of the host the bytes from `offset` on lie as they are: whoever has that file
    /// open can read them there himself, and what fails by [`Source::read_exact_at`], which may know
    /// a second copy and says what is wrong. `None` where there is no such place, as for what has to
    /// be decoded or is no data.
    fn host_at(&self, offset: u64) -> Option<HostBytes> {
        let _ = offset;
        None
    }

    /// Says that `len` bytes at `offset` will be read soon, as far as they are there: who has to
    /// fetch them may begin. Nothing is read now, and nothing fails.
    fn soon(&self, offset: u64, len: u64) {
        let _ = (offset, len);
    }

    /// Whether reading near the end means unpacking everything before it first: a compressed
    /// stream that has no index yet. Who only looks *whether* something is there leaves it out then.
    fn end_is_far(&self) -> bool {
        false
    }
}

/// A source that several layers hold.
pub type SharedSource = Arc<dyn Source>;

/// What lies in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtentKind {
    /// Bytes that have to be read to be known.
    Data,
    /// Zeros that are known without reading: a hole, or marked as zero.
    Zeros,
    /// Never written in this layer; reads as zeros.
    Absent,
}

/// A range of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// What lies there.
    pub kind: ExtentKind,
    /// For how many bytes at least, from the offset that was asked for. Never past the end.
    pub len: NonZeroU64,
}

/// Bytes of a file of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostBytes {
    /// The device that holds the file (`st_dev`).
    pub device: u64,
    /// Its inode number there.
    pub inode: u64,
    /// Where they start in it, in bytes.
    pub offset: u64,
    /// How many there are at least.
    pub len: NonZeroU64,
}

impl HostBytes {
    /// No more of them than up to `limit` bytes; `None` where that is none.
    #[must_use]
    pub fn cut(self, limit: u64) -> Option<Self> {
        let len = NonZeroU64::new(self.len.get().min(limit))?;
        Some(Self { len, ..self })
    }
}

/// Fails with `Invalid` unless `len` bytes at `offset` lie inside `source`.
///
/// # Errors
/// `Invalid`, naming the range and the size.
pub fn check_range(source: &dyn Source, offset: u64, len: usize) -> Result<()> {
    let end = offset.checked_add(crate::number::to_u64(len));
    if end.is_some_and(|end| end <= source.size()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{len} bytes are past the end of {} bytes",
        source.size()
    ))
    .at(offset))
}

/// The extent of `kind` from `offset` up to the byte `end`.
///
/// # Errors
/// `Invalid` where nothing lies between the two.
pub fn extent_to(kind: ExtentKind, offset: u64, end: u64) -> Result<Extent> {
    let len = end.checked_sub(offset).and_then(NonZeroU64::new);
    let past = || Error::invalid(format!("nothing is there before byte {end}")).at(offset);
    Ok(Extent {
        kind,
        len: len.ok_or_else(past)?,
    })
}

/// Bytes of `source` that are no hole, as far as its extents say without being read, and the first
/// few thousand of them; the rest counts as data.
pub fn allocated(source: &dyn Source) -> u64 {
    const EXTENTS: usize = 4096;
    let mut data: u64 = 0;
    let mut offset = 0;
    for _ in 0..EXTENTS {
        let Ok(Extent { kind, len }) = source.extent_at(offset) else {
            break;
        };
        if kind == ExtentKind::Data {
            data = data.saturating_add(len.get());
        }
        offset = offset.saturating_add(len.get());
        if offset >= source.size() {
            return data;
        }
    }
    data.saturating_add(source.size().saturating_sub(offset))
}

/// `len` bytes at `offset`, in memory. For structures whose size is already bounded.
///
/// # Errors
/// As [`Source::read_exact_at`]; nothing is allocated for a range that leaves the source. `Io` where
/// memory is short.
pub fn read_vec(source: &dyn Source, offset: u64, len: usize) -> Result<Vec<u8>> {
    check_range(source, offset, len)?;
    let mut buf = zeroed(len)?;
    source.read_exact_at(&mut buf, offset)?;
    Ok(buf)
}

/// `len` zeros.
///
/// # Errors
/// `Io` where memory is short: a failed allocation is an error of this request and no abort.
pub fn zeroed(len: usize) -> Result<Vec<u8>> {
    let mut zeros = room(len)?;
    zeros.resize(len, 0);
    Ok(zeros)
}

/// The same bytes once more.
///
/// # Errors
/// As [`zeroed`].
pub fn copied(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = room(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// `buf` with `len` bytes, the new ones zeros, for what the disk says the length of.
///
/// # Errors
/// As [`zeroed`]; it is as it was then.
pub fn resize(buf: &mut Vec<u8>, len: usize) -> Result<()> {
    let more = len.saturating_sub(buf.len());
    buf.try_reserve(more).map_err(|_| short(len))?;
    buf.resize(len, 0);
    Ok(())
}

fn room(len: usize) -> Result<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(len).map_err(|_| short(len))?;
    Ok(room)
}

fn short(len: usize) -> Error {
    Error::new(Kind::Io, format!("no memory for {len} bytes"))
}

/// The first `len` bytes of `buf`, or all where it has fewer.
fn head(buf: &mut [u8], len: usize) -> &mut [u8] {
    let len = len.min(buf.len());
    buf.split_at_mut(len).0
}

/// Bytes in memory as a source: for tests, and for small rebuilt structures.
pub struct Memory(pub Vec<u8>);

impl Source for Memory {
    fn size(&self) -> u64 {
        crate::number::to_u64(self.0.len())
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        check_range(self, offset, buf.len())?;
        let start = crate::number::to_usize(offset);
        let bytes = self.0.get(start..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(bytes.ok_or_else(|| Error::invalid("past the end"))?);
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self, offset, 1)?;
        extent_to(ExtentKind::Data, offset, self.size())
    }
}
