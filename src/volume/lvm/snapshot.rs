//! Old-style snapshots: what was in a chunk of the origin before it was written to, or what was
//! written to the snapshot, is in the exception store (drivers/md/dm-snap-persistent.c). A store
//! that is being merged into its origin is read over it in the same way.

use std::mem::offset_of;
use std::num::NonZeroU64;

use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, KnownLayout, Unaligned};

use super::layout::SECTOR;
use super::overlay::{Overlay, Pairs};
use crate::error::{Error, Result, ResultExt};
use crate::format::Room;
use crate::number::{to_u64, to_usize};
use crate::source::{SharedSource, read_vec};

/// `SNAP_MAGIC`, "SnAp".
const SNAP_MAGIC: u32 = 0x7041_6e53;

/// `SNAPSHOT_DISK_VERSION`.
const SNAPSHOT_DISK_VERSION: u32 = 1;

/// Bytes of the largest chunk; LVM2 makes 512 KiB at most.
const MOST_CHUNK: u64 = 16 << 20;

/// `struct disk_header`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DiskHeader {
    magic: U32,
    valid: U32,
    version: U32,
    /// In sectors.
    chunk_size: U32,
}

/// `struct disk_exception`: a chunk of the origin, and of the store; 0 there ends the list.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DiskException {
    old_chunk: U64,
    new_chunk: U64,
}

/// The snapshot of `size` bytes whose exceptions are in `store`, which is member 0. Where
/// they are is kept in what is left of `room`.
///
/// # Errors
/// `Corrupt` for a store that is none, or that was dropped as it was full, with the field's byte of
/// the store.
pub(super) fn open(store: SharedSource, size: u64, room: &Room) -> Result<Overlay> {
    let bytes = read_vec(&*store, 0, 16)?;
    let parsed = DiskHeader::read_from_prefix(&bytes);
    let (header, _) = parsed.map_err(|_| Error::corrupt("cut off"))?;
    let (magic, version) = (header.magic.get(), header.version.get());
    let at = |error: Error, field| error.at(to_u64(field));
    if magic != SNAP_MAGIC {
        let error = Error::corrupt(format!("magic is {magic:#x}"));
        return Err(at(error, offset_of!(DiskHeader, magic)));
    }
    if version != SNAPSHOT_DISK_VERSION {
        let error = Error::unsupported(format!("version {version}"));
        return Err(at(error, offset_of!(DiskHeader, version)));
    }
    if header.valid.get() == 0 {
        let error = Error::corrupt("the snapshot is not valid any more: its store was full");
        return Err(at(error, offset_of!(DiskHeader, valid)));
    }
    let sectors = header.chunk_size.get();
    let chunk = u64::from(sectors).saturating_mul(SECTOR);
    let fits = chunk.is_power_of_two() && chunk <= MOST_CHUNK;
    let wrong = || {
        let error = Error::corrupt(format!("chunk_size is {sectors}"));
        at(error, offset_of!(DiskHeader, chunk_size))
    };
    let chunk = NonZeroU64::new(chunk).filter(|_| fits).ok_or_else(wrong)?;
    Ok(Overlay::new(size, chunk, room, move |pairs| {
        exceptions(&store, chunk, pairs).context(|| "exception store")
    }))
}

/// Areas of exceptions stand in front of the chunks that they are about; behind the header the
/// first, and the next behind as many chunks as one has exceptions.
fn exceptions(store: &SharedSource, chunk: NonZeroU64, pairs: &mut Pairs) -> Result<()> {
    let stride = (chunk.get() / 16).saturating_add(1);
    let chunks = store.size() / chunk;
    let mut area = 1_u64;
    while area < chunks {
        let at = area.saturating_mul(chunk.get());
        let bytes = read_vec(&**store, at, to_usize(chunk.get()))?;
        for entry in bytes.chunks_exact(16) {
            let Ok((entry, _)) = DiskException::read_from_prefix(entry) else {
                return Ok(());
            };
            let (old, new) = (entry.old_chunk.get(), entry.new_chunk.get());
            if new == 0 {
                return Ok(());
            }
            if new >= chunks {
                let text = format!("chunk {new} of {chunks}");
                return Err(Error::corrupt(text).at(at));
            }
            pairs.push(old, new)?;
        }
        area = area.saturating_add(stride);
    }
    Ok(())
}
