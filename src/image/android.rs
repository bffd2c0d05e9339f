//! Android's sparse images: chunks of data, of one repeated word, and of nothing.

use std::num::NonZeroU64;
use std::sync::Arc;

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Open;
use crate::error::{Error, Result};
use crate::format::{Context, Description, Disk, Format, Set, Taken};
use crate::number::{to_u64, to_usize};
use crate::source::mapped::{Map, Mapped, Place, Run};
use crate::source::{SharedSource, Source, read_vec};

pub(super) const FORMAT: Format<Open> = Format {
    name: "android-sparse",
    claim,
    describe,
    open,
};

/// At byte 0: `sparse_header` of AOSP's `system/core/libsparse/sparse_format.h`. Both headers may be
/// longer than they are here.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SparseHeader {
    magic: [u8; 4],
    major_version: U16,
    minor_version: U16,
    file_hdr_sz: U16,
    chunk_hdr_sz: U16,
    blk_sz: U32,
    total_blks: U32,
    total_chunks: U32,
    image_checksum: U32,
}

const MAGIC: [u8; 4] = [0x3a, 0xff, 0x26, 0xed];

/// In front of each chunk: `chunk_header`.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ChunkHeader {
    chunk_type: U16,
    reserved1: U16,
    /// Blocks of the disk.
    chunk_sz: U32,
    /// Bytes in the file, this header among them.
    total_sz: U32,
}

const RAW: u16 = 0xcac1;
const FILL: u16 = 0xcac2;
const DONT_CARE: u16 = 0xcac3;
const CRC32: u16 = 0xcac4;

/// Chunks that are kept; an image of that many has 24 MB of headers alone.
const MOST_CHUNKS: u32 = 2 << 20;

/// Bytes of the largest block.
const MOST_BLOCK: u32 = 64 << 20;

/// Bytes of a piece of repeated words.
const PIECE: usize = 64 << 10;

/// What a chunk holds.
#[derive(Clone, Copy)]
enum Kind {
    /// Bytes, from that place of the file on.
    Raw(u64),
    /// This word over and over.
    Fill([u8; 4]),
    /// Nothing that anybody wants.
    DontCare,
}

struct Chunks {
    size: u64,
    /// Where each ends, and what it holds; in order.
    chunks: Vec<(u64, Kind)>,
    /// What they take of the room for tables.
    _room: Taken,
}

fn claim(source: &dyn Source) -> Result<Option<Set>> {
    if source.size() < to_u64(size_of::<SparseHeader>()) {
        return Ok(None);
    }
    let found = read_vec(source, 0, MAGIC.len())?;
    Ok((found == MAGIC).then_some(Set::Alone))
}

fn describe(source: &dyn Source) -> Result<Description> {
    let Ok(header) = read_header(source) else {
        return Ok(Description::default());
    };
    let (major, minor) = (header.major_version, header.minor_version);
    Ok(Description {
        facts: vec![
            ("version", format!("{major}.{minor}")),
            ("block size", header.blk_sz.to_string()),
            ("chunks", header.total_chunks.to_string()),
        ],
        ..Description::default()
    })
}

fn open(members: &[SharedSource], context: &Context) -> Result<Vec<Disk>> {
    let source = members.first().ok_or_else(|| Error::invalid("no image"))?;
    let header = read_header(&**source)?;
    let map = read_chunks(&**source, &header, context)?;
    let members = vec![source.clone()];
    Ok(vec![Disk::alone(Arc::new(Mapped::new(
        map,
        members,
        None,
        context.cache.clone(),
    )))])
}

fn read_struct<T: FromBytes>(source: &dyn Source, offset: u64, what: &str) -> Result<T> {
    let cut = || Error::corrupt(format!("{what} is cut off")).at(offset);
    let end = offset.checked_add(to_u64(size_of::<T>()));
    if end.is_none_or(|end| end > source.size()) {
        return Err(cut());
    }
    let bytes = read_vec(source, offset, size_of::<T>())?;
    T::read_from_bytes(&bytes).map_err(|_| cut())
}

fn read_header(source: &dyn Source) -> Result<SparseHeader> {
    let header: SparseHeader = read_struct(source, 0, "the header")?;
    let wrong = |field: &str, value: u64| Err(Error::corrupt(format!("{field} {value}")));
    let least = |size: usize| u16::try_from(size).unwrap_or(u16::MAX);
    let blk_sz = header.blk_sz.get();
    if header.major_version.get() != 1 {
        let text = format!("major_version {} is not 1", header.major_version);
        return Err(Error::unsupported(text).at(4));
    }
    if header.file_hdr_sz.get() < least(size_of::<SparseHeader>()) {
        return wrong("file_hdr_sz", header.file_hdr_sz.get().into());
    }
    if header.chunk_hdr_sz.get() < least(size_of::<ChunkHeader>()) {
        return wrong("chunk_hdr_sz", header.chunk_hdr_sz.get().into());
    }
    if blk_sz == 0 || !blk_sz.is_multiple_of(4) || blk_sz > MOST_BLOCK {
        return wrong("blk_sz", blk_sz.into());
    }
    if header.total_blks.get() == 0 {
        return wrong("total_blks", 0);
    }
    if header.total_chunks.get() > MOST_CHUNKS {
        return wrong("total_chunks", header.total_chunks.get().into());
    }
    Ok(header)
}

fn read_chunks(source: &dyn Source, header: &SparseHeader, context: &Context) -> Result<Chunks> {
    let blk_sz = u64::from(header.blk_sz.get());
    let size = u64::from(header.total_blks.get()).saturating_mul(blk_sz);
    let own = u64::from(header.chunk_hdr_sz.get());
    let (mut at, mut end) = (u64::from(header.file_hdr_sz.get()), 0_u64);
    let most = to_usize(header.total_chunks.get().into());
    let room = context
        .room
        .take_large(most.saturating_mul(size_of::<(u64, Kind)>()))?;
    let mut chunks = Vec::new();
    for index in 0..header.total_chunks.get() {
        let chunk: ChunkHeader = read_struct(source, at, &format!("chunk {index}"))?;
        let start = at;
        let wrong = |text: String| Error::corrupt(format!("chunk {index}: {text}")).at(start);
        let len = u64::from(chunk.chunk_sz.get()).saturating_mul(blk_sz);
        let (chunk_type, total) = (chunk.chunk_type.get(), u64::from(chunk.total_sz.get()));
        let data = at.saturating_add(own);
        let (kind, expected) = match chunk_type {
            RAW => (Some(Kind::Raw(data)), len),
            FILL => (Some(Kind::Fill(read_struct(source, data, "a word")?)), 4),
            DONT_CARE => (Some(Kind::DontCare), 0),
            CRC32 => (None, 4),
            _ => return Err(wrong(format!("chunk_type {chunk_type:#x}"))),
        };
        if total != own.saturating_add(expected) {
            return Err(wrong(format!("total_sz {total} of type {chunk_type:#x}")));
        }
        at = at.saturating_add(total);
        if at > source.size() {
            return Err(wrong("it is cut off".to_owned()));
        }
        let Some(kind) = kind else { continue };
        end = end.saturating_add(len);
        if end > size {
            return Err(wrong(format!("chunk_sz {} is too much", chunk.chunk_sz)));
        }
        if len > 0 {
            chunks.push((end, kind));
        }
    }
    if end < size {
        let text = "android-sparse: the chunks end before the disk does: the rest is zeros";
        context.notices.add(text);
    }
    chunks.shrink_to_fit();
    Ok(Chunks {
        size,
        chunks,
        _room: room,
    })
}

impl Map for Chunks {
    fn size(&self) -> u64 {
        self.size
    }

    fn run_at(&self, offset: u64, _attempt: u8) -> Result<Run> {
        let index = self.chunks.partition_point(|(end, _)| *end <= offset);
        let before = index.checked_sub(1).and_then(|it| self.chunks.get(it));
        let start = before.map_or(0, |(end, _)| *end);
        let found = self.chunks.get(index).copied();
        let (end, kind) = found.unwrap_or((self.size, Kind::DontCare));
        let skip = offset.saturating_sub(start);
        let left = end.saturating_sub(offset);
        let piece = to_u64(PIECE);
        let (place, len) = match kind {
            Kind::Raw(data) => {
                let offset = data.saturating_add(skip);
                (Place::At { member: 0, offset }, left)
            }
            Kind::DontCare => (Place::Absent, left),
            Kind::Fill([0, 0, 0, 0]) => (Place::Zeros, left),
            Kind::Fill(word) => {
                let skip = skip.checked_rem(piece).unwrap_or(0);
                let unit = u32::from_le_bytes(word).into();
                let skipped = to_usize(skip);
                let place = Place::Packed {
                    unit,
                    skip: skipped,
                };
                (place, left.min(piece.saturating_sub(skip)))
            }
        };
        let past = || Error::invalid("past the end").at(offset);
        let len = NonZeroU64::new(len).ok_or_else(past)?;
        Ok(Run { place, len })
    }

    fn unit(&self, _unit: u64) -> Result<usize> {
        Ok(PIECE)
    }

    /// The unit's number is the word.
    fn unpack(&self, unit: u64, into: &mut [u8]) -> Result<()> {
        let word = u32::try_from(unit).unwrap_or(0).to_le_bytes();
        for (byte, own) in into.iter_mut().zip(word.into_iter().cycle()) {
            *byte = own;
        }
        Ok(())
    }
}
